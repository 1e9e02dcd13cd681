"""What StyleGAN2 and its successors share: costs that are paid in some updates only."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.styles.lazy_regularization import LazilyRegularizedGAN, LazyCost

__all__ = ["LazilyRegularizedGAN", "LazyCost"]
