"""Image to image: the applications of Pix2Pix, CycleGAN, SRGAN and ESRGAN, in minutes on two cores.

    python examples/translation.py colorize [--data-dir DIR] [--minutes 4] [--out runs/colorize]

The applications are labels_to_photo, day_to_night, colorize, inpaint, denoise, super_resolve
(SRGAN), enlarge (ESRGAN) and unpaired. With --data-dir, the folder of TensorFlow Datasets, pictures
are the CMP facades (cycle_gan/facades). Without, they are cuts of the two photographs that
scikit-learn ships, and unpaired turns digits to inverted and tinted ones; labels_to_photo and
day_to_night need the facades. Nobody photographed these by night: the targets of day_to_night are
dark and blue, with light in the windows of the label maps, so a network that sees photographs only
has to find these.

OUT/strip.png shows held-out pictures: before, after and target, one below the other; unpaired shows
A, A to B, B, B to A.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from kerasgan import pictures

SIZE = 64
APPLICATIONS = {
    "labels_to_photo": "pix2pix",
    "day_to_night": "pix2pix",
    "colorize": "pix2pix",
    "inpaint": "pix2pix",
    "denoise": "pix2pix",
    "super_resolve": "srgan",
    "enlarge": "esrgan",
    "unpaired": "cycle_gan",
}
ENLARGING = ("super_resolve", "enlarge")
MODELS = set(APPLICATIONS.values())
FACADES = "tfds:cycle_gan/facades"
NEED_FACADES = ("labels_to_photo", "day_to_night")
WINDOW = (0, 125, 250)  # its colour in the label maps


def cuts_of_photographs(split, count):
    """Squares of scikit-learn's two photographs: the right quarter is for the test."""
    from sklearn.datasets import load_sample_images

    random = np.random.default_rng(0 if split == "train" else 1)
    cuts = []
    for number in range(count):
        photo = load_sample_images().images[number % 2]
        border = 3 * photo.shape[1] // 4
        photo = photo[:, :border] if split == "train" else photo[:, border:]
        top, left = (random.integers(side - SIZE + 1) for side in photo.shape[:2])
        cuts.append(photo[top : top + SIZE, left : left + SIZE])
    return np.stack(cuts)


def photos(split, data_dir, batch_size):
    training = split == "train"
    how = {"batch_size": batch_size, "shuffle": training, "augment_flip": training}
    if data_dir is None:
        return kerasgan.data.from_array(cuts_of_photographs(split, 400 if training else 16), **how)
    how |= {"image_size": SIZE, "data_dir": data_dir}
    return kerasgan.data.load(FACADES, f"{split}A", **how)


def by_night(photo, label_map):
    """The photographs by day, and as they might look by night."""
    grey = tf.reduce_mean(photo + 1.0, axis=-1, keepdims=True)
    dark = tf.constant([0.12, 0.16, 0.28]) * grey
    distance = tf.norm(127.5 * (label_map + 1.0) - tf.constant(WINDOW, tf.float32), axis=-1)
    is_window = tf.cast(distance < 45.0, tf.float32)[..., None]
    light = tf.constant([1.7, 1.3, 0.6]) * (0.5 + 0.5 * grey)
    return photo, tf.clip_by_value(dark + is_window * light, 0.0, 2.0) - 1.0


def data_of(application, split, data_dir, batch_size):
    """What `fit` takes."""
    training = split == "train"
    facades = {
        "split": split,
        "image_size": SIZE,
        "batch_size": batch_size,
        "shuffle": training,
        "augment": training,
        "data_dir": data_dir,
    }
    if application == "labels_to_photo":
        return kerasgan.data.load_pairs(FACADES, source="B", **facades)
    if application == "day_to_night":
        return kerasgan.data.load_pairs(FACADES, source="A", **facades).map(by_night)
    if application == "unpaired":
        if data_dir is not None:
            return kerasgan.data.load_unpaired(FACADES, **facades)
        digits = [
            kerasgan.data.load(
                "digits", split, SIZE, batch_size, channels=3, shuffle=training, seed=seed
            )
            for seed in range(2)
        ]
        tint = tf.constant([0.3, 0.0, -0.3])
        return tf.data.Dataset.zip(digits[0], digits[1].map(lambda x: -0.7 * x + tint))
    images = photos(split, data_dir, batch_size)
    if application in ENLARGING:
        return kerasgan.data.paired(images, "super_resolve", scale=2)
    return kerasgan.data.paired(images, application)


def make(application, data):
    source, target = (tuple(half.shape[1:]) for half in data.element_spec)
    if application == "super_resolve":
        return kerasgan.SRGAN(
            target, scale=2, base_width=32, residual_blocks=4, features=None, seed=0
        )
    if application == "enlarge":
        small = {"base_width": 32, "residual_blocks": 2, "growth": 16}
        return kerasgan.ESRGAN(target, scale=2, features=None, seed=0, **small)
    if application == "unpaired":
        # Without the identity loss, see docs/translation.md.
        return kerasgan.CycleGAN(
            target, base_width=8, residual_blocks=2, identity_weight=0.0, seed=0
        )
    return kerasgan.Pix2Pix(target, source[-1], base_width=32, receptive_field=34, seed=0)


class StopAfter(keras.callbacks.Callback):
    """Ends training after so many minutes of CPU time."""

    def __init__(self, minutes):
        super().__init__()
        self.end = time.process_time() + 60 * minutes

    def on_train_batch_end(self, batch, logs=None):
        if time.process_time() > self.end:
            self.model.stop_training = True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("--data-dir")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    application, data_dir = arguments.application, arguments.data_dir
    out = arguments.out or pathlib.Path("runs") / application
    if application in NEED_FACADES and data_dir is None:
        parser.error(f"{application} needs --data-dir, where cycle_gan/facades is")

    keras.utils.set_random_seed(0)
    data = data_of(application, "train", data_dir, batch_size=4)
    shown = data_of(application, "test", data_dir, batch_size=8)
    model = make(application, data)
    model.compile()
    grid = kerasgan.callbacks.TranslationGrid(shown, out, every=10)
    callbacks = [
        grid,
        kerasgan.callbacks.TrainingCurves(out),
        kerasgan.callbacks.RunReport(out, settings={"application": application}),
        keras.callbacks.ModelCheckpoint(out / "model.keras"),
    ]
    many = 10**6
    if application == "unpaired":
        for optimizer in model.optimizer.optimizers:
            optimizer.learning_rate = 5e-4  # for so short a training
    if application in ENLARGING:
        model.optimizer["generator"].learning_rate = 5e-4
        half = StopAfter(arguments.minutes / 2)
        model.pretrain(data, epochs=many, callbacks=[*callbacks, half])
        model.optimizer["generator"].learning_rate = 1e-4
        arguments.minutes /= 2
    model.fit(
        data,
        initial_epoch=model.epochs_trained,
        epochs=many,
        callbacks=[*callbacks, StopAfter(arguments.minutes)],
    )
    pictures.write_png(out / "strip.png", grid.picture())
    print(f"Look at {out / 'strip.png'} and open {out / 'report.html'}")


if __name__ == "__main__":
    main()
