import keras
import numpy as np
import published
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend
from keras import ops

import kerasgan
from kerasgan import backend, presets
from kerasgan.models import r3_gan


def values(x):
    return ops.convert_to_numpy(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def outputs(network, names, x):
    found = [network.get_layer(name).output for name in names]
    return [values(y) for y in keras.Model(network.input, found)(x)]


def leaky(x):
    return np.where(x > 0.0, x, 0.2 * x)


def grouped_convolution(x, kernel, groups):
    """3x3, 'same': each group of outputs sees its group of inputs."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    inputs, width = kernel.shape[2], kernel.shape[3] // groups
    y = np.zeros((*x.shape[:3], kernel.shape[3]))
    for group in range(groups):
        of_outputs = slice(group * width, (group + 1) * width)
        of_inputs = slice(group * inputs, (group + 1) * inputs)
        for row in range(3):
            for column in range(3):
                part = padded[:, row : row + x.shape[1], column : column + x.shape[2], of_inputs]
                y[..., of_outputs] += part @ kernel[row, column, :, of_outputs]
    return y


def of_block(width):
    """Parameters of a residual block: 1x1, 3x3 in groups of 16 maps, 1x1 without bias."""
    groups = 2 * width // 16
    narrow = width * 2 * width + 2 * width
    return narrow + 9 * (2 * width // groups) * 2 * width + 2 * width + 2 * width * width


def small_gan(**kwargs):
    settings = {"latent_dim": 6, "base_width": 8, "ema_decay": None, "seed": 0}
    return kerasgan.R3GAN((16, 16, 1), **settings, **kwargs)


def awake(network):
    """With residual branches that are not 0, and biases that are not, either."""
    for index, layer in enumerate(network.layers):
        if layer.name.endswith("conv3"):
            layer.kernel.assign(0.2 * normal(*layer.kernel.shape, seed=index))
        elif layer.name.endswith(("conv1", "conv2")):
            layer.bias.assign(0.2 * normal(*layer.bias.shape, seed=index))
    return network


def fill(network, name):
    """Gives a network of three stages the weights of the published one."""
    generator = network.name == "generator"
    for layer in network.layers:
        stage, _, part = layer.name.removeprefix("stage").partition("_")
        if part.startswith("block") and "conv" in part:
            block, number = int(part[5]), part[-1]
            place = f"{name}.MainLayers.{stage}.Layers.{block + generator}"
            bias = f"{place}.NonLinearity{number}.Bias"
            published.fill(layer, f"{place}.LinearLayer{number}.Layer", bias=bias)
        elif part == "transition":
            # A stage of the published discriminator ends with it, where ours begin.
            place = f"{stage}.Layers.0" if generator else f"{int(stage) - 1}.Layers.2"
            published.fill(layer, f"{name}.MainLayers.{place}.LinearLayer.Layer")
        elif layer.name in ("to_image", "from_image"):
            place = "AggregationLayer" if generator else "ExtractionLayer"
            published.fill(layer, f"{name}.{place}.Layer")
        elif layer.name == "embedding":
            published.fill(layer, f"{name}.EmbeddingLayer")
        elif layer.name in ("logits", "features"):
            published.fill(layer, f"{name}.MainLayers.2.Layers.2.LinearLayer")
        elif layer.name == "basis" and generator:
            place = f"{name}.MainLayers.0.Layers.0"
            maps = published.weight(f"{place}.Basis", (layer.width, 4, 4))
            layer.maps.assign(maps.transpose(1, 2, 0))
            published.fill(layer.weigh, f"{place}.LinearLayer")
        elif layer.name == "basis":
            published.fill(layer, f"{name}.MainLayers.2.Layers.2.Basis")


class PublishedTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(("r3gan", None), ("r3gan_conditional", 3))
    def test_networks_compute_what_the_published_ones_do(self, name, num_classes):
        gan = kerasgan.R3GAN(
            (16, 16, 3), 6, base_width=16, max_width=32, num_classes=num_classes, ema_decay=None
        )
        for network in (gan.generator, gan.discriminator):
            fill(network, f"{name}.{network.name}")
        latents = published.inputs("r3gan.z", 3, 6)
        images = np.moveaxis(published.inputs("r3gan.images", 3, 3, 16, 16), 1, -1)
        labels = np.array([2, 0, 1], "int32")
        unbounded = gan.generator.get_layer("to_image").output
        generator = keras.Model(gan.generator.input, unbounded, name="generator")
        for network, x in ((generator, latents), (gan.discriminator, images)):
            found = network.predict_on_batch([x, labels] if num_classes else x)
            expected = published.outputs(f"{name}.{network.name}")
            found = found.reshape(expected.shape)
            self.assertAllClose(found, expected, rtol=0.0, atol=1e-5, msg=network.name)


class NetworksTest(tf.test.TestCase, parameterized.TestCase):
    def test_parameters(self):
        gan = small_gan()
        stages = 2 * of_block(32) + 2 * of_block(16) + 2 * of_block(8) + 32 * 16 + 16 * 8
        basis = 4 * 4 * 32
        self.assertEqual(count(gan.generator), basis + 6 * 32 + stages + 8)
        self.assertEqual(count(gan.discriminator), 8 + stages + basis + 32)
        self.assertEqual(gan.generator.count_params(), count(gan.generator))  # no normalization

    @needs_backend("tensorflow", reason="networks are built by Keras alone")
    def test_widths_double_up_to_the_largest(self):
        widths = [96, 192, 384, 768, 768, 768, 768]
        self.assertEqual(r3_gan.stage_widths((256, 256, 3), 96, 768), widths)
        gan = kerasgan.R3GAN((64, 64, 1), base_width=2, ema_decay=None)
        found = [gan.discriminator.get_layer(f"stage{s}_block0").output.shape[-1] for s in range(5)]
        self.assertEqual(found, [2, 4, 8, 16, 16])
        x = keras.Input((4, 4, 8))
        self.assertIs(r3_gan.transition(x, 8, "none"), x)

    @parameterized.parameters((16, 2), (768, 96), (1536, 96), (12, 1))
    @needs_backend("tensorflow", reason="networks are built by Keras alone")
    def test_groups_are_of_16_maps_and_at_most_96(self, width, groups):
        x = keras.Input((4, 4, width))
        network = keras.Model(x, r3_gan.residual_blocks(x, 1, "stage"))
        for block in range(r3_gan.BLOCKS):
            self.assertEqual(network.get_layer(f"stage_block{block}_conv2").groups, groups)

    def test_settings_out_of_range_are_refused(self):
        with self.assertRaisesRegex(ValueError, "max_width=4 is below base_width=8"):
            kerasgan.R3GAN((8, 8, 1), base_width=8, max_width=4)
        with self.assertRaisesRegex(ValueError, "burn_in=3; use None or a"):
            kerasgan.R3GAN((8, 8, 1), base_width=8, burn_in=3)

    def test_residual_blocks_begin_as_the_identity(self):
        gan = small_gan()
        blocks = [f"stage{stage}_block{block}" for stage in range(3) for block in range(2)]
        for network, x in (
            (gan.generator, normal(2, 6)),
            (gan.discriminator, normal(2, 16, 16, 1)),
        ):
            for name in blocks:
                add = network.get_layer(name)
                ends = keras.Model(network.input, [add.input[0], add.output])
                before, after = (values(y) for y in ends(x))
                self.assertAllEqual(before, after)
                self.assertGreater(np.abs(before).max(), 0.0)

    @needs_backend("tensorflow", "torch", reason="it compiles for a minute")
    def test_blocks_by_hand(self):
        network = awake(small_gan().discriminator)
        x = normal(3, 16, 16, 1)
        name = "stage2_block1"
        before, after = outputs(network, ["stage2_block0", name], x)
        weights = {
            conv: network.get_layer(f"{name}_{conv}").get_weights()
            for conv in ("conv1", "conv2", "conv3")
        }
        y = leaky(before @ weights["conv1"][0][0, 0] + weights["conv1"][1])
        y = leaky(grouped_convolution(y, weights["conv2"][0], groups=4) + weights["conv2"][1])
        by_hand = before + y @ weights["conv3"][0][0, 0]
        self.assertGreater(np.abs(after - before).max(), 0.01)
        self.assertAllClose(after, by_hand, rtol=1e-4, atol=1e-4)

    @needs_backend("tensorflow", reason="networks are built by Keras alone")
    def test_fix_up(self):
        """With L blocks of 3 layers each, std is sqrt(2 / (1 + 0.2^2) / fan_in) L^(-1/4)."""
        gan = kerasgan.R3GAN((16, 16, 1), latent_dim=64, base_width=32)
        gain = np.sqrt(2.0 / 1.04) * 6.0**-0.25
        for network in (gan.generator, gan.discriminator):
            for stage in range(3):
                for block in range(2):
                    name = f"stage{stage}_block{block}_conv"
                    for conv, scale in (("1", gain), ("2", gain), ("3", 0.0)):
                        kernel = values(network.get_layer(name + conv).kernel)
                        fan_in = np.prod(kernel.shape[:-1])
                        self.assertAllClose(kernel.std() * np.sqrt(fan_in), scale, rtol=0.08)
                        self.assertAllClose(kernel.mean() * np.sqrt(fan_in), 0.0, atol=0.1)
        for network, stages in ((gan.generator, (1, 2)), (gan.discriminator, (1, 2))):
            for stage in stages:
                kernel = values(network.get_layer(f"stage{stage}_transition").kernel)
                self.assertAllClose(kernel.std() * np.sqrt(kernel.shape[2]), 1.0, rtol=0.08)

    def test_generator_at_the_start_by_hand(self):
        """A basis weighed by z, mixed and resampled, since residual branches are 0."""
        network = small_gan().generator
        z = normal(2, 6)
        basis = network.get_layer("basis")
        x = values(basis.maps) * (z @ values(basis.weigh.kernel))[:, None, None, :]
        for stage in (1, 2):
            x = doubled(x @ values(network.get_layer(f"stage{stage}_transition").kernel)[0, 0])
        (kernel,) = network.get_layer("to_image").get_weights()
        kernel *= 10.0
        network.get_layer("to_image").set_weights([kernel])
        expected = x @ kernel[0, 0]
        self.assertGreater(np.abs(expected).max(), 1.5)
        self.assertAllClose(values(network(z, training=True)), expected, rtol=1e-4, atol=1e-4)
        cut = np.clip(expected, -1.0, 1.0)
        self.assertAllClose(values(network(z, training=False)), cut, rtol=1e-4, atol=1e-4)

    def test_discriminator_at_the_start_by_hand(self):
        network = small_gan().discriminator
        x = images = normal(2, 16, 16, 1)
        (kernel,) = network.get_layer("from_image").get_weights()
        x = x @ kernel[0, 0]
        for stage in (1, 2):
            x = halved(x) @ values(network.get_layer(f"stage{stage}_transition").kernel)[0, 0]
        (basis,) = network.get_layer("basis").get_weights()
        self.assertAllClose(basis.std(), 0.25, rtol=0.1)
        (kernel,) = network.get_layer("logits").get_weights()
        expected = (x * basis[..., 0]).sum((1, 2)) @ kernel
        self.assertAllClose(values(network(images)), expected, rtol=1e-4, atol=1e-4)

    @needs_backend("tensorflow", reason="networks are built by Keras alone")
    def test_embeddings_begin_as_linear_functions_of_the_one_hot_label(self):
        gan = kerasgan.R3GAN((8, 8, 1), 64, 32, num_classes=25, ema_decay=None)
        embeddings = values(gan.generator.get_layer("embedding").embeddings)
        self.assertEqual(embeddings.shape, (25, 64))
        self.assertAllClose(embeddings.std(), 1.0 / 5.0, rtol=0.1)
        embeddings = values(gan.discriminator.get_layer("embedding").embeddings)
        self.assertEqual(embeddings.shape, (25, 64))
        self.assertAllClose(embeddings.std(), 1.0 / 5.0 / 8.0, rtol=0.1)


def doubled(x):
    """Zeros between the pixels and around them, and of each four the sum with [1, 3, 3, 1] / 4."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        wide = np.zeros((2 * len(x) + 3, *x.shape[1:]))
        wide[2:-1:2] = x
        y = [np.tensordot([1, 3, 3, 1], wide[i : i + 4], 1) / 4 for i in range(2 * len(x))]
        x = np.moveaxis(np.stack(y), 0, axis)
    return x


def halved(x):
    """Zeros around the pixels, and of each four at every second place the mean of [1, 3, 3, 1]."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        wide = np.pad(x, [(1, 1), *[(0, 0)] * 3])
        y = [np.tensordot([1, 3, 3, 1], wide[i : i + 4], 1) / 8 for i in range(0, len(x), 2)]
        x = np.moveaxis(np.stack(y), 0, axis)
    return x


class BasisTest(tf.test.TestCase):
    def test_by_hand(self):
        layer = r3_gan.Basis(2, 3)
        z = normal(4, 5)
        y = values(layer(z))
        kernel, maps = values(layer.weigh.kernel), values(layer.maps)
        self.assertEqual((kernel.shape, maps.shape), ((5, 3), (2, 2, 3)))
        for example in range(4):
            for row in range(2):
                for column in range(2):
                    expected = maps[row, column] * (z[example] @ kernel)
                    self.assertAllClose(y[example, row, column], expected, rtol=1e-4, atol=1e-5)

    def test_starts_with_the_variance_of_z(self):
        layer = r3_gan.Basis(4, 256)
        y = values(layer(normal(256, 64)))
        self.assertAllClose(y.std(), 1.0, rtol=0.05)
        self.assertAllClose(values(layer.maps).std(), 1.0, rtol=0.05)

    def test_can_be_copied(self):
        z = keras.Input((5,))
        model = keras.Model(z, r3_gan.Basis(2, 3, name="basis")(z))
        self.assertEqual(model.output_shape, (None, 2, 2, 3))
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        x = normal(4, 5)
        self.assertAllEqual(values(copy(x)), values(model(x)))


class GameTest(tf.test.TestCase):
    def gan_and_batch(self, **kwargs):
        gan = kerasgan.R3GAN((8, 8, 1), latent_dim=4, base_width=4, seed=0)
        awake(gan.discriminator)
        gan.compile(**kwargs)
        return gan, normal(6, 8, 8, 1), normal(6, 8, 8, 1, seed=1), normal(6, 4, seed=2)

    def test_pairs_are_compared(self):
        gan, real, fake, latents = self.gan_and_batch(penalties=[])
        margins = values(gan.discriminator(real)) - values(gan.discriminator(fake))
        self.assertGreater(margins.std(), 0.01)
        loss, logs = gan.discriminator_loss(real, fake, None, latents)
        self.assertAllClose(values(loss), np.log(1.0 + np.exp(-margins)).mean(), rtol=1e-4)
        self.assertEqual(logs, {})
        loss, _ = gan.generator_loss(real, fake, None, latents)
        self.assertAllClose(values(loss), np.log(1.0 + np.exp(margins)).mean(), rtol=1e-4)

    def test_the_discriminator_pays_for_its_gradients_at_real_and_at_generated_images(self):
        gan, real, fake, latents = self.gan_and_batch()
        margins = values(gan.discriminator(real)) - values(gan.discriminator(fake))
        squares = []
        for images in (real, fake):
            gradient = backend.input_gradient(gan.discriminator, ops.convert_to_tensor(images))
            squares.append(np.square(values(gradient)).sum((1, 2, 3)).mean())
        self.assertNotAllClose(*squares, rtol=1e-3)
        loss, logs = gan.discriminator_loss(real, fake, None, latents)
        penalty = 0.5 * sum(squares)  # gamma is 1
        self.assertAllClose(values(logs["gradient_penalty"]), penalty, rtol=1e-4)
        plain = np.log(1.0 + np.exp(-margins)).mean()
        self.assertAllClose(values(loss), plain + penalty, rtol=1e-4)

    def test_settings(self):
        gan, *_ = self.gan_and_batch()
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Relativistic)
        self.assertFalse(gan.adversarial_loss.average)
        self.assertEqual([(p.weight, p.at) for p in gan.penalties], [(0.5, "real"), (0.5, "fake")])
        self.assertEqual(gan.ema_decay, 0.999)
        for player in ("discriminator", "generator"):
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1, adam.beta_2], [2e-4, 0.0, 0.99])
            self.assertAllClose(adam.epsilon, 1e-8)


class BurnInTest(tf.test.TestCase):
    """The schedules, against the formula of the authors' code.

    At image n of N: `end + (start - end) (1 + cos(pi n / N)) / 2`, and the decay of the average is
    0.5 to the power of the images of an update over the half-life at its start.
    """

    schedule = r3_gan.BurnIn(images=800, batch_size=8, gamma=4.0, ema_images=500)

    def by_hand(self, start, end, updates):
        return end + (start - end) * 0.5 * (1.0 + np.cos(np.pi * min(updates * 8 / 800, 1.0)))

    def test_numbers(self):
        for updates in (0, 1, 30, 99, 100, 1000):
            optimizer = self.schedule.optimizer()
            optimizer.build([keras.Variable(np.zeros(2, "float32"))])
            optimizer.iterations.assign(updates)
            found = [values(optimizer.learning_rate), values(optimizer.beta_2)]
            found += [values(self.schedule.penalty_share(updates))]
            found += [values(self.schedule.ema_decay(updates))]
            expected = [self.by_hand(2e-4, 5e-5, updates), self.by_hand(0.9, 0.99, updates)]
            expected += [self.by_hand(1.0, 0.1, updates)]
            expected += [0.5 ** (8 / max(self.by_hand(0.0, 500, updates), 1e-8))]
            self.assertAllClose(found, expected, rtol=1e-5)

    def test_beta_2_is_that_of_the_update(self):
        """Two steps by hand, with the correction of the bias by the current beta_2."""
        variable = keras.Variable(np.zeros(3, "float32"))
        optimizer = r3_gan.BurnInAdam(0.1, 0.0, 0.5, epsilon=1e-8, final_beta_2=0.9, steps=2)
        optimizer.build([variable])
        x, v = np.zeros(3), np.zeros(3)
        for step, beta in ((1, 0.5), (2, 0.7)):
            gradient = normal(3, seed=step)
            optimizer.apply([ops.convert_to_tensor(gradient)])
            v = beta * v + (1.0 - beta) * gradient**2
            x = x - 0.1 * gradient / np.sqrt(v / (1.0 - beta**step))
            self.assertAllClose(values(variable), x, rtol=1e-4)

    def test_is_used_and_saved(self):
        settings = {"base_width": 4, "latent_dim": 4, "seed": 0, "burn_in": self.schedule}
        gan = kerasgan.R3GAN((8, 8, 1), **settings)
        self.assertAllClose(values(gan.ema_decay_after(31, 8)), self.schedule.ema_decay(30))
        gan.compile()
        self.assertEqual([p.weight for p in gan.penalties], [2.0, 2.0])
        awake(gan.discriminator)
        real, fake = normal(3, 8, 8, 1), normal(3, 8, 8, 1, seed=1)
        first, later = [], []
        for costs, updates in ((first, 0), (later, 100)):
            gan.optimizer["discriminator"].iterations.assign(updates)
            costs.append(values(gan.gradient_penalty(real, fake, None, training=True)))
        self.assertAllClose(0.1 * first[0], later[0], rtol=1e-5)
        path = f"{self.create_tempdir().full_path}/model.keras"
        gan.save(path)
        copy = keras.saving.load_model(path)
        self.assertEqual(copy.burn_in.get_config(), self.schedule.get_config())
        for each in (gan, copy):
            optimizer = each.optimizer["generator"]
            self.assertIsInstance(optimizer, r3_gan.BurnInAdam)
            self.assertAllClose(values(optimizer.beta_2), 0.9)
        self.assertAllClose(values(copy.optimizer["discriminator"].beta_2), 0.99)
        self.assertEqual(copy.optimizer["discriminator"].get_config()["beta_2"], 0.9)

    def test_the_first_average_is_the_generator(self):
        gan = kerasgan.R3GAN((8, 8, 1), 4, 4, burn_in=self.schedule, seed=0)
        gan.compile(penalties=[])
        gan.run_eagerly = BACKEND == "tensorflow"
        awake(gan.discriminator)
        before = [w.copy() for w in gan.generator.get_weights()]
        gan.fit(np.tanh(normal(8, 8, 8, 1)), batch_size=8, verbose=0)
        after = gan.generator.get_weights()
        self.assertTrue(any(np.any(a != b) for a, b in zip(before, after, strict=True)))
        for mean, weight in zip(gan.ema_generator.get_weights(), after, strict=True):
            self.assertAllClose(mean, weight, rtol=1e-6, atol=1e-7)

    def test_a_file_of_the_networks_before_is_refused(self):
        config = small_gan(num_classes=3).get_config()
        del config["max_width"], config["burn_in"]
        with self.assertRaisesRegex(
            ValueError, "version 1 of R3GAN's networks.*train the model again"
        ):
            kerasgan.R3GAN.from_config({**config, "conditioning": "projection"})

    def test_out_of_range(self):
        with self.assertRaisesRegex(ValueError, "gamma=0; use a number above 0"):
            r3_gan.BurnIn(100, 10, gamma=0, ema_images=10)


@needs_backend("tensorflow", reason="networks are built by Keras alone")
class PaperTest(tf.test.TestCase):
    def test_widths_are_the_papers(self):
        """From 4x4 on, as in the authors' code."""
        expected = {
            "cifar10": [768] * 4,
            "ffhq64": [768] * 4 + [384],
            "ffhq256": [768] * 4 + [384, 192, 96],
            "imagenet32": [1536] * 4,
            "imagenet64": [1536] * 5,
        }
        for name, widths in expected.items():
            of_paper = presets.find(name, "R3GAN").config["config"]
            names = ("image_shape", "base_width", "max_width")
            found = r3_gan.stage_widths(*(of_paper[n] for n in names))
            self.assertEqual(found[::-1], widths)

    def test_names(self):
        small = {"base_width": 8, "max_width": 8, "ema_decay": None}
        gan = kerasgan.R3GAN.from_preset("ffhq64", weights=None, **small)
        self.assertEqual((gan.image_shape, gan.num_classes), ((64, 64, 3), None))
        found = gan.burn_in.get_config()
        self.assertEqual(
            found,
            {"images": 20_000_000, "batch_size": 256, "gamma": 2.0, "ema_images": 500_000},
        )
        self.assertIsInstance(gan.optimizer["generator"], r3_gan.BurnInAdam)
