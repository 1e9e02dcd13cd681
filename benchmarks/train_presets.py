"""Makes the presets that ship with the package: trains and measures each, on one core in minutes.

    python benchmarks/train_presets.py NAME ... [--data-dir DIR] [--runs runs/presets]
        [--out kerasgan/presets]

A training ends after the CPU minutes of its recipe, or after its epochs; what is in `--runs`
already is not trained again. Then the folder NAME of `--out` gets the preset, its card and its
picture. `DIR` is where TensorFlow Datasets keeps `mnist` and `cycle_gan/facades`. Weights are
stored in float16 where that changes no pixel of the samples by more than two steps of 256.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np

from kerasgan import pictures, roles
from kerasgan.metrics import FrechetDistance
from kerasgan.metrics.features import digits_classifier
from kerasgan.presets.catalogue import WEIGHTS
from kerasgan.utils.files import atomic_path

ROOT = pathlib.Path(__file__).parents[1]
WORTH_PACKING = 8_000  # numbers in an array; for smaller ones HDF5's notes take more room
MNIST = {"data": "mnist", "image_size": None}
SCANS = {"data": "digits", "image_size": 16}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a preset is trained.

    Attributes:
        model: name of the class.
        arguments: of its constructor.
        data: name and size of the data.
        batch_size: examples a batch.
        learning_rate: of all optimizers, or None for the paper's.
        minutes: CPU minutes, or None.
        epochs: where minutes are None.
        falls: whether the learning rate falls to zero along half a cosine, which models without
            an average of their weights need.
        augmentation: of `kerasgan.augmentation.DiffAugment`, or None.
        gamma: weight of StyleGAN2's R1, or None for that of its `preset`.
    """

    model: str
    arguments: dict
    data: dict
    batch_size: int
    learning_rate: float | None = None
    minutes: float | None = None
    epochs: int | None = None
    falls: bool = False
    augmentation: str | None = None
    gamma: float | None = None


RECIPES = {
    "cgan_digits": Recipe(
        "CGAN",
        {
            "image_shape": (16, 16, 1),
            "num_classes": 10,
            "latent_dim": 64,
            "base_width": 32,
            "ema_decay": 0.99,
        },
        SCANS,
        100,
        learning_rate=1e-3,
        epochs=120,
    ),
    "dcgan_mnist": Recipe(
        "DCGAN",
        {"image_shape": (28, 28, 1), "latent_dim": 64, "base_width": 32, "ema_decay": 0.999},
        MNIST,
        64,
        minutes=8,
    ),
    "stylegan2_digits": Recipe(
        "StyleGAN2",
        {
            "image_shape": (16, 16, 1),
            # Few, so that no part of w is without a use: `project` then finds the w of an image.
            "latent_dim": 16,
            "base_width": 16,
            "max_width": 64,
            "batch_size": 64,
        },
        SCANS,
        64,
        minutes=24,
        augmentation="translation,cutout",
        # The published rule says 0.0008, with which samples are twice as far from digits.
        gamma=1.0,
    ),
    "stylegan2_mnist": Recipe(
        "StyleGAN2",
        {
            "image_shape": (32, 32, 1),
            "latent_dim": 32,
            "base_width": 16,
            "max_width": 64,
            "batch_size": 64,
        },
        {"data": "mnist", "image_size": 32},
        64,
        minutes=40,
        gamma=1.0,  # as above: the rule says 0.003
    ),
    "vae_mnist": Recipe("VAE", {"image_shape": (28, 28, 1)}, MNIST, 100, minutes=3, falls=True),
    "pixel_cnn_mnist": Recipe(
        "PixelCNN",
        {"image_shape": (28, 28, 1), "levels": 2, "num_blocks": 7},
        MNIST,
        64,
        learning_rate=3e-3,
        minutes=8,
        falls=True,
    ),
    "pix2pix_facades": Recipe(
        "Pix2Pix",
        {"image_shape": (64, 64, 3), "base_width": 16, "receptive_field": 34},
        {"data": "tfds:cycle_gan/facades", "image_size": 64},
        4,
        minutes=20,
    ),
    "wgan_gp_mnist": Recipe(
        "WGANGP",
        {"image_shape": (28, 28, 1), "latent_dim": 64, "base_width": 32, "ema_decay": 0.99},
        MNIST,
        160,
        learning_rate=1e-3,
        minutes=8,
    ),
    "dcgan_digits": Recipe(
        "DCGAN",
        {"image_shape": (16, 16, 1), "latent_dim": 64, "base_width": 32, "ema_decay": 0.99},
        SCANS,
        32,
        learning_rate=1e-3,
        minutes=8,
        augmentation="translation,cutout",
    ),
}


class Budget(keras.callbacks.Callback):
    """Ends training after the recipe's minutes, and lowers the learning rate until then."""

    def __init__(self, recipe):
        super().__init__()
        self.recipe, self.start = recipe, time.process_time()

    def on_train_begin(self, logs=None):
        self.rates = [float(o.learning_rate) for o in self.model.optimizer.optimizers]

    def on_train_batch_end(self, batch, logs=None):
        if self.recipe.minutes is None:
            return
        spent = min((time.process_time() - self.start) / (60.0 * self.recipe.minutes), 1.0)
        if self.recipe.falls:
            self.set_rates(0.5 * (1.0 + math.cos(math.pi * spent)))
        self.model.stop_training = spent == 1.0

    def on_train_end(self, logs=None):
        self.set_rates(1.0)  # for whoever trains on

    def set_rates(self, share):
        for optimizer, rate in zip(self.model.optimizer.optimizers, self.rates, strict=True):
            optimizer.learning_rate = rate * share


def load(recipe, split, data_dir, **arguments):
    """The examples of a split, as the model takes them."""
    how = {"split": split, "data_dir": data_dir, "batch_size": recipe.batch_size, **arguments}
    if recipe.model == "Pix2Pix":
        training = split == "train"
        size = recipe.data["image_size"]
        return kerasgan.data.load_pairs(
            recipe.data["data"],
            image_size=size,
            source="B",
            augment=training,
            shuffle=training,
            **how,
        )
    labels = "num_classes" in recipe.arguments
    return kerasgan.data.load(
        recipe.data["data"],
        image_size=recipe.data["image_size"],
        labels=labels,
        shuffle=split == "train",
        **how,
    )


def train(name, data_dir, folder):
    """Trains a preset's model and writes it with what it took."""
    recipe = RECIPES[name]
    budget = Budget(recipe)
    begin = time.time()
    keras.utils.set_random_seed(0)
    examples = load(recipe, "train", data_dir)
    model = getattr(kerasgan, recipe.model)(**recipe.arguments, seed=0)
    if recipe.model == "VAE":
        model.start_at_mean(np.concatenate(list(examples.as_numpy_iterator())))
    game = {}  # which only models with a discriminator have
    if recipe.augmentation is not None:
        game["augmentation"] = kerasgan.augmentation.DiffAugment(recipe.augmentation)
    if recipe.gamma is not None:
        game["penalties"] = kerasgan.losses.GradientPenalty.r1(recipe.gamma, every=16)
    model.compile(steps_per_execution=1, **game)
    for optimizer in model.optimizer.optimizers:
        if recipe.learning_rate is not None:
            optimizer.learning_rate = recipe.learning_rate
    model.fit(examples, epochs=recipe.epochs or 10_000, callbacks=[budget], verbose=2)
    facts = {
        "updates": model.iterations,
        "images": model.iterations * recipe.batch_size,
        "cpu_seconds": round(time.process_time() - budget.start),
        "clock_seconds": round(time.time() - begin),
    }
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(facts)


def pack(name, data_dir, run, out):
    """Makes the preset of a run."""
    recipe = RECIPES[name]
    model = keras.saving.load_model(run / "model.keras")
    model.compile(**{**model.compile_arguments(), "steps_per_execution": "auto"})
    model.save_to_preset(out)
    pack_weights(out / WEIGHTS, "float16")
    unseen = load(recipe, "test", data_dir)
    differ = np.abs(made(kerasgan.from_preset(out), unseen) - made(model, unseen)).max()
    kind = "float16" if differ <= 2 * 2.0 / 255.0 else "float32"
    if kind == "float32":
        model.save_to_preset(out)
    model = kerasgan.from_preset(out)
    pictures.write_png(out / "samples.png", picture(model, unseen))
    facts = json.loads((run / "facts.json").read_text(encoding="utf-8"))
    measured = measure(model, recipe, unseen, data_dir)
    model.save_to_preset(out, card=card(name, model, facts, measured))
    pack_weights(out / WEIGHTS, kind)
    print(f"{out}: {measured}")


def pack_weights(path, kind):
    """Stores a file of weights in less room, its floats as `kind`."""
    with atomic_path(path) as temporary:
        # The newer layout of groups takes less room, and any HDF5 of the last ten years reads it.
        layout = ("v108", "v110")
        with h5py.File(path) as file, h5py.File(temporary, "w", libver=layout) as small:

            def copy(name, item):
                if isinstance(item, h5py.Group):
                    target = small.require_group(name)
                else:
                    array = item[()].astype(kind if item.dtype == "float32" else item.dtype)
                    packed = {}
                    if array.size > WORTH_PACKING:
                        packed = {"compression": 9, "shuffle": True, "chunks": array.shape}
                    target = small.create_dataset(name, data=array, **packed)
                target.attrs.update(item.attrs)

            file.visititems(copy)
            small.attrs.update(file.attrs)


def arrays(examples, count):
    """The first examples of a data set, as a tuple of arrays."""
    batches = []
    for batch in examples.as_numpy_iterator():
        batches.append(batch if isinstance(batch, tuple) else (batch,))
        if sum(len(b[0]) for b in batches) >= count:
            break
    return tuple(np.concatenate(some)[:count] for some in zip(*batches, strict=True))


def made(model, unseen, count=64):
    """Images that a model makes."""
    if roles.has(model, roles.Translates):
        return model.translate(arrays(unseen, count)[0], seed=0)
    labels = None if model.num_classes is None else np.arange(count) % model.num_classes
    return model.generate(count, seed=0, labels=labels)


def picture(model, unseen):
    """A picture of what a model makes."""
    if roles.has(model, roles.Translates):
        maps, photos = (half[::14][:6] for half in arrays(unseen, 106))
        return pictures.strip([maps, model.translate(maps, seed=0), photos])
    count = 64 if model.num_classes is None else 8 * model.num_classes
    return pictures.draw(made(model, unseen, count), columns=model.num_classes or 8)


def measure(model, recipe, unseen, data_dir):
    """What is measured of a model: dict from what to the number."""
    if roles.has(model, roles.Translates):
        maps, photos = arrays(unseen, 106)
        difference = np.abs(model.translate(maps, seed=0) - photos).mean() / 2.0
        what = "mean absolute difference from the 106 test photos, of values from 0 to 1"
        return {what: f"{difference:.4f}"}
    if recipe.model == "VAE":
        nats = model.log_likelihood(arrays(unseen, 10_000)[0], samples=50).mean()
        return {"log-likelihood of a test image, bound of 50 samples, nats": f"{nats:.2f}"}
    if roles.has(model, roles.HasLikelihood):
        nats = model.log_likelihood(arrays(unseen, 10_000)[0]).mean()
        return {"log-likelihood of a black and white test image, nats": f"{nats:.2f}"}
    count = 1000
    real, *_ = arrays(unseen, count)
    trained_on, *_ = arrays(load(recipe, "train", data_dir), count)
    samples = made(model, unseen, count)
    name = f"Fréchet distance to {len(real)} test images, on the features of the digits' classifier"
    found = {
        f"{name}: {count} samples": f"{distance(real, samples):.2f}",
        f"{name}: {len(trained_on)} training images": f"{distance(real, trained_on):.2f}",
    }
    if model.num_classes is not None:
        seen = digits_classifier().predict(samples, verbose=0)["logits"].argmax(1)
        right = np.mean(seen == np.arange(count) % model.num_classes)
        found["samples in which the digits' classifier sees what was asked for"] = f"{right:.1%}"
    return found


def distance(real, others):
    metric = FrechetDistance(features="digits")
    metric.update_state(real, others)
    return float(metric.result())


DATA = {
    "mnist": (
        "The 60,000 training images of MNIST, by Yann LeCun, Corinna Cortes and Christopher J. C. "
        "Burges, from TensorFlow Datasets (`mnist`)",
        "MNIST: Yann LeCun and Corinna Cortes, CC BY-SA 3.0, as the documentation of "
        "`keras.datasets.mnist` says",
    ),
    "digits": (
        "The 1,437 digits of scikit-learn that kerasgan takes for training: a part of *Optical "
        "Recognition of Handwritten Digits*, by E. Alpaydin and C. Kaynak, 1998",
        "The digits: see their page in the UCI Machine Learning Repository",
    ),
    "tfds:cycle_gan/facades": (
        "The 400 training pairs of the CMP Facade Database, by Radim Tyleček and Radim Šára, 2013, "
        "from TensorFlow Datasets (`cycle_gan/facades`), turned and cropped as in the paper",
        "The photographs: see the page of the CMP Facade Database",
    ),
}


def card(name, model, facts, measured):
    """The page of a preset."""
    recipe = RECIPES[name]
    about, licence = DATA[recipe.data["data"]]
    size = "x".join(map(str, model.image_shape))
    use = "images = model.generate(16, seed=0)"
    if roles.has(model, roles.Translates):
        use = "photos = model.translate(label_maps, seed=0)  # (n, 64, 64, 3) in [-1, 1]"
    elif model.num_classes is not None:
        use = "images = model.generate(10, seed=0, labels=range(10))"
    settings = {n: v for n, v in recipe.arguments.items() if n != "image_shape"}
    rows = {
        "settings": ", ".join(f"`{n}={v!r}`" for n, v in settings.items()) or "the defaults",
        "weights": f"{sum(math.prod(w.shape) for w in model.weights):,}",
        "examples in a batch": recipe.batch_size,
        "learning rate": "the paper's" if recipe.learning_rate is None else recipe.learning_rate,
        "it falls": "to zero, along half a cosine" if recipe.falls else "no",
        "augmentation": "none",
        "updates": f"{facts['updates']:,}",
        "images": f"{facts['images']:,}",
        "CPU minutes, of one core": f"{facts['cpu_seconds'] / 60.0:.1f}",
        "seed": 0,
    }
    if recipe.augmentation is not None:
        rows["augmentation"] = f"`DiffAugment` of {recipe.augmentation.replace(',', ' and ')}"
    if recipe.gamma is not None:
        rows["weight of R1"] = recipe.gamma
    data_dir = "" if recipe.data["data"] == "digits" else " --data-dir DIR"
    shown = "\nRows: label maps, translations, photos.\n" if "photos" in use else ""
    return f"""---
license: apache-2.0
library_name: kerasgan
---
# {name}

`kerasgan.{recipe.model}`, {size}. {type(model).__doc__.splitlines()[0]}

![what it makes](samples.png)
{shown}
```python
import kerasgan

model = kerasgan.from_preset("{name}")
{use}
```

## Data

{about}{", " + size.rpartition("x")[0] + " pixels" if recipe.data["image_size"] else ""}.

## Training

| | |
|---|---|
{table(rows)}

```shell
python benchmarks/train_presets.py {name}{data_dir}
```

## Measured

| | |
|---|---|
{table(measured)}

Of one seed. It is a small model from a short training, to try things with.

## Licence

The weights: Apache-2.0, as kerasgan. {licence}.
"""


def table(rows):
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=RECIPES, metavar="NAME")
    parser.add_argument("--data-dir")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/presets"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "kerasgan" / "presets")
    arguments = parser.parse_args()
    for name in arguments.names:
        run = arguments.runs / name
        if not (run / "facts.json").exists():
            train(name, arguments.data_dir, run)
        pack(name, arguments.data_dir, run, arguments.out / name)


if __name__ == "__main__":
    main()
