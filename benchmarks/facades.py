"""Pix2Pix against its generator trained with the L1 loss alone, on the CMP facades at 64x64.

Both get the same CPU time, network, optimizer, batches and data: 400 pairs, label map to photo,
augmented as in the paper. Compared are, on the 106 test pairs, the mean absolute difference from
the photo (of values from 0 to 1) and the Fréchet distance between photos and translations, in the
features of a small network that was trained to tell by how many quarter turns a cut-out of a
training photo was rotated; each quarter of an image gives one feature vector.

    python benchmarks/facades.py --data-dir DIR [--minutes 15] [--seeds 1] [--out FOLDER]

DIR is that of TensorFlow Datasets and holds cycle_gan/facades.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from kerasgan import pictures
from kerasgan.metrics import FrechetDistance
from kerasgan.models.pix2pix import unet

SIZE = 64
PIX2PIX = {"base_width": 32, "receptive_field": 34}


def pairs(data_dir, split, **arguments):
    return kerasgan.data.load_pairs(
        "tfds:cycle_gan/facades",
        split=split,
        image_size=SIZE,
        source="B",
        data_dir=data_dir,
        **arguments,
    )


def test_pairs(data_dir):
    batches = list(pairs(data_dir, "test", shuffle=False, augment=False, batch_size=53))
    return tuple(np.concatenate([batch[half] for batch in batches]) for half in range(2))


def rotation_network(data_dir):
    """A network that tells quarter turns, and the training photos. Its last layers but one are a
    map of features and their mean.
    """
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    x = images
    for width in (32, 64, 64):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(width, 3, 2, padding="same", activation="relu")(x)
    network = keras.Model(images, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])

    def rotated(photos, random):
        corners = random.integers(SIZE // 2 + 1, size=(len(photos), 2))
        cut = [
            p[y : y + SIZE // 2, x : x + SIZE // 2]
            for p, (y, x) in zip(photos, corners, strict=True)
        ]
        turns = random.integers(4, size=len(photos))
        return np.stack([np.rot90(p, k) for p, k in zip(cut, turns, strict=True)]), turns

    photos = np.concatenate(
        [
            photo
            for _, photo in pairs(data_dir, "train", shuffle=False, augment=False, batch_size=50)
        ]
    )
    random = np.random.default_rng(0)
    for _ in range(60):
        network.fit(*rotated(photos, random), batch_size=32, verbose=0)
    _, accuracy = network.evaluate(*rotated(test_pairs(data_dir)[1], random), verbose=0)
    print(f"the features tell quarter turns of test photos in {accuracy:.0%} of the cases")
    return network, photos


def rotation_features(data_dir):
    """A function from images to features of their quarters, and the training photos."""
    network, photos = rotation_network(data_dir)
    extract = keras.Model(network.inputs, network.layers[-2].output)

    def of_quarters(pictures):
        half = SIZE // 2
        quarters = [pictures[:, y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        return extract.predict(np.concatenate(quarters), verbose=0)

    return of_quarters, photos


class CpuBudget(keras.callbacks.Callback):
    """Stops after so many minutes of this process's CPU time."""

    def __init__(self, minutes):
        super().__init__()
        self.end = time.process_time() + 60 * minutes
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if time.process_time() > self.end:
            self.model.stop_training = True


def train(way, data_dir, minutes, seed):
    """The trained translation function and the number of steps."""
    keras.utils.set_random_seed(seed)
    data = pairs(data_dir, "train", batch_size=4, seed=seed)
    budget = CpuBudget(minutes)
    if way == "Pix2Pix":
        model = kerasgan.Pix2Pix((SIZE, SIZE, 3), seed=seed, **PIX2PIX)
        model.compile(steps_per_execution=1)
    else:
        depth = SIZE.bit_length() - 1
        model = unet(depth, 3, 3, PIX2PIX["base_width"], seed=seed)
        model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), "mae")
    model.fit(data, epochs=10**6, callbacks=[budget], verbose=0)
    if way == "Pix2Pix":
        return (lambda images: model.translate(images, seed=0)), budget.steps
    return (lambda images: model.predict(images, verbose=0)), budget.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/facades"))
    arguments = parser.parse_args()
    features, train_photos = rotation_features(arguments.data_dir)
    labels, photos = test_pairs(arguments.data_dir)
    of_photos = features(photos)
    print("way       seed  steps   L1      Fréchet distance", flush=True)
    floor = FrechetDistance("pixels")(of_photos, features(train_photos))
    print(f"training photos                {floor:.3f}", flush=True)
    rows = [labels, photos]
    for seed in range(arguments.seeds):
        for way in ("Pix2Pix", "L1 only"):
            translate, steps = train(way, arguments.data_dir, arguments.minutes, seed)
            translated = translate(labels)
            l1 = np.abs(translated - photos).mean() / 2
            distance = FrechetDistance("pixels")(of_photos, features(translated))
            print(f"{way:9} {seed:4} {steps:6}   {l1:.4f}  {distance:.3f}", flush=True)
            if seed == 0:
                rows.append(translated)
    strip = np.concatenate([row[::12][:8] for row in (rows[0], *rows[2:], rows[1])])
    file = arguments.out / "facades.png"
    pictures.write_png(file, pictures.draw(strip, columns=8))
    print(f"{file}: label maps, Pix2Pix, L1 only, photos")


if __name__ == "__main__":
    main()
