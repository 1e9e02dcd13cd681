"""Features without labels: what a discriminator knows of digits, for a classifier with few labels.

    python examples/pretraining.py [--data digits] [--data-dir DIR] [--size 28] [--cpu-minutes 5]

`--data mnist --data-dir DIR` takes MNIST from TensorFlow Datasets. A DCGAN learns all training
images without labels. Then a linear SVM learns 100 and 1,000 labelled ones from

- the pixels, as they are and standardized, and 32 principal components of them;
- the features of the discriminator (Radford et al. 2016: `kerasgan.features`), and, of MNIST at
  28x28, those of the preset dcgan_mnist, which has learned for longer;
- the same of a discriminator that has learned nothing, for control;
- the codes of a VAE and of an autoencoder that have learned the same images in the same time.

It prints the share of test images whose digit each gets right, the mean over five choices of the
labelled images. All other features are standardized; C is chosen among three by cross-validation.
"""

import argparse
import os
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

LABELLED = (100, 1000)
CHOICES = 5


class CPUTime(keras.callbacks.Callback):
    """Ends training when it has computed for so many minutes."""

    def __init__(self, minutes):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        self.start = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() - self.start > 60.0 * self.minutes


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


def accuracies(known, unknown, labels, test_labels, standardized=True):
    """The mean accuracy of a linear SVM for each number of labels."""
    found = []
    scaler = StandardScaler() if standardized else None
    for count in LABELLED:
        right = []
        for choice in range(CHOICES):
            order = np.random.default_rng(choice).permutation(len(known))
            rows = np.concatenate(
                [order[labels[order] == digit][: count // 10] for digit in range(10)]
            )
            svm = make_pipeline(scaler, LinearSVC(max_iter=3000, random_state=0))
            svm = GridSearchCV(svm, {"linearsvc__C": [1e-4, 1e-3, 1e-2]}, cv=3)
            right.append(svm.fit(known[rows], labels[rows]).score(unknown, test_labels))
        found.append(np.mean(right))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--cpu-minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    images, labels = load(arguments, "train")
    test, test_labels = load(arguments, "test")
    some = np.random.default_rng(0).permutation(len(images))[:10_000]  # to choose labelled ones of
    shape = images.shape[1:]
    models = {
        "DCGAN": kerasgan.DCGAN(shape, latent_dim=64, base_width=32, seed=0),
        "VAE": kerasgan.VAE(shape, 32, convolutional=True, base_width=16, seed=0),
        "Autoencoder": kerasgan.Autoencoder(shape, 32, seed=0),
    }
    untrained = kerasgan.DCGAN(shape, latent_dim=64, base_width=32, seed=1)
    for model in models.values():
        model.compile()
        for optimizer in model.optimizer.optimizers:
            optimizer.learning_rate = 1e-3  # of short runs, docs/models.md
        data = kerasgan.data.from_array(images, batch_size=64)
        model.fit(data, epochs=10_000, callbacks=[CPUTime(arguments.cpu_minutes)], verbose=0)
        print(f"{type(model).__name__}: {model.iterations} updates", flush=True)
    flat = [x.reshape(len(x), -1) for x in (images[some], test)]
    reduced = PCA(32, random_state=0).fit(images.reshape(len(images), -1))
    rows = {
        "pixels": flat,
        "pixels, standardized": flat,
        "32 principal components": [reduced.transform(x) for x in flat],
        "discriminator": [kerasgan.features(models["DCGAN"], x) for x in (images[some], test)],
        "discriminator, untrained": [kerasgan.features(untrained, x) for x in (images[some], test)],
        "codes of the VAE": [models["VAE"].encode(x) for x in (images[some], test)],
        "codes of the autoencoder": [models["Autoencoder"].encode(x) for x in (images[some], test)],
    }
    if arguments.data == "mnist" and arguments.size == 28:
        preset = kerasgan.from_preset("dcgan_mnist")
        rows["discriminator of dcgan_mnist"] = [
            kerasgan.features(preset, x) for x in (images[some], test)
        ]
    print("| features | numbers | 100 labels | 1,000 labels |\n|---|---|---|---|")
    for name, (known, unknown) in rows.items():
        of_labels = labels[some], test_labels
        found = accuracies(known, unknown, *of_labels, standardized=name != "pixels")
        print(
            f"| {name} | {known.shape[1]} | {' | '.join(f'{x:.3f}' for x in found)} |", flush=True
        )
    print(f"{time.process_time():.0f} CPU seconds")


if __name__ == "__main__":
    main()
