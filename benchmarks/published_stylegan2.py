"""StyleGAN2 against what the published program computes with the same weights.

    python benchmarks/published_stylegan2.py --oracles DIR

DIR holds, for each of three small networks, `stylegan2ada_32_NAME.npz`, inputs and outputs, and
`stylegan2ada_32_NAME_tensors.npz`, weights, by the program's own names. Prints the largest error of
each output: absolute for images and styles, relative to the largest value for the rest.
"""

import argparse
import os
import pathlib

import kerasgan

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from kerasgan import backend
from kerasgan.losses import GradientPenalty
from kerasgan.models.stylegan2 import load_published, published_places
from kerasgan.styles.published_files import as_ours

CONFIGURATIONS = {
    "uncond": {"preset": "auto"},
    "cond3": {"preset": "auto", "num_classes": 3},
    "orig": {"preset": "auto", "architecture": "orig", "discriminator_architecture": "orig"},
}


def model(name, tensors):
    """A StyleGAN2 with the weights of a published one."""
    widest, narrowest = (len(tensors[f"G.synthesis.b{r}.conv1.bias"]) for r in (4, 32))
    gan = kerasgan.StyleGAN2((32, 32, 3), 32, narrowest, widest, **CONFIGURATIONS[name])
    for network, prefix in (
        (gan.generator, "G."),
        (gan.ema_generator, "G_ema."),
        (gan.discriminator, "D."),
    ):
        own = {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
        load_published(network, own)
    return gan


def channels_last(images):
    return np.moveaxis(images, 1, -1)


def gradient(loss, variable):
    """Of a loss by a variable: array."""
    optimizer = keras.optimizers.SGD(1e6)  # or the weight would round the gradient
    optimizer.build([variable])
    before = ops.convert_to_numpy(variable).copy()

    class Step(backend.Trainer, keras.Model):
        def train_step(self, data):
            loss_now, _ = backend.update(lambda: (loss(), {}), [variable], optimizer)
            return {"loss": loss_now}

    step = Step()
    step.variable, step.built = variable, True
    step.compile(optimizer=optimizer, jit_compile=False)
    step.fit(np.zeros((1, 1), "float32"), verbose=0)
    found = (before - ops.convert_to_numpy(variable)) / 1e6
    variable.assign(before)
    return found


def comparisons(gan, given):
    """Yields a name, what was computed, and what the program computes."""
    z, c = given["z"], given["c"]
    labels = ops.convert_to_tensor(c.argmax(1).astype("int32")) if c.shape[1] else None
    real_labels = None
    if labels is not None:
        real_labels = ops.convert_to_tensor(given["cx"].argmax(1).astype("int32"))
    known = None if labels is None else ops.convert_to_numpy(labels)
    real = ops.convert_to_tensor(channels_last(given["x"]))
    for prefix, generator in (("G_ema", gan.ema_generator), ("G", gan.generator)):
        synthesis = generator.synthesis

        def images(styles, synthesis=synthesis):
            return ops.convert_to_numpy(synthesis(styles, bounded=False))

        average, gan.ema_generator = gan.ema_generator, generator
        styles = gan.styles(z, labels=known)
        yield f"{prefix}.w", styles[:, 0], given[f"{prefix}.w"]
        cut = gan.styles(z, 0.5, cutoff=4, labels=known)
        yield f"{prefix}.w_psi0.5_cutoff4", cut, given[f"{prefix}.w_psi0.5_cutoff4"]
        half = gan.styles(z, 0.5, labels=known)
        gan.ema_generator = average
        mixed = styles.copy()
        mixed[:, 3:] = styles[::-1, 3:]
        none = [np.zeros((len(z), *shape), "float32") for shape in synthesis.noise_shapes]
        for name, inputs in (
            ("const", styles),
            ("none", [styles, *none]),
            ("const_psi0.5", half),
            ("const_mixed3", mixed),
        ):
            wanted = channels_last(given[f"{prefix}.img_{name}"])
            yield f"{prefix}.img_{name}", images(inputs), wanted

    def logits(images, labels):
        return gan.discriminate(images, labels, training=False)

    first = None if labels is None else real_labels[:4]
    fake = ops.convert_to_tensor(channels_last(given["G.img_const"]))
    yield "D.logits_x", logits(real, real_labels), given["D.logits_x"]
    yield "D.logits_x_first4", logits(real[:4], first), given["D.logits_x_first4"]
    yield "D.logits_fake", logits(fake, labels), given["D.logits_fake"]

    points = real[:4]
    norms = backend.input_gradient(lambda x: logits(x, first), points)
    found = np.sum(ops.convert_to_numpy(norms) ** 2, axis=(1, 2, 3))
    yield "D.r1_grad_norm2", found, given["D.r1_grad_norm2"]
    penalty = GradientPenalty(1.0, at="real", center=0.0)
    name = "b32.conv0.weight"
    found = gradient(
        lambda: penalty.at_points(lambda x: logits(x, first), points),
        published_places(gan.discriminator)[name],
    )
    yield "D.r1_param_grad", found, as_ours(name, given[f"D.r1_param_grad_{name}"])

    noise = ops.convert_to_tensor(channels_last(given["pl_noise"]))
    inputs = gan.with_labels(ops.convert_to_tensor(z), labels)

    def lengths():
        return gan.path_lengths(gan.generator.styles(inputs), noise)

    yield "G.pl_lengths", lengths(), given["G.pl_lengths"]
    places = published_places(gan.generator)
    for name in ("b4.const", "b8.conv0.weight"):
        found = gradient(lambda: ops.mean(lengths() ** 2), places[f"synthesis.{name}"])
        wanted = as_ours(f"synthesis.{name}", given[f"G.pl_param_grad_{name}"])
        yield f"G.pl_param_grad_{name}", found, wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oracles", type=pathlib.Path, required=True)
    folder = parser.parse_args().oracles
    for name in CONFIGURATIONS:
        with np.load(folder / f"stylegan2ada_32_{name}_tensors.npz") as tensors:
            gan = model(name, dict(tensors))
        with np.load(folder / f"stylegan2ada_32_{name}.npz") as given:
            for output, found, wanted in comparisons(gan, dict(given)):
                found = ops.convert_to_numpy(found)
                error = np.abs(found - wanted).max()
                if output.startswith(("D", "G.pl")):
                    error /= np.abs(wanted).max()
                print(f"{name:7} {output:28} {error:.1e}", flush=True)


if __name__ == "__main__":
    main()
