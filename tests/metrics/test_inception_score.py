"""The inception score, by hand."""

import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian

from kerasgan.metrics import InceptionScore

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


def score(outputs, splits=1, batch_size=None):
    metric = InceptionScore("pixels", splits=splits)
    for start in range(0, len(outputs), batch_size or len(outputs)):
        metric.add(outputs[start : start + (batch_size or len(outputs))], real=False)
    return metric.result()


def by_hand(logits):
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(axis=0))), axis=1)))


class InceptionScoreTest(tf.test.TestCase):
    def test_its_ends(self):
        sure = np.eye(4, dtype="float32")[[0, 1, 2, 3] * 5]
        self.assertAllClose(score(sure)["inception_score"], 4.0)  # probabilities with zeros
        self.assertAllClose(score(1000.0 * sure)["inception_score"], 4.0)  # logits
        one_class = np.repeat(sure[:1], 20, axis=0)
        self.assertAllClose(score(one_class)["inception_score"], 1.0)
        unsure = np.full((20, 4), 0.25, "float32")
        self.assertAllClose(score(unsure)["inception_score"], 1.0)

    def test_by_hand_with_splits_in_batches(self):
        logits = gaussian(103, 5)
        self.assertAllClose(score(logits)["inception_score"], by_hand(logits.astype("float64")))
        for batch_size in (103, 10):
            result = score(logits, 4, batch_size)
            scores = [by_hand(logits[split::4].astype("float64")) for split in range(4)]
            self.assertAllClose(result["inception_score"], np.mean(scores))
            self.assertAllClose(result["inception_score_std"], np.std(scores))

    def test_it_wants_a_network_that_tells_classes(self):
        for examples in (np.zeros((3, 4, 4, 1), "float32"), np.zeros((3, 2), "float32")):
            with self.assertRaisesRegex(ValueError, "makes features and no logits"):
                InceptionScore("pixels").update_state(None, examples)

    def test_bad_arguments_and_too_few(self):
        with self.assertRaisesRegex(ValueError, "splits=0"):
            InceptionScore(splits=0)
        with self.assertRaisesRegex(ValueError, "seen 5 generated images; it needs at least 10"):
            score(gaussian(5), 10)
