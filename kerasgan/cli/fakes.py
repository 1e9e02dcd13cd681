"""`kerasgan fakes`."""

import pathlib

import click

from kerasgan.cli import model_classes, outputs, runs, training
from kerasgan.cli.arguments import TakesPreset, data_dir, run_or_file, skip_damaged
from kerasgan.cli.environment import import_keras, usage_errors


@click.command(cls=TakesPreset)
@run_or_file
@click.option("--data", help="Data of the originals, as for kerasgan train.")
@click.option(
    "--from-captions",
    metavar="FILE",
    type=click.Path(path_type=pathlib.Path),
    help="Draw from captions of pictures: a CSV file with the columns file and caption, "
    "whose pictures are in the folder --data.  [default folder: that of FILE]",
)
@click.option("--split", default="test", show_default=True, help="Part of the data.")
@data_dir
@click.option("--source", help="Half of each pair to translate: left, right, A, B, or a folder.")
@click.option("--task", help="Make the pairs from --data: colorize, inpaint, edges or denoise.")
@click.option("--image-size", type=click.IntRange(1), help="Size of both pictures, in pixels.")
@click.option("--num", type=click.IntRange(1), help="Number of triplets.  [default: all]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option("--name", help="Name of the generator.  [default: the name of its class]")
@click.option(
    "--caption",
    default="{label}",
    show_default=True,
    help="Caption of each triplet; {label} is the name of its class, or the text given to a model "
    "of texts, where there are any.",
)
@click.option(
    "--jpeg",
    type=click.IntRange(1, 100),
    metavar="QUALITY",
    help="Compress both pictures as JPEG of this quality. Use it if originals are photos.",
)
@skip_damaged
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Add the triplets to this folder.",
)
def fakes(run_or_file, num, seed, name, caption, jpeg, out, from_captions, **options):
    """Write originals and a model's images for a detector of fakes.

    The folder gets original/ID.png, generated/ID.png, and captions.csv. Both pictures of a triplet
    are processed alike, so that only the generated content tells them apart. A model that
    translates gets the other half of the pair. You can add several models to one folder, under
    different names.

    With --from-captions the model must draw images from texts: a run of text_gan, or your own
    function from a list of texts to images, FILE.py:FUNCTION.
    """
    outputs.check_folder("--out", out)
    if from_captions is not None:
        source = click.get_current_context().get_parameter_source
        for option in ("split", "data_dir", "source", "task", "skip_damaged", "caption"):
            if source(option) is not click.core.ParameterSource.DEFAULT:
                raise click.UsageError(
                    f"--{option.replace('_', '-')} has no effect with --from-captions; leave it "
                    "out."
                )
        how = {"image_size": options["image_size"], "num": num, "jpeg": jpeg}
        _from_captions(run_or_file, from_captions, out, options["data"], name, seed, how)
        return
    if options["data"] is None:
        raise click.UsageError("say where the originals are: --data, or --from-captions FILE.")
    model, _ = runs.load_run(run_or_file)
    import itertools

    import numpy as np

    from kerasgan import roles
    from kerasgan.data import kind_of
    from kerasgan.data.triplets import write

    draws_texts = roles.has(model, roles.GeneratesImages) and model.draws_texts
    if draws_texts and model.vocabulary is None:
        raise click.UsageError(
            f"this {type(model).__name__} has no vocabulary and cannot read the captions of its "
            "data; use --from-captions FILE."
        )
    settings = {**options, "seed": seed, "set": {}}
    training.check_options(settings, type(model))
    kind = kind_of(model)
    with usage_errors():
        settings = kind.fitted(model, settings, options["image_size"])
        examples = kind.load(settings, training=False)
        start = 0
        batches, again = itertools.tee(examples)
        for original, generated, *labels in model.real_and_generated(batches, seed=seed):
            batch = next(again)
            few = len(original) if num is None else min(len(original), num - start)
            names = [""] * few
            if labels:
                classes = model.class_names or range(model.num_classes)
                names = [str(classes[label]) for label in labels[0][:few]]
            if draws_texts:
                names = model.encode_text.read(batch[1][:few])
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


def _from_captions(model, table, out, pictures, name, seed, how):
    import_keras()
    import numpy as np

    from kerasgan import roles
    from kerasgan.data import write_from_captions
    from kerasgan.utils.image_numbers import numbers_of_images

    if model_classes.is_own(str(model)):
        draw = model_classes.own_function(str(model))
        own_name = str(model).rpartition(":")[2]
    else:
        gan, _ = runs.load_run(model)
        own_name = type(gan).__name__
        if not roles.has(gan, roles.GeneratesImages) or not gan.draws_texts:
            raise click.UsageError(
                f"--from-captions needs a model that draws images from texts, but {own_name} does "
                "not; use a run of text_gan, or a function from texts to images, FILE.py:FUNCTION."
            )
        drawn = 0

        def draw(texts):
            nonlocal drawn
            numbers = numbers_of_images(seed, range(drawn, drawn + len(texts)))
            drawn += len(texts)
            return np.clip(gan.generate_numbers(numbers, labels=texts), -1.0, 1.0)

    how |= {"pictures": pictures, "generator": name or own_name}
    with usage_errors():
        count = write_from_captions(out, draw, table, **how)
    click.echo(f"{count} triplets in {out}")
