import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan import backend
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


class NetworksTest(tf.test.TestCase):
    def test_parameters(self):
        gan = small_gan()
        stages = 2 * of_block(32) + 2 * of_block(16) + 2 * of_block(8) + 32 * 16 + 16 * 8
        basis = 4 * 4 * 32
        self.assertEqual(count(gan.generator), basis + 6 * 32 + stages + 8 + 1)
        self.assertEqual(count(gan.discriminator), (8 + 8) + stages + basis + 32 + 1)
        self.assertEqual(gan.generator.count_params(), count(gan.generator))  # no normalization

    def test_widths_double_up_to_eight_times(self):
        self.assertEqual(r3_gan.stage_widths(96, 6), [96, 192, 384, 768, 768, 768, 768])
        x = keras.Input((4, 4, 8))
        self.assertIs(r3_gan.transition(x, 8, "none"), x)

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
        """A basis weighed by z, resampled and mixed, since residual branches are 0."""
        network = small_gan().generator
        z = normal(2, 6)
        basis = network.get_layer("basis")
        x = values(basis.maps) * (z @ values(basis.weigh.kernel))[:, None, None, :]
        for stage in (1, 2):
            x = doubled(x) @ values(network.get_layer(f"stage{stage}_transition").kernel)[0, 0]
        kernel, bias = network.get_layer("to_image").get_weights()
        expected = np.tanh(x @ kernel[0, 0] + bias)
        self.assertAllClose(values(network(z)), expected, rtol=1e-4, atol=1e-4)

    def test_discriminator_at_the_start_by_hand(self):
        network = small_gan().discriminator
        x = images = normal(2, 16, 16, 1)
        kernel, bias = network.get_layer("from_image").get_weights()
        x = x @ kernel[0, 0] + bias
        for stage in (1, 2):
            n, size, _, width = x.shape
            x = x.reshape(n, size // 2, 2, size // 2, 2, width).mean((2, 4))
            x = x @ values(network.get_layer(f"stage{stage}_transition").kernel)[0, 0]
        (basis,) = network.get_layer("basis").get_weights()
        self.assertAllClose(basis.std(), 0.25, rtol=0.1)
        kernel, bias = network.get_layer("logits").get_weights()
        expected = (x * basis[..., 0]).sum((1, 2)) @ kernel + bias
        self.assertAllClose(values(network(images)), expected, rtol=1e-4, atol=1e-4)

    def test_labels_join_the_noise_and_are_stacked_on_the_image(self):
        gan = small_gan(num_classes=3)
        self.assertEqual(gan.generator.get_layer("basis").weigh.kernel.shape, (6 + 3, 32))
        self.assertEqual(gan.discriminator.get_layer("from_image").kernel.shape[2], 1 + 3)
        gan = small_gan(num_classes=3, conditioning="projection")
        self.assertEqual(gan.discriminator.get_layer("embedding").embeddings.shape, (3, 32))


def doubled(x):
    """Bilinear between the centres of pixels: 3/4 of the nearest and 1/4 of the next."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
        pairs = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1)
        x = np.moveaxis(pairs.reshape(-1, *x.shape[1:]), 0, axis)
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
