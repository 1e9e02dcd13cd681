"""Directions, where they are known."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from control.linear_model import linear_model
from keras import ops

import kerasgan
from kerasgan import control
from kerasgan.control.directions import first_kernel

pytestmark = needs_backend("tensorflow", reason="directions are found by scikit-learn")


def ink(images):
    return images.mean((1, 2, 3))


def aligned(found, wanted):
    """The absolute cosines of pairs of vectors."""
    pairs = zip(found, wanted, strict=True)
    return [abs(float(a @ b)) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]


class WithScoresTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        self.model = linear_model()
        self.gradient = self.model.matrix.mean(axis=0)  # of the ink

    @parameterized.parameters(
        ("linear", ink, 0.9999, 0.99), ("logistic", ink, 0.98, 0.95),
        ("logistic", lambda images: ink(images) > 0.02, 0.98, 0.9),
    )  # fmt: skip
    def test_point_along_the_gradient(self, method, scores, cosine, quality):
        found = control.directions(self.model, {"ink": scores}, method, num_points=2000)
        self.assertEqual((found.names, found.space, found.method), (("ink",), "z", method))
        self.assertAllClose(np.linalg.norm(found.vectors, axis=1), [1.0])
        self.assertGreater(found.vectors[0] @ self.gradient / np.linalg.norm(self.gradient), cosine)
        self.assertGreater(found.quality[0], quality)
        self.assertAllClose(found.deviations, [1.0], atol=0.05)  # of z

    def test_orthogonal_to_others(self):
        scores = {"ink": ink, "first": lambda images: images[:, 0, 0, 0]}
        both = control.directions(self.model, scores, "linear", num_points=500)
        self.assertEqual(both.names, ("ink", "first"))
        one = control.directions(
            self.model, {"ink": ink}, "linear", num_points=500, against=both.vectors[1:]
        )
        a, b = both.vectors
        by_hand = a - (a @ b) * b  # equation 5 of InterFaceGAN
        self.assertAllClose(one.vectors[0], by_hand / np.linalg.norm(by_hand), atol=1e-5)
        # What is not to change does not.
        z = self.model.latents(3, seed=1)
        before, after = map(self.model.generate_from, (z, one.move(z, 0, 3.0)))
        self.assertAllClose(before[:, 0, 0], after[:, 0, 0], atol=1e-4)
        self.assertTrue(np.all(ink(after) > ink(before)))
        with self.assertRaisesRegex(ValueError, "against: nothing is left of 'ink'"):
            control.directions(self.model, {"ink": ink}, "linear", num_points=500, against=both)

    def test_moves_and_files(self):
        found = control.directions(
            self.model, lambda images: {"ink": ink(images), "other": images[:, 1, 1, 0]}, "linear"
        )
        z = np.zeros((2, 5))
        moved = found.move(z, "other", [1.0, -2.0])
        expected = found.deviations[1] * found.vectors[1]
        self.assertAllClose(moved, [expected, -2.0 * expected])
        path = self.create_tempdir().full_path + "/d.npz"
        found.save(path)
        with np.load(path) as file:
            self.assertEqual(file["names"].tolist(), ["ink", "other"])
            self.assertEqual((str(file["space"]), file["directions"].shape), ("z", (2, 5)))
        again = control.Directions.load(path)
        self.assertAllEqual(again.vectors, found.vectors)
        self.assertEqual((again.names, again.method), (found.names, "linear"))
        with self.assertRaisesRegex(ValueError, "no direction 'x'; these are ink, other"):
            again.move(z, "x", 1.0)
        with self.assertRaisesRegex(
            ValueError, r"points have shape \(2, 4\); use \(n, 5\), points in z"
        ):
            again.move(z[:, :4], "ink", 1.0)
        for deviations, message in (
            (
                [1.0, 2.0, 3.0],
                r"deviations is an array of shape \(3,\); use a finite number, or on",
            ),
            (np.nan, "deviations is nan; use a finite number"),
            ("far", "deviations is 'far'; use an array of numbers"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                again.move(z, "ink", deviations)
        with self.assertRaisesRegex(FileNotFoundError, "do not exist"):
            control.Directions.load(path + "x")
        np.savez(path, a=1)
        with self.assertRaisesRegex(ValueError, "does not hold directions of kerasgan"):
            control.Directions.load(path)
        pathlib.Path(path).write_text("junk")
        with self.assertRaisesRegex(ValueError, "or is damaged; write it again with"):
            control.Directions.load(path)

    @parameterized.parameters(
        ({"method": "svm"}, "method='svm'; use one of 'logistic', 'linear', 'sefa', 'pca'"),
        ({"space": "w"}, "space='w': LinearModel has no such space; use 'z'"),
        ({"scores": None}, "method='logistic' needs scores; give scores, or use 'sefa' or 'pca'"),
        ({"method": "pca"}, "method='pca' takes no scores"),
        ({"scores": 3}, "scores=3; use a function of images, or a dict"),
        ({"scores": {"a": 3}}, "scores: 'a' is 3; use a function of images"),
        ({"scores": {"a": np.mean}}, r"'a' returns float32 of shape \(\) for 40 images"),
        ({"scores": lambda x: np.full(len(x), np.nan)}, "'score' is NaN or infinite"),
        ({"scores": lambda x: np.ones(len(x))}, "'score' is 1.0 for all 40 images"),
        (
            {"scores": lambda x: np.arange(len(x)) == 5},
            "only 1 of 40 images are on one side of 'score'",
        ),
        (
            {"against": np.ones((1, 4))},
            r"against has \(1, 4\); use directions in z of shape \(k, 5\)",
        ),
        ({"against": "d.npz"}, "against is 'd.npz'; use an array of numbers"),
        ({"against": [[1.0], [1.0, 2.0]]}, "against is a list; use an array of numbers, rows of"),
        ({"against": np.full((1, 5), np.nan)}, "against holds NaN or infinite numbers"),
        ({"num_points": 3}, "num_points=3; use a whole number of at least 20"),
    )
    def test_out_of_range(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            control.directions(self.model, **{"scores": ink, "num_points": 40, **arguments})

    def test_needs_latents(self):
        with self.assertRaisesRegex(ValueError, "that can make images from latents; Autoencoder"):
            control.directions(kerasgan.Autoencoder((8, 8, 1)), ink)


class WithoutScoresTest(tf.test.TestCase, parameterized.TestCase):
    def test_equal_the_singular_vectors_of_a_linear_model(self):
        model = linear_model()
        _, _, vectors = np.linalg.svd(model.matrix)
        found = control.directions(model, method="pca", num_points=5000, num_directions=3)
        self.assertEqual(found.names, ("pca 1", "pca 2", "pca 3"))
        self.assertAllGreater(aligned(found.vectors, vectors[:3]), 0.99)  # of a sample
        squares = np.linspace(0.1, 0.02, 5) ** 2
        self.assertAllClose(found.quality, (squares / squares.sum())[:3], atol=0.02)
        found = control.directions(model, method="sefa", num_points=20)
        rows = model.matrix / np.linalg.norm(model.matrix, axis=1, keepdims=True)
        _, values, vectors = np.linalg.svd(rows)
        self.assertAllGreater(aligned(found.vectors, vectors), 0.9999)
        self.assertAllClose(found.quality, values**2 / 16.0, atol=1e-5)

    def test_of_styles(self):
        gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=6, base_width=4, max_width=8)
        synthesis = gan.sampling_generator.synthesis
        kernels = [v for v in synthesis.weights if v.path.endswith("affine/kernel")]
        self.assertLen(kernels, 5)
        kernels = [ops.convert_to_numpy(kernel) for kernel in kernels]
        rows = np.concatenate([k / np.linalg.norm(k, axis=0) for k in kernels], axis=1).T
        wanted = np.linalg.svd(rows)[2]
        w, plus = (
            control.directions(gan, method="sefa", space=space, num_points=20).vectors
            for space in ("w", "w+")
        )
        self.assertAllGreater(aligned(w, wanted), 0.9999)
        self.assertEqual(plus.shape, (6, 4, 6))
        self.assertAllClose(plus, np.repeat(w[:, None], 4, axis=1) / 2.0, atol=1e-6)
        points = gan.points(gan.latents(300, seed=0), "w")
        centred = points - points.mean(0)
        wanted = np.linalg.svd(centred)[2]
        found = control.directions(gan, method="pca", num_points=300, num_directions=2)
        self.assertAllGreater(aligned(found.vectors, wanted[:2]), 0.999)
        self.assertAllClose(found.deviations, (centred @ found.vectors.T).std(0), rtol=1e-3)
        kernel = gan.sampling_generator.mapping.get_layer("fc0_eq").layer.kernel
        self.assertAllEqual(first_kernel(gan), kernel)

    def test_needs_a_dense_layer(self):
        flow = kerasgan.RealNVP((2,))
        with self.assertRaisesRegex(ValueError, "RealNVP has no dense layer that takes whole lat"):
            control.directions(flow, method="sefa", num_points=20)

    def test_of_texts(self):
        gan = kerasgan.TextGAN((8, 8, 1), 9, 6, 4)  # of texts longer than latents
        (kernel,) = [
            v for v in gan.sampling_generator.weights if v.shape[0] == 6 + 128 and len(v.shape) == 2
        ]
        self.assertAllEqual(first_kernel(gan), ops.convert_to_numpy(kernel)[:6])

    def test_classes(self):
        gan = kerasgan.CGAN((8, 8, 1), latent_dim=6, base_width=4, num_classes=3)
        found = control.directions(gan, method="sefa", num_points=20, labels=1)
        self.assertEqual(found.vectors.shape, (6, 6))
        with self.assertRaisesRegex(ValueError, "CGAN is conditional: generate needs labels"):
            control.directions(gan, ink, num_points=20)
        found = control.directions(gan, ink, "linear", num_points=30, labels=np.arange(30) % 3)
        self.assertEqual(found.vectors.shape, (1, 6))


class ArithmeticTest(tf.test.TestCase):
    def test_is_that_of_the_paper(self):
        random = np.random.default_rng(0)
        a, b, c = (random.normal(size=(3, 5)) for _ in range(3))
        found = control.analogy(a, b, c, num_points=200, seed=1)
        self.assertAllClose(found[0], a.mean(0) - b.mean(0) + c.mean(0), atol=1e-5)
        noise = found[1:] - found[0]
        self.assertAllInRange(noise, -0.25, 0.25)
        self.assertAllClose(noise.std(), 0.5 / np.sqrt(12.0), atol=0.01)
        self.assertAllEqual(control.analogy(a, b, c, num_points=4, seed=1), found[:4])

    def test_out_of_range(self):
        a = np.ones((3, 5))
        with self.assertRaisesRegex(ValueError, r"without has shape \(5,\); use several points"):
            control.analogy(a, a[0], a)
        with self.assertRaisesRegex(ValueError, r"others has shape \(3, 4\)"):
            control.analogy(a, a, a[:, :4])
        with self.assertRaisesRegex(ValueError, "seed=-1; use a whole number of at least 0"):
            control.analogy(a, a, a, seed=-1)
