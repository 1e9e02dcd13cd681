"""The role of models with a space of styles, w."""

from kerasgan.roles.base import Role


class HasStyles(Role):
    """A model that turns latents into styles, and styles into images.

    A subclass owes:

    - `styles(latents, truncation=None)`: styles (num_images, style_layers, latent_dim);
    - `generate_from_styles(styles, noise=None)`: images of these.
    """

    can = "make images of styles"
    owes = {
        "styles": "a method from latents to styles",
        "generate_from_styles": "a method from styles to images",
    }
