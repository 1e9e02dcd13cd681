"""That a likelihood is one, and that images are drawn from it, for all autoregressive models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from pixel_helpers import CASES, OF_SOFTMAX, all_images, random_images, seen, small_model

import kerasgan
from kerasgan import roles
from kerasgan.models import registry
from kerasgan.sampling.normals import standard_normal


def with_caches_and_without(model, count, **arguments):
    drawn = model.generate(count, seed=0, **arguments)
    naive = type(model).from_config(model.get_config())
    naive.network.set_weights(model.network.get_weights())
    naive.caches = False
    return drawn, naive.generate(count, seed=0, **arguments)


class AutoregressiveTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.named_parameters(*CASES)
    def test_no_number_sees_itself_or_a_later_one(self, cls, settings):
        size = 8 if cls is kerasgan.PixelCNNPlusPlus else 7
        for channels in (1, 3):
            shape = (size, size, channels)
            model = small_model(cls, shape, **settings)
            found = seen(model, shape)
            self.assertFalse(np.triu(found).any(), "the future leaks")
            self.assertGreater(found.sum(), 0.5 * np.tril(found | True, -1).sum())

    def test_every_model_is_here(self):
        """Of the whole zoo, so that a new one has to be proved, too."""
        models = {getattr(kerasgan, entry.class_name) for entry in registry.entries()}
        found = {model for model in models if roles.has(model, roles.Autoregressive)}
        self.assertEqual(found, {cls for _, cls, _ in CASES})

    @parameterized.named_parameters(*OF_SOFTMAX)
    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_probabilities_sum_to_one(self, cls, settings):
        for shape, levels in (((3, 3, 1), 2), ((2, 2, 1), 4), ((1, 3, 3), 2)):
            model = small_model(cls, shape, levels=levels, **settings)
            nats = model.log_likelihood(all_images(shape, levels)).astype("float64")
            self.assertAllClose(np.exp(nats).sum(), 1.0, atol=1e-5)

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_probabilities_of_the_mixture_sum_to_one(self):
        """Over all values of the last four numbers, given the others."""
        for shape, levels in (((4, 4, 1), 4), ((4, 4, 3), 3)):
            model = small_model(
                kerasgan.PixelCNNPlusPlus, shape, 0.15, levels=levels, num_mixtures=2
            )
            images = np.repeat(random_images(shape, 1, levels), levels**4, axis=0)
            images = images.reshape(levels**4, -1)
            images[:, -4:] = all_images((4,), levels)
            images = images.reshape(-1, *shape)
            # Of the others: the mixture's probabilities at each of them.
            parameters = model.network(images[:1])
            others = 0.0
            for number in range(images[0].size - 4):
                place, channel = divmod(number, shape[-1])
                row, column = divmod(place, shape[1])
                here = [parameters[:, row, column], images[:1, row, column], channel]
                nats = keras.ops.log_softmax(model.log_probabilities(*here))
                value = (images[0, row, column, channel] + 1.0) * 0.5 * (levels - 1)
                others += float(nats[0, round(float(value))])
            nats = model.log_likelihood(images).astype("float64")
            self.assertAllClose(np.exp(nats - others).sum(), 1.0, atol=1e-4)

    @parameterized.named_parameters(*CASES[:2])
    def test_caches_change_nothing(self, cls, settings):
        for channels in (1, 3):
            model = small_model(cls, (5, 4, channels), 0.6, levels=4, **settings)
            drawn, naive = with_caches_and_without(model, 4)
            self.assertAllEqual(drawn, naive)
            self.assertGreater(drawn.std(0).mean(), 0.05)

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    @pytest.mark.slow
    def test_caches_change_nothing_over_three_resolutions(self):
        model = small_model(kerasgan.PixelCNNPlusPlus, (8, 4, 3), 0.3, levels=256, num_classes=2)
        drawn, naive = with_caches_and_without(model, 3, labels=[0, 1, 1])
        self.assertAllEqual(drawn, naive)
        self.assertGreater(drawn.std(0).mean(), 0.1)
        values = (drawn + 1.0) * 127.5
        self.assertAllClose(values, np.round(values), atol=1e-4)

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_caches_change_nothing_with_labels(self):
        model = small_model(kerasgan.GatedPixelCNN, (6, 6, 1), 0.6, num_classes=3)
        drawn, naive = with_caches_and_without(model, 6, labels=[0, 1, 2, 0, 1, 2], temperature=0.7)
        self.assertAllEqual(drawn, naive)
        self.assertNotAllEqual(drawn, model.generate(6, seed=0, labels=1, temperature=0.7))

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_samples_are_from_the_distribution(self):
        """Their mean nll is the entropy, and each value's frequency its probability."""
        model = small_model(kerasgan.GatedPixelCNN, (3, 3, 1), 1.0)
        everything = all_images((3, 3, 1), 2)
        nats = model.log_likelihood(everything).astype("float64")
        probability = np.exp(nats)
        entropy = -(probability * nats).sum()
        deviation = np.sqrt((probability * (nats + entropy) ** 2).sum())
        drawn = model.generate(1024, seed=1)
        nll = -model.log_likelihood(drawn).mean()
        self.assertLess(abs(nll - entropy), 3.0 * deviation / np.sqrt(1024))
        self.assertGreater(entropy, 0.5)
        white = (probability[:, None] * (everything.reshape(512, 9) > 0.0)).sum(0)
        error = (drawn.reshape(-1, 9) > 0.0).mean(0) - white
        self.assertLess(np.abs(error / np.sqrt(white * (1.0 - white) / 1024)).max(), 3.5)

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_temperature_sharpens(self):
        model = small_model(kerasgan.PixelCNN, (3, 3, 1), 1.0)
        nll = [
            -model.log_likelihood(model.generate(64, seed=0, temperature=t)).mean()
            for t in (0.2, 1.0, 5.0)
        ]
        self.assertLess(nll[0], nll[1])
        self.assertLess(nll[1], nll[2])

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_completion(self):
        model = small_model(kerasgan.PixelCNN, (6, 6, 1), 0.6, levels=4)
        images = random_images((6, 6, 1), 5, 4)
        mask = np.repeat(np.arange(6) < 3, 6).reshape(6, 6)
        completed = model.complete(images, mask, seed=2)
        self.assertAllEqual(completed[:, :3], images[:, :3])
        self.assertGreater(np.abs(completed - images)[:, 3:].max(), 0.1)
        # Nothing of what is not known matters, nor do the other images.
        images[:, 3:] = 0.123
        mask = np.repeat(mask[None], 5, axis=0)
        self.assertAllEqual(model.complete(images[:2], mask[:2], seed=2), completed[:2])
        # Nothing known is to generate, and everything known to copy.
        self.assertAllEqual(model.complete(images, 0 * mask, seed=2), model.generate(5, seed=2))
        copied = model.complete(completed, 1 + 0 * mask, seed=2)
        self.assertAllEqual(copied, completed)

    @needs_backend("tensorflow", reason="what a framework could break is tested above")
    def test_all_values_survive(self):
        model = kerasgan.PixelCNN((16, 16, 1), base_width=4, num_blocks=1)
        logits = np.random.default_rng(0).normal(size=256).astype("float32")
        for weight in model.network.trainable_weights:
            weight.assign(keras.ops.zeros(weight.shape))
        model.network.last.bias.assign(logits)
        values = np.arange(256, dtype="uint8")
        images = np.stack([np.full((16, 16, 1), value) for value in values])
        images = images.astype("float32") / 127.5 - 1.0  # as kerasgan.data does
        expected = 256 * (logits - np.log(np.exp(logits).sum()))
        self.assertAllClose(model.log_likelihood(images), expected, rtol=1e-4)
        drawn = model.generate(2, seed=0)
        back = np.round((drawn + 1.0) * 127.5).astype("uint8")
        self.assertAllClose(back / 127.5 - 1.0, drawn, atol=3e-7)
        # Each is where the sum of the probabilities passes the uniform number.
        probabilities = np.exp(logits) / np.exp(logits).sum()
        normal = standard_normal([0, 1], (16, 16, 1))
        uniform = 0.5 * (1.0 + keras.ops.convert_to_numpy(keras.ops.erf(normal / np.sqrt(2.0))))
        up_to = np.cumsum(probabilities)
        value = (up_to <= np.asarray(uniform)[..., None]).sum(-1)
        self.assertAllClose(back, value, atol=1)
        self.assertLess((back != value).mean(), 0.01)

    def test_bad_arguments_are_named(self):
        model = small_model(kerasgan.PixelCNN, (4, 4, 1), levels=4)
        images, mask = random_images((4, 4, 1), 2, 4), np.zeros((4, 4))
        for temperature in (0, -1.0, float("nan"), "warm"):
            with self.assertRaisesRegex(ValueError, "temperature=.*; use a number above 0"):
                model.generate(1, temperature=temperature)
            with self.assertRaisesRegex(ValueError, "temperature=.*; use a number above 0"):
                model.complete(images, mask, temperature=temperature)
        with self.assertRaisesRegex(ValueError, "truncation=0.5: PixelCNN has no latents"):
            model.generate(1, truncation=0.5)
        with self.assertRaisesRegex(ValueError, r"mask has shape \(4,\); use \(4, 4\) for all"):
            model.complete(images, mask[0])
        with self.assertRaisesRegex(ValueError, "mask holds other values than True"):
            model.complete(images, mask + 0.5)
        for wrong in (images[..., [0, 0, 0]], images[:, :3]):
            with self.assertRaisesRegex(ValueError, "the images have shape"):
                model.log_likelihood(wrong)
            with self.assertRaisesRegex(ValueError, "have shape|mask has shape"):
                model.complete(wrong, mask)
        with self.assertRaisesRegex(ValueError, "the known pixels hold numbers between the 4"):
            model.complete(0.9 * images, 1 + mask)
        with self.assertRaisesRegex(ValueError, "the images hold numbers between the 4"):
            model.log_likelihood(0.9 * images)
        for name, value in (("levels", 1), ("num_blocks", 0)):
            with self.assertRaisesRegex(ValueError, f"{name}={value}"):
                kerasgan.PixelCNN((4, 4, 1), **{name: value})
        with self.assertRaisesRegex(ValueError, "binarization='static'; use 'dynamic' or 'fixed'"):
            kerasgan.PixelCNN((4, 4, 1), levels=2, binarization="static")
        with self.assertRaisesRegex(ValueError, "sides that are multiples of 4"):
            kerasgan.PixelCNNPlusPlus((6, 8, 1))
        with self.assertRaisesRegex(ValueError, "dropout=1.0; use a number from 0 to below 1"):
            kerasgan.PixelCNNPlusPlus((8, 8, 1), dropout=1.0)
        with self.assertRaisesRegex(ValueError, "variant='column'; use 'row' or 'diagonal'"):
            kerasgan.PixelRNN((8, 8, 1), variant="column")
