import numpy as np
import tensorflow as tf
from keras import ops
from scipy.special import log_softmax

import kerasgan


class ContrastiveTest(tf.test.TestCase):
    def test_is_the_mean_cross_entropy_of_rows_and_of_columns(self):
        logits = np.random.default_rng(0).normal(0.0, 5.0, (6, 6))
        rows = -np.mean(np.diag(log_softmax(logits, axis=1)))
        columns = -np.mean(np.diag(log_softmax(logits, axis=0)))
        self.assertGreater(abs(rows - columns), 0.1)
        loss = kerasgan.losses.contrastive_loss(ops.convert_to_tensor(logits, "float32"))
        self.assertAllClose(ops.convert_to_numpy(loss), (rows + columns) / 2.0, rtol=1e-5)
        alike = kerasgan.losses.contrastive_loss(np.zeros((6, 6)))
        self.assertAllClose(ops.convert_to_numpy(alike), np.log(6.0))
