"""The commands."""

import errno
import math
import pathlib
import sys

import click

import kerasgan
from kerasgan.cli import comparison, evaluation, hype, outputs, runs, serving, training, translation
from kerasgan.models import registry
from kerasgan.utils.printable import printable

run_or_file = click.argument("run_or_file", type=click.Path(path_type=pathlib.Path))


def main():
    """Runs the command line; errors are one line on stderr, and exit code 2 (usage) or 1 (run)."""
    debug = "--debug" in sys.argv  # wherever it stands
    try:
        arguments = [a for a in sys.argv[1:] if a != "--debug"]
        sys.exit(commands(arguments, standalone_mode=False))
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted.", 130)
    except click.ClickException as error:
        if debug and error.__cause__ is not None:
            raise error.__cause__ from None
        _fail(error.format_message(), error.exit_code)
    except Exception as error:
        if debug:
            raise
        _fail(f"{_describe(error)} (--debug shows where)", 1)


def _describe(error):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "no space left on the disk; what was saved before is intact, so make room and continue "
            "(a training: with --resume)"
        )
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _fail(message, exit_code):
    print(f"kerasgan: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(exit_code)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasgan.__version__, prog_name="kerasgan")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commands(context, debug):
    """Train, sample, measure and serve generative adversarial networks."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command()
def models():
    """List the models of the zoo."""
    entries = registry.entries()
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        click.echo(f"{entry.name:{width}}  {entry.summary}")
        click.echo(f"{'':{width}}  {entry.reference}")


commands.add_command(training.train)


@commands.command()
@run_or_file
@click.option(
    "--num", default=64, show_default=True, type=click.IntRange(1), help="Number of images."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--label", help="Class to draw, for a conditional model: its name or number.")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Write one PNG with all samples in a grid.",
)
@click.option(
    "--individual",
    type=click.Path(path_type=pathlib.Path),
    help="Write each sample to a PNG of its own in this folder.",
)
def sample(run_or_file, num, seed, label, out, individual):
    """Draw samples from a run folder or a .keras file.

    The same seed always gives the same samples. A larger --num adds samples to them.
    """
    if (out is None) == (individual is None):
        raise click.UsageError("say where to: --out grid.png for one picture, or --individual DIR.")
    if out is not None:
        outputs.check_file("--out", out, "picture")
        files = []
    else:
        outputs.check_folder("--individual", individual)
        files = [individual / f"{index:06d}.png" for index in range(num)]
    for file in files:
        outputs.check_existing("--individual", file, "picture")
    gan, _ = runs.load_run(run_or_file)
    from kerasgan import pictures
    from kerasgan.utils.images import to_uint8

    if not hasattr(gan, "generate"):
        raise click.UsageError(
            f"{type(gan).__name__} makes images from images: kerasgan translate {run_or_file} "
            "PICTURE... --out DIR"
        )
    if label is None and getattr(gan, "num_classes", None) is not None:
        raise click.UsageError(
            f"{type(gan).__name__} is conditional: say which --label, 0 to {gan.num_classes - 1}"
            f"{', or a name: ' + ', '.join(gan.class_names) if gan.class_names else ''}."
        )
    with runs.usage_errors():
        labels = None if label is None else runs.read_label(gan, label)
        samples = gan.generate(num, seed=seed, labels=labels)
    if out is not None:
        pictures.write_png(out, pictures.draw(samples))
        click.echo(f"{num} samples in {out}")
        return
    if samples.ndim != 4:
        raise click.UsageError(
            "--individual writes images, and this model makes vectors; use --out for a plot."
        )
    if samples.shape[-1] > 4:
        raise click.UsageError(
            f"--individual writes PNG files, which have no {samples.shape[-1]} channels; use --out."
        )
    for file, image in zip(files, to_uint8(samples), strict=True):
        pictures.write_png(file, image)
    click.echo(f"{num} images in {individual}")


@commands.command()
@run_or_file
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Write results to this folder.",
)
@click.option(
    "--to", help="Target domain, A or B, for a model that translates both ways.  [default: B]"
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Random seed, for a model that adds noise.",
)
@click.option(
    "--tile",
    default=512,
    show_default=True,
    type=click.IntRange(1),
    help="Translate larger pictures in square tiles of this size, in pixels.",
)
@runs.skip_damaged
def translate(run_or_file, inputs, out, to, seed, tile, skip_damaged):
    """Translate pictures or folders of pictures, of any size.

    Each result is a PNG file with the name of its picture.
    """
    model, _ = runs.load_run(run_or_file)
    if not hasattr(model, "translate"):
        raise click.UsageError(
            f"{type(model).__name__} makes images from noise: kerasgan sample {run_or_file} "
            "--out PICTURE.png"
        )
    if to is None:
        to = next(iter(model.networks_by_direction))
    with runs.usage_errors():
        count = translation.translate_files(
            model, inputs, out, to=to, seed=seed, tile=tile, skip_damaged=skip_damaged
        )
    click.echo(f"{count} picture{'' if count == 1 else 's'} in {out}")


@commands.command()
@click.argument("run_file_or_folder", type=click.Path(path_type=pathlib.Path, exists=True))
@click.option(
    "--data",
    required=True,
    help="Real images, as for train, or an .npz file with their statistics (mu, sigma).",
)
@click.option("--split", default="train", show_default=True, help="Part of the real images to use.")
@runs.data_dir
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Resize real and generated images to this size.  [default: that of the generated images]",
)
@click.option(
    "--metrics",
    default=evaluation.DEFAULT,
    show_default=True,
    help="Metrics to compute, separated by commas.",
)
@click.option(
    "--features",
    help="Network that looks at the images: inception, inception-clean, inception-pytorch, digits, "
    "pixels, or the PATH of a .keras file or of Inception's weights (.pth).  [default: inception, "
    "which is downloaded once]",
)
@click.option(
    "--num",
    type=click.IntRange(2),
    help="Number of generated images.  [default: 10000; for a folder, all]",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@runs.skip_damaged
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Write the results to this JSON file.  [default: evaluation.json in the folder]",
)
def evaluate(run_file_or_folder, **options):
    """Measure a run, a .keras file, or a folder of pictures.

    The table shows each metric with the number of images and the network behind it: compare only
    values that agree in both.
    """
    evaluation.evaluate(run_file_or_folder, **options)


@commands.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    default="compare.html",
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="Write the page to this HTML file.",
)
def compare(folders, out):
    """Compare runs on one page: settings, metrics, samples and curves."""
    comparison.compare(folders, out)


@commands.command()
@run_or_file
@click.argument("directory", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--keep", type=click.IntRange(1), help="Keep the newest N versions and remove the others."
)
@click.option("--jit-compile", is_flag=True, help="Compile the networks with XLA. Use it for GPUs.")
def export(run_or_file, directory, **options):
    """Write a SavedModel for TensorFlow Serving.

    DIRECTORY is the folder of the model, such as savedmodels/digits: the next version, such as
    savedmodels/digits/1, goes in there. Or name a new version yourself. A server that watches the
    folder never sees an incomplete version.
    """
    serving.export(run_or_file, directory, **options)


@commands.command("serving-config")
@click.argument("folder", type=click.Path(path_type=pathlib.Path))
def serving_config(folder):
    """Write what TensorFlow Serving needs to serve FOLDER.

    FOLDER has one folder for each model, as export makes them. The command writes models.config,
    batching_parameters.txt, monitoring.config and docker-compose.yml to it.
    """
    serving.write_configuration(folder)


@commands.command()
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
def serve(folder, **options):
    """Serve the SavedModels in FOLDER on this machine, for development.

    The server speaks TensorFlow Serving's gRPC and REST protocols, loads new versions as they
    appear, and shows a gallery. FOLDER has one folder for each model, or is the folder of a model.
    """
    serving.serve(folder, **options)


@commands.command()
@run_or_file
def info(run_or_file):
    """Show what a run folder or a .keras file contains."""
    gan, file = runs.load_run(run_or_file)
    rows = {"model": type(gan).__name__, "file": f"{file} ({file.stat().st_size / 2**20:.1f} MiB)"}
    rows["epochs trained"] = gan.epochs_trained
    rows["makes"] = "x".join(map(str, gan.image_shape))
    rows |= {k: v for k, v in gan.get_config().items() if not isinstance(v, dict)}
    for player in gan.players:
        weights = sum(math.prod(v.shape) for v in gan.player_variables(player))
        optimizer = f", {type(gan.optimizer[player]).__name__}" if gan.compiled else ""
        rows[player] = f"{weights:,} weights{optimizer}"
    if gan.compiled:
        rows["loss"] = type(gan.adversarial_loss).__name__
    if (run_or_file / runs.SETTINGS).exists():
        settings = runs.read_settings(run_or_file)
        rows["data"] = settings["data"]
        rows["epochs wanted"] = settings["epochs"]
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:{width}}  {value}")


@commands.command("hype")
@run_or_file
@click.option("--real", required=True, metavar="DATA", help="Real images, as --data of train.")
@click.option(
    "--mode",
    default="infinity",
    show_default=True,
    type=click.Choice(["infinity", "time"]),
    help="Give participants unlimited time, or show each image briefly.",
)
@click.option(
    "--num",
    type=click.IntRange(1),
    help="Images for each participant.  [default: 100; for time, 450]",
)
@click.option("--split", default="train", show_default=True, help="Part of the data to use.")
@runs.data_dir
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Resize real and generated images to squares of this size.",
)
@click.option("--label", help="Show only this class: its name or number.")
@runs.skip_damaged
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option(
    "--out",
    default="hype.csv",
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="Add every answer to this CSV file.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def hype_command(run_or_file, real, **options):
    """Let people tell generated images from real ones on a web page.

    RUN_OR_FILE can also be a folder of pictures, of anyone's generator.
    """
    hype.run(run_or_file, real, **options)
