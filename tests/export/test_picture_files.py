"""One picture is read alike by the loader, by the command line and by an endpoint."""

import io
import pathlib
import struct
import types
import zlib

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

from kerasgan.cli.translate import translate_files
from kerasgan.data.images import read_image
from kerasgan.export import endpoints, picture_files

pytestmark = needs_backend("tensorflow", reason="TensorFlow's graphs in every SavedModel")

SHARP = {"quality": 100, "subsampling": 0}
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).repeat(8, 0).repeat(8, 1)
COLOURS = COLOURS.astype("uint8")
ALPHA = np.linspace(0, 255, 32).astype("uint8")[None, :, None].repeat(48, axis=0)


def exif(orientation, endian="<", kind="H", before=0):
    """A block of EXIF, with entries before the orientation."""
    head = b"II*\0" if endian == "<" else b"MM\0*"
    entries = [struct.pack(endian + "HHI", 0x0100 + n, 3, 1) + bytes(4) for n in range(before)]
    value = struct.pack(endian + kind, orientation).ljust(4, b"\0")
    code = {"B": 1, "H": 3, "I": 4}[kind]
    entries.append(struct.pack(endian + "HHI", 0x0112, code, 1) + value)
    count = struct.pack(endian + "H", len(entries))
    return head + struct.pack(endian + "I", 8) + count + b"".join(entries) + bytes(4)


def xmp(form):
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d ' + form + b"</d></x:xmpmeta>"


def segment(marker, content):
    return b"\xff" + marker + struct.pack(">H", len(content) + 2) + content


def chunk(name, content):
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def saved(image, file_format, **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def jpeg(*segments, image=None, **options):
    """A JPEG file with segments after its first one."""
    file = saved(image or Image.fromarray(COLOURS), "JPEG", **{**SHARP, **options})
    return file[:20] + b"".join(segments) + file[20:]


def png(image, *chunks, **options):
    """A PNG file with chunks after its head."""
    file = saved(image, "PNG", **options)
    return file[:33] + b"".join(chunks) + file[33:]


def raw_png(depth, colour, rows, *chunks, interlace=0):
    """A PNG file of rows of bytes, which Pillow cannot write."""
    head = struct.pack(">IIBBBBB", 32, 48, depth, colour, 0, 0, interlace)
    data = zlib.compress(rows)
    return picture_files.PNG + b"".join(
        [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


def interlaced():
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, right in (*passes, (1, 0, 2, 1))
        for row in COLOURS[top::down, left::right]
    )
    return raw_png(8, 2, rows, interlace=1)


def sixteen_bits(values):
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)


def corpus():
    """Files by what is odd about them."""
    picture, gray = Image.fromarray(COLOURS), Image.fromarray(COLOURS[..., 0])
    wide = COLOURS.astype("uint16") * 256 + 77
    palette = picture.quantize(16)
    app1 = b"\xe1"
    files = {f"exif {n}": jpeg(segment(app1, b"Exif\0\0" + exif(n))) for n in range(1, 9)}
    files |= {f"exif {n} in png": png(picture, chunk(b"eXIf", exif(n))) for n in (1, 5, 6)}
    files |= {
        "exif 6 of the other order": jpeg(segment(app1, b"Exif\0\0" + exif(6, ">", before=3))),
        "exif 8, long": jpeg(segment(app1, b"Exif\0\0" + exif(8, ">", "I"))),
        "exif 3, byte": jpeg(segment(app1, b"Exif\0\0" + exif(3, "<", "B"))),
        "exif 0, xmp 6": jpeg(
            segment(app1, b"Exif\0\0" + exif(0)),
            segment(app1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(b'tiff:Orientation="6">')),
        ),
        "exif 9": jpeg(segment(app1, b"Exif\0\0" + exif(9))),
        "exif after a profile": jpeg(
            segment(b"\xe2", b"ICC_PROFILE\0\1\1" + b"Exif\0\0" + exif(3)),
            b"\xff" + segment(app1, b"Exif\0\0" + exif(6, before=2)),
        ),
        "exif of another picture behind it": jpeg() + jpeg(segment(app1, b"Exif\0\0" + exif(6))),
        "xmp 6": jpeg(
            segment(app1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(b'tiff:Orientation="6">'))
        ),
        "xmp 3": jpeg(
            segment(app1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(b"><tiff:Orientation>3<"))
        ),
        "exif 8, xmp 6": jpeg(
            segment(app1, b"Exif\0\0" + exif(8)),
            segment(app1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(b'tiff:Orientation="6">')),
        ),
        "xmp 6 in png": png(
            picture,
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(b'tiff:Orientation="6">')),
        ),
        "gray jpeg": jpeg(image=gray),
        "progressive jpeg": jpeg(progressive=True),
        "smooth jpeg": jpeg(image=picture.resize((33, 47)), subsampling=2, quality=75),
        "ink": jpeg(image=picture.convert("CMYK")),
        "png": png(picture),
        "interlaced png": interlaced(),
        "gray png": png(gray),
        "1 bit": png(gray.convert("1")),
        "4 bits": png(gray.quantize(16), bits=4),
        "16 bits gray": png(Image.fromarray(wide[..., 0])),
        "16 bits colour": raw_png(16, 2, sixteen_bits(wide)),
        "16 bits gray, a value transparent": raw_png(
            16, 0, sixteen_bits(wide[..., 0]), chunk(b"tRNS", struct.pack(">H", wide[0, 0, 0]))
        ),
        "palette": png(palette),
        "palette with a transparent colour": png(palette, transparency=3),
        "palette with translucent colours": png(palette, transparency=bytes(range(0, 256, 16))),
        "gray, a value transparent": png(gray, transparency=int(COLOURS[0, 0, 0])),
        "colour, one transparent": png(picture, transparency=tuple(map(int, COLOURS[0, 0]))),
        "translucent": png(Image.fromarray(np.concatenate([COLOURS, ALPHA], -1))),
        "translucent gray": png(Image.fromarray(np.concatenate([COLOURS[..., :1], ALPHA], -1))),
        "one pixel": png(picture.crop((0, 0, 1, 1))),
        "one pixel of ink": jpeg(image=picture.crop((0, 0, 1, 1)).convert("CMYK")),
        "one row": jpeg(segment(app1, b"Exif\0\0" + exif(6)), image=picture.crop((0, 0, 32, 1))),
    }
    return files


class Same:
    """A model that translates a picture to itself."""

    def __init__(self, channels):
        self.channels = channels

    def translator(self, to):
        return types.SimpleNamespace(input_shape=(None, None, None, self.channels))

    def translate(self, images, to, **how):
        return images


def endpoint(channels):
    return endpoints.traced(
        endpoints._translating(lambda images: images, channels, 1, 1, 1),
        [tf.TensorSpec((None,), tf.string)],
    )


@needs_backend("tensorflow", reason="the graphs are TensorFlow's under every backend")
class PicturesTest(tf.test.TestCase):
    def test_loader_command_line_and_endpoint_read_alike(self):
        folder = pathlib.Path(self.get_temp_dir())
        files = corpus()
        for name, file in files.items():
            (folder / f"{name}.png").write_bytes(file)
        turned = 0
        for channels in (3, 1):
            translate = endpoint(channels)
            out = folder / f"out{channels}"
            pictures = [folder / f"{name}.png" for name in files]
            how = {"to": None, "seed": 0, "tile": 512, "skip_damaged": False}
            translate_files(Same(channels), pictures, out, **how)
            for name, file in files.items():
                with self.subTest(name, channels=channels):
                    loaded = read_image(folder / f"{name}.png", None, channels, "crop")
                    served = translate(tf.constant([file]))["image_bytes"].numpy()[0]
                    served, written = (
                        np.asarray(Image.open(file)).reshape((*loaded.shape[:2], channels))
                        for file in (io.BytesIO(served), out / f"{name}.png")
                    )
                    self.assertAllEqual(written, loaded)
                    self.assertLessEqual(np.abs(served.astype(int) - loaded).max(), 2)
                    turned += loaded.shape[:2] == (32, 48)
        self.assertEqual(turned, 2 * 12)

    def test_what_it_cannot_read_alike_an_endpoint_refuses(self):
        translate = endpoint(3)
        picture = Image.fromarray(COLOURS)
        ink = jpeg(image=picture.convert("CMYK"))
        start = ink.index(b"\xff\xee")
        profile = b"\nexif\n      14\n" + exif(6).hex().encode()
        for file, message in (
            (ink[:start] + ink[start + 16 :], "in CMYK as Adobe marks it; got"),
            (
                png(picture, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))),
                "PNG files whose EXIF or XMP is not compressed",
            ),
            (
                png(
                    picture,
                    chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>")),
                ),
                "PNG files whose EXIF or XMP is not compressed",
            ),
            (
                raw_png(16, 2, sixteen_bits(COLOURS), chunk(b"tRNS", bytes(6))),
                "PNG files of 8 bits where one of the colors is transparent",
            ),
            (jpeg(*[segment(b"\xef", b"")] * 1001), "at most 1000 segments before the picture"),
        ):
            with self.assertRaisesRegex(
                tf.errors.InvalidArgumentError, f"image_bytes: .*{message}"
            ):
                translate(tf.constant([file]))
