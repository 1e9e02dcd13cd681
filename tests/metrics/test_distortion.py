import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import ops

from kerasgan.metrics import PSNR, SSIM


def two(channels, size=(30, 41)):
    random = np.random.default_rng(0)
    first = random.uniform(-1, 1, (3, *size, channels)).astype("float32")
    noise = np.array([0.02, 0.2, 1.0], "float32").reshape(3, 1, 1, 1)
    second = first + noise * random.normal(size=first.shape).astype("float32")
    return first, np.clip(second, -1, 1)


def luminance(images):
    """By hand: that of ITU-R BT.601, in 0..255."""
    images = (images + 1) / 2
    if images.shape[-1] == 1:
        return images * 255
    red, green, blue = np.moveaxis(images, -1, 0)
    return (16 + 65.481 * red + 128.553 * green + 24.966 * blue)[..., None]


def value(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(ops.convert_to_numpy(metric.result()))


class DistortionTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(channels=(1, 3), border=(0, 4))
    def test_equal_tensorflows_on_the_luminance(self, channels, border):
        first, second = two(channels)
        inner = slice(border, -border or None)
        y = [luminance(images)[:, inner, inner] for images in (first, second)]
        for metric, function in ((PSNR, tf.image.psnr), (SSIM, tf.image.ssim)):
            expected = function(*y, max_val=255.0).numpy().mean()
            self.assertAllClose(value(metric(border), (first, second)), expected, rtol=1e-4)

    def test_psnr_of_figures_worked_by_hand(self):
        grey = np.zeros((1, 10, 10, 1), "float32")
        # A tenth of the range apart: 20 log10(10) = 20 dB; a hundredth: 40 dB.
        for distance, expected in ((0.2, 20.0), (0.02, 40.0)):
            self.assertAllClose(value(PSNR(), (grey, grey + distance)), expected, rtol=1e-4)

    def test_the_border_is_not_looked_at(self):
        first, _ = two(1)
        second = first.copy()
        second[:, :4], second[:, -4:], second[:, :, :4], second[:, :, -4:] = 1, 1, 1, 1
        self.assertAllClose(value(SSIM(), (first, second)), 1.0, atol=1e-5)
        self.assertEqual(value(PSNR(), (first, second)), np.inf)

    def test_the_mean_is_over_images_whatever_the_batches(self):
        first, second = two(3)
        for metric in (PSNR, SSIM):
            whole = value(metric(), (first, second))
            parts = value(metric(), (first[:2], second[:2]), (first[2:], second[2:]))
            self.assertAllClose(whole, parts)

    def test_comes_back_from_its_config(self):
        metric = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(SSIM(border=2))
        )
        self.assertEqual((metric.border, metric.name), (2, "ssim"))

    def test_what_cannot_be_measured_is_refused(self):
        first, second = two(1, size=(18, 30))
        with self.assertRaisesRegex(ValueError, "18x30; SSIM with border=4 needs at least 19"):
            SSIM().update_state(first, second)
        with self.assertRaisesRegex(ValueError, "border=-1"):
            PSNR(-1)
        first, second = two(1)
        for metric in (PSNR(), SSIM()):
            for pair, message in (
                # Cut to [-1, 1] these were all the same.
                (
                    (127.5 * first + 127.5, 127.5 * second + 127.5),
                    r"real images go from .* \[-1, 1",
                ),
                ((first, 2.0 * second), "generated images go from"),
                ((first, np.full_like(first, np.nan)), "generated images hold NaN"),
                ((first, second.astype("uint8")), "uint8"),
                ((first, second[:1]), r"in pairs.*\(3, 30, 41, 1\).*\(1, 30, 41, 1\)"),
                ((first, two(3)[1]), "in pairs"),
                ((two(2)), "1 or 3 channels"),
            ):
                with self.assertRaisesRegex(ValueError, message):
                    metric.update_state(*pair)
            self.assertEqual(float(metric.count), 0.0)
