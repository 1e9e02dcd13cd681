"""Adaptive discriminator augmentation, Karras et al. 2020: as strong as overfitting requires."""

import warnings
from numbers import Integral, Real

import keras
from keras import ops

from kerasgan import backend
from kerasgan.augmentation.base import Augmentation
from kerasgan.augmentation.pipeline import Pipeline


class OverfittingWarning(UserWarning):
    """A discriminator overfits although its images are augmented."""


@keras.saving.register_keras_serializable(package="kerasgan")
class ADA(Augmentation):
    """Augments images with a probability p that adapts to the overfitting of the discriminator.

    A discriminator that overfits is confident about its training images. Section 3.1 of the paper
    measures this with `r = E[sign D(real)]` on augmented real images: 0 means no overfitting, 1
    that the discriminator recognizes every training image. After every fourth batch p rises if r is
    above its target and falls if it is below, at a speed that takes `images` real images from 0 to
    1.

    `fit` logs `augmentation_p`, and r as `overfitting`. p is saved with the model. When p reaches
    `max_p`, the discriminator has collapsed or memorizes the images nevertheless. You then get an
    `OverfittingWarning`, and p stays there, because beyond about 0.8 the augmentations leak into
    the generated images. The authors' code has no such limit.

    Args:
        target: float between -1 and 1, the target of r.
        images: int, how many real images it takes to move p from 0 to 1; the authors use 500,000
            for training from scratch and 100,000 for transfer from a trained model. A short run
            needs fewer.
        max_p: float above 0, at most 1; the largest p.
        every: int, batches between two updates of p.
        p: float from 0 to `max_p`, the initial p.
        pipeline: `Pipeline` that provides the transformations and their factors; None for the
            paper's "bgc".

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> ada = kerasgan.augmentation.ADA(images=20_000)
    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> gan.compile(augmentation=ada)
    >>> history = gan.fit(kerasgan.data.load("digits"), epochs=1, verbose=0)
    >>> sorted(history.history)
    ['augmentation_p', 'discriminator_loss', 'generator_loss', 'overfitting']

    Reference: Training Generative Adversarial Networks with Limited Data, Karras et al., 2020,
    arXiv:2006.06676.
    """

    def __init__(
        self,
        target: float = 0.6,
        images: int = 500_000,
        *,
        max_p: float = 0.8,
        every: int = 4,
        p: float = 0.0,
        pipeline: Pipeline | None = None,
        **kwargs,
    ):
        _check("target", target, -1.0, 1.0)
        if not isinstance(max_p, Real) or not 0.0 < max_p <= 1.0:
            raise ValueError(f"max_p={max_p!r}; use a number above 0 and at most 1.")
        _check("p", p, 0.0, max_p, " (max_p)")
        for name, value in (("images", images), ("every", every)):
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}; use a whole number of at least 1.")
        if pipeline is not None and not isinstance(pipeline, Pipeline):
            raise ValueError(f"pipeline={pipeline!r}; use a kerasgan.augmentation.Pipeline.")
        super().__init__(**kwargs)
        self.target, self.max_p, self.first_p = float(target), float(max_p), float(p)
        self.images, self.every = int(images), int(every)
        self._was_limited = False
        self.pipeline = Pipeline() if pipeline is None else pipeline
        self.p = self._variable("p", p)
        self.overfitting = self._variable("overfitting", 0.0)
        self.signs = self._variable("signs", 0.0)  # their sum since p was last changed
        self.batches = self._variable("batches", 0.0)
        self.seen = self._variable("seen", 0.0)

    def _variable(self, name, value):
        initial = keras.initializers.Constant(value)
        return self.add_weight(
            (), initial, "float32", trainable=False, name=name, aggregation="mean"
        )

    @property
    def num_draws(self):
        return self.pipeline.num_draws

    def check_image_shape(self, image_shape):
        super().check_image_shape(image_shape)
        self.pipeline.check_image_shape(image_shape)

    def change(self, images, draws):
        return self.pipeline.change(images, draws, self.p)

    def look(self, real_logits):
        """Updates p, once every `every` batches."""
        batch = ops.cast(ops.shape(real_logits)[0] * backend.replicas(), "float32")
        p, overfitting, signs, batches, seen = (
            ops.convert_to_tensor(variable)
            for variable in (self.p, self.overfitting, self.signs, self.batches, self.seen)
        )
        signs = signs + ops.mean(ops.sign(ops.cast(real_logits, "float32")))
        batches, seen = batches + 1.0, seen + batch
        due = batches >= self.every
        overfitting = ops.where(due, signs / batches, overfitting)
        moved = p + ops.sign(overfitting - self.target) * seen / self.images
        self.p.assign(ops.where(due, ops.clip(moved, 0.0, self.max_p), p))
        self.overfitting.assign(overfitting)
        for variable, value in ((self.signs, signs), (self.batches, batches), (self.seen, seen)):
            variable.assign(ops.where(due, 0.0, value))

    def look_back(self):
        p, overfitting = (float(ops.convert_to_numpy(v)) for v in (self.p, self.overfitting))
        limited = p >= self.max_p and overfitting > self.target
        if limited and not self._was_limited:
            warnings.warn(
                f"augmentation_p has reached max_p={self.max_p:g} and cannot rise further, but "
                f"overfitting is {overfitting:.2f}, above target={self.target:g}. The "
                "discriminator has collapsed, or there are too few images for it; "
                "docs/few_images.md says what else helps.",
                OverfittingWarning,
                stacklevel=2,
            )
        self._was_limited = limited

    def logs(self):
        return {"augmentation_p": self.p + 0.0, "overfitting": self.overfitting + 0.0}

    def get_config(self):
        return {
            **super().get_config(),
            "target": self.target,
            "images": self.images,
            "max_p": self.max_p,
            "every": self.every,
            "p": self.first_p,
            "pipeline": keras.saving.serialize_keras_object(self.pipeline),
        }

    @classmethod
    def from_config(cls, config):
        pipeline = keras.saving.deserialize_keras_object(config["pipeline"])
        return cls(**{**config, "pipeline": pipeline})


def _check(name, value, low, high, which=""):
    if not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name}={value!r}; use a number from {low:g} to {high:g}{which}.")
