"""What every test needs, before TensorFlow is imported and between tests."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
from absl import flags

flags.FLAGS(["pytest"])  # tf.test.TestCase.create_tempdir reads them
keras.config.disable_interactive_logging()


def pytest_collection_finish(session):
    # What is imported stays; clear_session would go through all of it after every test.
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_names():
    # Auto-generated layer names reach the graph, and with them the order of summation.
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
