"""What `train` monitors during training: the model's output, by its roles, and its metrics."""

import click

from kerasgan.cli import runs
from kerasgan.cli.evaluate import metric_names


def every(settings):
    """How many epochs lie between two pictures and measurements."""
    return max(1, settings["epochs"] // 20)


def by_roles(model, examples, out, settings):
    """Returns the callbacks that suit a model's roles.

    Args:
        model: the model.
        examples: the training data.
        out: the run's folder.
        settings: those of the run; the schedule of a model that grows becomes part of them.

    Returns:
        List of callbacks, and the one of them that draws the model's output, or None.
    """
    from kerasgan import callbacks, data, roles

    watching, grid = [], None
    if roles.has(model, roles.Grows):
        watching.append(callbacks.ProgressiveGrowing(_stage(model, settings)))
    elif settings.get("stage_epochs"):
        raise click.UsageError(
            f"--stage-epochs: {type(model).__name__} does not grow; leave it out."
        )
    if roles.has(model, roles.Translates):
        shown = data.kind_of(model).load(settings, training=False)
        grid = callbacks.TranslationGrid(shown, out, every=every(settings))
    elif roles.has(model, roles.GeneratesImages):
        monitor = callbacks.CollapseMonitor(examples, out, every=every(settings))
        monitor.read(model)  # before the run begins, as it may refuse the examples
        watching.append(monitor)
        grid = callbacks.SampleGrid(out, every=every(settings))
    elif roles.has(model, roles.Encodes):
        shown = data.kind_of(model).load(settings, training=False)
        grid = callbacks.ReconstructionGrid(shown, out, every=every(settings))
    return (watching, None) if grid is None else ([*watching, grid], grid)


def _stage(model, settings):
    from kerasgan import callbacks

    # From here on it no longer depends on --epochs, which may grow when the run is continued.
    if settings["stage_epochs"] is None:
        settings["stage_epochs"] = settings["epochs"] / (2 * (model.last_stage + 1))
    return callbacks.Stage(settings["stage_epochs"], settings["stage_epochs"], unit="epochs")


def metrics(settings):
    """The metrics of a run: a list, empty for none."""
    if not settings.get("metrics"):
        return []
    from kerasgan.training import measuring

    features = {"features": settings["features"]} if settings["features"] else {}
    return measuring.get(metric_names(settings["metrics"]), **features)


def monitored(settings):
    """The value that decides which model of a run is best: its name, and `"min"` or `"max"`."""
    from kerasgan.training import measuring

    measures = metrics(settings)
    first = metric_names(settings["metrics"])[0]  # a metric's name, or that of one of its results
    better = [*getattr(measures[0], "lower_is_better", ())]
    better += getattr(measures[0], "higher_is_better", ())
    name = first if first in better else measures[0].name
    return f"val_{name}", measuring.mode(measures, name)


def best_checkpoint(out, epochs_trained, settings):
    """Keeps the model with the best value of the first metric, over all starts of the run.

    Args:
        out: the run's folder.
        epochs_trained: int, how many epochs of the history the model has been trained.
        settings: those of the run.
    """
    import keras

    from kerasgan.callbacks.run_history import read_history

    monitor, mode = monitored(settings)
    # A killed run can have rows of epochs that it must train again.
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
