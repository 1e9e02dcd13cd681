import pathlib

import numpy as np
import tensorflow as tf
from backends import needs_backend
from data_helpers import as_bytes, everything
from PIL import Image

from kerasgan import data

pytestmark = needs_backend("tensorflow", reason="files and tf.data are the same everywhere")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
BROWN = (200, 100, 50)


def plain(mode, pixel, size=4):
    return Image.new(mode, (size, size), pixel)


def palette(*colours):
    """A picture of indices whose every pixel has the last colour."""
    picture = plain("P", len(colours) - 1)
    picture.putpalette([value for colour in colours for value in colour])
    return picture


def sixteen_bits(value):
    return Image.fromarray(np.full((4, 4), value, "uint16"))


def stripes(width, height):
    """A picture of three upright stripes: red, green, blue."""
    line = np.array([RED, GREEN, BLUE], "uint8").repeat(width // 3, axis=0)
    return Image.fromarray(np.tile(line, (height, 1, 1)))


def quarters():
    """A picture of four colours, the same neither mirrored nor turned."""
    colours = np.array([[RED, GREEN], [BLUE, WHITE]], "uint8")
    return Image.fromarray(colours.repeat(8, axis=0).repeat(8, axis=1))


def upright(picture):
    return picture.transpose(Image.Transpose.ROTATE_90)


class PicturesTest(tf.test.TestCase):
    def load(self, pictures, **arguments):
        """Saves pictures by name, loads the folder and gives what became of them, as bytes.

        Args:
            pictures: dict of file name to picture, or to (picture, options of `save`).
        """
        folder = pathlib.Path(self.get_temp_dir())
        for name, picture in pictures.items():
            picture, options = picture if isinstance(picture, tuple) else (picture, {})
            picture.save(folder / name, **options)
        images = as_bytes(everything(data.load(folder, shuffle=False, **arguments)))
        return dict(zip(sorted(pictures), images, strict=True))

    def assert_filled(self, image, colour, atol=0.0):
        self.assertAllClose(image, np.broadcast_to(colour, image.shape), rtol=0, atol=atol)

    def test_png_jpeg_bmp_and_gif_keep_their_colours(self):
        sharp = {"quality": 95, "subsampling": 0}
        suffixes = {"png": {}, "bmp": {}, "gif": {}, "jpg": sharp, "JPEG": sharp}
        pictures = {f"picture.{suffix}": (quarters(), save) for suffix, save in suffixes.items()}
        for name, image in self.load(pictures, image_size=16).items():
            with self.subTest(name):
                self.assertEqual(image.shape, (16, 16, 3))
                atol = 3 if name.lower().endswith(("jpg", "jpeg")) else 0
                self.assertAllClose(image, np.asarray(quarters()), rtol=0, atol=atol)

    def test_an_animation_gives_its_first_frame(self):
        first, *others = (plain("RGB", colour) for colour in (GREEN, RED, BLUE))
        film = (first, {"save_all": True, "append_images": others})
        self.assert_filled(self.load({"film.gif": film}, image_size=4)["film.gif"], GREEN)

    def test_a_camera_held_sideways_gives_an_upright_picture(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # the orientation: to be turned clockwise by 90 degrees
        images = self.load({"sideways.png": (quarters(), {"exif": exif})}, image_size=16)
        self.assertAllEqual(images["sideways.png"], np.rot90(np.asarray(quarters()), k=-1))

    def test_every_kind_of_pixel_becomes_the_channels_asked_for(self):
        ink = np.array([40, 120, 200, 25])
        best = {"quality": 100, "subsampling": 0}
        cases = {
            "colour.png": (plain("RGB", BROWN), {}, BROWN),
            "gray.png": (plain("L", 77), {}, (77, 77, 77)),
            "gray.jpg": (plain("L", 77), {}, (77, 77, 77)),
            "1 bit black.png": (plain("1", 0), {}, (0, 0, 0)),
            "1 bit white.png": (plain("1", 1), {}, WHITE),
            "16 bits black.png": (sixteen_bits(0), {}, (0, 0, 0)),
            "16 bits gray.png": (sixteen_bits(128 * 257), {}, (128, 128, 128)),
            "16 bits white.png": (sixteen_bits(65535), {}, WHITE),
            "palette.png": (palette(BLUE, BROWN), {}, BROWN),
            "palette.gif": (palette(BLUE, BROWN), {}, BROWN),
            "palette transparent.png": (palette(BLUE, BROWN), {"transparency": 1}, (0, 0, 0)),
            "palette opaque.png": (palette(BLUE, BROWN), {"transparency": 0}, BROWN),
            "opaque.png": (plain("RGBA", (*BROWN, 255)), {}, BROWN),
            "translucent.png": (plain("RGBA", (*BROWN, 51)), {}, (40, 20, 10)),
            "transparent.png": (plain("RGBA", (*BROWN, 0)), {}, (0, 0, 0)),
            "translucent gray.png": (plain("LA", (200, 51)), {}, (40, 40, 40)),
            "ink.jpg": (plain("CMYK", tuple(ink)), best, (255 - ink[:3]) * (255 - ink[3]) / 255),
        }
        pictures = {name: (picture, save) for name, (picture, save, _) in cases.items()}
        in_colour = self.load(pictures, image_size=4)
        in_gray = self.load(pictures, image_size=4, channels=1)
        for name, (_, _, colour) in cases.items():
            with self.subTest(name):
                self.assertEqual(in_colour[name].shape, (4, 4, 3))
                self.assert_filled(in_colour[name], colour, atol=1.5)
                self.assertEqual(in_gray[name].shape, (4, 4, 1))
                luminance = np.dot(colour, [0.299, 0.587, 0.114])
                self.assert_filled(in_gray[name], luminance, atol=1.5)

    def test_crop_keeps_the_centre(self):
        pictures = {"wide.png": stripes(30, 10), "tall.png": upright(stripes(30, 10))}
        for image in self.load(pictures, image_size=10).values():
            self.assert_filled(image, GREEN)

    def test_crop_resizes_the_centre(self):
        pictures = {"larger.png": stripes(120, 40), "smaller.png": stripes(12, 4)}
        for image in self.load(pictures, image_size=10, fit="crop").values():
            # Next to the cut, the filter sees what is cut off.
            self.assert_filled(image[:, 3:-3], GREEN, atol=12)

    def test_pad_adds_black_borders(self):
        wide = stripes(30, 10)
        images = self.load({"wide.png": wide, "tall.png": upright(wide)}, image_size=30, fit="pad")
        # Turned back, the tall picture is the wide one.
        for image in (images["wide.png"], np.rot90(images["tall.png"], k=-1)):
            self.assert_filled(image[:10], 0)
            self.assertAllEqual(image[10:20], np.asarray(wide))
            self.assert_filled(image[20:], 0)

    def test_pad_resizes_the_whole(self):
        pictures = {"larger.png": stripes(90, 30), "smaller.png": stripes(15, 5)}
        for image in self.load(pictures, image_size=30, fit="pad").values():
            self.assert_filled(image[[*range(9), *range(21, 30)]], 0)
            for colour, columns in ((RED, slice(0, 5)), (GREEN, 15), (BLUE, slice(25, 30))):
                self.assert_filled(image[12:18, columns], colour, atol=12)

    def test_a_fine_checkerboard_becomes_mid_gray(self):
        def board(size):
            return Image.fromarray((np.indices((size, size)).sum(axis=0) % 2 * 255).astype("uint8"))

        images = self.load({f"{n}.png": board(n) for n in (32, 64, 100)}, image_size=16)
        for image in images.values():
            self.assert_filled(image, 127.5, atol=16)

    def test_resizing_keeps_a_plain_colour(self):
        pictures = {f"{size}.png": plain("RGB", BROWN, size) for size in (3, 53)}
        for image in self.load(pictures, image_size=16).values():
            self.assert_filled(image, BROWN, atol=1)

    def test_arrays_are_fitted_too(self):
        wide = np.asarray(stripes(30, 10))[None]

        def fitted(**arguments):
            return as_bytes(everything(data.from_array(wide, batch_size=1, **arguments)))[0]

        self.assert_filled(fitted(image_size=10), GREEN)
        padded = fitted(image_size=30, fit="pad")
        self.assertAllEqual(padded[10:20], wide[0])
        self.assert_filled(padded[[*range(10), *range(20, 30)]], 0)
