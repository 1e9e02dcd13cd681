"""The roles of models that generate images from noise."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import backend, checks
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.roles.takes_images import TakesImages
from kerasgan.sampling import projection, refinement
from kerasgan.sampling.latents import ends_of, truncated, way
from kerasgan.sampling.normals import standard_normal
from kerasgan.utils.image_numbers import numbers_of_images
from kerasgan.utils.rows import AT_ONCE


class GeneratesImages(TakesImages):
    """A model that generates images, or vectors, from random numbers.

    Every image that it can generate has a number. The random numbers behind an image depend only on
    that number, here and in the endpoint `sample`.

    A subclass must define, besides what `TakesImages` requires:

    - `noise_shapes`: tuple of the shapes of the arrays from N(0, 1) that one image needs;
    - `images_from_noise(noise, labels=None, truncation=None)`: written with `keras.ops`, from a
      list of float32 tensors (batch, *shape), one for each of `noise_shapes`, to images (batch,
      height, width, channels) in [-1, 1], or vectors (batch, n). `labels` is an int32 tensor
      (batch,) if the model is conditional, `truncation` a float32 tensor (batch,) if it has
      `truncation_limits`.

    It may set:

    - `truncation_limits`: the smallest and the largest `truncation` of the endpoint, if the paper
      has truncation; the largest changes nothing.
    """

    can = "draw images"
    owes = {
        "noise_shapes": "the shapes of the random numbers of an image, a tuple of tuples",
        "images_from_noise": "a method that makes images of random numbers",
    }
    truncation_limits: tuple[float, float] | None = None
    at_once = AT_ONCE  # images that `generate` draws together

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws images.

        Args:
            num_images: int, the number of images.
            seed: int, or None for new images at each call. With a seed, image i does not depend on
                `num_images`.
            labels: int for all images, or a sequence of num_images ints, or names of classes
                instead; required for conditional models, and only for these.
            truncation: None, or the largest absolute value of a latent: smaller values give
                more typical and less varied images.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
            for vectors.

        Raises:
            ValueError: for an argument out of range, labels that are missing or unexpected.

        Example:

        >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
        >>> images = gan.generate(4, seed=0)
        >>> images.shape
        (4, 8, 8, 1)
        >>> bool(np.all(gan.generate(2, seed=0) == images[:2]))
        True

        Reference: the truncation trick is from Large Scale GAN Training for High Fidelity Natural
        Image Synthesis, Brock et al., 2019, arXiv:1809.11096, who draw values outside the limits
        again; here the same distribution is drawn with its inverse cumulative distribution.
        """
        numbers = image_numbers(num_images, seed)
        return self.generate_numbers(numbers, labels=labels, truncation=truncation)

    def generate_numbers(
        self,
        numbers: Sequence[int] | np.ndarray,
        *,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws the images with these numbers.

        `generate(n, seed=s)` draws the numbers from s * 2**32 on. Endpoints call these numbers
        seeds.

        Args:
            numbers: sequence of int from 0 to 2**63 - 1.
            labels, truncation: as for `generate`.

        Returns:
            As `generate`.

        Raises:
            ValueError: as `generate`.
        """
        labels = self.checked_labels(labels, len(numbers))
        self.check_truncation(truncation)

        def draw(numbers, *labels):
            shapes = enumerate(self.noise_shapes)
            noise = [standard_normal(numbers, shape, stream) for stream, shape in shapes]
            return self.draw(noise, *labels, truncation=truncation)

        inputs = [np.asarray(numbers)] if labels is None else [np.asarray(numbers), labels]
        return self.some_at_a_time(draw, *inputs)

    def draw(self, noise, labels=None, truncation=None):
        """`images_from_noise` of a few images, as arrays: float32 (n, height, width, channels)."""
        if truncation is not None:
            truncation = np.full(len(noise[0]), truncation, "float32")
        return ops.convert_to_numpy(self.images_from_noise(noise, labels, truncation))

    def some_at_a_time(self, draw: Callable, *inputs) -> np.ndarray:
        """Applies a function from arrays to images to at most `at_once` rows at a time."""
        count = len(inputs[0])
        images = np.empty((count, *self.image_shape), "float32")
        for start in range(0, count, self.at_once):
            some = slice(start, start + self.at_once)
            images[some] = draw(*(array[some] for array in inputs))
        return images

    def check_truncation(self, truncation: float | None) -> None:
        """Raises a ValueError for anything but None or a number that `generate` accepts."""
        is_number = isinstance(truncation, Real)
        if truncation is not None and not (is_number and truncation > 0):
            raise ValueError(f"truncation={truncation!r}; use None or a number above 0.")

    @property
    def draws_texts(self) -> bool:
        """Whether it draws from a text, or from the embedding of one: bool."""
        return self.condition is not None and self.condition.name == "text"

    @property
    def compares_classes(self) -> bool:
        return self.num_classes is not None

    def real_and_generated(
        self, batches: Iterable, num_generated: int | None = None, seed: int = 0
    ) -> Iterator[tuple[np.ndarray, ...]]:
        all_labels: np.ndarray | None = None
        start = 0

        def compared(real, of_real, stop):
            labels = None
            if all_labels is not None:
                labels = all_labels[np.arange(start, stop) % len(all_labels)]
            numbers = numbers_of_images(seed, range(start, stop))
            fake = self.as_in_a_file(self.generate_numbers(numbers, labels=labels))
            return (real, fake, of_real, labels) if self.compares_classes else (real, fake)

        real = None
        for batch in batches:
            _, labels = self.real_batch(batch)
            real, *_ = keras.utils.unpack_x_y_sample_weight(batch)
            real = np.asarray(ops.convert_to_numpy(real), "float32")
            if labels is not None:
                labels = ops.convert_to_numpy(labels)
                before = labels[:0] if all_labels is None else all_labels
                all_labels = np.concatenate([before, labels])
            stop = start + len(real)
            if num_generated is not None:
                stop = min(stop, num_generated)
            yield compared(real, labels, stop)
            start = stop
        if real is None:
            raise ValueError("the data holds no real images; the metrics compare with them.")
        wanted = num_generated or 0
        while start < wanted:
            stop = min(start + 256, wanted)
            yield compared(real[:0], None if all_labels is None else all_labels[:0], stop)
            start = stop

    def as_in_a_file(self, images: np.ndarray) -> np.ndarray:
        """Generated images in the size of real ones and in [-1, 1]; vectors as they are."""
        if images.ndim != 4:
            return images
        # A model that grows generates smaller ones at first.
        zoom = self.real_image_shape[0] // images.shape[1]
        images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
        return np.clip(images, -1.0, 1.0)

    # Export ------------------------------------------------------------------------------------

    @property
    def sampling_networks(self) -> list[keras.Model]:
        """The networks that draw images, which an exported file holds: list."""
        return self.networks_and_averages

    def exports(self) -> Exports:
        """Adds the endpoint `sample`.

        It takes `seed`, int64 (batch), `label`, int32 (batch), if conditional, and `truncation`,
        float32 (batch), -1 for none, for models whose papers have it. It returns `image_bytes`, a
        PNG file each. The seeds are the numbers that `generate_numbers` takes. An image depends
        only on its own seed.
        """
        exports = super().exports()
        condition, truncation = self._inputs_beside_noise()
        inputs = {
            f"noise_{number}": keras.InputSpec(shape=(None, *shape), dtype="float32")
            for number, shape in enumerate(self.noise_shapes)
        }
        count = len(inputs)

        def sampler(*given):
            others = list(given[count:])
            labels = others.pop(0) if condition else None
            strength = others.pop(0) if truncation else None
            return self.images_from_noise(list(given[:count]), labels, strength)

        def signatures(functions):
            from kerasgan.export.endpoints import sample

            return sample(
                functions["sampler"],
                self.image_shape,
                self.noise_shapes,
                self.condition,
                self.truncation_limits,
            )

        exports.networks += self.sampling_networks
        exports.computations["sampler"] = Computation(sampler, inputs | condition | truncation)
        exports.signatures.append(signatures)
        exports.card |= {
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "image_shape": self.image_shape,
            "truncation": self.truncation_limits,
        }
        return exports

    def _inputs_beside_noise(self):
        given, truncation = {}, {}
        if self.condition is not None:
            shape = (None, *self.condition.shape)
            spec = keras.InputSpec(shape=shape, dtype=self.condition.dtype)
            given = {self.condition.name: spec}
        if self.truncation_limits is not None:
            truncation = {"truncation": keras.InputSpec(shape=(None,), dtype="float32")}
        return given, truncation


class HasLatents(GeneratesImages):
    """A model that generates each image from one vector of noise, its latent.

    A subclass must define, besides what `TakesImages` requires:

    - `latent_dim`: int, the length of a latent;
    - `sampling_generator`: the built Keras model from latents (batch, latent_dim), or [latents,
      labels] if conditional, to images.

    It may override:

    - `to_latents(normal, truncation=None)`: from N(0, I) to the generator's input, if its
      distribution is another one; then also set `normal_latents = False`.

    A model has named spaces, each point of which gives an image. `"z"` is the space of latents;
    models can add others to `spaces`, whose first is the default in calls.
    """

    can = "make images from latents"
    owes = {
        "latent_dim": "the length of a latent, an int",
        "sampling_generator": "the network from latents to images",
    }
    spaces: tuple[str, ...] = ("z",)
    normal_latents = True

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.latent_dim,),)

    def images_from_noise(self, noise, labels=None, truncation=None):
        return self.moved_images(noise, 0.0, "z", labels, truncation)

    def moved_images(self, noise, move, space, labels=None, truncation=None):
        """As `images_from_noise`, but moves the points after truncation.

        Args:
            noise, labels, truncation: as there.
            move: float32 tensor (batch, *point_shape(space)), or 0.0.
            space: str, one of `spaces`, in which to move.
        """
        truncation = None if truncation is None else truncation[:, None]
        latents = self.to_latents(noise[0], truncation) + move
        return self.sampling_generator(self.with_labels(latents, labels), training=False)

    def draw(self, noise, labels=None, truncation=None):
        latents = ops.convert_to_numpy(self.to_latents(noise[0], truncation))
        return backend.predict(self.sampling_generator, self.with_labels(latents, labels))

    def to_latents(self, normal, truncation=None):
        """Turns N(0, I) into latents: tensor (batch, latent_dim) to a tensor of the same shape.

        Args:
            normal: float32 tensor or array.
            truncation: None, or a number or tensor (batch, 1).
        """
        return normal if truncation is None else truncated(normal, truncation)

    def with_labels(self, images_or_latents, labels):
        """The inputs of a network: with the labels if the model is conditional."""
        return images_or_latents if self.condition is None else [images_or_latents, labels]

    def latents(
        self, num_images: int, *, seed: int | None = None, truncation: float | None = None
    ) -> np.ndarray:
        """The latents that `generate` turns into images.

        Args:
            num_images: int, at least 0.
            seed: int, or None for new latents at each call (`keras.utils.set_random_seed` makes
                these reproducible, too). With a seed, row i does not depend on `num_images`.
            truncation: None, or the largest absolute value: latents then follow the normal
                distribution truncated there. Each row changes continuously with it.

        Returns:
            float32 array (num_images, latent_dim).

        Raises:
            ValueError: for an argument out of range.
        """
        self.check_truncation(truncation)
        normal = standard_normal(image_numbers(num_images, seed), self.noise_shapes[0])
        return ops.convert_to_numpy(self.to_latents(normal, truncation))

    def generate_from(self, latents: np.ndarray, *, labels: ArrayLike | None = None) -> np.ndarray:
        """Turns given latents into images; see `generate`.

        Args:
            latents: float array (num_images, latent_dim), such as `latents` returns.
            labels: as for `generate`.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
            for vectors.

        Raises:
            ValueError: for latents of another shape, labels that are missing, unexpected or out of
                range.

        Example:

        >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
        >>> gan.generate_from(gan.latents(2, seed=0)).shape
        (2, 8, 8, 1)
        """
        latents = checks.numbers_of_shape("latents", latents, (None, self.latent_dim))
        labels = self.checked_labels(labels, len(latents))

        def draw(latents, *labels):
            inputs = self.with_labels(latents, *(labels or (None,)))
            return backend.predict(self.sampling_generator, inputs)

        return self.some_at_a_time(draw, *([latents] if labels is None else [latents, labels]))

    # Spaces ------------------------------------------------------------------------------------

    def checked_space(self, space: str | None) -> str:
        """Checks the name of a space, and returns it; for None, that of the first.

        Raises:
            ValueError: for a space that the model does not have.
        """
        if space is None:
            return self.spaces[0]
        if space not in self.spaces:
            accepted = " or ".join(map(repr, self.spaces))
            raise ValueError(
                f"space={space!r}: {type(self).__name__} has no such space; use {accepted}."
            )
        return space

    def point_shape(self, space: str | None = None) -> tuple[int, ...]:
        """The shape of a point of a space."""
        self.checked_space(space)
        return (self.latent_dim,)

    def checked_points(self, points: ArrayLike, space: str | None = None) -> np.ndarray:
        """Points as float32 array (num_points, *point_shape(space)).

        Raises:
            ValueError: for another shape, or numbers that are not finite.
        """
        array = checks.as_floats("points", points)
        shape = self.point_shape(space)
        if array.ndim != 1 + len(shape) or array.shape[1:] != shape:
            wanted = ", ".join(map(str, ("num_points", *shape)))
            space = self.checked_space(space)
            raise ValueError(f"points of {space} have shape {array.shape}; use ({wanted}).")
        if not np.all(np.isfinite(array)):
            raise ValueError("the points hold NaN or infinite numbers; check where they come from.")
        return array

    def points(
        self,
        latents: np.ndarray,
        space: str | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Maps latents to points of a space.

        Args:
            latents: float array (num_points, latent_dim).
            space: str, one of `spaces`; None for the first.
            labels: as for `generate`.

        Returns:
            float32 array (num_points, *point_shape(space)).

        Raises:
            ValueError: for another space, or labels that are missing or unexpected.
        """
        self.checked_space(space)
        return checks.as_floats("latents", latents)

    def generate_from_points(
        self,
        points: np.ndarray,
        space: str | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Generates images from points of a space.

        Args:
            points: float array (num_points, *point_shape(space)).
            space: str, one of `spaces`; None for the first.
            labels: as for `generate`.

        Returns:
            float32 array (num_points, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for another space or shape, labels that are missing or unexpected.
        """
        return self.generate_from(self.checked_points(points, space), labels=labels)

    def images_from_points(self, points, space, labels=None, noise=None):
        """The images of points, differentiable; values may be slightly outside [-1, 1].

        Args:
            points: float32 tensor (batch, *point_shape(space)).
            space: str, one of `spaces`.
            labels: int32 tensor (batch,) if the model is conditional.
            noise: list of tensors, one for each of `noise_shapes` but the first; None for the noise
                that the network draws, or has drawn, by itself.
        """
        return self.sampling_generator(self.with_labels(points, labels), training=False)

    def interpolate(
        self,
        first: np.ndarray,
        second: np.ndarray,
        num_images: int = 8,
        space: str | None = None,
        *,
        path: str | None = None,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Interpolates between two latents, both ends included.

        Args:
            first, second: float arrays (latent_dim,). For a model that encodes images they may also
                be images, (height, width, channels) in [-1, 1]; the path is then between their
                codes.
            num_images: int, at least 2.
            space: str, one of `spaces`, in which to interpolate; None for the first.
            path: `"lerp"`, along the straight line; `"slerp"`, along the great circle; None for the
                great circle in z if latents are from N(0, I), and for the line otherwise.
            labels: as for `generate`: one for all; in a space of styles also two, one for each end.

        Returns:
            float32 array (num_images, height, width, channels).

        Raises:
            ValueError: for another space or path, too few images, or labels that are missing or
                unexpected.

        Example:

        >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
        >>> first, second = gan.latents(2, seed=0)
        >>> gan.interpolate(first, second, num_images=5).shape
        (5, 8, 8, 1)
        """
        space = self.checked_space(space)
        ends = ends_of(first, second)
        between_images = getattr(super(), "interpolate", None)  # of a model that encodes, too
        if between_images is not None and ends.shape[1:] == tuple(self.image_shape):
            self.checked_labels(labels, num_images)
            return between_images(first, second, num_images, path=path or "lerp")
        circle = space == "z" and self.normal_latents
        path = path or ("slerp" if circle else "lerp")
        if space == "z":
            ends = self.checked_points(ends, "z")
            points = way(ends[0], ends[1], num_images, path)
            return self.generate_from_points(points, space, labels=labels)
        ends = self.points(self.checked_points(ends, "z"), space, labels=labels)
        points = way(ends[0], ends[1], num_images, path)
        return self.generate_from_points(points, space)

    def project(
        self,
        images: np.ndarray,
        space: str | None = None,
        steps: int = 1000,
        features: keras.Model | Callable | None = None,
        *,
        start: np.ndarray | keras.Model | None = None,
        refine: bool = False,
        labels: ArrayLike | None = None,
        seed: int = 0,
        batch_size: int = 16,
        file: str | os.PathLike | None = None,
        progress: bool = True,
    ) -> projection.Projection:
        """Projects images: finds the points of a space whose images are nearest to given ones.

        It is the algorithm of StyleGAN2's paper, with its constants. Points start at the mean of w
        over 10,000 latents. Adam optimizes them together with each layer's noise, at a rate that
        rises to 0.1 in the first twentieth of the steps and falls in the last quarter. In the first
        three quarters decreasing random noise is added to the points, so that they explore. The
        noise of the layers is regularized to be uncorrelated at all scales, and normal, so that it
        cannot encode the image. In w all layers share a point. In w+ each layer has its own, which
        gets nearer to images that the model would not generate, but is harder to edit; in styles
        each channel of each layer has its own value. In z, which the paper does not use, a latent
        keeps the length of its start, the nearest of 1,000 random latents.

        Args:
            images: float array (n, height, width, channels) in [-1, 1].
            space: str, one of `spaces`; None for the first.
            steps: int.
            features: what to match besides the pixels, by mean squared difference: a `keras.Model`,
                or function of tensors, from images to features, or to a dict with `features`. The
                squared distance of the features, scaled to length 1, is added to the loss; with
                `kerasgan.metrics.features.lpips`, LPIPS is. The paper uses only LPIPS with VGG16.
            start: where to start: float array (n, *shape) of points; a network from images to
                points, such as `kerasgan.control.train_encoder` returns; or None as above.
            refine: whether to fine-tune a copy of the generator to the images at the points found,
                in 350 further steps (pivotal tuning). The copy is the result's `model`; this model
                does not change.
            labels: for a conditional model, as for `generate`.
            seed: int, the seed of all random numbers. The result for an image depends on its
                position among the images but, except for rounding, not on the other images.
            batch_size: int, how many images to project at a time.
            file: path where an unfinished projection is saved, once a minute and when it is
                interrupted. The same call goes on from there, with the same result as an
                uninterrupted one, and removes the file when it is finished.
            progress: whether to show a progress bar, in a terminal.

        Returns:
            `kerasgan.sampling.projection.Projection`: latents, images, distance, history.

        Raises:
            ValueError: for images of another shape, or outside [-1, 1]; another space; a start of
                another shape; invalid features; a file of another projection.

        Example:

        >>> gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=8, base_width=8)
        >>> found = gan.project(gan.generate(2, seed=0), space="w+", steps=10)
        >>> found.latents.shape, found.images.shape, found.history.shape
        ((2, 4, 8), (2, 8, 8, 1), (2, 10))

        References: Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2020,
        arXiv:1912.04958, section 5 and appendix D; w+: Image2StyleGAN: How to Embed Images Into the
        StyleGAN Latent Space?, Abdal, Qin & Wonka, 2019, arXiv:1904.03189; `refine`: Pivotal Tuning
        for Latent-based Editing of Real Images, Roich, Mokady, Bermano & Cohen-Or, 2021,
        arXiv:2106.05744.
        """
        space = self.checked_space(space)
        checks.whole_number("steps", steps, 1)
        checks.whole_number("batch_size", batch_size, 1)
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape, "the generator makes")
        if not len(images):
            raise ValueError("the images are none; give at least one.")
        images = images.astype("float32")
        labels = self.checked_labels(labels, len(images))
        projector = projection.Projector(self, space, features)
        points, deviation = projection.starts_of(self, space, start, images, labels, seed)
        arrays = [images, points, deviation, *([] if labels is None else [labels])]
        identity = projection.identity_of(self, arrays, (space, steps, seed, batch_size))
        kept = projection.Progress(file, identity)
        settings = {"steps": steps, "seed": seed, "batch_size": batch_size}
        flat, history = projection.project_all(
            projector, images, points, deviation, labels, **settings, kept=kept, bar=progress
        )
        result = projection.result(projector, flat, history, images, labels, batch_size)
        if refine:
            result = refinement.refined(projector, result, images, labels, seed, progress)
        kept.remove()
        return result

    @property
    def sampling_networks(self) -> list[keras.Model]:
        return [self.sampling_generator]

    def exports(self) -> Exports:
        """Adds `serving_default`.

        It takes `latent`, float32 (batch, latent_dim), and if conditional `label`, int32 (batch),
        and returns `images`, float32 (batch, height, width, channels) in [-1, 1].
        """
        exports = super().exports()
        condition, _ = self._inputs_beside_noise()
        latent = {"latent": keras.InputSpec(shape=(None, self.latent_dim), dtype="float32")}
        network = self.sampling_generator

        def generator(latents, labels=None):
            return network(self.with_labels(latents, labels), training=False)

        def signatures(functions):
            from kerasgan.export.endpoints import latent_to_image

            return latent_to_image(functions["generator"], self.latent_dim, self.condition)

        exports.computations["generator"] = Computation(generator, latent | condition)
        exports.signatures.append(signatures)
        exports.card["latent_dim"] = self.latent_dim
        return exports


def image_numbers(num_images: int, seed: int | None) -> np.ndarray:
    """The image numbers of a seed, or of a random one for None: int64 array (num_images,)."""
    if not isinstance(num_images, (int, np.integer)) or num_images < 0:
        raise ValueError(f"num_images={num_images!r}; use a whole number of at least 0.")
    seed = np.random.randint(2**31) if seed is None else seed
    return numbers_of_images(seed, range(num_images))
