import keras
import numpy as np
import tensorflow as tf

import kerasgan


class LinearDecayTest(tf.test.TestCase):
    def test_is_constant_then_falls_linearly_to_zero(self):
        rate = kerasgan.LinearDecay(0.1, constant_steps=10, decay_steps=20)
        steps = [0, 9, 10, 15, 20, 25, 30, 1000]
        expected = [0.1, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0, 0.0]
        self.assertAllClose([float(rate(step)) for step in steps], expected)

    def test_moves_an_optimizer_and_comes_back_from_its_config(self):
        rate = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(kerasgan.LinearDecay(1.0, 1, 2))
        )
        optimizer = keras.optimizers.SGD(rate)
        variable = keras.Variable(0.0)
        moved = []
        for _ in range(4):
            before = float(variable)
            optimizer.apply([np.float32(1.0) + 0 * variable.value], [variable])
            moved.append(before - float(variable))
        self.assertAllClose(moved, [1.0, 1.0, 0.5, 0.0])

    def test_numbers_out_of_range_are_refused(self):
        for arguments in ((0.0, 1, 1), (1.0, -1, 1), (1.0, 1, 0)):
            with self.assertRaisesRegex(ValueError, "use a rate above 0"):
                kerasgan.LinearDecay(*arguments)
