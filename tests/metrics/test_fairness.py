import json

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend

import kerasgan
from kerasgan import roles
from kerasgan.metrics.fairness import FairnessReport, compare_rates, fairness_report

pytestmark = needs_backend("tensorflow", reason="NumPy alone")


def coded(groups):
    """Images (n, 2, 2, 1) whose first pixel tells the group: 0 is -1, 1 is -0.9, ..."""
    images = np.zeros((len(groups), 2, 2, 1), "float32")
    images[:, 0, 0, 0] = np.asarray(groups) / 10.0 - 1.0
    return images


def decoded(images):
    return np.round((images[:, 0, 0, 0] + 1.0) * 10.0).astype("int64")


def logits(images):
    return np.eye(3)[decoded(images)] - 0.5


class Drawer(roles.GeneratesImages):
    """A conditional "model" that draws the group that it is asked for, but 1 for every 2."""

    num_classes = 3

    def generate(self, num_images, *, seed=None, labels=None):
        self.seed, self.asked = seed, np.asarray(labels)
        return coded(np.where(self.asked == 2, 1, self.asked))


class Scribbler(roles.GeneratesImages):
    """An unconditional one, whose images are of group 0 or, one in four, of group 1."""

    num_classes = None

    def generate(self, num_images, *, seed=None, labels=None):
        assert labels is None
        return coded((np.arange(num_images) + seed) % 4 == 0)


class IntervalTest(tf.test.TestCase):
    def test_are_those_that_newcombe_published(self):
        # Table II of the paper, method 10.
        for counts, lower, upper in (
            ((56, 70, 48, 80), 0.0524, 0.3339),
            ((9, 10, 3, 10), 0.1705, 0.8090),
            ((6, 7, 2, 7), 0.0582, 0.8062),
            ((5, 56, 0, 29), -0.0381, 0.1926),
            ((0, 10, 0, 20), -0.1611, 0.2775),
            ((0, 10, 0, 10), -0.2775, 0.2775),
            ((10, 10, 0, 20), 0.6791, 1.0000),
            ((10, 10, 0, 10), 0.6075, 1.0000),
        ):
            rates = compare_rates(*(np.array([count]) for count in counts))
            self.assertAllClose([*rates.lower, *rates.upper], [lower, upper], atol=5e-5)

    def test_hold_the_truth_as_often_as_they_say(self):
        random = np.random.default_rng(0)
        for p1, n1, p2, n2 in ((0.1, 2000, 0.1, 360), (0.02, 200, 0.1, 360), (0.9, 36, 1.0, 36)):
            for confidence in (0.8, 0.95):
                one, two = random.binomial(n1, p1, 20000), random.binomial(n2, p2, 20000)
                rates = compare_rates(one, np.full(20000, n1), two, np.full(20000, n2), confidence)
                held = np.mean((rates.lower <= p1 - p2) & (p1 - p2 <= rates.upper))
                self.assertBetween(held, confidence - 0.01, confidence + 0.03)

    def test_a_group_of_nobody_has_no_rate(self):
        rates = compare_rates(np.array([0, 3]), np.array([0, 4]), np.array([1, 1]), [2, 4])
        self.assertTrue(np.isnan([rates.generated[0], rates.lower[0], rates.upper[0]]).all())
        self.assertEqual(rates.largest, 0.5)
        self.assertAllEqual(rates.clear, [False, False])
        self.assertIsNone(compare_rates(np.array([0]), [0], np.array([0]), [5]).largest)


class FairnessReportTest(tf.test.TestCase, parameterized.TestCase):
    def test_by_hand(self):
        # Ten images of each group on both sides. Generated 2s look like 1s; the classifier
        # takes one in ten real 0s for a 2.
        asked = np.repeat([0, 1, 2], 10)
        generated = coded(np.where(asked == 2, 1, asked))
        reference = coded(np.concatenate([[2], asked[1:]]))
        report = fairness_report(generated, decoded, (reference, asked), labels=asked)
        self.assertAllClose(report.shares.generated, [1 / 3, 2 / 3, 0])
        self.assertAllClose(report.shares.reference, [9 / 30, 10 / 30, 11 / 30])
        self.assertAllClose(report.shares.difference, [1 / 30, 1 / 3, -11 / 30])
        self.assertAllClose(report.demographic_parity_difference, 11 / 30)
        self.assertAllClose(report.true_positive_rates.generated, [1, 1, 0])
        self.assertAllClose(report.true_positive_rates.reference, [0.9, 1, 1])
        self.assertAllClose(report.false_positive_rates.generated, [0, 0.5, 0])
        self.assertAllClose(report.false_positive_rates.reference, [0, 0, 1 / 20])
        self.assertEqual(report.equalized_odds_difference, 1.0)
        self.assertIsNone(report.why_no_odds)
        # Newcombe's interval of 10/20 against 0/20, of the group that 2s are taken for.
        expected = compare_rates(np.array([10]), [20], np.array([0]), [20])
        self.assertAllClose(report.false_positive_rates.lower[1], expected.lower[0])
        self.assertEqual((report.num_generated, report.num_reference), (30, 30))

    def test_logits_a_keras_model_and_groups_say_the_same(self):
        groups = np.arange(300) % 3  # more than one block of 256
        reference = (coded(np.sort(groups)[:100]), groups[:100])
        pixel = keras.Sequential(
            [
                keras.Input((2, 2, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(3),
            ]
        )
        # -(x + 1 - g / 10)^2 but for what all groups have in common.
        kernel = np.zeros((4, 3))
        kernel[0] = 0.2 * np.arange(3)
        pixel.set_weights([kernel, 0.2 * np.arange(3) - (np.arange(3) / 10.0) ** 2])
        found = [
            fairness_report(coded(groups), classifier, reference, labels=groups).to_dict()
            for classifier in (decoded, logits, pixel)
        ]
        self.assertEqual(found[1], found[0])
        self.assertEqual(found[2], found[0])
        self.assertAllClose(found[0]["shares"]["2"]["difference"], 1 / 3)

    def test_booleans_are_two_groups(self):
        images = coded([0, 0, 1, 5])
        report = fairness_report(images, lambda x: decoded(x) > 0, images[:2])
        self.assertEqual(report.group_names, ("0", "1"))
        self.assertAllClose(report.shares.difference, [-0.5, 0.5])

    def test_a_conditional_model_is_asked_in_the_proportions_of_the_reference(self):
        labels = np.repeat([2, 0, 1], [10, 30, 60])
        model = Drawer()
        report = fairness_report(
            model, decoded, (coded(labels), labels), num_images=50, seed=7, group_names="abc"
        )
        self.assertAllEqual(np.bincount(model.asked), [15, 30, 5])
        self.assertEqual(model.seed, 7)
        self.assertAllClose(report.shares.difference, [0, 0.1, -0.1])
        self.assertAllClose(report.true_positive_rates.difference, [0, 0, -1])
        self.assertAllClose(report.false_positive_rates.difference, [0, 5 / 20, 0])
        self.assertEqual(report.equalized_odds_difference, 1.0)
        self.assertEqual(report.group_names, ("a", "b", "c"))

    def test_a_conditional_model_is_asked_in_equal_shares_without_labels(self):
        model = Drawer()
        report = fairness_report(model, decoded, coded([0, 1, 2]), num_images=8)
        self.assertAllEqual(np.bincount(model.asked), [3, 3, 2])
        self.assertIsNone(report.equalized_odds_difference)
        self.assertIn("none, the reference has no labels", report.table())

    def test_an_unconditional_model_has_parity_only(self):
        labels = np.arange(100) % 2
        reference = (coded(labels), labels)
        report = fairness_report(Scribbler(), decoded, reference, num_images=100)
        self.assertAllClose(report.shares.difference, [0.25, -0.25])
        self.assertIsNone(report.equalized_odds_difference)
        self.assertIsNone(report.true_positive_rates)
        self.assertIn("none, the model is unconditional", report.table())
        self.assertIn(
            "none, the images have no labels",
            fairness_report(coded(labels), decoded, reference).table(),
        )

    @parameterized.parameters(False, True)
    def test_models_of_the_library(self, conditional):
        options = {"latent_dim": 4, "base_width": 8, "seed": 0}
        test = kerasgan.data.load("digits", "test", labels=True, shuffle=False)
        if conditional:
            gan = kerasgan.CGAN((8, 8, 1), num_classes=10, **options)
            asked = np.sort(np.concatenate([labels for _, labels in test]))[::6]
        else:
            gan, asked = kerasgan.DCGAN((8, 8, 1), **options), None

        def nines_are_bright(images):
            return np.eye(10)[9 * (images[:, 4, 4, 0] > 0.0)]

        report = fairness_report(gan, nines_are_bright, test, num_images=60, seed=3)
        self.assertEqual((report.num_generated, report.num_reference), (60, 360))
        self.assertEqual(report.group_names, tuple("0123456789"))
        bright = gan.generate(60, seed=3, labels=asked)[:, 4, 4, 0] > 0.0
        self.assertAllClose(report.shares.generated[9], np.mean(bright))
        self.assertBetween(report.shares.generated[9], 0.01, 0.99)
        if conditional:
            rate = np.mean(bright[asked == 9])
            self.assertAllClose(report.true_positive_rates.generated[9], rate)
        else:
            self.assertIsNone(report.equalized_odds_difference)

    def test_reads_batches_and_names_of_a_data_set(self):
        images, labels = coded([0, 1, 2] * 40), np.array([0, 1, 2] * 40)
        pairs = [(images[:50], labels[:50]), (images[50:], labels[50:])]
        expected = fairness_report(images[:90], decoded, (images, labels), labels=labels[:90])
        for reference in (
            pairs,
            iter(pairs),
            tf.data.Dataset.from_tensor_slices((images, labels)).batch(7),
        ):
            report = fairness_report(images[:90], decoded, reference, labels=labels[:90])
            self.assertEqual(report.to_dict(), expected.to_dict())

    def test_a_perfect_generator_is_within_the_intervals(self):
        random = np.random.default_rng(0)
        outside = []
        for _ in range(100):
            one, two = random.integers(0, 4, 500), random.integers(0, 4, 300)
            report = fairness_report(coded(one), decoded, coded(two))
            outside.append(report.shares.clear)
        self.assertAllClose(np.mean(outside), 0.05, atol=0.03)

    def test_groups_without_members(self):
        labels = np.array([0, 0, 1, 1])
        report = fairness_report(
            coded([0, 0, 0, 0]), logits, (coded(labels), labels), labels=np.zeros(4, int)
        )
        self.assertAllClose(report.true_positive_rates.largest, 0.0)
        self.assertTrue(np.isnan(report.true_positive_rates.difference[1:]).all())
        table = report.to_dict()["true_positive_rates"]
        nobody = {"generated": None, "reference": None, "difference": None}
        self.assertEqual(table["2"], {**nobody, "interval": [None, None]})
        self.assertRegex(report.table(), r"\n +1 +- +100.0 % +- +-\n")
        self.assertEqual(report.plot().dtype, np.uint8)
        apart = fairness_report(
            coded([0, 0]), logits, (coded([1, 1]), np.ones(2, int)), labels=np.zeros(2, int)
        )
        self.assertIsNone(apart.true_positive_rates.largest)
        self.assertAllClose(apart.equalized_odds_difference, 0.0)

    def test_the_table(self):
        shares = compare_rates(np.array([56, 14]), [70, 70], np.array([48, 32]), [80, 80])
        report = FairnessReport(("eight", "0"), 70, 80, 0.95, shares, why_no_odds="why")
        self.assertEqual(
            report.table().splitlines(),
            [
                "70 generated and 80 reference images; * marks a 95 % interval without 0",
                "demographic parity difference: 20.0 %",
                "equalized odds difference:     none, why",
                "",
                "share",
                "group  generated  reference  difference  95 % interval",
                "eight     80.0 %     60.0 %       +20.0  +5.2 to +33.4  *",
                "    0     20.0 %     40.0 %       -20.0  -33.4 to -5.2  *",
            ],
        )

    def test_the_plot_shows_what_is_clear(self):
        asked = np.repeat([0, 1, 2], 30)
        reference = (coded(asked), asked)
        fair = fairness_report(coded(asked), decoded, reference, labels=asked)
        unfair = fairness_report(coded(0 * asked), decoded, reference, labels=asked)
        parity = fairness_report(coded(asked), decoded, coded(asked))
        red = [np.sum(np.all(report.plot() == (214, 39, 40), axis=-1)) for report in (fair, unfair)]
        self.assertEqual(red[0], 0)
        self.assertGreater(red[1], 100)
        self.assertGreater(fair.plot().shape[1], 1.9 * parity.plot().shape[1])
        self.assertNotAllEqual(parity.plot("A name")[:20], parity.plot()[:20])

    def test_is_a_json_file(self):
        asked = np.repeat([0, 1], 5)
        report = fairness_report(coded(asked), logits, (coded(asked), asked), labels=asked)
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        self.assertEqual(found["demographic_parity_difference"], 0.0)
        self.assertEqual(found["equalized_odds_difference"], 0.0)
        self.assertEqual(found["shares"]["1"]["reference"], 0.5)
        self.assertEqual(found["false_positive_rates"]["0"]["generated"], 0.0)

    def test_what_cannot_be_compared_is_refused(self):
        images, labels = coded([0, 1, 2]), np.array([0, 1, 2])
        broken, bright = images.copy(), images.copy()
        broken[1, 1, 1], bright[1, 1, 1] = np.nan, 200.0
        pair = (images, labels)
        for arguments, options, message in (
            ((broken, logits, pair), {}, "the generated images hold NaN"),
            ((images, logits, broken), {}, "the reference images hold NaN"),
            ((bright, logits, pair), {}, r"the generated images go from -1 to 200; use images in"),
            ((np.zeros((4, 2, 2, 1), "uint8"), logits, pair), {}, "generated images are uint8"),
            ((images[:1], logits, pair), {}, "the generated images are only 1; a comparison needs"),
            ((images, logits, images[:1]), {}, "the reference images are only 1"),
            ((images, logits, []), {}, "the reference images are only 0"),
            ((images[..., 0], logits, pair), {}, r"generated images have shape \(3, 2, 2\)"),
            (
                (images.repeat(3, -1), logits, pair),
                {},
                r"generated images have shape \(2, 2, 3\), the reference images have \(2, 2, 1\)",
            ),
            (("digits", logits, pair), {}, "images_or_model is str"),
            ((images, logits, pair), {"labels": [0, 1]}, r"labels of the generated.*\(2,\)"),
            ((images, logits, pair), {"labels": [0, 1, -1]}, "whole numbers from 0"),
            ((images, logits, pair), {"labels": [0.0, 1.0, 2.0]}, "float64"),
            ((images, logits, pair), {"labels": [0, 1, 3]}, "label 3, but.*3 groups"),
            ((images, logits, (images, labels[:2])), {}, r"labels of the reference.*\(2,\)"),
            ((images, lambda x: logits(x)[:, :1], pair), {}, r"returned float64 of shape \(3, 1\)"),
            ((images, lambda x: logits(x)[:2], pair), {}, r"shape \(2, 3\) for 3 images"),
            ((images, lambda x: 1.0 * decoded(x), pair), {}, r"returned float64 of shape \(3,\)"),
            ((images, lambda x: decoded(x) - 1, pair), {}, r"returned int64 of shape \(3,\)"),
            ((images, lambda x: logits(x) * np.nan, pair), {}, "returned NaN"),
            ((images, logits, pair), {"group_names": ["a", "b"]}, r"2 names \(a, b\) for 3 gr"),
            ((images, decoded, pair), {"group_names": ["a", "b"]}, r"2 names \(a, b\) for 3 gr"),
            ((images, logits, pair), {"confidence": 95}, "confidence=95"),
            ((Drawer(), logits, pair), {"labels": labels}, "labels are only for arrays of images"),
            ((Drawer(), logits, pair), {"num_images": 1}, "num_images=1"),
            ((Drawer(), decoded, (images, labels + 1)), {}, "model has 3 classes.*groups are 4"),
            (
                (Drawer(), lambda x: logits(x)[:, :2], (images, [0, 1, 1])),
                {},
                "model has 3 classes, but the groups are 2",
            ),
        ):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                fairness_report(*arguments, **options)
