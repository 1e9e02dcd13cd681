"""The losses of generator and discriminator, as functions of the discriminator's logits."""

from typing import Self

import keras
from keras import ops

from kerasgan.utils.names import look_up


class AdversarialLoss:
    """A pair of losses, one for each player: the discriminator and the generator.

    A subclass defines `discriminator` and `generator`. Both take logits, not probabilities, of
    any shape: `(batch, 1)` from an ordinary discriminator, `(batch, height, width, 1)` from a
    PatchGAN. Both return the mean over all of them, a float32 scalar; lower is better for the
    player.

    Example:

    >>> class Difference(kerasgan.losses.AdversarialLoss):
    ...     def discriminator(self, real_logits, fake_logits):
    ...         return keras.ops.mean(fake_logits) - keras.ops.mean(real_logits)
    ...     def generator(self, fake_logits, real_logits=None):
    ...         return -keras.ops.mean(fake_logits)
    >>> gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(16,))
    >>> gan.compile(loss=Difference())
    """

    needs_real_logits = False  # whether the generator's loss uses them

    def discriminator(self, real_logits, fake_logits):
        """The discriminator's (or critic's) loss.

        Args:
            real_logits: its logits for real images.
            fake_logits: its logits for generated images, of the same shape or batch size.

        Returns:
            float32 scalar.
        """
        raise NotImplementedError

    def generator(self, fake_logits, real_logits=None):
        """The generator's loss.

        Args:
            fake_logits: the discriminator's logits for generated images.
            real_logits: its logits for real images; only relativistic losses use them.

        Returns:
            float32 scalar.
        """
        raise NotImplementedError

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        return cls(**config)


class _CrossEntropy(AdversarialLoss):
    """The discriminator of Goodfellow et al.: binary cross-entropy of real against fake."""

    def __init__(self, label_smoothing: float = 0.0):
        if not 0.0 <= label_smoothing < 0.5:
            raise ValueError(
                f"label_smoothing={label_smoothing!r} is out of range; use a number from 0 up to, "
                "not including, 0.5: the target for real images is 1 - label_smoothing."
            )
        self.label_smoothing = label_smoothing

    def discriminator(self, real_logits, fake_logits):
        real_logits, fake_logits = _float32(real_logits), _float32(fake_logits)
        # One-sided: smoothing the fakes' target too would reward the generator for staying
        # where it is (Salimans et al. 2016, section 3.4).
        real = (1.0 - self.label_smoothing) * _minus_log_sigmoid(real_logits)
        real += self.label_smoothing * _minus_log_sigmoid(-real_logits)
        fake = _minus_log_sigmoid(-fake_logits)
        return ops.mean(real) + ops.mean(fake)

    def get_config(self) -> dict:
        return {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="kerasgan")
class Minimax(_CrossEntropy):
    """The minimax loss of the first GAN paper, a zero-sum game.

    The discriminator minimizes `-E[log D(x)] - E[log(1 - D(G(z)))]`, the generator
    `E[log(1 - D(G(z)))]`, with `D = sigmoid(logit)`. The generator's gradient vanishes when the
    discriminator is confident, which is why `NonSaturating` is the default.

    Args:
        label_smoothing: float, at least 0 and below 0.5: the target for real images is `1 -
            label_smoothing`; fakes keep 0.

    Raises:
        ValueError: for a label_smoothing out of range.

    Example:

    >>> float(kerasgan.losses.Minimax().discriminator([[0.0]], [[0.0]]))  # 2 ln 2
    1.3862943649291992

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661,
    equation 1.
    """

    def generator(self, fake_logits, real_logits=None):
        return -ops.mean(_minus_log_sigmoid(-_float32(fake_logits)))


@keras.saving.register_keras_serializable(package="kerasgan")
class NonSaturating(_CrossEntropy):
    """The loss that the first GAN paper trains with: the generator maximizes `log D(G(z))`.

    The discriminator minimizes `-E[log D(x)] - E[log(1 - D(G(z)))]`, the generator
    `-E[log D(G(z))]`. The fixed point is that of `Minimax`, but the gradient does not vanish where
    that of `Minimax` does.

    Args:
        label_smoothing: float, at least 0 and below 0.5: the target for real images is `1 -
            label_smoothing`; fakes keep 0.

    Raises:
        ValueError: for a label_smoothing out of range.

    Example:

    >>> float(kerasgan.losses.NonSaturating().generator([[0.0]]))  # ln 2
    0.6931471824645996

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661,
    section 3. One-sided label smoothing: Improved Techniques for Training GANs, Salimans et al.,
    2016, arXiv:1606.03498, section 3.4.
    """

    def generator(self, fake_logits, real_logits=None):
        return ops.mean(_minus_log_sigmoid(_float32(fake_logits)))


@keras.saving.register_keras_serializable(package="kerasgan")
class LeastSquares(AdversarialLoss):
    """Squared distance of the logits to targets.

    The discriminator minimizes `E[(D(x) - b)^2] / 2 + E[(D(G(z)) - a)^2] / 2`, the generator
    `E[(D(G(z)) - c)^2] / 2`. Even images that are far on the correct side of the decision boundary
    still give a gradient.

    Args:
        real_target: float, b.
        fake_target: float, a.
        generator_target: float, c. With `b - c = 1` and `b - a = 2` (for example a, b, c = -1, 1,
            0) the generator minimizes the Pearson chi-squared divergence. With c = b (the default)
            it aims for the logits of real images.
        weight: float, which multiplies both losses. 2 cancels the factor 1/2, which gives the
            losses as CycleGAN's paper writes them.

    Example:

    >>> float(kerasgan.losses.LeastSquares().discriminator([[1.0]], [[1.0]]))
    0.5

    Reference: Least Squares Generative Adversarial Networks, Mao et al., 2017, arXiv:1611.04076,
    equation 2; the values 0, 1, 1 are its equation 9.
    """

    def __init__(
        self,
        real_target: float = 1.0,
        fake_target: float = 0.0,
        generator_target: float = 1.0,
        weight: float = 1.0,
    ):
        self.real_target, self.fake_target = real_target, fake_target
        self.generator_target = generator_target
        self.weight = weight

    def discriminator(self, real_logits, fake_logits):
        real = ops.mean(ops.square(_float32(real_logits) - self.real_target))
        fake = ops.mean(ops.square(_float32(fake_logits) - self.fake_target))
        return 0.5 * self.weight * (real + fake)

    def generator(self, fake_logits, real_logits=None):
        distance = ops.square(_float32(fake_logits) - self.generator_target)
        return 0.5 * self.weight * ops.mean(distance)

    def get_config(self) -> dict:
        return {
            "real_target": self.real_target,
            "fake_target": self.fake_target,
            "generator_target": self.generator_target,
            "weight": self.weight,
        }


@keras.saving.register_keras_serializable(package="kerasgan")
class Wasserstein(AdversarialLoss):
    """The Wasserstein loss: the difference of the critic's mean outputs.

    Its largest value over 1-Lipschitz critics is the earth mover's distance.

    The critic minimizes `E[D(G(z))] - E[D(x)]`, the generator `-E[D(G(z))]`. It needs a constraint
    that keeps the critic Lipschitz: weight clipping (`WGAN`), a gradient penalty (`WGANGP`), or
    `kerasgan.layers.SpectralNormalization`.

    Args:
        drift: float, at least 0: the critic's loss also has the term `drift E[D(x)^2]`. It keeps
            the critic's values near 0, because the loss depends only on their differences.

    Raises:
        ValueError: for a negative drift.

    Example:

    >>> float(kerasgan.losses.Wasserstein().discriminator([[3.0]], [[1.0]]))
    -2.0

    References: Wasserstein GAN, Arjovsky et al., 2017, arXiv:1701.07875, equations 2 and 3; the
    drift, Progressive Growing of GANs, Karras et al., 2018, arXiv:1710.10196, appendix A.1.
    """

    def __init__(self, drift: float = 0.0):
        if not drift >= 0.0:
            raise ValueError(f"drift={drift!r}; use a number of at least 0.")
        self.drift = drift

    def discriminator(self, real_logits, fake_logits):
        real_logits = _float32(real_logits)
        loss = ops.mean(_float32(fake_logits)) - ops.mean(real_logits)
        return loss + self.drift * ops.mean(ops.square(real_logits)) if self.drift else loss

    def get_config(self) -> dict:
        return {"drift": self.drift}

    def generator(self, fake_logits, real_logits=None):
        return -ops.mean(_float32(fake_logits))


@keras.saving.register_keras_serializable(package="kerasgan")
class Hinge(AdversarialLoss):
    """The hinge loss: margins of 1 for the discriminator, the plain logit for the generator.

    The discriminator minimizes `E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]`, the generator
    `-E[D(G(z))]`.

    Example:

    >>> float(kerasgan.losses.Hinge().discriminator([[0.5]], [[-3.0]]))
    0.5

    Reference: Geometric GAN, Lim and Ye, 2017, arXiv:1705.02894; in this form Spectral
    Normalization for Generative Adversarial Networks, Miyato et al., 2018, arXiv:1802.05957,
    equations 16 and 17.
    """

    def discriminator(self, real_logits, fake_logits):
        real = ops.mean(ops.relu(1.0 - _float32(real_logits)))
        return real + ops.mean(ops.relu(1.0 + _float32(fake_logits)))

    def generator(self, fake_logits, real_logits=None):
        return -ops.mean(_float32(fake_logits))


@keras.saving.register_keras_serializable(package="kerasgan")
class Relativistic(AdversarialLoss):
    """The relativistic loss: asks which of two images is more real, not whether one is real.

    With `f(t) = log(1 + exp(-t))`, the discriminator minimizes `E[f(D(x) - D(G(z)))]` over pairs
    of a real and a generated image, the generator `E[f(D(G(z)) - D(x))]`. With `average=True` both
    losses compare each image with the mean of the other kind instead: the discriminator minimizes
    `E[f(D(x) - E D(G(z)))] + E[f(E D(x) - D(G(z)))]`, and the generator the same with real and
    generated exchanged.

    Args:
        average: whether to compare with means rather than in pairs. Pairs need batches of the same
            size.

    Raises:
        ValueError: when called in pairs with logits of different shapes, or for the generator
            without `real_logits`.

    Example:

    >>> float(kerasgan.losses.Relativistic().generator([[5.0]], real_logits=[[5.0]]))  # ln 2
    0.6931471824645996

    Reference: The relativistic discriminator: a key element missing from standard GAN,
    Jolicoeur-Martineau, 2018, arXiv:1807.00734. In pairs, with zero-centred penalties: The GAN is
    dead; long live the GAN! A Modern Baseline GAN, Huang et al., 2024, arXiv:2501.05441.
    """

    needs_real_logits = True

    def __init__(self, average: bool = False):
        self.average = average

    def discriminator(self, real_logits, fake_logits):
        real_logits, fake_logits = _float32(real_logits), _float32(fake_logits)
        shapes = tuple(real_logits.shape), tuple(fake_logits.shape)
        if not self.average and not alike(*shapes):
            raise ValueError(
                f"real and generated logits have the shapes {shapes[0]} and {shapes[1]}; to form "
                "pairs, they need the same shape."
            )
        if not self.average:
            return ops.mean(_minus_log_sigmoid(real_logits - fake_logits))
        real = ops.mean(_minus_log_sigmoid(real_logits - ops.mean(fake_logits)))
        return real + ops.mean(_minus_log_sigmoid(ops.mean(real_logits) - fake_logits))

    def generator(self, fake_logits, real_logits=None):
        if real_logits is None:
            raise ValueError(
                "real_logits=None; the relativistic loss of the generator compares with them, so "
                "pass them."
            )
        return self.discriminator(fake_logits, real_logits)

    def get_config(self) -> dict:
        return {"average": self.average}


def alike(first, second):
    """Whether two shapes are compatible, as far as they are known."""
    return len(first) == len(second) and all(
        None in pair or pair[0] == pair[1] for pair in zip(first, second, strict=True)
    )


def _float32(logits):
    return ops.cast(ops.convert_to_tensor(logits), "float32")


def _minus_log_sigmoid(logits):
    """-log sigmoid(x) = log(1 + exp(-x)), exact at any magnitude of the logit."""
    return ops.softplus(-logits)


_BY_NAME = {
    "minimax": Minimax,
    "non_saturating": NonSaturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}


def get(loss: str | AdversarialLoss) -> AdversarialLoss:
    """Returns the adversarial loss for a name or an object.

    Args:
        loss: an `AdversarialLoss`, or one of the names `"minimax"`, `"non_saturating"`,
            `"least_squares"`, `"hinge"`, `"wasserstein"`, `"relativistic"`.

    Returns:
        An `AdversarialLoss`.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything that is neither a name nor an `AdversarialLoss`.

    Example:

    >>> loss = kerasgan.losses.get("hinge")
    >>> float(loss.discriminator([[0.5]], [[-3.0]]))
    0.5
    >>> kerasgan.losses.get(loss) is loss
    True
    """
    return look_up("loss", loss, AdversarialLoss, _BY_NAME)
