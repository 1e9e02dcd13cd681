"""What a training step costs under each backend, beside a loop written by hand in that framework.

The loop by hand uses the same Keras networks, generates images anew for the generator's update as
the keras.io examples do, and is compiled in the framework's usual way (`tf.function`, `jax.jit`;
PyTorch runs as it is, with its own Adam). After a warm-up the two take turns.

    make test-backends            # makes the environments
    python benchmarks/backends.py [--rounds 5] [--only CASE] [--python BACKEND=PATH ...]

Without `--python` the environments are those of the Makefile. On a CPU the figure is the CPU time
of the process, on a GPU the wall time.
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

BATCH_SIZE, CRITIC_STEPS, PENALTY = 64, 5, 10.0
CASES = ("dcgan", "wgan_gp", "mlp")


def make(case):
    """The model of a case, and real images for some steps."""
    import numpy as np

    random = np.random.default_rng(0)
    if case == "mlp":
        angles = random.integers(8, size=200 * BATCH_SIZE) * (2 * np.pi / 8)
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return kerasgan.VanillaGAN((2,), 2, hidden_units=(64, 64)), points.astype("float32")
    count = 10 * BATCH_SIZE * (CRITIC_STEPS if case == "wgan_gp" else 1)
    images = random.uniform(-1, 1, (count, 28, 28, 1)).astype("float32")
    model = {"dcgan": kerasgan.DCGAN, "wgan_gp": kerasgan.WGANGP}[case]
    width = {"dcgan": 64, "wgan_gp": 16}[case]
    return model((28, 28, 1), base_width=width), images


def by_hand_in_tensorflow(gan, critic_steps):
    import keras
    import tensorflow as tf

    generator, discriminator, latent_dim = gan.generator, gan.discriminator, gan.latent_dim
    g_optimizer, d_optimizer = (keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))
    g_optimizer.build(generator.trainable_variables)
    d_optimizer.build(discriminator.trainable_variables)

    def discriminator_loss(real, fake):
        real_logits = discriminator(real, training=True)
        fake_logits = discriminator(fake, training=True)
        if critic_steps is None:
            return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(
                tf.nn.softplus(fake_logits)
            )
        share = tf.random.uniform((tf.shape(real)[0], 1, 1, 1))
        between = share * real + (1.0 - share) * fake
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = discriminator(between)
        norms = tf.sqrt(tf.reduce_sum(tape.gradient(logits, between) ** 2, axis=(1, 2, 3)))
        penalty = PENALTY * tf.reduce_mean((norms - 1.0) ** 2)
        return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits) + penalty

    @tf.function
    def step(batch):
        for real in tf.split(batch, critic_steps or 1):
            fake = generator(tf.random.normal((tf.shape(real)[0], latent_dim)), training=True)
            with tf.GradientTape() as tape:
                d_loss = discriminator_loss(real, fake)
            variables = discriminator.trainable_variables
            d_optimizer.apply_gradients(
                zip(tape.gradient(d_loss, variables), variables, strict=True)
            )
        with tf.GradientTape() as tape:
            latents = tf.random.normal((tf.shape(real)[0], latent_dim))
            logits = discriminator(generator(latents, training=True), training=True)
            g_loss = tf.reduce_mean(-logits if critic_steps else tf.nn.softplus(-logits))
        variables = generator.trainable_variables
        g_optimizer.apply_gradients(zip(tape.gradient(g_loss, variables), variables, strict=True))
        return d_loss, g_loss

    return step


def by_hand_in_jax(gan, critic_steps):
    import jax
    import jax.numpy as jnp
    import keras

    generator, discriminator = gan.generator, gan.discriminator
    g_optimizer, d_optimizer = (keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))
    g_optimizer.build(generator.trainable_variables)
    d_optimizer.build(discriminator.trainable_variables)

    def variables(owner):
        return [v.value for v in owner]

    state = [
        variables(generator.trainable_variables),
        variables(generator.non_trainable_variables),
        variables(discriminator.trainable_variables),
        variables(discriminator.non_trainable_variables),
        variables(g_optimizer.variables),
        variables(d_optimizer.variables),
        jax.random.key(0),
    ]

    def discriminator_loss(d, d_rest, real, fake, key):
        real_logits, d_rest = discriminator.stateless_call(d, d_rest, real, training=True)
        fake_logits, d_rest = discriminator.stateless_call(d, d_rest, fake, training=True)
        if critic_steps is None:
            loss = jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean()
            return loss, d_rest
        share = jax.random.uniform(key, (len(real), 1, 1, 1))
        gradient = jax.grad(lambda x: discriminator.stateless_call(d, d_rest, x)[0].sum())(
            share * real + (1.0 - share) * fake
        )
        penalty = (jnp.sqrt((gradient**2).sum((1, 2, 3))) - 1.0) ** 2
        return fake_logits.mean() - real_logits.mean() + PENALTY * penalty.mean(), d_rest

    def generator_loss(g, g_rest, d, d_rest, latents):
        fake, g_rest = generator.stateless_call(g, g_rest, latents, training=True)
        logits, d_rest = discriminator.stateless_call(d, d_rest, fake, training=True)
        loss = -logits.mean() if critic_steps else jax.nn.softplus(-logits).mean()
        return loss, (g_rest, d_rest)

    def update(state, batch):
        g, g_rest, d, d_rest, g_slots, d_slots, key = state
        for real in jnp.split(batch, critic_steps or 1):
            key, for_latents, for_share = jax.random.split(key, 3)
            latents = jax.random.normal(for_latents, (len(real), gan.latent_dim))
            fake, g_rest = generator.stateless_call(g, g_rest, latents, training=True)
            (d_loss, d_rest), gradients = jax.value_and_grad(discriminator_loss, has_aux=True)(
                d, d_rest, real, fake, for_share
            )
            d, d_slots = d_optimizer.stateless_apply(d_slots, gradients, d)
        key, for_latents = jax.random.split(key)
        latents = jax.random.normal(for_latents, (len(real), gan.latent_dim))
        (g_loss, (g_rest, d_rest)), gradients = jax.value_and_grad(generator_loss, has_aux=True)(
            g, g_rest, d, d_rest, latents
        )
        g, g_slots = g_optimizer.stateless_apply(g_slots, gradients, g)
        return [g, g_rest, d, d_rest, g_slots, d_slots, key], (d_loss, g_loss)

    compiled = jax.jit(update, donate_argnums=0)

    def step(batch):
        nonlocal state
        state, losses = compiled(state, batch)
        return losses

    return step


def by_hand_in_torch(gan, critic_steps):
    import torch
    from torch.nn.functional import softplus

    generator, discriminator = gan.generator, gan.discriminator

    def adam(network):
        values = [v.value for v in network.trainable_variables]
        return torch.optim.Adam(values, lr=2e-4, betas=(0.5, 0.999))

    g_optimizer, d_optimizer = adam(generator), adam(discriminator)

    def discriminator_loss(real, fake):
        real_logits = discriminator(real, training=True)
        fake_logits = discriminator(fake, training=True)
        if critic_steps is None:
            return softplus(-real_logits).mean() + softplus(fake_logits).mean()
        share = torch.rand((len(real), 1, 1, 1), device=real.device)
        between = (share * real + (1.0 - share) * fake).requires_grad_()
        gradient = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)[0]
        penalty = (gradient.square().sum((1, 2, 3)).sqrt() - 1.0).square().mean()
        return fake_logits.mean() - real_logits.mean() + PENALTY * penalty

    def step(batch):
        for real in batch.chunk(critic_steps or 1):
            latents = torch.randn((len(real), gan.latent_dim), device=real.device)
            fake = generator(latents, training=True).detach()
            d_optimizer.zero_grad()
            d_loss = discriminator_loss(real, fake)
            d_loss.backward()
            d_optimizer.step()
        latents = torch.randn((len(real), gan.latent_dim), device=real.device)
        logits = discriminator(generator(latents, training=True), training=True)
        g_optimizer.zero_grad()
        g_loss = -logits.mean() if critic_steps else softplus(-logits).mean()
        g_loss.backward()
        g_optimizer.step()
        return d_loss, g_loss

    return step


def on_device(backend, images):
    """The images where the framework computes, and the name of that device."""
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            name = tf.config.experimental.get_device_details(gpus[0])["device_name"]
        return tf.constant(images), name if gpus else "CPU"
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return jax.device_put(images), "CPU" if device.platform == "cpu" else device.device_kind
    import torch

    cuda = torch.cuda.is_available()
    moved = torch.as_tensor(images, device="cuda" if cuda else "cpu")
    return moved, torch.cuda.get_device_name() if cuda else "CPU"


def measure(case, rounds):
    """Seconds an image of both ways, by turns, under this process' backend."""
    import keras
    import numpy as np

    backend = keras.backend.backend()
    gan, images = make(case)
    gan.compile()
    other, _ = make(case)
    critic_steps = CRITIC_STEPS if case == "wgan_gp" else None
    batch_size = BATCH_SIZE * (critic_steps or 1)
    by_hand = {
        "tensorflow": by_hand_in_tensorflow,
        "jax": by_hand_in_jax,
        "torch": by_hand_in_torch,
    }[backend]
    step = by_hand(other, critic_steps)
    kept, device = on_device(backend, images)
    clock = time.process_time if device == "CPU" else time.perf_counter

    def run_fit(epochs):
        gan.fit(images, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)

    def run_by_hand(epochs):
        for _ in range(epochs):
            for start in range(0, len(images), batch_size):
                losses = step(kept[start : start + batch_size])
        return [float(loss) for loss in losses]

    ways = {"fit": run_fit, "by hand": run_by_hand}
    epochs = 5 if case == "mlp" else 2
    for run in ways.values():
        run(epochs)
    seconds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            begin = clock()
            run(epochs)
            seconds[name].append((clock() - begin) / (epochs * len(images)))
    ratios = np.divide(seconds["fit"], seconds["by hand"])
    return {
        "backend": backend,
        "version": keras.version(),
        "device": device,
        "fit": statistics.median(seconds["fit"]),
        "by hand": statistics.median(seconds["by hand"]),
        "ratio": [float(np.median(ratios)), float(ratios.min()), float(ratios.max())],
    }


def main():
    root = pathlib.Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--python", nargs="*", default=[], metavar="BACKEND=PATH")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.rounds)))
        return
    pythons = dict(pair.split("=") for pair in arguments.python) or {
        "tensorflow": root / ".venv/bin/python",
        "jax": root / ".venv-jax/bin/python",
        "torch": root / ".venv-torch/bin/python",
    }
    for case in [arguments.only] if arguments.only else CASES:
        print(f"{case}, batches of {BATCH_SIZE}: ms an image (images a second)")
        for backend, python in pythons.items():
            command = [python, __file__, "--measure", case, "--rounds", str(arguments.rounds)]
            done = subprocess.run(
                command,
                env={**os.environ, "KERAS_BACKEND": backend},
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(f"{backend}: {done.stderr[-2000:]}")
            row = json.loads(done.stdout.splitlines()[-1])
            ratio, low, high = row["ratio"]
            print(
                f"  {backend:10} on {row['device']}: fit {row['fit'] * 1e3:8.4f} "
                f"({1 / row['fit']:.0f}), by hand {row['by hand'] * 1e3:8.4f} "
                f"({1 / row['by hand']:.0f}), fit / by hand {ratio:.2f} [{low:.2f}-{high:.2f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
