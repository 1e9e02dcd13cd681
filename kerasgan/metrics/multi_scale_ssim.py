"""The multi-scale structural similarity between generated images, after Odena et al. 2017."""

import keras
import numpy as np
from keras import ops

from kerasgan.metrics.distortion import luminance, structural_similarity
from kerasgan.metrics.feature_metric import FeatureMetric
from kerasgan.training import measuring

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first


@measuring.register("ms_ssim")
@keras.saving.register_keras_serializable(package="kerasgan")
class MultiScaleSSIM(FeatureMetric):
    """MS-SSIM between pairs of generated images, and of real ones: measures lack of diversity.

    It is 0 for images that have nothing in common and 1 when the generator always makes the same.
    What is normal depends on the data, so compare it with the value of the real images. A pair is
    two images that follow each other. Odena et al. pair images of one class. To do the same with a
    conditional model, pass images of one class; otherwise differences between classes count as
    diversity.

    The paper uses five scales, which needs images of 176 pixels. For smaller images the metric uses
    as many scales as leave at least 11 pixels, with their weights scaled to sum to 1.

    Args:
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of `ms_ssim` (generated) and `ms_ssim_real`, without the one that had
        no images.

    Raises:
        ValueError: for images below 11 pixels, and at `result()` without a pair.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3))
    >>> metric = kerasgan.metrics.MultiScaleSSIM()
    >>> metric.update_state(images, images[[0, 0, 1, 1]])
    >>> {name: round(value, 1) for name, value in metric.result().items()}
    {'ms_ssim': 1.0, 'ms_ssim_real': 0.0}

    References: Multiscale structural similarity for image quality assessment, Wang, Simoncelli &
    Bovik, 2003, Asilomar Conference. Conditional Image Synthesis With Auxiliary Classifier GANs,
    Odena, Olah & Shlens, 2017, arXiv:1610.09585.
    """

    def __init__(self, name: str = "ms_ssim", **kwargs):
        super().__init__("pixels", name, **kwargs)

    def reset_state(self):
        super().reset_state()
        self._waiting = {True: [], False: []}  # an image without a partner yet
        self._similarities = {True: [], False: []}

    def look(self, examples):
        return examples

    def add(self, images, real):
        if images.ndim != 4 or min(images.shape[1:3]) < 11:
            raise ValueError(
                f"the images have shape {images.shape[1:]}; MultiScaleSSIM takes images of at "
                "least 11 pixels."
            )
        images = np.concatenate([*self._waiting[real], images])
        pairs = len(images) // 2
        self._waiting[real] = [images[2 * pairs :]]
        if pairs:
            similar = multi_scale_similarity(images[0 : 2 * pairs : 2], images[1 : 2 * pairs : 2])
            self._similarities[real].append(ops.convert_to_numpy(similar))

    def result(self) -> dict[str, float]:
        names = {False: self.name, True: f"{self.name}_real"}
        found = {
            names[real]: float(np.concatenate(of).mean())
            for real, of in self._similarities.items()
            if of
        }
        if not found:
            raise ValueError("MultiScaleSSIM has seen fewer than two images; it compares pairs.")
        return dict(sorted(found.items()))


def multi_scale_similarity(first, second):
    """MS-SSIM of images (batch, height, width, 1 or 3) in [-1, 1] in pairs: float32 (batch,)."""
    first, second = (luminance(ops.convert_to_tensor(x, "float32")) for x in (first, second))
    scales = min(len(WEIGHTS), int(np.log2(min(first.shape[1:3]) / 11.0)) + 1)
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    product = 1.0
    for scale, weight in enumerate(weights):
        whole, structure = structural_similarity(first, second)
        part = whole if scale == scales - 1 else structure
        product = product * ops.power(ops.maximum(part, 0.0), float(weight))
        if scale < scales - 1:
            first, second = (
                ops.average_pool(x, (2, 2), (2, 2), data_format="channels_last")
                for x in (first, second)
            )
    return product
