"""The role of models that turn an image into an image."""

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
    """A model whose data is pairs of images, and that makes images of images.

    Its data is a pair of batches of images, float NHWC in [-1, 1].

    A subclass owes:

    - `takes`: the kind of its data, a name in `kerasgan.data.KINDS`: "pairs", "unpaired" or
      "super_resolve";
    - `networks_by_direction`: dict from what `translate` takes as `to` to the network that does
      it; the first is the one that an endpoint has by default. Models that translate one way only
      have `None` as the key;
    - `pair_names`: what the halves of a pair are called: two str;
    - `pair_shapes`: the shapes of both halves of a pair in training, (height, width, channels)
      each;
    - `size_multiple`: int, what heights and widths have to be a multiple of;
    - `image_shape`: the shape of the images that it makes.

    It may set `scale`, by how much it enlarges, and `least_size`, the height and width in pixels
    that its networks need.
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
                f"{name} takes pairs of images, ({first}, {second}), but the data is no pair; give "
                "fit(x, y), or a data set of (x, y) such as kerasgan.data.load_pairs gives."
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
            ValueError: for what `check_batch` refuses.
        """
        self.check_batch(data)
        *halves, _ = keras.utils.unpack_x_y_sample_weight(data)
        return [ops.cast(images, "float32") for images in halves]

    def translator(self, to: str | None = None) -> keras.Model:
        """The network that translates to a domain.

        Raises:
            ValueError: for a domain that there is not.
        """
        networks = self.networks_by_direction
        if to not in networks:
            known = " or ".join(map(repr, networks))
            advice = f"use {known}" if None not in networks else "leave it out, there is one way"
            raise ValueError(f"to={to!r}: {advice} with {type(self).__name__}.")
        return networks[to]

    def draw_noise_from(self, seed: int) -> None:
        """Says which noise the networks, if they have any, add outside of training."""

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

        Images whose height or width the network cannot take are continued beyond their border by
        reflection and cut back afterwards. Those larger than `tile` are translated in tiles, whose
        overlaps are faded into each other; what a network does to a whole image, such as instance
        normalization, it then does to each tile.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].
            to: the domain wanted, for models that translate both ways.
            seed: int, or None for new noise at each call, for models that have noise.
            tile: int, the largest height and width that is translated at once, in pixels.
            overlap: int, how many pixels neighbouring tiles share.

        Returns:
            float32 array (num_images, height * scale, width * scale, channels) in [-1, 1].

        Raises:
            ValueError: for integers, images of another number of dimensions or channels, a domain
                or tile that cannot be had.
        """
        images = checks.as_numpy(images)
        network = self.translator(to)
        channels = network.input_shape[-1]
        shape = getattr(images, "shape", (0, 1, 1, channels))  # what is no array is refused below
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

        Metrics compare the second half of each pair with what the first is translated to; there are
        as many of each, so `num_generated` is refused. Noise in the networks is the same at every
        call.
        """
        self.draw_noise_from(0)
        return super().evaluate(*args, **kwargs)

    def real_and_generated(
        self, batches: Iterable, num_generated: int | None = None, seed: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if num_generated is not None:
            raise ValueError(
                f"num_generated={num_generated}: {type(self).__name__} translates each image of "
                "the data once; leave it out."
            )
        self.draw_noise_from(seed)
        for batch in batches:
            source, target = map(ops.convert_to_numpy, self.image_pair(batch))
            fake = backend.predict(self.translator(next(iter(self.networks_by_direction))), source)
            yield target, np.clip(ops.convert_to_numpy(fake), -1.0, 1.0)

    def exports(self) -> Exports:
        """Adds `serving_default` and `translate`.

        - `serving_default` takes and returns `images`, float32 (batch, height, width, channels) in
          [-1, 1] (what SRGAN returns can be a little outside) with any height and width that are
          multiples of `size_multiple`.
        - `translate` takes and returns `image_bytes`: PNG or JPEG files of any size up to
          4096x4096, to PNG files of the same size (of SRGAN, `scale` times that), each as the
          method `translate` makes it with `seed=0` and in one tile. Files are read as
          `kerasgan.data` reads them: turned as the camera was held (EXIF, XMP), on black where they
          are transparent. The few kinds of which it could not be sure are refused.

        A model that translates both ways has both for each, `to_A` and `to_B`, `translate_to_A`
        and `translate_to_B`; B is the default. Exported under JAX, images have to have the size of
        those of training, there is no `translate`, and the networks alone are shown as `generator`,
        or `generator_to_A` and `generator_to_B`; so export under TensorFlow.
        """
        exports = super().exports()
        networks = {f"to_{to}" if to else "": net for to, net in self.networks_by_direction.items()}
        channels = {direction: network.input_shape[-1] for direction, network in networks.items()}
        # JAX cannot show of every size that a border can be mirrored, and that what was halved and
        # doubled fits what it was.
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
