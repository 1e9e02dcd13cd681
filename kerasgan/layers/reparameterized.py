"""Layers that compute with a function of their weights."""

import keras


class Reparameterized(keras.layers.Wrapper):
    """Wraps a layer so that it computes with a function of its trained weights.

    A subclass defines `computed_with()`; gradients pass through it to the weights.

    Args:
        layer: the layer to wrap.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def computed_with(self):
        """Pairs of a weight of the layer and the tensor that replaces it."""
        raise NotImplementedError

    def call(self, inputs, **kwargs):
        values = {id(v): (v, v.value) for v in self.layer.variables}
        values.update((id(weight), (weight, value)) for weight, value in self.computed_with())
        with keras.StatelessScope(list(values.values()), collect_losses=True) as scope:
            outputs = self.layer(inputs, **kwargs)
        for loss in scope.losses:  # of its activity regularizer; the scope would keep them
            self.layer.add_loss(loss)
        return outputs

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)
