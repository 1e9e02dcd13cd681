"""What `kerasgan train` does: loads the data, makes the model, and trains it."""

import contextlib
import inspect
import shlex
import sys

import click

from kerasgan import onednn
from kerasgan.cli import model_classes, run_folder, runs, watching
from kerasgan.cli.environment import import_keras, usage_errors, warnings_in_one_line
from kerasgan.models import registry

FEW = 1000  # images; with fewer a message is printed


def train(out, settings, resume, overwrite):
    """Trains a run until its last epoch, or until it is interrupted.

    Args:
        out: path of its folder.
        settings: the settings of the run; values chosen for defaults are added.
        resume: whether to continue the run in the folder.
        overwrite: whether the run in the folder may be replaced.
    """
    click.echo(f"Loading Keras and {settings['data']} ...")
    keras = import_keras()
    from kerasgan import backend

    computed_with = {"keras": keras.__version__, **backend.computed_with()}
    if settings.get("computed_with"):  # if the version that began the run wrote it
        _say_what_differs(out, settings["computed_with"], computed_with)
    settings["computed_with"] = computed_with
    model_class = model_classes.model_class(settings["model"])
    check_options(settings, model_class)
    donor = None if resume else _donor(settings, model_class)
    _choose_size(settings, model_class)
    if settings["batch_size"] is None:
        settings["batch_size"] = model_class.batch_size_for(**settings["set"])
    devices = settings["devices"] or 1
    if settings["batch_size"] % devices:
        raise click.UsageError(
            f"--devices {devices} cannot share batches of {settings['batch_size']} equally; choose "
            f"a --batch-size that is a multiple of {devices}."
        )
    with usage_errors():
        scope = backend.devices(devices) if devices > 1 else contextlib.nullcontext()
    with scope:
        _train_here(out, settings, resume, overwrite, donor)


def _donor(settings, model_class):
    """The trained model that a new one starts from, or None; its settings become the defaults."""
    if settings.get("start_from") is None:
        return None
    donor, _ = runs.load_run(settings["start_from"])
    if type(donor) is model_class:
        config = donor.get_config()
        own = {"image_shape", "num_classes", "batch_size", "seed", "networks", "name", "dtype"}
        parameters = registry.parameters(model_class)
        kept = {
            name: config[name]
            for name in (set(parameters) & set(config)) - own
            if config[name] != parameters[name].default
        }
        settings["set"] = {**kept, **settings["set"]}
    shape = getattr(donor, "real_image_shape", ())
    if len(shape) == 3 and settings["image_size"] is None and settings["crop"] is None:
        settings["image_size"] = shape[0]
    return donor


def _choose_size(settings, model_class):
    """Chooses the size of images if none is given, and prints it."""
    from kerasgan.data import kind_of

    if settings["image_size"] is None:
        with usage_errors():
            settings["image_size"], why = kind_of(model_class).image_size(settings)
        if why:
            size = settings["image_size"]
            click.echo(
                f"Images of {size}x{size}, cut from the middle: {why}. Choose another size with "
                "--image-size."
            )


def _say_if_few(gan, examples, settings):
    """Prints what helps against a discriminator that overfits to few images."""
    from kerasgan import roles
    from kerasgan.training.discriminating import Discriminates

    count = len(examples) * settings["batch_size"]
    if roles.has(gan, Discriminates) and gan.augmentation is None and count < FEW:
        click.echo(
            f"About {count} images are few, and the discriminator may memorize them; "
            "--augmentation ada works against that, and --mirror doubles the images "
            "(docs/few_images.md)."
        )


def check_options(settings, model_class):
    """Raises an error for options that do not apply to a model."""
    from kerasgan.data import KINDS, kind_of

    with usage_errors():
        used = kind_of(model_class).uses(settings)
    unused = {name for kind in KINDS.values() for name in kind.settings} - used
    if not model_class.waits_for_pretraining:
        unused.add("pretrain_epochs")
    for name in sorted(unused):
        if settings.get(name):
            option = "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{option}={settings[name]}: {model_class.__name__} cannot use it here; leave it "
                "out."
            )


def _say_what_differs(out, before, now):
    """Warns that a run continues with other software, and so not bit for bit."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not names:
        return
    had, has = (
        ", ".join(f"{name} {found.get(name, 'not in use')}" for name in names)
        for found in (before, now)
    )
    how = ""
    if names == ["oneDNN"]:
        how = f"; {onednn.VARIABLE}={int(before['oneDNN'] == 'on')} keeps them the same"
    click.echo(
        f"kerasgan: warning: the run in {out} was computed with {had}, and continues with {has}: "
        f"its results will not be the same bit for bit{how}.",
        err=True,
    )


def _train_here(out, settings, resume, overwrite, donor):
    import keras

    from kerasgan import callbacks, data
    from kerasgan.callbacks.run_history import read_history

    keras.utils.set_random_seed(settings["seed"])
    with usage_errors():
        if resume:
            read_history(out)  # which must not be damaged
        examples = _load_examples(settings)
        arguments = _arguments(settings, examples)
    with usage_errors():
        measures = watching.metrics(settings)
        validation = _validation(settings) if measures else None
    if resume:
        gan, file = runs.load_run(out)
        _check_model(gan, file, settings, arguments)
    else:
        gan = _new_model(settings, arguments, len(examples), measures, donor)
        _say_if_few(gan, examples, settings)
    with usage_errors():
        gan.agree_on_classes(examples, learn=True)
    done = gan.epochs_trained
    if done >= settings["epochs"]:
        click.echo(
            f"{out} is trained for {_epochs(done)} already; to continue, give --epochs {2 * done}."
        )
        return
    if gan.position.step:
        click.echo(f"Continuing at {gan.position}.")
    with usage_errors():
        if measures:
            gan.real_and_generated([])  # which says so if it has none
        try:
            gan.prepare_metrics(validation)
        except OSError as error:  # what was to be downloaded
            raise click.UsageError(str(error)) from error
        by_roles, grid = watching.by_roles(gan, examples, out, settings)
    if not resume:
        run_folder.begin(out, overwrite)  # no argument can cause an error after this
    runs.write_settings(out, settings)
    gan.save(out / runs.MODEL)
    shown = {name: settings[name] for name in ("data", "split", "batch_size", "seed")}
    curves = callbacks.TrainingCurves(out)
    real = data.kind_of(gan).real_images(examples)
    report = callbacks.RunReport(out, settings=shown, real=real, command=settings.get("command"))
    autosave = callbacks.Autosave(out / runs.MODEL, settings.get("save_minutes") or 10.0)
    best = [watching.best_checkpoint(out, gan.epochs_trained, settings)] if measures else []
    # Keras' progress bar is for terminals; elsewhere a line is printed now and then.
    terminal = sys.stdout.isatty()
    log = callbacks.TrainingLog(
        settings["batch_size"], seconds=60.0 if terminal else 20.0, within_epochs=not terminal
    )
    logs = [keras.callbacks.TensorBoard(out / "tensorboard")] if settings["tensorboard"] else []
    # Callbacks that log come before those that show logged values, and callbacks that work at the
    # end of an epoch before autosave, which ends training once the epoch is saved.
    watched_by = [*by_roles, curves, report, *best, *logs, autosave, log]
    measured = {"validation_data": validation, "validation_freq": watching.every(settings)}
    if runs.replaced(out):
        # Last, when the epoch is saved: a checkpoint that cannot be written raises.
        watched_by.append(
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: run_folder.remove_replaced(out)
            )
        )
    phases = [(gan.fit, settings["epochs"])]
    if settings.get("pretrain_epochs"):
        phases.insert(0, (gan.pretrain, min(settings["pretrain_epochs"], settings["epochs"])))
    try:
        with warnings_in_one_line():
            for train, end in phases:
                if gan.epochs_trained < end:
                    train(
                        examples,
                        initial_epoch=gan.epochs_trained,
                        epochs=end,
                        callbacks=watched_by,
                        verbose=1 if terminal else 0,
                        **(measured if measures else {}),
                    )
    except (KeyboardInterrupt, SystemExit) as end:
        _say_what_is_saved(gan, out)
        if report.model is not None:  # else `fit` had not come to its callbacks
            _draw_unfinished(gan, grid, curves, report)
        sys.exit(130 if isinstance(end, KeyboardInterrupt) else end.code)
    click.echo(f"Trained for {_epochs(settings['epochs'])}. Open {out / 'report.html'}")


def _epochs(count):
    return f"{count} epoch{'' if count == 1 else 's'}"


def _say_what_is_saved(gan, out):
    _, how_far = gan.last_saved
    saved = f"The model {how_far} is saved in {out}" if how_far else "Nothing saved yet"
    click.echo(
        f"\nInterrupted. {saved}; this command continues from there:\n"
        f"    kerasgan train --resume --out {shlex.quote(str(out))}"
    )


def _draw_unfinished(gan, grid, *histories):
    if grid is not None:
        if gan.position.step:
            grid.draw_unfinished()
        grid.write_gif()
    for history in histories:
        history.write_unfinished(gan.position.losses())


def _load_examples(settings, training=True):
    """The data of a run; see `kerasgan.data.kinds.Kind.load`."""
    from kerasgan import data

    model_class = model_classes.model_class(settings["model"])
    labels = registry.is_conditional(model_class, settings["set"])
    return data.kind_of(model_class).load({**settings, "labels": labels}, training)


def _arguments(settings, examples):
    """The arguments of a model for the data of a run, whose classes become settings."""
    from kerasgan import data

    model_class = model_classes.model_class(settings["model"])
    arguments = data.kind_of(model_class).arguments(model_class, examples)
    count = arguments.get("num_classes")
    if count is not None:
        names = list(data.class_names(examples) or map(str, range(count)))
        _check_classes(names, settings)
        settings["class_names"] = names
        wanted = settings["set"].get("num_classes", count)
        if isinstance(wanted, int) and wanted < count:
            raise ValueError(
                f"num_classes={wanted}, but {settings['data']} has {count}; leave --set "
                "num_classes out."
            )
    return arguments


def _validation(settings):
    """The real images for metrics."""
    split = settings["validation_split"] or "test"
    try:
        return _load_examples({**settings, "split": split}, training=False)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"--metrics needs images that are not trained on: {error} Or measure on the training "
            "images: --validation-split train"
        ) from error


def _check_classes(names, settings):
    """Raises an error if classes have other numbers than when the run began."""
    from kerasgan.checks.class_names import listed

    began = settings.get("class_names")
    if began in (None, names):
        return
    changes = {"gone": set(began) - set(names), "new": set(names) - set(began)}
    changed = [f"{what}: {listed(sorted(classes))}" for what, classes in changes.items() if classes]
    raise ValueError(
        f"the run began with the classes {listed(began)}, and --data {settings['data']} has "
        f"{listed(names)} ({'; '.join(changed) or 'in another order'}), so labels would change "
        "their meaning. Restore the classes, or start a new run in another --out."
    )


def _check_model(gan, file, settings, arguments):
    """Raises an error for a model that does not match the settings of the run."""
    model_class = model_classes.model_class(settings["model"])
    config = gan.get_config()
    expected = {**arguments, **settings["set"]}
    wanted = {name: expected[name] for name in arguments if name in config}
    found = {name: config[name] for name in wanted}
    if type(gan) is not model_class or runs.plain(found) != runs.plain(wanted):
        what = [
            f"{kind.__name__}({', '.join(f'{name}={value}' for name, value in of.items())})"
            for kind, of in ((type(gan), found), (model_class, wanted))
        ]
        raise click.UsageError(
            f"{file} is {what[0]}, but the settings and the data of the run make {what[1]}; "
            "restore the run's own model, or start a new run in another --out."
        )


def _new_model(settings, arguments, steps_per_epoch, measures, donor):
    from kerasgan.training.linear_decay import LinearDecay

    model_class = model_classes.model_class(settings["model"])
    of_model, of_compile = split_arguments(model_class, settings["set"])
    if "batch_size" in registry.parameters(model_class):  # its settings depend on it
        of_model.setdefault("batch_size", settings["batch_size"])
    with usage_errors():
        gan = model_class(seed=settings["seed"], **{**arguments, **of_model})
        gan.compile(**of_compile, metrics=measures)
        if donor is not None:
            _start_from(donor, gan, settings)
    decay_from = settings.get("decay_from")
    if decay_from is not None and decay_from >= settings["epochs"]:
        raise click.UsageError(
            f"--decay-from {decay_from} is not before the end, --epochs {settings['epochs']}; use "
            "an earlier epoch."
        )
    for part in gan.parts:
        optimizer = gan.optimizer[part]
        if settings["learning_rate"] is not None:
            optimizer.learning_rate = settings["learning_rate"]
        if decay_from is not None:
            updates = steps_per_epoch * gan.updates_per_batch(part)
            # Some parts count from where they begin to be trained.
            waits = part in gan.waits_for_pretraining
            begin = (
                min(settings.get("pretrain_epochs") or 0, settings["epochs"] - 1) if waits else 0
            )
            fall_from = max(decay_from, begin)
            optimizer.learning_rate = LinearDecay(
                float(optimizer.learning_rate),
                round(updates * (fall_from - begin)),
                round(updates * (settings["epochs"] - fall_from)),
            )
    return gan


def _start_from(donor, gan, settings):
    """Copies the weights that fit from a trained model to a new one, and prints which they are."""
    from kerasgan import roles
    from kerasgan.training.discriminating import Discriminates
    from kerasgan.training.transfer import transfer

    click.echo(f"From {settings['start_from']}: {transfer(donor, gan)}")
    layers = settings.get("freeze_discriminator")
    if layers is None:
        return
    if not roles.has(gan, Discriminates):
        raise ValueError(
            f"--freeze-discriminator {layers}: {type(gan).__name__} is not a GAN that makes "
            "images from noise."
        )
    try:
        frozen = gan.freeze_discriminator(layers)
    except ValueError as error:
        raise ValueError(f"--freeze-discriminator {layers}: {error}") from error
    click.echo(f"These layers stay frozen: {', '.join(frozen)}.")


def split_arguments(model_class, values):
    """Sorts `--set` values into arguments of the model and of its `compile`."""
    takes = {
        "model": set(registry.parameters(model_class)),
        "compile": set(inspect.signature(model_class.compile).parameters)
        - {"optimizer", "metrics"},
    }
    takes["model"] -= {"image_shape", "seed", "networks"}
    takes["compile"] -= {"self"}
    unknown = sorted(set(values) - takes["model"] - takes["compile"])
    if unknown:
        known = sorted(takes["model"] | takes["compile"])
        raise click.UsageError(
            f"{unknown[0]}: {model_class.__name__} has no such setting; leave it out. Settings are "
            f"{', '.join(known)}."
        )
    return tuple({k: v for k, v in values.items() if k in takes[part]} for part in takes)
