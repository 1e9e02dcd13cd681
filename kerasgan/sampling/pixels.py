"""Images drawn pixel by pixel from a network that sees the pixels before."""

from keras import ops

from kerasgan import backend
from kerasgan.layers.causal import OnePixel, OneRow


def draw_with_caches(network, next_pixel, per_pixel, labels=None):
    """Draws images; layers keep what they have computed, and are computed for one pixel at a time.

    When a row begins, the layers of rows compute its features, and each layer of pixels what the
    rows above add to it. What is left for each pixel is the layers' own row.

    Args:
        network: a built `CausalNetwork`.
        next_pixel: function of `parameters_of`, which takes pixels (batch, channels) and gives the
            network's parameters (batch, n), and of the arrays `per_pixel` at the place, to pixels
            (batch, channels).
        per_pixel: list of tensors (batch, height, width, n).
        labels: int32 tensor (batch,) or None.

    Returns:
        Tensor (batch, height, width, channels).

    Reference: Fast Generation for Convolutional Autoregressive Models, Ramachandran et al., 2017,
    arXiv:1704.06001, cache features row by row, too.
    """
    height, width, channels = network.image_shape
    count = ops.shape(per_pixel[0])[0]
    causal = network.causal_layers
    of_rows = [layer for layer in causal if layer.of_rows]
    of_pixels = [layer for layer in causal if not layer.of_rows]

    def zeros(layer, *shape):
        return ops.zeros((count, *shape), layer.compute_dtype)

    def row_start(layer):
        kept, columns = {}, width // layer.scale
        if layer.rows > 1:
            kept["rows"] = zeros(layer, layer.rows - 1, columns, layer.kernel.shape[1])
        if layer.strides > 1:
            shape = (columns // layer.strides, layer.filters)
            kept["output"] = zeros(layer, *((1, *shape) if layer.of_rows else shape))
        return kept

    def pixel_start(layer):
        kept = {"left": zeros(layer, layer.left, layer.kernel.shape[1])} if layer.left else {}
        return kept | ({"output": zeros(layer, layer.filters)} if layer.strides > 1 else {})

    def draw_row(carry, given):
        row, per_pixel = given
        kept, above_row = carry
        view = OneRow(row, above_row, {layer.name: kept[layer.name] for layer in of_rows})
        features = network.above(view, None, labels)
        above = {}
        for layer in of_pixels:
            found = above[layer.name] = {}
            scale = layer.scale * layer.strides
            if layer.rows > 1:
                found["above"] = _columns(layer.from_above(kept[layer.name]["rows"]), scale)
            if layer.strides > 1:
                found["output"] = _columns(kept[layer.name]["output"], scale)
        features = [_columns(f[:, 0], width // f.shape[2]) for f in features]

        def draw_pixel(carry, given):
            column, above, features, per_pixel = given
            view = OnePixel(row, column, above, carry)
            features = [f[:, None, None] for f in features]

            def parameters_of(pixel):
                x = network.see(pixel[:, None, None])
                return ops.cast(
                    network.parameters(view, x, features, labels, False)[:, 0, 0], "float32"
                )

            pixel = next_pixel(parameters_of, *per_pixel)
            view.drawn(network.see(pixel[:, None, None]))
            inputs = {layer.name: view.inputs[layer.name] for layer in of_pixels if layer.rows > 1}
            outputs = {
                layer.name: view.keeps[layer.name]["output"]
                for layer in of_pixels
                if layer.strides > 1
            }
            return view.keeps, (pixel, inputs, outputs)

        start = {layer.name: pixel_start(layer) for layer in of_pixels}
        given = (ops.arange(width), above, features, per_pixel)
        dtypes = (
            "float32",
            {layer.name: layer.compute_dtype for layer in of_pixels if layer.rows > 1},
            {layer.name: layer.compute_dtype for layer in of_pixels if layer.strides > 1},
        )
        _, (pixels, inputs, outputs) = backend.scan(draw_pixel, start, given, dtypes)
        pixels = ops.transpose(pixels, (1, 0, 2))
        keeps = dict(view.keeps)
        for layer in of_pixels:
            keeps[layer.name] = {}
            if layer.rows > 1:
                last = ops.transpose(inputs[layer.name][:: layer.scale], (1, 0, 2))
                old = kept[layer.name]["rows"]
                rows = ops.concatenate([old[:, 1:], last[:, None]], axis=1)
                ends = row % layer.scale == layer.scale - 1
                keeps[layer.name]["rows"] = ops.where(ends, rows, old)
            if layer.strides > 1:
                output = outputs[layer.name][:: layer.scale * layer.strides]
                keeps[layer.name]["output"] = ops.transpose(output, (1, 0, 2))
        return (keeps, network.see(pixels[:, None])), pixels

    start = {layer.name: row_start(layer) for layer in causal}
    above_row = ops.zeros_like(network.see(ops.zeros((count, 1, width, channels))))
    rows = [ops.transpose(tensor, (1, 2, 0, 3)) for tensor in per_pixel]
    _, images = backend.scan(draw_row, (start, above_row), (ops.arange(height), rows), "float32")
    return ops.transpose(images, (1, 0, 2, 3))


def draw_naively(network, next_pixel, per_pixel, labels=None):
    """Draws images; the whole network is computed for each pixel. See `draw_with_caches`."""
    height, width, channels = network.image_shape
    count = ops.shape(per_pixel[0])[0]

    def draw_pixel(images, given):
        place, *per_pixel = given
        here = ops.one_hot(place, height * width, dtype="float32")[None, :, None]

        def parameters_of(pixel):
            whole = ops.where(here > 0.0, pixel[:, None], images)
            whole = ops.reshape(whole, (-1, height, width, channels))
            parameters = network(whole if labels is None else [whole, labels], training=False)
            parameters = ops.reshape(parameters, (-1, height * width, parameters.shape[-1]))
            return ops.take(parameters, place, axis=1)

        pixel = next_pixel(parameters_of, *per_pixel)
        return ops.where(here > 0.0, pixel[:, None], images), pixel

    places = height * width
    given = [ops.transpose(ops.reshape(t, (-1, places, t.shape[-1])), (1, 0, 2)) for t in per_pixel]
    start = ops.zeros((count, places, channels))
    images, _ = backend.scan(draw_pixel, start, (ops.arange(places), *given), "float32")
    return ops.reshape(images, (-1, height, width, channels))


def _columns(features, scale):
    """Features (batch, n, filters) for each column: (n * scale, batch, filters)."""
    return ops.repeat(ops.transpose(features, (1, 0, 2)), scale, axis=0)
