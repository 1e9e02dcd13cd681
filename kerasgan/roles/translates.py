"""The role of models that translate images to images."""

from collections.abc import Iterable, Iterator
from functools import partial

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.roles.base import Role
from kerasgan.roles.tiling import translate_tiled


class Translates(Role):
    """A model that translates images to images, and whose data is pairs of images.

    Its data is a pair of batches of images, float NHWC in [-1, 1].

    A subclass must define:

    - `takes`: the kind of its data, a name in `kerasgan.data.KINDS`: "pairs", "unpaired" or
      "super_resolve";
    - `networks_by_direction`: dict from values of `to` in `translate` to networks; the first is the
      default of endpoints. Models that translate one way only use the key `None`;
    - `pair_names`: the names of the halves of a pair, two str;
    - `pair_shapes`: the shapes of both halves of a pair in training, (height, width, channels)
      each;
    - `size_multiple`: int, of which heights and widths must be multiples;
    - `image_shape`: the shape of its output images.

    It may set `scale`, the factor by which it enlarges images, and `least_size`, the smallest
    height and width in pixels that its networks accept.
    """

    can = "translate images"
    owes = {
        "takes": "the kind of its data, a name in kerasgan.data.KINDS",
        "networks_by_direction": "a dict from a direction, or None, to its network",
        "pair_names": "what the halves of a pair are called, two str",
        "pair_shapes": "the shapes of the halves of a pair",
        "size_multiple": "what heights and widths have to be a multiple of, an int",
        "image_shape": "the shape of the images that it makes",
    }
    image_axes: int | None = 3
    scale = 1
    least_size = 1
    compares_pairs = True

    @classmethod
    def arguments_for(cls, source_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> dict:
        """The arguments that make a model for pairs of images of these shapes: dict."""
        return {"image_shape": target_shape}

    def check_batch(self, data) -> dict:
        name, (first, second) = type(self).__name__, self.pair_names
        *halves, weights = keras.utils.unpack_x_y_sample_weight(data)
        checks.refuse_weights(sample_weight=weights)
        if halves[1] is None:
            raise ValueError(
                f"{name} takes pairs of images, ({first}, {second}), but the data is not pairs; "
                "call fit(x, y), or give a data set of (x, y) such as kerasgan.data.load_pairs "
                "returns."
            )
        found = {}
        for images, shape, half in zip(halves, self.pair_shapes, self.pair_names, strict=True):
            what = f"the {half} images"
            found[what] = checks.check_images(images, what, shape, f"{name} takes")
        return {what: ends for what, ends in found.items() if ends}

    @property
    def batch_limits(self) -> list:
        return [checks.limits(shape) for shape in self.pair_shapes]

    def image_pair(self, data):
        """Both halves of a batch of pairs as float32.

        Raises:
            ValueError: as `check_batch`.
        """
        self.check_batch(data)
        *halves, _ = keras.utils.unpack_x_y_sample_weight(data)
        return [ops.cast(images, "float32") for images in halves]

    def translator(self, to: str | None = None) -> keras.Model:
        """The network that translates to a domain.

        Raises:
            ValueError: for a domain that does not exist.
        """
        networks = self.networks_by_direction
        if to not in networks:
            known = " or ".join(map(repr, networks))
            advice = f"use {known}" if None not in networks else "leave it out, there is one way"
            raise ValueError(f"to={to!r}: {advice} with {type(self).__name__}.")
        return networks[to]

    def draw_noise_from(self, seed: int) -> None:
        """Seeds the noise that networks add outside training, if they add noise."""

    def translate(
        self,
        images: np.ndarray,
        to: str | None = None,
        *,
        seed: int | None = None,
        tile: int = 512,
        overlap: int = 64,
    ) -> np.ndarray:
        """Translates images of any size.

        Images whose height or width the network does not accept are padded by reflection and
        cropped afterwards. Images larger than `tile` are translated in tiles whose overlaps are
        blended. Operations on a whole image, such as instance normalization, then act on each tile.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].
            to: the target domain, for models that translate both ways.
            seed: int, or None for new noise at each call, for models that have noise.
            tile: int, the largest height and width to translate at once, in pixels.
            overlap: int, how many pixels neighbouring tiles share.

        Returns:
            float32 array (num_images, height * scale, width * scale, channels) in [-1, 1].

        Raises:
            ValueError: for integers, for images with another number of dimensions or channels, or
                for an invalid domain or tile.

        Example:

        >>> gan = kerasgan.Pix2Pix((16, 16, 1), base_width=4, receptive_field=16)
        >>> gan.translate(np.zeros((1, 20, 10, 1), "float32"), seed=0).shape
        (1, 20, 10, 1)
        """
        images = checks.as_numpy(images)
        network = self.translator(to)
        channels = network.input_shape[-1]
        shape = getattr(images, "shape", (0, 1, 1, channels))  # others raise an error below
        if len(shape) != 4 or shape[-1] != channels or 0 in shape[1:3]:
            raise ValueError(
                f"the images have shape {shape}; use (num_images, height, width, {channels})."
            )
        checks.check_images(images, "the images")
        if seed is not None and not 0 <= seed < 2**31:
            raise ValueError(f"seed={seed!r}; use None or a whole number from 0 to 2**31 - 1.")
        self.draw_noise_from(np.random.randint(2**31) if seed is None else seed)
        return translate_tiled(
            lambda part: np.clip(backend.predict(network, part), -1.0, 1.0),
            images.astype("float32"),
            multiple=self.size_multiple,
            tile=tile,
            overlap=overlap,
            scale=self.scale,
            least=self.least_size,
            channels=network.output_shape[-1],
        )

    def evaluate(self, *args, **kwargs) -> list[float] | dict[str, float]:
        """Losses and metrics of pairs; see `kerasgan.GenerativeModel.evaluate`.

        Metrics compare the second half of each pair with the translation of the first. There are as
        many of each, so `num_generated` is not accepted. Noise in the networks is the same at every
        call.

        Args:
            *args, **kwargs: as there, except `num_generated`.

        Returns:
            As there.

        Raises:
            ValueError: as there, and for a `num_generated`.
        """
        self.draw_noise_from(0)
        return super().evaluate(*args, **kwargs)

    def real_and_generated(
        self, batches: Iterable, num_generated: int | None = None, seed: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if num_generated is not None:
            raise ValueError(
                f"num_generated={num_generated}: {type(self).__name__} translates each image of "
                "the data once; leave num_generated out."
            )
        self.draw_noise_from(seed)
        for batch in batches:
            source, target = map(ops.convert_to_numpy, self.image_pair(batch))
            fake = backend.predict(self.translator(next(iter(self.networks_by_direction))), source)
            yield target, np.clip(ops.convert_to_numpy(fake), -1.0, 1.0)

    def exports(self) -> Exports:
        """Adds `serving_default` and `translate`.

        - `serving_default` takes and returns `images`, float32 (batch, height, width, channels) in
          [-1, 1] (SRGAN's output can be slightly outside), with any height and width that are
          multiples of `size_multiple`.
        - `translate` takes and returns `image_bytes`: from PNG or JPEG files of any size up to
          4096x4096 to PNG files of the same size (for SRGAN, `scale` times that). Each is the
          result of the method `translate` with `seed=0` and a single tile. Files are read as
          `kerasgan.data` reads them: rotated as their orientation (EXIF, XMP) says, with
          transparent parts on black. The few kinds of files that it cannot read reliably raise an
          error.

        A model that translates both ways has both endpoints in each direction: `to_A` and `to_B`,
        `translate_to_A` and `translate_to_B`; B is the default. Export under TensorFlow if you can:
        under JAX images must have the size of those in training, there is no `translate`, and the
        bare networks are added as `generator`, or `generator_to_A` and `generator_to_B`.
        """
        exports = super().exports()
        networks = {f"to_{to}" if to else "": net for to, net in self.networks_by_direction.items()}
        channels = {direction: network.input_shape[-1] for direction, network in networks.items()}
        # JAX cannot prove for every size that a border can be mirrored, and that halving and
        # doubling gives the original size.
        fixed = keras.backend.backend() == "jax"
        size = self.pair_shapes[0][:2] if fixed else (None, None)
        names = {to: f"generator_{to}" if to else "generator" for to in networks}
        for direction, network in networks.items():
            spec = keras.InputSpec(shape=(None, *size, channels[direction]), dtype="float32")
            serve = partial(network, training=False)
            exports.computations[names[direction]] = Computation(serve, {"images": spec})
        self.draw_noise_from(0)

        def signatures(functions):
            from kerasgan.export.endpoints import image_to_image

            by_direction = {to: functions[name] for to, name in names.items()}
            of_sizes = self.size_multiple, self.least_size, self.scale
            return image_to_image(by_direction, size, channels, *of_sizes)

        exports.networks += networks.values()
        exports.signatures.append(signatures)
        exports.card |= {
            "image_shape": self.image_shape,
            "size_multiple": self.size_multiple,
            "scale": self.scale,
        }
        return exports
