"""The role of models whose networks grow."""

from kerasgan.roles.base import Role


class Grows(Role):
    """A model that `kerasgan.callbacks.ProgressiveGrowing` can grow.

    A subclass must define:

    - `stage`, `last_stage`: int, where it is and the final one;
    - `grow_to(stage, fade_images, batch_size, reset_optimizers)`: goes to a stage;
    - `images_seen`, `images_an_epoch`: weights that count images.
    """

    can = "grow"
    owes = {
        "stage": "the stage at which it is, an int",
        "last_stage": "the final stage, an int",
        "grow_to": "a method that goes to a stage",
        "images_seen": "a weight, how many images it has seen",
        "images_an_epoch": "a weight, how many images an epoch has",
    }
