"""What both protocols ask: a model's answer to a request, computed together with others."""

from kerasgan.serving.batching import Batcher
from kerasgan.serving.errors import ServingError


class Engine:
    """Models and a queue.

    Args:
        models: `Models`.
        limits: `Limits`.
    """

    def __init__(self, models, limits):
        self.models = models
        self.limits = limits
        self.batcher = Batcher(limits)

    def predict(self, servable, signature, inputs):
        """The outputs of a signature for some inputs.

        Args:
            servable: `Servable`.
            signature: str.
            inputs: dict from a name to an array, or lists of numbers or bytes.

        Returns:
            A `concurrent.futures.Future` of a dict of arrays.

        Raises:
            ServingError: for inputs that the signature does not take, or too many of them.
        """
        arrays, size = servable.checked(signature, inputs)
        if size is not None and size > self.limits.request_images:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{size} examples in a request; send at most {self.limits.request_images}",
            )
        shapes = tuple(array.shape[1:] for array in arrays.values())
        key = None if size is None else (servable, signature, shapes)
        return self.batcher.submit(
            key, lambda together: servable.compute(signature, together), arrays, size or 1
        )
