"""`kerasgan info`."""

import math

import click

from kerasgan.cli import results, runs, watching
from kerasgan.cli.arguments import TakesPreset, run_or_file
from kerasgan.cli.environment import usage_errors


@click.command(cls=TakesPreset)
@run_or_file
def info(run_or_file):
    """Show what a run folder or a .keras file contains."""
    model, file = runs.load_run(run_or_file)
    rows = {"model": type(model).__name__, "file": _with_size(file), **_of_model(model)}
    folder = runs.run_of(run_or_file)
    if folder is not None:
        rows |= _of_run(folder)
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:{width}}  {value}")


def _with_size(file):
    return f"{file} ({file.stat().st_size / 2**20:.1f} MiB)"


def _of_model(model):
    from kerasgan import roles

    rows = {"epochs trained": model.epochs_trained}
    if roles.has(model, roles.TakesImages) or roles.has(model, roles.Translates):
        rows["makes"] = "x".join(map(str, model.image_shape))
    rows |= {k: v for k, v in model.get_config().items() if not isinstance(v, dict)}
    for part in model.parts:
        weights = sum(math.prod(v.shape) for v in model.part_variables(part))
        optimizer = f", {type(model.optimizer[part]).__name__}" if model.compiled else ""
        rows[part] = f"{weights:,} weights{optimizer}"
    compiled = model.compile_arguments() if model.compiled else {}
    if "loss" in compiled:
        rows["loss"] = type(compiled["loss"]).__name__
    return rows


def _of_run(folder):
    """Describes a run by its folder: its data, and the metrics during training and afterwards."""
    from kerasgan.callbacks.run_history import read_history

    settings = runs.read_settings(folder)
    rows = {"data": settings["data"], "epochs wanted": settings["epochs"]}
    if settings["metrics"]:
        rows["metrics"] = settings["metrics"]
        with usage_errors():
            history = read_history(folder)
            monitor, mode = watching.monitored(settings)
        values = {epoch: row[monitor] for epoch, row in history.items() if monitor in row}
        if values:
            last = max(values)
            rows[monitor] = f"{values[last]:.4g} after epoch {last}"
        best = folder / runs.BEST
        if values and best.exists():
            epoch = (max if mode == "max" else min)(values, key=values.get)
            found = f"{monitor} {values[epoch]:.4g} after epoch {epoch}"
            rows["best model"] = f"{_with_size(best)}, {found}"
    return rows | results.measured(folder)
