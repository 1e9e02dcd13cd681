"""Picture files inside a graph, read as `kerasgan.data` reads them: TensorFlow alone."""

import tensorflow as tf

LARGEST_HEAD = 1000  # segments of a JPEG file before its picture
PNG = b"\x89PNG\r\n\x1a\n"  # what such a file begins with


def sides(file):
    """Height and width as the head of a PNG or JPEG file has them: int64 tensor (2,)."""
    is_jpeg = tf.io.is_jpeg(file)
    is_png = tf.strings.substr(file, 0, len(PNG)) == PNG

    def of_png():
        # What is too short for a head is left to the decoder.
        head = tf.strings.substr(tf.strings.join([file, bytes(24)]), 16, 8)
        width_and_height = tf.io.decode_raw(head, tf.int32, little_endian=False)
        return tf.cast(tf.bitcast(width_and_height[::-1], tf.uint32), tf.int64)

    def of_jpeg():
        return tf.io.extract_jpeg_shape(file, tf.int64)[:2]

    known = check(is_jpeg | is_png, "image_bytes: use PNG or JPEG files", tf.strings.length(file))
    with tf.control_dependencies([known]):
        return tf.cond(tf.identity(is_jpeg), of_jpeg, of_png)


def decoded(file, channels):
    """The picture in a PNG or JPEG file as `kerasgan.data` reads it.

    Returns:
        uint8 tensor (height, width, channels), turned as the camera was held, on black where it is
        transparent.
    """
    is_jpeg = tf.io.is_jpeg(file)

    def of_jpeg():
        # Pillow takes ink for inverted, as Adobe writes it, and TensorFlow where Adobe says so.
        inks = tf.io.extract_jpeg_shape(file)[2] == 4
        by_adobe = _after(file, b"\xff\xee\0\x0eAdobe") != b""
        message = "image_bytes: use JPEG files in color or gray, or in CMYK as Adobe marks it"
        with tf.control_dependencies([check(~inks | by_adobe, message, tf.strings.length(file))]):
            return tf.io.decode_jpeg(tf.identity(file), 3, dct_method="INTEGER_ACCURATE")

    def on_black():
        pixels = tf.cast(tf.io.decode_png(file, 4), tf.int32)
        return tf.cast((pixels[..., :3] * pixels[..., 3:] + 127) // 255, tf.uint8)

    def of_png():
        bits, kind = tf.unstack(_bytes(file, 24, 2))
        keyed = _after(tf.strings.split(file, b"IDAT", maxsplit=1)[0], b"tRNS") != b""
        message = "image_bytes: use PNG files of 8 bits where one of the colors is transparent"
        with tf.control_dependencies([check(~keyed | (bits < 16) | (kind != 2), message, bits)]):
            # TensorFlow adds an alpha of 1 or 15 to opaque files of less than 8 bits.
            has_alpha = keyed | (kind == 4) | (kind == 6)
        return tf.cond(has_alpha, on_black, lambda: tf.io.decode_png(file, 3))

    image = tf.cond(is_jpeg, of_jpeg, of_png)
    orientation = tf.cond(
        is_jpeg, lambda: _orientation_of_jpeg(file), lambda: _orientation_of_png(file)
    )
    image = _upright(image, orientation)
    if channels == 1:
        shares = tf.constant([19595, 38470, 7471])  # ITU-R 601-2, of 2**16
        luminance = tf.reduce_sum(tf.cast(image, tf.int32) * shares, axis=-1, keepdims=True)
        image = tf.cast((luminance + 2**15) // 2**16, tf.uint8)
    image.set_shape((None, None, channels))
    return image


def _upright(image, orientation):
    """An image (height, width, channels) turned as Exif's orientation, int32 from 1 to 8, says."""
    order = orientation - 1
    across = tf.bitwise.bitwise_and(order, 4) > 0  # rows are columns
    image = tf.cond(across, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    # Of 1, 2, 3, 4, and of 5, 6, 7, 8, those of which the rows, or the columns, run backwards.
    upside_down = tf.gather([False, False, True, True, False, False, True, True], order)
    mirrored = tf.gather([False, True, True, False, False, True, True, False], order)
    image = tf.cond(upside_down, lambda: image[::-1], lambda: image)
    return tf.cond(mirrored, lambda: image[:, ::-1], lambda: image)


def _orientation_of_jpeg(file):
    """How a camera was held, as a JPEG file says: int32 from 1 to 8."""
    size = _length(file)

    def goes_on(place, exif):
        head = _bytes(file, place, 2)
        return (exif < 0) & (place < size) & ((head[0] != 0xFF) | (head[1] != 0xDA))

    def next_segment(place, exif):
        mark, kind, high, low = tf.unstack(_bytes(file, place, 4))
        no_marker = (mark != 0xFF) | (kind == 0xFF)
        alone = (kind <= 1) | ((kind >= 0xD0) & (kind <= 0xD9))
        step = tf.where(no_marker, 1, tf.where(alone, 2, 2 + 256 * high + low))
        is_exif = ~no_marker & (kind == 0xE1) & (_cut(file, place + 4, 6) == b"Exif\0\0")
        return place + tf.cast(step, tf.int64), tf.where(is_exif, place + 10, exif)

    start = tf.constant(2, tf.int64), tf.constant(-1, tf.int64)
    place, exif = tf.while_loop(
        goes_on, next_segment, start, parallel_iterations=1, maximum_iterations=LARGEST_HEAD
    )
    message = f"image_bytes: use JPEG files with at most {LARGEST_HEAD} segments before the picture"
    with tf.control_dependencies([check(~goes_on(place, exif), message, size)]):
        place = tf.identity(place)
    block = tf.where(exif < 0, b"", _cut(file, tf.maximum(exif, 0), 2**16))
    return _orientation(block, _cut(file, 0, place))


def _orientation_of_png(file):
    """How a camera was held, as a PNG file says: int32 from 1 to 8."""
    block = _after(file, b"eXIf")
    packed = (block == b"") & (_after(file, b"Raw profile type exif\0") != b"")
    packed |= _after(file, b"XML:com.adobe.xmp\0\1") != b""
    message = "image_bytes: use PNG files whose EXIF or XMP is not compressed, or that have none"
    with tf.control_dependencies([check(~packed, message, tf.strings.length(file))]):
        return _orientation(tf.identity(block), file)


def _orientation(exif, text):
    """The orientation in a block of EXIF or, if there is none, in what may hold XMP."""
    little, big = (_cut(exif, 0, 4) == mark for mark in (b"II*\0", b"MM\0*"))

    def number(four_or_two):
        digits = tf.cast(tf.where(little, four_or_two[..., ::-1], four_or_two), tf.int64)
        places = tf.constant([256**n for n in reversed(range(four_or_two.shape[-1]))], tf.int64)
        return tf.reduce_sum(digits * places, axis=-1)

    def in_directory():
        start = number(_bytes(exif, 4, 4))
        entries = _cut(exif, start + 2, 12 * number(_bytes(exif, start, 2)))
        entries = tf.io.decode_raw(entries, tf.uint8)
        entries = tf.reshape(entries[: tf.size(entries) // 12 * 12], (-1, 12))
        wanted = tf.boolean_mask(entries, number(entries[:, :2]) == 0x0112)
        kind, short, long = number(wanted[:, 2:4]), number(wanted[:, 8:10]), number(wanted[:, 8:])
        value = tf.where(kind == 3, short, tf.where(kind == 4, long, 1))
        return tf.concat([value, [-1]], axis=0)[0]

    def in_xmp():
        first, second, third = tf.unstack(_bytes(_after(text, b"tiff:Orientation"), 0, 3))
        quoted = (first == ord("=")) & (second == ord('"'))
        digit = tf.where(quoted, third, tf.where(first == ord(">"), second, ord("1")))
        return tf.cast(digit - ord("0"), tf.int64)

    found = tf.cond(little | big, in_directory, lambda: tf.constant(-1, tf.int64))
    found = tf.cond(found == -1, in_xmp, lambda: found)
    return tf.cast(tf.where((found >= 1) & (found <= 8), found, 1), tf.int32)


def _after(text, mark):
    """What follows the first mark in a text, or an empty text."""
    parts = tf.strings.split(text, mark, maxsplit=1)
    return tf.concat([parts, [b"", b""]], axis=0)[1]


def _length(text):
    return tf.cast(tf.strings.length(text), tf.int64)


def _cut(text, start, length):
    """So many bytes of a text, or what there is of them."""
    start = tf.cast(start, tf.int64)
    inside = tf.minimum(start, _length(text))
    return tf.strings.substr(text, inside, tf.cast(length, tf.int64))


def _bytes(text, start, count):
    """So many bytes of a text as int32 tensor, zeros after its end."""
    padded = tf.strings.join([_cut(text, start, count), bytes(count)])
    decoded = tf.io.decode_raw(tf.strings.substr(padded, 0, count), tf.uint8)
    return tf.cast(tf.ensure_shape(decoded, (count,)), tf.int32)


def check(right, message, values):
    return tf.debugging.Assert(tf.reduce_all(right), [message + "; got", values])


def png(images):
    """Images in [-1, 1] as PNG files."""
    pixels = tf.clip_by_value(tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5), 0.0, 255.0)
    return tf.io.encode_png(tf.cast(pixels, tf.uint8))
