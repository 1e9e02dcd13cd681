"""The role of models that encode images and decode codes."""

from collections.abc import Iterable, Iterator
from functools import partial

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.roles.generates_images import GeneratesImages
from kerasgan.roles.takes_images import TakesImages
from kerasgan.sampling.latents import ends_of, way
from kerasgan.utils.rows import some_at_a_time


class Encodes(TakesImages):
    """A model that encodes images and decodes the codes.

    A subclass must define, besides what `TakesImages` requires:

    - `encoder`: the built Keras model from images to codes (batch, ...);
    - `decoder`: the built Keras model from codes to images in [-1, 1].

    Both must treat each image independently of the others. In a model that samples its codes (a
    VAE), `encoder` is the network to the mean.
    """

    can = "encode images"
    owes = {
        "encoder": "the network from images to codes",
        "decoder": "the network from codes to images",
    }

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encodes images.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].

        Returns:
            float32 array (num_images, ...).

        Raises:
            ValueError: for images of another shape, or not in [-1, 1].
        """
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape)
        return some_at_a_time(partial(backend.predict, self.encoder), images.astype("float32"))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decodes codes to images.

        Args:
            codes: float array (num_images, ...), such as `encode` returns.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for codes of another shape.
        """
        codes = checks.as_floats("codes", codes)
        wanted = tuple(self.decoder.input_shape[1:])
        if codes.shape[1:] != wanted:
            wanted = ("num_images", *wanted)
            raise ValueError(f"codes has shape {codes.shape}; use ({', '.join(map(str, wanted))}).")
        return some_at_a_time(partial(backend.predict, self.decoder), codes)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Encodes and decodes images; see `encode` and `decode`.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for images of another shape, or not in [-1, 1].

        Example:

        >>> vae = kerasgan.VAE((8, 8, 1), latent_dim=2, hidden_units=(16,))
        >>> images = np.zeros((3, 8, 8, 1), "float32")
        >>> vae.reconstruct(images).shape
        (3, 8, 8, 1)
        >>> bool(np.all(vae.decode(vae.encode(images)) == vae.reconstruct(images)))
        True
        """
        return self.decode(self.encode(images))

    def interpolate(
        self, first: np.ndarray, second: np.ndarray, num_images: int = 8, *, path: str = "lerp"
    ) -> np.ndarray:
        """Interpolates between two images, along a path between their codes.

        Args:
            first, second: float arrays (height, width, channels) in [-1, 1].
            num_images: int, at least 2; the first and the last are the reconstructions.
            path: `"lerp"`, along the straight line, or `"slerp"`, along the great circle.

        Returns:
            float32 array (num_images, height, width, channels).

        Raises:
            ValueError: for images of another shape or range, another path, or too few images.

        Example:

        >>> autoencoder = kerasgan.Autoencoder((8, 8, 1), latent_dim=4)
        >>> black, white = np.full((8, 8, 1), -1.0), np.ones((8, 8, 1))
        >>> autoencoder.interpolate(black, white, num_images=5).shape
        (5, 8, 8, 1)
        """
        checks.whole_number("num_images", num_images, 2)
        ends_of(first, second)  # of one shape
        codes = self.encode(np.stack([first, second]))
        return self.decode(way(codes[0], codes[1], num_images, path))

    def noisy(self, images, seed=0):
        """Images as the encoder sees them in training; unchanged unless a model adds noise."""
        return images

    def exports(self) -> Exports:
        """Adds `encode`, `decode` and `reconstruct`, between `images` and `codes`."""
        exports = super().exports()
        images = {"images": _spec(self.image_shape)}
        codes = {"codes": _spec(self.decoder.input_shape[1:])}

        def encode(images):
            return self.encoder(images, training=False)

        def decode(codes):
            return self.decoder(codes, training=False)

        def signatures(functions):
            from kerasgan.export.endpoints import of_images_and_codes

            return of_images_and_codes(functions, self.image_shape, self.decoder.input_shape[1:])

        exports.networks += [self.encoder, self.decoder]
        exports.computations |= {
            "encoder": Computation(encode, images),
            "decoder": Computation(decode, codes),
        }
        exports.signatures.append(signatures)
        exports.card |= {"image_shape": self.image_shape}
        return exports


class Reconstructs(Encodes):
    """An autoencoder, which is evaluated by its reconstructions of real images."""

    can = "reconstruct images"
    cannot = {
        GeneratesImages.can: (
            "The codes of an autoencoder follow no known distribution, so none can be drawn; a VAE "
            "can draw its own."
        )
    }
    compares_pairs = True

    def __getattr__(self, name):
        if name == "generate":
            why = self.cannot[GeneratesImages.can]
            raise AttributeError(f"{type(self).__name__} has no generate. {why}")
        # PyTorch's modules find their networks here.
        return getattr(super(), "__getattr__", super().__getattribute__)(name)

    def real_and_generated(
        self, batches: Iterable, num_generated: int | None = None, seed: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if num_generated is not None:
            raise ValueError(
                f"num_generated={num_generated}: {type(self).__name__} reconstructs each image of "
                "the data once; leave num_generated out."
            )
        for batch in batches:
            images, _ = self.real_batch(batch)
            images = ops.convert_to_numpy(images)
            yield images, self.reconstruct(images)


def _spec(shape):
    return keras.InputSpec(shape=(None, *shape), dtype="float32")
