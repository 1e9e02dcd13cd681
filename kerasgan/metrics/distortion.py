"""PSNR and SSIM: the two distortion metrics of super-resolution."""

import keras
import numpy as np
from keras import ops

from kerasgan.checks import whole_number
from kerasgan.metrics.batches import checked_pair
from kerasgan.training import measuring


class _OnLuminance(keras.metrics.Metric):
    """Base class: the mean over images of a measure of two luminances.

    A subclass defines `of_images(first, second)`.
    """

    paired = True  # images made from noise have no partners
    higher_is_better = ("",)

    def __init__(self, border: int = 4, name: str | None = None, **kwargs):
        super().__init__(name=name, **kwargs)
        whole_number("border", border, 0)
        self.border = border
        self.total = self.add_weight(shape=(), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, real, fake, sample_weight=None):
        """Takes two batches of images (batch, height, width, 1 or 3) in [-1, 1].

        Raises:
            ValueError: for other shapes, too small ones, NaN, values outside of [-1, 1], and images
                that are not in pairs.
        """
        real, fake = checked_pair(real, fake, type(self).__name__)
        if real.ndim != 4 or real.shape[-1] not in (1, 3):
            raise ValueError(
                f"the images have shape {real.shape}; {type(self).__name__} takes images (batch, "
                "height, width, channels) with 1 or 3 channels."
            )
        values = self.of_images(self._inner_luminance(real), self._inner_luminance(fake))
        self.total.assign_add(ops.sum(values))
        self.count.assign_add(ops.cast(ops.size(values), "float32"))

    def result(self):
        return ops.divide_no_nan(self.total, self.count)

    def of_images(self, first, second):
        """The measure of each pair: luminances (batch, h, w, 1) in 0..255 to float32 (batch,)."""
        raise NotImplementedError

    def _inner_luminance(self, images):
        height, width = images.shape[1:3]
        border = self.border
        least = 2 * border + self.least_size
        if min(height, width) < least:
            raise ValueError(
                f"the images are {height}x{width}; {type(self).__name__} with border={border} "
                f"needs at least {least} pixels."
            )
        y = luminance(ops.convert_to_tensor(images))
        return y[:, border : y.shape[1] - border, border : y.shape[2] - border]

    def get_config(self) -> dict:
        return {**super().get_config(), "border": self.border}


@measuring.register("psnr")
@keras.saving.register_keras_serializable(package="kerasgan")
class PSNR(_OnLuminance):
    """Peak signal-to-noise ratio of the luminance in dB, without a border.

    10 log10(255^2 / mean squared difference) for each image, then the mean over the images. Higher
    is better; equal images give infinity.

    Args:
        border: int, how many pixels to leave out at each side, 4 in the paper.
        name, **kwargs: as for `keras.metrics.Metric`.

    Example:

    >>> metric = kerasgan.metrics.PSNR(border=0)
    >>> metric.update_state(np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 0.2))
    >>> round(float(metric.result()), 3)
    20.0

    Reference: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network,
    Ledig et al., 2017, arXiv:1609.04802, section 3.1.
    """

    least_size = 1

    def __init__(self, border: int = 4, name: str = "psnr", **kwargs):
        super().__init__(border, name, **kwargs)

    def of_images(self, first, second):
        squares = ops.mean(ops.square(first - second), axis=(1, 2, 3))
        return 10.0 * ops.log10(255.0**2 / squares)


@measuring.register("ssim")
@keras.saving.register_keras_serializable(package="kerasgan")
class SSIM(_OnLuminance):
    """Structural similarity of the luminance, without a border: 1 for equal images.

    Means, variances and covariances are taken in windows of 11x11 pixels that lie inside the image,
    weighted by a Gaussian of standard deviation 1.5; K1 = 0.01, K2 = 0.03.

    Args:
        border: int, how many pixels to leave out at each side, 4 in SRGAN's paper.
        name, **kwargs: as for `keras.metrics.Metric`.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1, 1, (2, 24, 24, 3)).astype("float32")
    >>> metric = kerasgan.metrics.SSIM()
    >>> metric.update_state(images, images)
    >>> round(float(metric.result()), 6)
    1.0

    Reference: Image quality assessment: from error visibility to structural similarity, Wang et
    al., 2004, IEEE Transactions on Image Processing 13(4); as in SRGAN, Ledig et al., 2017,
    arXiv:1609.04802.
    """

    least_size = 11

    def __init__(self, border: int = 4, name: str = "ssim", **kwargs):
        super().__init__(border, name, **kwargs)

    def of_images(self, first, second):
        return structural_similarity(first, second)[0]


def structural_similarity(first, second):
    """SSIM of luminances, and its contrast and structure term alone.

    Args:
        first, second: float32 (batch, h, w, 1) in 0..255, of at least 11 pixels.

    Returns:
        Two float32 (batch,).
    """
    distance = np.arange(-5, 6)
    gaussian = np.exp(-(distance**2) / (2 * 1.5**2))
    gaussian = (gaussian / gaussian.sum()).astype("float32")

    def blurred(x):
        for window in ((11, 1, 1, 1), (1, 11, 1, 1)):
            x = ops.conv(x, gaussian.reshape(window), data_format="channels_last")
        return x

    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(ops.square(first)) - ops.square(mean1)
    variance2 = blurred(ops.square(second)) - ops.square(mean2)
    covariance = blurred(first * second) - mean1 * mean2
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    structure = (2.0 * covariance + c2) / (variance1 + variance2 + c2)
    brightness = (2.0 * mean1 * mean2 + c1) / (ops.square(mean1) + ops.square(mean2) + c1)
    return tuple(ops.mean(part, axis=(1, 2, 3)) for part in (brightness * structure, structure))


def luminance(images):
    """The luminance, in 0..255, of images, which are clipped to [-1, 1].

    For three channels it is the Y of ITU-R BT.601 in its limited range, 16 to 235, as in published
    tables of super-resolution; a single channel is only scaled.
    """
    images = (ops.clip(images, -1.0, 1.0) + 1.0) / 2.0
    if images.shape[-1] == 1:
        return 255.0 * images
    weights = ops.convert_to_tensor([65.481, 128.553, 24.966], "float32")
    return 16.0 + ops.sum(images * weights, axis=-1, keepdims=True)
