"""Translation and rotation equivariance of generators, Karras et al. 2021."""

import keras
import numpy as np
import scipy  # its parts are imported when they are used: they take long

from kerasgan import roles
from kerasgan.checks.arguments import whole_number

RANGE = 2.0  # from the darkest value to the brightest
LARGEST_SHIFT = 0.125  # sizes of an image
LOBES = 3  # of the window of Lanczos
REACH = 2 * LOBES  # pixels, of two of them, one after the other
UP = 4  # points a pixel, between which turned images are read linearly
FAR = 32  # pixels, where sincs end that are multiplied with windows


class _Equivariance(keras.metrics.Metric):
    """Base class: the peak signal-to-noise ratio of pairs of images over their common pixels.

    A subclass defines `pairs`.
    """

    higher_is_better = ("",)

    def __init__(self, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.reset_state()

    def reset_state(self):
        self._total = self._count = 0.0

    def update_state(self, expected, found, valid=None):
        """Adds pairs of images.

        Args:
            expected, found: float arrays (n, height, width, channels).
            valid: None for all pixels, or bool array (n, height, width).

        Raises:
            ValueError: for images that are not in pairs, or hold NaN.
        """
        expected, found = (np.asarray(images, "float64") for images in (expected, found))
        if expected.shape != found.shape or expected.ndim != 4:
            raise ValueError(
                f"expected has shape {expected.shape}, found {found.shape}; give pairs of images."
            )
        squares = np.square(expected - found)
        if not np.all(np.isfinite(squares)):
            raise ValueError("the images hold NaN or infinite numbers.")
        valid = np.ones(squares.shape[:3], bool) if valid is None else np.asarray(valid, bool)
        self._total += float(squares[valid].sum())
        self._count += squares[valid].size

    def result(self) -> float:
        """float, dB; infinite for equal images, 0 before there are any."""
        if not self._count:
            return 0.0
        mean = self._total / self._count
        return float(10.0 * np.log10(RANGE**2 / mean)) if mean else float("inf")

    def measure(
        self, gan: keras.Model, num_images: int = 1000, seed: int = 0, batch_size: int = 64
    ) -> float:
        """Resets the metric and computes the ratio of a model.

        Args:
            gan: a `kerasgan` model that can move its images, such as `StyleGAN3`. If it has
                classes, all are generated in turn.
            num_images: int, how many images to generate.
            seed: int, the seed of the latents and of the movements.
            batch_size: int, images at a time.

        Returns:
            float, dB.

        Raises:
            ValueError: for a model that cannot move its images, or for images that are too small.
        """
        whole_number("num_images", num_images, 1)
        whole_number("batch_size", batch_size, 1)
        roles.require(gan, roles.MovesImages, type(self).__name__)
        self.check_size(min(gan.image_shape[:2]))
        self.reset_state()
        random = np.random.default_rng(seed)
        latents, labels = gan.latents(num_images, seed=seed), gan.all_classes(num_images)
        for start in range(0, num_images, batch_size):
            rows = slice(start, start + batch_size)
            styles = gan.styles(latents[rows], labels=None if labels is None else labels[rows])
            self.update_state(*self.pairs(gan, styles, random))
        return self.result()

    def check_size(self, size: int) -> None:
        """Raises a ValueError for images that are too small; here none are."""

    def pairs(
        self, gan: keras.Model, styles: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images that were moved, those of moved inputs, and where both are known."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="kerasgan")
class EQT(_Equivariance):
    """EQ-T, translation equivariance: whether images shift when the generator's input shifts.

    `10 log10(2^2 / E[(G(moved input) - moved G(input))^2])` in dB, over the pixels that stay in
    sight. The shifts are whole pixels, uniform up to an eighth of the image size (equation 7 and
    appendix E.1 of the paper). As in the paper, the generator's output is not clipped to [-1, 1].
    From 60 dB on, the eye sees no difference.

    Args:
        name, **kwargs: as for `keras.metrics.Metric`.

    Example:

    >>> gan = kerasgan.StyleGAN3((16, 16, 1), latent_dim=8, base_width=4, num_layers=3)
    >>> kerasgan.metrics.EQT().measure(gan, num_images=4) > 30.0
    True

    Reference: Alias-Free Generative Adversarial Networks, Karras et al., 2021, arXiv:2106.12423.
    """

    def __init__(self, name: str = "eq_t", **kwargs):
        super().__init__(name, **kwargs)

    def pairs(
        self, gan: keras.Model, styles: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images that were moved, those of moved inputs, and where both are known."""
        height, width = gan.image_shape[:2]
        shifts = random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, (len(styles), 2))
        shifts = np.rint(shifts * (width, height)).astype(int)
        found = gan.uncut_images(styles, translate=shifts / (width, height))
        still = gan.uncut_images(styles)
        expected, valid = np.zeros_like(still), np.zeros(still.shape[:3], bool)
        for image, (right, down) in enumerate(shifts):
            to, of = (
                tuple(
                    slice(max(0, sign * shift), size + min(0, sign * shift))
                    for shift, size in ((down, height), (right, width))
                )
                for sign in (1, -1)
            )
            expected[image][to], valid[image][to] = still[image][of], True
        return expected, found, valid


@keras.saving.register_keras_serializable(package="kerasgan")
class EQR(_Equivariance):
    """EQ-R, rotation equivariance: whether images rotate when the generator's input rotates.

    As `EQT`, with angles from -180 to 180 degrees. A rotated image holds other frequencies than the
    original, because the square of frequencies that pixels can hold rotates with it. So both images
    are filtered to the frequencies that the two squares share (appendix E.3 of the paper): the
    image is rotated with filters along the old and the new axes, and the image of rotated inputs is
    filtered likewise. The filters are Lanczos-windowed sincs with 3 lobes; 6 pixels at the border,
    where they are not valid, are left out. As in the authors' code, rotation interpolates linearly
    at four points per pixel, which limits the result for images with fine detail.

    Args:
        name, **kwargs: as for `keras.metrics.Metric`.

    Raises:
        ValueError: when it measures a model of images smaller than 18 pixels.

    Example:

    >>> gan = kerasgan.StyleGAN3((32, 32, 1), latent_dim=8, base_width=4, num_layers=3, variant="r")
    >>> kerasgan.metrics.EQR().measure(gan, num_images=2) > 20.0
    True

    Reference: Alias-Free Generative Adversarial Networks, Karras et al., 2021, arXiv:2106.12423.
    """

    def __init__(self, name: str = "eq_r", **kwargs):
        super().__init__(name, **kwargs)

    def check_size(self, size: int) -> None:
        if size < 3 * REACH:
            raise ValueError(
                f"images of {size} pixels are too small for EQR, which leaves out {REACH} at each "
                f"side; use a model of images of at least {3 * REACH}."
            )

    def pairs(
        self, gan: keras.Model, styles: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images that were turned, those of turned inputs, and where both are known."""
        angles = random.uniform(-180.0, 180.0, len(styles))
        found = gan.uncut_images(styles, rotate=angles)
        still = gan.uncut_images(styles)
        turned = [turn(image, angle) for image, angle in zip(still, angles, strict=True)]
        expected, valid = map(np.stack, zip(*turned, strict=True))
        found = [as_turned(image, angle) for image, angle in zip(found, angles, strict=True)]
        return expected, np.stack(found), valid


def rotation(angle):
    """The matrix that turns points (x, y) counterclockwise by degrees, y growing downwards."""
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.array([[cosine, sine], [-sine, cosine]])


def common_filter(matrix, up=1):
    """The filter of the frequencies that pixels can hold along both the old and the new axes.

    Args:
        matrix: that turns the old axes into the new ones, (2, 2).
        up: int, numbers a pixel.

    Returns:
        float64 array (n, n); the numbers for one place within pixels add up to 1.
    """
    places = np.arange(-FAR * up + 1, FAR * up) / up
    old = np.stack(np.meshgrid(places, places), axis=-1)  # of x and y
    new = old @ matrix.T

    def after_each_other(function):
        """One along the old axes and one along the new ones, where the two together end."""
        both = [np.prod(function(grid), axis=-1) for grid in (old, new)]
        inner = slice(up * (FAR - REACH), -up * (FAR - REACH))
        return scipy.signal.fftconvolve(*both, mode="same")[inner, inner]

    taps = after_each_other(np.sinc)
    taps *= after_each_other(lambda x: np.where(np.abs(x) < LOBES, np.sinc(x / LOBES), 0.0))
    for row in range(up):
        for column in range(up):
            taps[row::up, column::up] /= taps[row::up, column::up].sum()
    return taps


def turn(image, angle):
    """An image turned by degrees, in the frequencies in common, and bool (height, width): where."""
    height, width, channels = image.shape
    matrix = rotation(angle)
    taps = common_filter(matrix, UP)
    rows, columns = np.mgrid[:height, :width]
    middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
    points = np.stack([columns, rows], axis=-1) - middle
    sources = points @ matrix + middle  # turned back
    turned = np.empty(image.shape)
    for channel in range(channels):
        finely = np.zeros((height * UP, width * UP))
        finely[::UP, ::UP] = image[..., channel]
        finely = scipy.signal.fftconvolve(finely, taps, mode="same")
        at = [UP * sources[..., 1], UP * sources[..., 0]]
        turned[..., channel] = scipy.ndimage.map_coordinates(finely, at, order=1, mode="nearest")
    # As far as the two filters reach, of which the other is `as_turned`'s.
    valid = np.ones((height, width), bool)
    for places, reach in ((sources, REACH - 1.0 / UP), (points + middle, REACH - 1.0)):
        limits = np.array([width - 1.0, height - 1.0]) - reach
        valid &= np.all((places >= reach) & (places <= limits), axis=-1)
    return turned, valid


def as_turned(image, angle):
    """An image of turned inputs in the frequencies that it has in common with one that is not."""
    taps = common_filter(rotation(angle).T)
    return scipy.signal.fftconvolve(image, taps[:, :, None], mode="same", axes=(0, 1))
