"""Projection: what is found, and what its parts compute."""

import pathlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.sampling import projection

only_here = needs_backend("tensorflow", reason="what frameworks can break is tested beside it")


def small_gan(**settings):
    keras.utils.set_random_seed(0)
    gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=4, base_width=4, max_width=4, **settings)
    for weight in gan.sampling_generator.synthesis.trainable_weights:
        if weight.path.endswith("strength"):
            weight.assign(0.1)  # or noise would change nothing
    return gan


class ProjectionTest(tf.test.TestCase, parameterized.TestCase):
    def test_comes_near_and_goes_on_where_it_was(self):
        gan = small_gan()
        before = gan.get_weights()
        images = gan.generate(3, seed=7)
        found = gan.project(images, steps=30, batch_size=2, progress=False)
        self.assertEqual((found.latents.shape, found.space), ((3, 4), "w"))
        self.assertEqual((found.history.shape, len(found.noise)), ((3, 30), 3))
        self.assertAllClose(found.distance, np.square(found.images - images).mean((1, 2, 3)))
        self.assertTrue(np.all(found.distance < found.history[:, 0]))
        self.assertLess(found.distance.mean(), 0.5 * found.history[:, 0].mean())
        styles = np.repeat(found.latents[:, None], gan.style_layers, axis=1)
        made = gan.generate_from_styles(styles, found.noise)
        self.assertAllClose(made, found.images, atol=1e-4)
        for noise in found.noise:
            self.assertAllClose(noise.mean((1, 2, 3)), np.zeros(3), atol=1e-5)
            self.assertAllClose(np.square(noise).mean((1, 2, 3)), np.ones(3), rtol=1e-4)
        for a, b in zip(before, gan.get_weights(), strict=True):
            self.assertAllEqual(a, b)
        # Interrupted in the middle of the second batch.
        file = pathlib.Path(self.create_tempdir().full_path) / "unfinished.npz"
        arguments = {"steps": 30, "batch_size": 2, "progress": False, "file": file}
        calls = iter(range(45))
        fit = projection.rates

        def interrupting(step, steps):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return fit(step, steps)

        with mock.patch.object(projection, "rates", interrupting):
            with self.assertRaises(KeyboardInterrupt):
                gan.project(images, **arguments)
        self.assertTrue(file.exists())
        with self.assertRaisesRegex(ValueError, "is of another projection"):
            gan.project(images[::-1], **arguments)
        again = gan.project(images, **arguments)
        self.assertAllEqual(again.latents, found.latents)
        self.assertAllEqual(again.history, found.history)
        self.assertFalse(file.exists())
        file.write_text("x")
        with self.assertRaisesRegex(ValueError, "holds no unfinished projection"):
            gan.project(images, **arguments)
        found.save(file)
        with np.load(file) as arrays:
            names = ["distance", "history", "images", "latents", "noise_0", "noise_1", "noise_2"]
            self.assertEqual(sorted(arrays.files), [*names, "space"])

    @only_here
    @pytest.mark.slow
    def test_in_all_spaces_with_features_and_starts(self):
        gan = small_gan()
        images = gan.generate(2, seed=7)
        network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        network.add(keras.layers.Dense(3))
        plus = gan.project(images, "w+", 5, network, progress=False)
        self.assertEqual(plus.latents.shape, (2, 4, 4))
        ends = [network.predict(x, verbose=0) for x in (images, plus.images)]
        ends = [end / np.linalg.norm(end, axis=1, keepdims=True) for end in ends]
        by_hand = np.square(plus.images - images).mean((1, 2, 3))
        by_hand += np.square(ends[0] - ends[1]).sum(1)
        self.assertAllClose(plus.distance, by_hand, atol=1e-5)
        # z: the length stays that of the nearest of 1,000.
        found = gan.project(images, "z", 3, progress=False)
        many = gan.latents(1000, seed=0)
        made = gan.generate_from(many)
        chosen = [np.square(made - image).mean((1, 2, 3)).argmin() for image in images]
        wanted = np.linalg.norm(many[chosen], axis=1)
        self.assertAllClose(np.linalg.norm(found.latents, axis=1), wanted, rtol=1e-4)
        w = gan.points(gan.latents(2, seed=7), "w")
        one = gan.project(images, "w", 1, start=w, progress=False)
        self.assertAllClose(one.latents, w, atol=1e-6)  # the rate begins at 0
        encoder = kerasgan.control.train_encoder(gan, "w", steps=2)
        one = gan.project(images, "w", 1, start=encoder, progress=False)
        self.assertAllClose(one.latents, encoder.predict(images, verbose=0), atol=1e-5)

    @only_here
    def test_of_other_models(self):
        for model in (
            kerasgan.VAE((8, 8, 1), latent_dim=4, hidden_units=(8,)),
            kerasgan.RealNVP((8, 8, 1), base_width=4, residual_blocks=1),
            kerasgan.CGAN((8, 8, 1), latent_dim=4, base_width=4, num_classes=2),
        ):
            labels = None if model.num_classes is None else [0, 1]
            images = model.generate(2, seed=1, labels=labels)
            found = model.project(images, steps=10, labels=labels, progress=False)
            self.assertEqual(found.latents.shape, (2, model.latent_dim))
            self.assertTrue(np.all(found.history[:, -1] < found.history[:, 0]), type(model))

    @pytest.mark.slow
    def test_refined(self):
        gan = small_gan()
        gan.compile()
        before = gan.get_weights()
        images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype("float32")
        with mock.patch("kerasgan.sampling.refinement.STEPS", 20):
            with mock.patch("kerasgan.sampling.refinement.LEARNING_RATE", 3e-3):
                tuned = gan.project(images, "w", 3, refine=True, progress=False)
        plain = gan.project(images, "w", 3, progress=False)
        self.assertAllClose(tuned.latents, plain.latents, atol=1e-5)
        self.assertTrue(np.all(tuned.distance < 0.95 * plain.distance))
        self.assertIs(plain.model, gan)
        styles = np.repeat(tuned.latents[:, None], gan.style_layers, axis=1)
        made = tuned.model.generate_from_styles(styles, tuned.noise)
        self.assertAllClose(made, tuned.images, atol=1e-4)
        for a, b in zip(before, gan.get_weights(), strict=True):
            self.assertAllEqual(a, b)
        w = gan.points(gan.latents(2, seed=0))
        self.assertAllEqual(tuned.model.points(tuned.model.latents(2, seed=0)), w)

    @only_here
    def test_out_of_range(self):
        def network(name, shape):
            layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(4)]
            return keras.Sequential(layers, name=name)

        gan = small_gan()
        images = gan.generate(2, seed=7)
        for arguments, message in (
            ({"images": images[:, :4]}, r"the images have shape \(4, 8, 1\), the generator makes"),
            ({"images": 127.5 * images + 127.5}, "use images in \\[-1, 1\\]"),
            ({"space": "s"}, "space='s': StyleGAN2 has no such space; use 'w' or 'w"),
            ({"steps": 0}, "steps=0; use a whole number"),
            ({"features": "digits"}, "features='digits'; use None for pixels alone, or a keras.Mo"),
            (
                {"start": np.zeros((2, 3))},
                r"start has shape \(2, 3\); use \(2, 4\), one point",
            ),
            ({"start": "mean"}, "start is 'mean'; use an array of numbers"),
            (
                {"start": np.zeros((2, 4)), "space": "z"},
                "start has a latent of zeros, which has no direction",
            ),
            (
                {"start": network("encoder", (4, 4, 1))},
                r"start is a network that takes images of shape \(4, 4, 1\), but the model makes",
            ),
            (
                {"features": network("far", (9, 9, 3))},
                r"features: far takes \(9, 9, 3\), but not the model's images, \(8, 8, 1\)",
            ),
            ({"features": lambda x: {"code": x}}, r"features returns dict; it has to return a te"),
            ({"features": ops.mean}, r"features returns shape \(\); it has to return a tensor"),
            ({"images": images[:0]}, "the images are none; give at least one"),
            ({"labels": [0, 1]}, "unconditional"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.project(**{"images": images, "steps": 1, "progress": False, **arguments})


@only_here
class PartsTest(tf.test.TestCase):
    def test_rates_are_those_of_the_paper(self):
        rates = [projection.rates(step, 1000) for step in (0, 25, 50, 500, 750, 875, 999)]
        learning, noise = zip(*rates, strict=True)
        self.assertAllClose(learning, [0.0, 0.05, 0.1, 0.1, 0.1, 0.05, 0.0], atol=1e-4)
        by_hand = [0.05 * (1 - t / 0.75) ** 2 for t in (0.0, 0.025, 0.05, 0.5)]
        self.assertAllClose(noise, [*by_hand, 0.0, 0.0, 0.0])

    def test_roughness_is_that_of_the_paper(self):
        draw = np.random.default_rng(0).normal
        maps = [draw(size=(2, size, size, 1)).astype("float32") for size in (4, 8, 16, 16)]
        total = np.zeros(2)
        for noise in maps:
            scales = [noise]
            if noise.shape[1] == 16:
                scales.append(noise.reshape(2, 8, 2, 8, 2, 1).mean(axis=(2, 4)))
            for scale in scales:
                for axis in (1, 2):
                    total += (scale * np.roll(scale, 1, axis)).mean(axis=(1, 2, 3)) ** 2
        found = projection.roughness([ops.convert_to_tensor(noise) for noise in maps])
        self.assertAllClose(found, total, rtol=1e-4)

    def test_adam_is_that_of_keras(self):
        variable = keras.Variable(np.array([1.0, -2.0], "float32"))
        optimizer = keras.optimizers.Adam(0.1, epsilon=1e-8)
        x = ops.convert_to_tensor(variable.numpy())
        first = second = ops.zeros(2)
        for step in range(4):
            gradient = ops.convert_to_tensor(np.array([0.5 * step + 0.1, 1.0 - step], "float32"))
            optimizer.apply([gradient], [variable])
            numbers = np.array([0.1, *projection.corrections(step)], "float32")
            x, first, second = projection.adam(x, first, second, gradient, numbers)
        self.assertAllClose(x, variable.numpy(), rtol=1e-5)
