"""Objectives move latents, under every framework."""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from control.linear_model import linear_model
from keras import ops

import kerasgan
from kerasgan import control


def ink(images):
    return ops.mean(images, axis=(1, 2, 3))


def first_pixel(images):
    return images[:, 0, 0, 0]


def lengths(vectors):
    return np.linalg.norm(vectors, axis=1)


class SteeringTest(tf.test.TestCase, parameterized.TestCase):
    def test_moves_along_the_gradient_on_the_sphere_and_keeps_what_it_shall(self):
        model = linear_model()
        z = model.latents(3, seed=0)
        gradient = model.matrix.mean(axis=0)
        by_hand = z
        for length in (0.5, 0.25):
            unit = by_hand / lengths(z)[:, None]
            along = gradient - (unit @ gradient)[:, None] * unit
            by_hand = by_hand + length * along / lengths(along)[:, None]
            by_hand *= (lengths(z) / lengths(by_hand))[:, None]
        two = control.steer(model, z, ink, steps=2, rate=0.5)
        self.assertAllClose(two, by_hand, atol=1e-5)
        # On a sphere a linear function is largest along its gradient.
        far = control.steer(model, z, ink, steps=60, rate=0.4)
        self.assertAllClose(lengths(far), lengths(z), rtol=1e-5)
        best = lengths(z)[:, None] * gradient / np.linalg.norm(gradient)
        self.assertAllClose(far, best, atol=0.05)
        kept = control.steer(model, z, ink, steps=30, keep=[first_pixel])
        before, after, free = map(model.generate_from, (z, kept, far))
        change = np.abs(after - before)[:, 0, 0, 0]
        self.assertAllLess(change, 0.05 * np.abs(free - before)[:, 0, 0, 0].max())
        self.assertTrue(np.all(after.mean((1, 2, 3)) > before.mean((1, 2, 3))))

    def test_moves_no_weights(self):
        gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=4, base_width=4, max_width=4, num_classes=2)
        judge = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        judge.add(keras.layers.Dense(2))
        before = gan.get_weights() + judge.get_weights()
        z = gan.latents(2, seed=0)
        moved = control.steer(
            gan, z, lambda x: ops.log_softmax(judge(x))[:, 1], 3, rate=0.02, labels=[0, 1]
        )
        for a, b in zip(before, gan.get_weights() + judge.get_weights(), strict=True):
            self.assertAllEqual(a, b)
        given = [ops.convert_to_tensor(x) for x in (z, moved)]
        labels = ops.convert_to_tensor(np.array([0, 1], "int32"))
        shares = [judge(gan.images_from_points(x, "z", labels)) for x in given]
        shares = [ops.convert_to_numpy(share) for share in shares]
        margins = [share[:, 1] - share[:, 0] for share in shares]
        self.assertAllGreater(margins[1] - margins[0], 0.0)

    @parameterized.parameters(
        (
            lambda x: np.ones(len(x)),
            "objective returns ndarray, which has no gradient; write",
        ),
        (lambda x: ops.ones(2), "objective has no gradient with respect to the images"),
        (lambda x: ops.mean(x), r"objective returns shape \(\) for 2 images; it has to return one"),
        (3, "objective=3; use a function of images"),
        (
            keras.Sequential([keras.Input((9,)), keras.layers.Dense(1)], name="judge"),
            r"objective: judge takes \(9,\), but not the model's images, \(4, 4, 1\); use a netwo",
        ),
    )
    def test_needs_a_gradient(self, objective, message):
        model = linear_model()
        with self.assertRaisesRegex(ValueError, message):
            control.steer(model, model.latents(2, seed=0), objective)

    @needs_backend("tensorflow", reason="checked before anything is computed")
    def test_out_of_range(self):
        model = linear_model()
        z = model.latents(2, seed=0)
        for arguments, message in (
            ({"latents": z[:, :3]}, r"points of z have shape \(2, 3\); use \(num_points, 5\)"),
            ({"steps": 0}, "steps=0; use a whole number of at least 1"),
            ({"rate": 0.0}, "rate=0.0; use a number above 0"),
            ({"keep": ink}, "keep is a function; use a list of functions"),
            ({"keep": None}, "keep is None; use a list of functions"),
            ({"keep": [ops.argmax]}, r"keep\[0\] returns shape \(\)"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                control.steer(model, **{"latents": z, "objective": ink, **arguments})
        with self.assertRaisesRegex(ValueError, "needs a model that can make images from latents"):
            control.steer(kerasgan.Autoencoder((8, 8, 1)), z, ink)
        self.assertEqual(control.steer(model, z[:0], ink).shape, (0, 5))


class UpsamplingTest(tf.test.TestCase, parameterized.TestCase):
    def test_finds_several_images_with_the_same_small_one(self):
        model = linear_model()
        wanted = model.generate(1, seed=3)[0]
        small = wanted.reshape(2, 2, 2, 2, 1).mean(axis=(1, 3))
        found = control.upsample(model, small, num_answers=4, steps=60)
        self.assertEqual((found.images.shape, found.latents.shape), ((4, 4, 4, 1), (4, 5)))
        self.assertAllClose(lengths(found.latents), np.full(4, np.sqrt(5.0)), rtol=1e-5)
        by_hand = found.images.reshape(4, 2, 2, 2, 2, 1).mean(axis=(2, 4)) - small
        self.assertAllClose(found.distance, np.square(by_hand).mean((1, 2, 3)), atol=1e-6)
        self.assertAllEqual(found.distance, np.sort(found.distance))
        starts = control.upsample(model, small, num_answers=4, steps=1)
        self.assertLess(found.distance[0], 0.1 * starts.distance[0])
        self.assertGreater(np.abs(found.latents[0] - found.latents[-1]).max(), 1e-3)

    @needs_backend("tensorflow", reason="what frameworks differ in is tested above")
    def test_latents_of_layers_stay_near_each_other(self):
        from kerasgan.control import upsampling

        gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=6, base_width=4, max_width=4)
        with mock.patch.object(upsampling, "CROSS_WEIGHT", 1e4):  # nothing else counts
            found = control.upsample(gan, np.zeros((4, 4, 1), "float32"), 2, steps=60)
        self.assertEqual(found.latents.shape, (2, 4, 6))
        random = np.stack([gan.latents(2, seed=layer) for layer in range(4)], axis=1)
        angles = [
            ops.convert_to_numpy(upsampling.crossing(ops.convert_to_tensor(x)))
            for x in (random, found.latents)
        ]
        a, b = random[0, :2] / np.linalg.norm(random[0, :2], axis=1, keepdims=True)
        pair = upsampling.crossing(ops.convert_to_tensor(random[:1, :2]))
        self.assertAllClose(pair, [np.arccos(a @ b) ** 2 / 2.0], rtol=1e-2)
        self.assertTrue(np.all(angles[1] < 0.1 * angles[0]))

    @needs_backend("tensorflow", reason="checked before anything is computed")
    def test_out_of_range(self):
        model = linear_model()
        for small, message in (
            (
                np.zeros((3, 3, 1), "float32"),
                r"small_image has shape \(3, 3, 1\); use \(hei",
            ),
            (np.zeros((2, 2, 3), "float32"), r"the model's 4x4 divided by a whole number"),
            (np.zeros((2, 4, 1), "float32"), r"such as \(2, 2, 1\)"),
            (np.full((2, 2, 1), 9.0, "float32"), "the pixels of the small image go from 9 to 9"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                control.upsample(model, small)
        with self.assertRaisesRegex(ValueError, r"RealNVP makes vectors of shape \(2,\), not imag"):
            control.upsample(kerasgan.RealNVP((2,)), np.zeros((2, 2, 1), "float32"))
