import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops

import kerasgan
from kerasgan import roles
from kerasgan.callbacks import SampleGrid


def values(x):
    return ops.convert_to_numpy(x)


def small(**settings):
    return kerasgan.Autoencoder(
        **{"image_shape": (4, 4, 1), "latent_dim": 3, "seed": 0, **settings}
    )


def images(count, shape=(4, 4, 1), seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, *shape)).astype("float32")


class LossTest(tf.test.TestCase, parameterized.TestCase):
    def evaluate(self, model, x):
        model.compile()
        return model.evaluate(x, batch_size=len(x), verbose=0, return_dict=True)

    @parameterized.parameters("mse", "binary_crossentropy")
    def test_errors_are_means_over_pixels_from_0_to_1(self, loss):
        x = images(6)
        model = small(loss=loss)
        made = (model.reconstruct(x).astype("float64") + 1.0) / 2.0
        clean = (x + 1.0) / 2.0
        expected = {
            "mse": ((clean - made) ** 2).mean(),
            "binary_crossentropy": -(
                clean * np.log(made) + (1.0 - clean) * np.log(1.0 - made)
            ).mean(),
        }[loss]
        logs = self.evaluate(model, x)
        self.assertAllClose(logs, {"loss": expected, "reconstruction": expected}, rtol=1e-4)

    def test_sparsity_by_hand(self):
        x = images(6)
        for kind, expected in (
            ("l1", lambda codes: np.abs(codes).sum(1).mean()),
            (
                "kl",
                lambda codes: sum(
                    0.1 * np.log(0.1 / share) + 0.9 * np.log(0.9 / (1.0 - share))
                    for share in codes.mean(0)
                ),
            ),
        ):
            model = small(sparsity=kind, sparsity_weight=0.7, sparsity_target=0.1)
            logs = self.evaluate(model, x)
            self.assertAllClose(logs["sparsity"], expected(model.encode(x)), rtol=1e-4)
            total = logs["reconstruction"] + 0.7 * logs["sparsity"]
            self.assertAllClose(logs["loss"], total, rtol=1e-5)

    def test_sparsity_makes_codes_sparse(self):
        x = images(64)
        activity = {}
        for weight in (0.0, 0.1):
            keras.utils.set_random_seed(0)
            model = small(latent_dim=20, sparsity="l1", sparsity_weight=weight)
            model.compile(keras.optimizers.Adam(1e-2))
            model.fit(np.tile(x, (60, 1, 1, 1)), batch_size=64, shuffle=False, verbose=0)
            activity[weight] = (model.encode(x) > 0.0).mean()
        self.assertLess(activity[0.1], 0.5 * activity[0.0])

    def test_noise_is_on_the_input_and_not_on_the_target(self):
        """Of a model that returns what it gets, the loss is the mean square of the noise."""
        inputs = keras.Input((4, 4, 1))
        encoder = keras.Model(inputs, layers.Flatten()(inputs))
        decoder = keras.Sequential(
            [keras.Input((16,)), layers.Dense(16), layers.Reshape((4, 4, 1))]
        )
        decoder.set_weights([np.eye(16), np.zeros(16)])
        x = images(2000)
        clean = (x + 1.0) / 2.0
        for noise, level, expected in (
            (None, 0.3, 0.0),
            ("masking", 0.25, 0.25 * (clean**2).mean()),
            ("salt_and_pepper", 0.4, 0.2 * ((clean**2).mean() + ((1.0 - clean) ** 2).mean())),
        ):
            model = kerasgan.Autoencoder(
                encoder=encoder, decoder=decoder, noise=noise, noise_level=level
            )
            logs = self.evaluate(model, x)
            self.assertAllClose(logs["loss"], expected, atol=0.004)
        gray = np.zeros_like(x)  # so far from both ends that little is clipped
        model = kerasgan.Autoencoder(
            encoder=encoder, decoder=decoder, noise="gaussian", noise_level=0.1
        )
        self.assertAllClose(self.evaluate(model, gray)["loss"], 0.01, atol=3e-4)
        noisy = values(model.noisy(x))
        self.assertAllInRange(noisy, -1.0, 1.0)
        self.assertAllEqual(values(model.noisy(x)), noisy)

    def test_all_channels_of_a_pixel_are_masked_together(self):
        model = small(image_shape=(4, 4, 3), noise="masking", noise_level=0.5)
        masked = values(model.noisy(images(20, (4, 4, 3)))) == -1.0
        self.assertAllEqual(masked.all(-1), masked.any(-1))
        self.assertBetween(masked.mean(), 0.4, 0.6)

    def test_a_linear_one_finds_the_principal_components(self):
        """Baldi and Hornik 1989: the least error of linear networks is that of PCA."""
        random = np.random.default_rng(0)
        factors = random.normal(size=(3, 9)) * np.array([[0.3], [0.2], [0.02]])
        x = np.clip(random.normal(size=(300, 3)) @ factors, -1.0, 1.0).astype("float32")
        centred = x - x.mean(0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        rest = centred - centred @ axes[:2].T @ axes[:2]
        least = ((0.5 * rest) ** 2).mean()
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3, 3, 1))
        encoder = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
        decoder = keras.Sequential([keras.Input((2,)), layers.Dense(9), layers.Reshape((3, 3, 1))])
        model = kerasgan.Autoencoder(encoder=encoder, decoder=decoder)
        model.compile(keras.optimizers.Adam(2e-2))
        x = x.reshape(-1, 3, 3, 1)
        model.fit(np.tile(x, (1200, 1, 1, 1)), batch_size=300, shuffle=False, verbose=0)
        found = model.evaluate(x, batch_size=300, verbose=0, return_dict=True)["loss"]
        self.assertBetween(found, least * (1.0 - 1e-3), least * 1.05)


class UseTest(tf.test.TestCase, parameterized.TestCase):
    def test_depth_and_widths(self):
        def shapes(model):
            return [tuple(v.shape) for v in model.trainable_variables if len(v.shape) == 2]

        self.assertEqual(shapes(small()), [(16, 3), (3, 16)])
        deep = [(16, 8), (8, 4), (4, 2), (2, 3), (3, 2), (2, 4), (4, 8), (8, 16)]
        self.assertEqual(shapes(small(depth=4, base_width=8)), deep)

    def test_it_cannot_draw_and_says_why(self):
        model = small()
        with self.assertRaisesRegex(AttributeError, "no known distribution.*VAE"):
            model.generate(4)
        with self.assertRaisesRegex(ValueError, "can reconstruct images.*no known distribution"):
            roles.require(model, roles.GeneratesImages, "sample")
        model.compile()
        with self.assertRaisesRegex(ValueError, "no known distribution.*a VAE can.*Reconstruct"):
            model.fit(images(4), callbacks=[SampleGrid(self.get_temp_dir())], verbose=0)

    def test_metrics_compare_images_with_their_reconstructions(self):
        model = small(image_shape=(12, 12, 1))
        model.compile(metrics=[kerasgan.metrics.PSNR(border=0)])
        x = images(10, (12, 12, 1))
        found = model.evaluate(x, batch_size=4, verbose=0, return_dict=True)
        error = ((x - model.reconstruct(x)) ** 2).mean((1, 2, 3))
        self.assertAllClose(found["psnr"], (10.0 * np.log10(4.0 / error)).mean(), rtol=1e-4)

    @parameterized.parameters(
        ({"depth": 3, "noise": "gaussian", "loss": "binary_crossentropy"},),
        ({"convolutional": True, "base_width": 4, "image_shape": (8, 8, 3)},),
        ({"sparsity": "kl", "noise": "masking", "dtype": "mixed_bfloat16"},),
    )
    @needs_backend("tensorflow", reason="settings are the same everywhere")
    def test_settings_are_saved(self, settings):
        model = small(**settings)
        model.compile()
        x = images(8, model.image_shape)
        model.fit(x, verbose=0)
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        model.save(path)
        copy = keras.saving.load_model(path)
        self.assertEqual(copy.get_config(), model.get_config())
        for each in (model, copy):
            each.fit(x, verbose=0)
        for ours, theirs in zip(model.weights, copy.weights, strict=True):
            self.assertAllEqual(values(ours), values(theirs))

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_denoising_beats_leaving_the_noise(self):
        keras.utils.set_random_seed(0)
        digits = kerasgan.data.load("digits", batch_size=32)
        unseen = np.concatenate([*kerasgan.data.load("digits", split="test").as_numpy_iterator()])
        model = small(
            image_shape=(8, 8, 1), latent_dim=16, depth=2, base_width=64, noise="gaussian"
        )
        model.compile(keras.optimizers.Adam(5e-3))
        model.fit(digits, epochs=8, verbose=0)
        noisy = values(model.noisy(unseen, seed=1))
        left = ((unseen - noisy) ** 2).mean()
        self.assertLess(((unseen - model.reconstruct(noisy)) ** 2).mean(), 0.6 * left)


class BadInputTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ({"loss": "mae"}, "loss='mae'; use 'mse' or 'binary_crossentropy'"),
        ({"sparsity": "l2"}, "sparsity='l2'; use None, 'l1' or 'kl'"),
        ({"noise": "blur"}, "noise='blur'; use None, 'gaussian', 'masking' or 'salt_and"),
        ({"noise": "masking", "noise_level": 1.5}, "noise_level=1.5; use a number above 0, and at"),
        ({"noise_level": 0.0}, "noise_level=0.0; use a number above 0"),
        ({"sparsity_weight": -1.0}, "sparsity_weight=-1.0; use a number at least 0"),
        ({"sparsity_target": 1.0}, "sparsity_target=1.0; use a number between 0 and 1"),
        ({"depth": 0}, "depth=0; use a whole number of at least 1"),
        ({"depth": 3, "convolutional": True}, "depth=3 counts dense layers"),
        ({"image_shape": None}, "image_shape=None; give an image_shape"),
    )
    def test_arguments(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            small(**settings)

    def test_networks(self):
        encoder = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(3)])

        def decoder(activation=None, length=3):
            return keras.Sequential(
                [
                    keras.Input((length,)),
                    layers.Dense(4, activation),
                    layers.Reshape((2, 2, 1)),
                ]
            )

        for network, settings, message in (
            (decoder(length=2), {}, r"takes inputs of shape \(2,\), but the codes of the encoder"),
            (decoder("sigmoid"), {}, "ends in sigmoid, so it cannot make images"),
            (decoder("tanh"), {"loss": "binary_crossentropy"}, "ends in tanh, but binary_cross"),
            (decoder(), {"sparsity": "kl"}, "encoder ends in linear, but sparsity=.kl. needs"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.Autoencoder(encoder=encoder, decoder=network, **settings)

    def test_data(self):
        model = small(noise="gaussian")
        model.compile()
        with self.assertRaisesRegex(ValueError, "give only the clean ones, and noise="):
            model.fit(images(4), images(4), verbose=0)
        with self.assertRaisesRegex(ValueError, "labels"):
            model.fit(images(4), np.zeros(4, "int32"), verbose=0)
        with self.assertRaisesRegex(ValueError, r"codes has shape \(2, 4\)"):
            model.decode(np.zeros((2, 4)))
