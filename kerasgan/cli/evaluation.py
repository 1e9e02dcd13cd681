"""What `kerasgan evaluate` does: the numbers of runs, of files and of folders of pictures."""

import dataclasses
import math
import os
import pathlib
from collections import abc

import click

import kerasgan
from kerasgan.cli import outputs, run_folder, runs, translation

DEFAULT = "fid,kid,precision,recall,density,coverage"
WITHOUT_REAL = {"fid", "fid_infinity", "inception_score"}
NUM = 10_000
BATCH = 64
RESULTS = run_folder.RESULTS


@dataclasses.dataclass
class Images:
    """What is compared: who made it, pairs of real and generated batches, how many come."""

    maker: str
    pairs: abc.Iterable
    total: int
    vectors: bool = False  # rather than images


def evaluate(path, metrics, out, **options):
    """Measures what `path` holds, and writes it to a JSON file.

    Args:
        path: a run folder, a `.keras` file, or a folder of pictures.
        metrics: str, names with commas between.
        out: the file to write, or None for `evaluation.json` in the folder or beside the file.
        **options: `data`, `split`, `data_dir`, `image_size`, `features`, `num`, `seed`,
            `skip_damaged`.
    """
    runs.import_keras()
    import tqdm

    from kerasgan.training import measuring

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    if not names:
        raise click.UsageError(f"--metrics is empty; choose of {', '.join(measuring.names())}.")
    out = out or _default_out(path)
    outputs.check_file("--out", out, "evaluation")
    with runs.usage_errors(), runs.warnings_in_one_line():
        reference = _statistics(options["data"])
        if reference is not None and set(names) - WITHOUT_REAL:
            raise click.UsageError(
                f"{options['data']} holds statistics, not images: only "
                f"{', '.join(sorted(WITHOUT_REAL))} can be had of it, not "
                f"{', '.join(sorted(set(names) - WITHOUT_REAL))}; choose --metrics."
            )
        common = {"features": options["features"], "reference": reference}
        common = {name: value for name, value in common.items() if value is not None}
        measures = measuring.get(names, **common)
        paired = [type(m).__name__ for m in measures if getattr(m, "paired", False)]
        images = _images(path, options, reference is not None, paired)
        try:
            measuring.prepare(measures, None, images.vectors)
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
                if any(name == asked or name.startswith(f"{asked}_") for asked in names)
            ]
            measure.reset_state()  # what it kept can be large
    written = {
        "kerasgan": kerasgan.__version__,
        "of": str(path),
        "made by": images.maker,
        **{name: options[name] for name in ("data", "split", "image_size", "seed")},
        "trained on these": _trained_on(path, options),
        **seen,
        "results": rows,
    }
    click.echo(table(written))
    if reference is None:
        click.echo(_about_real(written))
    for row in rows:  # JSON knows neither NaN nor infinity
        row["value"] = row["value"] if math.isfinite(row["value"]) else None
    runs.write_json(out, written)
    click.echo(f"Written to {out}")


def _default_out(path):
    folder = path.parent if path.name == runs.MODEL else path  # the model of a run
    return folder / RESULTS if folder.is_dir() else path.with_suffix(f".{RESULTS}")


def _trained_on(path, options):
    """Whether the real images are those of a run's training; None where nothing says so."""
    folder = path.parent if path.name == runs.MODEL else path
    if not (folder / runs.SETTINGS).exists():
        return None
    settings = runs.read_settings(folder)
    if settings.get("split") != options["split"]:
        return False
    both = settings.get("data") or "", options["data"]
    return both[0] == both[1] or (
        all(map(os.path.exists, both)) and os.path.samefile(*both)  # however it is spelt
    )


def _about_real(written):
    """Which the real images are, in a sentence."""
    said = f"Real images: {written['data']}, split {written['split']}"
    if written["trained on these"]:
        return f"{said}, which the model was trained on; --split chooses others."
    return f"{said}."


def table(written):
    """What `evaluate` wrote, as lines of text: one for a number, its deviation beside it."""
    from kerasgan.utils.text import in_columns

    values = {row["metric"]: row["value"] for row in written["results"]}
    lines = [("metric", "value", "", "real", "generated", "network")]
    for row in written["results"]:
        name, deviation = row["metric"], values.get(f"{row['metric']}_std")
        if name.endswith("_std"):
            continue
        spread = "" if deviation is None else f"+- {deviation:.4g}"
        counts = [counted(row[side]) for side in ("real", "generated")]
        lines.append((name, f"{row['value']:.4g}", spread, *counts, row["features"]))
    return "\n".join(in_columns(lines, left=len(lines[0])))


def counted(number):
    """A number of images as text: `?` when it is not known, `-` when they do not matter."""
    return "?" if number is None else f"{number:,}" if number else "-"


def _counted(pairs, seen):
    for real, fake in pairs:
        seen["real"] += 0 if real is None else len(real)
        seen["generated"] += len(fake)
        yield real, fake


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
    """The images that are compared; see `evaluate`."""
    from kerasgan.translation.model import TranslationModel

    if runs.is_folder_of_pictures(path):
        if paired:
            _refuse_pairs(paired, "pictures in a folder have no partners")
        return _of_folder(path, options, reference)
    model, _ = runs.load_run(path)
    if isinstance(model, TranslationModel):
        return _of_translator(model, path, options, reference)
    if paired:
        _refuse_pairs(paired, "images made from noise have no partners")
    return _of_generator(model, options, reference)


def _refuse_pairs(paired, why):
    raise click.UsageError(
        f"--metrics with {', '.join(paired)}: {why}; these are for models that translate images."
    )


def _of_generator(model, options, reference):
    shape = model.real_image_shape
    num = options["num"] or NUM
    name = type(model).__name__
    if options["image_size"] not in (None, shape[0]):
        raise click.UsageError(f"--image-size {options['image_size']}: {name} makes {shape}.")
    if len(shape) == 3 and shape[0] != shape[1]:
        raise click.UsageError(
            f"{name} makes images of {shape[0]}x{shape[1]}, and --data becomes squares; measure "
            "this model in Python, with data of its shape."
        )
    vectors = len(shape) == 1
    if reference:
        pairs = _generated(model, num, options["seed"])
        return Images(name, pairs, math.ceil(num / BATCH), vectors)
    how = {"image_size": shape[0], "channels": shape[-1]} if len(shape) == 3 else {}
    if model.num_classes is not None:  # with the numbers that the model knows its classes by
        how |= {"labels": True, "class_names": model.class_names}
    real = _real(options, **how)
    model.agree_on_classes(real)
    total = max(len(real), len(real) + math.ceil((num - BATCH * len(real)) / 256))
    return Images(name, model.comparisons(real, num, options["seed"]), total, vectors)


def _generated(model, num, seed):
    """Batches of generated images alone, of all classes in equal shares."""
    import numpy as np

    from kerasgan.utils.image_numbers import numbers_of_images

    labels = None if model.num_classes is None else np.arange(num) % model.num_classes
    for start in range(0, num, BATCH):
        some = range(start, min(start + BATCH, num))
        of_some = None if labels is None else labels[some.start : some.stop]
        fake = model.generate_numbers(numbers_of_images(seed, some), labels=of_some)
        yield None, np.clip(fake, -1.0, 1.0) if fake.ndim == 4 else fake


def _of_translator(model, path, options, reference):
    if reference:
        raise click.UsageError(f"{type(model).__name__} needs --data with images to translate.")
    if options["num"]:
        raise click.UsageError(
            f"--num {options['num']}: {type(model).__name__} translates every image of the data."
        )
    settings = dict.fromkeys(translation.OPTIONS) | {"set": {}, "image_size": None}
    if (path / runs.SETTINGS).exists():
        settings |= runs.read_settings(path)
    given = ("data", "split", "data_dir", "image_size", "skip_damaged")
    settings |= {name: options[name] for name in given if options[name] is not None}
    settings |= {"batch_size": 1, "seed": options["seed"], "data_dir": options["data_dir"]}
    settings["image_size"] = settings["image_size"] or model.pair_shapes[1][0]
    examples = translation.load_examples(type(model), settings, training=False)
    pairs = model.comparisons(examples, seed=options["seed"])
    return Images(type(model).__name__, pairs, len(examples))


def _of_folder(path, options, reference):
    import numpy as np

    files, read, (size, _, channels) = runs.open_pictures(
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
    real = _real(options, image_size=size, channels=channels)
    pairs = _one_after_the_other(real, batches())
    return Images("pictures", pairs, len(real) + math.ceil(len(files) / BATCH))


def _one_after_the_other(real, generated):
    import numpy as np

    for images in real:
        yield np.asarray(images), np.asarray(images)[:0]
    for images in generated:
        yield None, images


def _real(options, **how):
    from kerasgan import data

    return data.load(
        options["data"],
        split=options["split"],
        batch_size=BATCH,
        shuffle=False,
        data_dir=options["data_dir"],
        skip_damaged=bool(options["skip_damaged"]),
        **how,
    )
