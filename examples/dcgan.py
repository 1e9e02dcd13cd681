"""A DCGAN that learns to draw digits, saved, continued and exported.

The digits are the 1,797 scanned ones that scikit-learn ships, so nothing is downloaded. Minutes
on two cores; `--epochs 20` shows the beginnings of digits in half a minute.

    python examples/dcgan.py [--epochs 150] [--out runs/dcgan-example]

Run it again with more epochs, and it goes on where it stopped.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=150)
parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/dcgan-example"))
arguments = parser.parse_args()

keras.utils.set_random_seed(0)
train = kerasgan.data.load("digits", image_size=16)
test = kerasgan.data.load("digits", split="test", image_size=16, shuffle=False)

# A saved model continues as if it had never stopped: networks, both optimizers' moments, the
# random numbers, and the order of the data.
checkpoint = arguments.out / "model.keras"
if checkpoint.exists():
    gan = keras.saving.load_model(checkpoint)
else:
    gan = kerasgan.DCGAN((16, 16, 1), base_width=32, ema_decay=0.99, seed=0)
    gan.compile()  # the paper's optimizers and loss

gan.fit(
    train,
    validation_data=test,
    initial_epoch=gan.epochs_trained,
    epochs=arguments.epochs,
    callbacks=[
        kerasgan.callbacks.SampleGrid(arguments.out, every=10),
        kerasgan.callbacks.TrainingCurves(arguments.out),
        kerasgan.callbacks.RunReport(arguments.out, settings={"data": "digits, 16x16"}),
        keras.callbacks.ModelCheckpoint(checkpoint),
    ],
)

kerasgan.serving.export_version(gan, arguments.out / "savedmodels")
print(f"Open {arguments.out / 'report.html'}")
