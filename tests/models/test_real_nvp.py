import keras
import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf
from keras import ops

import kerasgan
from kerasgan.layers.reversible import CheckerboardCoupling, Coupling


def images(count, shape=(4, 4, 1), seed=0):
    values = np.random.default_rng(seed).integers(256, size=(count, *shape))
    return (values / 127.5 - 1.0).astype("float32")


class RealNVPTest(tf.test.TestCase):
    def test_bits_by_hand(self):
        """A new RealNVP takes the logit of dequantized values, and nothing else."""
        flow = kerasgan.RealNVP((4, 4, 1), base_width=4, residual_blocks=1, scales=1)
        x = images(3)
        noise = np.random.default_rng(0).random((4, 4, 1), "float32")  # the same for each image
        values = np.round((x.astype("float64") + 1.0) * 127.5)
        inside = 0.05 + 0.9 * (values + noise) / 256.0
        nats = scipy.stats.norm.logpdf(scipy.special.logit(inside))
        nats += np.log(0.9) - np.log(inside * (1.0 - inside)) - np.log(256.0)
        expected = nats.sum((1, 2, 3))
        self.assertAllClose(flow.log_likelihood(x), expected, rtol=1e-5)
        bits = -expected.mean() / (16 * np.log(2.0))
        self.assertAllClose(flow.bits_per_dimension(x), bits, rtol=1e-5)

    def test_couplings_are_the_papers(self):
        """Section 3.6: three of pixels, three of channels, and four of pixels at the end."""
        flow = kerasgan.RealNVP((8, 8, 3), base_width=4, residual_blocks=1, scales=2)
        *scales, last = flow.transform.steps[-1].scales
        for number, scale in enumerate(scales):
            couplings = [step for step in scale.steps if isinstance(step, Coupling)]
            kinds = [isinstance(step, CheckerboardCoupling) for step in couplings]
            self.assertEqual(kinds, [True] * 3 + [False] * 3)
            self.assertEqual([step.second for step in couplings], [True, False, True] * 2)
            # Feature maps double where the squeeze is.
            widths = [step.network.get_layer("first").filters for step in couplings]
            self.assertEqual(widths, [4 * 2**number] * 3 + [8 * 2**number] * 3)
        couplings = [step for step in last.steps if isinstance(step, Coupling)]
        self.assertEqual([type(step) for step in couplings], [CheckerboardCoupling] * 4)
        # Of 12 channels half leave.
        self.assertEqual([scale[-1] for scale in flow.transform.steps[-1].shapes], [12, 6])

    def test_every_pixel_reaches_every_code(self):
        """Couplings take turns, so nothing goes through unchanged."""
        keras.utils.set_random_seed(0)
        flow = kerasgan.RealNVP((4, 4, 1), base_width=4, residual_blocks=1, scales=2)
        random = np.random.default_rng(0)
        for weight in flow.network.trainable_variables:
            old = ops.convert_to_numpy(weight)
            weight.assign(old + random.normal(0.0, 0.3, old.shape))
        x = images(1)
        moved = np.concatenate([x, x + 0.5 * np.eye(16, dtype="float32").reshape(16, 4, 4, 1)])
        codes = flow.encode(np.clip(moved, -1.0, 1.0))
        changed = np.abs(codes[1:] - codes[:1]) > 1e-6
        self.assertGreater(changed.mean(), 0.9)
