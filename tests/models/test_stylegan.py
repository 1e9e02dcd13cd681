import itertools
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from growing_helpers import (
    growing,
    images,
    made,
    randomize,
    shared,
    synthesis,
    trainable,
    values,
)
from keras import layers

import kerasgan
from kerasgan import presets
from kerasgan.growing.networks import stage_widths
from kerasgan.layers import AdaptiveInstanceNormalization, Blur, Equalized
from kerasgan.sampling.normals import standard_normal
from kerasgan.training.optimizers import all_layers
from kerasgan.utils.image_numbers import numbers_of_images


def strengths(network):
    """The strengths of the noise, by layer."""
    blocks = synthesis(network).blocks
    return [s.noise.strength for block in blocks for s in (block.styled1, block.styled2)]


def set_strengths(network, *by_layer):
    for variable, value in zip(strengths(network), by_layer, strict=True):
        variable.assign(np.full(variable.shape, value))


class StyleTestCase(tf.test.TestCase, parameterized.TestCase):
    """Has a model of three resolutions, six layers, and latents."""

    def setUp(self):
        super().setUp()
        self.gan = randomize(shared("StyleGAN"))
        mean = np.random.default_rng(5).normal(size=6)
        for generator in (self.gan.generator, self.gan.ema_generator):
            generator.mean.assign(mean)
        self.mean = mean.astype("float32")
        self.latents = self.gan.latents(4, seed=0)

    def styles(self, *arguments, **keywords):
        return self.gan.styles(self.latents, *arguments, **keywords)

    def noise(self):
        """What `generate` draws for the images of these latents, layer by layer."""
        sizes = (4, 4, 8, 8, 16, 16)[: self.gan.style_layers]
        numbers = numbers_of_images(0, range(4))
        return [standard_normal(numbers, (s, s, 1), n) for n, s in enumerate(sizes, start=1)]


class ArchitectureTest(StyleTestCase):
    def test_settings_are_those_of_appendix_c(self):
        gan = kerasgan.StyleGAN((8, 8, 1), 2, 2, 4)
        gan.compile()
        self.assertEqual(gan.ema_decay, 0.999)
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.NonSaturating)
        self.assertEqual(gan.adversarial_loss.label_smoothing, 0.0)
        (penalty,) = gan.penalties
        found = penalty.weight, penalty.at, penalty.center, penalty.every
        self.assertEqual(found, (10.0 / 2.0, "real", 0.0, 1))
        for player in gan.players:
            adam = gan.optimizer[player]
            found = [adam.learning_rate, adam.beta_1, adam.beta_2]
            self.assertAllClose([values(x) for x in found], [1e-3, 0.0, 0.99])
            self.assertEqual(adam.epsilon, 1e-8)

    def test_the_mapping_network_has_eight_layers_that_learn_slowly(self):
        mapping = self.gan.generator.mapping
        dense = [x for x in mapping.layers if isinstance(x, Equalized)]
        self.assertLen(dense, 8)
        for layer in dense:
            self.assertIsInstance(layer.layer, layers.Dense)
            self.assertEqual((layer.layer.units, layer.learning_rate_multiplier), (6, 0.01))
        others = all_layers([self.gan.generator.synthesis, self.gan.discriminator])
        found = {x.learning_rate_multiplier for x in others if isinstance(x, Equalized)}
        self.assertEqual(found, {1.0})

    def test_the_mapping_network_may_be_shallower(self):
        gan = growing("StyleGAN", mapping_layers=2)
        mapping = gan.generator.mapping
        self.assertLen([x for x in mapping.layers if isinstance(x, Equalized)], 2)
        copy = kerasgan.StyleGAN.from_config(gan.get_config())
        self.assertEqual(copy.get_config()["mapping_layers"], 2)
        self.assertLen(copy.generator.mapping.layers, len(mapping.layers))

    @parameterized.parameters({"mapping_layers": 0}, {"mixing_probability": 1.5})
    def test_settings_out_of_range_are_refused(self, **settings):
        ((name, value),) = settings.items()
        with self.assertRaisesRegex(ValueError, f"{name}={value}"):
            growing("StyleGAN", **settings)

    def test_the_length_of_a_latent_does_not_count(self):
        found = self.gan.styles(7.0 * self.latents)
        self.assertAllClose(found, self.styles(), rtol=1e-4, atol=1e-5)
        self.assertGreater(np.abs(found[0] - found[1]).max(), 1e-3)

    def test_the_paper_counts_26_2_million_parameters(self):
        """Table 1 and section 2.1: of the mapping and the synthesis network for 1024 pixels."""

        def count(widths, latent_dim, channels):
            def style(width):
                """The affine function, bias and noise of a layer."""
                return (latent_dim + 1) * 2 * width + 2 * width

            mapping = 8 * (latent_dim + 1) * latent_dim
            first = 16 * widths[0] + style(widths[0]) + 9 * widths[0] ** 2 + style(widths[0])
            others = sum(
                9 * before * width + 9 * width**2 + 2 * style(width)
                for before, width in itertools.pairwise(widths)
            )
            return mapping + first + others + (widths[-1] + 1) * channels

        published = presets.find("ffhq1024", "StyleGAN")
        widths = stage_widths(published.config["config"]["image_shape"], 16, 512)
        self.assertEqual(f"{count(widths, 512, 3) / 1e6:.1f}M", "26.2M")
        self.assertEqual(published.paper["parameters"], {"generator": "26.2M"})
        generator = self.gan.generator
        used = [generator.mapping, *generator.synthesis.blocks, generator.synthesis.to_image[-1]]
        found = sum(int(np.prod(w.shape)) for x in used for w in x.trainable_weights)
        self.assertEqual(found, count([8, 8, 4], 6, 1))

    def test_a_layer_is_noise_bias_leaky_relu_and_adain_with_a_style(self):
        styled = synthesis(self.gan.generator).blocks[1].styled2
        random = np.random.default_rng(0)
        x = random.normal(size=(3, 8, 8, 8)).astype("float32")
        w = random.normal(size=(3, 6)).astype("float32")
        noise = random.normal(size=(3, 8, 8, 1)).astype("float32")
        dense = styled.style.layer
        style = w @ (values(dense.kernel) / np.sqrt(6.0)) + values(dense.bias)
        features = x + noise * values(styled.noise.strength) + values(styled.bias)
        features = np.where(features > 0.0, features, 0.2 * features)
        features = features - features.mean((1, 2), keepdims=True)
        features = features / features.std((1, 2), keepdims=True)
        by_hand = (1.0 + style[:, None, None, :8]) * features + style[:, None, None, 8:]
        found = values(styled(x, w, noise=noise))
        self.assertAllClose(found, by_hand, rtol=1e-3, atol=1e-3)

    def test_begins_with_a_constant_that_is_learned(self):
        block = synthesis(self.gan.ema_generator).blocks[0]
        self.assertEqual(block.constant.shape, (1, 4, 4, 8))
        new = growing("StyleGAN").generator.synthesis.blocks[0]
        self.assertAllEqual(values(new.constant), np.ones((1, 4, 4, 8)))
        self.assertIn(new.constant.path, [w.path for w in new.trainable_weights])
        before = self.gan.generate_from(self.latents)
        block.constant.assign_add(np.random.default_rng(0).normal(size=(1, 4, 4, 8)))
        self.assertNotAllClose(self.gan.generate_from(self.latents), before, atol=1e-3)

    def test_enlarged_and_reduced_features_are_blurred(self):
        for stage in (1, 2):
            block = self.gan.discriminator.blocks[stage]
            self.assertLen([x for x in block.layers if isinstance(x, Blur)], 1)
            self.assertIsInstance(self.gan.generator.synthesis.blocks[stage].blur, Blur)

    def test_a_stage_of_the_discriminator_is_that_of_the_published_code_by_hand(self):
        """Blur, convolution, mean of 2x2, bias, leaky ReLU."""
        block = self.gan.discriminator.blocks[2]
        x = np.random.default_rng(0).normal(size=(2, 16, 16, 4)).astype("float32")
        features = values(keras.Model(block.input, block.get_layer("blur").output)(x))
        layer = block.get_layer("conv2_eq").layer
        kernel = values(layer.kernel) * np.sqrt(2.0 / (9 * 4))
        wide = np.pad(features, [(0, 0), (1, 1), (1, 1), (0, 0)])
        y = sum(wide[:, i : i + 16, j : j + 16] @ kernel[i, j] for i in range(3) for j in range(3))
        y = y.reshape(2, 8, 2, 8, 2, 8).mean((2, 4)) + values(layer.bias)
        self.assertAllClose(values(block(x)), np.where(y > 0.0, y, 0.2 * y), rtol=1e-4, atol=1e-4)

    def test_every_layer_has_a_style_and_noise_of_its_resolution(self):
        network = self.gan.generator.synthesis
        sizes = [v.shape for v in network.non_trainable_weights if v.path.endswith("noise")]
        expected = [(1, size, size, 1) for size in (4, 4, 8, 8, 16, 16)]
        self.assertEqual([tuple(shape) for shape in sizes], expected)
        found = [x for x in all_layers([network]) if isinstance(x, AdaptiveInstanceNormalization)]
        self.assertLen(found, 6)
        self.assertEqual(self.gan.style_layers, 6)
        styles = self.styles()
        before = self.gan.generate_from_styles(styles)
        for layer in range(6):
            moved = styles.copy()
            moved[:, layer] += 1.0
            found = self.gan.generate_from_styles(moved)
            self.assertNotAllClose(found, before, atol=1e-4, msg=layer)


class StylesTest(StyleTestCase):
    def test_generate_is_the_synthesis_of_styles(self):
        styles = self.styles()
        self.assertEqual(styles.shape, (4, 6, 6))
        self.assertAllEqual(styles, np.repeat(styles[:, :1], 6, axis=1))
        found = self.gan.generate_from_styles(styles)
        self.assertAllClose(found, self.gan.generate_from(self.latents), atol=1e-5)
        self.assertGreater(np.abs(found[0] - found[1]).max(), 1e-3)
        generated = self.gan.generate(4, seed=0)
        found = self.gan.generate_from_styles(styles, self.noise())
        self.assertAllClose(found, generated, atol=1e-5)
        self.assertAllClose(self.gan.generate(2, seed=0), generated[:2], atol=1e-5)

    def test_styles_are_those_of_the_averaged_generator(self):
        before = self.styles()
        for weight in self.gan.generator.mapping.weights:
            weight.assign(np.zeros(weight.shape))
        self.assertAllEqual(self.styles(), before)

    def test_at_a_lower_stage_there_are_fewer(self):
        self.gan.grow_to(1)
        styles = self.styles(truncation=0.5)
        self.assertEqual((self.gan.style_layers, styles.shape), (4, (4, 4, 6)))
        found = self.gan.generate_from_styles(self.styles(), self.noise())
        self.assertEqual(found.shape, (4, 8, 8, 1))
        self.assertAllClose(found, self.gan.generate(4, seed=0), atol=1e-5)

    def test_more_images_than_a_chunk(self):
        styles = np.repeat(self.styles()[:2], 33, axis=0)
        found = self.gan.generate_from_styles(styles)
        self.assertAllClose(found[[0, 32, 33, 65]], found[[1, 2, 64, 34]], atol=1e-5)
        self.assertNotAllClose(found[0], found[65], atol=1e-3)

    def test_noise_that_is_given_is_used_layer_by_layer(self):
        set_strengths(self.gan.ema_generator, *[0.5] * 6)
        styles = self.styles()
        noise = [np.zeros((4, size, size, 1), "float32") for size in (4, 4, 8, 8, 16, 16)]
        silent = self.gan.generate_from_styles(styles, noise)
        self.assertNotAllClose(silent, self.gan.generate_from_styles(styles), atol=1e-3)
        for layer in range(6):
            louder = [array.copy() for array in noise]
            louder[layer][0] = np.random.default_rng(0).normal(size=louder[layer][0].shape)
            found = self.gan.generate_from_styles(styles, louder)
            self.assertAllEqual(found[1:], silent[1:])
            self.assertNotAllClose(found[0], silent[0], atol=1e-3)

    def test_sampled_images_are_cut_and_training_ones_are_not(self):
        for generator in (self.gan.generator, self.gan.ema_generator):
            set_strengths(generator, *[0.0] * 6)
            for weight in synthesis(generator).to_image[-1].weights:
                weight.assign(100.0 * values(weight))
        styles = self.styles()
        unbounded = values(self.gan.generator.synthesis(styles, training=True))
        self.assertGreater(unbounded.max(), 1.5)
        self.assertLess(unbounded.min(), -1.5)
        found = self.gan.generate_from_styles(styles)
        self.assertAllClose(found, np.clip(unbounded, -1.0, 1.0), atol=1e-3)


class TruncationTest(StyleTestCase):
    def test_moves_styles_linearly_towards_the_mean(self):
        styles = self.styles()
        self.assertAllClose(self.styles(1.0), styles, rtol=1e-5, atol=1e-6)
        self.assertAllClose(self.styles(0.0), np.broadcast_to(self.mean, (4, 6, 6)))
        for psi in (0.3, 0.7):
            by_hand = self.mean + psi * (styles - self.mean)
            self.assertAllClose(self.styles(psi), by_hand, rtol=1e-4, atol=1e-5)

    def test_is_of_the_layers_up_to_32_pixels(self):
        self.assertEqual(kerasgan.StyleGAN.truncated_layers, 2 * len((4, 8, 16, 32)))
        styles = self.styles()
        with mock.patch.object(kerasgan.StyleGAN, "truncated_layers", 4):
            found = self.styles(0.0)
        self.assertAllClose(found[:, :4], np.broadcast_to(self.mean, (4, 4, 6)))
        self.assertAllEqual(found[:, 4:], styles[:, 4:])

    def test_of_images(self):
        set_strengths(self.gan.ema_generator, *[0.0] * 6)
        images = self.gan.generate(4, seed=0, truncation=0.0)
        self.assertAllClose(images, np.repeat(images[:1], 4, axis=0), atol=1e-5)
        full = self.gan.generate(4, seed=0)
        self.assertAllClose(self.gan.generate(4, seed=0, truncation=1.0), full, atol=1e-5)
        half = self.gan.generate(4, seed=0, truncation=0.5)
        self.assertAllClose(half, self.gan.generate_from_styles(self.styles(0.5)), atol=1e-5)
        self.assertNotAllClose(half, full, atol=1e-3)

    def test_leaves_the_noise_as_it_is(self):
        found = self.gan.generate(4, seed=0, truncation=0.5)
        expected = self.gan.generate_from_styles(self.styles(0.5), self.noise())
        self.assertAllClose(found, expected, atol=1e-5)

    def test_is_off_by_default(self):
        self.assertAllEqual(self.styles(), self.styles(truncation=None))
        with mock.patch.object(self.gan, "styles", wraps=self.gan.styles) as called:
            self.gan.generate(4, seed=0)
        ((_, truncation), _) = called.call_args
        self.assertIsNone(truncation)

    def test_out_of_range(self):
        for psi in (-0.1, 1.5, [0.5, 0.5], float("nan")):
            with self.assertRaisesRegex(ValueError, "truncation=.*from 0 to 1"):
                self.gan.generate(2, truncation=psi)
        for psi in (None, 0.5):
            with self.assertRaisesRegex(ValueError, "unconditional"):
                self.gan.generate(2, labels=1, truncation=psi)


class MeanTest(StyleTestCase):
    def test_is_tracked_in_training_alone(self):
        generator = self.gan.generator
        generator.mean.assign(np.zeros(6))
        w = values(generator.mapping(self.latents)).mean(0)
        generator(self.latents, training=False)
        self.assertAllEqual(values(generator.mean), np.zeros(6))
        generator(self.latents, training=True)
        self.assertAllClose(values(generator.mean), 0.005 * w, rtol=1e-4, atol=1e-7)
        generator(self.latents, training=True)
        twice = 0.005 * w + 0.005 * (w - 0.005 * w)
        self.assertAllClose(values(generator.mean), twice, rtol=1e-4, atol=1e-7)

    def test_after_a_step_of_training(self):
        gan = trainable("StyleGAN")
        gan.grow_to(0)
        w = values(gan.generator.mapping(self.latents)).mean(0)
        self.assertGreater(np.abs(w).max(), 1e-3)
        with mock.patch.object(gan, "sample_latents", return_value=self.latents):
            gan.train_on_batch(images(gan, 4))
        self.assertAllClose(values(gan.generator.mean), 0.005 * w, rtol=1e-3, atol=1e-7)
        # What truncation uses is the average, of which the first step is 9 / 11.
        averaged = 0.005 * w * 9 / 11
        self.assertAllClose(values(gan.ema_generator.mean), averaged, rtol=1e-3, atol=1e-7)


class MixingTest(StyleTestCase):
    def mixed(self, count):
        """Which layers' styles are another latent's, for many images whose own are zero."""
        self.gan.generator.synthesis.stage = count // 2 - 1
        own = np.zeros((4000, count, 6), "float32")
        found = values(self.gan.generator.mixed(own, None))
        return found, np.any(found != 0.0, axis=-1)

    @parameterized.parameters(2, 4, 6)
    def test_is_of_nine_images_in_ten(self, count):
        _, other = self.mixed(count)
        # The standard deviation of the share is sqrt(0.9 * 0.1 / 4000) = 0.0047.
        self.assertAllClose(other.any(1).mean(), 0.9, atol=0.019)

    @parameterized.parameters(2, 4, 6)
    def test_is_from_any_layer_but_the_first_on(self, count):
        found, other = self.mixed(count)
        self.assertFalse(other[:, 0].any())
        first = other.argmax(1)[other.any(1)]
        after = np.arange(count) >= first[:, None]
        self.assertAllEqual(other[other.any(1)], after)
        shares = np.bincount(first, minlength=count)[1:] / len(first)
        deviation = np.sqrt(1.0 / (count - 1) / 3600)
        self.assertAllClose(shares, np.full(count - 1, 1.0 / (count - 1)), atol=4.0 * deviation)
        # All of an image are of one latent, and of another image of another.
        last = found[:, -1:]
        self.assertAllEqual(found[other], np.repeat(last, count, axis=1)[other])
        self.assertLen(np.unique(last[:, 0], axis=0), 1 + other.any(1).sum())

    def test_own_styles_are_kept_and_the_others_are_the_mapping_networks(self):
        generator = self.gan.generator
        own = np.repeat(values(generator.mapping(self.gan.latents(500)))[:, None], 6, axis=1)
        drawn = []

        def normal(shape, **arguments):
            drawn.append(np.random.default_rng(1).normal(size=shape).astype("float32"))
            return drawn[-1]

        with mock.patch("keras.random.normal", normal):
            found = values(generator.mixed(own, None))
        self.assertEqual([z.shape for z in drawn], [(500, 6)])
        others = values(generator.mapping(drawn[0]))[:, None]
        is_own, is_other = np.all(found == own, axis=-1), np.isclose(found, others).all(-1)
        self.assertTrue(np.all(is_own | is_other))
        self.assertTrue(np.all(is_own[:, 0]))
        self.assertTrue(is_other[:, -1].sum() > 400)

    def test_is_in_training_alone(self):
        for each in (self.gan.generator, self.gan.ema_generator):
            set_strengths(each, *[0.0] * 6)
        latents = self.gan.latents(400, seed=0)
        generator = self.gan.generator
        styles = np.repeat(values(generator.mapping(latents))[:, None], 6, axis=1)
        own = values(generator.synthesis(styles, training=True))
        self.assertAllClose(made(self.gan, latents), np.clip(own, -1.0, 1.0), atol=1e-5)
        first, second = (values(generator(latents, training=True)) for _ in range(2))
        differs = np.abs(first - own).max((1, 2, 3)) > 1e-5
        # The standard deviation of the share is sqrt(0.9 * 0.1 / 400) = 0.015.
        self.assertAllClose(differs.mean(), 0.9, atol=0.06)
        self.assertNotAllClose(first, second, atol=1e-3)


class StyleMixTest(StyleTestCase):
    def mix(self, layers, **arguments):
        return self.gan.style_mix(self.latents[:2], self.latents[2:], layers, **arguments)

    def test_of_no_layers_is_the_targets_and_of_all_the_sources(self):
        sources, targets = np.split(self.gan.generate_from(self.latents), 2)
        found = self.mix(range(0))
        self.assertEqual(found.shape, (2, 2, 16, 16, 1))
        self.assertAllClose(found, np.stack([targets, targets]), atol=1e-5)
        found = self.mix(range(6))
        self.assertAllClose(found, np.stack([sources, sources], axis=1), atol=1e-5)

    def test_takes_the_named_layers_from_the_sources(self):
        styles = self.styles()
        for named, chosen in (
            ("coarse", [0, 1]),
            ("middle", [2, 3]),
            ("fine", [4, 5]),
            (range(1, 4), [1, 2, 3]),
            (range(0, 6, 2), [0, 2, 4]),
        ):
            found = self.mix(named)
            for source in (0, 1):
                by_hand = styles[2:].copy()
                by_hand[:, chosen] = styles[source, chosen]
                expected = self.gan.generate_from_styles(by_hand)
                self.assertAllClose(found[source], expected, atol=1e-5)

    def test_truncated(self):
        found = self.mix("coarse", truncation=0.0)
        average = self.gan.generate_from_styles(np.broadcast_to(self.mean, (1, 6, 6)))
        self.assertAllClose(found, np.broadcast_to(average, found.shape), atol=1e-5)

    def test_the_names_cover_all_layers_once_at_every_stage(self):
        for stage in range(9):
            with mock.patch.object(kerasgan.StyleGAN, "stage", stage):
                parts = [self.gan.chosen_layers(name) for name in ("coarse", "middle", "fine")]
            self.assertEqual([*itertools.chain(*parts)], list(range(2 * (stage + 1))))
            if stage >= 5:  # 128x128: up to 8x8, 16x16 and 32x32, the rest
                self.assertEqual(parts[:2], [[0, 1, 2, 3], [4, 5, 6, 7]])

    def test_of_other_layers(self):
        for wrong in ("rough", [0, 1], range(7), range(-1, 2), 3, None, "2"):
            with self.assertRaisesRegex(ValueError, r"use 'coarse', 'middle', 'fine' or a range"):
                self.mix(wrong)


class NoiseTest(StyleTestCase):
    def test_images_of_a_latent_differ_in_their_noise(self):
        set_strengths(self.gan.ema_generator, *[0.3] * 6)
        found = self.gan.stochastic_variation(self.latents[0], 4, seed=0)
        self.assertEqual(found.shape, (4, 16, 16, 1))
        for i in range(4):
            for j in range(i):
                self.assertGreater(np.abs(found[i] - found[j]).max(), 1e-3)
        again = self.gan.stochastic_variation(self.latents[0], 4, seed=0)
        self.assertAllEqual(again, found)
        for seed in (1, None):
            other = self.gan.stochastic_variation(self.latents[0], 4, seed=seed)
            self.assertNotAllClose(other, found, atol=1e-3)

    def test_differ_in_nothing_else(self):
        set_strengths(self.gan.ema_generator, *[0.0] * 6)
        found = self.gan.stochastic_variation(self.latents[0], 4)
        same = np.repeat(self.gan.generate_from(self.latents)[:1], 4, axis=0)
        self.assertAllClose(found, same, atol=1e-5)

    def test_at_a_lower_stage(self):
        self.gan.grow_to(0)
        self.assertEqual(self.gan.stochastic_variation(self.latents[0], 3).shape, (3, 4, 4, 1))

    def test_of_a_pixel_changes_the_image_around_it(self):
        """As far as convolutions carry it; AdaIN's means and deviations of maps spread a little."""
        set_strengths(self.gan.ema_generator, *[0.3] * 6)
        random = np.random.default_rng(0)
        pixels = np.arange(64)
        rows, columns = random.integers(3, 13, (2, 64))
        y, x = np.mgrid[:16, :16]
        sizes = (4, 4, 8, 8, 16, 16)
        noise = [random.normal(size=(64, n, n, 1)).astype("float32") for n in sizes]
        styles = np.repeat(self.styles(), 16, axis=0)
        before = self.gan.generate_from_styles(styles, noise)
        for layer, reach in ((5, 0), (4, 1)):  # the last two, with a convolution between them
            moved = [array.copy() for array in noise]
            moved[layer][pixels, rows, columns] += 2.0
            changes = (self.gan.generate_from_styles(styles, moved) - before)[..., 0] ** 2
            away = np.maximum(np.abs(y - rows[:, None, None]), np.abs(x - columns[:, None, None]))
            outside = changes[away > reach]
            self.assertLess(outside.sum(), 0.1 * changes.sum())  # of all pixels but a few

    def test_of_early_layers_is_coarse_and_of_late_ones_fine(self):
        """As section 3.2 and figure 5 have it: by the mean frequency of what it changes."""
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16)))
        for latent in self.latents[:2]:
            centroids = []
            for layer in (1, 3, 5):  # the last of 4x4, 8x8 and 16x16
                set_strengths(self.gan.ema_generator, *(float(x == layer) for x in range(6)))
                found = self.gan.stochastic_variation(latent, 16, seed=0)[..., 0]
                self.assertLess(np.abs(found).max(), 1.0)  # what is cut has other frequencies
                changes = found - found.mean(0)
                power = np.mean(np.abs(np.fft.fft2(changes)) ** 2, axis=0)
                centroids.append(np.sum(frequency * power) / np.sum(power))
            self.assertLess(1.2 * centroids[0], centroids[1])
            self.assertLess(1.2 * centroids[1], centroids[2])


class InterpolationTest(StyleTestCase):
    def way(self, space, num_images=4):
        """The images, and the latents or styles that they were made of."""
        name = {"w": "generate_from_styles", "z": "generate_from"}[space]
        method = getattr(self.gan, name)
        with mock.patch.object(self.gan, name, side_effect=method) as called:
            found = self.gan.interpolate(*self.latents[:2], num_images, space)
        ((points,), _) = called.call_args
        return found, points

    @parameterized.parameters("w", "z")
    def test_ends_are_the_images_of_the_latents(self, space):
        found, _ = self.way(space)
        ends = self.gan.generate_from(self.latents)[:2]
        self.assertEqual(found.shape, (4, 16, 16, 1))
        self.assertAllClose(found[[0, -1]], ends, atol=1e-4)
        for a, b in itertools.pairwise(found):
            self.assertNotAllClose(a, b, atol=1e-4)

    def test_in_w_is_along_a_straight_line(self):
        found, points = self.way("w")
        first, second = self.styles()[:2]
        by_hand = [first, (2 * first + second) / 3, (first + 2 * second) / 3, second]
        self.assertAllClose(points, by_hand, rtol=1e-4, atol=1e-5)
        self.assertAllClose(found, self.gan.generate_from_styles(np.stack(by_hand)), atol=1e-4)

    def test_in_z_stays_on_the_sphere(self):
        _, points = self.way("z", 5)
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        ends = np.linalg.norm(self.latents[:2], axis=1)
        self.assertAllClose(lengths[:, 0], np.linspace(*ends, 5), rtol=1e-4)
        points = points / lengths
        cosines = np.sum(points[1:] * points[:-1], axis=1)
        angles = np.arccos(np.clip(cosines, -1.0, 1.0))
        self.assertAllClose(angles, np.full(4, angles.mean()), rtol=1e-2)
        unit = self.latents[:2] / np.linalg.norm(self.latents[:2], axis=1, keepdims=True)
        self.assertAllClose(angles.sum(), np.arccos(unit[0] @ unit[1]), rtol=1e-3)  # not around

    def test_is_in_w_by_default(self):
        found = self.gan.interpolate(*self.latents[:2], num_images=4)
        self.assertAllClose(found, self.way("w")[0], atol=1e-5)

    def test_out_of_range(self):
        with self.assertRaisesRegex(ValueError, "space='x': StyleGAN has no such"):
            self.gan.interpolate(*self.latents[:2], space="x")
        with self.assertRaisesRegex(ValueError, "num_images=1; use a whole number of at least 2"):
            self.gan.interpolate(*self.latents[:2], num_images=1)
