"""The spaces of models with latents, and the ways through them."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan

pytestmark = needs_backend("tensorflow", reason="the networks are tested under the others")


class WaysTest(tf.test.TestCase, parameterized.TestCase):
    def test_of_latents(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=6, base_width=4)
        first, second = gan.latents(2, seed=0)
        ends = gan.generate_from(np.stack([first, second]))
        for path in ("slerp", "lerp"):
            images = gan.interpolate(first, second, 3, path=path)
            self.assertAllClose(images[[0, 2]], ends, atol=1e-5)
            if path == "lerp":
                middle = 0.5 * (first + second)
            else:  # the direction is that of the bisector, the length the mean one
                lengths = [np.linalg.norm(v) for v in (first, second)]
                middle = first / lengths[0] + second / lengths[1]
                middle *= np.mean(lengths) / np.linalg.norm(middle)
            self.assertAllClose(images[1:2], gan.generate_from(middle[None]), atol=1e-5)
        self.assertAllEqual(gan.interpolate(first, second, 3, path="slerp"),
                            gan.interpolate(first, second, 3))  # fmt: skip

    def test_of_codes_that_are_no_normal_numbers(self):
        gan = kerasgan.InfoGAN((8, 8, 1), base_width=4)
        first, second = gan.latents(2, seed=0)
        way = gan.interpolate(first, second, 3)
        self.assertAllClose(way[1:2], gan.generate_from(0.5 * (first + second)[None]), atol=1e-5)

    def test_of_models_that_encode(self):
        vae = kerasgan.VAE((8, 8, 1), latent_dim=4, hidden_units=(8,))
        first, second = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype("float32")
        codes = vae.encode(np.stack([first, second]))
        way = vae.interpolate(first, second, 3)
        self.assertAllClose(way[1:2], vae.decode(codes.mean(0, keepdims=True)), atol=1e-5)
        z = vae.latents(2, seed=0)
        self.assertAllClose(vae.interpolate(*z, 4)[[0, 3]], vae.decode(z), atol=1e-5)
        with self.assertRaisesRegex(ValueError, "VAE is unconditional: generate takes no labels"):
            vae.interpolate(first, second, 3, labels=1)
        plain = kerasgan.Autoencoder((8, 8, 1))
        for path in ("lerp", "slerp"):
            way = plain.interpolate(first, second, 3, path=path)
            self.assertAllClose(way[::2], plain.reconstruct(np.stack([first, second])), atol=1e-5)

    def test_of_classes(self):
        gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=6, base_width=4, num_classes=3)
        z = gan.latents(2, seed=0)
        ends = gan.generate_from(z, labels=[0, 1])
        self.assertAllClose(gan.interpolate(*z, 3, labels=[0, 1])[::2], ends, atol=1e-5)
        ends = gan.generate_from(z, labels=2)
        self.assertAllClose(gan.interpolate(*z, 3, "z", labels=2)[::2], ends, atol=1e-5)

    @parameterized.parameters(
        ({"path": "x"}, "path='x'; use 'lerp' or 'slerp'"),
        ({"space": "w"}, "space='w': DCGAN has no such space; use 'z'"),
        ({"num_images": 1}, "num_images=1; use a whole number of at least 2"),
        ({"second": np.zeros(6)}, "a latent of zeros has no direction; use path='lerp'"),
        ({"second": np.full(6, np.nan)}, "the points hold NaN"),
        ({"first": np.ones(5)}, r"first has shape \(5,\) and second \(6,\); use two latents"),
        ({"second": None}, "second is None; use an array of numbers"),
        ({"first": np.ones(5), "second": np.ones(5)}, r"points of z have shape \(2, 5\)"),
    )
    def test_out_of_range(self, arguments, message):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=6, base_width=4)
        with self.assertRaisesRegex(ValueError, message):
            gan.interpolate(**{"first": np.ones(6), "second": -np.ones(6), **arguments})


class SpacesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(kerasgan.StyleGAN, kerasgan.StyleGAN2)
    def test_points_of_all_spaces_give_the_images_of_their_latents(self, model):
        gan = model((8, 8, 1), latent_dim=6, base_width=4, max_width=8)
        for weight in gan.sampling_generator.synthesis.trainable_weights:
            weight.assign(3.0 * weight)  # images leave their bounds
        z = gan.latents(3, seed=0)
        images = gan.generate_from(z)
        self.assertEqual(gan.spaces, ("w", "w+", "styles", "z"))
        for space in gan.spaces:
            points = gan.points(z, space)
            self.assertEqual(points.shape, (3, *gan.point_shape(space)))
            self.assertAllClose(gan.generate_from_points(points, space), images, atol=1e-4)
            whole = ops.convert_to_numpy(
                gan.images_from_points(ops.convert_to_tensor(points), space)
            )
            self.assertAllClose(np.clip(whole, -1.0, 1.0), images, atol=1e-4)
            self.assertGreater(np.abs(whole).max(), 1.01)
        self.assertAllEqual(gan.points(z), gan.points(z, "w"))
        with self.assertRaisesRegex(ValueError, r"points of w\+ have shape \(3, 6\); use \(num_p"):
            gan.generate_from_points(z, "w+")
        with self.assertRaisesRegex(
            ValueError, "space='x': .* has no such space; use 'w' or 'w.' or"
        ):
            gan.point_shape("x")
