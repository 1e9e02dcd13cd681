"""What growing costs and what it gains: ProGAN and StyleGAN at 32x32, stage by stage.

    python benchmarks/growing.py speed [--model ProGAN] [--rounds 5]
    python benchmarks/growing.py curve [--model ProGAN] [--data digits] [--data-dir DIR]
        [--minutes 8] [--images 120000] [--seeds 1] [--out runs/growing] [--docs docs]

`speed` times a step at each stage, in CPU milliseconds an image, beside a `tf.function` of the same
stage's networks written by hand, which take turns after a warm-up, on one batch that is repeated
(what reading costs is in benchmarks/data_pipeline.py). It adds up what a schedule of equal phases
(4, 8 8, 16 16, 32 32) costs, against as many images at 32x32 from the start.

`curve` trains the model twice for `--minutes` of CPU time: growing, and at 32x32 from the start. It
draws the Fréchet distance between 2,000 samples and 2,000 real images against the CPU time spent
in training, compilation included, measuring not. The features are those of a small classifier that
the script trains on the data's labels first, always in the same way. Samples of a lower resolution
are enlarged by the nearest neighbour. Settings are those of examples/growing.py: of `--images`
half is seen until 32x32 has faded in, then it trains on at 32x32 until the time is over.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import kerasgan

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SIZE, BATCH_SIZE = 32, 32
SETTINGS = {"latent_dim": 64, "base_width": 16, "max_width": 64, "ema_decay": 0.99}
# What is trained for minutes, as in examples/growing.py.
NARROW = {"base_width": 8, "max_width": 32}
FOR_MINUTES = {
    "ProGAN": NARROW,
    "StyleGAN": {**NARROW, "mapping_layers": 1, "mixing_probability": 0.0},
}
PHASES = (0, 1, 1, 2, 2, 3, 3)  # the stage of each


def make(model, seed=0, **overrides):

    return getattr(kerasgan, model)((SIZE, SIZE, 1), **{**SETTINGS, **overrides}, seed=seed)


def by_hand(gan, wasserstein):
    """A step of a stage's networks: the model's own losses, as one would write them down."""
    import keras
    import tensorflow as tf

    generator, discriminator, average = gan.generator, gan.discriminator, gan.ema_generator
    idle = {id(w) for network in gan.growing_networks for w in network.idle_weights()}
    d_variables, g_variables = (
        [v for v in network.trainable_variables if id(v) not in idle]
        for network in (discriminator, generator)
    )
    averages, averaged = (
        [w for w in network.weights if id(w) not in idle and keras.backend.is_float_dtype(w.dtype)]
        for network in (average, generator)
    )
    d_optimizer, g_optimizer = (keras.optimizers.Adam(1e-3, 0.0, 0.99) for _ in range(2))
    d_optimizer.build(d_variables)
    g_optimizer.build(g_variables)

    def penalty(real, fake):
        x = real
        if wasserstein:
            x = real + tf.random.uniform((tf.shape(real)[0], 1, 1, 1)) * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = discriminator(x, training=False)
        squares = tf.reduce_sum(tape.gradient(logits, x) ** 2, axis=(1, 2, 3))
        if wasserstein:
            return 10.0 * tf.reduce_mean((tf.sqrt(squares + 1e-12) - 1.0) ** 2)
        return 5.0 * tf.reduce_mean(squares)

    @tf.function
    def step(images):
        for _ in range(gan.last_stage - gan.stage):
            images = tf.nn.avg_pool2d(images, 2, 2, "VALID")
        real = images
        if gan.stage:
            before = tf.nn.avg_pool2d(images, 2, 2, "VALID")
            before = tf.repeat(tf.repeat(before, 2, axis=1), 2, axis=2)
            real = before + discriminator.alpha * (images - before)
        fake = generator(tf.random.normal((tf.shape(real)[0], gan.latent_dim)), training=True)
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fake, training=True)
            if wasserstein:
                d_loss = tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)
                d_loss += 1e-3 * tf.reduce_mean(real_logits**2)
            else:
                d_loss = tf.reduce_mean(tf.nn.softplus(-real_logits))
                d_loss += tf.reduce_mean(tf.nn.softplus(fake_logits))
            d_loss += penalty(real, fake)
        d_optimizer.apply(tape.gradient(d_loss, d_variables), d_variables)
        with tf.GradientTape() as tape:
            latents = tf.random.normal((tf.shape(real)[0], gan.latent_dim))
            logits = discriminator(generator(latents, training=True), training=True)
            g_loss = tf.reduce_mean(-logits if wasserstein else tf.nn.softplus(-logits))
        g_optimizer.apply(tape.gradient(g_loss, g_variables), g_variables)
        for mean, value in zip(averages, averaged, strict=True):
            mean.assign(mean + 0.01 * (value - mean))
        return d_loss, g_loss

    return step


def speed(model, rounds):
    """CPU milliseconds an image at each stage, of `fit` and by hand, and their ratios."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    rows = []
    for stage in range(4):
        steps = 128 // 2**stage  # what `fit` does once an epoch is not to weigh in
        images = steps * BATCH_SIZE
        batch = tf.constant(random.uniform(-1, 1, (BATCH_SIZE, SIZE, SIZE, 1)), "float32")
        batches = tf.data.Dataset.from_tensors(batch).repeat(steps)
        gan, other = make(model), make(model)
        for each in (gan, other):
            each.compile()
            each.grow_to(stage, fade_images=10**9)
        step = by_hand(other, wasserstein=model == "ProGAN")
        begin = time.perf_counter()
        gan.fit(batches.take(1), verbose=0)
        first = time.perf_counter() - begin

        def run_fit(gan=gan, batches=batches):
            gan.fit(batches, verbose=0)

        def run_by_hand(step=step, batch=batch, steps=steps):
            for _ in range(steps):
                losses = step(batch)
            return [float(loss) for loss in losses]

        ways = {"fit": run_fit, "by hand": run_by_hand}
        seconds = {name: [] for name in ways}
        for run in ways.values():
            run()
        for _ in range(rounds):
            for name, run in ways.items():
                begin = time.process_time()
                run()
                seconds[name].append((time.process_time() - begin) / images)
        ratios = np.divide(seconds["fit"], seconds["by hand"])
        rows.append((first, *(1e3 * statistics.median(s) for s in seconds.values()), ratios))
    return rows


def print_speed(model, rounds):
    print(f"{model}, batches of {BATCH_SIZE}: CPU ms an image")
    rows = speed(model, rounds)
    for stage, (first, ours, hand, ratios) in enumerate(rows):
        size = 4 * 2**stage
        print(
            f"  {size:2}x{size:<2}  fit {ours:6.2f}  by hand {hand:6.2f}  fit / by hand "
            f"{np.median(ratios):.2f} [{ratios.min():.2f}-{ratios.max():.2f}]  "
            f"first step {first:.1f} s"
        )
    grown = sum(rows[stage][1] for stage in PHASES) / len(PHASES)
    print(
        f"  equal phases (4, 8 8, 16 16, 32 32): {grown:.2f} ms an image on average, "
        f"{grown / rows[-1][1]:.2f} of training at 32x32 from the start"
    )


def classifier(data, data_dir):
    """A function from images to features: of a small network that knows the labels."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    labelled = kerasgan.data.load(
        data, data_dir=data_dir, image_size=SIZE, labels=True, batch_size=64, seed=0
    )
    network = keras.Sequential([keras.Input((SIZE, SIZE, 1))])
    for width in (16, 32, 64):
        network.add(layers.Conv2D(width, 3, strides=2, padding="same", activation="relu"))
    network.add(layers.Flatten())
    network.add(layers.Dense(64, "relu"))
    features = keras.Model(network.inputs, network.outputs)
    network.add(layers.Dense(len(kerasgan.data.class_names(labelled))))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, metrics=["accuracy"])
    epochs = max(1, round(1500 / len(labelled)))
    history = network.fit(labelled, epochs=epochs, verbose=0).history
    print(f"features: accuracy {history['accuracy'][-1]:.3f} in training", file=sys.stderr)
    return lambda images: features.predict(images, batch_size=256, verbose=0)


def train(model, grows, data, data_dir, minutes, schedule_images, seed, file):
    """Trains for so long and writes rows of (CPU seconds, size, images seen, distance)."""
    import keras

    from kerasgan.callbacks import ProgressiveGrowing, Stage
    from kerasgan.metrics import FrechetDistance

    features = classifier(data, data_dir)
    images = kerasgan.data.load(
        data, data_dir=data_dir, image_size=SIZE, batch_size=BATCH_SIZE, seed=seed
    )
    real = np.concatenate([batch for batch, _ in zip(images.repeat(), range(63), strict=False)])
    real = features(real[:2000])
    keras.utils.set_random_seed(seed)
    gan = make(model, seed, **FOR_MINUTES[model])
    gan.compile(
        optimizer=keras.optimizers.Adam(3e-3, beta_1=0.0, beta_2=0.99),
        loss=kerasgan.losses.Wasserstein(drift=1e-3),
        penalties="wgan-gp",
    )
    phase = round(schedule_images / 12)  # six until 32x32 has faded in, and as many there
    rows = []

    class Watch(keras.callbacks.Callback):
        spent = measured = 0.0

        def on_train_begin(self, logs=None):
            self.begin = time.process_time()

        def on_train_batch_end(self, batch, logs=None):
            self.spent = time.process_time() - self.begin - self.measured
            if self.spent >= (len(rows) + 1) * 60 * minutes / 40:
                begin = time.process_time()
                fake = gan.generate(2000, seed=0)
                zoom = SIZE // fake.shape[1]
                fake = fake.repeat(zoom, axis=1).repeat(zoom, axis=2)
                distance = FrechetDistance("pixels")(real, features(fake))
                seen = int(keras.ops.convert_to_numpy(gan.images_seen))
                rows.append((self.spent, gan.image_shape[0], seen, distance))
                print(rows[-1], flush=True)
                self.measured += time.process_time() - begin
            if self.spent > 60 * minutes:
                self.model.stop_training = True

    growing = [ProgressiveGrowing(Stage(phase, phase))] if grows else []
    gan.fit(images.repeat(), steps_per_epoch=10**6, callbacks=[*growing, Watch()], verbose=0)
    np.savez(file, rows=np.array(rows), samples=gan.generate(60, seed=0), phase=phase)


def curve(arguments):
    from matplotlib.figure import Figure

    from kerasgan import pictures

    arguments.out.mkdir(parents=True, exist_ok=True)
    found = {"growing": [], "32x32 from the start": []}
    for seed in range(arguments.seeds):
        for name, curves in found.items():
            grows = name == "growing"
            file = arguments.out / f"{arguments.model}-{arguments.data}-{grows}-{seed}.npz"
            if not file.exists():
                job = [arguments.model, grows, arguments.data, arguments.data_dir]
                job += [arguments.minutes, arguments.images, seed, str(file)]
                command = [sys.executable, __file__, "train", "--job", json.dumps(job)]
                with open(file.with_suffix(".log"), "w") as log:
                    subprocess.run(command, check=True, stdout=log, stderr=log)
            curves.append(np.load(file))
            final = curves[-1]["rows"][-1]
            print(
                f"{arguments.model}, {name}, seed {seed}: {final[2]:,.0f} images in "
                f"{final[0] / 60:.1f} CPU minutes, Fréchet distance {final[3]:.2f}",
                flush=True,
            )
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for color, (name, curves) in zip(("tab:blue", "tab:orange"), found.items(), strict=True):
        for index, of_seed in enumerate(curves):
            rows = of_seed["rows"]
            label = name if index == 0 else None
            axes.plot(rows[:, 0] / 60, rows[:, 3], color=color, label=label)
            if name == "growing":
                starts = np.flatnonzero(np.diff(rows[:, 1], prepend=0.0))
                for row in rows[starts]:
                    text = f"{row[1]:.0f}"
                    axes.annotate(text, (row[0] / 60, row[3]), fontsize=8, ha="left", va="bottom")
    axes.set(
        title=f"{arguments.model} on {arguments.data}",
        xlabel="CPU minutes of training",
        ylabel="Fréchet distance",
        yscale="log",
    )
    axes.legend()
    arguments.docs.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.docs / f"growing_{arguments.model.lower()}.png", dpi=100)
    samples = np.concatenate([curves[0]["samples"] for curves in found.values()])
    pictures.write_png(
        arguments.out / f"{arguments.model}-samples.png", pictures.draw(samples, columns=20)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "curve", "train"))
    parser.add_argument("--model", choices=("ProGAN", "StyleGAN"), default="ProGAN")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--images", type=int, default=120_000, help="of the growing schedule")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/growing"))
    parser.add_argument("--docs", type=pathlib.Path, default=pathlib.Path("docs"))
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "speed":
        print_speed(arguments.model, arguments.rounds)
    elif arguments.what == "train":
        train(*json.loads(arguments.job))
    else:
        curve(arguments)


if __name__ == "__main__":
    main()
