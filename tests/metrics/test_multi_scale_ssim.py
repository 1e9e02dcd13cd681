"""MS-SSIM and SSIM, against tf.image and scikit-image."""

import keras
import numpy as np
import tensorflow as tf
from metric_helpers import images
from skimage.metrics import structural_similarity as of_scikit_image

from kerasgan.metrics import MultiScaleSSIM
from kerasgan.metrics.distortion import luminance, structural_similarity
from kerasgan.metrics.multi_scale_ssim import WEIGHTS, multi_scale_similarity


def similar(count, size, channels=1):
    noise = images(2 * count, size, channels)
    return noise[:count], 0.7 * noise[:count] + 0.3 * noise[count:]


class MultiScaleSSIMTest(tf.test.TestCase):
    def test_against_tf_image(self):
        for size, scales in ((176, 5), (44, 3), (20, 1)):
            first, second = similar(2, size)
            weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
            expected = tf.image.ssim_multiscale(
                (first + 1.0) * 127.5, (second + 1.0) * 127.5, 255.0, weights.tolist()
            )
            found = multi_scale_similarity(first, second)
            self.assertAllClose(keras.ops.convert_to_numpy(found), expected, rtol=1e-4)

    def test_one_scale_against_scikit_image(self):
        first, second = (
            keras.ops.convert_to_numpy(luminance(keras.ops.convert_to_tensor(x)))[0, ..., 0]
            for x in similar(1, 32, 3)
        )
        _, expected = of_scikit_image(
            first,
            second,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        tensors = (keras.ops.convert_to_tensor(x[None, ..., None]) for x in (first, second))
        whole, _ = structural_similarity(*tensors)
        self.assertAllClose(float(whole[0]), expected[5:-5, 5:-5].mean(), rtol=1e-4)

    def test_pairs_follow_each_other_across_batches(self):
        noise, metric = images(7, 24), MultiScaleSSIM()
        for start, stop in ((0, 1), (1, 4), (4, 7)):
            metric.update_state(None, noise[start:stop])
        pairs = multi_scale_similarity(noise[0:6:2], noise[1:6:2])
        expected = keras.ops.convert_to_numpy(pairs).mean()
        self.assertAllClose(metric.result(), {"ms_ssim": expected}, rtol=1e-5)

    def test_a_generator_that_makes_always_the_same(self):
        metric = MultiScaleSSIM(name="other")
        metric.update_state(images(6, 24), np.repeat(images(1, 24), 6, axis=0))
        result = metric.result()
        self.assertAllClose(result["other"], 1.0)
        self.assertLess(result["other_real"], 0.3)
        config = keras.saving.serialize_keras_object(metric)
        again = keras.saving.deserialize_keras_object(config)
        again.update_state(images(6, 24), np.repeat(images(1, 24), 6, axis=0))
        self.assertEqual(again.result(), result)

    def test_bad_images(self):
        metric = MultiScaleSSIM()
        with self.assertRaisesRegex(ValueError, "at least 11 pixels"):
            metric.update_state(images(2, 10), None)
        metric.update_state(images(1, 24), images(1, 24))
        with self.assertRaisesRegex(ValueError, "seen fewer than two images"):
            metric.result()
