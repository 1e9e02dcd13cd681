"""Penalties on the gradient of the discriminator's logits with respect to the image."""

from typing import Self

import keras
from keras import ops

from kerasgan import backend
from kerasgan.losses.adversarial import alike

PLACES = ("interpolates", "real", "fake", "around_real")


class Penalty:
    """Base class of penalties that are added to the discriminator's loss.

    A subclass defines `get_config`, `__call__` and `in_evaluation`. The last two take the
    discriminator (a function from images to logits), real and generated images and a seed, and
    return a float32 scalar.

    Attributes:
        log_name: str, the name under which `fit` logs it.
        every: int; the penalty is added in one of this many updates.
        state: None, or a `keras.layers.Layer` with the weights that it needs to go on.

    Example:

    >>> class SquaredLogits(kerasgan.losses.Penalty):
    ...     log_name = "squared_logits"
    ...     def __call__(self, discriminator, real, fake, seed=None, update=0):
    ...         return keras.ops.mean(keras.ops.square(discriminator(real)))
    ...     def in_evaluation(self, discriminator, real, fake, seed=None):
    ...         return self(discriminator, real, fake, seed)
    >>> x = np.ones((2, 3), "float32")
    >>> float(SquaredLogits()(lambda x: 2.0 * x[:, :1], x, x))
    4.0
    """

    log_name: str = "penalty"
    every: int = 1
    state: keras.layers.Layer | None = None

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable(package="kerasgan")
class GradientPenalty(Penalty):
    """A gradient penalty, `weight * E[(|grad D(x)| - center)^2]`, at points x chosen by `at`.

    The class methods give the papers' settings. The gradient is that of the discriminator as a
    function of one image. So batch norm uses its moving averages here, and dropout is off: in a
    batch that is normalized together, one logit depends on all images. For a map of logits, such as
    a PatchGAN's, it is the gradient of their sum.

    Args:
        weight: float, above 0.
        at: where the gradient is taken:

            - `"interpolates"`: at a point drawn uniformly, for each pair of images, on the line
              between a real and a generated one;
            - `"real"`, `"fake"`: at the images themselves;
            - `"around_real"`: at a point drawn uniformly on the way from a real image to the same
              with noise from U(0, s), where s is half the standard deviation of the batch's values.
        center: float, the gradient norm that is not penalized.
        one_sided: whether to penalize only norms above `center`.
        every: int; lazy regularization. The penalty is computed in one of `every` updates of the
            discriminator and multiplied by `every` there, so that its mean stays the same. The
            optimizer is not adjusted: StyleGAN2 makes the penalty an update of its own, so that the
            discriminator has k + 1 updates instead of k, and corrects its Adam by k / (k + 1). Here
            the penalty is part of an update that takes place anyway.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> penalty = kerasgan.losses.GradientPenalty.r1(10.0)
    >>> x = np.ones((2, 3), "float32")
    >>> float(penalty(lambda x: 2.0 * x[:, :1], x, x))  # 10 / 2 times 2^2
    20.0

    References: at interpolates, Improved Training of Wasserstein GANs, Gulrajani et al., 2017,
    arXiv:1704.00028; one-sided, On the regularization of Wasserstein GANs, Petzka et al., 2018,
    arXiv:1709.08894; around real images, On Convergence and Stability of GANs, Kodali et al., 2017,
    arXiv:1705.07215; zero-centred at real or generated images, Which Training Methods for GANs do
    actually Converge?, Mescheder et al., 2018, arXiv:1801.04406; not at every update, Analyzing and
    Improving the Image Quality of StyleGAN, Karras et al., 2020, arXiv:1912.04958, section 3.1.
    """

    log_name = "gradient_penalty"

    def __init__(
        self,
        weight: float,
        at: str = "interpolates",
        center: float = 1.0,
        one_sided: bool = False,
        every: int = 1,
    ):
        if not weight > 0.0:
            raise ValueError(f"weight={weight!r}; use a number above 0.")
        if at not in PLACES:
            raise ValueError(f"at={at!r}; use one of {', '.join(map(repr, PLACES))}.")
        if center < 0.0 or (one_sided and center == 0.0):
            raise ValueError(
                f"center={center!r}, one_sided={one_sided!r}; use a center of at least 0, and "
                "above 0 with one_sided=True."
            )
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every={every!r}; use a whole number of at least 1.")
        self.weight, self.at, self.center = weight, at, center
        self.one_sided, self.every = one_sided, every

    @classmethod
    def wgan_gp(cls, weight: float = 10.0) -> Self:
        """WGAN-GP: norm 1 at interpolates.

        Args:
            weight: float, above 0.

        Returns:
            A `GradientPenalty`.

        Raises:
            ValueError: for a weight that is not above 0.
        """
        return cls(weight)

    @classmethod
    def wgan_lp(cls, weight: float = 10.0) -> Self:
        """WGAN-LP: norm of at most 1 at interpolates.

        Args, Returns, Raises: as `wgan_gp`.
        """
        return cls(weight, one_sided=True)

    @classmethod
    def dragan(cls, weight: float = 10.0) -> Self:
        """DRAGAN: norm 1 around real images.

        Args, Returns, Raises: as `wgan_gp`.
        """
        return cls(weight, at="around_real")

    @classmethod
    def r1(cls, gamma: float = 10.0, every: int = 1) -> Self:
        """R1: `gamma / 2 E[|grad D(x)|^2]` at real images; lazy with `every=16`.

        Args:
            gamma: float, above 0; the weight is half of it.
            every: int, at least 1; see the class.

        Returns:
            A `GradientPenalty`.

        Raises:
            ValueError: for an argument out of range.
        """
        return cls(gamma / 2.0, at="real", center=0.0, every=every)

    @classmethod
    def r2(cls, gamma: float = 10.0, every: int = 1) -> Self:
        """R2: `gamma / 2 E[|grad D(x)|^2]` at generated images; lazy with `every=16`.

        Args, Returns, Raises: as `r1`.
        """
        return cls(gamma / 2.0, at="fake", center=0.0, every=every)

    def __call__(self, discriminator, real, fake, seed=None, update=0):
        """The penalty for a batch.

        Args:
            discriminator: function from images to logits, without side effects.
            real, fake: (batch, ...), of one shape.
            seed: `keras.random.SeedGenerator` or int, the seed of the points that are drawn.
            update: int or scalar tensor, how many updates the discriminator has had.

        Returns:
            float32 scalar.
        """
        points = self.points(real, fake, seed)
        if self.every == 1:
            return self.at_points(discriminator, points)
        return ops.cond(
            ops.equal(ops.cast(update, "int32") % self.every, 0),
            lambda: self.every * self.at_points(discriminator, points),
            lambda: ops.zeros((), "float32"),
        )

    def in_evaluation(self, discriminator, real, fake, seed=None):
        """The mean of the penalty over updates; see `__call__`."""
        return self.at_points(discriminator, self.points(real, fake, seed))

    def points(self, real, fake, seed=None):
        """The points at which the gradient is taken.

        Args:
            real, fake, seed: as when called.

        Returns:
            float32 tensor of the shape of `real`.

        Raises:
            ValueError: at interpolates, when `real` and `fake` have different shapes.
        """
        # Half precision is too coarse for the interpolation weight, a number between 0 and 1.
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        if self.at in ("real", "fake"):
            return real if self.at == "real" else fake
        share = keras.random.uniform(
            (ops.shape(real)[0], *[1] * (len(real.shape) - 1)), dtype=real.dtype, seed=seed
        )
        if self.at == "interpolates":
            shapes = tuple(real.shape), tuple(fake.shape)
            if not alike(*shapes):
                raise ValueError(
                    f"real and generated images have the shapes {shapes[0]} and {shapes[1]}; for "
                    "points between them, they need the same shape."
                )
            return real + share * (fake - real)
        seed = seed + 1 if isinstance(seed, int) else seed  # not the share's seed
        noise = keras.random.uniform(ops.shape(real), dtype=real.dtype, seed=seed)
        return real + share * 0.5 * ops.std(real) * noise

    def at_points(self, discriminator, points):
        """The penalty at given points."""
        gradient = ops.cast(backend.input_gradient(discriminator, points), "float32")
        squares = ops.sum(ops.square(gradient), axis=tuple(range(1, len(gradient.shape))))
        if self.center == 0.0:
            return self.weight * ops.mean(squares)
        excess = ops.sqrt(squares + 1e-12) - self.center  # the square root has no gradient at 0
        if self.one_sided:
            excess = ops.relu(excess)
        return self.weight * ops.mean(ops.square(excess))

    def get_config(self) -> dict:
        return {
            "weight": self.weight,
            "at": self.at,
            "center": self.center,
            "one_sided": self.one_sided,
            "every": self.every,
        }
