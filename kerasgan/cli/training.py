"""`kerasgan train`."""

import contextlib
import json
import pathlib
import shlex
import sys

import click

import kerasgan
from kerasgan import onednn
from kerasgan.cli import run_folder, runs, translation
from kerasgan.models import registry


@click.command()
@click.argument("model", required=False)
@click.option(
    "--data", help="Training data: digits, ring8, grid25, a TFDS name, a folder or an .npz file."
)
@click.option("--split", default=None, help="Part of the data to train on.  [default: train]")
@runs.data_dir
@runs.skip_damaged
@click.option("--image-size", type=click.IntRange(1), help="Resize images to squares of this size.")
@click.option("--crop", type=click.IntRange(1), help="Train on random square crops of this size.")
@click.option("--source", help="Half of each pair to translate: left, right, A, B, or a folder.")
@click.option("--task", help="Make the pairs from --data: colorize, inpaint, edges or denoise.")
@click.option("--data-b", help="Second domain, for unpaired translation.  [default: in --data]")
@click.option(
    "--pretrain-epochs",
    type=click.IntRange(0),
    help="Train the generator of srgan alone, on pixels, for the first epochs.",
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
    help="Gradient penalty: wgan-gp, wgan-lp, dragan, r1, r2, r1-lazy or none. Repeat it for "
    "several.  [default: the paper's, whatever the --loss]",
)
@click.option(
    "--discriminator-steps",
    type=click.IntRange(1),
    help="Discriminator updates for each generator update; each gets its part of a batch.  "
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
    help="Network that looks at the images for --metrics: inception, digits, or the PATH of a "
    ".keras file or of Inception's weights (.pth).  [default: inception]",
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
    help="Within an epoch, save every so many minutes.  [default: 10]",
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
    discriminator_steps,
    **options,
):
    """Train MODEL. `kerasgan models` lists the models.

    The run folder gets model.keras after every epoch and within long ones, sample grids, curves and
    a report. Ctrl-C and SIGTERM save the model and stop. Continue a run exactly where it stopped
    with `kerasgan train --resume --out DIR`; add --epochs to make it longer.
    """
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    if resume and out is None and model is None:
        raise click.UsageError("--resume needs --out, the folder of the run.")
    if model is not None:
        model = runs.find_entry(model).name
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
        settings = _settings_of_run(out)
        _check_same(settings, given, out)
        settings |= {name: given[name] for name in runs.MACHINE if name in given}
        if settings.get("decay_from") is not None and (epochs or 0) > settings["epochs"]:
            raise click.UsageError(
                f"--epochs {epochs}: the learning rate of the run in {out} has fallen to zero at "
                f"epoch {settings['epochs']}; start a longer one."
            )
    else:
        settings = _new_settings(given)
        run_folder.prepare(out, overwrite)
    settings["epochs"] = epochs or settings.get("epochs", 50)
    _train(out, settings, resume, overwrite)


def _settings_of_run(out):
    """The settings of a run that is to go on, locked until the command ends."""
    runs.read_settings(out)  # before a lock is put into what is no run
    click.get_current_context().with_resource(run_folder.locked(out))
    settings = runs.read_settings(out)
    try:
        runs.find_entry(settings["model"])
    except click.UsageError as error:
        raise click.UsageError(f"{out / runs.SETTINGS}: {error.message}") from error
    if not (out / runs.MODEL).exists():
        raise click.UsageError(
            f"{out / runs.MODEL} is missing, so there is nothing to continue; put it back, or "
            "begin anew with --overwrite."
        )
    return settings


def _new_settings(given):
    if "model" not in given:
        raise click.UsageError("which MODEL? `kerasgan models` lists them.")
    if "data" not in given:
        raise click.UsageError("which --data? For example --data digits.")
    for name in ("features", "validation_split"):
        if name in given and "metrics" not in given:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} is for --metrics; say which, such as --metrics fid."
            )
    defaults = {
        "split": "train",
        "data_dir": None,
        "skip_damaged": None,
        "image_size": None,
        "crop": None,
        **dict.fromkeys(translation.OPTIONS),
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
        if _plain(value) != kept:
            raise click.UsageError(
                f"the run in {out} has {name}={kept!r}, not {value!r}; leave that out to continue "
                "the run, or start another one with another --out."
            )


def _train(out, settings, resume, overwrite):
    click.echo(f"Loading Keras and {settings['data']} ...")
    keras = runs.import_keras()
    from kerasgan import backend

    computed_with = {"keras": keras.__version__, **backend.computed_with()}
    if settings.get("computed_with"):  # of a run that goes on, if its kerasgan wrote it
        _say_what_differs(out, settings["computed_with"], computed_with)
    settings["computed_with"] = computed_with
    model_class = runs.model_class(settings["model"])
    translation.check_options(settings, model_class)
    if settings["batch_size"] is None:
        settings["batch_size"] = model_class.batch_size_for(**settings["set"])
    devices = settings["devices"] or 1
    if settings["batch_size"] % devices:
        raise click.UsageError(
            f"--devices {devices} cannot share batches of {settings['batch_size']} equally; choose "
            f"a --batch-size that is a multiple of {devices}."
        )
    with runs.usage_errors():
        scope = backend.devices(devices) if devices > 1 else contextlib.nullcontext()
    with scope:
        _train_here(keras, out, settings, resume, overwrite)


def _say_what_differs(out, before, now):
    """Warns that a run goes on with other software, and so not bit for bit."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not names:
        return
    had, has = (
        ", ".join(f"{name} {found.get(name, 'not in use')}" for name in names)
        for found in (before, now)
    )
    how = ""
    if names == ["oneDNN"]:
        how = f"; {onednn.VARIABLE}={int(before['oneDNN'] == 'on')} would go on as it was"
    click.echo(
        f"kerasgan: warning: the run in {out} was computed with {had}, and goes on with {has}: it "
        f"continues, but not bit for bit{how}.",
        err=True,
    )


def _train_here(keras, out, settings, resume, overwrite):
    from kerasgan import callbacks
    from kerasgan.callbacks.run_history import read_history

    keras.utils.set_random_seed(settings["seed"])
    with runs.usage_errors():
        if resume:
            read_history(out)  # which has to be whole
        examples, arguments = _load_examples(settings)
    with runs.usage_errors():
        measures = _measures(settings)
        validation = _validation(settings) if measures else None
    if resume:
        gan, file = runs.load_run(out)
        _check_model(gan, file, settings, arguments)
    else:
        gan = _new_model(settings, arguments, len(examples), measures)
    with runs.usage_errors():
        gan.agree_on_classes(examples, learn=True)
    done = gan.epochs_trained
    if done >= settings["epochs"]:
        click.echo(
            f"{out} is trained for {_epochs(done)} already; to go on, give --epochs {2 * done}."
        )
        return
    if gan.position.step:
        click.echo(f"Going on at {gan.position}.")
    growing = _growing(gan, settings)
    with runs.usage_errors():
        try:
            gan.prepare_metrics(validation)
        except OSError as error:  # what was to be downloaded
            raise click.UsageError(str(error)) from error
        pictures = _pictures(gan, examples, out, settings)
    if not resume:
        run_folder.begin(out, overwrite)  # everything that an argument can break is behind us
    runs.write_settings(out, settings)
    gan.save(out / runs.MODEL)
    shown = {name: settings[name] for name in ("data", "split", "batch_size", "seed")}
    curves = callbacks.TrainingCurves(out)
    report = callbacks.RunReport(
        out, settings=shown, real=_real_images(examples), command=settings.get("command")
    )
    autosave = callbacks.Autosave(out / runs.MODEL, settings.get("save_minutes") or 10.0)
    best = (
        [_best_checkpoint(keras, out, gan.epochs_trained, measures, _metric_names(settings)[0])]
        if measures
        else []
    )
    # Keras' progress bar is for terminals; elsewhere a line now and then tells the same.
    terminal = sys.stdout.isatty()
    log = callbacks.TrainingLog(
        settings["batch_size"], seconds=60.0 if terminal else 20.0, within_epochs=not terminal
    )
    logs = [keras.callbacks.TensorBoard(out / "tensorboard")] if settings["tensorboard"] else []
    # Those that log come before those that show what was logged, and those whose work belongs to an
    # epoch before autosave, which ends the training once the epoch is saved.
    watching = [*growing, *pictures, curves, report, *best, *logs, autosave, log]
    measured = {"validation_data": validation, "validation_freq": _every(settings)}
    if runs.replaced(out):
        # Last, when the epoch is saved: a checkpoint that cannot be written raises.
        watching.append(
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: run_folder.remove_replaced(out)
            )
        )
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
                        verbose=1 if terminal else 0,
                        **(measured if measures else {}),
                    )
    except (KeyboardInterrupt, SystemExit) as end:
        _say_what_is_saved(gan, out)
        if report.model is not None:  # else `fit` had not come to its callbacks
            _draw_unfinished(gan, pictures[-1], curves, report)
        sys.exit(130 if isinstance(end, KeyboardInterrupt) else end.code)
    click.echo(f"Trained for {_epochs(settings['epochs'])}. Open {out / 'report.html'}")


def _epochs(count):
    return f"{count} epoch{'' if count == 1 else 's'}"


def _say_what_is_saved(gan, out):
    _, how_far = gan.last_saved
    saved = f"The model {how_far} is saved in {out}" if how_far else "Nothing saved yet"
    click.echo(
        f"\nInterrupted. {saved}; this goes on from there:\n"
        f"    kerasgan train --resume --out {shlex.quote(str(out))}"
    )


def _draw_unfinished(gan, grid, *histories):
    if gan.position.step:
        grid.draw_unfinished()
    grid.write_gif()
    for history in histories:
        history.write_unfinished(gan.position.losses())


def _load_examples(settings, training=True):
    """The data of a run, and the arguments that make a model for it.

    Args:
        settings: those of the run.
        training: whether to shuffle and augment.
    """
    from kerasgan import data
    from kerasgan.translation.model import TranslationModel

    model_class = runs.model_class(settings["model"])
    if issubclass(model_class, TranslationModel):
        examples = translation.load_examples(model_class, settings, training=training)
        shapes = (tuple(half.shape[1:]) for half in examples.element_spec)
        return examples, model_class.arguments_for(*shapes)
    source = {name: settings[name] for name in ("split", "data_dir", "image_size", "batch_size")}
    labels = registry.is_conditional(model_class, settings["set"])
    examples = data.load(
        settings["data"],
        seed=settings["seed"],
        labels=labels,
        augment_crop=settings.get("crop") if training else None,
        shuffle=training,
        skip_damaged=bool(settings.get("skip_damaged")),
        class_names=None if training else settings.get("class_names"),
        **source,
    )
    images = examples.element_spec[0] if labels else examples.element_spec
    arguments = {"image_shape": tuple(images.shape[1:])}
    if labels:
        arguments["num_classes"] = data.num_classes(examples)
        names = data.class_names(examples) or map(str, range(arguments["num_classes"]))
        names = list(names)
        _check_classes(names, settings)
        settings["class_names"] = names
        wanted = settings["set"].get("num_classes", arguments["num_classes"])
        if isinstance(wanted, int) and wanted < arguments["num_classes"]:
            raise ValueError(
                f"num_classes={wanted}, but {settings['data']} has {arguments['num_classes']}; "
                "leave --set num_classes out."
            )
    return examples, arguments


def _every(settings):
    """How many epochs lie between two looks at the model."""
    return max(1, settings["epochs"] // 20)


def _measures(settings):
    """The metrics of a run: a list, empty for none."""
    if not settings.get("metrics"):
        return []
    from kerasgan.training import measuring

    names = _metric_names(settings)
    features = {"features": settings["features"]} if settings["features"] else {}
    return measuring.get(names, **features)


def _metric_names(settings):
    return [name.strip() for name in settings["metrics"].split(",") if name.strip()]


def _validation(settings):
    """The real images that metrics compare with."""
    split = settings["validation_split"] or "test"
    try:
        examples, _ = _load_examples({**settings, "split": split}, training=False)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"--metrics needs images that are not trained on: {error} Or measure on the training "
            "images: --validation-split train"
        ) from error
    return examples


def _best_checkpoint(keras, out, epochs_trained, measures, first):
    """Keeps the model of the epoch with the best value of the first metric, over all starts.

    Args:
        out: the run's folder.
        epochs_trained: int, how many epochs of its history are behind the model.
        measures: list of metrics.
        first: str, the name that was asked for first: a metric's, or that of one of its results.
    """
    from kerasgan.callbacks.run_history import read_history
    from kerasgan.training import measuring

    better = [*getattr(measures[0], "lower_is_better", ())]
    better += getattr(measures[0], "higher_is_better", ())
    name = first if first in better else measures[0].name
    monitor, mode = f"val_{name}", measuring.mode(measures, name)
    # A run that was killed can have rows of epochs that it has to train again.
    before = [
        row[monitor]
        for epoch, row in read_history(out).items()
        if epoch <= epochs_trained and monitor in row
    ]

    class BestCheckpoint(keras.callbacks.ModelCheckpoint):
        def on_epoch_end(self, epoch, logs=None):
            if monitor in (logs or {}):  # it was not measured in every epoch
                super().on_epoch_end(epoch, logs)

    return BestCheckpoint(
        out / runs.BEST,
        monitor=monitor,
        mode=mode,
        save_best_only=True,
        initial_value_threshold=(max if mode == "max" else min)(before, default=None),
    )


def _real_images(examples):
    """Some real images for the report, or None for vectors and for pairs of images."""
    import numpy as np

    batch = next(iter(examples))
    pairs = isinstance(batch, tuple) and len(batch[1].shape) == 4
    images = np.asarray(batch[0] if isinstance(batch, tuple) else batch)[:64]
    return None if images.ndim != 4 or pairs else images


def _check_classes(names, settings):
    """Refuses to go on with classes of other numbers than those that a run began with."""
    from kerasgan.checks.class_names import listed

    began = settings.get("class_names")
    if began in (None, names):
        return
    changes = {"gone": set(began) - set(names), "new": set(names) - set(began)}
    changed = [f"{what}: {listed(sorted(classes))}" for what, classes in changes.items() if classes]
    raise ValueError(
        f"the run began with the classes {listed(began)}, and --data {settings['data']} has "
        f"{listed(names)} ({'; '.join(changed) or 'in another order'}), so labels would change "
        "their meaning. Make the classes those again, or train anew in another --out."
    )


def _check_model(gan, file, settings, arguments):
    """Refuses a model that is not that of the run whose settings these are."""
    model_class = runs.model_class(settings["model"])
    config = gan.get_config()
    expected = {**arguments, **settings["set"]}
    wanted = {name: expected[name] for name in arguments if name in config}
    found = {name: config[name] for name in wanted}
    if type(gan) is not model_class or _plain(found) != _plain(wanted):
        what = [
            f"{kind.__name__}({', '.join(f'{name}={value}' for name, value in of.items())})"
            for kind, of in ((type(gan), found), (model_class, wanted))
        ]
        raise click.UsageError(
            f"{file} is {what[0]}, and the settings and the data of the run make {what[1]}; put "
            "the run's own model back, or train anew in another --out."
        )


def _plain(values):
    return json.loads(json.dumps(values))


def _pictures(gan, examples, out, settings):
    """The callbacks that look at what the model makes; the last one draws it."""
    from kerasgan import callbacks
    from kerasgan.translation.model import TranslationModel

    every = _every(settings)
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
    from kerasgan.growing.model import GrowingGAN

    if not isinstance(gan, GrowingGAN):
        if settings.get("stage_epochs"):
            raise click.UsageError(f"--stage-epochs: {type(gan).__name__} does not grow.")
        return []
    # Not a function of --epochs from here on, which may be more when the run is continued.
    if settings["stage_epochs"] is None:
        settings["stage_epochs"] = settings["epochs"] / (2 * (gan.last_stage + 1))
    stage = callbacks.Stage(settings["stage_epochs"], settings["stage_epochs"], unit="epochs")
    return [callbacks.ProgressiveGrowing(stage)]


def _new_model(settings, arguments, steps_per_epoch, measures):
    from kerasgan.training.linear_decay import LinearDecay

    model_class = runs.model_class(settings["model"])
    of_model, of_compile = runs.split_arguments(model_class, settings["set"])
    with runs.usage_errors():
        gan = model_class(seed=settings["seed"], **{**arguments, **of_model})
        gan.compile(**of_compile, metrics=measures)
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
