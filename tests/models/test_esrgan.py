import pathlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops
from models.test_srgan import features, number, pairs, softplus
from written_files import archive, legacy, state_dict

import kerasgan
from kerasgan.models import esrgan
from kerasgan.training.official import PublishedFile
from kerasgan.weight_files import read_tensors

FILES = pathlib.Path(__file__).parents[1] / "published_files"
FILE = FILES / "esrgan_rrdb_small.pth"


def small(**settings):
    defaults = {"scale": 2, "base_width": 4, "residual_blocks": 1, "growth": 2, "features": None}
    return kerasgan.ESRGAN((16, 16, 3), **{**defaults, "seed": 0, **settings})


def of_the_first_program(name, blocks):
    """The name of an array as the first published program has it."""
    name = name.replace("RRDB_trunk", "model.1.sub")
    if "RDB" in name:
        head, _, kind = name.rpartition(".")
        return f"{head}.0.{kind}"
    numbers = {"conv_first": 0, "trunk_conv": f"1.sub.{blocks}", "upconv1": 3, "upconv2": 6}
    numbers |= {"HRconv": 8, "conv_last": 10}
    layer, kind = name.split(".")
    return f"model.{numbers[layer]}.{kind}"


def of_the_last_program(name):
    """The same, as the one that came last has it."""
    for old, new in (
        ("RRDB_trunk", "body"),
        ("RDB", "rdb"),
        ("trunk_conv", "conv_body"),
        ("upconv", "conv_up"),
        ("HRconv", "conv_hr"),
    ):
        name = name.replace(old, new)
    return name


class NetworkTest(tf.test.TestCase):
    def test_parameters_are_those_of_the_paper_by_hand(self):
        """16.7 million, as the authors' RRDB_ESRGAN_x4.pth has."""

        def conv(inputs, outputs):
            return 9 * inputs * outputs + outputs

        dense = sum(conv(64 + 32 * n, 32) for n in range(4)) + conv(64 + 32 * 4, 64)
        block, rest = 3 * dense, conv(3, 64) + 4 * conv(64, 64) + conv(64, 3)
        self.assertEqual(23 * block + rest, 16_697_987)
        network = esrgan.rrdb_network(3, residual_blocks=2)
        self.assertEqual(network.count_params(), 2 * block + rest)

    def test_blocks_begin_small(self):
        network = esrgan.rrdb_network(3, base_width=64, residual_blocks=1)
        for conv, inputs in (("conv1", 64), ("conv5", 64 + 4 * 32)):
            kernel = ops.convert_to_numpy(network.get_layer(f"block0_dense1_{conv}").kernel)
            self.assertAllClose(kernel.std(), 0.1 * np.sqrt(2 / (9 * inputs)), rtol=0.05)

    @needs_backend("torch", reason="it compares with PyTorch")
    def test_is_that_of_pytorch(self):
        """The paper's network by hand, of PyTorch's functions, for all scales."""
        import torch
        from torch.nn import functional

        def forward(x, weights, ups):
            def conv(x, name):
                return functional.conv2d(x, *weights[name], padding=1)

            def activated(x, name):
                return functional.leaky_relu(conv(x, name), 0.2)

            first = x = conv(x, "conv_first")
            outer = x
            for dense in (1, 2, 3):
                maps = [x]
                for n in range(1, 5):
                    name = f"block0_dense{dense}_conv{n}"
                    maps.append(activated(torch.cat(maps, 1), name))
                x = x + 0.2 * conv(torch.cat(maps, 1), f"block0_dense{dense}_conv5")
            x = first + conv(outer + 0.2 * x, "trunk")
            for n in range(1, ups + 1):
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
                x = activated(x, f"up{n}")
            return conv(activated(x, "conv_high"), "conv_last")

        random = np.random.default_rng(0)
        images = random.uniform(-1.0, 1.0, (2, 7, 6, 3)).astype("float32")
        images = np.concatenate([images, images[:, :1]], axis=1)
        for scale, unshuffle, ups in ((2, 1, 1), (4, 1, 2), (2, 2, 2)):
            network = esrgan.rrdb_network(3, scale, 8, unshuffle, residual_blocks=1, growth=4)
            weights = {}
            for layer in network.layers:
                if isinstance(layer, layers.Conv2D):
                    arrays = [0.2 * random.normal(size=w.shape) for w in layer.get_weights()]
                    layer.set_weights(arrays)
                    kernel, bias = (torch.tensor(a, dtype=torch.float32) for a in arrays)
                    weights[layer.name] = kernel.permute(3, 2, 0, 1), bias
            x = torch.tensor((images + 1.0) / 2.0).permute(0, 3, 1, 2)
            x = functional.pixel_unshuffle(x, unshuffle)
            wanted = 2.0 * forward(x, weights, ups).permute(0, 2, 3, 1).numpy() - 1.0
            found = ops.convert_to_numpy(network(images))
            self.assertAllClose(found, wanted, rtol=0.0, atol=1e-5 * np.abs(wanted).max())


class FeaturesTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="VGG19 is Keras' everywhere")
    def test_those_of_vgg19_are_from_before_the_activation(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        keras.applications.VGG19(include_top=False, weights=None).save_weights(
            folder / "vgg19.weights.h5"
        )
        gan = small(features=folder / "vgg19.weights.h5", feature_layer="block2_conv2")
        before = gan.features(pairs(1)[1])
        self.assertLess(number(ops.min(before)), 0.0)
        after = kerasgan.models.srgan.vgg19_features(folder / "vgg19.weights.h5", "block2_conv2")
        self.assertAllClose(after(pairs(1)[1]), ops.relu(before), rtol=1e-5)
        copy = kerasgan.ESRGAN.from_config(gan.get_config())
        copy.features.set_weights(gan.features.get_weights())
        self.assertAllClose(copy.features(pairs(1)[1]), before, rtol=1e-5)


class GameTest(tf.test.TestCase):
    def test_losses_are_those_of_numpy(self):
        network = features()
        gan = small(features=network)
        gan.compile()
        for player in gan.players:
            self.assertAllClose(gan.optimizer[player].learning_rate, 1e-4)
        small_images, large = pairs(2)
        fake = pairs(2, seed=1)[1]
        true, made = (ops.convert_to_numpy(network(x)) for x in (large, fake))
        content = np.abs(true - made).mean() / 12.75
        pixels = np.abs(large - fake).mean()
        real_logits, fake_logits = (
            ops.convert_to_numpy(gan.discriminator(x, training=False)) for x in (large, fake)
        )
        # Equations 1 and 2.
        real_beats = real_logits - fake_logits.mean()
        fake_beats = fake_logits - real_logits.mean()
        fooling = softplus(real_beats).mean() + softplus(-fake_beats).mean()
        judging = softplus(-real_beats).mean() + softplus(fake_beats).mean()
        shown = [ops.convert_to_tensor(x) for x in (small_images, large, fake)]
        loss, logs = gan.generator_loss(*shown, training=False)
        self.assertAllClose(number(logs["content_loss"]), content)
        self.assertAllClose(number(logs["pixel_loss"]), pixels)
        self.assertAllClose(number(loss), content + 5e-3 * fooling + 1e-2 * pixels)
        self.assertAllClose(number(gan.discriminator_loss(*shown, training=False)[0]), judging)
        self.assertAllClose(number(gan.pixel_loss(*shown[1:])), pixels)

    @pytest.mark.slow
    def test_learns_on_pixels_and_then_against_the_discriminator(self):
        gan = small()
        gan.compile()
        small_images, large = pairs(8)
        judge = gan.discriminator.get_weights()
        first = gan.pretrain(small_images, large, batch_size=8, epochs=2, verbose=0).history
        self.assertCountEqual(first, ["generator_loss", "pixel_loss"])
        self.assertLess(first["pixel_loss"][1], first["pixel_loss"][0])
        for old, new in zip(judge, gan.discriminator.get_weights(), strict=True):
            self.assertAllEqual(old, new)
        smooth = gan.interpolated(gan, 1.0)
        then = gan.fit(
            small_images, large, batch_size=8, initial_epoch=2, epochs=3, verbose=0
        ).history
        self.assertCountEqual(then, gan.loss_names)
        names = ["generator_loss", "discriminator_loss", "content_loss", "pixel_loss"]
        self.assertCountEqual(gan.loss_names, names)

        mixed = gan.interpolated(smooth, 0.75)
        for low, high, found in zip(
            smooth.generator.get_weights(),
            gan.generator.get_weights(),
            mixed.generator.get_weights(),
            strict=True,
        ):
            self.assertAllClose(found, 0.25 * low + 0.75 * high)
        ends = [gan.interpolated(smooth, share).translate(small_images) for share in (0.0, 1.0)]
        self.assertAllEqual(ends[0], smooth.translate(small_images))
        self.assertAllEqual(ends[1], gan.translate(small_images))
        self.assertNotAllClose(ends[0], ends[1])

    def test_sizes_are_multiples_of_blocks(self):
        with self.assertRaisesRegex(ValueError, "unshuffle=3; use 1 or 2"):
            small(unshuffle=3)
        with self.assertRaisesRegex(
            ValueError, r"image_shape=\(18, 16, 3\); use .* multiples of 4"
        ):
            kerasgan.ESRGAN((18, 16, 3), 2, unshuffle=2, features=None)

    def test_what_does_not_mix_is_refused(self):
        gan = small()
        with self.assertRaisesRegex(ValueError, "share=1.5; use a number from 0 to 1"):
            gan.interpolated(gan, 1.5)
        with self.assertRaisesRegex(ValueError, "generator of another shape.*growth=2"):
            gan.interpolated(small(growth=3), 0.5)

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes a while")
    def test_learns_to_enlarge(self):
        digits = kerasgan.data.load("digits", image_size=16, batch_size=16)
        data = kerasgan.data.paired(digits, "super_resolve", scale=2)
        gan = kerasgan.ESRGAN(
            (16, 16, 1), 2, base_width=8, residual_blocks=1, growth=8, features=None, seed=0
        )
        gan.compile(keras.optimizers.Adam(4e-3))
        gan.pretrain(data, epochs=2, verbose=0)
        low, high = (half.numpy() for half in next(iter(data)))
        repeated = np.abs(low.repeat(2, axis=1).repeat(2, axis=2) - high).mean()
        self.assertLess(np.abs(gan.translate(low) - high).mean(), 0.6 * repeated)


@needs_backend("tensorflow", reason="files are the same everywhere")
class OfficialTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "RRDB_ESRGAN_x4.pth"
        self.arrays = dict(read_tensors(FILE))

    def write(self, arrays, form=archive):
        self.path.write_bytes(state_dict(arrays, form))
        return self.path

    def check(self, gan):
        """Arrays and images are those of the published program."""
        _, there = esrgan.published_layers(self.arrays)
        self.assertLen(there, len(self.arrays) // 2)
        for layer in there:
            kernel, bias = gan.generator.get_layer(layer.ours).get_weights()
            theirs = self.arrays[f"{layer.theirs}.weight"]
            self.assertAllEqual(kernel.transpose(3, 2, 0, 1), theirs)
            self.assertAllEqual(bias, self.arrays[f"{layer.theirs}.bias"])
        with np.load(FILES / "esrgan_rrdb_small.npz") as file:
            x, y = (np.moveaxis(file[name], 1, -1) for name in ("x", "y"))
        found = ops.convert_to_numpy(gan.generator(2.0 * x - 1.0))
        self.assertAllClose((found + 1.0) / 2.0, y, rtol=0.0, atol=1e-6)

    def test_a_published_generator(self):
        gan = kerasgan.load_official(FILE, image_shape=(32, 32, 3))
        self.assertIsInstance(gan, kerasgan.ESRGAN)
        wanted = {"scale": 4, "base_width": 8, "residual_blocks": 2, "growth": 4, "unshuffle": 1}
        wanted |= {"image_shape": (128, 128, 3), "features": None}
        self.assertEqual(gan.official.settings, wanted)
        self.assertEqual(gan.official.weights("generator"), gan.generator.count_params())
        self.assertEqual(gan.not_in_file(), ["discriminator"])
        self.check(gan)
        gan.save(self.path.with_suffix(".keras"))
        self.check(keras.saving.load_model(self.path.with_suffix(".keras")))

    @parameterized.parameters(archive, legacy)
    def test_names_of_the_other_programs(self, form):
        first = {of_the_first_program(n, 2): a for n, a in self.arrays.items()}
        gan = kerasgan.ESRGAN.from_official(self.write(first, form), image_shape=(16, 16, 3))
        self.check(gan)
        last = {f"module.{of_the_last_program(n)}": a for n, a in self.arrays.items()}
        gan = kerasgan.ESRGAN.from_official(self.write(last, form), image_shape=(16, 16, 3))
        self.check(gan)

    def test_networks_that_enlarge_by_2(self):
        less = {n: a for n, a in self.arrays.items() if not n.startswith("upconv2")}
        moved = {"model.8": "model.5", "model.10": "model.7"}
        first = {}
        for name, array in less.items():
            name = of_the_first_program(name, 2)
            head, _, kind = name.rpartition(".")
            first[f"{moved.get(head, head)}.{kind}"] = array
        images = []
        for arrays in (less, first):
            gan = kerasgan.ESRGAN.from_official(self.write(arrays), image_shape=(16, 16, 3))
            self.assertEqual(gan.scale, 2)
            images.append(gan.translate(pairs(1)[0]))
        self.assertAllEqual(*images)

    def test_networks_of_blocks_of_pixels(self):
        """One that does not tell the pixels of a block apart is the other, of means of blocks."""
        first = self.arrays["conv_first.weight"]
        arrays = {**self.arrays, "conv_first.weight": np.repeat(first, 4, axis=1) / 4.0}
        last = {of_the_last_program(n): a for n, a in arrays.items()}
        gan = kerasgan.ESRGAN.from_official(self.write(last), image_shape=(16, 16, 3))
        self.assertEqual((gan.scale, gan.unshuffle), (2, 2))
        with np.load(FILES / "esrgan_rrdb_small.npz") as file:
            x, y = (2.0 * np.moveaxis(file[name], 1, -1) - 1.0 for name in ("x", "y"))
        large = x.repeat(2, axis=1).repeat(2, axis=2)
        self.assertAllClose(gan.translate(large), np.clip(y, -1.0, 1.0), atol=1e-5)
        odd = gan.translate(large[:, :-1])
        self.assertEqual(odd.shape[1:], (2 * large.shape[1] - 2, 2 * large.shape[2], 3))

    def test_the_average_of_a_file_with_two_generators(self):
        last = {of_the_last_program(n): a for n, a in self.arrays.items()}
        tree = {"params": {n: 0 * a for n, a in last.items()}, "params_ema": last}
        file = PublishedFile(self.path, tree)
        found = kerasgan.ESRGAN.published_in(file)
        self.assertEqual(found.places, {"generator": "params_ema"})
        self.assertEqual(found.ignored, ("network params",))
        found = kerasgan.ESRGAN.published_in(file, "params")
        self.assertEqual(found.places, {"generator": "params"})
        with self.assertRaisesRegex(ValueError, "network='G'; use None or 'params' or 'par"):
            kerasgan.ESRGAN.published_in(file, "G")

    def test_files_that_do_not_fit_are_refused(self):
        arrays = self.arrays
        name = "RRDB_trunk.1.RDB2.conv3.weight"
        for changed, reason in (
            ({n: a for n, a in arrays.items() if n != name}, f"generator lacks {name}"),
            ({**arrays, name: arrays[name][:2]}, rf"{name} of shape \(2, 16, 3, 3\), not \(4,"),
            ({**arrays, "RRDB_trunk.0.RDB1.conv1x1.weight": np.zeros((1, 1))}, "has the unknown"),
            (
                {**arrays, "upconv3.weight": arrays["upconv2.weight"]},
                "enlarges by 8, but ESRGAN enlarges",
            ),
            (
                {**arrays, "conv_first.weight": np.zeros((8, 48, 3, 3))},
                "makes 3 channels from 48",
            ),
        ):
            with self.assertRaisesRegex(ValueError, rf"RRDB_ESRGAN_x4\.pth: .*{reason}"):
                kerasgan.load_official(self.write(changed))

    def test_a_file_without_any_of_its_arrays_is_refused(self):
        """All arrays are looked for before a model is made."""
        first = {of_the_first_program(n, 2): a for n, a in self.arrays.items()}
        for arrays in (self.arrays, first):
            for missing in arrays:
                left = {n: a for n, a in arrays.items() if n != missing}
                file = PublishedFile(self.path, left)
                with mock.patch.object(kerasgan.ESRGAN, "__init__", side_effect=ZeroDivisionError):
                    try:
                        self.assertIsNone(kerasgan.ESRGAN.from_published_file(file, None, {}))
                    except ValueError as error:
                        self.assertNotIn("\n", str(error))
