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

# The models that have settings for a short run; each says its own.
MODELS = {
    entry.name: model
    for entry in registry.entries()
    if issubclass(model := getattr(kerasgan, entry.class_name), kerasgan.ImageGAN)
    and model.takes == "images"
}


def make(name):
    """A compiled model, and the digits in batches for it."""
    settings = {"latent_dim": 64, "base_width": 32, "ema_decay": 0.99, "seed": 0}
    settings |= MODELS[name].short_run
    learning_rate = settings.pop("learning_rate")
    gan = MODELS[name]((16, 16, 1), **settings)
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
    parser.add_argument("model", choices=MODELS)
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
