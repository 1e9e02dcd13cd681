"""What a step of CycleGAN and Pix2Pix costs: `fit` against steps written by hand.

    python benchmarks/translation_step.py [--model CycleGAN|Pix2Pix] [--rounds 7] [--steps 20]
        [--adam-kernel]

`by hand` is a `tf.function` with the same networks, losses, image history and forward passes: what
the generators made is made once and shared by all losses. `keras.io` is what the examples of
keras.io do: one persistent tape over everything, from which each network takes its gradient
(CycleGAN, without the image history), or each player's loss computed from the start (Pix2Pix).
Images are 64x64x3, batches 1, widths 32. After a warm-up the ways take turns; each turn is an epoch
of so many steps, and its figure the CPU time of the process over the pairs seen.
"""

import argparse
import os
import statistics
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from kerasgan import backend

SIZE = 64


def cycle_gan():
    return kerasgan.CycleGAN((SIZE, SIZE, 3), base_width=32, residual_blocks=6, receptive_field=34)


def pix2pix():
    return kerasgan.Pix2Pix((SIZE, SIZE, 3), base_width=32, receptive_field=34)


def adam(variables):
    optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5)
    optimizer.build(variables)
    if adam.with_kernel:
        backend.accelerate(optimizer)
    return optimizer


adam.with_kernel = False


def distance(x, y):
    return tf.reduce_mean(tf.abs(x - y))


def square(x, target):
    return tf.reduce_mean(tf.square(x - target))


def cycle_gan_losses(gan, a, b):
    """The generators' loss and both translations."""
    to_b, to_a = gan.a_to_b(a, training=True), gan.b_to_a(b, training=True)
    fooling_b = square(gan.discriminator_b(to_b, training=True), 1.0)
    fooling_a = square(gan.discriminator_a(to_a, training=True), 1.0)
    cycle = distance(gan.b_to_a(to_b, training=True), a)
    cycle += distance(gan.a_to_b(to_a, training=True), b)
    identity = distance(gan.a_to_b(b, training=True), b)
    identity += distance(gan.b_to_a(a, training=True), a)
    return fooling_a, fooling_b, 10.0 * cycle + 5.0 * identity, to_a, to_b


def judged(judge, real, fake):
    real_logits, fake_logits = judge(real, training=True), judge(fake, training=True)
    return 0.5 * (square(real_logits, 1.0) + square(fake_logits, 0.0))


def cycle_gan_by_hand():
    gan = cycle_gan()
    players = (
        gan.a_to_b.trainable_variables + gan.b_to_a.trainable_variables,
        gan.discriminator_a.trainable_variables + gan.discriminator_b.trainable_variables,
    )
    optimizers = [adam(variables) for variables in players]

    @tf.function
    def step(a, b):
        with tf.GradientTape() as tape:
            fooling_a, fooling_b, rest, to_a, to_b = cycle_gan_losses(gan, a, b)
            loss = fooling_a + fooling_b + rest
        optimizers[0].apply(tape.gradient(loss, players[0]), players[0])
        to_a, to_b = gan.history_a(to_a), gan.history_b(to_b)
        with tf.GradientTape() as tape:
            judges_loss = judged(gan.discriminator_a, a, to_a) + judged(
                gan.discriminator_b, b, to_b
            )
        optimizers[1].apply(tape.gradient(judges_loss, players[1]), players[1])
        return loss, judges_loss

    return step


def cycle_gan_keras_io():
    gan = cycle_gan()
    networks = (gan.a_to_b, gan.b_to_a, gan.discriminator_a, gan.discriminator_b)
    optimizers = [adam(network.trainable_variables) for network in networks]

    @tf.function
    def step(a, b):
        with tf.GradientTape(persistent=True) as tape:
            fooling_a, fooling_b, rest, to_a, to_b = cycle_gan_losses(gan, a, b)
            losses = (
                fooling_b + rest,
                fooling_a + rest,
                judged(gan.discriminator_a, a, to_a),
                judged(gan.discriminator_b, b, to_b),
            )
        gradients = [
            tape.gradient(loss, network.trainable_variables)
            for loss, network in zip(losses, networks, strict=True)
        ]
        for optimizer, each, network in zip(optimizers, gradients, networks, strict=True):
            optimizer.apply(each, network.trainable_variables)
        return losses

    return step


def entropy(logits, real):
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))


def pix2pix_parts():
    gan = pix2pix()
    players = [n.trainable_variables for n in (gan.generator, gan.discriminator)]

    def judge(source, image):
        return gan.discriminator(tf.concat([source, image], -1), training=True)

    return gan, players, [adam(variables) for variables in players], judge


def pix2pix_by_hand():
    gan, players, optimizers, judge = pix2pix_parts()

    @tf.function
    def step(source, target):
        with tf.GradientTape() as generator_tape:
            fake = gan.generator(source, training=True)
        with tf.GradientTape() as tape:
            real_loss = entropy(judge(source, target), True)
            judge_loss = 0.5 * (real_loss + entropy(judge(source, fake), False))
        optimizers[1].apply(tape.gradient(judge_loss, players[1]), players[1])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(fake)
            loss = entropy(judge(source, fake), True) + 100.0 * distance(fake, target)
        of_fake = tape.gradient(loss, fake)
        gradients = generator_tape.gradient(fake, players[0], output_gradients=of_fake)
        optimizers[0].apply(gradients, players[0])
        return loss, judge_loss

    return step


def pix2pix_keras_io():
    gan, players, optimizers, judge = pix2pix_parts()

    @tf.function
    def step(source, target):
        with tf.GradientTape() as tape:
            real_loss = entropy(judge(source, target), True)
            fake = gan.generator(source, training=True)
            judge_loss = 0.5 * (real_loss + entropy(judge(source, fake), False))
        optimizers[1].apply(tape.gradient(judge_loss, players[1]), players[1])
        with tf.GradientTape() as tape:
            fake = gan.generator(source, training=True)
            loss = entropy(judge(source, fake), True) + 100.0 * distance(fake, target)
        optimizers[0].apply(tape.gradient(loss, players[0]), players[0])
        return loss, judge_loss

    return step


CASES = {
    "CycleGAN": (cycle_gan, cycle_gan_by_hand, cycle_gan_keras_io),
    "Pix2Pix": (pix2pix, pix2pix_by_hand, pix2pix_keras_io),
}


def measure(name, rounds, steps):
    make, by_hand, keras_io = CASES[name]
    images = np.random.default_rng(0).uniform(-1, 1, (2, steps, SIZE, SIZE, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(tuple(images)).batch(1, drop_remainder=True)
    gan = make()
    gan.compile()
    ways = {"fit": lambda: gan.fit(data, verbose=0)}
    for way, step in (("by hand", by_hand()), ("keras.io", keras_io())):

        def run(step=step):
            for pair in data:
                losses = step(*pair)
            return [float(loss) for loss in losses]

        ways[way] = run
    seconds = {way: [] for way in ways}
    for round_ in range(-1, rounds):
        for way, run in ways.items():
            begin = time.process_time()
            run()
            if round_ >= 0:
                seconds[way].append((time.process_time() - begin) / steps)
    print(f"{name}: {rounds} rounds of {steps} pairs each")
    for way, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds["by hand"], strict=True)]
        print(
            f"  {way:9} {statistics.median(values) * 1e3:7.1f} ms CPU a pair (median), / by hand: "
            f"median {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=CASES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--adam-kernel", action="store_true", help="use Adam's own kernel in the steps by hand, too"
    )
    arguments = parser.parse_args()
    adam.with_kernel = arguments.adam_kernel
    for name in [arguments.model] if arguments.model else CASES:
        measure(name, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
