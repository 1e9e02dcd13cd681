import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import roles

pytestmark = needs_backend("tensorflow", reason="classes are the same everywhere")


class RolesTest(tf.test.TestCase):
    def test_models_and_classes_are_asked_alike(self):
        model = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(4,))
        for asked in (model, kerasgan.VanillaGAN):
            self.assertTrue(roles.has(asked, roles.HasLatents))
            self.assertFalse(roles.has(asked, roles.Translates))
            roles.require(asked, roles.GeneratesImages, "the grid")
            message = (
                "^the grid needs a model that can translate images; VanillaGAN can make images "
                "from latents and draw images. Do that.$"
            )
            with self.assertRaisesRegex(ValueError, message):
                roles.require(asked, roles.Translates, "the grid", "Do that.")
        with self.assertRaisesRegex(ValueError, "; Sequential has no role.$"):
            import keras

            roles.require(keras.Sequential(), roles.Translates, "the grid")

    def test_each_role_says_what_it_can_do_and_what_it_wants(self):
        for name in roles.__all__:
            role = getattr(roles, name)
            if isinstance(role, type) and role not in (roles.Role, roles.TakesImages):
                self.assertTrue(role.can, name)
                for owed, what in vars(role).get("owes", {}).items():
                    self.assertIn(f"`{owed}", role.__doc__, f"{name} does not document {owed}")
                    self.assertTrue(what)

    def test_what_is_owed_may_be_a_method_a_property_or_an_attribute(self):
        class Owing(roles.Role):
            owes = {"first": "a number", "second": "a method"}

        class Paying(Owing):
            first = 1

            def second(self):
                pass

        class Late(Owing):
            def __init__(self):
                self.first = self.second = 0

        for paid in (Paying(), Late()):
            roles.check_complete(paid)
        with self.assertRaisesRegex(
            NotImplementedError,
            "^Owing is incomplete. Give it `first`, a number; `second`, a method.$",
        ):
            roles.check_complete(Owing())
