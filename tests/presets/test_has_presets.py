"""From models to presets and back."""

import json
import pathlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgan
from kerasgan.augmentation import ADA
from kerasgan.presets import presets


class HasPresetsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "mine"

    def save(self, compiled=True, **settings):
        gan = kerasgan.DCGAN((8, 8, 1), 4, base_width=4, seed=0, ema_decay=0.9, **settings)
        if compiled:
            rates = {
                "generator": keras.optimizers.Adam(3e-4),
                "discriminator": keras.optimizers.SGD(0.1),
            }
            gan.compile(optimizer=rates, loss="hinge", penalties="r1")
        gan.generator.get_layer("project_norm").momentum = 0.5
        gan.discriminator.layers[1].trainable = False
        gan.save_to_preset(self.folder)
        return gan

    def test_round_trip(self):
        images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")
        gan = self.save()
        gan.fit(images, epochs=2, batch_size=4, verbose=0)
        gan.save_to_preset(self.folder)
        files = ["README.md", "config.json", "metadata.json", "model.weights.h5"]
        self.assertEqual(sorted(file.name for file in self.folder.iterdir()), files)

        same = kerasgan.from_preset(self.folder)
        self.assertIs(type(same), kerasgan.DCGAN)
        self.assertEqual(same.epochs_trained, 2)
        self.assertAllEqual(same.generate(4, seed=1), gan.generate(4, seed=1))
        for found, wanted in zip(same.weights, gan.weights, strict=True):
            self.assertAllEqual(*map(keras.ops.convert_to_numpy, (found, wanted)))
        self.assertEqual(same.generator.get_layer("project_norm").momentum, 0.5)
        self.assertFalse(same.discriminator.layers[1].trainable)

        arguments = same.compile_arguments()
        self.assertIsInstance(arguments["optimizer"]["discriminator"], keras.optimizers.SGD)
        self.assertAllClose(float(arguments["optimizer"]["generator"].learning_rate), 3e-4)
        self.assertIsInstance(arguments["loss"], kerasgan.losses.Hinge)
        self.assertEqual(same.penalties_by_name.keys(), gan.penalties_by_name.keys())
        self.assertEqual(same.iterations, 0)  # optimizers begin anew
        same.fit(images, epochs=1, batch_size=4, verbose=0)
        self.assertEqual((same.iterations, same.epochs_trained), (2, 3))

        anew = kerasgan.DCGAN.from_preset(self.folder, weights=None)
        self.assertEqual(anew.epochs_trained, 0)
        self.assertNotAllClose(anew.generate(4, seed=1), gan.generate(4, seed=1))
        self.assertFalse(anew.discriminator.layers[1].trainable)

    @pytest.mark.slow
    def test_what_compile_adds(self):
        """Augmentations and penalties with random numbers of their own begin anew, too."""
        images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")
        gan = kerasgan.DCGAN((8, 8, 1), 4, base_width=4, seed=0)
        gan.compile(augmentation=ADA(p=0.5), penalties=["bcr", "lecam"])
        gan.fit(images, batch_size=4, verbose=0)
        gan.save_to_preset(self.folder)
        same = kerasgan.from_preset(self.folder)
        self.assertAllEqual(same.generate(4, seed=1), gan.generate(4, seed=1))
        self.assertIsInstance(same.augmentation, ADA)
        self.assertEqual(float(same.augmentation.p), 0.5)
        self.assertEqual(same.penalties_by_name.keys(), gan.penalties_by_name.keys())
        same.fit(images, batch_size=4, verbose=0)

    def test_files_tell_what_they_are(self):
        gan = self.save(compiled=False)
        metadata = json.loads((self.folder / "metadata.json").read_text())
        self.assertEqual(metadata["keras_version"], keras.__version__)
        self.assertEqual(metadata["kerasgan_version"], kerasgan.__version__)
        self.assertEqual(metadata["parameter_count"], sum(np.prod(w.shape) for w in gan.weights))
        card = (self.folder / "README.md").read_text()
        self.assertIn("A `DCGAN` before training.", card)
        self.assertIn("| `base_width` | `4` |", card)
        gan.save_to_preset(self.folder, card="Mine.")
        gan.save_to_preset(self.folder)  # a card that is there is kept
        self.assertEqual((self.folder / "README.md").read_text(), "Mine.")
        self.assertFalse(kerasgan.from_preset(self.folder).compiled)

    def test_optimizers_are_not_in_the_file(self):
        def names(path):
            with h5py.File(path) as file:
                return set(file["vars"])

        gan = self.save()
        gan.save_weights(self.folder / "all.weights.h5")
        left_out = names(self.folder / "all.weights.h5") - names(self.folder / "model.weights.h5")
        self.assertNotEmpty(left_out)
        self.assertAllEqual(["_optimizer_" in name for name in left_out], [True] * len(left_out))

    def test_arguments_in_the_place_of_the_presets(self):
        gan = self.save()
        same = kerasgan.from_preset(self.folder, name="other", seed=5)
        self.assertEqual(same.name, "other")
        self.assertAllEqual(same.generate(4, seed=1), gan.generate(4, seed=1))
        self.assertFalse(same.discriminator.layers[1].trainable)
        wider = kerasgan.DCGAN.from_preset(self.folder, weights=None, base_width=8)
        self.assertEqual(wider.base_width, 8)
        self.assertAllClose(float(wider.optimizer["generator"].learning_rate), 3e-4)
        with self.assertRaisesRegex(
            ValueError, "weights of the preset mine do not fit base_width=8"
        ):
            kerasgan.DCGAN.from_preset(self.folder, base_width=8)
        with self.assertRaisesRegex(ValueError, "no argument 'width'"):
            kerasgan.DCGAN.from_preset(self.folder, width=8)

    def test_weights_in_half_precision(self):
        gan = self.save(compiled=False)
        half = self.folder / "half.h5"
        with h5py.File(self.folder / "model.weights.h5") as file, h5py.File(half, "w") as small:

            def copy(name, item):
                if isinstance(item, h5py.Dataset):
                    kind = "float16" if item.dtype == "float32" else item.dtype
                    small.create_dataset(name, data=item[()].astype(kind))
                else:
                    small.require_group(name)

            file.visititems(copy)
        half.rename(self.folder / "model.weights.h5")
        same = kerasgan.from_preset(self.folder)
        self.assertEqual({w.dtype for w in same.generator.trainable_weights}, {"float32"})
        self.assertAllClose(same.generate(4, seed=1), gan.generate(4, seed=1), atol=2e-3)

    def test_damaged_files_are_named(self):
        gan = self.save()
        with self.assertRaisesRegex(ValueError, "card=5; use None or a text"):
            gan.save_to_preset(self.folder, card=5)
        config = self.folder / "config.json"
        with self.assertRaisesRegex(ValueError, "config.json' is a file; use the path of a folder"):
            gan.save_to_preset(config)
        text = config.read_text()
        config.write_text(text.replace('"base_width": 4', '"base_width": 2'))
        with self.assertRaisesRegex(ValueError, "weights of the preset mine do not fit its config"):
            kerasgan.from_preset(self.folder)
        config.write_text(text)
        (self.folder / "model.weights.h5").write_text("")
        with self.assertRaisesRegex(ValueError, "mine/model.weights.h5 is damaged"):
            kerasgan.from_preset(self.folder)

    def test_what_cannot_be(self):
        self.save(compiled=False)
        with self.assertRaisesRegex(ValueError, "mine is a DCGAN, not a VAE; use kerasgan.from_p"):
            kerasgan.VAE.from_preset(self.folder)
        self.assertIsInstance(kerasgan.GAN.from_preset(self.folder), kerasgan.DCGAN)
        with self.assertRaisesRegex(ValueError, "r3_gan_cifar10 has only the settings of a paper"):
            kerasgan.R3GAN.from_preset("cifar10")
        with self.assertRaisesRegex(ValueError, "weights='imagenet'; use 'preset' or None"):
            kerasgan.from_preset(self.folder, weights="imagenet")
        config = json.loads((self.folder / "config.json").read_text())
        for name in ("my_models>Mine", "Adam", "kerasgan>Wasserstein"):
            config["registered_name"] = name
            (self.folder / "config.json").write_text(json.dumps(config))
            with self.assertRaisesRegex(ValueError, f"of '{name}', which Keras does not know as a"):
                kerasgan.from_preset(self.folder)


class ShippedTest(tf.test.TestCase):
    def test_each_loads_and_tells_of_itself(self):
        shipped = [preset for preset in presets().values() if preset.folder is not None]
        self.assertLess(
            sum(f.stat().st_size for p in shipped for f in p.folder.iterdir()), 10 << 20
        )
        for preset in shipped:
            model = kerasgan.from_preset(preset.name)
            self.assertTrue(model.compiled, preset.name)
            card = (preset.folder / "README.md").read_text(encoding="utf-8")
            for said in ("## Data", "## Training", "## Measured", "## Licence", "samples.png"):
                self.assertIn(said, card, preset.name)
            self.assertTrue((preset.folder / "samples.png").is_file())
