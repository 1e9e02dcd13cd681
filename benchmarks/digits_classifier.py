"""Trains the network that kerasgan.metrics.features.digits_classifier() loads.

    python benchmarks/digits_classifier.py

takes about three minutes on two cores, prints the accuracy on digits that it has not seen, and with
--write replaces the weights in the package. Numbers that were computed with the old weights cannot
be compared with new ones.
"""

import argparse

import kerasgan  # before TensorFlow, which then uses oneDNN

# isort: split
import keras
import numpy as np
import tensorflow as tf

from kerasgan.metrics.digits import WEIGHTS, digits_classifier


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--data-dir", help="where mnist is, to see how it does there")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    distort = keras.Sequential(
        [
            keras.layers.RandomTranslation(0.12, 0.12, fill_mode="constant", fill_value=-1.0),
            keras.layers.RandomRotation(0.04, fill_mode="constant", fill_value=-1.0),
            keras.layers.RandomZoom(
                (-0.15, 0.6), (-0.15, 0.8), fill_mode="constant", fill_value=-1.0
            ),
        ]
    )
    # Several sizes, because digits are looked at as scanned and enlarged.
    train = [
        kerasgan.data.load("digits", image_size=size, labels=True, batch_size=64, seed=size)
        for size in (8, 16, 32)
    ]
    train = [
        data.map(lambda images, labels: (tf.image.resize(images, (32, 32)), labels))
        for data in train
    ]
    train = train[0].concatenate(train[1]).concatenate(train[2])
    train = train.map(lambda images, labels: (distort(images, training=True), labels))
    network = digits_classifier(weights=None)
    classifier = keras.Model(network.inputs, network.output["logits"])
    steps = arguments.epochs * 3 * (1437 // 64)
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    classifier.fit(train, epochs=arguments.epochs, verbose=2)
    sources = [("digits", size, None) for size in (None, 16, 32)]
    if arguments.data_dir:
        sources.append(("mnist", 32, arguments.data_dir))
    for name, size, data_dir in sources:
        test = kerasgan.data.load(name, "test", size, labels=True, shuffle=False, data_dir=data_dir)
        right = [
            np.argmax(classifier.predict_on_batch(images), axis=1) == labels.numpy()
            for images, labels in test
        ]
        right = np.concatenate(right)
        print(f"{name}, image_size={size}: {right.mean():.2%} of {len(right)} are right")
    if arguments.write:
        network.save_weights(WEIGHTS)
        print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 2**10:.0f} KiB")


if __name__ == "__main__":
    main()
