"""The commands."""

import contextlib
import errno
import json
import math
import pathlib
import shlex
import shutil
import sys

import click

import kerasgan
from kerasgan.cli import comparison, evaluation, hype, runs, serving, translation
from kerasgan.models import registry

data_dir = click.option("--data-dir", help="Where TensorFlow Datasets keeps its data.")
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
    print(f"kerasgan: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(exit_code)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(kerasgan.__version__, prog_name="kerasgan")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def commands(context, debug):
    """Generative adversarial networks: train, sample, translate, measure, serve."""
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


@commands.command()
@click.argument("model", required=False)
@click.option("--data", help="digits, ring8, grid25, a TFDS name, a folder or an .npz file.")
@click.option("--split", default=None, help="Part of the data to train on.  [default: train]")
@data_dir
@click.option("--image-size", type=click.IntRange(1), help="Images become squares of this size.")
@click.option("--crop", type=click.IntRange(1), help="Train on squares cut out of them at random.")
@click.option("--source", help="Half of a pair that is translated: left, right, A, B, a folder.")
@click.option("--task", help="Make the pairs: colorize, inpaint, edges or denoise.")
@click.option("--data-b", help="The second domain, for unpaired translation.  [default: in --data]")
@click.option(
    "--pretrain-epochs",
    type=click.IntRange(0),
    help="The first epochs train srgan's generator alone, on pixels.",
)
@click.option("--epochs", type=click.IntRange(1), help="Train until this epoch.  [default: 50]")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Examples a step.  [default: 64; of a model that translates, the paper's]",
)
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A setting of the model."
)
@click.option("--loss", help="minimax, non_saturating, least_squares, hinge, wasserstein, ...")
@click.option(
    "--penalty",
    "penalties",
    multiple=True,
    help="wgan-gp, wgan-lp, dragan, r1, r2 or r1-lazy; none for no penalty.  [default: the "
    "paper's, whatever the --loss]",
)
@click.option(
    "--discriminator-steps",
    type=click.IntRange(1),
    help="Updates for one of the generator; each gets its part of a batch.  [default: the paper's]",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="Of every player's optimizer.  [default: the paper's]",
)
@click.option(
    "--stage-epochs",
    type=click.FloatRange(0, min_open=True),
    help="Of each fade-in and each stabilisation, for a model that grows.  [default: a share of "
    "--epochs that leaves two for the final resolution]",
)
@click.option(
    "--decay-from",
    type=click.IntRange(0),
    metavar="EPOCH",
    help="From here the learning rate falls linearly, to zero at the end of --epochs.",
)
@click.option("--seed", type=click.IntRange(0), help="Of all random numbers.  [default: 0]")
@click.option("--devices", type=click.IntRange(1), help="GPUs that share each batch.  [default: 1]")
@click.option(
    "--out", type=click.Path(path_type=pathlib.Path), help="Run folder.  [default: runs/MODEL]"
)
@click.option("--resume", is_flag=True, help="Continue the run in --out exactly.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
def train(
    model,
    out,
    resume,
    overwrite,
    epochs,
    assignments,
    loss,
    penalties,
    discriminator_steps,
    **options,
):
    """Train MODEL; `kerasgan models` lists them.

    The run folder gets model.keras after every epoch, sample grids, curves and a report. A run
    that was interrupted or is to be longer continues with `kerasgan train --resume --out DIR`,
    which needs no other argument.
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    if resume and out is None and model is None:
        raise click.UsageError("--resume needs --out, the folder of the run.")
    out = out or pathlib.Path("runs") / str(model)
    given = {name: value for name, value in options.items() if value is not None}
    if model is not None:
        given["model"] = model
    for name in {"data", "data_b"} & set(given):
        if pathlib.Path(given[name]).exists():
            given[name] = str(pathlib.Path(given[name]).resolve())  # for --resume from elsewhere
    game = {"loss": loss, "penalties": penalties, "discriminator_steps": discriminator_steps}
    game = {name: value for name, value in game.items() if value}
    if "none" in penalties:
        if len(penalties) > 1:
            raise click.UsageError("--penalty none excludes other penalties.")
        game["penalties"] = []
    if assignments or game:
        given["set"] = {**runs.parse_assignments(assignments), **game}
    if resume:
        settings = runs.read_settings(out)
        _check_same(settings, given, out)
        settings |= {name: given[name] for name in runs.MACHINE if name in given}
        if settings.get("decay_from") is not None and (epochs or 0) > settings["epochs"]:
            raise click.UsageError(
                f"--epochs {epochs}: the learning rate of the run in {out} has fallen to zero at "
                f"epoch {settings['epochs']}; start a longer one."
            )
    else:
        settings = _new_settings(given)
        runs.prepare_folder(out, overwrite)
    settings["epochs"] = epochs or settings.get("epochs", 50)
    _train(out, settings, resume)


def _new_settings(given):
    if "model" not in given:
        raise click.UsageError("which MODEL? `kerasgan models` lists them.")
    if "data" not in given:
        raise click.UsageError("which --data? For example --data digits.")
    runs.find_entry(given["model"])
    defaults = {
        "split": "train",
        "data_dir": None,
        "image_size": None,
        "crop": None,
        **dict.fromkeys(translation.OPTIONS),
        "batch_size": None,
        "learning_rate": None,
        "decay_from": None,
        "stage_epochs": None,
        "seed": 0,
        "devices": 1,
        "set": {},
    }
    return {"kerasgan": kerasgan.__version__, **defaults, **given}


def _check_same(settings, given, out):
    for name in set(given) - set(runs.MACHINE):
        value, kept = given[name], settings.get(name)
        if json.loads(json.dumps(value)) != kept:
            raise click.UsageError(
                f"the run in {out} has {name}={kept!r}, not {value!r}; leave that out to continue "
                "the run, or start another one with another --out."
            )


def _train(out, settings, resume):
    keras = runs.import_keras()
    from kerasgan import backend

    model_class = runs.model_class(settings["model"])
    translation.check_options(settings, model_class)
    if settings["batch_size"] is None:
        settings["batch_size"] = getattr(model_class, "default_batch_size", 64)
    devices = settings.get("devices", 1)
    if settings["batch_size"] % devices:
        raise click.UsageError(
            f"--devices {devices} cannot share batches of {settings['batch_size']} equally; choose "
            f"a --batch-size that is a multiple of {devices}."
        )
    with runs.usage_errors():
        scope = backend.devices(devices) if devices > 1 else contextlib.nullcontext()
    with scope:
        _train_here(keras, out, settings, resume)


def _train_here(keras, out, settings, resume):
    from kerasgan import callbacks

    keras.utils.set_random_seed(settings["seed"])
    with runs.usage_errors():
        examples, arguments = _load_examples(settings)
    if resume and (out / runs.MODEL).exists():
        gan, _ = runs.load_run(out)
    else:
        gan = _new_model(settings, arguments, len(examples))
    done = gan.epochs_trained
    if done >= settings["epochs"]:
        click.echo(f"{out} is trained for {done} epochs; --epochs {2 * done} would go on.")
        return
    growing = _growing(gan, settings)
    with runs.usage_errors():
        pictures = _pictures(gan, examples, out, settings)
    if not resume and out.exists():
        shutil.rmtree(out)  # not before everything that an argument can break is behind us
    runs.write_settings(out, settings)
    gan.save(out / runs.MODEL)
    shown = {name: settings[name] for name in ("data", "split", "batch_size", "seed")}
    curves = callbacks.TrainingCurves(out)
    report = callbacks.RunReport(out, settings=shown)
    checkpoint = keras.callbacks.ModelCheckpoint(out / runs.MODEL)
    # Those that log come before those that show what was logged.
    watching = [*growing, *pictures, curves, report, checkpoint]
    verbose = 1 if sys.stdout.isatty() else 2
    phases = [(gan.fit, settings["epochs"])]
    if settings.get("pretrain_epochs"):
        phases.insert(0, (gan.pretrain, min(settings["pretrain_epochs"], settings["epochs"])))
    try:
        with runs.warnings_in_one_line():
            for train, end in phases:
                if gan.epochs_trained < end:
                    train(
                        examples,
                        initial_epoch=gan.epochs_trained,
                        epochs=end,
                        callbacks=watching,
                        verbose=verbose,
                    )
    except KeyboardInterrupt:
        pictures[-1].write_gif()
        curves.on_train_end()
        report.on_train_end()
        _, saved = gan.last_saved
        click.echo(
            f"\nInterrupted. The first {saved} epochs are saved in {out}; this goes on with the "
            f"next one:\n    kerasgan train --resume --out {shlex.quote(str(out))}"
        )
        sys.exit(130)
    click.echo(f"Trained for {settings['epochs']} epochs. Open {out / 'report.html'}")


def _load_examples(settings):
    """The data of a run, and the arguments that make a model for it."""
    from kerasgan import data
    from kerasgan.core.translation import TranslationModel

    model_class = runs.model_class(settings["model"])
    if issubclass(model_class, TranslationModel):
        examples = translation.load_examples(model_class, settings, training=True)
        shapes = (tuple(half.shape[1:]) for half in examples.element_spec)
        return examples, model_class.arguments_for(*shapes)
    source = {name: settings[name] for name in ("split", "data_dir", "image_size", "batch_size")}
    labels = registry.is_conditional(model_class, settings["set"])
    examples = data.load(
        settings["data"],
        seed=settings["seed"],
        labels=labels,
        augment_crop=settings.get("crop"),
        **source,
    )
    images = examples.element_spec[0] if labels else examples.element_spec
    arguments = {"image_shape": tuple(images.shape[1:])}
    if labels:
        settings["class_names"] = list(map(str, data.class_names(examples)))
        arguments["num_classes"] = len(settings["class_names"])
        wanted = settings["set"].get("num_classes", arguments["num_classes"])
        if isinstance(wanted, int) and wanted < arguments["num_classes"]:
            raise ValueError(
                f"num_classes={wanted}, but {settings['data']} has {arguments['num_classes']}; "
                "leave --set num_classes out."
            )
    return examples, arguments


def _pictures(gan, examples, out, settings):
    """The callbacks that look at what the model makes; the last one draws it."""
    from kerasgan import callbacks
    from kerasgan.core.translation import TranslationModel

    every = max(1, settings["epochs"] // 20)
    if isinstance(gan, TranslationModel):
        shown = translation.load_examples(type(gan), settings, training=False)
        return [callbacks.TranslationGrid(shown, out, every=every)]
    return [
        callbacks.CollapseMonitor(examples, out, every=every),
        callbacks.SampleGrid(out, every=every),
    ]


def _growing(gan, settings):
    """The callback of a model that grows, in a list; its schedule becomes part of the settings."""
    from kerasgan import callbacks
    from kerasgan.core.growing import GrowingGAN

    if not isinstance(gan, GrowingGAN):
        if settings.get("stage_epochs"):
            raise click.UsageError(f"--stage-epochs: {type(gan).__name__} does not grow.")
        return []
    # Not a function of --epochs from here on, which may be more when the run is continued.
    if settings["stage_epochs"] is None:
        settings["stage_epochs"] = settings["epochs"] / (2 * (gan.last_stage + 1))
    stage = callbacks.Stage(settings["stage_epochs"], settings["stage_epochs"], unit="epochs")
    return [callbacks.ProgressiveGrowing(stage)]


def _new_model(settings, arguments, steps_per_epoch):
    from kerasgan.core.linear_decay import LinearDecay

    model_class = runs.model_class(settings["model"])
    of_model, of_compile = runs.split_arguments(model_class, settings["set"])
    with runs.usage_errors():
        gan = model_class(seed=settings["seed"], **{**arguments, **of_model})
        gan.compile(**of_compile)
    decay_from = settings.get("decay_from")
    if decay_from is not None and decay_from >= settings["epochs"]:
        raise click.UsageError(
            f"--decay-from {decay_from} is not before the end, --epochs {settings['epochs']}."
        )
    for player in gan.players:
        optimizer = gan.optimizer[player]
        if settings["learning_rate"] is not None:
            optimizer.learning_rate = settings["learning_rate"]
        if decay_from is not None:
            judges = player == "discriminator"
            updates = steps_per_epoch * (getattr(gan, "discriminator_steps", 1) if judges else 1)
            # A discriminator counts from where it begins to be trained.
            begin = (
                min(settings.get("pretrain_epochs") or 0, settings["epochs"] - 1) if judges else 0
            )
            fall_from = max(decay_from, begin)
            optimizer.learning_rate = LinearDecay(
                float(optimizer.learning_rate),
                updates * (fall_from - begin),
                updates * (settings["epochs"] - fall_from),
            )
    return gan


@commands.command()
@run_or_file
@click.option("--num", default=64, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which ones.")
@click.option("--label", type=int, help="The class, for a conditional model.")
@click.option("--out", type=click.Path(path_type=pathlib.Path), help="One picture of them all.")
@click.option(
    "--individual", type=click.Path(path_type=pathlib.Path), help="Folder for a file of each."
)
def sample(run_or_file, num, seed, label, out, individual):
    """Draw samples from a run folder or a .keras file.

    The same seed gives the same samples, and the first ones of a larger --num.
    """
    if (out is None) == (individual is None):
        raise click.UsageError("say where to: --out grid.png for one picture, or --individual DIR.")
    if out is not None and out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: the picture is a PNG file, so name it .png.")
    gan, _ = runs.load_run(run_or_file)
    from kerasgan.callbacks import pictures
    from kerasgan.core.images import to_uint8

    if not hasattr(gan, "generate"):
        raise click.UsageError(
            f"{type(gan).__name__} makes images from images: kerasgan translate {run_or_file} "
            "PICTURE... --out DIR"
        )
    if label is None and getattr(gan, "num_classes", None) is not None:
        raise click.UsageError(
            f"{type(gan).__name__} is conditional: say which --label, 0 to {gan.num_classes - 1}."
        )
    with runs.usage_errors():
        samples = gan.generate(num, seed=seed, labels=label)
    if out is not None:
        pictures.write_png(out, pictures.draw(samples))
        click.echo(f"{num} samples in {out}")
        return
    if samples.ndim != 4:
        raise click.UsageError(
            "--individual writes images, and this model makes vectors; use --out for a plot."
        )
    for index, image in enumerate(to_uint8(samples)):
        pictures.write_png(individual / f"{index:06d}.png", image)
    click.echo(f"{num} images in {individual}")


@commands.command()
@run_or_file
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=pathlib.Path), help="Folder for the results."
)
@click.option("--to", help="A or B, for a model that translates both ways.  [default: B]")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Of noise, if it has any."
)
@click.option(
    "--tile",
    default=512,
    show_default=True,
    type=click.IntRange(1),
    help="Larger pictures are translated in squares of this size.",
)
def translate(run_or_file, inputs, out, to, seed, tile):
    """Translate pictures, or folders of them, of any size.

    Each result is a PNG file in DIR under its picture's name.
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
        count = translation.translate_files(model, inputs, out, to=to, seed=seed, tile=tile)
    click.echo(f"{count} picture{'s' if count > 1 else ''} in {out}")


@commands.command()
@click.argument("run_file_or_folder", type=click.Path(path_type=pathlib.Path, exists=True))
@click.option(
    "--data",
    required=True,
    help="The real images, as for train; or an .npz file with statistics (mu, sigma) of them.",
)
@click.option("--split", default="train", show_default=True, help="Part of the real images.")
@data_dir
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Of real and generated images.  [default: the generated ones']",
)
@click.option("--metrics", default=evaluation.DEFAULT, show_default=True, help="Which numbers.")
@click.option(
    "--features",
    help="inception, inception-clean, digits, pixels, or the PATH of a .keras file or of "
    "Inception's weights (.pth).  [default: inception if it can be had, else digits]",
)
@click.option(
    "--num",
    type=click.IntRange(2),
    help="How many generated images.  [default: 10000; of a folder, all]",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the images.")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="JSON file.  [default: evaluation.json in the folder]",
)
def evaluate(run_file_or_folder, **options):
    """Measure a run, a .keras file, or a folder of anyone's pictures.

    The table says how many real and generated images each number is of, and what network looked at
    them: without these two a number means nothing.
    """
    evaluation.evaluate(run_file_or_folder, **options)


@commands.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    default="compare.html",
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="The page.",
)
def compare(folders, out):
    """Put runs side by side: settings, numbers, samples and curves."""
    comparison.compare(folders, out)


@commands.command()
@run_or_file
@click.argument("directory", type=click.Path(path_type=pathlib.Path))
@click.option("--keep", type=click.IntRange(1), help="Remove all but the newest N versions.")
@click.option("--jit-compile", is_flag=True, help="Have XLA compile the networks; for GPUs.")
def export(run_or_file, directory, **options):
    """Write a SavedModel for TensorFlow Serving.

    DIRECTORY is the model's, savedmodels/digits, and gets the next version, savedmodels/digits/1;
    or it is that of a version, which must not exist yet. A server that is watching never sees half
    of one.
    """
    serving.export(run_or_file, directory, **options)


@commands.command("serving-config")
@click.argument("folder", type=click.Path(path_type=pathlib.Path))
def serving_config(folder):
    """Write what TensorFlow Serving needs to serve FOLDER.

    FOLDER has a folder for each model, as export makes them. It gets models.config,
    batching_parameters.txt, monitoring.config and docker-compose.yml.
    """
    serving.write_configuration(folder)


@commands.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Who may ask: this machine.")
@click.option(
    "--port", default=8500, show_default=True, type=click.IntRange(0, 65535), help="gRPC."
)
@click.option(
    "--rest-port", default=8501, show_default=True, type=click.IntRange(0, 65535), help="REST."
)
@click.option(
    "--max-images", default=64, show_default=True, type=click.IntRange(1), help="In a request."
)
@click.option(
    "--max-batch", default=32, show_default=True, type=click.IntRange(1), help="Computed together."
)
@click.option(
    "--max-queue", default=128, show_default=True, type=click.IntRange(1), help="Waiting requests."
)
@click.option(
    "--max-megabytes",
    default=16.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Of a request.",
)
def serve(folder, **options):
    """Serve the SavedModels in FOLDER on this machine, for development.

    It speaks TensorFlow Serving's gRPC and REST protocols, takes up new versions, and has a
    gallery. FOLDER is one with a folder for each model, or a model's own.
    """
    serving.serve(folder, **options)


@commands.command()
@run_or_file
def info(run_or_file):
    """Say what is in a run folder or a .keras file."""
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
    help="Unlimited time, or images that flash up.",
)
@click.option(
    "--num", type=click.IntRange(1), help="Images a participant.  [default: 100; for time, 450]"
)
@click.option("--split", default="train", show_default=True, help="Part of the data.")
@data_dir
@click.option("--image-size", type=click.IntRange(1), help="Both become squares of this size.")
@click.option("--label", type=click.IntRange(0), help="Only this class, of both.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which images.")
@click.option(
    "--out",
    default="hype.csv",
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="CSV file that every answer is added to.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Who may come: this machine.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def hype_command(run_or_file, real, **options):
    """Let people tell generated images from real ones on a web page.

    RUN_OR_FILE can also be a folder of pictures, of anyone's generator.
    """
    hype.run(run_or_file, real, **options)
