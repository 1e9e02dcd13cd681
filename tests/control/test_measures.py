"""Measures of directions and codes, where the answer is known."""

import numpy as np
import tensorflow as tf
from backends import needs_backend
from control.linear_model import linear_model

from kerasgan import control
from kerasgan.control.measures import _conditional_entropy

pytestmark = needs_backend("tensorflow", reason="measured in NumPy and scikit-learn")


def first(images):
    return images[:, 0, 0, 0]


def second(images):
    return images[:, 1, 2, 0]


class TableTest(tf.test.TestCase):
    def test_is_that_of_a_linear_model(self):
        model = linear_model()
        scores = {"first": first, "second": second}
        found = control.directions(model, scores, "linear", num_points=500)
        changes = control.change_table(model, found, scores, deviations=3.0, num_points=400)
        rows = model.matrix[[0, 6]]  # how pixels 0 and 4 + 2 depend on z
        moves = 3.0 * found.deviations[:, None] * found.vectors
        deviation = model.generate(400, seed=1).reshape(400, 16)[:, [0, 6]].std(axis=0)
        self.assertAllClose(changes.changes, rows @ moves.T / deviation[:, None], rtol=1e-3)
        cosine = rows[0] @ rows[1] / np.prod(np.linalg.norm(rows, axis=1))
        self.assertAllClose(changes.correlations[0, 1], cosine, atol=0.1)
        lines = str(changes).splitlines()
        self.assertEqual(lines[0].split(), ["first", "second"])
        self.assertEqual(lines[1].split()[:2], ["first", f"{changes.changes[0, 0]:.2f}"])
        # Once they are moved, all images may have an attribute.
        above = {"above": lambda images: first(images) > 0.0}
        one = control.Directions(
            ("first",), "z", found.vectors[:1], np.float32([100.0]), found.quality[:1], "linear"
        )
        with self.assertRaisesRegex(ValueError, "found is a str; use the Directions that"):
            control.change_table(model, "d.npz", above)
        changes = control.change_table(model, one, above, num_points=400)
        share = (model.generate(400, seed=1)[:, 0, 0, 0] > 0.0).mean()
        expected = (1.0 - share) / np.sqrt(share * (1.0 - share))
        self.assertAllClose(changes.changes, [[expected]], rtol=1e-5)


class SeparabilityTest(tf.test.TestCase):
    def test_planes_part_what_is_linear_and_not_what_is_not(self):
        model = linear_model()
        linear = control.linear_separability(model, {"first": first}, num_points=2000)
        self.assertLess(linear, 1.05)

        def parity(images):
            return (first(images) > 0) ^ (second(images) > 0)

        self.assertAllClose(
            control.linear_separability(model, {"parity": parity}, num_points=2000), 2.0, atol=0.15
        )

    def test_conditional_entropy(self):
        of, given = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1])
        self.assertAllClose(_conditional_entropy(of, given), 4 / 6 * np.log(2.0))
        self.assertEqual(_conditional_entropy(of, of), 0.0)


class FactorsTest(tf.test.TestCase):
    def setUp(self):
        random = np.random.default_rng(0)
        self.factors = np.stack([random.integers(0, 5, 600), random.normal(size=600)], axis=1)
        self.random = random

    def test_of_codes_that_are_the_factors_and_of_mixed_ones(self):
        alone = control.dci(self.factors, self.factors)
        self.assertAllGreater(alone, 0.7)
        turned = self.factors @ np.array([[1.0, 1.0], [-1.0, 1.0]])
        mixed = control.dci(turned, self.factors)
        self.assertLess(mixed.disentanglement, 0.6)
        self.assertLess(mixed.completeness, 0.6)
        self.assertGreater(control.mig(self.factors, self.factors), 0.9)
        self.assertLess(control.mig(turned, self.factors), 0.3)
        self.assertLess(control.mig(self.random.normal(size=(600, 2)), self.factors), 0.1)

    def test_gap_by_hand(self):
        factors = np.arange(400)[:, None] % 4
        half = factors // 2  # of two bits it tells one
        self.assertAllClose(control.mig(np.concatenate([factors, half], 1), factors), 0.5)

    def test_out_of_range(self):
        with self.assertRaisesRegex(ValueError, r"codes have shape \(3,\) and factors \(3, 1\)"):
            control.mig(np.ones(3), np.ones((3, 1)))
        with self.assertRaisesRegex(ValueError, "factors: one factor has the same value"):
            control.mig(np.arange(3.0)[:, None], np.ones((3, 1)))
        with self.assertRaisesRegex(ValueError, "hold NaN"):
            control.dci(np.full((3, 1), np.nan), np.ones((3, 1)))
        some = np.arange(20.0)[:, None]
        for codes, factors, message in (
            ("codes", some, "codes is 'codes'; use an array of numbers"),
            (some, some.astype(str), "factors are <U.*; use numbers. np.unique"),
            (some, some[:, :0], r"codes have shape \(20, 1\) and factors \(20, 0\); use shapes"),
            (some[:3], some[:3], "have 3 examples; dci learns from four fifths of them"),
            (0.0 * some, some, "no code tells about any factor; use codes and factors that vary"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                control.dci(codes, factors)
