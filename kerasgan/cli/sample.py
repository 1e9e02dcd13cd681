"""`kerasgan sample`."""

import contextlib
import pathlib
import sys

import click

from kerasgan.cli import outputs, runs
from kerasgan.cli.arguments import TakesPreset, run_or_file
from kerasgan.cli.environment import usage_errors


@click.command(cls=TakesPreset)
@run_or_file
@click.option(
    "--num", default=64, show_default=True, type=click.IntRange(1), help="Number of images."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--label", help="Class to draw, for a conditional model: its name or number.")
@click.option(
    "--truncation",
    type=float,
    help="Draw more typical, less varied samples: for models with styles from 0 to 1, such as "
    "0.7; for others, the largest absolute value of a latent.",
)
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Write one PNG with all samples in a grid.",
)
@click.option(
    "--individual",
    type=click.Path(path_type=pathlib.Path),
    help="Write each sample to a PNG of its own in this folder.",
)
def sample(run_or_file, num, seed, label, truncation, out, individual):
    """Draw samples from a run folder or a .keras file.

    The same seed always gives the same samples. A larger --num adds samples to them.
    """
    if (out is None) == (individual is None):
        raise click.UsageError(
            "no output was given; use --out grid.png for one picture, or --individual DIR for one "
            "per image."
        )
    if out is not None:
        outputs.check_file("--out", out, "picture")
        files = []
    else:
        outputs.check_folder("--individual", individual)
        files = [individual / f"{index:06d}.png" for index in range(num)]
    for file in files:
        outputs.check_existing("--individual", file, "picture")
    gan, _ = runs.load_run(run_or_file)
    from kerasgan import pictures, roles
    from kerasgan.utils.images import to_uint8

    instead = f"Use kerasgan translate {run_or_file} PICTURE... --out DIR"
    instead = instead if roles.has(gan, roles.Translates) else ""
    with usage_errors():
        roles.require(gan, roles.GeneratesImages, "kerasgan sample", instead)
    if label is None and gan.draws_texts:
        raise click.UsageError(
            f"{type(gan).__name__} draws what a text says; give the text with --label TEXT."
        )
    if label is None and gan.num_classes is not None:
        raise click.UsageError(
            f"{type(gan).__name__} is conditional; choose a class with --label, 0 to "
            f"{gan.num_classes - 1}"
            f"{', or a name: ' + ', '.join(gan.class_names) if gan.class_names else ''}."
        )
    with usage_errors():
        labels = None if label is None else read_label(gan, label)
        samples = draw(gan, num, seed, labels, truncation)
    if out is not None:
        pictures.write_png(out, pictures.draw(samples))
        click.echo(f"{num} samples in {out}")
        return
    if samples.ndim != 4:
        raise click.UsageError(
            "--individual writes images, and this model makes vectors; use --out for a plot."
        )
    if samples.shape[-1] > 4:
        raise click.UsageError(
            f"--individual writes PNG files, which cannot have {samples.shape[-1]} channels; use "
            "--out."
        )
    for file, image in zip(files, to_uint8(samples), strict=True):
        pictures.write_png(file, image)
    click.echo(f"{num} images in {individual}")


def draw(model, num, seed, labels, truncation=None):
    """The result of `generate`, with a progress bar in a terminal."""
    import numpy as np

    from kerasgan.utils.image_numbers import numbers_of_images
    from kerasgan.utils.rows import AT_ONCE

    numbers = numbers_of_images(seed, range(num))
    starts = range(0, num, AT_ONCE)
    with contextlib.ExitStack() as bar:
        if sys.stderr.isatty():  # elsewhere click would write the label alone
            bar_of = click.progressbar(starts, label="drawing", file=sys.stderr)
            starts = bar.enter_context(bar_of)
        how = {"labels": labels, "truncation": truncation}
        return np.concatenate(
            [model.generate_numbers(numbers[s : s + AT_ONCE], **how) for s in starts]
        )


def read_label(model, text):
    """The class that `--label` means: by its name or, if no class has that name, by its number.

    Args:
        model: a model that takes images.
        text: str.

    Returns:
        int or str, as `generate` takes it.
    """
    if model.num_classes is None or text in (model.class_names or ()):
        return text
    try:
        return int(text)
    except ValueError:
        return text
