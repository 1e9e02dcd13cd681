"""Data that a model is given, looked at before a step sees it."""

from kerasgan.checks.batches import BatchCheck, checked_data, refuse_weights


class ChecksData:
    """What `GenerativeModel` does with data, apart from it: a base class beside `keras.Model`."""

    def check_batch(self, data) -> dict:
        """Makes sure that a batch is what the model can be trained on; here, anything is.

        Args:
            data: what `fit` takes as a batch, or the specification of it; values are looked at
                where it holds NumPy arrays.

        Returns:
            Dict from the name of images in [-1, 1] to their lowest and highest value, where there
            are values.

        Raises:
            ValueError: for other data.
        """
        return {}

    @property
    def batch_limits(self) -> list:
        """The lowest and the highest value of each part of a batch: list of pairs, one or none."""
        return []

    def agree_on_classes(self, data, learn: bool = False) -> None:
        """Makes sure that the labels of data mean what they mean to this model, if to it they do.

        Args:
            data: what `fit` takes.
            learn: whether a model whose classes have no names yet takes those of the data.

        Raises:
            ValueError: for a label that means something else.
        """

    def check_data(self, arguments: dict, check: BatchCheck | None = None) -> BatchCheck:
        """Puts data that is checked into the arguments of `fit` or `evaluate`.

        Args:
            arguments: dict with `x`, `y` and weights, as far as they were given.
            check: the `BatchCheck` whose `own_error` is to tell of these data, too.

        Returns:
            A `BatchCheck`.
        """
        weights = {name: arguments.get(name) for name in ("sample_weight", "class_weight")}
        refuse_weights(**weights)
        own = BatchCheck(self.check_batch, check)
        x, y = arguments.get("x"), arguments.get("y")
        arguments["x"] = checked_data(x, y, own, self.batch_limits)
        return own

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        """One step on a batch, which is checked; see `fit` and `keras.Model.train_on_batch`."""
        given = {"x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        self.check_data(given)
        return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """The losses of a batch, which is checked; see `keras.Model.test_on_batch`."""
        self.check_data({"x": x, "y": y, "sample_weight": sample_weight})
        return super().test_on_batch(x, y, **kwargs)
