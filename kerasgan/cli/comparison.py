"""What `kerasgan compare` does: runs side by side."""

import click

from kerasgan.cli import evaluation, outputs, runs
from kerasgan.utils.printable import printable

NOT_COMPARED = ("kerasgan", "command", *runs.MACHINE)


def compare(folders, out):
    """Prints a table of runs, and writes a page with their pictures.

    Args:
        folders: list of paths of run folders.
        out: path of the HTML file.
    """
    outputs.check_file("--out", out, "comparison")
    runs.import_keras()
    from kerasgan.callbacks.run_history import read_history
    from kerasgan.callbacks.training_curves import draw_panels
    from kerasgan.pictures import page
    from kerasgan.utils.files import atomic_path
    from kerasgan.utils.text import in_columns

    rows, curves, samples = {}, [], []
    for folder in dict.fromkeys(folders):
        settings = runs.read_settings(folder)
        runs.mention_replaced(folder)
        with runs.usage_errors():
            history = read_history(folder)
        found = _flat(settings)
        if history:
            last = max(history)
            found["epochs trained"] = last
            found |= {f"{name}, last epoch": f"{v:.4g}" for name, v in history[last].items()}
            curves += [
                page.figure(drawn, f"{folder}: {title} by epoch", "chart")
                for title, drawn in draw_panels(history).items()
            ]
        found |= _measured(folder)
        rows[printable(folder)] = found
        with runs.warnings_in_one_line():
            samples.append(_last_samples(folder))
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = [[name, *(str(found.get(name, "-")) for found in rows.values())] for name in names]
    different = [line for line in lines if len(set(line[1:])) > 1]
    same = [line for line in lines if len(set(line[1:])) == 1]
    header = ["", *rows]
    sections = {
        "What differs": [page.table(different, header)],
        "Samples": samples,
        "Curves": curves,
        "What is the same": [page.table([line[:2] for line in same])],
    }
    with atomic_path(out) as temporary:
        temporary.write_text(page.page(outputs.COMPARISON, sections), encoding="utf-8")
    click.echo("\n".join(in_columns([header, *different], left=len(header))))
    if not any((folder / evaluation.RESULTS).exists() for folder in folders):
        click.echo("\nNone of these was measured: kerasgan evaluate RUN --data DATA")
    click.echo(f"\nWith pictures, and what is the same: {out}")


def _flat(settings):
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name} {key}": each for key, each in value.items()}
        elif name not in NOT_COMPARED and value is not None:
            flat[name] = value
    return flat


def _measured(folder):
    """The numbers of an evaluation, each under a name that says how it was measured."""
    file = folder / evaluation.RESULTS
    if not file.exists():
        return {}
    try:
        return _numbers(runs.read_json(file))
    except (KeyError, TypeError) as error:
        raise click.UsageError(
            f"{file} is not what `kerasgan evaluate` writes; move it away and measure the run "
            f"again: kerasgan evaluate {folder} --data DATA"
        ) from error


def _numbers(written):
    values = {row["metric"]: row["value"] for row in written["results"]}
    found = {}
    for row in written["results"]:
        name = row["metric"]
        if not name.endswith("_std"):
            spread = f" +- {values[name + '_std']:.2g}" if f"{name}_std" in values else ""
            how = f"{row['features']}, {evaluation.counted(row['generated'])} generated"
            if row["real"] != 0:
                real = evaluation.counted(row["real"])
                how += f", {real} of {written['data']} {written['split']}"
            value = "-" if row["value"] is None else f"{row['value']:.4g}"
            found[f"{name} ({how})"] = f"{value}{spread}"
    return found


def _last_samples(folder):
    from kerasgan import pictures
    from kerasgan.pictures import page

    files = (folder / "samples").glob("epoch_*.png")
    for file in sorted(files, key=lambda file: (len(file.name), file.name), reverse=True):
        picture = pictures.read(file)
        if picture is not None:
            return page.figure(picture, str(folder))
    return page.paragraph(f"{folder} has no samples.")
