import json
import math
import pathlib

import keras
import numpy as np
import published as oracle
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops
from written_files import archive, state_dict

import kerasgan
from kerasgan.core.large_scale_files import shapes_of
from kerasgan.models import big_gan_deep
from kerasgan.presets.catalogue import presets
from kerasgan.sampling.latents import truncated
from kerasgan.training.official import PublishedFile
from kerasgan.training.optimizers import all_layers

BLOCKS = [[False, 4, 4], [True, 4, 2], [True, 2, 1]]
SETTINGS = {"image_shape": (16, 16, 3), "num_classes": 4, "latent_dim": 6, "base_width": 4}
SETTINGS |= {"embedding_dim": 5, "standing_statistics": 51, "norm_epsilon": 1e-4}
SETTINGS |= {"blocks": [tuple(block) for block in BLOCKS], "attention_before": 2}
SMALL = {**SETTINGS, "image_shape": (8, 8, 3), "standing_statistics": 3, "norm_epsilon": 1e-3}
SMALL |= {"blocks": [(False, 2, 2), (True, 2, 1)], "attention_before": None}


def values(x):
    return ops.convert_to_numpy(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def small_gan(**kwargs):
    keras.utils.set_random_seed(0)
    settings = {"latent_dim": 7, "base_width": 2, "embedding_dim": 5, "ema_decay": None, "seed": 0}
    return kerasgan.BigGANDeep((8, 8, 1), 3, **{**settings, **kwargs})


def published(settings, seed=0):
    """Random arrays of a published generator, by the program's names."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in big_gan_deep.shapes_of(big_gan_deep.published_places(settings)).items():
        array = random.normal(size=shape)
        if name.endswith("running_vars"):
            array = np.exp(0.5 * array)
        elif name.endswith("weight_v"):
            # An iteration towards the singular vectors, as the program makes them.
            start = name.removesuffix("v")
            matrix = found[f"{start}orig"].reshape(-1, array.size)
            array = found[f"{start}u"] @ matrix
            for vector, vector_name in ((array, name), (matrix @ array, f"{start}u")):
                found[vector_name] = vector / np.linalg.norm(vector)
            continue
        found[name] = np.asarray(array, "float32")
    return found


def norm_of(network):
    """The last batch norm of a generator with statistics by truncation."""
    return network.get_layer(big_gan_deep.BY_SHARES).get_layer("norm")


class Program:
    """The layers of the published program, in NumPy, channels first."""

    def __init__(self, arrays, blocks, attention_before):
        self.arrays = {name: array.astype("float64") for name, array in arrays.items()}
        self.blocks, self.attention_before = blocks, attention_before

    def weight(self, name):
        """Divided by what its vectors say that its largest singular value is."""
        kernel, u, v = (self.arrays[f"{name}.weight_{kind}"] for kind in ("orig", "u", "v"))
        return kernel / (u @ kernel.reshape(len(kernel), -1) @ v)

    def conv(self, x, name):
        weight = self.weight(name)
        return convolved(x, weight, self.arrays.get(f"{name}.bias", np.zeros(len(weight))))

    def normalized(self, x, name, truncation):
        means, variances = (self.arrays[f"{name}.running_{kind}"] for kind in ("means", "vars"))
        beyond, lower = math.modf(truncation / (1.0 / (len(means) - 1)))
        lower = int(lower)
        if beyond:  # the wrong way round, as published
            mean, variance = (
                table[lower] * beyond + table[lower + 1] * (1.0 - beyond)
                for table in (means, variances)
            )
        else:
            mean, variance = means[lower], variances[lower]
        mean, variance = mean[:, None, None], variance[:, None, None]
        return (x - mean) / np.sqrt(variance + 1e-4)

    def attention(self, x, name):
        maps = [self.conv(x, f"{name}.snconv1x1_{kind}") for kind in ("theta", "phi", "g")]
        theta, *pooled = maps
        count, _, height, width = x.shape
        halves = (count, -1, height // 2, 2, width // 2, 2)
        phi, g = (m.reshape(halves).max((3, 5)).reshape(count, m.shape[1], -1) for m in pooled)
        share = np.exp(theta.reshape(count, theta.shape[1], -1).transpose(0, 2, 1) @ phi)
        share /= share.sum(-1, keepdims=True)
        seen = (g @ share.transpose(0, 2, 1)).reshape(count, -1, height, width)
        return x + self.arrays[f"{name}.gamma"] * self.conv(seen, f"{name}.snconv1x1_o_conv")

    def block(self, x, given, name, doubles, outputs, truncation):
        skip = x
        for layer in range(4):
            at = f"{name}.bn_{layer}"
            scale, offset = (
                (given @ self.weight(f"{at}.{kind}").T)[:, :, None, None]
                for kind in ("scale", "offset")
            )
            x = np.maximum(self.normalized(x, at, truncation) * (1.0 + scale) + offset, 0.0)
            x = enlarged(x) if doubles and layer == 1 else x
            x = self.conv(x, f"{name}.conv_{layer}")
        skip = skip[:, : x.shape[1]]
        return x + (enlarged(skip) if doubles else skip)

    def images(self, z, labels, truncation):
        embedded = self.arrays["embeddings.weight"].T[labels]
        given = np.concatenate([z, embedded], axis=1)
        x = given @ self.weight("generator.gen_z").T + self.arrays["generator.gen_z.bias"]
        x = x.reshape(len(z), 4, 4, -1).transpose(0, 3, 1, 2)
        number = 0
        for block, (doubles, _, outputs) in enumerate(self.blocks):
            if block == self.attention_before:
                x = self.attention(x, f"generator.layers.{number}")
                number += 1
            x = self.block(x, given, f"generator.layers.{number}", doubles, outputs, truncation)
            number += 1
        x = self.normalized(x, "generator.bn", truncation)
        weight, bias = (self.arrays[f"generator.bn.{n}"] for n in ("weight", "bias"))
        x = np.maximum(x * weight[:, None, None] + bias[:, None, None], 0.0)
        return np.tanh(self.conv(x, "generator.conv_to_rgb")[:, :3]).transpose(0, 2, 3, 1)


def convolved(x, weight, bias):
    """A convolution of which the output is as large as the input, channels first."""
    size = weight.shape[-1]
    border = size // 2
    height, width = x.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    return bias[:, None, None] + sum(
        np.einsum("oc,nchw->nohw", weight[:, :, i, j], x[:, :, i : i + height, j : j + width])
        for i in range(size)
        for j in range(size)
    )


def enlarged(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


class TablesTest(tf.test.TestCase):
    def test_tables_of_the_paper(self):
        """Tables 7 to 9, of the generator."""
        table = [(False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8)]
        end = [(False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1)]
        of_128 = [*table, (False, 8, 8), (True, 8, 4), *end]
        of_256 = [*table, (False, 8, 8), (True, 8, 8), (False, 8, 8), (True, 8, 4), *end]
        of_512 = [*of_256, (False, 1, 1), (True, 1, 1)]
        for doublings, expected in ((5, of_128), (6, of_256), (7, of_512)):
            self.assertEqual(list(big_gan_deep.paper_blocks(doublings)), expected)
            before = big_gan_deep.paper_attention(doublings)
            self.assertEqual(4 * 2 ** sum(doubles for doubles, *_ in expected[:before]), 64)
        self.assertIsNone(big_gan_deep.paper_attention(4))

    @needs_backend("tensorflow", reason="it counts")
    def test_parameters_are_as_many_as_published(self):
        """50.4, 55.9 and 56.2 million, says the program that has them."""
        for size in (128, 256, 512):
            preset = presets()[f"big_gan_deep_imagenet{size}"]
            settings = {"latent_dim": 128, "embedding_dim": 128, "standing_statistics": 51}
            count = count_of({**settings, **preset.config["config"]})
            self.assertEqual(f"{count / 1e6:.1f}M", preset.paper["parameters"]["generator"])

    @needs_backend("tensorflow", reason="shapes are the same everywhere")
    def test_both_players_have_the_table(self):
        blocks = ((False, 4, 4), (True, 4, 4), (False, 4, 2), (True, 2, 2))
        gan = kerasgan.BigGANDeep(
            (16, 16, 1), 3, 4, 2, embedding_dim=3, blocks=blocks, attention_before=2, ema_decay=None
        )
        trainable = sum(math.prod(v.shape) for v in gan.generator.trainable_variables)
        settings = {**gan.get_config(), "standing_statistics": 2}
        settings["blocks"] = blocks
        self.assertEqual(trainable, count_of(settings))
        found = [gan.generator.get_layer(f"block{b}").output.shape[1:] for b in range(4)]
        self.assertEqual(found, [(4, 4, 8), (8, 8, 8), (8, 8, 4), (16, 16, 4)])
        network = gan.discriminator
        self.assertEqual(network.get_layer("from_image_sn").output.shape[1:], (16, 16, 4))
        found = [network.get_layer(f"block{b}").output.shape[1:] for b in range(4)]
        self.assertEqual(found, [(8, 8, 4), (8, 8, 8), (4, 4, 8), (4, 4, 8)])
        for each in (gan.generator, network):
            self.assertEqual(each.get_layer("attention").output.shape[1:], (8, 8, 8))

    @needs_backend("tensorflow", reason="it is about arguments")
    def test_arguments_out_of_range(self):
        for arguments, reason in (
            ({"attention_before": 1}, "attention_before=1 without blocks"),
            ({"blocks": BLOCKS}, "blocks double the size 2 times, but image_shape needs 1"),
            ({"blocks": [[True, 2, 4]]}, r"\[True, 2, 4\]; use at most as many outputs"),
            ({"blocks": [[True, 4, 2], [False, 4, 4]]}, r"\[False, 4, 4\] after one with 2"),
            ({"blocks": [[1, 4, 2]]}, r"\[1, 4, 2\]; use a bool and two whole numbers"),
            ({"blocks": [True]}, r"blocks has True; use \(doubles, inputs, outputs\)"),
            ({"blocks": [[True, 2, 2]], "attention_before": 1}, "an index of the 1 blocks"),
            ({"standing_statistics": 1}, "standing_statistics=1; .*at least 2"),
        ):
            with self.assertRaisesRegex(ValueError, reason):
                small_gan(**arguments)


def count_of(settings):
    """How many numbers that are trained a published generator has."""
    shapes = big_gan_deep.shapes_of(big_gan_deep.published_places(settings))
    kept = ("running_means", "running_vars", "weight_u", "weight_v")
    return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(kept))


class BlockTest(tf.test.TestCase):
    def convolution(self, filters, size, name):
        """With weights that can be found by their name."""
        layer = layers.Conv2D(filters, size, padding="same", name=name)
        self.made[name] = layer
        return layer

    def by_hand(self, x, name):
        kernel, bias = map(values, self.made[name].weights)
        return convolved(x, kernel.transpose(3, 2, 0, 1), bias)

    def test_down(self):
        """The features as they are, those of a 1x1 convolution beside them, and the bottleneck."""
        self.made = {}
        x = keras.Input((4, 4, 3))
        network = keras.Model(
            x, big_gan_deep.down_bottleneck(x, 8, self.convolution, "b", halves=True)
        )
        self.assertEqual([values(c.bias).size for c in self.made.values()], [5, 2, 2, 2, 8])
        random = np.random.default_rng(0)
        for layer in self.made.values():
            layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
        images = normal(2, 4, 4, 3)
        h = skip = images.transpose(0, 3, 1, 2)

        def halved(x):
            return x.reshape(2, x.shape[1], 2, 2, 2, 2).mean((3, 5))

        for number in range(4):
            h = np.maximum(h, 0.0)
            h = self.by_hand(halved(h) if number == 3 else h, f"b_conv{number}")
        skip = halved(skip)
        h = h + np.concatenate([skip, self.by_hand(skip, "b_more")], axis=1)
        self.assertAllClose(values(network(images)), h.transpose(0, 2, 3, 1), atol=1e-4)

    def test_of_as_many_features_has_no_convolution_beside_it(self):
        self.made = {}
        x = keras.Input((4, 4, 8))
        network = keras.Model(
            x, big_gan_deep.down_bottleneck(x, 8, self.convolution, "b", halves=False)
        )
        self.assertEqual([values(c.bias).size for c in self.made.values()], [2, 2, 2, 8])
        for layer in self.made.values():
            layer.set_weights([np.zeros(w.shape) for w in layer.weights])
        images = normal(2, 4, 4, 8)
        self.assertAllEqual(values(network(images)), images)


class BigGANDeepTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="settings are the same everywhere")
    def test_settings(self):
        gan = small_gan()
        gan.compile()
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Hinge)
        self.assertEqual((gan.discriminator_steps, gan.batch_size_for()), (2, 512))
        for size, rates in ((8, (2e-4, 5e-5)), (256, (2.5e-5, 2.5e-5))):
            gan.image_shape = (size, size, 1)
            found = gan.default_optimizers()
            for player, rate in zip(("discriminator", "generator"), rates, strict=True):
                adam = found[player]
                self.assertAllClose(
                    [adam.learning_rate, adam.beta_1, adam.beta_2], [rate, 0.0, 0.999]
                )

    @needs_backend("tensorflow", reason="what frameworks can break is tested beside it")
    def test_truncation_without_statistics_is_that_of_big_gan(self):
        gan = small_gan()
        latents = gan.latents(500, seed=0, truncation=0.5)
        self.assertLessEqual(np.abs(latents).max(), 0.5)
        images = gan.generate(4, seed=0, labels=1, truncation=0.5)
        self.assertAllClose(images, gan.generate_from(latents[:4], labels=1), atol=1e-5)
        self.assertGreater(np.abs(images - gan.generate(4, seed=0, labels=1)).max(), 1e-3)

    def test_shares_of_statistics(self):
        wanted = np.zeros((7, 51))
        wanted[0, 50] = 1.0
        wanted[1, 25] = 1.0
        wanted[2, [21, 22]] = 0.5
        wanted[3, [21, 22]] = 0.25, 0.75  # the nearer one has the smaller share
        wanted[4, 29] = 1.0  # 0.58, of which float64 makes 28.999999999999996
        wanted[5, [0, 1]] = 0.25, 0.75
        strengths = np.array([1.0, 0.5, 0.43, 0.425, 0.58, 0.005, 1.01], "float32")
        found = big_gan_deep.shares_of(strengths, 51)
        self.assertAllClose(found, wanted, atol=1e-5)

    @needs_backend("tensorflow", "torch", reason="it compiles for a minute")
    def test_statistics_are_collected(self):
        """Of one batch: normalized with its set, it is what it is in training."""
        gan = small_gan(standing_statistics=3, ema_decay=0.5)
        kernel = gan.truncated_generator.get_layer("block0_norm1").gamma.layer.kernel
        kernel.assign(normal(*kernel.shape))  # or nothing tells the networks apart
        before = values(gan.generate(2, seed=0, labels=1))
        moving = values(norm_of(gan.ema_generator).moving_mean)
        gan.collect_statistics(batches=1, batch_size=8, seed=4)
        self.assertAllEqual(values(norm_of(gan.ema_generator).moving_mean), moving)
        self.assertAllEqual(gan.generate(2, seed=0, labels=1), before)
        for network in (gan.generator, gan.ema_generator):
            norm = norm_of(network)
            self.assertEqual((norm.momentum, norm.trainable), (0.9, network is gan.generator))
        labels = np.random.default_rng((4, 0)).integers(3, size=8, dtype="int32")
        norms = [x for x in all_layers([gan.ema_generator]) if hasattr(x, "momentum")]
        for truncation in (0.5, 1.0):
            found = gan.generate(8, seed=4, labels=labels, truncation=truncation)
            latents = gan.latents(8, seed=4, truncation=truncation)
            for norm in norms:
                norm.trainable = True
            wanted = values(gan.ema_generator([latents, labels], training=True))
            self.assertAllClose(found, wanted, rtol=0.0, atol=1e-5)
            self.assertGreater(wanted.std(0).mean(), 1e-2)
        again = values(norm_of(gan.generator).means)
        gan.collect_statistics(batches=2, batch_size=4, seed=4)
        self.assertNotAllClose(values(norm_of(gan.generator).means), again, atol=1e-6)
        self.assertAllEqual(*(values(norm_of(n).means) for n in (gan.generator, gan.ema_generator)))
        with self.assertRaisesRegex(ValueError, "make it with standing_statistics=51"):
            small_gan().collect_statistics()


class OfficialTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "pytorch_model.bin"

    def write(self, arrays, config=None, path=None):
        path = path or self.path
        path.write_bytes(state_dict(arrays, archive))
        if config is not None:
            path.with_name(path.name.replace("pytorch_model.bin", "config.json")).write_text(
                config if isinstance(config, str) else json.dumps(config)
            )
        return path

    @needs_backend("tensorflow", "torch", reason="it compiles for minutes")
    def test_images_are_those_of_the_published_program(self):
        arrays = published(SETTINGS)
        tree = {"layers": BLOCKS, "output_dim": 16, "eps": 1e-4}
        gan = kerasgan.load_official(self.write(arrays, tree), ema_decay=None)
        self.assertIsInstance(gan, kerasgan.BigGANDeep)
        self.assertEqual(gan.official.settings, SETTINGS)
        program = Program(arrays, BLOCKS, 2)
        labels = np.array([3, 0, 1], "int32")
        normals = gan.latents(3, seed=0)
        for truncation in (1.0, 0.5, 0.437):
            latents = gan.latents(3, seed=0, truncation=truncation)
            scaled = truncation * values(truncated(normals, 2.0))
            self.assertAllClose(latents, scaled, atol=1e-6)
            wanted = program.images(latents, labels, truncation)
            self.assertGreater(wanted.std(), 0.3)
            found = gan.generate(3, seed=0, labels=labels, truncation=truncation)
            self.assertAllClose(found, wanted, rtol=0.0, atol=1e-5)
        # Beside each other, in the graph that is exported.
        strengths = np.array([0.5, 0.437, 1.5], "float32")
        given = map(ops.convert_to_tensor, (normals, labels, strengths))
        found = values(gan.images_from_noise([next(given)], *given))
        self.assertAllClose(found[1], wanted[1], rtol=0.0, atol=1e-5)
        alone = gan.generate(3, seed=0, labels=labels)
        self.assertAllClose(found[2], alone[2], rtol=0.0, atol=1e-5)
        # What has drawn can still be saved.
        copy = kerasgan.BigGANDeep.from_config(gan.get_config())
        self.assertEqual(copy.generator.count_params(), gan.generator.count_params())
        # Latents that are given are those of truncation 1, without a truncation.
        self.assertAllClose(alone, program.images(normals, labels, 1.0), rtol=0.0, atol=1e-5)

    @needs_backend("tensorflow", reason="a generator is made and trained as others are")
    def test_what_is_imported_is_saved_and_trained_on(self):
        arrays = published(SMALL)
        config = {"layers": [[False, 2, 2], [True, 2, 1]], "eps": 1e-3}
        path = self.write(arrays, config, self.folder / "biggan-deep-8-pytorch_model.bin")
        gan = kerasgan.BigGANDeep.from_official(path)
        self.assertEqual(gan.official.settings, SMALL)
        self.assertEqual(gan.not_in_file(), ["discriminator"])
        keras_file = self.folder / "model.keras"
        gan.save(keras_file)
        copy = keras.saving.load_model(keras_file)
        before = gan.generate(3, seed=0, labels=1, truncation=0.3)
        self.assertAllEqual(copy.generate(3, seed=0, labels=1, truncation=0.3), before)
        norms = [norm_of(network) for network in (gan.generator, gan.ema_generator)]
        for norm in norms:
            self.assertAllEqual(norm.moving_mean, arrays["generator.bn.running_means"][-1])

        norm, labels = norms[0], np.array([0, 1, 2, 3], "int32")
        gan.generator([normal(4, 6), labels], training=True)  # as each step of a training does
        last = arrays["generator.bn.running_means"][-1]
        self.assertGreater(np.abs(values(norm.moving_mean) - last).max(), 1e-3)
        self.assertAllEqual(norm.means, arrays["generator.bn.running_means"])

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_settings_without_a_config(self):
        settings = {**SETTINGS, "image_shape": (128, 128, 3), "standing_statistics": 3}
        del settings["blocks"], settings["attention_before"]
        arrays = published(settings)
        self.write(arrays)
        for path in (self.path, self.folder):
            found = kerasgan.BigGANDeep.published_in(PublishedFile.read(path))
            self.assertEqual(found.settings, settings)
        self.assertEqual(found.weights("generator"), sum(a.size for a in arrays.values()))
        self.assertIsNone(kerasgan.BigGAN.published_in(PublishedFile.read(self.path)))
        for doublings in (5, 6, 7):
            ends = [
                (inputs, outputs) for _, inputs, outputs in big_gan_deep.paper_blocks(doublings)
            ]
            self.assertEqual(sum(big_gan_deep.doubling(ends, {})), doublings)

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_files_that_do_not_fit_are_refused_in_a_sentence(self):
        arrays, config = published(SETTINGS), {"layers": BLOCKS}
        last = "generator.layers.3.conv_2.weight_v"
        refused = [
            ({}, None, "its blocks are in no table of the paper; put the file's config.json"),
            ({}, {"layers": BLOCKS[:2]}, "config.json beside it has other layers than"),
            ({}, {"layers": [[0, *ends] for _, *ends in BLOCKS]}, "which layers double"),
            ({}, {"layers": [[False, *ends] for _, *ends in BLOCKS]}, "doubled 0 times"),
            ({}, {"layers": 3}, "config.json beside it has other layers"),
            ({}, {**config, "eps": "1"}, "eps='1', which is not between 0 and 1"),
            ({}, {**config, "output_dim": 32}, "output_dim=32, not 16"),
            ({}, "[" * 50_000, "config.json beside it is not a JSON object"),
            ({}, "[]", "config.json beside it is not a JSON object"),
            ({}, '{"layers": "' + "x" * 2**16 + '"}', "config.json beside it is not a JSON"),
            ({last: np.ones(3)}, config, r"conv_2.weight_v of shape \(3,\), not \(18,\)"),
            ({last: np.full(18, np.nan)}, config, "not finite floats"),
            ({"more": np.ones(3)}, config, "has the unknown more"),
            ({"generator.layers.1.gamma": np.ones(1)}, config, "more than one layer of attention"),
            ({"generator.gen_z.weight_orig": np.ones(3)}, config, "its networks are damaged"),
        ]
        for changed, beside, reason in refused:
            path = self.write({**arrays, **changed}, beside)
            with self.assertRaisesRegex(ValueError, rf"pytorch_model\.bin: .*{reason}") as caught:
                kerasgan.load_official(path)
            self.assertNotIn("\n", str(caught.exception))
        less = {name: array for name, array in arrays.items() if name != last}
        with self.assertRaisesRegex(ValueError, f"its generator lacks {last}"):
            kerasgan.load_official(self.write(less, config))
        with self.assertRaisesRegex(
            ValueError, "no generator network='G'; use None or 'generator'"
        ):
            kerasgan.load_official(self.write(arrays, config), network="G")


class TrainingProgramTest(tf.test.TestCase, parameterized.TestCase):
    """Files of BigGAN-PyTorch, with the networks that train."""

    def tree(self, name, settings, networks):
        tree = {}
        for network in networks:
            shapes = shapes_of(big_gan_deep.places_in_training(network, settings))
            if network == "G":  # our last convolution has more outputs
                for part in ("weight", "bias"):
                    own = shapes[f"output_layer.2.{part}"]
                    shapes[f"output_layer.2.{part}"] = (3, *own[1:])
                shapes["output_layer.2.u0"] = (1, 3)
            tree[network] = oracle.arrays(f"{name}.{network}", shapes)
        return PublishedFile(pathlib.Path(self.create_tempdir().full_path), tree)

    @parameterized.parameters(("biggan_deep", 32, 2, 4), ("biggan_deep_128", 128, 4, None))
    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    @pytest.mark.slow
    def test_networks_compute_what_the_published_ones_do(self, name, size, width, attention):
        settings = {"image_shape": (size, size, 3), "num_classes": 4, "latent_dim": 6}
        settings |= {"base_width": width, "embedding_dim": 5, "norm_epsilon": 1e-5}
        if attention:
            blocks = big_gan_deep.paper_blocks(3)
            settings |= {"blocks": blocks, "attention_before": attention}
        file = self.tree(name, settings, "GD" if size == 128 else "G")
        self.assertIsNone(kerasgan.BigGAN.published_in(file))
        gan = kerasgan.BigGANDeep.from_published_file(file, None, {"ema_decay": None})
        self.assertEqual(gan.official.settings, settings)
        labels = np.array([3, 1], "int32")
        images = values(gan.generator([oracle.inputs(f"{name}.z", 2, 6), labels], training=False))
        wanted = oracle.outputs(f"{name}.generator")
        step = size // 16
        self.assertAllClose(images[:, ::step, ::step], wanted, rtol=0.0, atol=1e-5)
        if size == 128:
            images = np.moveaxis(oracle.inputs(f"{name}.images", 2, 3, size, size), 1, -1)
            found = values(gan.discriminator([images, labels], training=False))
            wanted = oracle.outputs(f"{name}.discriminator")
            self.assertAllClose(found, wanted, rtol=1e-6, atol=1e-5)

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_what_is_left_out_or_refused(self):
        settings = {"image_shape": (32, 32, 3), "num_classes": 4, "latent_dim": 6}
        settings |= {"base_width": 2, "embedding_dim": 5}
        file = self.tree("biggan_deep", settings, "GD")
        found = kerasgan.BigGANDeep.published_in(file)
        self.assertEqual(set(found.networks), {"G"})
        self.assertIn("network D: at 32 pixels it is no mirror", found.ignored[0])
        arrays = file.tree["G"]
        for changed, reason in (
            ({"blocks.6.0.conv4.weight": np.ones(3)}, "has 7 blocks; BigGANDeep has two for each"),
            ({"blocks.5.1.gamma": np.ones(())}, r"after its blocks \[5\]; .* one but the last"),
            ({"shared.weight": np.ones(3)}, "G.pth: "),
            ({"linear.bias": np.ones(3)}, r"G has linear.bias of shape \(3,\)"),
        ):
            file = PublishedFile(pathlib.Path("G.pth"), {**arrays, **changed})
            with self.assertRaisesRegex(ValueError, reason):
                kerasgan.BigGANDeep.from_published_file(file, None, {})
