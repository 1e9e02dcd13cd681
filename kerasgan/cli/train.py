"""`kerasgan train`: its options, and the settings of a run that follow from them."""

import ast
import pathlib
import shlex
import sys

import click

import kerasgan
from kerasgan.cli import model_classes, run_folder, runs, training
from kerasgan.cli.arguments import data_dir, skip_damaged


@click.command()
@click.argument("model", required=False)
@click.option(
    "--data", help="Training data: digits, ring8, grid25, a TFDS name, a folder or an .npz file."
)
@click.option("--split", default=None, help="Part of the data to train on.  [default: train]")
@data_dir
@skip_damaged
@click.option("--image-size", type=click.IntRange(1), help="Resize images to squares of this size.")
@click.option("--crop", type=click.IntRange(1), help="Train on random square crops of this size.")
@click.option(
    "--mirror",
    is_flag=True,
    default=None,
    help="Mirror half of the images, if left and right are interchangeable.",
)
@click.option(
    "--from",
    "start_from",
    metavar="FILE",
    help="Start from the weights of a trained model, a run folder or a .keras file. Its settings "
    "become the defaults; weights that do not fit the data start anew.",
)
@click.option(
    "--freeze-discriminator",
    type=click.IntRange(1),
    metavar="LAYERS",
    help="With --from: freeze this many layers of the discriminator, starting at the image.",
)
@click.option("--source", help="Half of each pair to translate: left, right, A, B, or a folder.")
@click.option("--task", help="Make the pairs from --data: colorize, inpaint, edges or denoise.")
@click.option("--data-b", help="Second domain, for unpaired translation.  [default: in --data]")
@click.option(
    "--pretrain-epochs",
    type=click.IntRange(0),
    help="Train only the generator of srgan or esrgan, on pixels, for the first epochs.",
)
@click.option("--epochs", type=click.IntRange(1), help="Train until this epoch.  [default: 50]")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Examples in a batch.  [default: the paper's, times the updates that share a batch]",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the model or of its compile.",
)
@click.option(
    "--loss",
    help="Adversarial loss: minimax, non_saturating, least_squares, hinge, wasserstein or "
    "relativistic.  [default: the paper's]",
)
@click.option(
    "--penalty",
    "penalties",
    multiple=True,
    help="Penalty on the discriminator: wgan-gp, wgan-lp, dragan, r1, r2, r1-lazy, lecam, cr, bcr "
    "or none. Repeat it for several.  [default: the paper's, whatever the --loss]",
)
@click.option(
    "--augmentation",
    help="Augment what the discriminator sees, against overfitting to few images: ada or "
    "diffaugment.  [default: none]",
)
@click.option(
    "--discriminator-steps",
    type=click.IntRange(1),
    help="Discriminator updates per generator update; each gets its part of a batch.  "
    "[default: the paper's]",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="Learning rate of all optimizers.  [default: the paper's]",
)
@click.option(
    "--stage-epochs",
    type=click.FloatRange(0, min_open=True),
    help="Epochs of each fade-in and each stabilisation, for a model that grows.  [default: a "
    "share of --epochs that leaves two for the final resolution]",
)
@click.option(
    "--decay-from",
    type=click.IntRange(0),
    metavar="EPOCH",
    help="Let the learning rate fall linearly from this epoch to zero at the end.",
)
@click.option(
    "--metrics",
    help="Metrics to log about 20 times in a run, such as fid,kid. best.keras is the model that is "
    "best by the first one.",
)
@click.option(
    "--features",
    help="Network for the features in --metrics: inception, mobilenet_v2, "
    "dinov2:PRESET_OR_FOLDER, lpips:BACKBONE,HEADS (for the metric lpips), digits, or the PATH of "
    "a .keras file or of Inception's weights (.pth).  [default: inception]",
)
@click.option("--validation-split", help="Part of the data for --metrics.  [default: test]")
@click.option("--tensorboard", is_flag=True, default=None, help="Write logs for TensorBoard, too.")
@click.option("--seed", type=click.IntRange(0), help="Random seed.  [default: 0]")
@click.option(
    "--devices", type=click.IntRange(1), help="Number of GPUs that share each batch.  [default: 1]"
)
@click.option(
    "--save-minutes",
    type=click.FloatRange(0, min_open=True),
    help="Minutes between two saves within an epoch.  [default: 10]",
)
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Write the run to this folder.  [default: runs/MODEL]",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out where it stopped.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace the run in --out when this one has finished an epoch.",
)
def train(
    model,
    out,
    resume,
    overwrite,
    epochs,
    assignments,
    loss,
    penalties,
    augmentation,
    discriminator_steps,
    **options,
):
    """Train MODEL. `kerasgan models` lists the models.

    MODEL can also be a class of your own, in a file or in a module that can be imported:
    path/to/file.py:ClassName or package.module:ClassName. The other commands import it again from
    there to load the run.

    The run folder gets model.keras after every epoch and within long ones, sample grids, curves and
    a report. Ctrl-C and SIGTERM save the model and stop. Continue a run exactly where it stopped
    with `kerasgan train --resume --out DIR`; add --epochs to make it longer.
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite cannot be used together.")
    if resume and out is None and model is None:
        raise click.UsageError("--resume needs --out, the folder of the run.")
    if model is not None:
        model = model_classes.canonical(model)
    out = out or pathlib.Path("runs") / model_classes.short(str(model))
    given = {name: value for name, value in options.items() if value is not None}
    if model is not None:
        given["model"] = model
    for name in {"data", "data_b", "start_from"} & set(given):
        if pathlib.Path(given[name]).exists():
            given[name] = str(pathlib.Path(given[name]).resolve())  # for --resume from elsewhere
    game = {"loss": loss, "penalties": penalties, "discriminator_steps": discriminator_steps}
    game["augmentation"] = augmentation
    game = {name: value for name, value in game.items() if value}
    if "none" in penalties:
        if len(penalties) > 1:
            raise click.UsageError("--penalty none cannot be used together with other penalties.")
        game["penalties"] = []
    if assignments or game:
        given["set"] = {**parse_assignments(assignments), **game}
    if resume:
        settings = _settings_of_run(out)
        _check_same(settings, given, out)
        settings |= {name: given[name] for name in runs.MACHINE if name in given}
        if settings.get("decay_from") is not None and (epochs or 0) > settings["epochs"]:
            raise click.UsageError(
                f"--epochs {epochs}: the learning rate of the run in {out} has fallen to zero at "
                f"epoch {settings['epochs']}; start a new run with more epochs."
            )
    else:
        settings = _new_settings(given)
        run_folder.prepare(out, overwrite)
    settings["epochs"] = epochs or settings.get("epochs", 50)
    training.train(out, settings, resume, overwrite)


def _settings_of_run(out):
    """The settings of a run to continue, locked until the command ends."""
    runs.read_settings(out)  # before a lock is created in a folder without a run
    click.get_current_context().with_resource(run_folder.locked(out))
    settings = runs.read_settings(out)
    try:
        model_classes.canonical(settings["model"])
    except click.UsageError as error:
        raise click.UsageError(f"{out / runs.SETTINGS}: {error.message}") from error
    runs.import_own_class(out)
    if not (out / runs.MODEL).exists():
        raise click.UsageError(
            f"{out / runs.MODEL} is missing, so there is nothing to continue; restore it, or "
            "start again with --overwrite."
        )
    return settings


def _new_settings(given):
    if "model" not in given:
        raise click.UsageError("no MODEL was given; `kerasgan models` lists them.")
    if "data" not in given:
        raise click.UsageError("no --data was given; use for example --data digits.")
    if "freeze_discriminator" in given and "start_from" not in given:
        raise click.UsageError(
            "--freeze-discriminator keeps trained weights; give the model that has them with "
            "--from."
        )
    for name in ("features", "validation_split"):
        if name in given and "metrics" not in given:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} works only with --metrics; give some, such as --metrics fid."
            )
    defaults = {
        "split": "train",
        "data_dir": None,
        "skip_damaged": None,
        "image_size": None,
        "crop": None,
        **dict.fromkeys(("mirror", "start_from", "freeze_discriminator")),
        **dict.fromkeys(("source", "task", "data_b", "pretrain_epochs")),
        "batch_size": None,
        "learning_rate": None,
        "decay_from": None,
        "stage_epochs": None,
        "metrics": None,
        "features": None,
        "validation_split": None,
        "tensorboard": None,
        "seed": 0,
        "devices": 1,
        "save_minutes": 10.0,
        "set": {},
    }
    command = shlex.join(["kerasgan", *sys.argv[1:]])
    return {"kerasgan": kerasgan.__version__, "command": command, **defaults, **given}


def _check_same(settings, given, out):
    for name in set(given) - set(runs.MACHINE):
        value, kept = given[name], settings.get(name)
        if runs.plain(value) != kept:
            raise click.UsageError(
                f"the run in {out} has {name}={kept!r}, not {value!r}; leave that out to continue "
                "the run, or start another one with another --out."
            )


def parse_assignments(assignments):
    """`("base_width=32", "loss=minimax")` as a dict with Python values."""
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {assignment!r} is not of the form key=value.")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text  # a word such as minimax
    return values
