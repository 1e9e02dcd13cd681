"""What every test needs, before TensorFlow is imported and between tests."""

import gc
import os
import tempfile

import kerasgan  # noqa: F401  (before TensorFlow, for oneDNN; tests import it in any order)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Several tests run at once: threads of PyTorch would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Under JAX these tests are mostly compilation: do less of it, and nothing twice.
compiled = tempfile.TemporaryDirectory(prefix="kerasgan-compiled")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import keras
import pytest
from absl import flags

flags.FLAGS(["pytest"])  # tf.test.TestCase.create_tempdir reads them
keras.config.disable_interactive_logging()


# Of several processes none is to begin a long file when the others end.
LONG_FILES = ("test_documents.py", "test_every_model.py", "test_distribution.py", "test_saving.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


def pytest_collection_finish(session):
    # What is imported stays: the garbage collector need not go through all of it again.
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def little_is_left_by_a_file():
    yield
    free_and_freeze()


@pytest.fixture(autouse=True)
def little_is_left_by_a_test(request):
    yield
    if request.path.name in LONG_FILES:
        free_and_freeze()


def free_and_freeze():
    """Frees what can be freed, and keeps the garbage collector from going through the rest.

    What tests leave behind grows, and a server collects at each version that it lets go.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_names():
    # Auto-generated layer names reach the graph, and with them the order of summation.
    # Freeing memory after every test took longer than all tests together.
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
