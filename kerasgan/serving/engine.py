"""The engine behind both protocols: computes a model's answers to requests, in batches."""

from kerasgan.serving.batching import Batcher
from kerasgan.serving.errors import ServingError


class Engine:
    """The models of a server and the queue of their requests.

    Args:
        models: `Models`.
        limits: `Limits`.
    """

    def __init__(self, models, limits):
        self.models = models
        self.limits = limits
        self.batcher = Batcher(limits)

    def check_shapes(self, servable, signature, shapes):
        """The number of examples in inputs of these shapes; None if the signature has no batch.

        Args:
            servable: `Servable`.
            signature: str.
            shapes: dict from a name to a sequence of int.

        Raises:
            ServingError: for inputs that the signature does not take, or too many of them.
        """
        size = servable.check_shapes(signature, shapes)
        if size is not None and size > self.limits.request_images:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{size} examples in a request; send at most {self.limits.request_images}",
            )
        return size

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
        arrays = servable.arrays(signature, inputs)
        shapes = {name: array.shape for name, array in arrays.items()}
        size = self.check_shapes(servable, signature, shapes)
        pixels = servable.pixels(signature, arrays)
        if pixels > self.limits.request_pixels:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{pixels} pixels in a request; send or ask for images of at most "
                f"{self.limits.request_pixels} together (kerasgan serve --max-pixels)",
            )
        of_one = tuple(shape[1:] for shape in shapes.values())
        key = None if size is None else (servable, signature, of_one)
        return self.batcher.submit(
            key, lambda together: servable.compute(signature, together), arrays, size or 1, pixels
        )

    def result(self, future):
        """Waits for the result of a future that `predict` returned.

        Raises:
            ServingError: when that takes too long, or when the computation raised it.
        """
        try:
            return future.result(self.limits.request_seconds)
        except TimeoutError:
            future.cancel()
            raise self.too_late() from None

    def too_late(self):
        """The error for a request that is not answered in time."""
        seconds = self.limits.request_seconds
        return ServingError("DEADLINE_EXCEEDED", f"no answer within {seconds:g} s; try again later")
