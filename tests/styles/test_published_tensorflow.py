import pathlib

import keras  # noqa: F401  (first: it registers our classes)
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.models.stylegan2 import shapes_of_generator
from kerasgan.styles.published_snapshots import shapes_of_discriminator
from kerasgan.styles.published_tensorflow import NETWORK
from kerasgan.training.official import PublishedFile
from kerasgan.weight_files import Record

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")

SETTINGS = {"image_shape": (16, 16, 3), "latent_dim": 4, "base_width": 2, "max_width": 6}
SETTINGS |= {"architecture": "resnet", "num_classes": None, "mapping_layers": 2}


def arrays(seed, shapes):
    random = np.random.default_rng(seed)
    return {n: random.normal(size=shape).astype("float32") for n, shape in shapes.items()}


def in_tensorflow(name, array):
    """An array as the program for TensorFlow has it: mirrored where a kernel upsamples."""
    if name.endswith("noise_const"):
        return array[None, None]
    if name.endswith(".const"):
        return array[None]
    if name.endswith("affine.bias"):
        return array - np.float32(1.0)
    if array.ndim != 4:
        return array.T
    array = array.transpose(2, 3, 1, 0)
    mirrored = name.startswith("synthesis") and ("conv0" in name or "skip" in name)
    return array[::-1, ::-1] if mirrored else array


def generator_there(tensors):
    """A record of a network of TensorFlow."""
    mapping, synthesis, noise = [], [("lod", 0.0)], 0
    for name, array in tensors.items():
        array = in_tensorflow(name, array)
        if name == "mapping.w_avg":
            average = array
            continue
        kind, first, *rest = name.split(".")
        if kind == "mapping":
            mapping.append((f"Dense{first.removeprefix('fc')}/{rest[0]}", array))
            continue
        size = int(first[1:])
        layer = {"conv0": "Conv0_up", "torgb": "ToRGB", "skip": "Skip", "const": "Const/const"}
        layer["conv1"] = "Conv" if size == 4 else "Conv1"
        if rest[-1] == "noise_const":
            noise = 2 * int(np.log2(size)) - (5 if rest[0] == "conv0" else 4)
            noise = 0 if size == 4 else noise
            synthesis.append((f"noise{noise}", array))
            continue
        part = ".".join(rest[1:]).replace("affine.", "mod_")
        name = f"{size}x{size}/{layer[rest[0]]}" + (f"/{part}" if part else "")
        synthesis.append((name, array))
    parts = {"mapping": record(mapping), "synthesis": record(synthesis)}
    return record([("lod", 0.0), ("dlatent_avg", average)], parts)


def record(variables, components=None):
    state = {"version": 4, "variables": variables, "components": components or {}}
    return Record(NETWORK, {**state, "static_kwargs": {"mbstd_group_size": 8}})


def discriminator_there(tensors):
    layers = {"fromrgb": "FromRGB", "conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip"}
    layers |= {"conv": "Conv", "fc": "Dense0"}
    variables = []
    for name, array in tensors.items():
        block, layer, part = name.split(".")
        array = in_tensorflow(name, array)
        start = "Output" if layer == "out" else f"{block[1:]}x{block[1:]}/{layers.get(layer)}"
        variables.append((f"{start}/{part}", array))
    return record(variables)


class TensorFlowTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        skip = {"b8.skip.weight": np.empty(0)}  # which says that it is residual
        shapes = shapes_of_generator({}, SETTINGS)
        self.tensors = {"G": arrays(0, shapes), "G_ema": arrays(1, shapes)}
        self.tensors["D"] = arrays(2, shapes_of_discriminator(skip, SETTINGS))

    def file(self, *networks):
        return PublishedFile(pathlib.Path("network.pkl"), networks)

    def test_arrays_are_those_of_the_program_for_pytorch(self):
        generators = [generator_there(self.tensors[name]) for name in ("G", "G_ema")]
        judge = discriminator_there(self.tensors["D"])
        found = kerasgan.StyleGAN2.published_in(self.file(generators[0], judge, generators[1]))
        self.assertEqual(found.kind, "snapshot of StyleGAN2 (TensorFlow 1)")
        wanted = {**SETTINGS, "discriminator_architecture": "resnet", "preset": "paper256"}
        self.assertEqual(found.settings, wanted)
        for network, tensors in self.tensors.items():
            self.assertEqual(set(found.networks[network]), set(tensors))
            for name, array in tensors.items():
                ours = found.networks[network][name]
                np.testing.assert_allclose(ours, array, rtol=0.0, atol=1e-6, err_msg=name)

    def test_a_discriminator_of_classes_is_told_as_ignored(self):
        generator = generator_there(self.tensors["G"])
        judge = discriminator_there(self.tensors["D"])
        judge.state["variables"].append(("LabelEmbed/weight", np.ones((3, 6), "float32")))
        judge.state["static_kwargs"]["conv_clamp"] = 256
        found = kerasgan.StyleGAN2.published_in(self.file(generator, judge, generator))
        self.assertEqual(set(found.networks), {"G", "G_ema"})
        self.assertIn("network D: its mapping of classes has another depth", found.ignored[-1])
        self.assertEqual(found.settings["activation_limit"], 256.0)

    def test_other_files_are_refused(self):
        generator = generator_there(self.tensors["G"])
        judge = discriminator_there(self.tensors["D"])
        strange = record([("8x8/More/weight", np.ones((2, 2)))])
        older = generator_there(self.tensors["G"])
        older.state["version"] = 2
        for networks, reason in (
            ((generator, strange, generator), "discriminator has '8x8/More/weight'"),
            ((older, judge, generator), "is of StyleGAN or older"),
        ):
            with self.assertRaisesRegex(ValueError, reason):
                kerasgan.StyleGAN2.published_in(self.file(*networks))
        self.assertIsNone(kerasgan.StyleGAN2.published_in(self.file(generator, judge)))
