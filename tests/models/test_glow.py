import keras
import numpy as np
import tensorflow as tf
from keras import ops

import kerasgan
from kerasgan.layers.reversible import ActNorm, Coupling, InvertibleConv, Squeeze


def images(count, shape=(4, 4, 1), seed=0):
    values = np.random.default_rng(seed).integers(256, size=(count, *shape))
    return (values / 127.5 - 1.0).astype("float32")


class GlowTest(tf.test.TestCase):
    def test_steps_are_the_papers(self):
        flow = kerasgan.Glow((8, 8, 3), base_width=4, steps=2, scales=2)
        first, last = flow.transform.steps[-1].scales
        step = [ActNorm, InvertibleConv, Coupling]
        # The prior of what leaves is one more coupling.
        self.assertEqual([type(s) for s in first.steps], [Squeeze, *step, *step, Coupling])
        self.assertEqual([type(s) for s in last.steps], [Squeeze, *step, *step])
        self.assertEqual(flow.transform.steps[-1].shapes, [(4, 4, 12), (2, 2, 24)])

    def test_determinant_of_a_new_one_is_that_of_its_scale(self):
        """Rotations do not stretch, so only 255/512 is left."""
        keras.utils.set_random_seed(0)
        flow = kerasgan.Glow((4, 4, 1), base_width=4, steps=2)
        codes, nats = map(ops.convert_to_numpy, flow.network(images(3)))
        self.assertAllClose(nats, np.full(3, 16 * np.log(255.0 / 512.0)), rtol=1e-4)
        lengths = (images(3) ** 2).sum((1, 2, 3)) * (255.0 / 512.0) ** 2
        self.assertAllClose((codes**2).sum(1), lengths, rtol=1e-4)

    def test_generates_values_of_8_bits_by_temperature(self):
        flow = kerasgan.Glow((4, 4, 1), base_width=4, steps=1, seed=0)
        flow.start_at(images(50))
        made = flow.generate(20, seed=0)
        self.assertAllClose(np.round((made + 1.0) * 127.5), (made + 1.0) * 127.5, atol=1e-3)
        self.assertTrue(np.isfinite(flow.log_likelihood(made)).all())
        self.assertAllEqual(made, flow.generate_numbers(range(20)))
        cooler = flow.generate(20, seed=0, temperature=0.5)
        expected = flow.generate_from(0.5 * flow.latents(20, seed=0))
        self.assertAllEqual(cooler, expected)
        self.assertLess(cooler.std(0).mean(), 0.8 * made.std(0).mean())
        for wrong in (0.0, -1.0, float("nan"), "warm", None):
            with self.assertRaisesRegex(ValueError, r"^temperature=.*; use a number above 0\.$"):
                flow.generate(1, temperature=wrong)
