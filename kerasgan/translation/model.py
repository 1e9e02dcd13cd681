"""Models that turn an image into an image."""

from functools import partial

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.export.saved_model import Computation, export_model
from kerasgan.training.optimizers import all_layers
from kerasgan.translation.tiling import translate_tiled


class TranslationModel(AdversarialModel):
    """An `AdversarialModel` whose generators take images.

    A subclass gives, besides what `AdversarialModel` wants, `networks_by_direction`, `pair_names`,
    `pair_shapes` and `size_multiple`. Its data is a pair of batches of images, float NHWC in
    [-1, 1].
    """

    pairing = "pairs"  # what its data is: "pairs", "unpaired" or "super_resolve"
    image_axes = 3
    scale = 1  # by how much it enlarges
    least_size = 1  # the height and width that its networks can take, in pixels
    default_batch_size = 1

    @property
    def networks_by_direction(self):
        """Dict from what `translate` takes as `to` to the network that does it.

        The first is the one that an endpoint has by default. Models that translate one way only
        have `None` as the key.
        """
        raise NotImplementedError

    @property
    def pair_names(self):
        """What the halves of a pair are called: two str."""
        raise NotImplementedError

    @property
    def pair_shapes(self):
        """The shapes of both halves of a pair in training, (height, width, channels) each."""
        raise NotImplementedError

    @property
    def size_multiple(self):
        """What heights and widths have to be a multiple of: int."""
        raise NotImplementedError

    @classmethod
    def arguments_for(cls, source_shape, target_shape):
        """The arguments that make a model for pairs of images of these shapes: dict."""
        return {"image_shape": target_shape}

    def check_batch(self, data):
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
    def batch_limits(self):
        return [checks.limits(shape) for shape in self.pair_shapes]

    def image_pair(self, data):
        """Both halves of a batch of pairs as float32.

        Raises:
            ValueError: for what `check_batch` refuses.
        """
        self.check_batch(data)
        *halves, _ = keras.utils.unpack_x_y_sample_weight(data)
        return [ops.cast(images, "float32") for images in halves]

    def fooling_loss(self, judge, fake, real):
        """The adversarial loss of who made `fake`: float32 scalar.

        Args:
            judge: function from images to logits.
            fake, real: images; the real ones are judged only for losses that look at them.
        """
        real_logits = judge(real) if self.adversarial_loss.needs_real_logits else None
        return self.adversarial_loss.generator(judge(fake), real_logits)

    def translator(self, to=None):
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

    def draw_noise_from(self, seed):
        """Says which noise the networks, if they have any, add outside of training."""
        for networks in self.players.values():
            for index, layer in enumerate(all_layers(networks)):
                if hasattr(layer, "sampling_seed"):
                    layer.sampling_seed.state.assign(np.array([seed, index], "uint32"))

    def translate(self, images, to=None, *, seed=None, tile=512, overlap=64):
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

    def evaluate(self, *args, **kwargs):
        """Losses and metrics of pairs; see `AdversarialModel.evaluate`.

        Metrics compare the second half of each pair with what the first is translated to; there are
        as many of each, so `num_generated` is refused. Noise in the networks is the same at every
        call.
        """
        self.draw_noise_from(0)
        return super().evaluate(*args, **kwargs)

    def comparisons(self, batches, num_generated=None, seed=0):
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

    def export(self, filepath, *, jit_compile=False, model_card=None):
        """Writes a SavedModel that TensorFlow Serving loads.

        It needs neither kerasgan nor Keras. Its signatures:

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

        Args:
            filepath: a folder that does not exist or is empty. TensorFlow Serving wants its last
                part to be a version number: `savedmodels/facades/1`.
            jit_compile: whether XLA compiles the networks where they are served, for each size of
                images anew.
            model_card: dict of what else the model card is to tell.

        Raises:
            FileExistsError: when the folder holds something.
            RuntimeError: under PyTorch, which cannot write a SavedModel.
        """
        networks = {f"to_{to}" if to else "": net for to, net in self.networks_by_direction.items()}
        channels = {direction: network.input_shape[-1] for direction, network in networks.items()}
        # JAX cannot show of every size that a border can be mirrored, and that what was halved and
        # doubled fits what it was.
        fixed = keras.backend.backend() == "jax"
        size = self.pair_shapes[0][:2] if fixed else (None, None)
        computations = {}
        names = {to: f"generator_{to}" if to else "generator" for to in networks}
        for direction, network in networks.items():
            spec = keras.InputSpec(shape=(None, *size, channels[direction]), dtype="float32")
            serve = partial(network, training=False)
            computations[names[direction]] = Computation(serve, {"images": spec})
        self.draw_noise_from(0)

        def signatures(functions):
            from kerasgan.export.endpoints import image_to_image

            by_direction = {to: functions[name] for to, name in names.items()}
            of_sizes = self.size_multiple, self.least_size, self.scale
            return image_to_image(by_direction, size, channels, *of_sizes)

        card = {
            "image_shape": self.image_shape,
            "size_multiple": self.size_multiple,
            "scale": self.scale,
        }
        card = {**self.model_card(), **card, **(model_card or {})}
        export_model(filepath, networks.values(), computations, signatures, card, jit_compile)
