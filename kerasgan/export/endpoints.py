"""What the endpoints of a SavedModel do before and after the networks, as TensorFlow's graphs.

Every input has the batch as its first axis, so that a server can put requests together, and what
comes out for an example depends on that example only.
"""

import tensorflow as tf

from kerasgan import checks
from kerasgan.export.picture_files import check, decoded, png, sides
from kerasgan.sampling.normals import standard_normal

NO_TRUNCATION = -1.0
LARGEST_IMAGE = 2**24  # pixels that `translate` takes, 4096x4096


def compiled(function, jit_compile=False):
    """A function of tensors as a part of graphs."""
    return tf.function(function, autograph=False, jit_compile=jit_compile or None)


def traced(function, specs):
    """A function of tensors as a graph for inputs of these specs."""
    graph = tf.function(function, input_signature=specs, autograph=False)
    graph.get_concrete_function()
    return graph


def latent_to_image(generator, latent_dim, condition):
    """The endpoint of a model that makes images, or vectors, of latents.

    Args:
        generator: function of latents and, if conditional, labels.
        latent_dim: int.
        condition: `Condition`, or None.

    Returns:
        Dict from a signature's name to (function, list of `tf.TensorSpec`).
    """

    def serving_default(latent, given=None):
        finite = _finite(latent, "latent")
        with tf.control_dependencies([finite, *_checks(latent, given, condition)]):
            inputs = [latent] if given is None else [latent, _told(given, condition)]
            return {"images": tf.cast(generator(*inputs), tf.float32)}

    latent = tf.TensorSpec((None, latent_dim), tf.float32, "latent")
    return {"serving_default": (serving_default, [latent, *_spec(condition)])}


def sample(sampler, image_shape, noise_shapes, condition, truncation):
    """The endpoint of a model that makes images of random numbers.

    Args:
        sampler: function of normal numbers, an array for each of `noise_shapes`, labels if
            conditional, and truncation if there is one.
        image_shape: tuple of int.
        noise_shapes: sequence of tuples, the shapes of an image's random numbers.
        condition: `Condition`, or None.
        truncation: None, or the smallest and the largest that there can be; the largest is none.

    Returns:
        Dict from a signature's name to (function, list of `tf.TensorSpec`); for vectors, and for
        images that no PNG file can hold, without any.
    """
    of = (image_shape, noise_shapes, condition, truncation)
    return _drawn("sample", sampler, *of)


def edit(editor, image_shape, noise_shapes, condition, truncation, num_directions):
    """The endpoint of a model that moves along directions before it makes images.

    Args:
        editor: as `sampler` of `sample`, with offsets (batch, num_directions) at the end.
        image_shape, noise_shapes, condition, truncation: as for `sample`.
        num_directions: int.

    Returns:
        As `sample`.
    """
    offsets = tf.TensorSpec((None, num_directions), tf.float32, "offsets")
    of = (image_shape, noise_shapes, condition, truncation)
    return _drawn("edit", editor, *of, offsets)


def _drawn(name, draw, image_shape, noise_shapes, condition, truncation, offsets=None):
    told = _spec(condition)

    def drawn(seed, *others):
        rest = list(others)
        given = {"condition": rest.pop(0) if told else None}
        given["truncation"] = rest.pop(0) if truncation else None
        given["offsets"] = rest.pop(0) if offsets is not None else None
        checks = _checks(seed, given["condition"], condition, given["truncation"], truncation)
        if truncation:
            none = given["truncation"] == NO_TRUNCATION
            given["truncation"] = tf.where(none, truncation[1], given["truncation"])
        if offsets is not None:
            checks += [_as_many(seed, given["offsets"], "offsets")]
            checks += [_finite(given["offsets"], "offsets")]
        checks.append(check(seed >= 0, "seed: use whole numbers of at least 0", seed))
        with tf.control_dependencies(checks):
            seed = tf.identity(seed)
            noise = [standard_normal(seed, shape, n) for n, shape in enumerate(noise_shapes)]
            if told:
                given["condition"] = _told(given["condition"], condition)
            # What is not computed here would reach the networks before it is checked.
            others = [tf.identity(tensor) for tensor in given.values() if tensor is not None]
        return {"image_bytes": png(draw(*noise, *others))}

    if len(image_shape) != 3 or image_shape[-1] > 4:
        return {}
    seed = tf.TensorSpec((None,), tf.int64, "seed")
    strength = [tf.TensorSpec((None,), tf.float32, "truncation")] if truncation else []
    more = [] if offsets is None else [offsets]
    return {name: (drawn, [seed, *told, *strength, *more])}


def of_images_and_codes(functions, image_shape, code_shape):
    """The endpoints `encode`, `decode` and `reconstruct` of a model that encodes images.

    Args:
        functions: dict: `encoder` takes images, `decoder` codes.
        image_shape, code_shape: tuples of int.

    Returns:
        Dict from a signature's name to (function, list of `tf.TensorSpec`).
    """
    images = tf.TensorSpec((None, *image_shape), tf.float32, "images")
    codes = tf.TensorSpec((None, *code_shape), tf.float32, "codes")

    def encode(images):
        with tf.control_dependencies([_inside(images)]):
            return {"codes": tf.cast(functions["encoder"](tf.identity(images)), tf.float32)}

    def decode(codes):
        with tf.control_dependencies([_finite(codes, "codes")]):
            return {"images": tf.cast(functions["decoder"](tf.identity(codes)), tf.float32)}

    def reconstruct(images):
        return decode(encode(images)["codes"])

    return {
        "reconstruct": (reconstruct, [images]),
        "encode": (encode, [images]),
        "decode": (decode, [codes]),
    }


def likelihood(function, image_shape, condition):
    """The endpoint `log_likelihood`.

    Args:
        function: from images, and labels if conditional, to nats.
        image_shape: tuple of int.
        condition: `Condition`, or None.

    Returns:
        Dict from a signature's name to (function, list of `tf.TensorSpec`).
    """

    def log_likelihood(images, label=None):
        checks = [_inside(images), *_checks(images, label, condition)]
        with tf.control_dependencies(checks):
            inputs = [tf.identity(images)]
            inputs += [] if label is None else [_told(label, condition)]
            return {"nats": tf.cast(function(*inputs), tf.float32)}

    images = tf.TensorSpec((None, *image_shape), tf.float32, "images")
    return {"log_likelihood": (log_likelihood, [images, *_spec(condition)])}


def _spec(condition):
    if condition is None:
        return []
    if condition.vocabulary is not None:
        return [tf.TensorSpec((None,), tf.string, condition.name)]
    return [tf.TensorSpec((None, *condition.shape), condition.dtype, condition.name)]


def _told(given, condition):
    """What the networks are told: that of an endpoint's input.

    Texts become `kerasgan.data.captions.BagOfWords`.
    """
    if condition.vocabulary is None:
        return tf.identity(given)
    spaced = tf.strings.regex_replace(tf.strings.lower(given, "utf-8"), r"[^\pL\pN_]+", " ")
    words = tf.strings.split(spaced).to_tensor("")
    is_in = words[:, :, None] == tf.constant(condition.vocabulary)
    return tf.cast(tf.reduce_any(is_in, axis=1), condition.dtype)


def _inside(images):
    return check(tf.abs(images) <= checks.LARGEST, "images: use images in [-1, 1]", images)


def _finite(values, name):
    return check(tf.math.is_finite(values), f"{name}: use finite numbers", values)


def image_to_image(functions, size, channels, multiple, least_size, scale):
    """The endpoints of a model that translates images.

    Args:
        functions: dict from a direction, "to_A", or "" for the only one, to a function of images.
        size: (height, width) that images have to have; None for any that is a multiple.
        channels: dict from a direction to the number of channels that are taken.
        multiple: int, what heights and widths have to be a multiple of.
        least_size: int, the smallest height and width.
        scale: int, by how much it enlarges.

    Returns:
        Dict from a signature's name to (function, list of `tf.TensorSpec`).
    """
    images = {
        to: tf.TensorSpec((None, *size, n), tf.float32, "images") for to, n in channels.items()
    }
    files = tf.TensorSpec((None,), tf.string, "image_bytes")
    signatures = {}
    for direction, network in functions.items():
        of_arrays = (_serving(network, multiple, least_size), [images[direction]])
        translate = _translating(network, channels[direction], multiple, least_size, scale)
        of_files = {"translate": (translate, [files])} if None in size else {}
        if not signatures:
            signatures = {"serving_default": of_arrays, **of_files}
        if direction:
            signatures[direction] = of_arrays
            signatures |= {f"{name}_{direction}": graph for name, graph in of_files.items()}
    return signatures


def _serving(network, multiple, least_size):
    def serve(images):
        sides = tf.shape(images)[1:3]
        right = (sides % multiple == 0) & (sides >= least_size)
        message = f"images: use sides of at least {least_size} that are multiples of {multiple}"
        with tf.control_dependencies([check(right, message, sides), _inside(images)]):
            return {"images": tf.cast(network(tf.identity(images)), tf.float32)}

    return serve


def _translating(network, channels, multiple, least_size, scale):
    def translate_file(file):
        height_and_width = sides(file)
        small_enough = check(
            (tf.reduce_max(height_and_width) <= LARGEST_IMAGE)
            & (tf.reduce_prod(height_and_width) <= LARGEST_IMAGE),
            f"image_bytes: use images of at most {LARGEST_IMAGE} pixels",
            height_and_width,
        )
        # A few kilobytes can hold an image that does not fit into memory.
        with tf.control_dependencies([small_enough]):
            image = decoded(tf.identity(file), channels)
        height, width = tf.unstack(tf.shape(image)[:2])
        image = tf.cast(image, tf.float32) / 127.5 - 1.0
        for axis, length in enumerate((height, width)):
            image = _mirrored(image, axis, length, multiple, least_size)
        return png(network(image[None])[0, : height * scale, : width * scale])

    def translate(image_bytes):
        return {"image_bytes": tf.map_fn(translate_file, image_bytes, parallel_iterations=1)}

    return translate


def _checks(first, given, condition, strength=None, limits=None):
    """What an endpoint makes sure of; a client that is wrong gets INVALID_ARGUMENT."""
    checks = []
    told = "" if condition is None else condition.name
    for name, tensor in ((told, given), ("truncation", strength)):
        if tensor is not None:
            checks.append(_as_many(first, tensor, name))
    if condition is not None and condition.num_classes is not None:
        right = (given >= 0) & (given < condition.num_classes)
        last = condition.num_classes - 1
        checks.append(check(right, f"{condition.name}: use whole numbers from 0 to {last}", given))
    elif condition is not None and condition.vocabulary is None:
        checks.append(_finite(given, condition.name))
    if strength is not None:
        right = (strength >= limits[0]) & (strength <= limits[1]) | (strength == NO_TRUNCATION)
        message = f"truncation: use numbers from {limits[0]} to {limits[1]}, or -1 for none"
        checks.append(check(right, message, strength))
    return checks


def _as_many(first, tensor, name):
    equal = tf.shape(tensor)[0] == tf.shape(first)[0]
    return check(equal, f"{name}: give one for each image", tensor)


def _mirrored(image, axis, length, multiple, least_size):
    """An image continued by its mirror image to a length that the network can take."""
    wanted = tf.maximum(length, least_size)
    wanted = -(-wanted // multiple) * multiple
    index = tf.range(wanted) % (2 * length)
    return tf.gather(image, tf.minimum(index, 2 * length - 1 - index), axis=axis)
