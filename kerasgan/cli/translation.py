"""What `kerasgan train` and `kerasgan translate` do for models that translate images."""

import pathlib

import click

from kerasgan.cli import outputs, runs

# The options of `kerasgan train` that only these models have.
OPTIONS = ("source", "task", "data_b", "pretrain_epochs")


def check_options(settings, model_class):
    """Refuses options that mean nothing to a model."""
    from kerasgan.translation.model import TranslationModel

    given = {name for name in (*OPTIONS, "crop") if settings.get(name)}
    if not issubclass(model_class, TranslationModel):
        meant, why = {"crop"}, "translates no images"
    else:
        of_pairs = {"task", "crop"} if settings.get("task") else {"source"}
        meant = {"pairs": of_pairs, "unpaired": {"data_b"}}.get(
            model_class.pairing, {"pretrain_epochs", "crop"}
        )
        why = "has no use for it here"
    for name in sorted(given - meant):
        option = "--" + name.replace("_", "-")
        raise click.UsageError(f"{option}={settings[name]}: {model_class.__name__} {why}.")
    if settings.get("task") == "super_resolve":
        raise click.UsageError("--task=super_resolve is what the model srgan is for.")


def load_examples(model_class, settings, *, training):
    """The data set of a run, or the images of it that a picture shows.

    Args:
        model_class: a translation model.
        settings: those of the run.
        training: whether to shuffle and augment.
    """
    from kerasgan import data

    how = {name: settings[name] for name in ("split", "image_size", "batch_size", "seed")}
    how |= {"data_dir": settings["data_dir"], "shuffle": training}
    how["skip_damaged"] = bool(settings.get("skip_damaged"))
    name, task = settings["data"], settings.get("task")
    if model_class.pairing == "unpaired":
        how["image_size"] = how["image_size"] or 256
        return data.load_unpaired(name, settings.get("data_b"), augment=training, **how)
    if model_class.pairing == "pairs" and not task:
        how["image_size"] = how["image_size"] or 256
        return data.load_pairs(name, source=settings.get("source"), augment=training, **how)
    crop = {"augment_crop": settings.get("crop"), "augment_flip": training}
    images = data.load(name, **how, **crop)
    if model_class.pairing == "pairs":
        return data.paired(images, task, seed=settings["seed"])
    scale = settings["set"].get("scale", 4)
    return data.paired(images, "super_resolve", seed=settings["seed"], scale=scale)


def translate_files(model, inputs, out, *, to, seed, tile, skip_damaged):
    """Translates pictures and writes each as PNG under its name; returns how many.

    Args:
        model: a translation model.
        inputs: paths of pictures, or of folders of pictures whose structure is kept.
        out: a folder.
        to, seed, tile: as for `translate`.
        skip_damaged: whether pictures that cannot be read are named and left out.
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
                raise ValueError(f"{files[target]} and {file} would both become {target}.")
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
            runs.damaged(file, error, skip_damaged)
            continue
        images = picture[None].astype(np.float32) / 127.5 - 1.0
        translated = model.translate(images, to, seed=seed, tile=tile, overlap=min(64, tile // 2))
        pictures.write_png(target, to_uint8(translated[0]))
        count += 1
    return count
