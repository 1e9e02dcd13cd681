"""What a training step costs: `fit` against a hand-written loop with the same networks.

The hand-written loop is the keras.io way: a `tf.function` that generates images and updates the
discriminator, then generates again and updates the generator, called batch by batch. Networks,
optimizers, batches and batch size are the same. For the VAE it is one update of both networks on
the negative bound of black and white pixels. After a warm-up the two take turns; each turn
is a number of epochs, and its figure is the CPU time of the whole process over the images seen.

    python benchmarks/training_step.py [--rounds 7] [--only CASE] [--start-up]
        [--memory] [--jit-compile yes|no] [--steps-per-execution N] [--hidden-units N]

`flow` is a Glow of two scales, whose hand-written step minimizes the same likelihood, and
`pixel_cnn` one of black and white pixels.

`spectral` compares instead a DCGAN whose discriminator is spectrally normalized with one whose
discriminator has no normalization. WGAN-GP is in benchmarks/backends.py.

`--start-up` measures instead, each in a process of its own, the seconds that a whole first `fit`
takes, tracing and compiling included, for runs of several lengths. `--memory` prints what memory
the process has after epochs of a longer `fit`.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import psutil
import tensorflow as tf

BATCH_SIZE = 64


def dcgan():
    images = np.random.default_rng(0).uniform(-1, 1, (10 * BATCH_SIZE, 28, 28, 1))
    return kerasgan.DCGAN((28, 28, 1)), images.astype("float32")


def mlp(units=64):
    angles = np.random.default_rng(0).integers(8, size=500 * BATCH_SIZE) * (2 * np.pi / 8)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return kerasgan.VanillaGAN((2,), 2, hidden_units=(units, units)), points.astype("float32")


def vae():
    images = np.random.default_rng(0).uniform(-1, 1, (100 * BATCH_SIZE, 28, 28, 1))
    return kerasgan.VAE((28, 28, 1)), images.astype("float32")


def flow():
    values = np.random.default_rng(0).integers(256, size=(40 * BATCH_SIZE, 28, 28, 1))
    return kerasgan.Glow((28, 28, 1), 64, steps=4), (values / 127.5 - 1.0).astype("float32")


def pixel_cnn():
    images = np.random.default_rng(0).uniform(-1, 1, (40 * BATCH_SIZE, 28, 28, 1))
    return kerasgan.PixelCNN((28, 28, 1), num_blocks=7, levels=2), images.astype("float32")


CASES = {"dcgan": dcgan, "mlp": mlp, "vae": vae, "flow": flow, "pixel_cnn": pixel_cnn}


def dcgan_without_batch_norm(normalization):
    """A DCGAN whose discriminator has another normalization than batch norm."""
    generator = kerasgan.layers.convolutional_generator((28, 28, 1))
    discriminator = kerasgan.layers.convolutional_discriminator(
        (28, 28, 1), normalization=normalization
    )
    return kerasgan.GAN(generator, discriminator, latent_dim=100)


def hand_written(model):
    """The keras.io way, for the networks of a model."""
    kind = next(kind for kind in HAND_WRITTEN if isinstance(model, kind))
    step = HAND_WRITTEN[kind](model)

    def run(data, epochs):
        for _ in range(epochs):
            for real in data:
                losses = step(real)
        return [float(loss) for loss in losses]

    return run


def hand_written_vae(model):
    encoder, decoder = model.posterior_network, model.pixel_network
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    @tf.function
    def step(images):
        white = tf.random.uniform(tf.shape(images)) < 0.5 * (images + 1.0)
        pixels = tf.cast(white, "float32")
        with tf.GradientTape() as tape:
            mean, log_variance = encoder(2.0 * pixels - 1.0, training=True)
            codes = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            logits = decoder(codes, training=True)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=pixels, logits=logits)
            reconstruction = tf.reduce_mean(tf.reduce_sum(entropy, axis=(1, 2, 3)))
            divergence = 0.5 * (tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance)
            kl = tf.reduce_mean(tf.reduce_sum(divergence, axis=1))
            loss = reconstruction + kl
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, kl, reconstruction

    return step


def hand_written_flow(model):
    """The keras.io way, for the network of a flow."""
    network = model.network
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images):
        noisy = images + (tf.random.uniform(tf.shape(images)) - 0.5) * (2.0 / 255.0)
        with tf.GradientTape() as tape:
            codes, nats = network(noisy, training=True)
            normal = -0.5 * tf.reduce_sum(codes**2 + np.log(2.0 * np.pi), axis=1)
            loss = -tf.reduce_mean(normal + nats) + model.latent_dim * np.log(255.0 / 2.0)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return (loss,)

    return step


def hand_written_pixel_cnn(model):
    """The keras.io way, for a network of the logits of black and white."""
    network = model.network
    optimizer = keras.optimizers.RMSprop(1e-3)
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images):
        white = tf.cast(tf.random.uniform(tf.shape(images)) < 0.5 * (images + 1.0), "int32")
        with tf.GradientTape() as tape:
            logits = network(2.0 * tf.cast(white, "float32") - 1.0, training=True)
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(white[..., 0], logits)
            loss = tf.reduce_mean(tf.reduce_sum(nats, axis=(1, 2)))
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return (loss,)

    return step


def hand_written_gan(gan):
    generator, discriminator, latent_dim = gan.generator, gan.discriminator, gan.latent_dim
    g_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    d_optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    g_optimizer.build(generator.trainable_variables)
    d_optimizer.build(discriminator.trainable_variables)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(real):
        batch_size = tf.shape(real)[0]
        fake = generator(tf.random.normal((batch_size, latent_dim)), training=True)
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fake, training=True)
            d_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            d_loss += cross_entropy(tf.zeros_like(fake_logits), fake_logits)
        variables = discriminator.trainable_variables
        d_optimizer.apply_gradients(zip(tape.gradient(d_loss, variables), variables, strict=True))
        latents = tf.random.normal((batch_size, latent_dim))
        with tf.GradientTape() as tape:
            fake_logits = discriminator(generator(latents, training=True), training=True)
            g_loss = cross_entropy(tf.ones_like(fake_logits), fake_logits)
        variables = generator.trainable_variables
        g_optimizer.apply_gradients(zip(tape.gradient(g_loss, variables), variables, strict=True))
        return d_loss, g_loss

    return step


HAND_WRITTEN = {
    kerasgan.GAN: hand_written_gan,
    kerasgan.VAE: hand_written_vae,
    kerasgan.Glow: hand_written_flow,
    kerasgan.PixelCNN: hand_written_pixel_cnn,
}


def with_fit(gan, **compile_arguments):
    gan.compile(**compile_arguments)

    def run(data, epochs):
        gan.fit(data, epochs=epochs, verbose=0)

    return run


def ways_of(case, compile_arguments):
    """Two ways by name, functions of data and epochs, and the images."""
    if case == "spectral":
        gans = {name: dcgan_without_batch_norm(name) for name in ("spectral", None)}
        _, images = dcgan()
        return {str(name): with_fit(gan, **compile_arguments) for name, gan in gans.items()}, images
    (gan, images), (other, _) = CASES[case](), CASES[case]()
    return {"fit": with_fit(gan, **compile_arguments), "hand-written": hand_written(other)}, images


def measure(case, rounds, compile_arguments):
    """CPU seconds per image of both ways, by turns."""
    ways, images = ways_of(case, compile_arguments)
    data = kerasgan.data.from_array(images, batch_size=BATCH_SIZE)
    for run in ways.values():
        run(data, 1)
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            begin = time.process_time()
            run(data, 2)
            seconds[name].append((time.process_time() - begin) / (2 * len(images)))
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(f"{case}: batch {BATCH_SIZE}, {rounds} rounds of {2 * len(images)} images each")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"  {name:12} {median * 1e3:8.4f} ms CPU an image (median)")
    print(
        f"  {' / '.join(ways)}: median {statistics.median(ratios):.2f} "
        f"[{min(ratios):.2f}-{max(ratios):.2f}]"
    )


def start_up(case):
    """Seconds of a whole first run, in a process of its own, for several lengths."""
    print(f"{case}: wall seconds of a first run, median of 3 processes each")
    for epochs in (1, 5, 20):
        row = []
        for way in ("fit", "hand-written"):
            command = [sys.executable, __file__, "--first-run", case, way, str(epochs)]
            times = [
                float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                for _ in range(3)
            ]
            row.append(f"{way} {statistics.median(times):.1f}")
        print(f"  {epochs:3} epochs: {', '.join(row)}")


def first_run(case, way, epochs):
    gan, images = CASES[case]()
    data = kerasgan.data.from_array(images, batch_size=BATCH_SIZE)
    begin = time.perf_counter()
    run = with_fit(gan) if way == "fit" else hand_written(gan)
    run(data, int(epochs))
    print(time.perf_counter() - begin)


def memory(case, epochs=40):
    """MiB of this process after some of the epochs of a `fit` of 10 batches each."""
    model, images = CASES[case]()
    data = kerasgan.data.from_array(images[: 10 * BATCH_SIZE], batch_size=BATCH_SIZE)
    found = {}

    def look(epoch, logs=None):
        found[epoch + 1] = psutil.Process().memory_info().rss / 2**20

    model.compile()
    look_after_epochs = keras.callbacks.LambdaCallback(on_epoch_end=look)
    model.fit(data, epochs=epochs, callbacks=[look_after_epochs], verbose=0)
    row = (f"{found[epoch]:.0f} after {epoch}" for epoch in (1, 2, 5, 10, 20, epochs))
    print(f"{case}: MiB {', '.join(row)} epochs", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=(*CASES, "spectral"))
    parser.add_argument("--start-up", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--jit-compile", choices=("yes", "no"))
    parser.add_argument("--steps-per-execution", type=int)
    parser.add_argument("--hidden-units", type=int, default=64)
    parser.add_argument("--first-run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first_run:
        first_run(*arguments.first_run)
        return
    compile_arguments = {}
    if arguments.jit_compile:
        compile_arguments["jit_compile"] = arguments.jit_compile == "yes"
    if arguments.steps_per_execution:
        compile_arguments["steps_per_execution"] = arguments.steps_per_execution
    CASES["mlp"] = functools.partial(mlp, arguments.hidden_units)
    cases = list(CASES) if arguments.start_up or arguments.memory else [*CASES, "spectral"]
    for case in [arguments.only] if arguments.only else cases:
        if arguments.memory:
            memory(case)
        elif arguments.start_up:
            start_up(case)
        else:
            measure(case, arguments.rounds, compile_arguments)


if __name__ == "__main__":
    main()
