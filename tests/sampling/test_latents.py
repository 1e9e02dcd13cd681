"""Random numbers that are a function of an image's number, and ways between latents."""

import math

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized
from keras import ops

from kerasgan.sampling import latents, normals
from kerasgan.utils import image_numbers

# Of the authors' Random123, kat_vectors: key, counter, result.
KNOWN_ANSWERS = (
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
)
NUMBERS = (7, 2**31 + 7, 2**32 - 1, 2**32, 2**40 + 1, 2**63 - 1)  # on both sides of each word


def by_hand(number, position, stream):
    """Two normal numbers in Python's whole numbers and doubles."""
    mask = 2**32 - 1
    key = [number & mask, number >> 32]
    key.append(key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (position + key[0]) & mask, (stream + key[1]) & mask
    for number_of_round in range(20):
        by = (13, 15, 26, 6, 17, 29, 16, 24)[number_of_round % 8]
        x = (x + y) & mask
        y = ((y << by | y >> (32 - by)) & mask) ^ x
        if number_of_round % 4 == 3:
            times = number_of_round // 4 + 1
            x = (x + key[times % 3]) & mask
            y = (y + key[(times + 1) % 3] + times) & mask
    radius = math.sqrt(-2.0 * math.log(((x >> 8) + 1) / 2**24))
    angle = 2.0 * math.pi * (y >> 8) / 2**24
    return radius * math.cos(angle), radius * math.sin(angle)


class ThreefryTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((np.asarray,), (tf.constant,))
    def test_gives_the_known_answers_of_its_authors(self, array):
        keys, counters, expected = np.array(KNOWN_ANSWERS, "uint32").transpose(1, 2, 0)
        words = normals.threefry([array(key) for key in keys], [array(c) for c in counters])
        self.assertAllEqual(np.stack([np.asarray(word) for word in words]), expected)


class BoxMullerTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((np.asarray,), (tf.constant,))
    def test_by_hand(self, array):
        quarter, half, last = 2**22, 2**23, 2**24 - 1
        # The radius is 0 for the largest, and sqrt(2 log 2) for the half but one.
        two = math.sqrt(2.0 * math.log(2.0))
        most = math.sqrt(2.0 * 24.0 * math.log(2.0))
        cases = (
            (last, 0, (0.0, 0.0)),
            (half - 1, 0, (two, 0.0)),
            (half - 1, quarter, (0.0, two)),
            (half - 1, half, (-two, 0.0)),
            (half - 1, 3 * quarter, (0.0, -two)),
            (half - 1, quarter // 2, (two / math.sqrt(2.0), two / math.sqrt(2.0))),
            (0, 0, (most, 0.0)),  # of 0 there is no logarithm
            (0, last, (most, 0.0)),
        )
        first, second = np.array([case[:2] for case in cases], "float32").T
        found = np.stack(
            [np.asarray(x) for x in normals.box_muller(array(first), array(second))], 1
        )
        self.assertEqual(found.dtype, np.float32)
        self.assertAllClose(found, [case[2] for case in cases], rtol=1e-6, atol=3e-6)


class StandardNormalTest(tf.test.TestCase, parameterized.TestCase):
    def test_is_the_generator_and_the_transform_by_hand(self):
        found = normals.standard_normal(NUMBERS, (7,), stream=3)
        pairs = [[by_hand(number, position, 3) for position in range(4)] for number in NUMBERS]
        expected = np.concatenate(np.moveaxis(pairs, -1, 0), axis=1)[:, :7]
        self.assertEqual(found.dtype, np.float32)
        self.assertAllClose(found, expected, rtol=1e-5, atol=2e-6)

    @parameterized.parameters(((1,), 0), ((5,), 1), ((4, 4, 1), 2), ((3, 2, 2), 2**32 - 1))
    def test_a_graph_draws_the_same(self, shape, stream):
        graph = tf.function(normals.standard_normal, autograph=False)
        found = graph(tf.constant(NUMBERS, tf.int64), shape, stream)
        self.assertEqual(found.shape.as_list(), [len(NUMBERS), *shape])
        expected = normals.standard_normal(NUMBERS, shape, stream)
        self.assertAllClose(found, expected, rtol=1e-5, atol=2e-6)

    def test_of_no_images(self):
        self.assertEqual(normals.standard_normal([], (3, 2)).shape, (0, 3, 2))
        found = normals.standard_normal(tf.zeros((0,), tf.int64), (3, 2))
        self.assertEqual(found.shape, (0, 3, 2))

    @parameterized.named_parameters(
        ("positions", np.arange(4), (25_000,), 0),
        ("numbers", np.arange(25_000), (4,), 0),
        ("images_of_a_seed", image_numbers.numbers_of_images(2**31 - 1, range(25_000)), (4,), 0),
        ("seeds", np.arange(25_000) << 32, (4,), 9),
    )
    def test_is_normal(self, numbers, shape, stream):
        found = normals.standard_normal(numbers, shape, stream).ravel().astype("float64")
        self.assertGreater(scipy.stats.kstest(found, "norm").pvalue, 0.01)
        # The standard deviation of the mean of n kth powers is sqrt(var(x^k) / n).
        root = math.sqrt(found.size)
        for power, mean, deviation in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            self.assertAllClose(
                (found**power).mean(), mean, rtol=0.0, atol=3.0 * math.sqrt(deviation) / root
            )
        self.assertLess(np.abs(found).max(), math.sqrt(2.0 * 24.0 * math.log(2.0)) + 1e-5)

    def test_streams_numbers_seeds_and_positions_are_independent(self):
        count = 20_000
        first = normals.standard_normal(np.arange(count), (2,))
        rows = {
            "position 0": first[:, 0],
            "position 1": first[:, 1],
            "next number": np.roll(first[:, 0], 1),
            "stream 1": normals.standard_normal(np.arange(count), (1,), 1)[:, 0],
            "stream 2": normals.standard_normal(np.arange(count), (1,), 2)[:, 0],
            "seed 1": normals.standard_normal((1 << 32) + np.arange(count), (1,))[:, 0],
        }
        # Also of squares: Box-Muller's halves share a radius.
        both = np.concatenate([list(rows.values()), np.square(list(rows.values()))])
        correlations = np.corrcoef(both)
        limit = 4.5 / math.sqrt(count)  # 66 of them, each with a deviation of 1 / sqrt(count)
        self.assertLess(np.abs(correlations - np.eye(len(both))).max(), limit, list(rows))

    def test_a_row_does_not_depend_on_the_others(self):
        whole = normals.standard_normal(NUMBERS, (9,), 1)
        alone = [normals.standard_normal([number], (9,), 1)[0] for number in NUMBERS]
        self.assertAllEqual(whole, alone)
        self.assertAllEqual(normals.standard_normal(NUMBERS[::-1], (9,), 1), whole[::-1])
        served = normals.standard_normal(tf.constant(NUMBERS, tf.int64), (9,), 1)
        for number, row in zip(NUMBERS, served, strict=True):
            alone = normals.standard_normal(tf.constant([number], tf.int64), (9,), 1)[0]
            # TensorFlow computes numbers by eights, and rounds those beyond in another way.
            self.assertAllClose(alone, row, rtol=1e-6, atol=1e-6)

    @parameterized.parameters([[-1]], [[0, 2**63]], [[1.0]], [["1"]], [[2**64]])
    def test_of_what_is_no_number(self, numbers):
        with self.assertRaisesRegex(ValueError, r"numbers=.*; use whole numbers from 0 to 2\*\*63"):
            normals.standard_normal(numbers, (2,))

    def test_different_numbers_streams_and_positions_differ(self):
        numbers = [*NUMBERS, 0, 1, 2]
        rows = [normals.standard_normal(numbers, (6,), stream) for stream in (0, 1, 2)]
        found = np.stack(rows).reshape(-1, 6)
        self.assertLen(np.unique(found), found.size)


class NumbersTest(tf.test.TestCase, parameterized.TestCase):
    def test_seeds_do_not_overlap(self):
        for seed, start, expected in (
            (0, 0, 0),
            (1, 0, 2**32),
            (3, 5, 3 * 2**32 + 5),
            (2**31 - 1, 2**32 - 2, 2**63 - 2),
        ):
            found = image_numbers.numbers_of_images(seed, range(start, start + 2))
            self.assertEqual(found.dtype, np.int64)
            self.assertEqual(found.tolist(), [expected, expected + 1])
        self.assertEqual(image_numbers.numbers_of_images(np.int32(2), range(0)).tolist(), [])

    @parameterized.parameters(-1, 2**31, 1.0, None, "1", np.float32(3))
    def test_of_what_is_no_seed(self, seed):
        with self.assertRaisesRegex(
            ValueError, r"seed=.*; use a whole number from 0 to 2147483647"
        ):
            image_numbers.numbers_of_images(seed, range(1))


class ErrorFunctionTest(tf.test.TestCase):
    def test_is_that_of_scipy(self):
        x = np.linspace(-6.0, 6.0, 20_001, dtype="float32")
        found = ops.convert_to_numpy(normals.erf(x))
        self.assertEqual(found.dtype, np.float32)
        self.assertAllClose(found, scipy.special.erf(x.astype("float64")), rtol=5e-7, atol=0.0)
        self.assertAllInRange(found, -1.0, 1.0)

    def test_inverse_is_that_of_scipy(self):
        inner = np.linspace(-1.0, 1.0, 20_001, dtype="float32")[1:-1]
        outer = 1.0 - np.float32(2.0) ** -np.arange(10, 25, dtype="float32")
        x = np.concatenate([inner, outer, -outer, np.float32([1e-30, 0.0])])
        found = ops.convert_to_numpy(normals.erfinv(x))
        self.assertEqual(found.dtype, np.float32)
        expected = scipy.special.erfinv(x.astype("float64"))
        self.assertAllClose(found, expected, rtol=1e-6, atol=0.0)
        ends = ops.convert_to_numpy(normals.erfinv(np.float32([-1.0, 1.0])))
        self.assertAllEqual(ends, [-np.inf, np.inf])


class SphericalTest(tf.test.TestCase):
    def test_by_hand(self):
        first, second = np.array([[2.0, 0.0]]), np.array([[0.0, 0.5]])
        for share, angle in ((0.0, 0.0), (1.0 / 3.0, math.pi / 6), (1.0, math.pi / 2)):
            expected = [[math.sqrt(2.0) * math.cos(angle), math.sqrt(2.0) * math.sin(angle)]]
            self.assertAllClose(latents.spherical(first, second, share), expected, atol=1e-6)
