"""The space of what the affine layers of a StyleGAN make, under every framework."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan import control

SIZES = {"latent_dim": 6, "base_width": 4, "max_width": 8}
only_here = needs_backend("tensorflow", reason="what frameworks can break is tested beside it")


def lively(model, **settings):
    """A small model whose styles are not all 1."""
    keras.utils.set_random_seed(0)
    gan = model((8, 8, 1), **SIZES, **settings)
    for weight in gan.sampling_generator.synthesis.trainable_weights:
        weight.assign(2.0 * weight)
    return gan


def ink(images):
    return ops.mean(images, axis=(1, 2, 3))


class StyleChannelsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (kerasgan.StyleGAN, (16, 16, 8, 8)),  # scales and shifts
        (kerasgan.StyleGAN2, (8, 8, 8, 4, 4)),
        (kerasgan.StyleGAN3, (4, 8, 8, 6, 4, 4)),  # 4: turn and move
    )
    def test_give_the_images_of_w_and_move_layer_by_layer(self, model, widths):
        gan = lively(model)
        z = gan.latents(3, seed=0)
        self.assertEqual(gan.style_widths, widths)
        points = gan.points(z, "styles")
        self.assertEqual(points.shape, (3, sum(widths)))
        images = gan.generate_from_points(gan.points(z, "w"), "w")
        self.assertAllEqual(gan.generate_from_points(points, "styles"), images)
        # By hand, of the first and the last layer.
        w, affines = gan.points(z, "w"), gan.sampling_generator.synthesis.affines
        parts = np.split(points, np.cumsum(widths)[:-1], axis=1)
        for part, (_, affine) in ((parts[0], affines[0]), (parts[-1], affines[-1])):
            kernel, bias = map(ops.convert_to_numpy, (affine.layer.kernel, affine.layer.bias))
            self.assertAllClose(part, w @ kernel / np.sqrt(6.0) + bias, atol=1e-5)
        # The image is a linear function of the last layer's style, and of no other one: so the
        # other layers get what they got before.
        move = np.zeros((3, sum(widths)), "float32")
        move[:, -widths[-1] :] = np.random.default_rng(0).normal(size=(3, widths[-1]))
        made = [
            ops.convert_to_numpy(
                gan.images_from_points(ops.convert_to_tensor(points + n * move), "styles")
            )
            for n in (0.0, 1.0, 2.0)
        ]
        self.assertGreater(np.abs(made[1] - made[0]).max(), 1e-2)
        self.assertAllClose(made[2] - made[0], 2.0 * (made[1] - made[0]), atol=1e-4)
        # Nobody is told anything any more.
        self.assertAllEqual(gan.generate_from_points(w, "w"), images)

    def test_can_be_steered(self):
        gan = lively(kerasgan.StyleGAN2)
        points = gan.points(gan.latents(2, seed=0), "styles")
        moved = control.steer(gan, points, ink, 3, space="styles", rate=0.2)
        before, after = (gan.generate_from_points(x, "styles") for x in (points, moved))
        self.assertAllGreater(after.mean((1, 2, 3)) - before.mean((1, 2, 3)), 0.0)
        # Three steps of a fifth of what each number of a latent moves by.
        many = gan.points(gan.latents(1000, seed=0), "styles")
        spread = np.sqrt(np.square(many - many.mean(0)).sum(1).mean() / 6.0)
        self.assertAllInRange(np.linalg.norm(moved - points, axis=1), 0.0, 3 * 0.2001 * spread)
        one = control.steer(gan, points, ink, 1, space="styles", rate=0.2)
        length = np.linalg.norm(one - points, axis=1)
        self.assertAllClose(length, np.full(2, 0.2 * spread), rtol=1e-3)

    @only_here
    def test_directions_ways_and_projections(self):
        keras.utils.set_random_seed(0)
        gan = kerasgan.StyleGAN2((8, 8, 1), **SIZES, num_classes=2)
        size = sum(gan.style_widths)
        scores = {"ink": lambda images: images.mean((1, 2, 3))}
        found = control.directions(gan, scores, "linear", space="styles", num_points=300, labels=1)
        self.assertEqual((found.space, found.vectors.shape), ("styles", (1, size)))
        points = gan.points(gan.latents(100, seed=1), "styles", labels=1)
        inks = gan.generate_from_points(points, "styles").mean((1, 2, 3))
        self.assertGreater(np.corrcoef(points @ found.vectors[0], inks)[0, 1], 0.7)
        moved = found.move(points, "ink", 2.0)
        by_hand = points + 2.0 * found.deviations[0] * found.vectors[0]
        self.assertAllClose(moved, by_hand, atol=1e-6)
        free = control.directions(
            gan, method="pca", space="styles", num_points=50, labels=0, against=found
        )
        self.assertAllClose(free.vectors @ found.vectors[0], np.zeros(len(free)), atol=1e-5)
        with self.assertRaisesRegex(ValueError, "method='sefa' looks at the layers that make sty"):
            control.directions(gan, method="sefa", space="styles", num_points=20, labels=0)
        z = gan.latents(2, seed=0)
        way = gan.interpolate(*z, 3, "styles", labels=[0, 1])
        ends = gan.points(z, "styles", labels=[0, 1])
        middle = gan.generate_from_points(ends.mean(0, keepdims=True), "styles")
        self.assertAllClose(way[1:2], middle, atol=1e-5)
        images = gan.generate(2, seed=5, labels=[0, 1])
        result = gan.project(images, "styles", 20, labels=[0, 1], progress=False)
        self.assertEqual((result.latents.shape, result.space), ((2, size), "styles"))
        self.assertTrue(np.all(result.distance < 0.5 * result.history[:, 0]))

    @only_here
    def test_of_a_stage(self):
        gan = kerasgan.StyleGAN((16, 16, 1), **SIZES)
        gan.grow_to(0)
        z = gan.latents(2, seed=0)
        points = gan.points(z, "styles")
        self.assertEqual(points.shape, (2, 2 * 2 * 8))
        self.assertAllEqual(gan.generate_from_points(points, "styles"), gan.generate_from(z))
