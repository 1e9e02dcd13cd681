"""What the two players of the game minimize, as functions of the discriminator's logits."""

import difflib

import keras
from keras import ops


class AdversarialLoss:
    """A pair of losses, one for each player.

    A subclass defines `discriminator` and `generator`. Both take logits, not probabilities, of
    any shape: `(batch, 1)` from an ordinary discriminator, `(batch, height, width, 1)` from a
    PatchGAN. Both return the mean over all of them, a float32 scalar; lower is better for the
    player.
    """

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
            real_logits: its logits for real images; only relativistic losses look at them.

        Returns:
            float32 scalar.
        """
        raise NotImplementedError

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class _CrossEntropy(AdversarialLoss):
    """The discriminator of Goodfellow et al.: binary cross-entropy of real against fake."""

    def __init__(self, label_smoothing=0.0):
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

    def get_config(self):
        return {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="kerasgan")
class Minimax(_CrossEntropy):
    """The zero-sum game of the first GAN paper.

    The discriminator minimizes `-E[log D(x)] - E[log(1 - D(G(z)))]`, the generator
    `E[log(1 - D(G(z)))]`, with `D = sigmoid(logit)`. The generator's gradient vanishes when the
    discriminator is sure of itself, which is why `NonSaturating` is the default.

    Args:
        label_smoothing: the target for real images is `1 - label_smoothing`; fakes keep 0.

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
    `-E[log D(G(z))]`: the same fixed point as `Minimax`, and a gradient where that has none.

    Args:
        label_smoothing: the target for real images is `1 - label_smoothing`; fakes keep 0.

    Example:

    >>> float(kerasgan.losses.NonSaturating().generator([[0.0]]))  # ln 2
    0.6931471824645996

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661,
    section 3. One-sided label smoothing: Improved Techniques for Training GANs, Salimans et al.,
    2016, arXiv:1606.03498, section 3.4.
    """

    def generator(self, fake_logits, real_logits=None):
        return ops.mean(_minus_log_sigmoid(_float32(fake_logits)))


def _float32(logits):
    return ops.cast(ops.convert_to_tensor(logits), "float32")


def _minus_log_sigmoid(logits):
    """-log sigmoid(x) = log(1 + exp(-x)), exact at any magnitude of the logit."""
    return ops.softplus(-logits)


_BY_NAME = {"minimax": Minimax, "non_saturating": NonSaturating}


def get(loss):
    """The adversarial loss that a name or an object stands for.

    Args:
        loss: an `AdversarialLoss`, or one of the names `"minimax"`, `"non_saturating"`.

    Returns:
        An `AdversarialLoss`.

    Raises:
        ValueError: for a name that is not known.
        TypeError: for anything that is neither a name nor an `AdversarialLoss`.
    """
    if isinstance(loss, AdversarialLoss):
        return loss
    if not isinstance(loss, str):
        raise TypeError(
            f"loss={loss!r} is not an adversarial loss; give a name ({', '.join(_BY_NAME)}) or a "
            "kerasgan.losses.AdversarialLoss."
        )
    if loss not in _BY_NAME:
        near = difflib.get_close_matches(loss, _BY_NAME, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"loss={loss!r} is not known; the names are {', '.join(map(repr, _BY_NAME))}.{hint}"
        )
    return _BY_NAME[loss]()
