import pytest


@pytest.fixture(autouse=True)
def fresh_names():
    """Nothing: no test of the data builds layers, and clearing takes longer than most of them."""
