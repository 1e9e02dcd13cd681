"""What `kerasgan export`, `serving-config` and `serve` do."""

import contextlib
import logging
import os
import pathlib
import signal
import threading

import click

from kerasgan.cli import runs

FILES = 8192
EXTRA = ("grpc", "tensorflow_serving", "flask", "waitress")


def export(run_or_file, directory, *, keep, jit_compile):
    """Exports a run; see `kerasgan export`."""
    model, _ = runs.load_run(run_or_file)
    card = {}
    if (run_or_file / runs.SETTINGS).exists():
        settings = runs.read_settings(run_or_file)
        names = settings.pop("class_names", None)  # what models of older versions do not know
        names = getattr(model, "class_names", None) or names
        card = {"class_names": names, "training": _portable(settings)}
    from kerasgan.serving import saved_models
    from kerasgan.serving.folders import version_number

    arguments = {"jit_compile": jit_compile, "model_card": card}
    with runs.usage_errors():
        if version_number(directory.name) is not None:
            if keep is not None:
                raise click.UsageError(f"--keep {keep}: {directory} is one version, not a model.")
            saved_models.write_version(model, directory, **arguments)
            path = directory
        else:
            path = saved_models.export_version(model, directory, keep=keep, **arguments)
    signatures = ", ".join(sorted(saved_models.signature_defs(path)))
    click.echo(f"SavedModel with the signatures {signatures} in {path}")
    if not (path / saved_models.WARMUP_REQUESTS).exists():
        click.echo("It has no warm-up requests, which need: pip install 'kerasgan[serving]'")
    config = path.parent.parent / "models.config"
    if config.exists():
        click.echo(f"Labels are as before: kerasgan serving-config {config.parent} renews them.")


def _portable(settings):
    """The settings of a run without what they say of the machine: where its folders are."""
    settings = {n: v for n, v in settings.items() if n not in (*runs.MACHINE, "command")}
    for name in {"data", "data_b", "source"} & set(settings):
        if settings[name] and pathlib.Path(settings[name]).is_absolute():
            settings[name] = pathlib.Path(settings[name]).name
    return settings


def write_configuration(folder):
    """Writes configuration files; see `kerasgan serving-config`."""
    runs.import_keras()
    from kerasgan.serving import configuration

    with runs.usage_errors():
        for path in configuration.write_configuration(folder):
            click.echo(path)


def serve(
    folder,
    *,
    host,
    port,
    rest_port,
    max_megabytes,
    max_images,
    max_pixels,
    max_seconds,
    max_queue,
    max_batch,
):
    """Serves until it is told to end; see `kerasgan serve`."""
    runs.needs(*EXTRA, extra="serving")
    runs.import_keras()
    from kerasgan.serving.batching import Limits
    from kerasgan.serving.server import Server

    _allow_connections()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("kerasgan").setLevel(logging.INFO)
    limits = Limits(
        request_bytes=int(max_megabytes * 2**20),
        request_images=max_images,
        request_pixels=max_pixels,
        request_seconds=max_seconds,
        queue=max_queue,
        batch=max_batch,
    )
    if port:
        runs.listen(host, port).close()  # found out before models are loaded
    with contextlib.closing(runs.listen(host, rest_port, "--rest-port")) as listening:
        with runs.usage_errors():
            server = Server(folder, host, port, listening, limits)
        end = threading.Event()
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: end.set())
        server.start()
        click.echo(
            f"Serving {', '.join(server.models.loading())} for development; production is "
            "TensorFlow Serving (docs/serving.md).\n"
            f"gRPC at {host}:{server.port}, REST and a gallery at {server.url}; Ctrl-C ends."
        )
        try:
            while not (end.is_set() or server.wait(0.1)):
                pass
        except ValueError as error:
            server.stop()
            raise click.UsageError(str(error)) from error
        end.wait()
        click.echo("Answering what was asked before ...")
        if not server.stop():
            click.echo("kerasgan: some requests were not answered within 30 s.", err=True)
            os._exit(1)  # threads that wait for their answers would keep the process


def _allow_connections():
    """Takes the files, of which a connection is one, that the system allows on demand."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
