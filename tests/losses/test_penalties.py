import json

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, in_step, needs_backend
from keras import ops

from kerasgan import backend, losses
from kerasgan.losses import GradientPenalty, get_penalties

# Each with the cost that it puts on the norm of a gradient.
KINDS = {
    "wgan_gp": (GradientPenalty.wgan_gp(3.0), lambda norm: 3.0 * (norm - 1.0) ** 2),
    "wgan_lp": (GradientPenalty.wgan_lp(3.0), lambda norm: 3.0 * np.maximum(0, norm - 1.0) ** 2),
    "dragan": (GradientPenalty.dragan(3.0), lambda norm: 3.0 * (norm - 1.0) ** 2),
    "r1": (GradientPenalty.r1(3.0), lambda norm: 1.5 * norm**2),
    "r2": (GradientPenalty.r2(3.0), lambda norm: 1.5 * norm**2),
    "other_center": (GradientPenalty(3.0, center=0.5), lambda norm: 3.0 * (norm - 0.5) ** 2),
}

every_kind = parameterized.named_parameters((name, *kind) for name, kind in KINDS.items())


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def quadratic(scale):
    """A discriminator whose gradient is `scale` times the image."""
    return lambda x: 0.5 * scale * ops.sum(ops.square(x), axis=(1, 2, 3))[:, None]


def linear(weights):
    """A discriminator of vectors whose gradient is the same everywhere."""
    return lambda x: ops.matmul(x, ops.reshape(weights, (-1, 1)))


def gradient(fn, at):
    return ops.convert_to_numpy(backend.input_gradient(fn, ops.convert_to_tensor(at)))


def norms(x):
    return np.sqrt(np.sum(np.square(x), axis=tuple(range(1, x.ndim))))


def in_compiled_step(fn, variables):
    """`in_step`, as one program on TensorFlow, too."""
    return in_step(tf.function(fn, jit_compile=True) if BACKEND == "tensorflow" else fn, variables)


def update(loss_fn, variables, *others):
    """Moves variables along the gradient of a loss; returns the loss."""
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    return in_step(
        lambda: backend.update(lambda: (loss_fn(), {}), variables, optimizer),
        [*variables, *optimizer.variables, *others],
    )[0]


class ValueTest(tf.test.TestCase, parameterized.TestCase):
    @every_kind
    def test_equals_the_formula_for_a_quadratic_discriminator(self, penalty, cost):
        # Norms of about 5 times 0.2: on both sides of the center.
        real, fake = images(6, 3, 3, 3), images(6, 3, 3, 3, seed=1)
        points = ops.convert_to_numpy(penalty.points(real, fake, keras.random.SeedGenerator(2)))
        value = penalty(quadratic(0.2), real, fake, keras.random.SeedGenerator(2))
        self.assertEqual(keras.backend.standardize_dtype(value.dtype), "float32")
        expected = np.mean(cost(norms(0.2 * points.astype("float64"))))
        self.assertAllClose(ops.convert_to_numpy(value), expected, rtol=1e-5)

    @every_kind
    def test_equals_the_formula_for_a_linear_discriminator(self, penalty, cost):
        for norm in (0.25, 1.0, 4.0):
            weights = norm * np.array([3.0, 4.0, -12.0], "float32") / 13.0
            value = penalty(linear(weights), images(5, 3), images(5, 3, seed=1))
            self.assertAllClose(value, cost(norm), rtol=1e-5)

    def test_one_sided_costs_nothing_below_the_center(self):
        real, fake = images(5, 3), images(5, 3, seed=1)
        for weight, center in ((10.0, 1.0), (3.0, 2.0)):
            penalty = GradientPenalty(weight, center=center, one_sided=True)
            below = np.array([0.0, 0.0, 0.99 * center], "float32")
            self.assertAllEqual(penalty(linear(below), real, fake), 0.0)
            slope = gradient(lambda w: penalty(linear(w), real, fake), below)
            self.assertAllEqual(slope, np.zeros(3))
            above = np.array([0.0, 0.0, center + 1.0], "float32")
            self.assertAllClose(penalty(linear(above), real, fake), weight, rtol=1e-5)

    def test_logits_of_patches_count_together(self):
        # The gradient is of all of an image's logits, as TF-GAN has it.
        value = GradientPenalty.wgan_gp(1.0)(lambda x: x, images(2, 9), images(2, 9, seed=1))
        self.assertAllClose(value, (3.0 - 1.0) ** 2)

    @every_kind
    def test_gradient_by_the_weights_equals_finite_differences(self, penalty, cost):
        # Of the formula in double precision: nothing here is differentiated twice but our own.
        rng = np.random.default_rng(3)
        hidden, out = rng.normal(0.0, 0.6, (4, 8)), rng.normal(0.0, 0.6, (8,))
        points = rng.normal(size=(16, 4))

        def by_hand(hidden, out):
            slope = 1.0 - np.tanh(points @ hidden) ** 2
            return np.mean(cost(norms((slope * out) @ hidden.T)))

        def ours(hidden, out):
            return penalty.at_points(
                lambda x: ops.matmul(ops.tanh(ops.matmul(x, hidden)), out[:, None]),
                ops.convert_to_tensor(points.astype("float32")),
            )

        at = [hidden.astype("float32"), out.astype("float32")]
        value = ops.convert_to_numpy(ours(*at))
        self.assertAllClose(value, by_hand(hidden, out), rtol=1e-5)
        for index, weights in enumerate((hidden, out)):
            found = gradient(lambda w, i=index: ours(*at[:i], w, *at[i + 1 :]), at[index])
            expected = np.zeros_like(weights)
            for place in np.ndindex(*weights.shape):
                nudged = [hidden.copy(), out.copy()]
                nudged[index][place] += 1e-5
                ahead = by_hand(*nudged)
                nudged[index][place] -= 2e-5
                expected[place] = (ahead - by_hand(*nudged)) / 2e-5
            self.assertAllClose(found, expected, rtol=1e-4, atol=1e-5)

    @every_kind
    def test_finite_where_the_gradient_is_zero(self, penalty, cost):
        real, fake = images(5, 3), images(5, 3, seed=1)
        self.assertAllClose(penalty(lambda x: 0.0 * x[:, :1], real, fake), cost(0.0), rtol=1e-5)
        slope = gradient(lambda w: penalty(linear(w), real, fake), np.zeros(3, "float32"))
        self.assertAllEqual(slope, np.zeros(3))

    @every_kind
    def test_half_precision(self, penalty, cost):
        keras.config.set_dtype_policy("mixed_float16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        network = keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                keras.layers.Flatten(),
                keras.layers.Dense(8, "tanh"),
                keras.layers.Dense(1, use_bias=False),
            ]
        )
        hidden, _, out = (w.astype("float64") for w in network.get_weights())
        # The sum of all values is more than half precision has.
        real, fake = (1.0 + images(64, 32, 32, 3, seed=seed).astype("float16") for seed in (0, 1))
        points = penalty.points(real, fake, keras.random.SeedGenerator(2))
        flat = ops.convert_to_numpy(points).reshape(64, -1).astype("float64")
        slope = 1.0 - np.tanh(flat @ hidden) ** 2
        expected = np.mean(cost(norms((slope * out[:, 0]) @ hidden.T)))

        seeds = keras.random.SeedGenerator(2)
        value = update(lambda: penalty(network, real, fake, seeds), network.variables, seeds.state)
        self.assertEqual(keras.backend.standardize_dtype(value.dtype), "float32")
        self.assertAllClose(ops.convert_to_numpy(value), expected, rtol=2e-2)
        self.assertAllInRange(network.get_weights()[0], -10.0, 10.0)
        self.assertNotAllClose(network.get_weights()[0], hidden)


class PointsTest(tf.test.TestCase):
    def test_interpolates_are_uniform_between_the_images_of_a_pair(self):
        # Wide apart, so that the share can be told from rounding.
        real = images(2000, 2, 2, 3)
        fake = real + 1.0 + images(2000, 2, 2, 3, seed=1) ** 2
        seeds = keras.random.SeedGenerator(0)
        shares = []
        for _ in range(2):
            points = ops.convert_to_numpy(GradientPenalty.wgan_gp().points(real, fake, seeds))
            of_pixels = ((points - real) / (fake - real)).reshape(2000, -1)
            self.assertAllClose(of_pixels, np.repeat(of_pixels[:, :1], 12, 1), atol=1e-5)
            shares.append(of_pixels[:, 0])
            self.assertGreater(len(np.unique(shares[-1])), 1990)
            self.assertGreater(scipy.stats.kstest(shares[-1], "uniform").pvalue, 0.01)
        self.assertLess(abs(np.corrcoef(*shares)[0, 1]), 0.1)  # drawn anew every time

    def test_interpolates_between_images_of_different_precision(self):
        # A generator can end in a layer of another precision than the data's.
        real, fake = images(4, 3), images(4, 3, seed=1).astype("float16")
        penalty = GradientPenalty.wgan_gp()
        points, again = (penalty.points(real, x, seed=0) for x in (fake, fake.astype("float32")))
        self.assertAllClose(points, again)

    def test_real_and_fake_are_the_images_themselves(self):
        real, fake = images(4, 3), images(4, 3, seed=1)
        self.assertAllEqual(GradientPenalty.r1().points(real, fake), real)
        self.assertAllEqual(GradientPenalty.r2().points(real, fake), fake)

    def test_dragan_goes_a_share_of_the_way_to_a_noisy_image(self):
        real = 2.0 + 3.0 * images(400, 1000)
        other = np.full_like(real, np.nan)  # generated images have no part in it
        points = GradientPenalty.dragan().points(real, other, keras.random.SeedGenerator(0))
        way = (ops.convert_to_numpy(points) - real) / (0.5 * real.std())
        self.assertAllInRange(way, -1e-5, 1.0)
        shares = way.max(1)  # the largest of 1000 uniform numbers is 1 but for about 0.001
        self.assertGreater(scipy.stats.kstest(shares, "uniform").pvalue, 0.01)
        noise = way[shares > 0.1] / shares[shares > 0.1][:, None]
        self.assertLess(scipy.stats.kstest(noise.ravel(), "uniform").statistic, 0.003)
        self.assertAllClose(np.corrcoef(noise[:9]), np.eye(9), atol=0.15)  # other noise for each

    def test_dragan_draws_share_and_noise_apart_from_a_number_as_seed(self):
        real = images(2000, 1)
        points = ops.convert_to_numpy(GradientPenalty.dragan().points(real, real, seed=0))
        way = (points - real) / (0.5 * real.std())
        # The mean of a product of two independent uniform numbers; of a square it is 1/3.
        self.assertAllClose(way.mean(), 0.25, atol=0.02)

    def test_a_seed_repeats_the_points(self):
        real, fake = images(4, 3), images(4, 3, seed=1)
        for penalty in (GradientPenalty.wgan_gp(), GradientPenalty.dragan()):
            first, again, other = (penalty.points(real, fake, seed) for seed in (1, 1, 2))
            self.assertAllEqual(first, again)
            self.assertNotAllClose(first, other)


class LazyTest(tf.test.TestCase):
    def test_mean_over_the_updates_is_that_of_the_penalty_at_each(self):
        real, fake = images(5, 3), images(5, 3, seed=1)
        weights = np.array([1.0, 2.0, 3.0], "float32")
        always, lazy = GradientPenalty.r1(), GradientPenalty.r1(every=16)
        values = [lazy(linear(weights), real, fake, update=update) for update in range(32)]
        values = np.array([ops.convert_to_numpy(value) for value in values])
        self.assertAllEqual(np.flatnonzero(values), [0, 16])
        for sixteen in (values[:16], values[16:], values[7:23]):
            self.assertAllClose(sixteen.mean(), always(linear(weights), real, fake), rtol=1e-6)

    def test_in_a_compiled_step_that_counts_its_updates(self):
        real, fake = images(5, 3), images(5, 3, seed=1)
        weights = keras.Variable(np.array([1.0, 2.0, 3.0], "float32"))
        count = keras.Variable(0, dtype="int32", trainable=False)
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build([weights])
        lazy = GradientPenalty.r1(every=3)

        def loss():
            penalty = lazy(linear(weights), real, fake, update=count)
            return penalty + ops.sum(weights), penalty

        def step():
            _, penalty = backend.update(loss, [weights], optimizer)
            count.assign_add(1)
            return penalty, ops.copy(weights)

        steps = in_compiled_step(
            lambda: [step() for _ in range(4)], [weights, count, *optimizer.variables]
        )
        expected = np.array([1.0, 2.0, 3.0])
        for times, (penalty, after) in zip((3, 0, 0, 3), steps, strict=True):
            weight = times * 10.0 / 2.0
            value = weight * np.sum(expected**2)
            self.assertAllClose(ops.convert_to_numpy(penalty), value, rtol=1e-5)
            expected = expected - 0.01 * (1.0 + 2.0 * weight * expected)
            self.assertAllClose(ops.convert_to_numpy(after), expected, rtol=1e-5)


class Critic(backend.Trainer, keras.Model):
    """A critic that learns to tell two sets of numbers apart."""

    def __init__(self, penalty):
        super().__init__()
        hidden = [keras.layers.Dense(32, "leaky_relu") for _ in range(2)]
        self.network = keras.Sequential([keras.Input((1,)), *hidden, keras.layers.Dense(1)])
        self.penalty, self.seeds = penalty, keras.random.SeedGenerator(0)
        self.built = True

    def train_step(self, data):
        real, fake = data

        def loss():
            loss = losses.Wasserstein().discriminator(self.network(real), self.network(fake))
            return loss + self.penalty(self.network, real, fake, self.seeds), {}

        return {"loss": backend.update(loss, self.trainable_variables, self.optimizer)[0]}


@needs_backend("tensorflow", "jax", reason="hundreds of steps take their time one by one")
class EarthMoversDistanceTest(tf.test.TestCase):
    def test_minus_the_loss_of_a_trained_critic(self):
        # Half of the real numbers lie on either side of the generated ones: the means agree, and
        # a critic that only goes up or only down finds no distance.
        rng = np.random.default_rng(0)
        fake = rng.normal(0.0, 0.2, (256, 1)).astype("float32")
        real = fake[::-1] + np.repeat([[-1.0], [1.0]], 128, 0).astype("float32")
        distance = scipy.stats.wasserstein_distance(real[:, 0], fake[:, 0])
        self.assertLess(abs(real.mean() - fake.mean()), 0.01 * distance)

        weight, steps = 10.0, 200
        critic = Critic(GradientPenalty.wgan_lp(weight))
        critic.compile(
            keras.optimizers.Adam(1e-2, beta_1=0.5), jit_compile=backend.compiles_by_default()
        )
        critic.fit(
            np.tile(real, (steps, 1)),
            np.concatenate([rng.permutation(fake) for _ in range(steps)]),
            batch_size=256,
            shuffle=False,
            verbose=0,
        )
        found = -losses.Wasserstein().discriminator(critic.network(real), critic.network(fake))
        # A little above a slope of 1 the penalty is small: between sets 1 apart the slope that is
        # best for the critic is 1 + 1 / (2 weight), 5 % too steep. The rest is for the training.
        self.assertAllClose(ops.convert_to_numpy(found), distance, rtol=0.08)


class ArgumentsTest(tf.test.TestCase):
    def test_settings_of_the_papers(self):
        def settings(penalty):
            return penalty.weight, penalty.at, penalty.center, penalty.one_sided, penalty.every

        for name, kind, expected in (
            ("wgan-gp", GradientPenalty.wgan_gp, (10.0, "interpolates", 1.0, False, 1)),
            ("wgan-lp", GradientPenalty.wgan_lp, (10.0, "interpolates", 1.0, True, 1)),
            ("dragan", GradientPenalty.dragan, (10.0, "around_real", 1.0, False, 1)),
            ("r1", GradientPenalty.r1, (5.0, "real", 0.0, False, 1)),
            ("r2", GradientPenalty.r2, (5.0, "fake", 0.0, False, 1)),
        ):
            self.assertEqual(settings(kind()), expected)
            (penalty,) = get_penalties(name)
            self.assertEqual(settings(penalty), expected)
        (lazy,) = get_penalties("r1-lazy")
        self.assertEqual(settings(lazy), (5.0, "real", 0.0, False, 16))
        self.assertEqual(settings(GradientPenalty.r2(1.0, every=4)), (0.5, "fake", 0.0, False, 4))

    def test_lookup(self):
        self.assertEqual(get_penalties(None), [])
        self.assertEqual(get_penalties([]), [])
        mine = GradientPenalty(2.0)
        self.assertEqual(get_penalties(mine), [mine])
        first, second = get_penalties(("r1", mine))
        self.assertEqual((first.at, second), ("real", mine))
        for name in ("wgan_gp", ["r1", "wgan_gp"]):
            with self.assertRaisesRegex(
                ValueError, r"'wgan_gp' is not known.*'r1-lazy'.*Did you mean 'wgan-gp'\?"
            ):
                get_penalties(name)
        with self.assertRaisesRegex(ValueError, r"'lipschitz' is not known.*'r1-lazy'.*'bcr'\.$"):
            get_penalties("lipschitz")
        for wrong in (10.0, [None], GradientPenalty):
            with self.assertRaisesRegex(TypeError, "neither a name"):
                get_penalties(wrong)

    def test_points_between_images_of_one_shape(self):
        for other in ((1, 3), (4, 1), (4, 3, 1)):  # which could be broadcast
            with self.assertRaisesRegex(
                ValueError, "for points between them, they need the same shape"
            ):
                GradientPenalty.wgan_gp().points(np.zeros((4, 3)), np.zeros(other))

    def test_arguments_out_of_range(self):
        for arguments, message in (
            ({"weight": 0.0}, "weight=0.0"),
            ({"weight": -1.0}, "weight=-1.0"),
            ({"weight": float("nan")}, "weight=nan"),
            ({"at": "interpolate"}, "at='interpolate'; use one of 'interpolates', 'real'"),
            ({"center": -1.0}, "center=-1.0"),
            ({"center": 0.0, "one_sided": True}, "center=0.0, one_sided=True"),
            ({"every": 0}, "every=0"),
            ({"every": 1.5}, "every=1.5"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                GradientPenalty(**{"weight": 1.0, **arguments})

    def test_serialization_keeps_the_configuration(self):
        penalty = GradientPenalty(0.5, at="fake", center=2.0, one_sided=True, every=4)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(penalty)))
        copy = keras.saving.deserialize_keras_object(config)
        self.assertIsInstance(copy, GradientPenalty)
        self.assertIsNot(copy, penalty)
        self.assertEqual(vars(copy), vars(penalty))
