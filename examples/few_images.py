"""GANs from a few hundred images: what augmentation is worth, and how overfitting looks.

    python examples/few_images.py [--model dcgan] [--data digits] [--data-dir DIR] [--size 8]
        [--images 100 500 1408] [--updates 3000] [--seeds 1]
        [--augmentations none diffaugment translation,cutout ada] [--out runs/few_images]

Trains on so many scanned digits of scikit-learn, or photographs of facades, once with each
augmentation and seed. Every tenth of the updates it measures

- the distance of generated images to as many real ones, those of training and those that are kept
  apart: of digits the Fréchet distance, by features of the package's digit classifier; of facades
  the kernel distance, by features of MobileNetV2 (see docs/evaluation.md for its weights);
- what the discriminator says of the images that it is trained on, of those that it has never seen
  (359 digits, 106 facades), and of generated ones: the mean logits. One that learns its images by
  heart tells the first two apart.

It prints a table of the last measurements, mean and range over seeds, with the mean distance of
generated images to their nearest training image over that of unseen images (`nearest`: far below 1
means copies), and draws the curves and a sample of each model to `--out`.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import augmentation, pictures

MODELS = {
    "dcgan": lambda shape, seed: kerasgan.DCGAN(shape, 64, 32, ema_decay=0.99, seed=seed),
    "stylegan2": lambda shape, seed: kerasgan.StyleGAN2(
        shape, 16, max(8, 256 // shape[0]), 64, batch_size=BATCH_SIZE, seed=seed
    ),
}
BATCH_SIZE = 32
# Their names and splits: of training, and kept apart.
DATA = {
    "digits": ("digits", "train", "test"),
    "facades": ("tfds:cycle_gan/facades", "trainA", "testA"),
}
METRICS = {
    "digits": lambda: kerasgan.metrics.FrechetDistance(features="digits"),
    "facades": lambda: kerasgan.metrics.KernelDistance(features="mobilenet_v2"),
}
AUGMENTATIONS = {
    "none": lambda: None,
    "diffaugment": augmentation.DiffAugment,
    "translation,cutout": lambda: augmentation.DiffAugment("translation,cutout"),
    # In a run of minutes p has to move faster than in the paper's of days.
    "ada": lambda: augmentation.ADA(images=20_000),
}
MEASUREMENTS = 10


def load(arguments, split):
    name, *splits = DATA[arguments.data]
    batches = kerasgan.data.load(
        name,
        splits[split],
        image_size=arguments.size,
        shuffle=False,
        data_dir=arguments.data_dir,
    )
    return np.concatenate(list(batches.as_numpy_iterator()))


def nearest(images, others):
    """The mean distance of images to the nearest of others."""
    a, b = (x.reshape(len(x), -1).astype("float64") for x in (images, others))
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * a @ b.T
    return float(np.sqrt(np.maximum(squares.min(1), 0.0)).mean())


def distance(metric, real, images):
    metric.reset_state()
    metric.update_state(real, images)
    found = metric.result()  # the kernel distance comes with its deviation
    return found[metric.name] if isinstance(found, dict) else float(found)


def run(arguments, kind, few, unseen, real, seed):
    """Trains a model and returns it with its measurements: a list of dicts."""
    keras.utils.set_random_seed(seed)
    gan = MODELS[arguments.model](few.shape[1:], seed)
    gan.compile(augmentation=AUGMENTATIONS[kind]())
    if arguments.model == "dcgan":
        for optimizer in gan.optimizer.optimizers:
            optimizer.learning_rate = 1e-3  # of short runs, docs/models.md
    batches = kerasgan.data.from_array(few, batch_size=BATCH_SIZE).repeat()
    metric, updates = METRICS[arguments.data](), arguments.updates // MEASUREMENTS
    count = min(len(few), len(unseen))
    rows = []
    for measurement in range(1, MEASUREMENTS + 1):
        gan.fit(batches, steps_per_epoch=updates, verbose=0)
        made = np.clip(gan.generate(len(real), seed=0), -1.0, 1.0)

        def logit(images):
            logits = gan.discriminate(keras.ops.convert_to_tensor(images[:count]), None, False)
            return float(keras.ops.convert_to_numpy(logits).mean())

        row = {"updates": measurement * updates, "distance": distance(metric, real, made)}
        row |= {"seen": logit(few), "unseen": logit(unseen), "generated": logit(made)}
        row["p"] = float(gan.augmentation.p) if kind == "ada" else float("nan")
        rows.append(row)
    rows[-1]["nearest"] = nearest(made[:count], few) / nearest(unseen[:count], few)
    return gan, rows


def draw_curves(found, file):
    """Distances, and the discriminator's logits, over updates."""
    from matplotlib.figure import Figure

    columns = sorted({images for _, images in found})
    figure = Figure(figsize=(4 * len(columns), 7), layout="constrained")
    panels = figure.subplots(2, len(columns), squeeze=False, sharex=True)
    colors = dict(
        zip(AUGMENTATIONS, ("tab:red", "tab:blue", "tab:orange", "tab:green"), strict=True)
    )
    for column, images in enumerate(columns):
        for kind in (kind for kind, count in found if count == images):
            curves = found[kind, images]
            updates = [row["updates"] for row in curves[0]]

            def mean(name, curves=curves):
                return np.mean([[row[name] for row in rows] for rows in curves], axis=0)

            panels[0, column].plot(updates, mean("distance"), color=colors[kind], label=kind)
            for name, style in (("seen", "-"), ("unseen", "--"), ("generated", ":")):
                label = f"{kind}: {name}" if column == 0 else None
                panels[1, column].plot(updates, mean(name), style, color=colors[kind], label=label)
        panels[0, column].set(title=f"{images} images", yscale="log")
    panels[0, 0].set_ylabel("distance")
    panels[1, 0].set_ylabel("mean logit")
    panels[0, 0].legend()
    panels[1, 0].legend(fontsize=6)
    figure.savefig(file, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dcgan", choices=MODELS)
    parser.add_argument("--data", default="digits", choices=DATA)
    parser.add_argument("--data-dir", help="where TensorFlow Datasets has cycle_gan/facades")
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 500, 1408])
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument(
        "--augmentations", nargs="+", default=list(AUGMENTATIONS), choices=AUGMENTATIONS
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/few_images"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    train, unseen = (load(arguments, split) for split in (0, 1))
    real, found = np.concatenate([train, unseen]), {}
    print("| images | augmentation | distance | nearest | logit seen / unseen / generated | p |")
    print("|---|---|---|---|---|---|")
    for images in arguments.images:
        few = train[np.random.default_rng(0).permutation(len(train))[:images]]
        repeated = np.resize(few, real.shape)
        best = distance(METRICS[arguments.data](), real, repeated)
        print(f"| {len(few)} | the training images | {best:.3g} | | | |", flush=True)
        for kind in arguments.augmentations:
            curves = found[kind, len(few)] = []
            for seed in range(arguments.seeds):
                gan, rows = run(arguments, kind, few, unseen, real, seed)
                curves.append(rows)
            picture = arguments.out / f"{kind}-{len(few)}.png"
            pictures.write_png(picture, pictures.draw(gan.generate(100, seed=0)))
            last = [rows[-1] for rows in curves]

            def mean(name, last=last):
                return np.mean([row[name] for row in last])

            distances = [row["distance"] for row in last]
            logits = " / ".join(f"{mean(name):.1f}" for name in ("seen", "unseen", "generated"))
            print(
                f"| {len(few)} | {kind} | {mean('distance'):.3g} [{min(distances):.3g}-"
                f"{max(distances):.3g}] | {mean('nearest'):.2f} | {logits} | {mean('p'):.2f} |",
                flush=True,
            )
    draw_curves(found, arguments.out / "curves.png")
    print(f"{time.process_time():.0f} CPU seconds. Open {arguments.out}")


if __name__ == "__main__":
    main()
