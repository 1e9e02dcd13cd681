import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import in_step, needs_backend
from keras import ops

import kerasgan
from kerasgan.layers.blur import gaussian
from kerasgan.models import stylegan3
from kerasgan.models.stylegan3 import layer_designs, load_published

# Weights, inputs and outputs of the published PyTorch program (small networks of random weights,
# one with three classes, float32 on a CPU), by its own names and with channels first; and its
# tables of layers for three sizes of images.
PUBLISHED = pathlib.Path(__file__).parents[1] / "published_stylegan3.npz"
SMALL = {"latent_dim": 6, "base_width": 2, "max_width": 4, "num_layers": 3}


def values(x):
    return ops.convert_to_numpy(x)


def channels_last(images):
    return np.moveaxis(images, 1, -1)


def small(size=8, **settings):
    keras.utils.set_random_seed(0)
    return kerasgan.StyleGAN3((size, size, 1), **{**SMALL, "seed": 0, **settings})


def published(prefix):
    with np.load(PUBLISHED) as file:
        return {n.removeprefix(prefix): file[n] for n in file if n.startswith(prefix)}


class PublishedTest(tf.test.TestCase, parameterized.TestCase):
    def model(self, variant):
        classes = {"r": 3, "t": None}[variant]
        sizes = {"latent_dim": 32, "base_width": 16, "max_width": 24, "num_layers": 6}
        return kerasgan.StyleGAN3((32, 32, 3), variant=variant, num_classes=classes, **sizes)

    def test_computes_what_the_published_program_does(self):
        """Both variants in one step; the discriminator is that of the second."""
        models = {variant: self.model(variant) for variant in "tr"}
        given = {variant: published(f"{variant}/in_out/") for variant in "tr"}
        for variant, gan in models.items():
            load_published(gan.generator, published(f"{variant}/G_ema."))
        load_published(models["r"].discriminator, published("r/D."))

        def fn():
            found = {}
            for variant, gan in models.items():
                z = ops.convert_to_tensor(given[variant]["z"])
                labels = ops.zeros((1,), "int32")
                styles = gan.generator.styles(gan.with_labels(z, labels))
                # The program keeps the inverse transform, too.
                backwards = ops.convert_to_tensor(given[variant]["transform"][None, :2])
                backwards = ops.cast(backwards, "float32")
                synthesis = gan.generator.synthesis
                found[variant, "G_ema.w"] = styles[:, 0]
                found[variant, "G_ema.img"] = synthesis(styles, bounded=False)
                turned = synthesis([styles, backwards], bounded=False)
                found[variant, "G_ema.img_transformed"] = turned
            images = ops.convert_to_tensor(channels_last(given["r"]["x"]))
            labels = ops.convert_to_tensor(given["r"]["all_c"].argmax(1).astype("int32"))
            found["r", "D.logits_x"] = models["r"].discriminate(images, labels, training=False)
            return found

        assert given["r"]["c"].argmax() == 0
        for (variant, name), y in in_step(fn, []).items():
            wanted = given[variant][name]
            wanted = channels_last(wanted) if wanted.ndim == 4 else wanted
            self.assertAllClose(values(y), wanted, rtol=0.0, atol=1e-5, msg=f"{variant} {name}")

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_layers_are_those_of_the_published_tables(self):
        """With the published networks' names; of T: R differs in the borders of convolutions."""
        for size, layers in ((256, 14), (512, 14), (1024, 14), (32, 6)):
            small = size == 32
            sizes = ((size, size, 3), 16 if small else 2048 // size, 24 if small else 32, layers)
            if small:
                names, table = None, published("t/in_out/")["design"]
            else:
                tables = published("designs/")
                names, table = tables[f"t{size}_names"], tables[f"t{size}"]
            designs = layer_designs(*sizes)
            if names is not None:
                self.assertEqual([design.name for design in designs], list(names))
            for design, wanted in zip(designs, table, strict=True):
                found = [*design[1:9], *self.filters(design, 3), *design[9:11]]
                self.assertAllClose(found, wanted, rtol=1e-12, atol=0.0)
        designs = layer_designs((32, 32, 3), 32, 48, 6)
        for design, wanted in zip(designs, published("r/in_out/")["design"], strict=True):
            found = [*design[1:9], *self.filters(design, 1), *design[9:11]]
            self.assertAllClose(found, wanted, rtol=1e-12, atol=0.0)

    def filters(self, design, kernel_size):
        """up, down, their taps, and the padding of both axes."""
        layer = stylegan3.SynthesisLayer(design, kernel_size, False).activate
        if design.makes_image:
            return 1, 1, 1, 1, 0, 0, 0, 0
        padding = layer.paddings(design.in_size + kernel_size - 1)
        taps = len(layer.up_filter), len(layer.down_filter)
        return layer.up, layer.down, *taps, *padding, *padding

    @needs_backend("tensorflow", reason="it is arithmetic on arrays")
    def test_other_files_are_refused(self):
        network, tensors = self.model("r").generator, published("r/G_ema.")
        name = "synthesis.L1_36_48.down_filter"
        with self.assertRaisesRegex(ValueError, f"{name}, which is not the filter of this network"):
            load_published(network, {**tensors, name: tensors[name][::-1] * 1.01})
        with self.assertRaisesRegex(ValueError, f"{name}, which is not the filter of this network"):
            load_published(network, {**tensors, name: tensors[name][0]})
        del tensors["synthesis.input.freqs"]
        with self.assertRaisesRegex(ValueError, "tensors lacks synthesis.input.freqs"):
            load_published(network, tensors)
        with self.assertRaisesRegex(ValueError, "tensors lacks synthesis.L"):
            load_published(self.model("t").generator, published("r/G_ema."))


class SettingsTest(tf.test.TestCase, parameterized.TestCase):
    @needs_backend("tensorflow", reason="it counts")
    def test_the_published_generator_for_1024_pixels_has_22_million_weights(self):
        """22.3 in figure 5 of the paper."""
        generator = stylegan3.Generator((1024, 1024, 3), 512, 32, 512, "t", 14, None, 2, None)
        count = sum(int(np.prod(v.shape)) for v in generator.trainable_weights)
        self.assertEqual(round(count / 1e6, 1), 22.3)
        self.assertEqual(generator.synthesis.style_layers, 16)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_presets(self):
        for size, gamma in ((128, 0.5), (256, 2.0), (512, 8.0), (1024, 32.0)):
            self.assertEqual(stylegan3.automatic(size).gamma, gamma)
        gan = small(preset="ffhqu256")
        gan.compile()
        (penalty,) = gan.penalties
        self.assertEqual((penalty.weight, penalty.every, penalty.at), (0.5, 16, "real"))
        self.assertEqual((gan.published.gamma_r, gan.blur_sigma), (None, 0.0))
        self.assertEqual(kerasgan.StyleGAN3.batch_size_for(preset="ffhqu256"), 64)
        gan = small(variant="r", preset="afhqv2")
        gan.compile()
        self.assertEqual((gan.published.gamma, gan.published.ema_images), (16.4, 10_000.0))
        # Only the discriminator has further updates.
        generator, discriminator = gan.optimizer["generator"], gan.optimizer["discriminator"]
        self.assertAllClose(float(generator.learning_rate), 0.0025)
        self.assertAllClose(float(discriminator.learning_rate), 0.002 * 16 / 17)
        self.assertEqual(gan.generator.mean_decay, 0.998)
        self.assertEqual(gan.generator.synthesis.filtered[0].conv.filters, 8)  # twice max_width
        copy = kerasgan.StyleGAN3.from_config(gan.get_config())
        self.assertEqual(copy.published, gan.published)
        self.assertEqual(copy.blur_sigma, 10.0)

    @parameterized.parameters(
        ({"variant": "q"}, "variant='q'; use 't' or 'r'"),
        ({"preset": "best"}, "preset='best'; use one of 'auto', 'ffhq1024'"),
        ({"num_layers": 2}, "num_layers=2; use None or a whole number of at least 3"),
        ({"mapping_layers": 0}, "mapping_layers=0; use None or a whole number"),
        ({"blur_sigma": -1}, "blur_sigma=-1; use None or a number from 0 to 8"),
        ({"batch_size": 0}, "batch_size=0; use None"),
        ({"size": 12}, r"image_shape=\(12, 12, 1\) cannot be made"),
    )
    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_out_of_range(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            small(**settings)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_half_of_the_precision_is_for_the_four_highest_rates(self):
        synthesis = stylegan3.Synthesis((256, 256, 1), 6, 1, 2, "t", 6, "mixed_float16")
        layers = synthesis.filtered
        found = {layer.design.out_rate: layer.conv.compute_dtype for layer in layers}
        wanted = {16: "float32"} | dict.fromkeys((32, 64, 128, 256), "float16")
        self.assertEqual({rate: found[rate] for rate in wanted}, wanted)
        self.assertEqual(layers[-2].activate.clamp, 256.0)
        self.assertEqual(synthesis.fourier.compute_dtype, "float32")
        images = small(dtype="mixed_bfloat16").generate(2, seed=0)
        self.assertEqual(images.dtype, np.float32)
        self.assertAllClose(images, small().generate(2, seed=0), atol=0.05)


class EquivarianceTest(tf.test.TestCase):
    """Without training: it is the architecture's."""

    def images(self, variant, **moved):
        gan = small(32, variant=variant, base_width=16, max_width=16, num_layers=5)
        return gan.generate(2, seed=0, **moved)[..., 0]

    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_images_move_right_and_down(self):
        found = self.images("t", translate=[(0.25, 0.0), (0.125, -0.0625)])
        still = self.images("t")
        self.assertGreater(still.std(), 0.05)
        self.assertAllClose(found[0][:, 8:], still[0][:, :-8], atol=5e-3)
        self.assertAllClose(found[1][:-2, 4:], still[1][2:, :-4], atol=5e-3)

    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_images_turn_counterclockwise_and_then_move(self):
        still = self.images("r")
        turned = np.rot90(still, axes=(1, 2))
        self.assertGreater(np.abs(turned - still).max(), 0.2)
        found = self.images("r", rotate=[90.0, 90.0], translate=(0.25, 0.0))
        self.assertAllClose(found[:, :, 8:], turned[:, :, :-8], atol=5e-3)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_other_shapes_are_refused(self):
        gan = small()
        for moved, message in (
            ({"translate": 0.5}, r"translate has shape \(\); use \(x, y\)"),
            ({"translate": np.zeros((3, 2))}, r"shape \(3, 2\).*\(2, 2\)"),
            ({"rotate": (1.0, 2.0, 3.0)}, r"rotate has shape \(3,\); use a number.*\(2,\)"),
            ({"rotate": np.nan}, "rotate holds NaN.*of finite numbers"),
            ({"translate": "a"}, r"translate='a'; use \(x, y\)"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate(2, seed=0, **moved)
        with self.assertRaisesRegex(ValueError, "StyleGAN3 has no noise beside the latent"):
            gan.stochastic_variation(gan.latents(1, seed=0)[0], 2)


class TrainingTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_blur_by_hand(self):
        x = np.random.default_rng(0).normal(size=(2, 9, 9, 1)).astype("float32")
        taps = 2.0 ** -((np.arange(-6, 7) / 2.0) ** 2)  # up to 3 times sigma
        taps /= taps.sum()
        wanted = np.apply_along_axis(lambda row: np.convolve(row, taps)[6:-6], 1, x)
        wanted = np.apply_along_axis(lambda row: np.convolve(row, taps)[6:-6], 2, wanted)
        self.assertAllClose(gaussian(x, 2.0, 10.0), wanted, atol=1e-5)
        self.assertAllClose(gaussian(x, 0.0, 10.0), x, atol=1e-7)

    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_the_discriminator_sees_blurred_images_in_updates_at_first(self):
        gan = small(variant="r", blur_sigma=4.0)
        gan.compile()
        images = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 8, 8, 1)).astype("float32")
        images = ops.convert_to_tensor(images)
        self.assertAllEqual(gan.seen(images), images)
        for steps, sigma in ((0, 4.0), (3125, 2.0), (6250, 0.0), (10_000, 0.0)):
            gan.steps_trained.assign(steps)
            with gan.looking():
                self.assertAllClose(gan.seen(images), gaussian(images, sigma, 4.0), atol=1e-6)
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        gan.steps_trained.assign(3125)
        gan.save(path)
        copy = keras.saving.load_model(path)
        with gan.looking(), copy.looking():
            self.assertAllClose(copy.seen(images), gan.seen(images), atol=1e-6)

    @needs_backend("tensorflow", "torch", reason="JAX compiles each kind of step for a minute")
    def test_magnitudes_follow_the_features_in_training(self):
        gan = small()
        synthesis = gan.generator.synthesis
        styles = ops.convert_to_tensor(gan.styles(gan.latents(4, seed=0)))
        before = values(synthesis(styles, training=False))
        mean = np.square(values(synthesis.fourier(styles[:, 0]))).mean()
        in_step(lambda: synthesis(styles, training=True), synthesis.variables)
        kept = 0.5 ** (4 / 20e3)
        first = synthesis.filtered[0].magnitude
        self.assertAllClose(float(first), mean + kept * (1.0 - mean), rtol=1e-6)
        self.assertNotEqual(float(first), 1.0)
        after = values(synthesis(styles, training=False))
        self.assertAllClose(before, after, rtol=1e-2, atol=1e-3)
        for _ in range(2):  # nothing follows out of training
            self.assertAllEqual(after, values(synthesis(styles, training=False)))

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes a minute")
    def test_learns_digits(self):
        """Samples come nearer to real digits, and are nearly as different from each other."""
        gan = small(latent_dim=16, base_width=8, max_width=16, batch_size=64)
        gan.compile()
        real = np.concatenate([b.numpy() for b in kerasgan.data.load("digits", shuffle=False)])

        def samples():
            return gan.generate(200, seed=0)

        def distance():
            differences = samples()[:, None] - real[None]
            return float(np.sqrt((differences**2).mean((2, 3, 4))).min(1).mean())

        untrained = distance()
        gan.fit(kerasgan.data.load("digits"), epochs=3, verbose=0)
        found, spread = distance(), samples().std(0).mean()
        self.assertLess(found, 0.8 * untrained)
        self.assertGreater(spread, 0.5 * real.std(0).mean())
