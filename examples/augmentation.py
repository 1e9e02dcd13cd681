"""Whether images of a GAN help a classifier that has few: five ways to train it, at equal cost.

    python examples/augmentation.py [--images 100 500] [--updates 1500] [--steps 300] [--seeds 5]
        [--data digits] [--data-dir DIR] [--size 16] [--out runs/augmentation]

For each number of images and each seed as many images of each class are chosen. A conditional GAN
learns these, and no others, with translated and cut images before its discriminator. Then the same
classifier learns, in as many steps of 64 images,

- the real images;
- the real images and 1, 5 and 10 times as many generated ones;
- the real images, moved, turned and zoomed at random in each step: classical augmentation;
- those and 1 times as many generated ones, both moved;
- generated images alone, as many as with 10 times: the classification accuracy score (`cas`).

Equal steps means that who has more images sees each less often. It prints the share of test images
that each gets right, mean and deviation over the seeds, and the mean difference to the real images
of the same seed with its standard error: where that is not above two errors, it has not helped.
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

from kerasgan import augmentation, pictures

TIMES = (1, 5, 10)


def load(arguments, split):
    batches = kerasgan.data.load(
        arguments.data,
        split,
        image_size=arguments.size,
        data_dir=arguments.data_dir,
        labels=True,
        shuffle=False,
    )
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def chosen(labels, count, seed):
    """The numbers of so many images, the same number of each class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = np.unique(labels)
    each = count // len(classes)
    return np.concatenate([order[labels[order] == label][:each] for label in classes])


def learned_gan(images, labels, updates, seed):
    gan = kerasgan.CGAN(
        images.shape[1:], int(labels.max()) + 1, 64, base_width=32, ema_decay=0.99, seed=seed
    )
    gan.compile(augmentation=augmentation.DiffAugment("translation,cutout"))
    for optimizer in gan.optimizer.optimizers:
        optimizer.learning_rate = 1e-3  # of short runs, docs/models.md
    data = kerasgan.data.from_array(images, labels, batch_size=32).repeat()
    gan.fit(data, steps_per_epoch=updates, verbose=0)
    return gan


def classifier(shape, classes, moved, seed):
    """A small convolutional network, which moves what it is trained on if it is told to."""

    def kernel(number):
        return keras.initializers.HeNormal(seed=100 * seed + number)

    x = inputs = keras.Input(shape)
    if moved:
        how = {"fill_mode": "constant", "fill_value": -1.0}
        x = layers.RandomTranslation(0.1, 0.1, seed=seed, **how)(x)
        x = layers.RandomRotation(0.04, seed=seed, **how)(x)
        x = layers.RandomZoom(0.1, seed=seed, **how)(x)
    for number, width in enumerate((32, 64)):
        x = layers.Conv2D(width, 3, padding="same", kernel_initializer=kernel(number))(x)
        x = layers.MaxPooling2D()(layers.ReLU()(x))
    x = layers.Dense(128, "relu", kernel_initializer=kernel(2))(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(classes, kernel_initializer=kernel(3))(x))


def accuracy(test, training, steps, moved, seed):
    """The share of test images that a classifier gets right which has learned others."""
    (images, labels), (of_test, labels_of_test) = training, test
    network = classifier(images.shape[1:], int(labels_of_test.max()) + 1, moved, seed)
    metric = kerasgan.metrics.ClassificationAccuracyScore(network, steps, seed=seed)
    metric.update_state(of_test, images, labels_of_test, labels)
    return metric.result()


def joined(*parts):
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def measure(few, test, gan, arguments, seed):
    """The accuracy of each way: dict."""
    count = len(few[0])
    labels = np.tile(few[1], max(TIMES))
    made = np.clip(gan.generate(len(labels), seed=seed, labels=labels), -1.0, 1.0), labels
    ways = {"real": (few, False)}
    for times in TIMES:
        some = tuple(array[: times * count] for array in made)
        ways[f"real + {times} x generated"] = joined(few, some), False
    ways["real, moved"] = few, True
    ways["real + 1 x generated, moved"] = joined(few, tuple(a[:count] for a in made)), True
    ways["generated alone (cas)"] = made, False
    return {
        way: accuracy(test, training, arguments.steps, moved, seed)
        for way, (training, moved) in ways.items()
    }


def report(count, found):
    """Prints the rows of one number of images, and what helps."""
    base = np.array(found["real"])
    for way, values in found.items():
        values = np.array(values)
        differences = values - base
        line = f"| {count} | {way} | {values.mean():.3f} +- {values.std(ddof=1):.3f} |"
        if way == "real":
            print(f"{line} | |")
            continue
        mean, error = differences.mean(), differences.std(ddof=1) / len(values) ** 0.5
        helps = "yes" if mean > 2 * error else "it harms" if mean < -2 * error else "no"
        print(f"{line} {mean:+.3f} +- {error:.3f} | {helps} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/augmentation"))
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds: a deviation needs at least 2")
    arguments.out.mkdir(parents=True, exist_ok=True)
    images, labels = load(arguments, "train")
    test = load(arguments, "test")
    print("| images | learned | right | more than real | helps |\n|---|---|---|---|---|")
    for count in arguments.images:
        found = {}
        for seed in range(arguments.seeds):
            rows = chosen(labels, count, seed)
            few = images[rows], labels[rows]
            keras.utils.set_random_seed(seed)
            gan = learned_gan(*few, arguments.updates, seed)
            for way, value in measure(few, test, gan, arguments, seed).items():
                found.setdefault(way, []).append(value)
        grid = gan.generate(100, seed=0, labels=np.repeat(np.arange(gan.num_classes), 10)[:100])
        pictures.write_png(arguments.out / f"{count}.png", pictures.draw(grid))
        report(count, found)
    print(f"{time.process_time():.0f} CPU seconds. Open {arguments.out}")


if __name__ == "__main__":
    main()
