import itertools
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from growing_helpers import growing, images, made, randomize, reduced, shared, values

import kerasgan
from kerasgan import presets
from kerasgan.growing import networks
from kerasgan.growing.networks import stage_widths
from kerasgan.layers import Blur
from kerasgan.models import progan
from kerasgan.training.official import PublishedFile
from kerasgan.weight_files import Record, read_tree

# Table 2 of the paper, from 4x4 on.
WIDTHS = [512, 512, 512, 512, 256, 128, 64, 32, 16]


def convolution(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


def of_generator(widths, latent_dim, channels):
    """Parameters of the left half of table 2."""
    count = convolution(4, latent_dim, widths[0]) + convolution(3, widths[0], widths[0])
    for before, width in itertools.pairwise(widths):
        count += convolution(3, before, width) + convolution(3, width, width)
    return count + convolution(1, widths[-1], channels)


def of_discriminator(widths, channels):
    """Parameters of the right half of table 2."""
    count = convolution(1, channels, widths[-1])
    for before, width in itertools.pairwise(widths):
        count += convolution(3, width, width) + convolution(3, width, before)
    # With the map of the standard deviation over the minibatch.
    count += convolution(3, widths[0] + 1, widths[0]) + convolution(4, widths[0], widths[0])
    return count + convolution(1, widths[0], 1)


def parameters(layers):
    return sum(int(np.prod(w.shape)) for layer in layers for w in layer.trainable_weights)


class Table2Test(tf.test.TestCase):
    def test_the_defaults_are_its_widths_for_1024_pixels(self):
        gan = kerasgan.ProGAN((8, 8, 3))
        self.assertEqual((gan.latent_dim, gan.base_width, gan.max_width), (512, 16, 512))
        found = stage_widths((1024, 1024, 3), gan.base_width, gan.max_width)
        self.assertEqual(found, WIDTHS)

    def test_smaller_networks_are_its_first_stages(self):
        for doublings in range(1, 9):
            size = 4 * 2**doublings
            found = stage_widths((size, size, 3), 16 * 1024 // size, 512)
            self.assertEqual(found, WIDTHS[: doublings + 1])

    def test_the_paper_counts_23_1_million_parameters(self):
        """Which makes the formulas those of the paper, with which ours are compared below."""
        published = presets.find("celebahq1024", "ProGAN")
        self.assertEqual(stage_widths(published.config["config"]["image_shape"], 16, 512), WIDTHS)
        counts = {"generator": of_generator(WIDTHS, 512, 3)}
        counts["discriminator"] = of_discriminator(WIDTHS, 3)
        found = {network: f"{count / 1e6:.1f}M" for network, count in counts.items()}
        self.assertEqual(found, {"generator": "23.1M", "discriminator": "23.1M"})
        self.assertEqual(found, published.paper["parameters"])

    def test_ours_have_as_many_parameters(self):
        for settings in ({}, {"latent_dim": 5, "base_width": 3, "max_width": 7}):
            gan = growing("ProGAN", image_shape=(16, 16, 3), **settings)
            widths = stage_widths((16, 16, 3), gan.base_width, gan.max_width)
            generator, discriminator = gan.generator, gan.discriminator
            found = parameters([*generator.blocks, generator.to_image[-1]])
            self.assertEqual(found, of_generator(widths, gan.latent_dim, 3))
            found = parameters([*discriminator.blocks, discriminator.from_image[-1]])
            self.assertEqual(found, of_discriminator(widths, 3))


class ProGANTest(tf.test.TestCase):
    def test_settings_are_those_of_appendix_a(self):
        gan = growing("ProGAN", ema_decay=kerasgan.ProGAN((8, 8, 1), 2, 2, 4).ema_decay)
        gan.compile()
        self.assertEqual(gan.ema_decay, 0.999)
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Wasserstein)
        self.assertEqual(gan.adversarial_loss.drift, 1e-3)
        self.assertEqual(gan.discriminator_steps, 1)
        (penalty,) = gan.penalties
        found = penalty.weight, penalty.at, penalty.center, penalty.one_sided, penalty.every
        self.assertEqual(found, (10.0, "interpolates", 1.0, False, 1))
        for player in gan.players:
            adam = gan.optimizer[player]
            found = [adam.learning_rate, adam.beta_1, adam.beta_2]
            self.assertAllClose([values(x) for x in found], [1e-3, 0.0, 0.99])
            self.assertEqual(adam.epsilon, 1e-8)

    def test_features_are_normalized_in_each_pixel(self):
        gan = randomize(shared("ProGAN"))
        features = gan.latents(3, seed=0)
        for block in gan.generator.blocks:
            features = block(features)
            found = np.mean(values(features) ** 2, axis=-1)
            self.assertAllClose(found, np.ones(found.shape), rtol=1e-3)

    def test_the_length_of_a_latent_does_not_count(self):
        gan = randomize(shared("ProGAN"))
        latents = gan.latents(3, seed=0)
        self.assertAllClose(made(gan, 3.0 * latents), made(gan, latents), atol=1e-5)
        self.assertNotAllClose(made(gan, latents[::-1].copy()), made(gan, latents), atol=1e-3)

    def test_sampled_images_are_cut_and_training_ones_are_not(self):
        gan = randomize(shared("ProGAN"))
        for network in (gan.generator, gan.ema_generator):
            for weight in network.to_image[-1].weights:
                weight.assign(100.0 * values(weight))
        latents = gan.latents(3, seed=0)
        unbounded = values(gan.generator(latents, training=True))
        self.assertGreater(unbounded.max(), 1.5)
        self.assertLess(unbounded.min(), -1.5)
        self.assertAllClose(gan.generate_from(latents), np.clip(unbounded, -1.0, 1.0), atol=1e-4)

    def test_the_discriminator_sees_that_images_are_the_same(self):
        gan = randomize(shared("ProGAN"))
        x = images(gan, 4)
        judge = gan.discriminator
        alone, among_others = values(judge(x[:1]))[0], values(judge(x))[0]
        duplicates = values(judge(np.repeat(x[:1], 4, axis=0)))
        self.assertAllClose(duplicates, np.tile(alone, (4, 1)), atol=1e-4)
        self.assertNotAllClose(among_others, alone, atol=1e-3)

    def test_a_stage_of_the_discriminator_pools_before_or_after_it_activates(self):
        """The released networks add the bias to the mean of convolutions, table 2 before it."""
        x = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
        found = {}
        for pool_first in (True, False):
            block = networks.down_block(1, 4, 8, blur=False, pool_first=pool_first)
            bias = block.get_layer("conv2_eq").layer.bias
            bias.assign(np.linspace(-1.0, 1.0, 8))
            y = values(keras.Model(block.input, block.get_layer("conv2_eq").output)(x))
            leaky = np.where(y > 0.0, y, 0.2 * y)
            y = reduced(y if pool_first else leaky)
            found[pool_first] = np.where(y > 0.0, y, 0.2 * y) if pool_first else y
            self.assertAllClose(values(block(x)), found[pool_first], rtol=1e-4, atol=1e-4)
        self.assertNotAllClose(*found.values(), atol=1e-2)

    def test_pooling_can_be_as_in_table_2(self):
        self.assertTrue(kerasgan.ProGAN((8, 8, 1), 2, 2, 4).discriminator.settings["pool_first"])
        gan = kerasgan.ProGAN((8, 8, 1), 2, 2, 4, pool_first=False)
        copy = kerasgan.ProGAN.from_config(gan.get_config())
        for each in (gan, copy):
            self.assertFalse(each.discriminator.settings["pool_first"])

    def test_nothing_is_blurred(self):
        blocks = growing("ProGAN").discriminator.blocks
        self.assertFalse(any(isinstance(x, Blur) for block in blocks for x in block.layers))


FILE = pathlib.Path(__file__).parents[1] / "published_files" / "progan_fair_small.pth"
SETTINGS = {"image_shape": (16, 16, 3), "latent_dim": 6, "widths": (8, 6, 4)}


def judge_tensors(random):
    """Random arrays of a published discriminator."""
    places = progan.published_places("discriminator", SETTINGS)
    shapes = progan.with_biases({place.theirs: place.shape for place in places})
    return {n: random.normal(size=s).astype("float32") for n, s in shapes.items()}


class OfficialTest(tf.test.TestCase):
    def test_images_are_those_of_the_published_program(self):
        gan = kerasgan.load_official(FILE)
        self.assertIsInstance(gan, kerasgan.ProGAN)
        wanted = {"image_shape": (32, 32, 3), "latent_dim": 16, "widths": (16, 16, 12, 8)}
        wanted |= {"pool_first": False, "first_bias": "places"}
        self.assertEqual(gan.official.settings, wanted)
        places = {"generator": "netG", "ema_generator": "avgG"}
        self.assertEqual(gan.official.places, places)
        self.assertEqual(gan.not_in_file(), ["discriminator"])
        with np.load(FILE.with_suffix(".npz")) as file:
            z, images_there = file["z"], np.moveaxis(file["img"], 1, -1)
        found = keras.ops.convert_to_numpy(gan.ema_generator(z, training=True))
        limit = 2e-5 * np.abs(images_there).max()
        self.assertAllClose(found, images_there, rtol=0.0, atol=limit)
        config = gan.get_config()
        copy = kerasgan.ProGAN.from_config(config)
        copy.ema_generator.set_weights(gan.ema_generator.get_weights())
        self.assertAllEqual(copy.generate(2, seed=0), gan.generate(2, seed=0))

    def test_files_that_do_not_fit_are_refused(self):
        tree = read_tree(FILE)
        lacking = {n: a for n, a in tree["netG"].items() if n != "scaleLayers.1.1.module.bias"}
        other = Record("models.utils.config.BaseConfig", {"leakyness": 0.1})
        for changed, reason in (
            ({"netG": lacking}, "netG lacks scaleLayers.1.1.bias"),
            ({**tree, "config": other}, "leakyness=0.1; ProGAN has 0.2"),
        ):
            file = PublishedFile(FILE, changed)
            with self.assertRaisesRegex(ValueError, reason):
                kerasgan.ProGAN.from_published_file(file, None, {})
        with self.assertRaisesRegex(ValueError, "network='D'; use None or 'netG' or 'avgG'"):
            kerasgan.ProGAN.from_official(FILE, network="D")
        only = kerasgan.ProGAN.published_in(PublishedFile(FILE, tree), "netG")
        self.assertEqual((set(only.networks), only.ignored), ({"netG"}, ("network avgG",)))
        classifies = {"decisionLayer.module.weight": np.zeros((5, 16), "float32")}
        file = PublishedFile(FILE, {**tree, "netD": classifies})
        found = kerasgan.ProGAN.published_in(file)
        self.assertNotIn("netD", found.networks)
        self.assertIn("netD: it classifies", found.ignored[0])

    def test_settings_that_cannot_be_had(self):
        with self.assertRaisesRegex(ValueError, r"widths=\(8, 8\); use 3 numbers for images of 16"):
            kerasgan.ProGAN((16, 16, 1), latent_dim=4, widths=(8, 8))
        with self.assertRaisesRegex(ValueError, "first_bias='all'; use 'maps' or 'places'"):
            kerasgan.ProGAN((16, 16, 1), first_bias="all")

    @needs_backend("torch", reason="it compares with PyTorch")
    def test_logits_are_those_of_pytorch(self):
        """The published discriminator by hand, of a batch of 4: one group."""
        import torch
        from torch.nn import functional

        random = np.random.default_rng(0)
        arrays = judge_tensors(random)

        def layer(x, name, padding=0):
            weight, bias = (torch.tensor(arrays[f"{name}.{n}"]) for n in ("weight", "bias"))
            if weight.ndim == 2:
                y = functional.linear(x, weight, bias)
            else:
                y = functional.conv2d(x, weight, bias, padding=padding)
            return y * (2.0 / weight[0].numel()) ** 0.5

        def activated(*arguments):
            return functional.leaky_relu(layer(*arguments), 0.2)

        images_there = random.uniform(-1.0, 1.0, (4, 16, 16, 3)).astype("float32")
        x = activated(torch.tensor(images_there).permute(0, 3, 1, 2), "fromRGBLayers.2")
        for stage in (1, 0):
            for number in (0, 1):
                x = activated(x, f"scaleLayers.{stage}.{number}", 1)
            x = functional.avg_pool2d(x, 2)
        deviation = torch.sqrt(torch.var(x, 0) + 1e-8).mean()
        x = torch.cat([x, deviation.expand(4, 1, 4, 4)], 1)
        x = activated(x, "groupScaleZero.0", 1).reshape(4, -1)
        wanted = layer(activated(x, "groupScaleZero.1"), "decisionLayer").numpy()

        gan = kerasgan.ProGAN(**SETTINGS, pool_first=False, first_bias="places")
        gan.load_network("discriminator", arrays)
        found = keras.ops.convert_to_numpy(gan.discriminator(images_there))
        self.assertAllClose(found, wanted, rtol=0.0, atol=2e-5 * np.abs(wanted).max())
