"""The environment of commands: quiet imports, extras, sockets, warnings and usage errors."""

import contextlib
import errno
import importlib.util
import os
import sys
import warnings

import click

# NotImplementedError comes from an incomplete model of the user.
USAGE = (ValueError, TypeError, FileNotFoundError, FileExistsError, NotImplementedError)


@contextlib.contextmanager
def usage_errors():
    """Context manager in which errors are the fault of an argument: exit code 2 rather than 1."""
    try:
        yield
    except USAGE as error:
        raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def warnings_in_one_line():
    """Context manager in which our warnings are printed without file and line."""
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
    """Context manager in which nothing is printed to stderr, not even by C++ code."""
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
    """Imports Keras and TensorFlow without the messages that they print to stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import keras

        import kerasgan.data.reader  # noqa: F401  (TensorFlow, also where it is not the backend)
    return keras


def needs(*modules, extra):
    """Checks that the modules of an extra are installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise click.UsageError(
                f"this needs {module}, which is not installed: pip install 'kerasgan[{extra}]'"
            )


def listen(host, port, option="--port"):
    """Opens a listening socket; failures are reported as errors of an option."""
    from kerasgan.serving import web

    try:
        return web.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.UsageError(
                f"{option} {port} of {host} is in use; choose another one, or 0 for any free port."
            ) from error
        raise click.UsageError(f"--host {host} {option} {port}: {error.strerror}.") from error
