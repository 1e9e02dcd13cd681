import json

import keras
import numpy as np
import scipy.spatial
import scipy.stats
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.metrics.memorization import compare_distances, memorization_report

pytestmark = needs_backend("tensorflow", reason="NumPy alone")


def drawn(seed, count, scale=0.2):
    """Images (count, 4, 4, 1) around 0."""
    noise = np.random.default_rng(seed).normal(0.0, scale, (count, 4, 4, 1))
    return np.clip(noise, -1, 1).astype("float32")


class TestOfDistances(tf.test.TestCase):
    def test_equals_scipys(self):
        random = np.random.default_rng(0)
        for decimals in (6, 1, 0):  # none, some and many equal distances
            for m, n in ((200, 300), (40, 7), (2, 2)):
                one = np.round(random.normal(0.3, 1.0, m), decimals)
                two = np.round(random.normal(0.0, 1.0, n), decimals)
                probability, z_score = compare_distances(one, two)
                expected = scipy.stats.mannwhitneyu(
                    one, two, method="asymptotic", use_continuity=False, alternative="less"
                )
                self.assertAllClose(1.0 - probability, expected.statistic / (m * n))
                self.assertAllClose(scipy.stats.norm.cdf(z_score), expected.pvalue)

    def test_is_the_papers_without_equal_distances(self):
        # U counts the pairs with the generated one farther: 0 + 1 + 3 of 3 * 4.
        probability, z_score = compare_distances([1.0, 3.0, 6.0], [2.0, 4.0, 5.0, 7.0])
        self.assertAllClose(probability, 1.0 - 4 / 12)
        self.assertAllClose(z_score, (4 - 6) / np.sqrt(3 * 4 * (3 + 4 + 1) / 12))

    def test_equal_distances_by_hand(self):
        # Two of six pairs are equal, none has the generated one farther. Three of five are equal.
        probability, z_score = compare_distances([1.0, 2.0, 2.0], [2.0, 3.0])
        self.assertAllClose(probability, 1.0 - (2 * 0.5) / 6)
        variance = 3 * 2 / 12 * ((5 + 1) - (3**3 - 3) / (5 * (5 - 1)))
        self.assertAllClose(z_score, (1 - 3) / np.sqrt(variance))

    def test_a_z_score_may_be_far_beyond_every_p_value(self):
        near, far = np.arange(10_000.0), np.arange(10_000.0) + 1e5
        _, z_score = compare_distances(near, far)
        self.assertAllClose(z_score, -np.sqrt(3 * 10_000**2 / 20_001))

    def test_all_distances_equal(self):
        self.assertEqual(compare_distances([2.0, 2.0], [2.0, 2.0, 2.0]), (0.5, 0.0))


class MemorizationReportTest(tf.test.TestCase):
    def test_equals_all_distances(self):
        generated, training, held_out = drawn(0, 300), drawn(1, 600), drawn(2, 50)
        report = memorization_report(generated, training, held_out)
        between = scipy.spatial.distance.cdist(
            generated.reshape(300, -1), training.reshape(600, -1)
        )
        self.assertAllEqual(report.indices, between.argmin(axis=1))
        self.assertAllClose(report.distances, between.min(axis=1), rtol=1e-6)
        of_held_out = scipy.spatial.distance.cdist(
            held_out.reshape(50, -1), training.reshape(600, -1)
        )
        self.assertAllClose(report.held_out_distances, of_held_out.min(axis=1), rtol=1e-6)
        nearer = np.mean(between.min(axis=1)[:, None] < of_held_out.min(axis=1))
        self.assertAllClose(report.probability, nearer)

    def test_copies_a_good_generator_and_a_poor_one(self):
        training, held_out = drawn(0, 400), drawn(1, 200)
        copies = training[:200] + drawn(2, 200, 0.01)
        for generated, reading, low, high in (
            (copies, "copying", 0.99, 1.0),
            (drawn(3, 200), "no sign of copying", 0.42, 0.58),
            (drawn(4, 200, 0.3), "underfitting", 0.0, 0.1),
        ):
            report = memorization_report(generated, training, held_out)
            self.assertIn(reading, report.reading())
            self.assertBetween(report.probability, low, high)
            self.assertEqual(report.exact_copies, 0)
        self.assertAllEqual(memorization_report(copies, training).indices, np.arange(200))

    def test_the_z_score_of_a_perfect_generator_is_standard_normal(self):
        # 200 times 60 generated and 40 held-out images that face the same training set.
        report = memorization_report(drawn(0, 200 * 60), drawn(1, 100), drawn(2, 200 * 40))
        scores = [
            compare_distances(*both)[1]
            for both in zip(
                report.distances.reshape(200, 60),
                report.held_out_distances.reshape(200, 40),
                strict=True,
            )
        ]
        self.assertAllClose(np.mean(scores), 0.0, atol=0.2)
        self.assertAllClose(np.std(scores), 1.0, atol=0.15)

    def test_exact_copies_are_those_of_the_files(self):
        training = drawn(0, 600)
        generated = np.concatenate([training[[5, 599, 5]], drawn(1, 7)])
        generated[1] = np.round((generated[1] + 1) * 127.5) / 127.5 - 1  # as a PNG file has it
        report = memorization_report(generated, training)
        self.assertEqual(report.exact_copies, 3)
        self.assertAllEqual(report.distances[[0, 2]], [0.0, 0.0])
        self.assertAllEqual(report.indices[:3], [5, 599, 5])

    def test_the_picture_has_the_worst_suspects_first(self):
        training = drawn(0, 50)
        generated = drawn(1, 20)
        generated[7] = training[30]
        generated[3] = np.clip(training[11] + 0.01, -1, 1)
        report = memorization_report(generated, training, num_shown=3)
        self.assertAllEqual(report.suspects[0, :2], generated[[7, 3]])
        self.assertAllEqual(report.suspects[1, :2], training[[30, 11]])
        picture = report.picture()
        self.assertEqual((picture.dtype, picture.shape[2]), (np.uint8, 3))
        zoom = picture.shape[0] // 8
        expected = np.round((training[30, 0, 0, 0] + 1) * 127.5)
        self.assertEqual(picture[0, 0, 0], expected)
        self.assertEqual(picture[4 * zoom + 2, 0, 0], expected)  # below the first, past the gap
        self.assertEqual(memorization_report(generated[:2], training).suspects.shape[1], 2)

    def test_features(self):
        training, generated = drawn(0, 300), drawn(1, 300)
        mean = lambda images: images.mean(axis=(1, 2))  # noqa: E731
        report = memorization_report(generated, training, features=mean)
        between = np.abs(mean(generated) - mean(training)[:, 0])
        self.assertAllClose(report.distances, between.min(axis=1), rtol=1e-5)
        network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.GlobalAveragePooling2D()])
        seen = memorization_report(generated, training, features=network)
        # Networks are shown what a file would hold.
        rounded = (np.round((x + 1.0) * 127.5) / 127.5 - 1.0 for x in (generated, training))
        same = memorization_report(*rounded, features=mean)
        self.assertAllClose(seen.distances, same.distances, atol=1e-6)

    def test_reads_data_sets_with_and_without_labels(self):
        generated = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=8, seed=0).generate(
            20, seed=0
        )
        how = {"shuffle": False, "batch_size": 100}
        found = [
            memorization_report(
                generated,
                kerasgan.data.load("digits", labels=labels, **how),
                kerasgan.data.load("digits", "test", labels=labels, **how),
            )
            for labels in (False, True)
        ]
        self.assertLen(found[0].held_out_distances, 360)
        self.assertAllEqual(found[0].indices, found[1].indices)
        self.assertEqual(found[0].z_score, found[1].z_score)
        self.assertGreater(found[0].z_score, 5.0)  # it has not been trained at all

    def test_words_and_numbers(self):
        training, held_out = drawn(0, 40), drawn(1, 30)
        report = memorization_report(training[:10], training, held_out)
        table = report.table()
        self.assertIn("exact copies (in 8 bits): 10 of 10", table)
        self.assertIn("probability 1.000", table)
        self.assertTrue(table.endswith("copying"))
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        self.assertEqual((found["num_generated"], found["num_held_out"]), (10, 30))
        self.assertEqual((found["median_distance"], found["exact_copies"]), (0.0, 10))
        self.assertEqual(found["z_score"], report.z_score)

        alone = memorization_report(training[:10], training)
        self.assertIsNone(alone.probability)
        self.assertIsNone(alone.to_dict()["z_score"])
        self.assertNotIn("held out ", alone.table())
        self.assertIn("no telling", alone.table())

    def test_what_cannot_be_compared_is_refused(self):
        images = drawn(0, 5)
        broken = images.copy()
        broken[4] = np.inf
        for arguments, options, message in (
            ((broken, images), {}, "the generated images hold NaN or infinite"),
            ((images, broken), {}, "the training images hold NaN"),
            ((images, images, broken), {}, "the held-out images hold NaN"),
            ((images * 100, images), {}, "the generated images go from"),
            (
                (images[:1], images),
                {},
                "the generated images are only 1; a comparison needs at least",
            ),
            ((images, images[:1]), {}, "the training images are only 1"),
            ((images, images, images[:1]), {}, "the held-out images are only 1"),
            (
                (images, images.repeat(2, axis=1)),
                {},
                r"generated images have shape \(4, 4, 1\), the training images have \(8, 4, 1\)",
            ),
            ((images.astype("int32"), images), {}, "the generated images are int32"),
            ((images, images), {"num_shown": 0}, "num_shown=0"),
            ((images, images), {"features": lambda x: x[:2]}, r"features returned shape \(2, 4"),
            ((images, images), {"features": lambda x: x * np.nan}, "features"),
        ):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                memorization_report(*arguments, **options)
