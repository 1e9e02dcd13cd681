"""SRGAN x2 on held-out photographs: bicubic, trained on pixels, trained against a discriminator.

The photographs are the 400 and 106 of the CMP facades, 256x256. Both are reduced by 2, bicubic and
antialiased; the generator (8 residual blocks, width 32) is trained on the 400, in cuts of 64 pixels
that become 32, and enlarges the 106 from 128 to 256 pixels. The table has PSNR and SSIM of the
luminance without 4 pixels at the border, and the Fréchet distance from the photographs in the
features of benchmarks/facades.py, of each 64x64 part of an image. Since VGG19's weights need a
network, the content loss here is of that network's maps
after four convolutions; --features takes VGG19's file.

    python benchmarks/super_resolution.py --data-dir DIR [--minutes 15] [--adversarial-minutes 10]
        [--features FILE] [--out FOLDER]

DIR is that of TensorFlow Datasets and holds cycle_gan/facades.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from facades import CpuBudget, rotation_network

from kerasgan import pictures
from kerasgan.metrics import FrechetDistance

SCALE, CUT = 2, 64


def photos(data_dir, split, **arguments):
    images = kerasgan.data.load(
        "tfds:cycle_gan/facades", split, 256, data_dir=data_dir, **arguments
    )
    return kerasgan.data.paired(images, "super_resolve", scale=SCALE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--adversarial-minutes", type=float, default=10.0)
    parser.add_argument("--features", default=None)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/super_resolution"))
    arguments = parser.parse_args()
    network, _ = rotation_network(arguments.data_dir)
    maps = keras.Model(network.inputs, network.layers[4].output)
    pooled = keras.Model(network.inputs, network.layers[-2].output)
    keras.utils.set_random_seed(0)
    train = photos(arguments.data_dir, "trainA", batch_size=16, augment_crop=CUT, augment_flip=True)
    test = photos(arguments.data_dir, "testA", batch_size=53, shuffle=False)
    small, large = (np.concatenate([batch[half] for batch in test]) for half in range(2))

    def features(images):
        parts = images.reshape(len(images), 4, 64, 4, 64, 3).transpose(0, 1, 3, 2, 4, 5)
        return pooled.predict(parts.reshape(-1, 64, 64, 3), verbose=0)

    of_photos = features(large)
    gan = kerasgan.SRGAN(
        (CUT, CUT, 3),
        SCALE,
        base_width=32,
        residual_blocks=8,
        features=arguments.features or maps,
        feature_scale=1 / 12.75 if arguments.features else 1.0,
        seed=0,
    )
    gan.compile()
    print("way                   PSNR    SSIM     Fréchet distance", flush=True)
    results = {"bicubic": tf.image.resize(small, large.shape[1:3], "bicubic").numpy()}

    def report(way):
        row = []
        for metric in (kerasgan.metrics.PSNR(), kerasgan.metrics.SSIM()):
            metric.update_state(large, results[way])
            row.append(float(metric.result()))
        distance = FrechetDistance("pixels")(of_photos, features(np.clip(results[way], -1.0, 1.0)))
        print(f"{way:20}  {row[0]:.2f}   {row[1]:.4f}   {distance:.3f}", flush=True)

    report("bicubic")
    # Five times the paper's rate, for so short a training on pixels.
    for way, fit, rate, minutes in (
        ("pixels", gan.pretrain, 5e-4, arguments.minutes),
        ("adversarial", gan.fit, 1e-4, arguments.adversarial_minutes),
    ):
        gan.optimizer["generator"].learning_rate = rate
        budget = CpuBudget(minutes)
        fit(train, epochs=10**6, callbacks=[budget], verbose=0)
        results[way] = gan.translate(small)
        report(way)
        print(f"  after {budget.steps} steps in {minutes:g} CPU minutes", flush=True)
        gan.save(arguments.out / f"{way}.keras")
    rows = [x[5:65:10, 64:192, 64:192] for x in (*results.values(), large)]
    file = arguments.out / "super_resolution.png"
    pictures.write_png(file, pictures.strip(rows))
    print(f"{file}: {', '.join(results)}, photographs")


if __name__ == "__main__":
    main()
