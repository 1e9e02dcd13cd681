"""The base class of the autoregressive models of the zoo."""

from kerasgan import checks
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.layers.causal import CausalNetwork
from kerasgan.layers.precision import dtype_policy
from kerasgan.roles.autoregressive import Autoregressive
from kerasgan.roles.likelihood import BINARIZATIONS


class AutoregressiveModel(Autoregressive, GenerativeModel):
    """An autoregressive model with one network, made for an image shape.

    A subclass defines `make_network()` and `default_optimizers()`; the only part is `network`.

    Args:
        image_shape: (height, width, channels).
        base_width: int.
        num_blocks: int of at least 1.
        levels: int of at least 2, possible values of a channel.
        binarization: `"dynamic"` or `"fixed"`, for two levels; see `HasLikelihood`.
        num_classes: None or int.
        seed, dtype: as for other models.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range.
    """

    image_axes = 3

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        base_width: int,
        num_blocks: int,
        *,
        levels: int = 256,
        binarization: str = "dynamic",
        num_classes: int | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        checks.whole_number("num_blocks", num_blocks, 1)
        checks.whole_number("levels", levels, 2)
        if binarization not in BINARIZATIONS:
            accepted = " or ".join(map(repr, BINARIZATIONS))
            raise ValueError(f"binarization={binarization!r}; use {accepted}.")
        with dtype_policy(dtype):
            super().__init__(seed=seed, **kwargs)
            self.image_shape = tuple(image_shape)
            self.base_width, self.num_blocks = base_width, num_blocks
            self.levels, self.binarization = levels, binarization
            self.num_classes = num_classes
            self.network = self.make_network()

    def make_network(self) -> CausalNetwork:
        """The network for the model's arguments, built."""
        raise NotImplementedError

    @property
    def parts(self) -> dict:
        return {"network": [self.network]}

    def get_config(self) -> dict:
        classes = {} if self.num_classes is None else {"num_classes": self.num_classes}
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "base_width": self.base_width,
            "num_blocks": self.num_blocks,
            "levels": self.levels,
            "binarization": self.binarization,
            **classes,
        }
