"""`kerasgan export`, `serving-config` and `serve`."""

import contextlib
import logging
import os
import pathlib
import signal
import threading

import click

from kerasgan.cli import runs
from kerasgan.cli.arguments import TakesPreset, directions_option, run_or_file
from kerasgan.cli.environment import import_keras, listen, needs, usage_errors

FILES = 8192
EXTRA = ("grpc", "tensorflow_serving", "flask", "waitress")


@click.command(cls=TakesPreset)
@run_or_file
@click.argument("directory", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--keep", type=click.IntRange(1), help="Keep the newest N versions and remove the others."
)
@click.option("--jit-compile", is_flag=True, help="Compile the networks with XLA. Use it for GPUs.")
@directions_option
def export(run_or_file, directory, keep, jit_compile, directions):
    """Write a SavedModel for TensorFlow Serving.

    DIRECTORY is the folder of the model, such as savedmodels/digits, which gets the next version,
    such as savedmodels/digits/1. You can also name a new version yourself. A server that watches
    the folder never sees an incomplete version.
    """
    model, _ = runs.load_run(run_or_file)
    from kerasgan import roles

    card = {}
    if (run_or_file / runs.SETTINGS).exists():
        settings = runs.read_settings(run_or_file)
        names = settings.pop("class_names", None)  # older models do not have it
        knows_them = roles.has(model, roles.TakesImages) and model.class_names
        card = {"class_names": model.class_names if knows_them else names}
        card["training"] = _portable(settings)
    from kerasgan.serving import saved_models
    from kerasgan.serving.folders import version_number

    arguments = {"jit_compile": jit_compile, "model_card": card}
    with usage_errors():
        arguments["directions"] = runs.load_directions(run_or_file, directions)
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
        click.echo(
            f"The version labels have not changed; kerasgan serving-config {config.parent} "
            "updates them."
        )


def _portable(settings):
    """The settings of a run without the paths on this machine."""
    settings = {n: v for n, v in settings.items() if n not in (*runs.MACHINE, "command")}
    for name in {"data", "data_b", "source"} & set(settings):
        if settings[name] and pathlib.Path(settings[name]).is_absolute():
            settings[name] = pathlib.Path(settings[name]).name
    settings["model"] = pathlib.Path(settings["model"]).name
    return settings


@click.command("serving-config")
@click.argument("folder", type=click.Path(path_type=pathlib.Path))
def serving_config(folder):
    """Write what TensorFlow Serving needs to serve FOLDER.

    FOLDER has one folder for each model, as export makes them. The command writes models.config,
    batching_parameters.txt, monitoring.config and docker-compose.yml to it.
    """
    import_keras()
    from kerasgan.serving import configuration

    with usage_errors():
        for path in configuration.write_configuration(folder):
            click.echo(path)


@click.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8500, show_default=True, type=click.IntRange(0, 65535), help="Port for gRPC."
)
@click.option(
    "--rest-port",
    default=8501,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port for REST and the gallery.",
)
@click.option(
    "--max-images",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of images in a request.",
)
@click.option(
    "--max-pixels",
    default=2**20,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of pixels of a request, over all its images.",
)
@click.option(
    "--max-seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Longest time to answer a request, in seconds.",
)
@click.option(
    "--max-batch",
    default=32,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of images to compute at once.",
)
@click.option(
    "--max-queue",
    default=128,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of requests to keep waiting.",
)
@click.option(
    "--max-megabytes",
    default=16.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Largest size of a request.",
)
def serve(
    folder,
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
    """Serve the SavedModels in FOLDER on this machine, for development.

    The server speaks TensorFlow Serving's gRPC and REST protocols, loads new versions as they
    appear, and shows a gallery. FOLDER has one folder for each model, or is the folder of a model.
    """
    needs(*EXTRA, extra="serving")
    import_keras()
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
        listen(host, port).close()  # fails before models are loaded
    with contextlib.closing(listen(host, rest_port, "--rest-port")) as listening:
        with usage_errors():
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
        click.echo("Answering the requests that are still open ...")
        if not server.stop():
            click.echo("kerasgan: some requests were not answered within 30 s.", err=True)
            os._exit(1)  # threads that wait for answers would keep the process alive


def _allow_connections():
    """Raises the limit of open files, which include connections, to what the system allows."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
