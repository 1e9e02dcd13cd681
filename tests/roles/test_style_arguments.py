"""What functions of styles refuse, with a sentence rather than an error of the framework."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend

import kerasgan

SIZES = {"latent_dim": 6, "base_width": 4, "max_width": 8}


@needs_backend("tensorflow", reason="it is arithmetic")
class ArgumentsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(kerasgan.StyleGAN2, kerasgan.StyleGAN3)
    def test_latents_and_styles_of_other_shapes(self, model):
        gan = model((8, 8, 1), **SIZES)
        z, first = gan.latents(2, seed=0), gan.latents(1, seed=0)[0]
        styles = gan.styles(z)
        for call, message in (
            (lambda: gan.styles(first), r"latents has shape \(6,\); use \(num_images, 6\)"),
            (lambda: gan.styles(z[:, :3]), r"latents has shape \(2, 3\)"),
            (lambda: gan.styles("cat"), "latents is .cat.; use an array of numbers"),
            (lambda: gan.styles(z * np.nan), "latents holds NaN"),
            (lambda: gan.style_mix(z[:, :2], z), r"sources has shape \(2, 2\)"),
            (lambda: gan.style_mix(z, first), r"targets has shape \(6,\)"),
            (lambda: gan.interpolate(first, first[:3]), r"first has shape \(6,\) and second \(3,"),
            (
                lambda: gan.generate_from_styles(styles[:, 0]),
                r"shape \(2, 6\); use \(num_images, \d, 6\) or \(num_images, \d\d\)",
            ),
            (lambda: gan.generate_from_styles(styles[:, :2]), r"styles has shape \(2, 2, 6\)"),
            (lambda: gan.generate_from_styles(styles, [1] * 9), "noise has 9 arrays; use None or"),
            (lambda: gan.channels(styles[0]), "styles has shape"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                call()

    def test_noise_and_numbers(self):
        gan = kerasgan.StyleGAN2((8, 8, 1), **SIZES)
        z = gan.latents(2, seed=0)
        noise = [np.zeros((2, *shape)) for shape in gan.noise_shapes[1:]]
        styles = gan.styles(z)
        self.assertEqual(gan.generate_from_styles(styles, noise).shape, (2, 8, 8, 1))
        for call, message in (
            (
                lambda: gan.generate_from_styles(styles, [noise[0][:1], *noise[1:]]),
                r"noise\[0\] has shape \(1, ",
            ),
            (lambda: gan.stochastic_variation(z, 2), r"latent has shape \(2, 6\); use \(6,\)"),
            (lambda: gan.stochastic_variation(z[0], -1), "num_images=-1; use a whole number"),
            (lambda: gan.stochastic_variation(z[0], 2, "a"), "seed='a'; use a whole number"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                call()
