"""ProGAN or StyleGAN grows from 4x4 to 32x32 on digits, in minutes on two cores.

    python examples/growing.py stylegan [--data digits] [--data-dir DIR] [--images 120000]
        [--out DIR]

`--data mnist` takes MNIST from TensorFlow Datasets. The folder gets `samples.gif`, in which the
digits grow, and for StyleGAN, after training, what its styles and its noise do:

- `mixing_coarse.png`, `mixing_middle.png`, `mixing_fine.png`: the first column are targets, the
  first row sources; each other picture is a target with those styles of a source;
- `truncation.png`: a row for each psi of 1, 0.7, 0.5, 0.3 and 0;
- `variation.png`: a row for each latent, each picture with new noise, the last their deviation;
- `interpolation.png`: the way between two latents, in w above and in z below.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures
from kerasgan.callbacks import ProgressiveGrowing, Stage

MODELS = {"progan": kerasgan.ProGAN, "stylegan": kerasgan.StyleGAN}
# Found by trying; see docs/growing.md.
OWN_SETTINGS = {"progan": {}, "stylegan": {"mapping_layers": 1, "mixing_probability": 0.0}}
BATCH_SIZE, IMAGES_AN_EPOCH = 32, 3200


def draw_styles(gan, folder, columns=8, rows=6):
    """Writes the pictures of what styles and noise do."""

    def write(name, images, columns):
        pictures.write_png(folder / f"{name}.png", pictures.draw(images, columns=columns))

    sources, targets = gan.latents(columns, seed=1), gan.latents(rows, seed=2)
    for layers in ("coarse", "middle", "fine"):
        mixed = gan.style_mix(sources, targets, layers=layers)
        left = [np.ones(gan.image_shape), *gan.generate_from(targets)]
        table = np.concatenate([gan.generate_from(sources)[:, None], mixed], axis=1)
        table = np.concatenate([np.stack(left)[None], table]).swapaxes(0, 1)
        write(f"mixing_{layers}", table.reshape(-1, *gan.image_shape), columns + 1)
    sweep = [gan.generate(columns, seed=1, truncation=psi) for psi in (1.0, 0.7, 0.5, 0.3, 0.0)]
    write("truncation", np.concatenate(sweep), columns)
    variations = []
    for latent in targets:
        images = gan.stochastic_variation(latent, 50, seed=3)
        deviation = images.std(axis=0)
        deviation = 2.0 * deviation / max(deviation.max(), 1e-6) - 1.0
        variations += [*images[: columns - 1], deviation]
    write("variation", np.stack(variations), columns)
    ways = [gan.interpolate(*targets[:2], num_images=columns, space=space) for space in "wz"]
    write("interpolation", np.concatenate(ways), columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--images", type=int, default=120_000, help="to train on")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.out or pathlib.Path("runs") / f"growing-{arguments.model}"

    keras.utils.set_random_seed(0)
    images = kerasgan.data.load(
        arguments.data, data_dir=arguments.data_dir, image_size=32, batch_size=BATCH_SIZE
    )
    gan = MODELS[arguments.model](
        (32, 32, 1),
        latent_dim=64,
        base_width=8,
        max_width=32,
        ema_decay=0.99,
        **OWN_SETTINGS[arguments.model],
    )
    adam = keras.optimizers.Adam(3e-3, beta_1=0.0, beta_2=0.99)
    loss = kerasgan.losses.Wasserstein(drift=1e-3)
    gan.compile(optimizer=adam, loss=loss, penalties="wgan-gp")
    # Six phases until 32x32 has faded in (4, 8 8, 16 16, 32), and as many at full strength there.
    stage = Stage(arguments.images // 12, arguments.images // 12)
    epochs = max(1, arguments.images // IMAGES_AN_EPOCH)
    gan.fit(
        images.repeat(),
        epochs=epochs,
        steps_per_epoch=IMAGES_AN_EPOCH // BATCH_SIZE,
        callbacks=[
            ProgressiveGrowing(stage),
            kerasgan.callbacks.SampleGrid(out),
            kerasgan.callbacks.TrainingCurves(out),
            kerasgan.callbacks.RunReport(out, settings={"data": arguments.data}),
            keras.callbacks.ModelCheckpoint(out / "model.keras"),
        ],
    )
    if arguments.model == "stylegan":
        draw_styles(gan, out)
    print(f"Open {out}")


if __name__ == "__main__":
    main()
