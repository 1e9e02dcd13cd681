"""`kerasgan evaluate`: metrics of runs, of files and of folders of pictures."""

import dataclasses
import math
import os
import pathlib
from collections import abc

import click

import kerasgan
from kerasgan.cli import outputs, results, runs
from kerasgan.cli.arguments import TakesPreset, data_dir, skip_damaged
from kerasgan.cli.environment import import_keras, usage_errors, warnings_in_one_line
from kerasgan.cli.picture_folders import is_folder_of_pictures, open_pictures
from kerasgan.presets.catalogue import is_folder

DEFAULT = "fid,kid,precision,recall,density,coverage"
WITHOUT_REAL = {"fid", "fid_infinity", "fd_dinov2", "frechet_distance", "inception_score"}
NUM = 10_000
BATCH = 64


@dataclasses.dataclass
class Images:
    """The images to compare: their source, pairs of real and generated batches, their number."""

    maker: str
    pairs: abc.Iterable
    total: int
    vectors: bool = False  # rather than images
    labelled: bool = False


@click.command(cls=TakesPreset)
@click.argument("run_file_or_folder", type=click.Path(path_type=pathlib.Path, exists=True))
@click.option(
    "--data",
    required=True,
    help="Real images, as for train, or an .npz file with their statistics (mu, sigma).",
)
@click.option("--split", default="train", show_default=True, help="Part of the real images to use.")
@data_dir
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Resize real and generated images to this size.  [default: that of the generated images]",
)
@click.option(
    "--metrics",
    default=DEFAULT,
    show_default=True,
    help="Metrics to compute, separated by commas.",
)
@click.option(
    "--features",
    help="Network for the features of images: inception, inception-clean, inception-pytorch, "
    "mobilenet_v2, dinov2:PRESET_OR_FOLDER, lpips:BACKBONE,HEADS (for the metric lpips), digits, "
    "pixels, or the PATH of a .keras file or of Inception's weights (.pth).  "
    "[default: inception, which is downloaded once]",
)
@click.option(
    "--num",
    type=click.IntRange(2),
    help="Number of generated images.  [default: 10000; for a folder, all]",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Random seed.")
@skip_damaged
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    help="Write the results to this JSON file.  [default: evaluation.json in the folder]",
)
def evaluate(run_file_or_folder, metrics, out, **options):
    """Measure a run, a .keras file, or a folder of pictures.

    The table shows each metric with the number of images and the network behind it: compare only
    values that agree in both.
    """
    path = run_file_or_folder
    import_keras()
    import tqdm

    from kerasgan.training import measuring

    names = metric_names(metrics)
    out = out or _default_out(path)
    outputs.check_file("--out", out, "evaluation")
    with usage_errors(), warnings_in_one_line():
        reference = _statistics(options["data"])
        if reference is not None and set(names) - WITHOUT_REAL:
            raise click.UsageError(
                f"{options['data']} holds statistics, not images: only "
                f"{', '.join(sorted(WITHOUT_REAL))} can be computed from it, not "
                f"{', '.join(sorted(set(names) - WITHOUT_REAL))}; choose with --metrics."
            )
        common = {"features": options["features"], "reference": reference}
        common = {name: value for name, value in common.items() if value is not None}
        measures = measuring.get(names, **common)
        paired = [type(m).__name__ for m in measures if getattr(m, "paired", False)]
        images = _images(path, options, reference is not None, paired)
        try:
            measuring.prepare(measures, None, images.vectors, images.labelled)
        except OSError as error:  # what was to be downloaded
            raise click.UsageError(str(error)) from error
        seen = {"real": 0, "generated": 0}
        measuring.feed(measures, _counted(images.pairs, seen), progress=True, total=images.total)
        if reference is not None:
            seen["real"] = reference.count
        rows = []
        for measure in tqdm.tqdm(measures, "computing", leave=False, disable=None):
            real, generated = getattr(measure, "counts", seen.values)()
            of = {"real": real, "generated": generated, "features": _network(measure)}
            rows += [
                {"metric": name, "value": value, **of}
                for name, value in measuring.results(measure).items()
                if is_asked_for(name, measure, names)
            ]
            measure.reset_state()  # its state can be large
    written = {
        "kerasgan": kerasgan.__version__,
        "of": str(path),
        "made by": images.maker,
        **{name: options[name] for name in ("data", "split", "image_size", "seed")},
        "trained on these": _trained_on(path, options),
        **seen,
        "results": rows,
    }
    click.echo(results.table(written))
    if reference is None:
        click.echo(_about_real(written))
    for row in rows:  # JSON knows neither NaN nor infinity
        row["value"] = row["value"] if math.isfinite(row["value"]) else None
    runs.write_json(out, written)
    click.echo(f"Written to {out}")


def metric_names(metrics):
    """The names that `--metrics` lists."""
    from kerasgan.training import measuring

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    if not names:
        raise click.UsageError(f"--metrics is empty; choose from {', '.join(measuring.names())}.")
    return names


def is_asked_for(result, measure, names):
    """Whether a metric's result is among those that `--metrics` lists."""
    # With some features a metric has another name than the one in `--metrics`.
    usual = getattr(measure, "usual_name", measure.name)
    called = (result, usual + result.removeprefix(measure.name))
    return any(name == asked or name.startswith(f"{asked}_") for name in called for asked in names)


def _default_out(path):
    if is_folder(path):  # a preset, perhaps one of the package
        return pathlib.Path(f"{path.name}.{results.RESULTS}")
    folder = path.parent if path.name == runs.MODEL else path  # the model of a run
    return folder / results.RESULTS if folder.is_dir() else path.with_suffix(f".{results.RESULTS}")


def _trained_on(path, options):
    """Whether the real images are those a run was trained on; None if that is unknown."""
    folder = runs.run_of(path)
    if folder is None:
        return None
    settings = runs.read_settings(folder)
    if settings.get("split") != options["split"]:
        return False
    both = settings.get("data") or "", options["data"]
    return both[0] == both[1] or (
        all(map(os.path.exists, both)) and os.path.samefile(*both)  # however it is spelt
    )


def _about_real(written):
    """Describes the real images in a sentence."""
    said = f"Real images: {written['data']}, split {written['split']}"
    if written["trained on these"]:
        return f"{said}, which the model was trained on; --split chooses others."
    return f"{said}."


def _counted(pairs, seen):
    for real, fake, *labels in pairs:
        seen["real"] += 0 if real is None else len(real)
        seen["generated"] += len(fake)
        yield real, fake, *labels


def _network(measure):
    looked_through = getattr(measure, "looked_through", None)
    return "-" if looked_through is None else looked_through.name


def _statistics(data):
    """The statistics that `--data` names, or None if it names images."""
    from kerasgan.metrics import FeatureStatistics
    from kerasgan.metrics.statistics import opened

    if pathlib.Path(data).suffix != ".npz" or not pathlib.Path(data).is_file():
        return None
    with opened(data) as file:
        if "mu" not in file.files:
            return None
    return FeatureStatistics.load(data)


def _images(path, options, reference, paired):
    """The images to compare; see `evaluate`."""
    if is_folder_of_pictures(path):
        if paired:
            _refuse_pairs(paired, "pictures in a folder have no partners")
        return _of_folder(path, options, reference)
    model, _ = runs.load_run(path)
    if paired and not model.compares_pairs:
        _refuse_pairs(paired, "images made from noise have no partners")
    return _generated(model, options) if reference else _of_model(model, path, options)


def _refuse_pairs(paired, why):
    raise click.UsageError(
        f"--metrics with {', '.join(paired)}: {why}; use these metrics for models that make one "
        "image from each image."
    )


def _of_model(model, path, options):
    """Real images, and the images that a model generates for comparison."""
    from kerasgan.data import kind_of

    name, num = type(model).__name__, options["num"]
    if num and model.compares_pairs:
        raise click.UsageError(
            f"--num {num}: {name} makes one image from each image of the data; leave --num out."
        )
    num = None if model.compares_pairs else num or NUM
    folder = runs.run_of(path)
    trained = {"set": {}} if folder is None else runs.read_settings(folder)
    given = ("data", "split", "skip_damaged", "seed")
    given = {name: options[name] for name in given if options[name] is not None}
    given["data_dir"] = options["data_dir"]
    kind = kind_of(model)
    settings = kind.fitted(model, {**trained, **given}, options["image_size"])
    real = kind.load(settings, training=False)
    model.agree_on_classes(real)
    pairs = model.real_and_generated(real, num, options["seed"])
    # Images generated beyond the batches of real images come in batches of their own.
    more = 0 if num is None else math.ceil(max(0, num - settings["batch_size"] * len(real)) / 256)
    of_model = model.compares_vectors, model.compares_classes
    return Images(name, pairs, len(real) + more, *of_model)


def _generated(model, options):
    """Generated images only, with all classes in equal shares."""
    import numpy as np

    from kerasgan import roles
    from kerasgan.data import kind_of
    from kerasgan.utils.image_numbers import numbers_of_images

    instead = "For --data, give images that the model can work on."
    roles.require(model, roles.GeneratesImages, "--data with statistics", instead)
    kind_of(model).fitted(model, {}, options["image_size"])  # which refuses what it cannot be
    num = options["num"] or NUM
    labels = model.all_classes(num)

    def pairs():
        for start in range(0, num, BATCH):
            some = range(start, min(start + BATCH, num))
            of_some = None if labels is None else labels[some.start : some.stop]
            numbers = numbers_of_images(options["seed"], some)
            fake = model.generate_numbers(numbers, labels=of_some)
            yield None, np.clip(fake, -1.0, 1.0) if fake.ndim == 4 else fake

    return Images(type(model).__name__, pairs(), math.ceil(num / BATCH), model.compares_vectors)


def _of_folder(path, options, reference):
    import numpy as np

    from kerasgan.data import KINDS

    files, read, (size, _, channels) = open_pictures(
        path, options["image_size"], options["skip_damaged"]
    )
    if options["num"]:
        drawn = np.random.default_rng(options["seed"]).permutation(len(files))
        files = [files[index] for index in sorted(drawn[: options["num"]])]

    def batches():
        for start in range(0, len(files), BATCH):
            some = [read(file) for file in files[start : start + BATCH]]
            yield np.stack(some).astype("float32") / 127.5 - 1.0

    if reference:
        pairs = ((None, fake) for fake in batches())
        return Images("pictures", pairs, math.ceil(len(files) / BATCH))
    names = ("data", "split", "data_dir", "skip_damaged", "seed")
    settings = {name: options[name] for name in names} | {"image_size": size, "channels": channels}
    real = KINDS["images"].load({**settings, "batch_size": BATCH}, training=False)
    pairs = _one_after_the_other(real, batches())
    return Images("pictures", pairs, len(real) + math.ceil(len(files) / BATCH))


def _one_after_the_other(real, generated):
    import numpy as np

    for images in real:
        yield np.asarray(images), np.asarray(images)[:0]
    for images in generated:
        yield None, images
