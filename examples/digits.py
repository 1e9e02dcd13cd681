"""Any GAN of the family on the scanned digits of scikit-learn, in minutes on two cores.

    python examples/digits.py wgan_gp [--epochs 100] [--out runs/digits-wgan_gp]

The models differ in what their papers changed: the loss, a penalty, normalization, how often the
discriminator is trained, and what the players are told. Here they have networks of about one width,
32 feature maps next to the image or throughout, small batches, and the optimizers of their papers
at higher rates, as so short a run needs them (docs/models.md, "Short runs").
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from kerasgan.models import registry

# What each model is made with, beyond what all have, and the learning rate of its optimizers.
SETTINGS = {
    "dcgan": ({}, 1e-3),
    "lsgan": ({}, 1e-3),
    "wgan": ({}, 2e-4),
    "wgan_gp": ({}, 1e-3),
    "dragan": ({}, 1e-3),
    "sngan": ({"architecture": "dcgan"}, 1e-3),
    "cgan": ({"num_classes": 10}, 1e-3),
    "projection_gan": ({"num_classes": 10, "base_width": 16}, 1e-3),  # twice it in the generator
    "sagan": ({"num_classes": 10, "base_width": 16}, 1e-3),  # twice it at 8x8
    "acgan": ({"num_classes": 10}, 1e-3),
    "info_gan": ({}, 1e-3),
    "pac_gan": ({}, 1e-3),
    "big_gan": ({"num_classes": 10, "base_width": 8}, 1e-3),  # four times it throughout
    "r3_gan": ({}, 1e-3),
}


def make(name):
    """A compiled model, and the digits in batches for it."""
    settings, learning_rate = SETTINGS[name]
    entry = next(entry for entry in registry.entries() if entry.name == name)
    settings = {"latent_dim": 64, "base_width": 32, "ema_decay": 0.99, "seed": 0, **settings}
    gan = getattr(kerasgan, entry.class_name)((16, 16, 1), **settings)
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        optimizer.learning_rate = learning_rate
    # Each update of the discriminator sees its own 32 real digits.
    digits = kerasgan.data.load(
        "digits",
        image_size=16,
        batch_size=32 * gan.discriminator_steps,
        labels=gan.num_classes is not None,
    )
    return gan, digits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=SETTINGS)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.out or pathlib.Path("runs") / f"digits-{arguments.model}"

    keras.utils.set_random_seed(0)
    gan, digits = make(arguments.model)
    gan.fit(
        digits,
        epochs=arguments.epochs,
        callbacks=[
            kerasgan.callbacks.CollapseMonitor(digits, out, every=10),
            kerasgan.callbacks.SampleGrid(out, every=10),
            kerasgan.callbacks.TrainingCurves(out),
            kerasgan.callbacks.RunReport(out, settings={"model": arguments.model}),
            keras.callbacks.ModelCheckpoint(out / "model.keras"),
        ],
    )
    print(f"Open {out / 'report.html'}")


if __name__ == "__main__":
    main()
