"""`kerasgan compare`."""

import pathlib

import click

from kerasgan.cli import outputs, results, runs
from kerasgan.cli.environment import import_keras, usage_errors, warnings_in_one_line
from kerasgan.utils.printable import printable

NOT_COMPARED = ("kerasgan", "command", *runs.MACHINE)


@click.command()
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
    outputs.check_file("--out", out, "comparison")
    import_keras()
    from kerasgan.callbacks.run_history import read_history
    from kerasgan.callbacks.training_curves import draw_panels
    from kerasgan.pictures import page
    from kerasgan.utils.files import atomic_path
    from kerasgan.utils.text import in_columns

    rows, curves, samples = {}, [], []
    for folder in dict.fromkeys(folders):
        settings = runs.read_settings(folder)
        runs.mention_replaced(folder)
        with usage_errors():
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
        found |= results.measured(folder)
        rows[printable(folder)] = found
        with warnings_in_one_line():
            samples.append(_last_samples(folder))
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = [[name, *(str(found.get(name, "-")) for found in rows.values())] for name in names]
    # With a single run every line would be one of these.
    same = [line for line in lines if len(rows) > 1 and len(set(line[1:])) == 1]
    different = [line for line in lines if line not in same]
    header = ["", *rows]
    sections = {
        "What differs": [page.table(different, header)],
        "Samples": samples,
        "Curves": curves,
        "What is the same": [page.table([line[:2] for line in same])],
    }
    if len(rows) == 1:
        del sections["What is the same"]
        sections = {"The run": sections.pop("What differs"), **sections}
    with atomic_path(out) as temporary:
        temporary.write_text(page.page(outputs.COMPARISON, sections), encoding="utf-8")
    click.echo("\n".join(in_columns([header, *different], left=len(header))))
    if not any((folder / results.RESULTS).exists() for folder in folders):
        click.echo("\nNone of these runs was measured; use kerasgan evaluate RUN --data DATA.")
    click.echo(f"\nThe page with pictures{', and with what is the same' if same else ''}: {out}")


def _flat(settings):
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name} {key}": each for key, each in value.items()}
        elif name not in NOT_COMPARED and value is not None:
            flat[name] = value
    return flat


def _last_samples(folder):
    from kerasgan import pictures
    from kerasgan.pictures import page

    files = (folder / "samples").glob("epoch_*.png")
    for file in sorted(files, key=lambda file: (len(file.name), file.name), reverse=True):
        picture = pictures.read(file)
        if picture is not None:
            return page.figure(picture, str(folder))
    return page.paragraph(f"{folder} has no samples.")
