"""The results of `kerasgan evaluate` as text."""

import click

from kerasgan.cli import runs
from kerasgan.cli.run_folder import RESULTS


def table(written):
    """The results of `evaluate` as lines of text: one per number, with its deviation."""
    from kerasgan.utils.text import in_columns

    values = {row["metric"]: row["value"] for row in written["results"]}
    lines = [("metric", "value", "", "real", "generated", "network")]
    for row in written["results"]:
        name, deviation = row["metric"], values.get(f"{row['metric']}_std")
        if name.endswith("_std"):
            continue
        spread = "" if deviation is None else f"+- {deviation:.4g}"
        counts = [counted(row[side]) for side in ("real", "generated")]
        lines.append((name, f"{row['value']:.4g}", spread, *counts, row["features"]))
    return "\n".join(in_columns(lines, left=len(lines[0])))


def counted(number):
    """A number of images as text: `?` if it is unknown, `-` if the images are not used."""
    return "?" if number is None else f"{number:,}" if number else "-"


def measured(folder):
    """The results of an evaluation, under names that say how each was measured."""
    file = folder / RESULTS
    if not file.exists():
        return {}
    try:
        return _numbers(runs.read_json(file))
    except (KeyError, TypeError) as error:
        raise click.UsageError(
            f"{file} was not written by `kerasgan evaluate`; move it away and measure the run "
            f"again: kerasgan evaluate {folder} --data DATA"
        ) from error


def _numbers(written):
    values = {row["metric"]: row["value"] for row in written["results"]}
    found = {}
    for row in written["results"]:
        name = row["metric"]
        if not name.endswith("_std"):
            spread = f" +- {values[name + '_std']:.2g}" if f"{name}_std" in values else ""
            how = f"{row['features']}, {counted(row['generated'])} generated"
            if row["real"] != 0:
                real = counted(row["real"])
                how += f", {real} of {written['data']} {written['split']}"
            value = "-" if row["value"] is None else f"{row['value']:.4g}"
            found[f"{name} ({how})"] = f"{value}{spread}"
    return found
