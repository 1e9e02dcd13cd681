"""Moves a StyleGAN2 of digits on purpose: a way, directions, steering and projection in pictures.

    python examples/control.py [--model FILE] [--out DIR]

FILE is a model with styles of digits in one channel; without it, it is the preset
`stylegan2_digits`. The folder gets `way.gif`, `directions.png`, `steering.png` and
`projection.png`.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from keras import ops

from kerasgan import control, pictures
from kerasgan.metrics.features import digits_classifier


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/control-example"))
    arguments = parser.parse_args()
    out = arguments.out
    load = kerasgan.load_model if arguments.model else kerasgan.from_preset
    gan, judge = load(arguments.model or "stylegan2_digits"), digits_classifier()
    latents = gan.latents(8, seed=0)

    way = gan.interpolate(latents[0], latents[1], num_images=16)
    pictures.write_animation(out / "way.gif", [pictures.draw(image[None]) for image in way])

    def is_digit(images):
        found = judge.predict(images, verbose=0)["logits"].argmax(axis=-1)
        return {f"digit {digit}": found == digit for digit in range(10)}

    found = control.directions(gan, is_digit)
    found.save(out / "directions.npz")
    positions = np.linspace(-3.0, 3.0, 7)
    points = np.repeat(gan.points(latents[:1]), 7, axis=0)
    rows = [gan.generate_from_points(found.move(points, n, positions)) for n in range(len(found))]
    pictures.write_png(out / "directions.png", pictures.strip(rows))

    def how_much(images):
        logits = ops.log_softmax(judge.predict(images, verbose=0)["logits"])
        logits = ops.convert_to_numpy(logits)
        return {f"digit {digit}": logits[:, digit] for digit in range(10)}

    print(control.change_table(gan, found, how_much))

    def three(images):
        return ops.log_softmax(judge(images, training=False)["logits"])[:, 3]

    rows = [latents, control.steer(gan, latents, three)]
    pictures.write_png(out / "steering.png", pictures.strip(list(map(gan.generate_from, rows))))

    size = gan.image_shape[0]
    data = kerasgan.data.load("digits", split="test", image_size=size, batch_size=8)
    real = np.asarray(next(iter(data)))
    projected = gan.project(real, steps=300)
    pictures.write_png(out / "projection.png", pictures.strip([real, projected.images]))
    print(f"mean squared error of the projection {projected.distance.mean():.4f}; pictures: {out}")


if __name__ == "__main__":
    main()
