"""Means and covariances, batch by batch."""

import pathlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian, images, measured

from kerasgan import metrics
from kerasgan.metrics import FeatureStatistics, FrechetDistance
from kerasgan.metrics.features import Extractor, digits_classifier

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


class FeatureStatisticsTest(tf.test.TestCase):
    def folder(self):
        return pathlib.Path(self.create_tempdir().full_path)

    def test_batches_give_what_all_at_once_gives(self):
        features = gaussian(203).astype("float64") + 1e7  # a mean that eats digits in one pass
        statistics = FeatureStatistics()
        for start, stop in ((0, 1), (1, 64), (64, 64), (64, 203)):
            statistics.update(features[start:stop])
        self.assertEqual(statistics.count, 203)
        self.assertAllClose(statistics.mean, features.mean(axis=0), rtol=1e-14)
        wanted = np.cov(features, rowvar=False)
        self.assertAllClose(statistics.covariance, wanted, rtol=1e-6, atol=1e-9)
        naive = (features.T @ features - 203 * np.outer(statistics.mean, statistics.mean)) / 202
        self.assertGreater(np.abs(naive - wanted).max(), 0.01)

    def test_small_batches_wait_until_adding_them_pays(self):
        features = gaussian(1203)
        add = FeatureStatistics._add
        with mock.patch.object(FeatureStatistics, "_add", autospec=True, side_effect=add) as added:
            statistics, batch = FeatureStatistics(), np.empty((1, 8), "float32")
            for row in features:
                batch[:] = row  # the caller's own
                statistics.update(batch)
            self.assertEqual(added.call_count, 2)
            self.assertEqual(statistics.count, 1203)
            self.assertEqual(added.call_count, 3)
        self.assertAllClose(statistics.mean, features.mean(axis=0, dtype="float64"), rtol=1e-13)
        self.assertAllClose(
            statistics.covariance, np.cov(features.astype("float64"), rowvar=False), rtol=1e-12
        )

    def test_negative_eigenvalues_are_those_of_no_covariance(self):
        for sigma in (-np.eye(2), [[1.0, 2.0], [2.0, 1.0]], np.diag([4.0, -1.0])):
            with self.assertRaisesRegex(ValueError, "sigma has eigenvalues from -"):
                FeatureStatistics.of_moments([0.0, 0.0], sigma)
        few = np.cov(gaussian(5).astype("float64"), rowvar=False)  # 8 features of 5 examples
        for singular in (few, few.astype("float32"), np.zeros((8, 8))):
            self.assertLen(FeatureStatistics.of_moments(np.zeros(8), singular).mean, 8)

    def test_joining_changes_neither_part(self):
        first, second = FeatureStatistics(), FeatureStatistics()
        first.update(gaussian(20))
        second.update(gaussian(30, seed=1))
        before = second.mean.copy(), second.covariance.copy()
        whole = FeatureStatistics()
        whole.merge(second)
        whole.merge(first)
        self.assertAllEqual(second.mean, before[0])
        self.assertAllEqual(second.covariance, before[1])
        both = np.concatenate([gaussian(20), gaussian(30, seed=1)]).astype("float64")
        self.assertAllClose(whole.covariance, np.cov(both, rowvar=False))

    def test_of_images_and_of_batches_with_labels(self):
        real = images(20)
        of_array = FeatureStatistics.of(real, features="pixels")
        batches = [(real[:12], np.zeros(12)), (real[12:], np.zeros(8))]
        of_batches = FeatureStatistics.of(batches, features="pixels")
        self.assertAllClose(of_array.covariance, of_batches.covariance)
        self.assertEqual(of_array.covariance.shape, (64, 64))

    def test_a_file_comes_back_and_is_pytorch_fids(self):
        statistics = FeatureStatistics()
        statistics.update(gaussian(50))
        path = self.folder() / "reference.npz"
        statistics.save(path)
        with np.load(path) as file:
            self.assertAllClose(file["mu"], gaussian(50).mean(axis=0))
            self.assertAllClose(file["sigma"], np.cov(gaussian(50), rowvar=False))
        again = FeatureStatistics.load(path)
        self.assertEqual(again.count, 50)
        self.assertAllEqual(again.covariance, statistics.covariance)
        again.update(gaussian(50, seed=1))  # goes on
        self.assertEqual(again.count, 100)

        theirs = self.folder() / "theirs.npz"
        np.savez(theirs, mu=statistics.mean, sigma=statistics.covariance)
        loaded = FeatureStatistics.load(theirs)
        self.assertIsNone(loaded.count)
        self.assertAllEqual(loaded.covariance, statistics.covariance)

    def test_a_file_says_which_network_made_it(self):
        path = self.folder() / "reference.npz"
        real, fake = images(80), images(80, seed=1)
        FeatureStatistics.of(real, features="digits").save(path)
        expected = measured(FrechetDistance("digits"), real, fake)
        # Whatever it is called, it is the same network.
        for features in ("digits", digits_classifier()):
            metric = FrechetDistance(features, reference=path)
            metric.prepare()
            self.assertAllClose(measured(metric, real, fake), expected)
        wrong = FrechetDistance(digits_classifier(weights=None), reference=path)
        for use in (wrong.prepare, lambda: wrong.update_state(None, fake)):
            with self.assertRaisesRegex(ValueError, "features=digits, and features=digits_cl"):
                use()
        with np.load(path) as file:
            np.savez(path, mu=file["mu"], sigma=file["sigma"])  # as pytorch-fid's
        wrong = FrechetDistance(wrong.features, reference=path)
        wrong.prepare()
        self.assertGreater(measured(wrong, real, fake), 0.0)

    def test_another_resizing_is_another_network(self):
        digests = []
        for interpolation in ("bilinear", "nearest", "nearest"):
            resize = keras.layers.Resizing(8, 8, interpolation)
            digests.append(Extractor(keras.Sequential([resize]), interpolation).digest)
        self.assertNotEqual(digests[0], digests[1])
        self.assertEqual(digests[1], digests[2])

    def test_bad_files_and_moments(self):
        folder = self.folder()
        with self.assertRaisesRegex(FileNotFoundError, "do not exist"):
            FeatureStatistics.load(folder / "none.npz")
        (folder / "text.npz").write_text("not a zip")
        with self.assertRaisesRegex(ValueError, "not an .npz file of this kind, or is damaged"):
            FeatureStatistics.load(folder / "text.npz")
        good = FeatureStatistics.of_moments(np.zeros(3), np.eye(3))
        good.save(folder / "good.npz")
        (folder / "half.npz").write_bytes((folder / "good.npz").read_bytes()[:200])
        with self.assertRaisesRegex(ValueError, "damaged"):
            FeatureStatistics.load(folder / "half.npz")
        np.savez(folder / "other.npz", images=np.zeros(3))
        with self.assertRaisesRegex(
            ValueError, "holds images, but statistics are `mu` and `sigma`"
        ):
            FeatureStatistics.load(folder / "other.npz")
        np.savez(folder / "pickle.npz", mu=np.array([{}]), sigma=np.eye(1))
        with self.assertRaisesRegex(ValueError, "damaged"):
            FeatureStatistics.load(folder / "pickle.npz")
        with self.assertRaisesRegex(ValueError, r"\(d,\) and \(d, d\)"):
            FeatureStatistics.of_moments(np.zeros(3), np.eye(2))
        with self.assertRaisesRegex(ValueError, "sigma is not symmetric .* differ by 0.5"):
            FeatureStatistics.of_moments(np.zeros(2), [[1.0, 0.5], [0.0, 1.0]])
        FeatureStatistics.of_moments(np.zeros(2), [[1.0, 1e-6], [0.0, 1.0]])  # rounding
        with self.assertRaisesRegex(ValueError, "NaN or infinite"):
            FeatureStatistics.of_moments([np.nan], [[1.0]])
        with self.assertRaisesRegex(ValueError, "nothing was added"):
            FeatureStatistics().save(folder / "empty.npz")
        np.savez(folder / "words.npz", mu=np.array(["a"]), sigma=np.eye(1))
        np.save(folder / "array.npy", np.zeros(3))
        (folder / "array.npy").rename(folder / "array.npz")
        (folder / "empty.npz").write_bytes(b"")
        for name in ("words", "array", "empty"):
            with self.assertRaisesRegex(
                ValueError, f"{name}.npz is not an .npz file of this kind, or is damaged"
            ):
                FeatureStatistics.load(folder / f"{name}.npz")
        uncounted = FeatureStatistics.of_moments(np.zeros(8), np.eye(8))
        with self.assertRaisesRegex(ValueError, "do not say how many examples"):
            uncounted.update(gaussian(3))
        single = FeatureStatistics()
        single.update(gaussian(1))
        with self.assertRaisesRegex(ValueError, "a covariance of 1 example does not exist"):
            _ = single.covariance

    def test_it_is_public(self):
        self.assertIs(metrics.FeatureStatistics, FeatureStatistics)
