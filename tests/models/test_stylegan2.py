import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import in_step, needs_backend
from keras import ops

import kerasgan
from kerasgan import backend, presets
from kerasgan.losses import GradientPenalty
from kerasgan.models import stylegan2
from kerasgan.models.stylegan2 import load_published, published_places
from kerasgan.styles.networks import discriminator
from kerasgan.styles.published_files import as_ours

# Weights, inputs and outputs of the published PyTorch program (small networks of random weights,
# three classes, float32 on a CPU), by its own names and with channels first.
PUBLISHED = pathlib.Path(__file__).parents[1] / "published_stylegan2.npz"
SMALL = {"latent_dim": 6, "base_width": 2, "max_width": 4}


def values(x):
    return ops.convert_to_numpy(x)


def channels_last(images):
    return np.moveaxis(images, 1, -1)


def small(size=8, **settings):
    keras.utils.set_random_seed(0)
    return kerasgan.StyleGAN2((size, size, 1), **{**SMALL, "seed": 0, **settings})


class PublishedTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        with np.load(PUBLISHED) as file:
            self.tensors = {n: a for n, a in file.items() if not n.startswith("in_out/")}
            self.given = {
                n.removeprefix("in_out/"): a for n, a in file.items() if n.startswith("in_out/")
            }

    def part(self, prefix):
        return {n.removeprefix(prefix): a for n, a in self.tensors.items() if n.startswith(prefix)}

    def test_computes_what_the_published_program_does(self):
        given = self.given
        gan = kerasgan.StyleGAN2((32, 32, 3), 32, 16, 32, num_classes=3)
        load_published(gan.generator, self.part("G."))
        load_published(gan.discriminator, self.part("D."))
        synthesis = gan.generator.synthesis
        labels, real_labels = (
            ops.convert_to_tensor(given[name].argmax(1).astype("int32")) for name in ("c", "cx")
        )
        z, real, noise = (
            ops.convert_to_tensor(x)
            for x in (
                given["z"],
                *map(channels_last, (given["x"], given["pl_noise"])),
            )
        )
        none = [np.zeros((4, *shape), "float32") for shape in synthesis.noise_shapes]
        names = {"G": ("b4.const", "b8.conv0.weight"), "D": ("b32.conv0.weight",)}
        places = {
            "G": [published_places(gan.generator)[f"synthesis.{n}"] for n in names["G"]],
            "D": [published_places(gan.discriminator)[n] for n in names["D"]],
        }
        # A large step, or the weights would round their gradients.
        optimizers = {part: keras.optimizers.SGD(1e6) for part in places}
        for part, optimizer in optimizers.items():
            optimizer.build(places[part])
        before = {part: [values(v).copy() for v in places[part]] for part in places}

        def logits(images, labels):
            return gan.discriminate(images, labels, training=False)

        def of_four(images):
            return logits(images, real_labels[:4])

        def lengths():
            return gan.path_lengths(gan.generator.styles([z, labels]), noise)

        def fn():
            styles = gan.generator.styles([z, labels])
            mixed = ops.concatenate([styles[:, :3], ops.flip(styles, 0)[:, 3:]], axis=1)
            gradients = backend.input_gradient(of_four, real[:4])
            found = {
                "G.img_const": synthesis(styles, bounded=False),
                "G.img_none": synthesis([styles, *none], bounded=False),
                "G.img_const_mixed3": synthesis(mixed, bounded=False),
                "G.w": styles[:, 0],
                "D.logits_x": logits(real, real_labels),
                "D.r1_grad_norm2": ops.sum(ops.square(gradients), axis=(1, 2, 3)),
                "G.pl_lengths": lengths(),
            }
            penalty = GradientPenalty(1.0, at="real", center=0.0)
            losses = {
                "G": lambda: (ops.mean(ops.square(lengths())), {}),
                "D": lambda: (penalty.at_points(of_four, real[:4]), {}),
            }
            for part, loss in losses.items():
                backend.update(loss, places[part], optimizers[part])
            return found

        assigned = [*gan.variables, *(v for o in optimizers.values() for v in o.variables)]
        assigned = list({id(v): v for v in assigned}.values())
        found = {name: values(y) for name, y in in_step(fn, assigned).items()}
        for name, y in found.items():
            wanted = given[name]
            if wanted.ndim == 4:
                self.assertAllClose(y, channels_last(wanted), rtol=0.0, atol=1e-4, msg=name)
            else:
                atol = 1e-5 * np.abs(wanted).max()
                self.assertAllClose(y, wanted, rtol=0.0, atol=atol, msg=name)
        for part, kind in (("G", "G.pl_param_grad_"), ("D", "D.r1_param_grad_")):
            for name, old, variable in zip(names[part], before[part], places[part], strict=True):
                wanted = as_ours(f"synthesis.{name}", given[kind + name])
                gradient = (old - values(variable)) / 1e6
                atol = 1e-5 * np.abs(wanted).max()
                self.assertAllClose(gradient, wanted, rtol=0.0, atol=atol, msg=name)

    @needs_backend("tensorflow", reason="it is arithmetic on arrays")
    def test_other_files_are_refused(self):
        network = discriminator((32, 32, 3), 8, 32, num_classes=3)
        tensors = self.part("D.")
        with self.assertRaisesRegex(ValueError, r"b32.*of shape .* published sizes"):
            load_published(network, tensors)
        changed = {**tensors, "b32.resample_filter": np.full((4, 4), 1.0 / 16.0)}
        with self.assertRaisesRegex(ValueError, "not the filter of this network"):
            load_published(network, changed)
        more = {**tensors, "b64.conv0.weight": np.zeros(1)}
        with self.assertRaisesRegex(
            ValueError, "has what this network does not have, b64.conv0.weight"
        ):
            load_published(network, more)
        del tensors["b4.fc.bias"]
        with self.assertRaisesRegex(ValueError, "tensors lacks b4.fc.bias"):
            load_published(network, tensors)


class SettingsTest(tf.test.TestCase, parameterized.TestCase):
    @needs_backend("tensorflow", reason="it counts")
    def test_the_published_networks_for_1024_pixels_have_59_million_weights(self):
        """30,370,060 and 29,012,513, as the authors' program prints them."""
        published = presets.find("ffhq1024", "StyleGAN2")
        shape, latent_dim = published.config["config"]["image_shape"], 512
        generator = stylegan2.Generator(
            shape, latent_dim, 32, 512, "skip", None, 8, 0.9, None, name="generator"
        )
        discriminator_network = discriminator(shape, 32, 512)
        found = [
            sum(int(np.prod(v.shape)) for v in network.trainable_weights)
            for network in (generator, discriminator_network)
        ]
        self.assertEqual(found, [30_370_060, 29_012_513])
        self.assertEqual(found, list(published.paper["parameters"].values()))

    @parameterized.parameters(
        (32, None, (32, 4, 0.0025, 0.0064, 10e3)),
        (64, None, (32, 4, 0.0025, 0.0256, 10e3)),
        (256, None, (16, 4, 0.0025, 0.8192, 5e3)),
        (1024, None, (4, 4, 0.002, 52.4288, 1250.0)),
        (32, 2, (2, 2, 0.0025, 0.1024, 625.0)),
    )
    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_auto_follows_size_and_batch(self, size, batch, expected):
        found = stylegan2.automatic(size, batch)
        found = (
            found.batch_size,
            found.group_size,
            found.learning_rate,
            found.gamma,
            found.ema_images,
        )
        self.assertAllClose(found, expected)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_presets(self):
        gan = small(preset="cifar")
        gan.compile()
        self.assertNotIn("path_length_penalty", gan.loss_names)
        (penalty,) = gan.penalties
        self.assertEqual((penalty.weight, penalty.every, penalty.at), (0.005, 16, "real"))
        self.assertEqual(gan.generator.mixing_probability, 0.0)
        generator, discriminator = gan.optimizer["generator"], gan.optimizer["discriminator"]
        # Nothing is lazy for the generator.
        self.assertAllClose(float(generator.learning_rate), 0.0025)
        self.assertAllClose(float(discriminator.learning_rate), 0.0025 * 16 / 17)
        self.assertAllClose(discriminator.beta_2, 0.99 ** (16 / 17))
        self.assertEqual(discriminator.epsilon, 1e-8)
        names = {layer.name for layer in gan.discriminator.layers}
        self.assertNotIn("b8_skip_eq", names)
        self.assertEqual(gan.discriminator.get_layer("minibatch_stddev").group_size, 32)
        self.assertEqual(kerasgan.StyleGAN2.batch_size_for(preset="cifar"), 64)
        copy = kerasgan.StyleGAN2.from_config(gan.get_config())
        self.assertEqual(copy.published, gan.published)

    @parameterized.parameters(
        ({"preset": "best"}, "preset='best'; use one of 'auto', 'stylegan2'"),
        ({"architecture": "deep"}, "architecture='deep'; use one of 'skip'"),
        ({"discriminator_architecture": "x"}, "discriminator_architecture='x'; use one of"),
        ({"mapping_layers": 0}, "mapping_layers=0; use None or a whole number"),
        ({"mixing_probability": 2.0}, "mixing_probability=2.0; use None or a number from 0 to 1"),
        ({"batch_size": 0}, "batch_size=0; use None"),
        ({"mixing_probability": "a"}, "mixing_probability='a'; use None or a number from 0 to 1"),
        ({"activation_limit": 0}, "activation_limit=0; use a number above 0"),
        ({"activation_limit": "a"}, "activation_limit='a'; use a number above 0"),
        ({"size": 12}, r"image_shape=\(12, 12, 1\) cannot be made"),
    )
    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_out_of_range(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            small(**settings)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_half_of_the_precision_is_for_the_four_highest_resolutions(self):
        gan = small(128, max_width=2, base_width=2, dtype="mixed_float16")
        blocks = gan.generator.synthesis.blocks
        found = {b.resolution: b.conv1.conv.compute_dtype for b in blocks}
        wanted = dict.fromkeys((4, 8), "float32") | dict.fromkeys((16, 32, 64, 128), "float16")
        self.assertEqual(found, wanted)
        conv = gan.discriminator.get_layer("b8_conv0_eq").compute_dtype
        self.assertEqual((conv, gan.discriminator.compute_dtype), ("float32", "float16"))
        images = gan.generator(gan.latents(2, seed=0), training=False)
        self.assertEqual(values(images).dtype, np.float32)
        self.assertTrue(np.all(np.isfinite(values(images))))


class LimitTest(tf.test.TestCase):
    def test_activations_are_cut_to_a_limit_without_half_precision(self):
        settings = {"latent_dim": 4, "base_width": 4, "max_width": 4, "seed": 0}
        gans = []
        for limit in (None, 1e6, 0.1):
            gan = kerasgan.StyleGAN2((8, 8, 1), activation_limit=limit, **settings)
            gans.append(kerasgan.StyleGAN2.from_config(gan.get_config()))
            for network in ("generator", "discriminator", "ema_generator"):
                own, first = (getattr(g, network) for g in (gans[-1], gans[0]))
                own.set_weights(first.get_weights())
        images = [gan.generate(2, seed=0) for gan in gans]
        self.assertAllClose(images[0], images[1], atol=1e-5)
        # Those of two resolutions are added.
        self.assertLessEqual(np.abs(images[2]).max(), 0.2 + 1e-6)
        self.assertGreater(np.abs(images[0]).max(), 0.3)
        logits = [
            ops.convert_to_numpy(g.discriminate(images[0], None, training=False)) for g in gans
        ]
        self.assertAllClose(logits[0], logits[1], atol=1e-5)
        self.assertNotAllClose(logits[0], logits[2], atol=1e-3)


class ArchitectureTest(tf.test.TestCase, parameterized.TestCase):
    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_resnet_generator_by_its_parts(self):
        gan = small(16, architecture="resnet")
        synthesis = gan.generator.synthesis
        styles = gan.styles(gan.latents(2, seed=0))
        first, *others = synthesis.blocks
        x, made = first(styles[:, :2])
        self.assertIsNone(made)
        for number, block in enumerate(others, start=1):
            own = styles[:, 2 * number - 1 :]
            y = block.conv1(block.conv0(x, own[:, 0]), own[:, 1])  # with a gain of sqrt(1/2)
            kernel = values(block.skip.layer.kernel)[0, 0] / np.sqrt(x.shape[-1])
            skip = values(x) @ kernel
            skip = values(block.blur(skip.repeat(2, axis=1).repeat(2, axis=2)))
            x = np.sqrt(0.5) * skip + values(y)
            self.assertEqual(block.conv1.activate.gain, np.sqrt(0.5))
        images = block.torgb(x, own[:, 2])
        self.assertAllClose(synthesis(styles, bounded=False), images, rtol=1e-4, atol=1e-5)

    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_skip_discriminator_adds_the_image_at_each_resolution(self):
        network = small(16, discriminator_architecture="skip").discriminator
        names = [f"b{r}_fromrgb_eq" for r in (16, 8, 4)]
        for name in names:
            network.get_layer(name)
        images = np.random.default_rng(0).normal(size=(4, 16, 16, 1)).astype("float32")

        def run(name, x):
            return network.get_layer(name)(x)

        def conv(name, x):
            return run(f"{name}_relu", run(f"{name}_eq", x))

        x = conv("b16_fromrgb", images)
        for size in (16, 8):
            x = conv(f"b{size}_conv0", x)
            x = conv(f"b{size}_conv1", run(f"b{size}_conv1_blur", x))
            images = run(f"b{size}_image_down", run(f"b{size}_image_blur", images))
            x = x + conv(f"b{size // 2}_fromrgb", images)
        x = conv("b4_conv", run("minibatch_stddev", x))
        x = run("b4_out_eq", conv("b4_fc", run("flatten", x)))
        images = np.random.default_rng(0).normal(size=(4, 16, 16, 1)).astype("float32")
        self.assertAllClose(network(images), x, rtol=1e-5, atol=1e-5)


class LazyTest(tf.test.TestCase, parameterized.TestCase):
    def fit(self, gan, steps):
        images = np.random.default_rng(1).uniform(-1.0, 1.0, (steps, 2, 8, 8, 1))
        images = images.reshape(-1, 8, 8, 1).astype("float32")
        gan.fit(images, batch_size=2, shuffle=False, verbose=0)

    @needs_backend("tensorflow", "torch", reason="JAX compiles each kind of step for a minute")
    @pytest.mark.slow
    def test_goes_on_from_a_file_and_pays_when_it_is_due(self):
        """Path lengths at steps 0 and 4, R1 at step 0: own updates, which optimizers count."""
        gan = small()
        gan.compile()
        gan.run_eagerly = True
        self.fit(gan, 2)
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        gan.save(path)
        self.assertEqual([int(gan.optimizer[p].iterations) for p in gan.players], [3, 3])
        copy = keras.saving.load_model(path)
        copy.run_eagerly = True
        for each in (gan, copy):
            self.fit(each, 3)
            self.assertEqual([int(each.optimizer[p].iterations) for p in each.players], [6, 7])
            self.assertEqual(each.iterations, 5)
        for ours, theirs in zip(gan.weights, copy.weights, strict=True):
            np.testing.assert_array_equal(values(ours), values(theirs), ours.path)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_without_a_penalty_adam_is_not_corrected(self):
        gan = small()
        gan.compile(penalties=[])
        rates = [float(gan.optimizer[p].learning_rate) for p in ("discriminator", "generator")]
        self.assertAllClose(rates, [0.0025, 0.0025 * 4 / 5])
        self.assertEqual(gan.updates_per_batch("generator"), 1.25)
        self.assertEqual(gan.updates_per_batch("discriminator"), 1.0)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_refuses_what_needs_equal_steps(self):
        gan = small()
        with self.assertRaisesRegex(ValueError, "steps_per_execution=4.*use 1 or 'auto'"):
            gan.compile(steps_per_execution=4)
        adam = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2)
        for optimizer in (adam, {"generator": adam}):
            with self.assertRaisesRegex(ValueError, "accumulates the gradients of 2 steps"):
                gan.compile(optimizer)

    @needs_backend("tensorflow", reason="it is arithmetic")
    def test_half_life_of_the_average_is_in_images(self):
        gan = small()
        gan.steps_trained.assign(999)
        # A twentieth of 4,000 images is less than 10,000.
        found = float(gan.ema_decay_after(7, 4))
        self.assertAllClose(found, 0.5 ** (4 / 200))
        gan.steps_trained.assign(999_999)
        self.assertAllClose(float(gan.ema_decay_after(7, 4)), 0.5 ** (4 / 10_000))
        gan = small(preset="stylegan2")
        self.assertAllClose(float(gan.ema_decay_after(7, 4)), 0.5 ** (4 / 10_000))


class StylesTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_of_classes(self):
        gan = small(num_classes=3)
        latents = gan.latents(2, seed=0)
        with self.assertRaisesRegex(ValueError, "labels"):
            gan.styles(latents)
        first, second = (gan.styles(latents, labels=label) for label in (0, 1))
        self.assertEqual(first.shape, (2, 4, 6))
        self.assertNotAllClose(first, second, atol=1e-3)
        mixed = gan.style_mix(latents, latents, range(0), labels=[0, 0, 1, 1])
        self.assertAllClose(mixed[0], gan.generate_from(latents, labels=1), atol=1e-5)
        self.assertEqual(gan.stochastic_variation(latents[0], 3, label=2).shape, (3, 8, 8, 1))
        way = gan.interpolate(*latents, 3, labels=[0, 1])
        self.assertAllClose(way[[0, -1]], gan.generate_from(latents, labels=[0, 1]), atol=1e-5)

    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_truncation_has_a_cutoff(self):
        gan = small(16)
        mean = np.arange(6, dtype="float32")
        gan.ema_generator.mean.assign(mean)
        latents = gan.latents(2, seed=0)
        whole, cut = gan.styles(latents), gan.styles(latents, 0.25, cutoff=2)
        self.assertAllClose(cut[:, :2], mean + 0.25 * (whole[:, :2] - mean), atol=1e-5)
        self.assertAllEqual(cut[:, 2:], whole[:, 2:])
        everywhere = gan.styles(latents, 0.0)
        self.assertAllClose(everywhere, np.broadcast_to(mean, everywhere.shape), atol=1e-6)
        for wrong in (-1, 7, 1.5):
            with self.assertRaisesRegex(ValueError, f"cutoff={wrong}; use None or a whole number"):
                gan.styles(latents, 0.5, cutoff=wrong)
        with self.assertRaisesRegex(ValueError, r"layers=range\(0, 9\).*range\(6\)"):
            gan.style_mix(latents, latents, range(9))


@pytest.mark.slow
class LearningTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="it takes minutes")
    def test_learns_digits(self):
        """Samples come nearer to real digits, and are nearly as different from each other."""
        gan = small(latent_dim=16, base_width=16, max_width=32, batch_size=64)
        gan.compile()
        real = np.concatenate([b.numpy() for b in kerasgan.data.load("digits", shuffle=False)])

        def samples():
            return gan.generate(200, seed=0)

        def distance():
            differences = samples()[:, None] - real[None]
            return float(np.sqrt((differences**2).mean((2, 3, 4))).min(1).mean())

        untrained = distance()
        gan.fit(kerasgan.data.load("digits"), epochs=8, verbose=0)
        found, spread = distance(), samples().std(0).mean()
        self.assertLess(found, 0.8 * untrained)
        self.assertGreater(spread, 0.6 * real.std(0).mean())
