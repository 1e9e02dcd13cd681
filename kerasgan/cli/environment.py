"""What commands need of the machine: Keras without its greetings, extras, sockets; and errors."""

import contextlib
import errno
import importlib.util
import os
import sys
import warnings

import click

# NotImplementedError is of a model of the user's that is incomplete.
USAGE = (ValueError, TypeError, FileNotFoundError, FileExistsError, NotImplementedError)


@contextlib.contextmanager
def usage_errors():
    """What goes wrong in here is the fault of an argument: exit code 2 rather than 1."""
    try:
        yield
    except USAGE as error:
        raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def warnings_in_one_line():
    """In here our warnings say what is the matter, and not in which line of which file."""
    show_others = warnings.showwarning

    def show(message, category, *where, **more):
        if category.__module__.startswith("kerasgan."):
            print(f"kerasgan: warning: {message}", file=sys.stderr)
        else:
            show_others(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def quiet():
    """In here nothing is printed to stderr, not by C++ code either."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def import_keras():
    """Imports Keras and TensorFlow without their greetings, which go to stderr unasked."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import keras

        import kerasgan.data.reader  # noqa: F401  (TensorFlow, also where it is not the backend)
    return keras


def needs(*modules, extra):
    """Makes sure that what an extra brings is installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise click.UsageError(
                f"this needs {module}, which is not installed: pip install 'kerasgan[{extra}]'"
            )


def listen(host, port, option="--port"):
    """A socket that takes connections; what is wrong is the fault of an option."""
    from kerasgan.serving import web

    try:
        return web.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.UsageError(
                f"{option} {port} of {host} is in use; choose another one, or 0 for any that is "
                "free."
            ) from error
        raise click.UsageError(f"--host {host} {option} {port}: {error.strerror}.") from error
