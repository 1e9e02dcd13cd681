"""Measures directions, steering, projection and PULSE on a small StyleGAN2 of digits.

    python benchmarks/control.py measure [directions steering table projection time separability]
        [--model FILE] [--out runs/control]
    python benchmarks/control.py bias [--cpu-minutes 12]

`measure` takes the preset `stylegan2_digits`, or a model with styles of digits at 16x16. What an
image shows is said by the package's classifier of digits. `bias` trains a DCGAN on digits of which
two are rare, and counts what PULSE makes of small images of these. Everything has fixed seeds; CPU
seconds are printed.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from kerasgan import backend, control, pictures
from kerasgan.metrics.features import digits_classifier
from kerasgan.sampling.compiled import compiled

SIZE = 16
PARTS = ("directions", "steering", "table", "projection", "time", "separability")
RARE, SHARE = (3, 8), 0.05  # the rare digits of `bias`, and what is left of them


class CPUTime(keras.callbacks.Callback):
    """Ends training when it has computed for so many minutes."""

    def __init__(self, minutes):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        self.start = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() - self.start > 60.0 * self.minutes


class Judge:
    """The package's classifier, for arrays and for tensors."""

    def __init__(self):
        self.network = digits_classifier()

    def digits(self, images):
        return self.network.predict(images, batch_size=256, verbose=0)["logits"].argmax(-1)

    def membership(self, images):
        found = self.digits(images)
        return {f"digit {digit}": found == digit for digit in range(10)}

    def scores(self, images):
        logits = self.network.predict(images, batch_size=256, verbose=0)["logits"]
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return {f"digit {digit}": logits[:, digit] for digit in range(10)}

    def objective(self, digit):
        return lambda images: ops.log_softmax(self.network(images, training=False)["logits"])[
            :, digit
        ]


def ink(images):
    return images.mean(axis=(1, 2, 3))


def ink_of_tensor(images):
    return ops.mean(images, axis=(1, 2, 3))


def directions(gan, judge, out):
    latents = gan.latents(1000, seed=11)
    for space in ("styles", "w"):
        found = control.directions(gan, judge.membership, "logistic", space=space, num_points=5000)
        points = gan.points(latents, space)
        images = gan.generate_from_points(points, space)
        before = np.bincount(judge.digits(images), minlength=10) / len(points)
        print(f"{space}\ndigit  balanced accuracy  share before  after +2 deviations  times")
        for digit in range(10):
            moved = gan.generate_from_points(found.move(points, digit, 2.0), space)
            after = (judge.digits(moved) == digit).mean()
            times = after / max(before[digit], 1e-9)
            print(
                f"{digit:5}  {found.quality[digit]:17.3f}  {before[digit]:12.3f}  {after:19.3f}  "
                f"{times:5.1f}"
            )
    line = control.directions(gan, {"ink": ink}, "linear", num_points=5000)
    positions = np.linspace(-3.0, 3.0, 7)
    inks = [
        ink(gan.generate_from_points(line.move(points[:64], "ink", p))).mean() for p in positions
    ]
    from scipy.stats import spearmanr

    print("ink at -3..3 deviations:", np.round(inks, 3), "Spearman", spearmanr(positions, inks)[0])
    print(f"R2 of ink {line.quality[0]:.3f}")
    average = gan.points(gan.latents(10_000, seed=0), "w").mean(0, keepdims=True)
    columns = []
    for directions_of, names in ((found, range(10)), (line, ["ink"])):
        for name in names:
            copies = np.repeat(average, 7, axis=0)
            columns.append(gan.generate_from_points(directions_of.move(copies, name, positions)))
    rows = np.stack(columns, axis=1).repeat(3, axis=2).repeat(3, axis=3)  # large enough to see
    pictures.write_png(out / "directions.png", pictures.strip(rows))
    for method in ("sefa", "pca"):
        free = control.directions(gan, method=method, num_directions=5)
        rows = [
            gan.generate_from_points(free.move(np.repeat(points[3:4], 7, axis=0), n, positions))
            for n in range(len(free))
        ]
        pictures.write_png(out / f"{method}.png", pictures.strip(rows))


def steering(gan, judge, out):
    before_weights = gan.get_weights() + judge.network.get_weights()
    for space in ("z", "w"):
        reached, start, changes = [], [], []
        for digit in range(10):
            points = gan.points(gan.latents(50, seed=21 + digit), space)
            images = gan.generate_from_points(points, space)
            start.append((judge.digits(images) == digit).mean())
            moved, kept = (
                gan.generate_from_points(
                    control.steer(gan, points, judge.objective(digit), keep=keep, space=space),
                    space,
                )
                for keep in ([], [ink_of_tensor])
            )
            reached.append([(judge.digits(made) == digit).mean() for made in (moved, kept)])
            changes.append([np.abs(ink(made) - ink(images)).mean() for made in (moved, kept)])
            if digit == 3 and space == "z":
                rows = [images[:10], moved[:10], kept[:10]]
                pictures.write_png(out / "steering.png", pictures.strip(rows))
        print(f"in {space}: share of the target at first, after 30 steps, with the ink kept")
        for digit in range(10):
            print(digit, np.round([start[digit], *reached[digit]], 2), np.round(changes[digit], 4))
        print("mean", np.mean(start), np.mean(reached, axis=0))
        changes = np.mean(changes, axis=0)
        print(f"mean change of ink {changes[0]:.4f}, kept {changes[1]:.4f}")
    after_weights = gan.get_weights() + judge.network.get_weights()
    pairs = zip(before_weights, after_weights, strict=True)
    print("weights as before:", all(np.array_equal(a, b) for a, b in pairs))


def table(gan, judge, out):
    found = control.directions(gan, judge.membership, "logistic", num_points=5000)
    changes = control.change_table(gan, found, judge.scores)
    print(changes)
    diagonal = changes.changes.argmax(axis=1) == np.arange(10)
    print("the diagonal is the largest of its row in", int(diagonal.sum()), "of 10")


def projection(gan, judge, out):
    latents = gan.latents(8, seed=31)
    points = gan.points(latents, "w")
    images = gan.generate_from_points(points, "w")
    mean = gan.points(gan.latents(10_000, seed=0), "w").mean(axis=0)
    mean_image = gan.generate_from_points(mean[None], "w")
    base = np.square(images - mean_image).mean(axis=(1, 2, 3))
    rows = [images]
    for space in ("w", "w+"):
        started = time.process_time()
        found = gan.project(images, space, 300)
        seconds = time.process_time() - started
        error = np.square(images - found.images).mean(axis=(1, 2, 3))
        same = (judge.digits(found.images) == judge.digits(images)).sum()
        target = points if space == "w" else np.repeat(points[:, None], gan.style_layers, axis=1)
        start = np.linalg.norm((target - mean).reshape(8, -1), axis=1)
        apart = np.linalg.norm((target - found.latents).reshape(8, -1), axis=1) / start
        print(
            f"own images, {space}, 300 steps: MSE ratio median {np.median(error / base):.2e}, same "
            f"class {same} of 8, w error median {np.median(apart):.2f}, {seconds:.0f} CPU s"
        )
        print("  ratios", np.round(error / base, 4), "w errors", np.round(apart, 2))
        rows.append(found.images)
    pictures.write_png(out / "projection_own.png", pictures.strip(rows))
    data = kerasgan.data.load("digits", split="test", image_size=SIZE, shuffle=False)
    real = np.concatenate([batch.numpy() for batch in data])[:8]
    rows, errors = [real], {}
    for space in ("w", "w+", "styles", "z"):
        found = gan.project(real, space, 300)
        errors[space] = np.square(real - found.images).mean(axis=(1, 2, 3))
        rows.append(found.images)
    print(
        "real digits, MSE by space:", {s: float(np.round(e.mean(), 5)) for s, e in errors.items()}
    )
    print("  w+ better than w in", int((errors["w+"] < errors["w"]).sum()), "of 8")
    refined = gan.project(real, "w", 300, refine=True)
    errors["refined"] = np.square(real - refined.images).mean(axis=(1, 2, 3))
    rows.append(refined.images)
    print("  w, refined:", round(float(errors["refined"].mean()), 5))
    encoder = control.train_encoder(gan, "w", 300)
    for steps in (50, 100):
        both = [gan.project(real, "w", steps, start=s).distance.mean() for s in (None, encoder)]
        print(f"  {steps} steps from the mean {both[0]:.5f}, from an encoder {both[1]:.5f}")
    pictures.write_png(out / "projection_real.png", pictures.strip(rows))


def time_of_step(gan, judge, out):
    """The whole `project` against as many forward and backward passes, without noise and with it.

    The second passes regularize the noise as `project` does; the first ones know the images alone.
    """
    from kerasgan.sampling.projection import NOISE_WEIGHT, Projector, roughness

    images = gan.generate(8, seed=1)
    points = gan.points(gan.latents(8, seed=2), "w")
    noise = [np.zeros((8, *shape), "float32") for shape in gan.noise_shapes[1:]]
    sizes = np.cumsum([gan.latent_dim, *(n.shape[1] ** 2 for n in noise)])[:-1].tolist()

    def passes(regularized):
        def both(points, *noise):
            flat = ops.concatenate([points, *(ops.reshape(n, (8, -1)) for n in noise)], axis=1)

            def cost(flat):
                first, *rest = ops.split(flat, sizes, axis=1)
                maps = [ops.reshape(r, n.shape) for r, n in zip(rest, noise, strict=True)]
                made = gan.images_from_points(first, "w", noise=maps)
                value = ops.mean(ops.square(made - images), axis=(1, 2, 3))
                value = value + NOISE_WEIGHT * roughness(maps) if regularized else value
                return value, value

            return list(backend.value_and_gradient(cost, flat))

        run = compiled(both, [gan.sampling_generator], backend.compiles_by_default())
        return lambda steps: [run([points, *noise]) for _ in range(steps)]

    projector = Projector(gan, "w", None)
    given = (images, points, np.ones((8, 1)), None, np.arange(8))
    ways = {
        "project": lambda steps: projector.fit(*given, steps, {}, lambda: None),
        "images alone": passes(regularized=False),
        "noise regularized": passes(regularized=True),
    }
    seconds = {name: [] for name in ways}
    for run in ways.values():
        run(3)
    for _ in range(7):
        for name, run in ways.items():
            started = time.process_time()
            run(100)
            seconds[name].append(time.process_time() - started)
    for name in list(ways)[1:]:
        ratios = np.divide(seconds["project"], seconds[name])
        print(
            f"a step in CPU time, as a multiple of a forward and backward pass, {name} "
            f"({10 * np.median(seconds[name]):.2f} ms): {np.round(np.sort(ratios), 3)} median "
            f"{np.median(ratios):.3f}"
        )


def separability(gan, judge, out):
    for space in ("z", "w"):
        value = control.linear_separability(gan, judge.membership, space, 5000)
        length = kerasgan.metrics.PerceptualPathLength(judge.network).measure(gan, 500, space)
        print(f"{space}: linear separability {value:.3f}, perceptual path length {length:.2f}")


def measure(arguments):
    load = kerasgan.load_model if arguments.model else kerasgan.from_preset
    gan = load(arguments.model or "stylegan2_digits")
    judge = Judge()
    found = np.bincount(judge.digits(gan.generate(1000, seed=0)), minlength=10)
    print("digits among 1,000 samples:", found.tolist())
    pictures.write_png(arguments.out / "samples.png", pictures.draw(gan.generate(100, seed=0)))
    functions = globals() | {"time": time_of_step}
    for part in arguments.parts or PARTS:
        started = time.process_time()
        print(f"== {part}")
        functions[part](gan, judge, arguments.out)
        print(f"   {time.process_time() - started:.0f} CPU s", flush=True)


def bias(arguments):
    keras.utils.set_random_seed(0)
    data = kerasgan.data.load("digits", image_size=SIZE, batch_size=64, labels=True)
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in data]
    images, labels = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    keep = ~np.isin(labels, RARE) | (np.random.default_rng(0).random(len(labels)) < SHARE)
    print("training images of each digit:", np.bincount(labels[keep], minlength=10).tolist())
    gan = kerasgan.DCGAN((SIZE, SIZE, 1), latent_dim=64, base_width=32, ema_decay=0.99, seed=0)
    gan.compile()
    stop = CPUTime(arguments.cpu_minutes)
    gan.fit(images[keep], batch_size=64, epochs=10_000, callbacks=[stop], verbose=0)
    judge = Judge()
    found = np.bincount(judge.digits(gan.generate(1000, seed=0)), minlength=10)
    print("digits among 1,000 samples:", found.tolist())
    test = kerasgan.data.load("digits", split="test", image_size=SIZE, labels=True, shuffle=False)
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in test]
    images, labels = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    rows, counts = [], {True: [0, 0, 0], False: [0, 0, 0]}
    for digit in range(10):
        own = images[labels == digit]
        own = own[judge.digits(own) == digit][:8]
        for number, image in enumerate(own):
            small = image.reshape(4, 4, 4, 4, 1).mean(axis=(1, 3))
            answers = control.upsample(gan, small, 8, 150, seed=number)
            made = judge.digits(answers.images)
            count = counts[digit in RARE]
            count[0] += len(made)
            count[1] += int((made == digit).sum())
            count[2] += int(np.isin(made, RARE).sum())
            if number < 2 and digit in (*RARE, 0, 5):
                enlarged = small.repeat(4, axis=0).repeat(4, axis=1)
                rows.append(np.stack([image, enlarged, *answers.images[:6]]))
    pictures.write_png(arguments.out / "bias.png", pictures.strip(rows))
    for rare, (total, right, among) in counts.items():
        kind = "rare" if rare else "frequent"
        print(
            f"small images of {kind} digits: {total} answers, {right} of the same digit "
            f"({right / total:.2f}), {among} of a rare digit ({among / total:.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("measure", "bias"))
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    parser.add_argument("--cpu-minutes", type=float, default=12.0)
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/control"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    globals()[arguments.command](arguments)


if __name__ == "__main__":
    main()
