"""`kerasgan augment`."""

import pathlib

import click

from kerasgan.cli import outputs, runs
from kerasgan.cli.arguments import TakesPreset, run_or_file
from kerasgan.cli.environment import usage_errors
from kerasgan.cli.sample import draw


@click.command(cls=TakesPreset)
@run_or_file
@click.option(
    "--per-class", required=True, type=click.IntRange(1), help="Number of images of each class."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--truncation", type=float, help="Draw more typical images; see kerasgan sample.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Write the images to this folder, those of each class to a subfolder.",
)
def augment(run_or_file, per_class, seed, truncation, out):
    """Draw images of every class, to train a classifier on.

    OUT becomes a data set: OUT/CLASS/000000.png and so on, which kerasgan train and
    keras.utils.image_dataset_from_directory read.
    """
    outputs.check_folder("--out", out)
    gan, _ = runs.load_run(run_or_file)
    from kerasgan import pictures, roles
    from kerasgan.utils.images import to_uint8

    with usage_errors():
        roles.require(gan, roles.GeneratesImages, "kerasgan augment")
    if gan.draws_texts:
        raise click.UsageError(
            f"this {type(gan).__name__} draws texts, not classes; use kerasgan sample --label TEXT."
        )
    if gan.num_classes is None:
        raise click.UsageError(
            f"this {type(gan).__name__} has no classes; train one that has, with --set "
            "num_classes=N."
        )
    if len(gan.image_shape) != 3 or gan.image_shape[-1] not in (1, 3):
        raise click.UsageError(
            f"{type(gan).__name__} makes examples of shape {gan.image_shape}, which are not images."
        )
    names = gan.class_names or tuple(map(str, range(gan.num_classes)))
    for name in names:
        if pathlib.PurePath(name).name != name:
            raise click.UsageError(f"the class {name!r} cannot be the name of a folder.")
        for number in range(per_class):
            outputs.check_existing("--out", out / name / f"{number:06d}.png", "picture")
    for label, name in enumerate(names):
        with usage_errors():
            images = draw(gan, per_class, seed, label, truncation)
        for number, image in enumerate(to_uint8(images)):
            pictures.write_png(out / name / f"{number:06d}.png", image)
    click.echo(f"{per_class} images of each of {len(names)} classes in {out}")
