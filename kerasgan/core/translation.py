"""Models that turn an image into an image."""

import numpy as np

from kerasgan import backend
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.core.images import float_images
from kerasgan.core.tiling import translate_tiled


class TranslationModel(AdversarialModel):
    """An `AdversarialModel` whose generators take images.

    A subclass gives, besides what `AdversarialModel` wants, `translator(to)`.

    Its data is a pair of batches of images, float NHWC in [-1, 1].
    """

    def translator(self, to=None):
        """The network that `translate` uses.

        Args:
            to: None, or the domain wanted, for models that translate both ways.
        """
        raise NotImplementedError

    def translate(self, images, to=None, *, tile=512, overlap=64):
        """Translates images of any size.

        Images whose height or width the network cannot take are continued beyond their border by
        reflection and cut back afterwards. Those larger than `tile` are translated in tiles, whose
        overlaps are faded into each other.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].
            to: None, or the domain wanted, for models that translate both ways.
            tile: int, the largest height and width that is translated at once, in pixels.
            overlap: int, how many pixels neighbouring tiles share.

        Returns:
            float32 array (num_images, height * scale, width * scale, channels) in [-1, 1].

        Raises:
            ValueError: for integers, or images of another number of dimensions or channels.
        """
        images = np.asarray(images)
        network = self.translator(to)
        channels = network.input_shape[-1]
        if images.dtype.kind != "f":
            raise ValueError(
                f"the images are {images.dtype}; translate takes float images in [-1, 1]: "
                "images / 127.5 - 1 of whole numbers from 0 to 255."
            )
        if images.ndim != 4 or images.shape[-1] != channels:
            raise ValueError(
                f"the images have shape {images.shape}; use (num_images, height, width, "
                f"{channels})."
            )
        return translate_tiled(
            lambda part: backend.predict(network, part),
            images.astype("float32"),
            multiple=self.size_multiple,
            tile=tile,
            overlap=overlap,
        )

    @property
    def size_multiple(self):
        """What heights and widths have to be a multiple of: int."""
        raise NotImplementedError

    def image_pair(self, data):
        """Both halves of a batch of pairs as float32.

        Raises:
            ValueError: for data that is no pair of such images.
        """
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise ValueError(
                f"{type(self).__name__} takes pairs of images, {self.pair_names}, but the data is "
                f"{type(data).__name__}; give fit(x, y) or a data set of (x, y)."
            )
        return [
            float_images(images, shape, f"{type(self).__name__}'s {name} images")
            for images, shape, name in zip(data, self.pair_shapes, self.pair_names, strict=True)
        ]
