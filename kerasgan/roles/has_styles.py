"""The role of models with a space of styles w, as StyleGAN."""

from numbers import Real

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import backend, checks
from kerasgan.roles.generates_images import HasLatents

PARTS = ("coarse", "middle", "fine")
SPACES = ("w", "w+", "styles", "z")  # of a model whose `synthesis` is a `StyledSynthesis`


class HasStyles(HasLatents):
    """A model that turns latents into styles, and styles into images.

    A subclass must define, besides what `HasLatents` requires:

    - `style_layers`: int, how many layers have a style;
    - `noise_shapes`: the shape of a latent, and then those of the noise that `synthesis` takes;
    - as `sampling_generator` a network with `mapping`, the network from latents (or [latents,
      labels]) to styles, `mean`, the mean of styles in training, and `synthesis`, the network from
      styles (batch, style_layers, latent_dim), or [styles, *noise], to images.

    It may set:

    - `spaces = SPACES`, where `synthesis` is a `kerasgan.layers.styled_generator.StyledSynthesis`;
    - `truncated_layers`: how many layers are truncated by default; None for all;
    - `has_bounds`: whether `synthesis` clips images to [-1, 1] unless it is called with
      `bounded=False`.

    A model without such a network defines its own `styles` and `generate_from_styles`.
    """

    can = "make images of styles"
    owes = {"style_layers": "how many layers have a style, an int"}
    spaces: tuple[str, ...] = ("w", "w+", "z")
    truncation_limits = (0.0, 1.0)
    truncated_layers: int | None = None
    has_bounds = False

    def styles(
        self,
        latents: np.ndarray,
        truncation: float | None = None,
        *,
        cutoff: int | None = None,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Maps latents to styles w, one for each layer.

        Args:
            latents: float array (num_images, latent_dim).
            truncation: None, or psi: `w` becomes `mean + psi (w - mean)`, where `mean` is the mean
                of w in training. 1 changes nothing; at 0 all images are the same "average" image.
            cutoff: int, how many layers to truncate, starting at the coarsest; None as in the
                paper: up to 32x32 in StyleGAN, and all in StyleGAN2.
            labels: as for `generate`.

        Returns:
            float32 array (num_images, style_layers, latent_dim).

        Raises:
            ValueError: for an argument out of range, labels that are missing or unexpected.
        """
        self.check_truncation(truncation)
        cutoff = self._cutoff(cutoff)
        generator = self.sampling_generator
        latents = checks.numbers_of_shape("latents", latents, (None, self.latent_dim))
        labels = self.checked_labels(labels, len(latents))
        w = backend.predict(generator.mapping, self.with_labels(latents, labels))
        styles = np.repeat(w[:, None, :], self.style_layers, axis=1)
        if truncation is not None:
            mean = ops.convert_to_numpy(generator.mean)
            styles[:, :cutoff] = mean + truncation * (styles[:, :cutoff] - mean)
        return styles

    def generate_from_styles(self, styles: np.ndarray, noise: list | None = None) -> np.ndarray:
        """Turns styles into images.

        Args:
            styles: float array (num_images, style_layers, latent_dim), as `styles` returns them,
                or, with the space `"styles"`, (num_images, sum(style_widths)), as `channels` does.
            noise: None for fixed noise, drawn once for all images; or a list of arrays (num_images,
                *shape), one for each of `noise_shapes` but the first, which is that of latents.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for arrays of another shape.
        """
        styles = self.checked_styles(styles)
        return self.drawn_from_styles(styles, self.checked_noise(noise, len(styles)))

    def checked_styles(self, styles: ArrayLike) -> np.ndarray:
        """Styles as a float32 array; see `generate_from_styles`.

        Raises:
            ValueError: for another shape, or numbers that are not finite.
        """
        shape, accepted = self.point_shape("w+"), None
        if "styles" in self.spaces:
            channels = self.point_shape("styles")
            accepted = f"(num_images, {shape[0]}, {shape[1]}) or (num_images, {channels[0]})"
            shape = channels if np.ndim(styles) == 2 else shape
        return checks.numbers_of_shape("styles", styles, (None, *shape), accepted)

    def checked_noise(self, noise: list | None, num_images: int) -> list[np.ndarray]:
        """The arrays of noise, or an empty list; see `generate_from_styles`.

        Raises:
            ValueError: for another number of them, or other shapes.
        """
        shapes = self.noise_shapes[1:]
        noise = [] if noise is None else list(noise)
        if noise and len(noise) != len(shapes):
            accepted = f"a list of {len(shapes)} arrays" if shapes else "an empty list"
            raise ValueError(f"noise has {len(noise)} arrays; use None or {accepted}.")
        return [
            checks.numbers_of_shape(f"noise[{number}]", array, (num_images, *shape))
            for number, (array, shape) in enumerate(zip(noise, shapes, strict=False))
        ]

    def drawn_from_styles(self, styles: np.ndarray, noise: list[np.ndarray]) -> np.ndarray:
        """`generate_from_styles` of arrays that were checked, and further inputs."""

        def draw(styles, *noise):
            return backend.predict(self.sampling_generator.synthesis, _inputs(styles, noise))

        return self.some_at_a_time(draw, styles, *noise)

    @property
    def style_widths(self) -> tuple[int, ...]:
        """The number of channels of each layer's style, in their order in the space `"styles"`."""
        return self.sampling_generator.synthesis.style_widths

    def channels(self, styles: np.ndarray) -> np.ndarray:
        """Maps styles w to points of the space `"styles"`, the outputs of the affine layers.

        Args:
            styles: float array (num_images, style_layers, latent_dim), as `styles` returns them.

        Returns:
            float32 array (num_images, sum(style_widths)), the channels of all layers.

        Reference: StyleSpace Analysis: Disentangled Controls for StyleGAN Image Generation, Wu,
        Lischinski & Shechtman, 2021, arXiv:2011.12799.
        """
        styles = checks.numbers_of_shape("styles", styles, (None, *self.point_shape("w+")))
        given = ops.convert_to_tensor(styles)
        return ops.convert_to_numpy(self.sampling_generator.synthesis.channels(given))

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws images; see `kerasgan.GAN.generate`.

        Args:
            num_images, seed, labels: as there.
            truncation: None, or psi from 0 to 1, usually 0.7; see `styles`.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range, labels that are missing or unexpected.
        """
        return super().generate(num_images, seed=seed, labels=labels, truncation=truncation)

    def check_truncation(self, truncation: float | None) -> None:
        is_number = isinstance(truncation, Real)
        if truncation is not None and (not is_number or not 0.0 <= truncation <= 1.0):
            raise ValueError(f"truncation={truncation!r}; use None or a number from 0 to 1.")

    def _cutoff(self, cutoff):
        if cutoff is None:
            cutoff = self.truncated_layers
            return self.style_layers if cutoff is None else min(cutoff, self.style_layers)
        if not isinstance(cutoff, (int, np.integer)) or not 0 <= cutoff <= self.style_layers:
            raise ValueError(
                f"cutoff={cutoff!r}; use None or a whole number from 0 to {self.style_layers}."
            )
        return cutoff

    def latents(  # type: ignore[override]  # truncation is of styles here
        self, num_images: int, *, seed: int | None = None
    ) -> np.ndarray:
        """The latents that `generate` turns into images; see `kerasgan.GAN.latents`.

        Args:
            num_images, seed: as there.

        Returns:
            float32 array (num_images, latent_dim).

        Raises:
            ValueError: for a num_images that is not a whole number of at least 0.
        """
        return super().latents(num_images, seed=seed)

    def draw(self, noise, labels=None, truncation=None):
        normal, *noise = noise
        return self.generate_from_styles(self.styles(normal, truncation, labels=labels), noise)

    def moved_images(self, noise, move, space, labels=None, truncation=None):
        normal, *noise = noise
        generator = self.sampling_generator
        if space == "z":
            normal = normal + move
        w = generator.mapping(self.with_labels(normal, labels))[:, None, :]
        cut = generator.mean + truncation[:, None, None] * (w - generator.mean)
        cutoff = self._cutoff(None)
        styles = [cut] * cutoff + [w] * (self.style_layers - cutoff)
        styles = ops.concatenate(styles, axis=1)
        if space == "styles":
            styles = generator.synthesis.channels(styles)
        if space != "z":
            move = ops.cast(move, styles.dtype)
            styles = styles + (move[:, None] if space == "w" else move)
        return generator.synthesis(_inputs(styles, noise), training=False)

    def style_mix(
        self,
        sources: np.ndarray,
        targets: np.ndarray,
        layers: str | range = "coarse",
        truncation: float | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Mixes styles: images of the targets with some styles from the sources.

        Args:
            sources, targets: float arrays (n, latent_dim) and (m, latent_dim), latents such as
                `latents` returns.
            layers: which styles to take from the sources: a `range` of layers, of which there are
                `style_layers`, or `"coarse"`, `"middle"` or `"fine"`. From 128x128 on these are the
                paper's: up to 8x8, 16x16 to 32x32, and the rest; for smaller images coarse and
                middle are one resolution each.
            truncation: as for `styles`.
            labels: as for `generate`, first for the sources and then for the targets: n + m, or one
                for all.

        Returns:
            float32 array (n, m, height, width, channels).

        Raises:
            ValueError: for other layers, labels that are missing or unexpected.

        Example:

        >>> gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=4, base_width=4)
        >>> sources, targets = gan.latents(2, seed=0), gan.latents(3, seed=1)
        >>> gan.style_mix(sources, targets, "coarse").shape
        (2, 3, 8, 8, 1)
        """
        chosen = self.chosen_layers(layers)
        shape = (None, self.latent_dim)
        sources = checks.numbers_of_shape("sources", sources, shape)
        targets = checks.numbers_of_shape("targets", targets, shape)
        styles = self.styles(np.concatenate([sources, targets]), truncation, labels=labels)
        source, target = styles[: len(sources)], styles[len(sources) :]
        styles = np.repeat(target[None], len(source), axis=0)
        styles[:, :, chosen] = source[:, None, chosen]
        images = self.generate_from_styles(styles.reshape(-1, *target.shape[1:]))
        return images.reshape(len(source), len(target), *self.image_shape)

    def chosen_layers(self, layers: str | range) -> list[int]:
        """The indices of the layers that these words of `style_mix` mean.

        Raises:
            ValueError: for other words, or layers that do not exist.
        """
        part = 2 * min(2, max(1, self.style_layers // 6))
        everything = list(range(self.style_layers))
        parts = (everything[:part], everything[part : 2 * part], everything[2 * part :])
        named = dict(zip(PARTS, parts, strict=True))
        if isinstance(layers, str) and layers in named:
            return named[layers]
        if isinstance(layers, range) and set(layers) <= set(everything):
            return list(layers)
        raise ValueError(
            f"layers={layers!r}; use {', '.join(map(repr, PARTS))} or a range within "
            f"range({self.style_layers})."
        )

    def stochastic_variation(
        self,
        latent: np.ndarray,
        num_images: int,
        seed: int | None = None,
        *,
        label: int | str | None = None,
    ) -> np.ndarray:
        """Generates images of one latent that differ only in their noise.

        Args:
            latent: float array (latent_dim,).
            num_images: int.
            seed: int, or None for new noise at each call.
            label: int, or the name of a class; required for conditional models, and only for these.

        Returns:
            float32 array (num_images, height, width, channels).

        Raises:
            ValueError: when the model has no noise besides the latent, or for a label that is
                missing or unexpected.

        Example:

        >>> gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=4, base_width=4)
        >>> gan.stochastic_variation(gan.latents(1, seed=0)[0], num_images=3, seed=0).shape
        (3, 8, 8, 1)
        """
        if len(self.noise_shapes) == 1:
            raise ValueError(
                f"{type(self).__name__} has no noise beside the latent, so it makes only one "
                "image of each latent; use different latents, or styles."
            )
        checks.whole_number("num_images", num_images, 0)
        seed = np.random.randint(2**31) if seed is None else seed
        checks.whole_number("seed", seed, 0)
        latent = checks.numbers_of_shape("latent", latent, (self.latent_dim,))
        styles = self.styles(latent[None], labels=label)
        random = np.random.default_rng(seed)
        noise = [
            random.standard_normal((num_images, *shape), dtype="float32")
            for shape in self.noise_shapes[1:]
        ]
        return self.generate_from_styles(np.repeat(styles, num_images, axis=0), noise)

    # Spaces ------------------------------------------------------------------------------------

    def point_shape(self, space: str | None = None) -> tuple[int, ...]:
        space = self.checked_space(space)
        if space == "styles":
            return (sum(self.style_widths),)
        return (self.style_layers, self.latent_dim) if space == "w+" else (self.latent_dim,)

    def points(
        self,
        latents: np.ndarray,
        space: str | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        space = self.checked_space(space)
        if space == "z":
            return super().points(latents, space)
        styles = self.styles(latents, labels=labels)
        if space == "styles":
            return self.channels(styles)
        return styles if space == "w+" else styles[:, 0]

    def generate_from_points(
        self,
        points: np.ndarray,
        space: str | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        space = self.checked_space(space)
        if space == "z":
            return super().generate_from_points(points, space, labels=labels)
        points = self.checked_points(points, space)
        if space == "w":
            points = np.repeat(points[:, None], self.style_layers, axis=1)
        return self.generate_from_styles(points)

    def images_from_points(self, points, space, labels=None, noise=None):
        if space == "z":
            points = self.sampling_generator.mapping(self.with_labels(points, labels))
        if space in ("z", "w"):
            points = ops.repeat(points[:, None], self.style_layers, axis=1)
        return self.unbounded_images(points, noise)

    def unbounded_images(self, styles, noise=None):
        """Images of styles, not clipped to [-1, 1], because clipping stops gradients.

        Args:
            styles: float32 tensor (batch, style_layers, latent_dim), or of the space `"styles"`.
            noise: as for `images_from_points`.
        """
        synthesis = self.sampling_generator.synthesis
        whole = {"bounded": False} if self.has_bounds else {}
        return synthesis(_inputs(styles, noise), training=False, **whole)


def _inputs(styles, noise):
    """What a synthesis takes: of styles w, or of the channels of all layers."""
    noise = list(noise or [])
    if len(styles.shape) == 2:
        return {"channels": styles, "noise": noise}
    return [styles, *noise] if noise else styles
