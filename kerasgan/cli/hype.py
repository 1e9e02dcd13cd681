"""`kerasgan hype`: the images that it shows, and the summary that it prints."""

import contextlib
import pathlib
import signal
from typing import NamedTuple

import click

from kerasgan.cli import runs
from kerasgan.cli.arguments import TakesPreset, data_dir, run_or_file, skip_damaged
from kerasgan.cli.environment import import_keras, listen, needs, usage_errors
from kerasgan.cli.picture_folders import is_folder_of_pictures, open_pictures
from kerasgan.cli.sample import read_label

# How many images a participant sees by default, as in the paper: 50 of each kind; 3 blocks of 150.
NUM = {"infinity": 100, "time": 450}


@click.command("hype", cls=TakesPreset)
@run_or_file
@click.option("--real", required=True, metavar="DATA", help="Real images, as --data of train.")
@click.option(
    "--mode",
    default="infinity",
    show_default=True,
    type=click.Choice(["infinity", "time"]),
    help="Give participants unlimited time, or show each image briefly.",
)
@click.option(
    "--num",
    type=click.IntRange(1),
    help="Images for each participant.  [default: 100; for time, 450]",
)
@click.option("--split", default="train", show_default=True, help="Part of the data to use.")
@data_dir
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Resize real and generated images to squares of this size.",
)
@click.option("--label", help="Show only this class: its name or number.")
@skip_damaged
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@click.option(
    "--out",
    default="hype.csv",
    show_default=True,
    type=click.Path(path_type=pathlib.Path),
    help="Add every answer to this CSV file.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
def hype(
    run_or_file,
    real,
    mode,
    num,
    split,
    data_dir,
    image_size,
    label,
    skip_damaged,
    seed,
    out,
    host,
    port,
):
    """Let people tell generated images from real ones on a web page.

    RUN_OR_FILE can also be a folder of pictures from any generator.
    """
    needs("flask", "waitress", extra="web")
    import_keras()
    from kerasgan.hype import study as studies
    from kerasgan.serving import web

    num = num or NUM[mode]
    if out.is_dir():
        raise click.UsageError(f"--out {out} is a folder; name a file.")
    if out.suffix.lower() != ".csv":
        raise click.UsageError(f"--out {out}: the answers are a CSV file, so name it .csv.")
    with usage_errors():
        studies.check_num(num, mode)
        answers = studies.Answers(out, generator=str(run_or_file), data=f"{real} ({split})")
    with contextlib.closing(listen(host, port)) as listening:
        with usage_errors():
            generator = _generator(run_or_file, num, seed, label, image_size, skip_damaged)
            how = {"split": split, "seed": seed, "data_dir": data_dir}
            images = _real_images(real, num, generator, skip_damaged=bool(skip_damaged), **how)
            generated = generator.generate()
            study = studies.Study(images, generated, answers, mode=mode, num=num, seed=seed)
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.default_int_handler)
        app = studies.create_app(study, host)
        server = web.make_server(app, listening, studies.LARGEST_BODY)
        with contextlib.suppress(KeyboardInterrupt):
            click.echo(f"Open {web.url_of(listening)} in a browser; Ctrl-C ends and sums up.")
            server.run()
    click.echo(summary(answers))


class Generator(NamedTuple):
    """A generator of images.

    Attributes:
        image_shape: (height, width, channels).
        generate: function that returns its images as uint8.
        label: None, or the number of the only class that it generates.
        class_names: tuple of str, or None.
    """

    image_shape: tuple
    generate: object
    label: int | None = None
    class_names: tuple | None = None


def _generator(run_or_file, num, seed, label, image_size, skip_damaged=False):
    """The `Generator` of `num` images; a folder of pictures may hold fewer.

    Each participant is shown num / 2 of them.
    """
    import numpy as np

    from kerasgan.data.images import fit_image

    if is_folder_of_pictures(run_or_file):
        if label is not None:
            raise ValueError(f"--label {label}: pictures in a folder have no classes.")
        files, read, shape = open_pictures(run_or_file, image_size, skip_damaged)
        drawn = np.random.default_rng(seed).permutation(len(files))[:num]
        return Generator(shape, lambda: np.stack([read(files[index]) for index in sorted(drawn)]))
    gan, _ = runs.load_run(run_or_file)
    from kerasgan import roles
    from kerasgan.utils.images import to_uint8

    instead = f"Give the folder that kerasgan translate {run_or_file} PICTURE... --out DIR fills."
    instead = instead if roles.has(gan, roles.Translates) else ""
    roles.require(gan, roles.GeneratesImages, "kerasgan hype", instead)
    if len(gan.image_shape) != 3:
        raise ValueError(
            f"{type(gan).__name__} makes vectors here, but people judge images; use a model of "
            "images."
        )
    if label is not None and gan.draws_texts:
        raise ValueError(
            f"--label {label}: {type(gan).__name__} takes texts and has no classes; leave --label "
            "out, and it draws the texts of its data."
        )
    if label is not None:
        label = int(gan.checked_labels(read_label(gan, label), 1)[0])
    labels = gan.all_classes(num) if label is None else label  # texts for a model of texts

    def generate():
        images = to_uint8(gan.generate(num, seed=seed, labels=labels))
        return np.stack([fit_image(image, image_size) for image in images])

    height, width, channels = gan.image_shape
    shape = (image_size or height, image_size or width, channels)
    return Generator(shape, generate, label, gan.class_names)


def _real_images(name, num, generator, **how):
    """Images drawn from a data set, in the shape of the generated ones: at most `num`, uint8."""
    import numpy as np

    from kerasgan import data
    from kerasgan.utils.images import to_uint8

    height, width, channels = generator.image_shape
    label = generator.label
    if height != width:
        raise ValueError(
            f"the generated images are {height}x{width}, but real ones become squares; give "
            "--image-size to make both the same size."
        )
    images = data.load(
        name,
        image_size=height,
        channels=channels,
        batch_size=1,
        labels=label is not None,
        class_names=generator.class_names,
        **how,
    ).unbatch()
    if label is not None:
        images = images.filter(lambda _, its: its == label).map(lambda image, _: image)
    images = list(images.take(num).as_numpy_iterator())
    return to_uint8(np.reshape(images, (-1, *generator.image_shape)))


def summary(answers):
    """The results in a file of answers as a table."""
    from kerasgan.hype import study as studies
    from kerasgan.utils.text import in_columns

    if not answers.rows:
        return f"Nobody has answered yet. {answers.path} is ready."
    table = [("", "score", "95 % interval", "participants", "answers")]
    for mode in NUM:
        rows = [row for row in answers.rows if row["mode"] == mode]
        if rows:
            rates = studies.error_rates(rows)
            table += [
                _line(f"HYPE-{mode}: wrong answers", rates["all"], studies.percent, rows),
                *(
                    _line(f"  of {kind} images", rates[kind], studies.percent, of_kind)
                    for kind in studies.TRUTHS
                    if (of_kind := [row for row in rows if row["truth"] == kind])
                ),
            ]
        blocks = studies.whole_blocks(rows) if mode == "time" else []
        if blocks:
            threshold = studies.exposure_threshold(blocks)
            rows = [row for block in blocks for row in block]
            table.append(_line("HYPE-time: exposure", threshold, studies.milliseconds_text, rows))
    return "\n".join([*in_columns(table, left=1), f"Every answer is in {answers.path}"])


def _line(name, estimate, text, rows):
    interval = f"{text(estimate.low)} to {text(estimate.high)}"
    participants = len({row["participant"] for row in rows})
    return name, text(estimate.value), interval, str(participants), str(len(rows))
