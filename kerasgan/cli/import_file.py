"""`kerasgan import`."""

import pathlib

import click

from kerasgan.cli import outputs
from kerasgan.cli.environment import import_keras, usage_errors


@click.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=pathlib.Path))
@click.argument("out", type=click.Path(path_type=pathlib.Path))
@click.option("--network", help="Generator in the file to use, such as G_ema.  [default: all]")
def import_file(file, out, network):
    """Make a .keras file of a network that a paper's authors have published.

    FILE is a network pickle (.pkl) or weights of PyTorch (.pth, .bin) of one of the models in
    docs/published_files.md. It is read as data: nothing in it is executed. OUT is the .keras file
    to write, which every other command takes.
    """
    outputs.check_file("OUT", out, "model")
    import_keras()
    import kerasgan

    with usage_errors():
        model = kerasgan.load_official(file, network)
    model.save(out)
    found = model.official
    rows = [
        ("file", f"{found.kind}, {_size(file) / 2**20:.1f} MiB"),
        ("model", type(model).__name__),
        *((name, value) for name, value in found.settings.items() if value is not None),
    ]
    for name in found.networks:
        places = [ours for ours, theirs in found.places.items() if theirs == name]
        rows.append((name, f"{found.weights(name):,} numbers, as {' and '.join(places)}"))
    new = model.not_in_file()
    rows += [("random", f"{', '.join(new)}: the file has none")] if new else []
    rows += [("ignored", what) for what in found.ignored]
    if "augmentation" in found.training:
        p = found.training["augmentation"].first_p
        going_on = f"augmented with p = {p:.3g}: compile(**kerasgan.load_official(FILE)"
        rows.append(("training", f"{going_on}.official.training) goes on with it"))
    licence = f"the file's holds for {out}, too; the program that writes such files is under"
    rows.append(("licence", f"{licence} {found.licence}"))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:{width}}  {value}")
    click.echo(f"wrote {out}")


def _size(path):
    """The size of a file, or of the files of a folder, in bytes."""
    files = [*path.glob("*.pth"), *path.glob("*.bin")] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
