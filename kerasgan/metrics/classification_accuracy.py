"""The classification accuracy score, Ravuri & Vinyals 2019."""

import keras
import numpy as np
from keras import layers

from kerasgan import backend
from kerasgan.checks import whole_number
from kerasgan.metrics.batches import checked_labels
from kerasgan.metrics.feature_metric import FeatureMetric
from kerasgan.training import measuring
from kerasgan.utils.images import to_uint8


@measuring.register("cas")
@keras.saving.register_keras_serializable(package="kerasgan")
class ClassificationAccuracyScore(FeatureMetric):
    """CAS: the accuracy on real images of a classifier trained on generated images only.

    It measures whether a conditional generator draws each class correctly and in all its variety.
    Compare it with the accuracy of the same classifier trained on real images: `update_state(test,
    train, test_labels, train_labels)`. Use real images that the generator was not trained on.

    `evaluate` feeds it when the model has classes. It generates images with the labels of the real
    ones, in the same order.

    Args:
        classifier: an untrained `keras.Model` from images in [-1, 1] to logits (n, classes), or
            None for a small one for small images: 3x3 convolutions of 32, 64 and 128 maps, each
            with max-pooling and as many of them as the image size allows, and a dense layer of 128
            units. Each `result()` starts again from the weights that the classifier had when it was
            given.
        steps: int, the number of training steps, with Adam(1e-3).
        batch_size: int, images per training step.
        seed: int, the seed of the order of the images and of the small classifier.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float from 0 to 1.

    Raises:
        ValueError: for a model or data without classes, for vectors, and for labels that are not
            one whole number per image; at `result()`, without both real and generated images, or
            for a classifier with fewer classes or another image size.

    Example: a classifier that learned 0 and 1 with their labels swapped is always wrong.

    >>> data = kerasgan.data.load("digits", "test", image_size=8, labels=True, shuffle=False)
    >>> images, labels = (np.concatenate(x) for x in zip(*data.as_numpy_iterator()))
    >>> images, labels = images[labels < 2], labels[labels < 2]
    >>> metric = kerasgan.metrics.ClassificationAccuracyScore(steps=50)
    >>> metric.update_state(images, images, labels, 1 - labels)
    >>> metric.result() < 0.1
    True

    Reference: Classification Accuracy Score for Conditional Generative Models, Ravuri & Vinyals,
    2019, arXiv:1905.10887. The paper trains a ResNet-50 for 90 epochs on as many generated images
    as ImageNet has, and tests on ImageNet's validation images; pass `keras.applications.ResNet50`
    for that.
    """

    labelled = True
    higher_is_better = ("",)

    def __init__(
        self,
        classifier: keras.Model | None = None,
        steps: int = 1000,
        batch_size: int = 64,
        seed: int = 0,
        name: str = "cas",
        **kwargs,
    ):
        whole_number("steps", steps, 1)
        whole_number("batch_size", batch_size, 1)
        self.classifier, self.steps, self.batch_size = classifier, steps, batch_size
        self.seed = seed
        super().__init__("pixels", name, **kwargs)

    def prepare(self, vectors: bool = False) -> None:
        if vectors:
            raise ValueError(f"{self.name}: this metric classifies images, not vectors.")

    def update_state(self, real, fake, real_labels, fake_labels, sample_weight=None):
        """Adds images with their classes.

        Args:
            real, fake: as for `FeatureMetric.update_state`.
            real_labels, fake_labels: whole numbers from 0, one per image; None without images.

        Raises:
            ValueError: for images or labels that cannot be compared.
        """
        super().update_state(real, fake)
        for images, labels, is_real in ((real, real_labels, True), (fake, fake_labels, False)):
            if images is not None and len(images):
                what = "the real images" if is_real else "the generated images"
                if labels is None:
                    raise ValueError(f"{self.name}: {what} have no labels; give one for each.")
                self._labels[is_real].append(checked_labels(labels, len(images), what))

    def look(self, examples):
        if examples.ndim != 4:
            raise ValueError(
                f"{self.name}: the examples have shape {examples.shape}, but this metric "
                "classifies images."
            )
        return to_uint8(examples)

    def add(self, images, real):
        self._images[real].append(images)

    def reset_state(self):
        super().reset_state()
        self._images = {True: [], False: []}
        self._labels = {True: [], False: []}

    def result(self) -> float:
        counts = self.counts()
        self.need(1, real=counts[0], generated=counts[1])
        real, fake = (np.concatenate(kept) for kept in self._images.values())
        of_real, of_fake = (np.concatenate(kept) for kept in self._labels.values())
        shape, classes = fake.shape[1:], 1 + int(max(of_real.max(), of_fake.max()))
        network = self.classifier
        if network is None:
            network = small_classifier(shape, classes, self.seed)
        self._check(network, shape, classes)
        before = network.get_weights()
        try:
            self._train(network, fake, of_fake)
            blocks = range(0, len(real), 256)
            seen = [backend.predict(network, _scaled(real[s : s + 256])) for s in blocks]
        finally:
            network.set_weights(before)
        return float(np.mean(np.argmax(np.concatenate(seen), axis=1) == of_real))

    def _check(self, classifier, shape, classes):
        takes, makes = classifier.input_shape[1:], classifier.output_shape
        fits = all(has in (None, wants) for has, wants in zip(takes, shape, strict=False))
        if not fits or len(makes) != 2 or makes[1] < classes:
            raise ValueError(
                f"classifier returns shape {makes[1:]} for inputs of shape {takes}; use one that "
                f"returns ({classes},) for images of shape {shape}."
            )

    def _train(self, network, images, labels):
        network.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=backend.compiles_by_default(),
        )
        random, order = np.random.default_rng(self.seed), np.zeros(0, int)
        for _ in range(self.steps):
            while len(order) < self.batch_size:
                order = np.concatenate([order, random.permutation(len(images))])
            rows, order = order[: self.batch_size], order[self.batch_size :]
            network.train_on_batch(_scaled(images[rows]), labels[rows])

    def get_config(self) -> dict:
        network = self.classifier
        return {
            **super().get_config(),
            "classifier": network and keras.saving.serialize_keras_object(network),
            "steps": self.steps,
            "batch_size": self.batch_size,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict) -> "ClassificationAccuracyScore":
        network = config["classifier"]
        return cls(**config | {"classifier": keras.saving.deserialize_keras_object(network)})


def _scaled(images):
    return images.astype("float32") / 127.5 - 1.0


def small_classifier(image_shape, num_classes, seed):
    """A `keras.Model` for small images: convolutions with max-pooling, and a dense layer."""
    random = np.random.default_rng(seed)

    def kernel():
        return keras.initializers.HeNormal(seed=int(random.integers(2**31)))

    inputs = x = keras.Input(image_shape)
    for width in (32, 64, 128):
        if min(x.shape[1:3]) < 4:
            break
        convolution = layers.Conv2D(width, 3, padding="same", kernel_initializer=kernel())
        x = layers.MaxPooling2D()(layers.ReLU()(convolution(x)))
    x = layers.Dense(128, "relu", kernel_initializer=kernel())(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(num_classes, kernel_initializer=kernel())(x))
