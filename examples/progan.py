"""ProGAN grows from 4x4 to 32x32 on digits, in minutes on two cores.

    python examples/progan.py [--data digits] [--data-dir DIR] [--epochs 60] [--out runs/progan]

`--data mnist` takes MNIST from TensorFlow Datasets. `samples.gif` in the folder shows the digits
grow; its last picture is in `samples`.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import kerasgan
from kerasgan.callbacks import ProgressiveGrowing, Stage


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/progan"))
    arguments = parser.parse_args()

    keras.utils.set_random_seed(0)
    images = kerasgan.data.load(
        arguments.data, data_dir=arguments.data_dir, image_size=32, batch_size=32
    )
    gan = kerasgan.ProGAN((32, 32, 1), latent_dim=64, base_width=16, max_width=64, ema_decay=0.99)
    gan.compile()
    # Six phases until 32x32 has faded in (4, 8 8, 16 16, 32), and as many at full strength there.
    stage = Stage(arguments.epochs / 12, arguments.epochs / 12, unit="epochs")
    gan.fit(
        images,
        epochs=arguments.epochs,
        callbacks=[
            ProgressiveGrowing(stage),
            kerasgan.callbacks.SampleGrid(arguments.out, every=max(1, arguments.epochs // 30)),
            kerasgan.callbacks.TrainingCurves(arguments.out),
            kerasgan.callbacks.RunReport(arguments.out, settings={"data": arguments.data}),
            keras.callbacks.ModelCheckpoint(arguments.out / "model.keras"),
        ],
    )
    print(f"Open {arguments.out / 'samples.gif'}")


if __name__ == "__main__":
    main()
