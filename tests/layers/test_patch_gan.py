import keras
import numpy as np
import published
import tensorflow as tf
from absl.testing import parameterized
from keras import ops

from kerasgan import backend
from kerasgan.layers import patch_gan


def without_normalization(name):
    """Normalization joins all pixels of an image, which hides what convolutions see."""
    return keras.layers.Identity(name=name)


class PatchGANTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(1, 16, 34, 70, 286)
    def test_a_logit_sees_exactly_its_receptive_field(self, field):
        network = patch_gan.patch_discriminator(
            (None, None, 1), field, base_width=2, normalization=without_normalization
        )
        for weight in network.trainable_variables:  # so that no path is cut or cancelled
            weight.assign(np.abs(ops.convert_to_numpy(weight)) + 0.01)
        size = 2 * field + 40
        images = ops.ones((1, size, size, 1))

        def middle_logit(images):
            logits = network(images)
            middle = logits.shape[1] // 2
            return logits[:, middle, middle]

        seen = ops.convert_to_numpy(backend.input_gradient(middle_logit, images))[0, :, :, 0] != 0
        rows, columns = np.nonzero(seen.any(axis=1))[0], np.nonzero(seen.any(axis=0))[0]
        self.assertEqual((len(rows), len(columns)), (field, field))
        self.assertEqual(np.ptp(rows) + 1, field)

    def test_parameters_are_those_of_the_published_code(self):
        affine = patch_gan.affine_instance_normalization
        pair = patch_gan.patch_discriminator((256, 256, 6), normalization=affine)
        self.assertEqual(pair.count_params(), 2_768_705)
        self.assertEqual(pair.output_shape, (None, 30, 30, 1))
        single = patch_gan.patch_discriminator((256, 256, 3))
        self.assertEqual(single.count_params(), 2_764_737)

    @parameterized.parameters(
        ("cyclegan.discriminator", 2, 3, patch_gan.instance_normalization),
        ("pix2pix.discriminator", 1, 6, patch_gan.affine_instance_normalization),
    )
    def test_computes_what_the_published_one_does(self, name, batch, channels, normalization):
        network = patch_gan.patch_discriminator((32, 32, channels), 70, 4, normalization)
        places = {"conv0": 0, "conv1": 2, "conv2": 5, "conv3": 8, "logits": 11}
        places |= {"norm1": 3, "norm2": 6, "norm3": 9}
        for layer, place in places.items():
            published.fill(network.get_layer(layer), f"{name}.model.{place}")
        images = np.moveaxis(published.inputs(name, batch, channels, 32, 32), 1, -1)
        found = network.predict_on_batch(images)
        self.assertAllClose(found, published.outputs(name), rtol=0.0, atol=1e-5)

    def test_weights_begin_as_in_the_paper(self):
        network = patch_gan.patch_discriminator((32, 32, 3), 16, base_width=64)
        kernel = network.get_layer("conv1").get_weights()[0]
        self.assertAllClose(kernel.std(), 0.02, atol=2e-4)

    def test_instance_normalization_is_that_of_numpy(self):
        x = np.random.default_rng(0).normal(2.0, 3.0, (2, 5, 7, 3)).astype("float32")
        plain = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
        layer = patch_gan.instance_normalization("norm")
        self.assertAllClose(ops.convert_to_numpy(layer(x)), plain, atol=1e-5)
        self.assertEqual(layer.weights, [])
        layer = patch_gan.affine_instance_normalization("norm")
        layer.build(x.shape)
        layer.set_weights([np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, -1.0])])
        self.assertAllClose(
            ops.convert_to_numpy(layer(x)), plain * [1, 2, 3] + [0, 1, -1], atol=2e-5
        )

    def test_what_cannot_be_had_is_refused(self):
        with self.assertRaisesRegex(ValueError, "receptive_field=30; use one of 1, 16, 34, 70"):
            patch_gan.patch_discriminator((64, 64, 3), 30)
        with self.assertRaisesRegex(ValueError, "needs images of at least 24 pixels.*16"):
            patch_gan.patch_discriminator((16, 16, 3), 70)
