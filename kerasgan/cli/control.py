"""`kerasgan interpolate`, `kerasgan directions` and `kerasgan project`."""

import itertools
import pathlib

import click

from kerasgan.cli import model_classes, outputs, runs
from kerasgan.cli.arguments import TakesPreset, run_or_file
from kerasgan.cli.environment import import_keras, needs, usage_errors
from kerasgan.cli.sample import read_label

ANIMATED = ("picture", "gif", "mp4", "arrays")
POSITIONS = 7  # of a strip along a direction, from -3 to 3 deviations
FARTHEST = 3.0

space = click.option(
    "--space", help="Space of the model: z, w, w+ or styles.  [default: w if it has one]"
)
seed = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed."
)
label = click.option("--label", help="Class to draw, for a conditional model: its name or number.")


def out_option(kinds):
    """The option `--out`, which can be given several times."""
    suffixes = ", ".join(outputs.KINDS[kind][0] for kind in kinds)
    return click.option(
        "--out",
        "outs",
        required=True,
        multiple=True,
        type=click.Path(path_type=pathlib.Path),
        help=f"Write this file; its suffix says what: {suffixes}. Can be given several times.",
    )


def check_outs(outs, kinds):
    """Checks that the files can be written."""
    for path in outs:
        outputs.check_by_suffix("--out", path, kinds)
        if path.suffix.lower() == ".mp4":
            needs("imageio_ffmpeg", extra="video")


@click.command(cls=TakesPreset)
@run_or_file
@click.option(
    "--seeds",
    default="0,1",
    show_default=True,
    help="Seeds of the images to interpolate between, separated by commas.",
)
@click.option(
    "--picture",
    "ends",
    multiple=True,
    type=click.Path(path_type=pathlib.Path),
    help="Picture to interpolate between instead, for models that encode. Give two or more.",
)
@click.option(
    "--num", default=8, show_default=True, type=click.IntRange(2), help="Images on each path."
)
@space
@click.option(
    "--path", help="lerp, a straight line, or slerp, a great circle.  [default: slerp in z]"
)
@label
@out_option(ANIMATED)
def interpolate(run_or_file, seeds, ends, num, space, path, label, outs):
    """Draw interpolations between images of a run folder or a .keras file."""
    check_outs(outs, ANIMATED)
    model, _ = runs.load_run(run_or_file)
    import numpy as np

    from kerasgan import pictures, roles

    with usage_errors():
        if ends:
            roles.require(model, roles.Encodes, "--picture")
            points = list(read_pictures(model, ends))
        else:
            roles.require(model, roles.HasLatents, "kerasgan interpolate")
            points = [model.latents(1, seed=number)[0] for number in numbers(seeds)]
        if len(points) < 2:
            raise ValueError("an interpolation has two ends; give at least two seeds or pictures.")
        given = {"space": space, "path": path, "labels": _labels(model, label)}
        given = {name: value for name, value in given.items() if value is not None}
        if not roles.has(model, roles.HasLatents) and "space" in given:
            raise ValueError(
                f"--space {space}: {type(model).__name__} has only codes; leave --space out."
            )
        pairs = itertools.pairwise(points)
        ways = [model.interpolate(*pair, num, **given) for pair in pairs]
    for file in outs:
        if file.suffix.lower() == ".png":
            pictures.write_png(file, pictures.strip(ways))
        elif file.suffix.lower() == ".npz":
            _write_arrays(file, images=np.stack(ways), space=space or "")
        else:
            images = [ways[0][0], *(image for way in ways for image in way[1:])]
            pictures.write_animation(file, [pictures.draw(image[None]) for image in images])
    plural = "s" * (len(ways) > 1)
    click.echo(f"{len(ways)} interpolation{plural} of {num} images in {_listed(outs)}")


@click.command(cls=TakesPreset)
@run_or_file
@click.option(
    "--scores",
    multiple=True,
    help="What to find directions for: ink (how bright an image is), digits (which of ten "
    "classes the package's classifier sees), or a function of images, FILE.py:FUNCTION. Can be "
    "given several times.",
)
@click.option(
    "--method",
    default="logistic",
    show_default=True,
    help="logistic or linear, which need scores; or sefa or pca, which do not.",
)
@space
@click.option(
    "--num",
    default=5000,
    show_default=True,
    type=click.IntRange(20),
    help="Number of random points to learn from.",
)
@click.option(
    "--count",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Number of directions for sefa and pca.",
)
@click.option(
    "--against",
    type=click.Path(path_type=pathlib.Path),
    help="Directions (.npz) to which the new ones are made orthogonal.",
)
@label
@seed
@out_option(ANIMATED)
def directions(run_or_file, scores, method, space, num, count, against, label, seed, outs):
    """Find directions along which one thing changes in the images of a model.

    The .npz file holds names, space, directions of length 1 and deviations; a .png, .gif or .mp4
    shows what each changes, from -3 to 3 deviations.
    """
    check_outs(outs, ANIMATED)
    model, _ = runs.load_run(run_or_file)
    from kerasgan import control, pictures

    with usage_errors():
        found = control.directions(
            model,
            score_functions(scores) if scores else None,
            method,
            space=space,
            against=None if against is None else control.Directions.load(against),
            num_points=num,
            num_directions=count,
            labels=_labels(model, label),
            seed=seed,
        )
    for file in outs:
        if file.suffix.lower() == ".npz":
            found.save(file)
            continue
        rows = moved(model, found, _labels(model, label), seed)
        if file.suffix.lower() == ".png":
            pictures.write_png(file, pictures.strip(rows))
        else:
            there = [pictures.draw(images) for images in zip(*rows, strict=True)]
            pictures.write_animation(file, there + there[-2:0:-1], milliseconds=200)
    width = max(map(len, found.names))
    means = {"logistic": "balanced accuracy", "linear": "R2"}.get(method, "share")
    click.echo(f"{'direction':{width}}  {means}")
    for name, number in zip(found.names, found.quality, strict=True):
        click.echo(f"{name:{width}}  {number:.2f}")
    click.echo(f"{len(found)} direction{'s' * (len(found) > 1)} in {_listed(outs)}")


@click.command(cls=TakesPreset)
@run_or_file
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@space
@click.option(
    "--steps", default=1000, show_default=True, type=click.IntRange(1), help="Steps of Adam."
)
@click.option(
    "--features",
    help="Also match the features of this network: digits, inception, mobilenet_v2, "
    "lpips:BACKBONE,HEADS, or the PATH of a .keras file.  [default: pixels alone]",
)
@click.option(
    "--refine",
    "tuned",
    type=click.Path(path_type=pathlib.Path),
    help="Tune a copy of the model to the pictures, too (pivotal tuning), and write it to this "
    ".keras file. A picture and an .npz file then hold what the copy draws.",
)
@label
@seed
@out_option(("arrays", "picture"))
def project(run_or_file, inputs, space, steps, features, tuned, label, seed, outs):
    """Find the latents whose images are nearest to pictures.

    A .png shows the pictures above what was found; an .npz file holds latents, images, distance and
    history. Run the same command again after an interruption, and it goes on.
    """
    check_outs(outs, ("arrays", "picture"))
    if tuned is not None:
        outputs.check_file("--refine", tuned, "model")
        if tuned.exists():
            raise click.UsageError(f"--refine {tuned} is there already; choose another name.")
    model, _ = runs.load_run(run_or_file)
    from kerasgan import pictures, roles
    from kerasgan.metrics.features import extractor

    unfinished = outs[0].with_name(f"{outs[0].name}.unfinished")
    with usage_errors():
        roles.require(model, roles.HasLatents, "kerasgan project")
        images = read_pictures(model, inputs)
        network = None if features is None else extractor(features).network
        found = model.project(
            images,
            space,
            steps,
            network,
            labels=_labels(model, label),
            seed=seed,
            file=unfinished,
            refine=tuned is not None,
        )
    if tuned is not None:
        found.model.save(tuned)
    for file in outs:
        if file.suffix.lower() == ".npz":
            found.save(file)
        else:
            pictures.write_png(file, pictures.strip([images, found.images]))
    for file, distance in zip(inputs, found.distance, strict=True):
        click.echo(f"{file}: distance {distance:.4g}")
    click.echo(f"{len(images)} projection{'s' * (len(images) > 1)} in {_listed(outs)}")


def moved(model, found, labels, seed):
    """The images of one point moved along each direction: list of arrays (POSITIONS, ...)."""
    import numpy as np

    positions = np.linspace(-FARTHEST, FARTHEST, POSITIONS)
    point = model.points(model.latents(1, seed=seed), found.space, labels=labels)
    points = np.repeat(point, POSITIONS, axis=0)
    of_points = labels if found.space == "z" else None
    return [
        model.generate_from_points(
            found.move(points, name, positions), found.space, labels=of_points
        )
        for name in found.names
    ]


def numbers(seeds):
    """The seeds that `--seeds` lists.

    Raises:
        ValueError: for anything but whole numbers.
    """
    try:
        return [int(number) for number in seeds.split(",")]
    except ValueError as error:
        raise ValueError(
            f"--seeds {seeds}: use whole numbers separated by commas, such as 0,1,2."
        ) from error


def score_functions(names):
    """The functions that `--scores` names, as `kerasgan.control.directions` takes them: dict.

    Raises:
        ValueError: for an unknown name.
    """
    found = {}
    for name in names:
        if name == "ink":
            found[name] = lambda images: images.mean(axis=(1, 2, 3))
        elif name == "digits":
            found |= digit_scores()
        else:
            found |= {name.rpartition(":")[2]: model_classes.own_function(name)}
    return found


def digit_scores():
    """Scores for each of ten digits by the package's classifier: dict of functions."""
    from kerasgan.metrics.features import extractor

    network = extractor("digits")

    def is_digit(digit):
        return lambda images: network(images, "logits").argmax(axis=1) == digit

    return {f"digit {digit}": is_digit(digit) for digit in range(10)}


def read_pictures(model, files):
    """Reads pictures in a model's image size: float32 array (n, height, width, channels).

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for a folder, or a file that is not a picture.
    """
    import numpy as np

    import_keras()
    from kerasgan.data.images import read_named

    height, _, channels = model.image_shape
    read = [read_named(file, height, channels, "crop") for file in files]
    return np.stack(read).astype("float32") / 127.5 - 1.0


def _labels(model, text):
    return None if text is None else read_label(model, text)


def _write_arrays(path, **arrays):
    import numpy as np

    from kerasgan.utils.files import atomic_path

    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def _listed(paths):
    return ", ".join(map(str, paths))
