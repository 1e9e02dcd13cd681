"""What autoencoders, the VAE and the VAE-GAN are good for, on digits, in minutes on two cores.

    python examples/autoencoders.py train vae [--data digits] [--data-dir DIR] [--epochs 30]
    python examples/autoencoders.py reduce      # beside principal components (PCA)
    python examples/autoencoders.py denoise     # Gaussian noise of 0.5, clipped
    python examples/autoencoders.py detect      # each digit left out in turn, error as the score
    python examples/autoencoders.py features    # a logistic regression on codes, few labels
    python examples/autoencoders.py interpolate # codes in the plane; ways between images

Each command prints its numbers and writes pictures to `--out`. The data is the scanned digits of
scikit-learn, or with `--data mnist --data-dir DIR` MNIST from TensorFlow Datasets; errors are those
of pixels from 0 to 1, of images that were not trained on. PCA stands beside each autoencoder.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures

MODELS = ("autoencoder", "vae", "vae_gan")


def load(arguments, split):
    """The images of a split as an array in [-1, 1], and their labels."""
    data = kerasgan.data.load(
        arguments.data,
        data_dir=arguments.data_dir,
        split=split,
        labels=True,
        shuffle=False,
        batch_size=256,
    )
    images, labels = zip(*data.as_numpy_iterator(), strict=True)
    limit = arguments.limit or None
    return np.concatenate(images)[:limit], np.concatenate(labels)[:limit]


def unit(images):
    """Images as rows of pixels from 0 to 1."""
    return (images.reshape(len(images), -1) + 1.0) / 2.0


def error(images, others):
    """The mean squared error of a pixel, for each image."""
    return ((unit(images) - unit(others)) ** 2).mean(1)


def autoencoder(images, arguments, latent_dim, epochs=None, **settings):
    """A trained autoencoder of dense layers."""
    settings = {"depth": 3, "base_width": 512, **settings}
    model = kerasgan.Autoencoder(images.shape[1:], latent_dim, seed=0, **settings)
    model.compile()
    model.fit(images, batch_size=100, epochs=epochs or arguments.epochs, verbose=0)
    return model


def components(images, count):
    """PCA of so many components: a function from images to what is left of them."""
    from sklearn.decomposition import PCA

    pca = PCA(count, random_state=0).fit(unit(images))

    def restore(others):
        left = pca.inverse_transform(pca.transform(unit(others)))
        return (2.0 * left - 1.0).reshape(others.shape).astype("float32")

    restore.pca = pca
    return restore


def train(arguments):
    """Trains one of the three models, with pictures of samples and reconstructions."""
    images, _ = load(arguments, "train")
    unseen, _ = load(arguments, "test")
    shape = images.shape[1:]
    model = {
        "autoencoder": lambda: kerasgan.Autoencoder(shape, 32, depth=3, seed=0),
        "vae": lambda: kerasgan.VAE(shape, seed=0),
        "vae_gan": lambda: kerasgan.VAEGAN(shape, 32, base_width=16, gamma=1e-2, seed=0),
    }[arguments.model]()
    if arguments.model == "vae":
        model.start_at_mean(images)
    model.compile()
    if arguments.model == "vae_gan":
        for optimizer in model.optimizer.optimizers:
            optimizer.learning_rate = 1e-3  # the paper's rate is for days
    drawing = [kerasgan.callbacks.ReconstructionGrid(unseen, arguments.out, every=5)]
    model.fit(
        images,
        validation_data=unseen,
        batch_size=min(model.default_batch_size, len(images)),
        epochs=arguments.epochs,
        callbacks=[
            *drawing,
            kerasgan.callbacks.TrainingCurves(arguments.out),
            kerasgan.callbacks.RunReport(arguments.out, settings={"data": arguments.data}),
            keras.callbacks.ModelCheckpoint(arguments.out / "model.keras"),
        ],
    )
    if arguments.model != "autoencoder":
        grid = pictures.draw(model.generate(100, seed=0))
        pictures.write_png(arguments.out / "drawn.png", grid)
    print(f"test MSE {error(unseen, model.reconstruct(unseen)).mean():.4f}")
    if arguments.model == "vae":
        nats = model.log_likelihood(unseen, samples=50).mean()
        print(f"log-likelihood (bound of 50 samples) {nats:.2f} nats an image")


def reduce(arguments):
    """Test MSE of as many codes as principal components."""
    images, _ = load(arguments, "train")
    unseen, _ = load(arguments, "test")
    print("| codes | PCA | autoencoder |\n|---|---|---|")
    for codes in arguments.codes:
        linear = error(unseen, components(images, codes)(unseen)).mean()
        model = autoencoder(images, arguments, codes)
        ours = error(unseen, model.reconstruct(unseen)).mean()
        print(f"| {codes} | {linear:.4f} | {ours:.4f} |", flush=True)


def denoise(arguments):
    """Test MSE of noisy images, and of what is restored of them."""
    images, _ = load(arguments, "train")
    unseen, _ = load(arguments, "test")
    model = autoencoder(
        images, arguments, 64, noise="gaussian", noise_level=0.5, loss="binary_crossentropy"
    )
    noisy = keras.ops.convert_to_numpy(model.noisy(unseen, seed=1))
    restored = model.reconstruct(noisy)
    count = min(32, unit(images).shape[1])
    linear = components(images, count)(noisy)
    print("| | test MSE |\n|---|---|")
    for name, made in (("noisy", noisy), (f"PCA-{count}", linear), ("autoencoder", restored)):
        print(f"| {name} | {error(unseen, made).mean():.4f} |")
    rows = [some[:10] for some in (unseen, noisy, np.clip(linear, -1.0, 1.0), restored)]
    pictures.write_png(arguments.out / "denoised.png", pictures.strip(rows))


def detect(arguments):
    """AUROC of the error as a score of digits of a kind that was left out of training."""
    from sklearn.metrics import roc_auc_score

    images, labels = load(arguments, "train")
    unseen, of_unseen = load(arguments, "test")
    print("| left out | PCA-32 | autoencoder |\n|---|---|---|")
    for digit in arguments.digits:
        known = images[labels != digit]
        model = autoencoder(known, arguments, 32)
        count = min(32, unit(images).shape[1] - 1)
        scores = [
            roc_auc_score(of_unseen == digit, error(unseen, restore(unseen)))
            for restore in (components(known, count), model.reconstruct)
        ]
        print(f"| {digit} | {scores[0]:.2f} | {scores[1]:.2f} |", flush=True)


def features(arguments):
    """How often a logistic regression with few labels is right, on pixels, PCA and codes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels = load(arguments, "train")
    unseen, of_unseen = load(arguments, "test")
    model = autoencoder(images, arguments, 32)
    vae = kerasgan.VAE(images.shape[1:], 32, seed=0)
    vae.start_at_mean(images)
    vae.compile()
    vae.fit(images, batch_size=100, epochs=arguments.epochs, verbose=0)
    pca = components(images, 32).pca
    print("| labels | pixels | PCA-32 | autoencoder | VAE |\n|---|---|---|---|---|")
    for count in (100, 1000):
        some = np.random.default_rng(0).permutation(len(images))[:count]
        rates = []
        for encode in (unit, lambda x: pca.transform(unit(x)), model.encode, vae.encode):
            judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            judge.fit(encode(images[some]), labels[some])
            rates.append(judge.score(encode(unseen), of_unseen))
        print(f"| {count} | {' | '.join(f'{rate:.3f}' for rate in rates)} |", flush=True)


def interpolate(arguments):
    """Codes in the plane of PCA, autoencoder and VAE, and ways between images by both networks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    images, _ = load(arguments, "train")
    unseen, of_unseen = load(arguments, "test")
    plane = autoencoder(images, arguments, 2)
    vae = kerasgan.VAE(images.shape[1:], 2, seed=0)
    vae.start_at_mean(images)
    vae.compile()
    vae.fit(images, batch_size=100, epochs=arguments.epochs, verbose=0)
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4))
    linear = components(images, 2).pca.transform(unit(unseen))
    named = {"PCA": linear, "autoencoder": plane.encode(unseen), "VAE": vae.encode(unseen)}
    for axis, (name, codes) in zip(axes, named.items(), strict=True):
        axis.scatter(*codes.T, c=of_unseen, cmap="tab10", s=4)
        axis.set_title(name)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "plane.png", dpi=100, bbox_inches="tight")
    ways = []
    for first, second in ((0, 1), (1, 2), (2, 3)):
        ways += [m.interpolate(unseen[first], unseen[second], 10) for m in (plane, vae)]
    pictures.write_png(arguments.out / "ways.png", pictures.strip(ways))
    # Completeness: what codes from N(0, I) become; of the autoencoder, of the spread of its codes.
    codes = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    spread = plane.encode(images)
    drawn = [plane.decode(spread.mean(0) + spread.std(0) * codes), vae.decode(codes)]
    pictures.write_png(arguments.out / "drawn_codes.png", pictures.strip(drawn))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = (train, reduce, denoise, detect, features, interpolate)
    parser.add_argument("command", choices=[command.__name__ for command in commands])
    parser.add_argument("model", nargs="?", choices=MODELS, default="vae", help="for train")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=0, help="take only so many images")
    parser.add_argument("--codes", type=int, nargs="+", default=[2, 8, 16, 32, 64])
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    named = arguments.command + (f"-{arguments.model}" if arguments.command == "train" else "")
    arguments.out = arguments.out or pathlib.Path("runs") / f"autoencoders-{named}"
    keras.utils.set_random_seed(0)
    {command.__name__: command for command in commands}[arguments.command](arguments)
    print(f"{time.process_time():.0f} CPU seconds. Open {arguments.out}")


if __name__ == "__main__":
    main()
