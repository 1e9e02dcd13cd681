"""`kerasgan translate`."""

import pathlib

import click

from kerasgan.cli import outputs, runs
from kerasgan.cli.arguments import TakesPreset, run_or_file, skip_damaged
from kerasgan.cli.environment import usage_errors
from kerasgan.cli.picture_folders import damaged


@click.command(cls=TakesPreset)
@run_or_file
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Write results to this folder.",
)
@click.option(
    "--to", help="Target domain, A or B, for a model that translates both ways.  [default: B]"
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Random seed, for a model that adds noise.",
)
@click.option(
    "--tile",
    default=512,
    show_default=True,
    type=click.IntRange(1),
    help="Translate larger pictures in square tiles of this size, in pixels.",
)
@skip_damaged
def translate(run_or_file, inputs, out, to, seed, tile, skip_damaged):
    """Translate pictures or folders of pictures, of any size.

    Each result is a PNG file with the name of its picture.
    """
    model, _ = runs.load_run(run_or_file)
    from kerasgan import roles

    instead = f"Use kerasgan sample {run_or_file} --out PICTURE.png"
    instead = instead if roles.has(model, roles.GeneratesImages) else ""
    with usage_errors():
        roles.require(model, roles.Translates, "kerasgan translate", instead)
    if to is None:
        to = next(iter(model.networks_by_direction))
    with usage_errors():
        count = translate_files(
            model, inputs, out, to=to, seed=seed, tile=tile, skip_damaged=skip_damaged
        )
    click.echo(f"{count} picture{'' if count == 1 else 's'} in {out}")


def translate_files(model, inputs, out, *, to, seed, tile, skip_damaged):
    """Translates pictures and writes each as PNG under its own name; returns how many.

    Args:
        model: a translation model.
        inputs: paths of pictures, or of folders of pictures, whose structure is kept.
        out: a folder.
        to, seed, tile: as for `translate`.
        skip_damaged: whether to name and leave out pictures that cannot be read.
    """
    import numpy as np
    import tqdm

    from kerasgan import pictures
    from kerasgan.data.folders import SUFFIXES, picture_files, regular_file
    from kerasgan.data.images import read_image
    from kerasgan.utils.images import to_uint8

    outputs.check_folder("--out", out)
    files = {}
    for path in inputs:
        found = picture_files(path) if path.is_dir() else [regular_file(path)]
        if not found:
            raise ValueError(f"the folder {path} holds no pictures ({', '.join(SUFFIXES)}).")
        for file in found:
            relative = file.relative_to(path) if path.is_dir() else pathlib.Path(file.name)
            target = out / relative.with_suffix(".png")
            if target in files:
                raise ValueError(
                    f"{files[target]} and {file} would both become {target}; rename one of them."
                )
            if target.resolve() == file.resolve():
                raise ValueError(f"{target} would replace what it is made from; use another --out.")
            outputs.check_existing("--out", target, "picture")
            files[target] = file
    channels = model.translator(to).input_shape[-1]
    count = 0
    for target, file in tqdm.tqdm(files.items(), "translating", disable=None):
        try:
            picture = read_image(file, None, channels, "crop")
        except OSError as error:
            damaged(file, error, skip_damaged)
            continue
        images = picture[None].astype(np.float32) / 127.5 - 1.0
        translated = model.translate(images, to, seed=seed, tile=tile, overlap=min(64, tile // 2))
        pictures.write_png(target, to_uint8(translated[0]))
        count += 1
    return count
