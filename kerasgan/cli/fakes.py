"""`kerasgan fakes`."""

import pathlib

import click

from kerasgan.cli import outputs, runs
from kerasgan.cli.arguments import TakesPreset, data_dir, run_or_file, skip_damaged
from kerasgan.cli.environment import usage_errors


@click.command(cls=TakesPreset)
@run_or_file
@click.option("--data", required=True, help="Data of the originals, as for kerasgan train.")
@click.option("--split", default="test", show_default=True, help="Part of the data.")
@data_dir
@click.option("--source", help="Half of each pair to translate: left, right, A, B, or a folder.")
@click.option("--task", help="Make the pairs from --data: colorize, inpaint, edges or denoise.")
@click.option("--image-size", type=click.IntRange(1), help="Size of both pictures, in pixels.")
@click.option("--num", type=click.IntRange(1), help="Number of triplets.  [default: all]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--name", help="What to call the generator.  [default: the name of its class]")
@click.option(
    "--caption",
    default="{label}",
    show_default=True,
    help="Caption of each triplet; {label} is the name of its class, where there are classes.",
)
@click.option(
    "--jpeg",
    type=click.IntRange(1, 100),
    metavar="QUALITY",
    help="Send both pictures through a JPEG file of this quality. Use it if originals are photos.",
)
@skip_damaged
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Add the triplets to this folder.",
)
def fakes(run_or_file, num, seed, name, caption, jpeg, out, **options):
    """Write originals and a model's images for a detector of fakes.

    The folder gets original/ID.png, generated/ID.png, and captions.csv. Both pictures of a triplet
    go the same way, so that nothing but what was generated tells them apart. A model that
    translates gets the other half of the pair. Add several models to one folder, with other names.
    """
    outputs.check_folder("--out", out)
    model, _ = runs.load_run(run_or_file)
    import numpy as np

    from kerasgan.data import kind_of
    from kerasgan.data.triplets import write

    settings = {**options, "seed": seed, "set": {}}
    kind = kind_of(model)
    with usage_errors():
        settings = kind.fitted(model, settings, options["image_size"])
        examples = kind.load(settings, training=False)
        start = 0
        for original, generated, *labels in model.real_and_generated(examples, seed=seed):
            few = len(original) if num is None else min(len(original), num - start)
            names = [""] * few
            if labels:
                classes = model.class_names or range(model.num_classes)
                names = [str(classes[label]) for label in labels[0][:few]]
            captions = [caption.replace("{label}", label) for label in names]
            start += write(
                out,
                np.asarray(original)[:few],
                np.asarray(generated)[:few],
                captions,
                generator=name or type(model).__name__,
                start=start,
                jpeg=jpeg,
            )
            if start == num:
                break
    click.echo(f"{start} triplets in {out}")
