import numpy as np
import tensorflow as tf
from keras import layers, ops
from layer_helpers import normal

from kerasgan.layers import (
    ConditionalBatchNormalization,
    SelfAttention2D,
    SpectralNormalization,
    convolutional_discriminator,
    convolutional_generator,
    residual_discriminator,
    residual_generator,
)
from kerasgan.training.optimizers import all_layers


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def convolution(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


def kernels(network):
    """Kernel and bias of each convolution and matrix by name, divided by sigma if normalized."""
    found = {}
    for layer in network.layers:
        sigma = 1.0
        if isinstance(layer, SpectralNormalization):
            sigma, layer = float(ops.convert_to_numpy(layer.sigma())), layer.layer
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            kernel, bias = layer.get_weights()
            found[layer.name] = kernel / sigma, bias
    return found


def relu(x):
    return np.maximum(x, 0.0)


def convolved(x, weights):
    """A 'same' convolution as a sum over the places of its kernel."""
    kernel, bias = weights
    edge = kernel.shape[0] // 2
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    y = np.zeros((*x.shape[:3], kernel.shape[-1])) + bias
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            part = padded[:, row : row + height, column : column + width]
            y += part @ kernel[row, column]
    return y


def pooled(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4.0


def doubled(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def with_biases(network):
    """Biases start at 0, where one that is forgotten would not be missed."""
    for index, variable in enumerate(network.trainable_variables):
        if len(variable.shape) == 1:
            variable.assign(variable + 0.1 * normal(*variable.shape, seed=index))
    return network


class NetworksByHandTest(tf.test.TestCase):
    def test_discriminator(self):
        """Two blocks, the first of which halves the resolution; pooling by sums."""
        network = with_biases(residual_discriminator((8, 8, 3), base_width=4, pyramid=True))
        w, x = kernels(network), normal(3, 8, 8, 3)
        y = convolved(relu(convolved(x, w["block0_conv1"])), w["block0_conv2"])
        x = pooled(y) + pooled(convolved(x, w["block0_shortcut"]))
        y = convolved(relu(x), w["block1_conv1"])
        x = x + convolved(relu(y), w["block1_conv2"])
        kernel, bias = w["logits"]
        expected = relu(x).sum((1, 2)) @ kernel + bias
        found = ops.convert_to_numpy(network(normal(3, 8, 8, 3)))
        self.assertAllClose(found, expected, rtol=1e-4, atol=1e-4)

    def test_generator(self):
        for spectral in (True, False):
            network = with_biases(residual_generator((8, 8, 3), 5, 4, spectral=spectral))
            w, z = kernels(network), normal(6, 5)

            def norm(x, name, network=network):
                gamma, beta = network.get_layer(name).get_weights()[:2]
                centred = x - x.mean((0, 1, 2))
                return gamma * centred / np.sqrt(x.var((0, 1, 2)) + 2e-5) + beta

            x = (z @ w["project"][0] + w["project"][1]).reshape(6, 4, 4, 8)
            y = convolved(doubled(relu(norm(x, "block0_norm1"))), w["block0_conv1"])
            y = convolved(relu(norm(y, "block0_norm2")), w["block0_conv2"])
            x = y + convolved(doubled(x), w["block0_shortcut"])
            expected = np.tanh(convolved(relu(norm(x, "norm")), w["to_image"]))
            found = ops.convert_to_numpy(network(z, training=True))
            self.assertAllClose(found, expected, rtol=1e-3, atol=1e-3)


class PyramidTest(tf.test.TestCase):
    def test_generator_has_twice_the_maps_at_each_lower_resolution_but_the_lowest(self):
        """Miyato et al., table 3: 16, 16, 8, 4, ... times the width next to the image."""
        network = residual_generator((32, 32, 3), 5, 2, pyramid=True)
        self.assertEqual(network.get_layer("reshape").output.shape, (None, 4, 4, 8))
        outputs = [network.get_layer(f"block{block}").output.shape[1:] for block in range(3)]
        self.assertEqual(outputs, [(8, 8, 8), (16, 16, 4), (32, 32, 2)])
        expected = 5 * 128 + 128
        for inputs, width in ((8, 8), (8, 4), (4, 2)):
            expected += convolution(3, inputs, width) + convolution(3, width, width)
            expected += convolution(1, inputs, width) + 2 * inputs + 2 * width  # batch norms
        expected += 2 * 2 + convolution(3, 2, 3)
        self.assertEqual(count(network), expected)

    def test_discriminator_has_twice_the_maps_after_each_halving_down_to_4x4(self):
        network = residual_discriminator((32, 32, 3), 2, pyramid=True)
        outputs = [network.get_layer(f"block{block}").output.shape[1:] for block in range(4)]
        self.assertEqual(outputs, [(16, 16, 2), (8, 8, 4), (4, 4, 8), (4, 4, 8)])
        expected = 8 + 1
        for inputs, width in ((3, 2), (2, 4), (4, 8), (8, 8)):
            expected += convolution(3, inputs, width) + convolution(3, width, width)
            expected += convolution(1, inputs, width) if inputs != width else 0
        self.assertEqual(count(network), expected)


class PublishedNetworksTest(tf.test.TestCase):
    """Sizes and widths of the paper's tables, 32 times narrower where the paper starts from 64."""

    def blocks(self, network):
        found = [x.output.shape[1:] for x in network.layers if isinstance(x, layers.Add)]
        return [(height, width) for height, _, width in found]

    def test_cifar_10(self):
        """Table 4: 256 maps in the generator, 128 in the discriminator."""
        generator = residual_generator((32, 32, 3), 5, 2)
        self.assertEqual(generator.get_layer("reshape").output.shape[1:], (4, 4, 4))
        self.assertEqual(self.blocks(generator), [(8, 4), (16, 4), (32, 4)])
        discriminator = residual_discriminator((32, 32, 3), 2)
        self.assertEqual(self.blocks(discriminator), [(16, 2), (8, 2), (8, 2), (8, 2)])

    def test_stl_10(self):
        """Table 5: from 6x6x512; 64, 128, 256, 512 and a block of 1024 at 3x3."""
        generator = residual_generator((48, 48, 3), 5, 2)
        self.assertEqual(generator.get_layer("reshape").output.shape[1:], (6, 6, 16))
        self.assertEqual(self.blocks(generator), [(12, 8), (24, 4), (48, 2)])
        discriminator = residual_discriminator((48, 48, 3), 2)
        self.assertEqual(self.blocks(discriminator), [(24, 2), (12, 4), (6, 8), (3, 16), (3, 32)])

    def test_imagenet(self):
        """Table 6, and the program of Miyato and Koyama for 64 pixels."""
        generator = residual_generator((128, 128, 3), 5, 1)
        self.assertEqual(generator.get_layer("reshape").output.shape[1:], (4, 4, 16))
        self.assertEqual(self.blocks(generator), [(8, 16), (16, 8), (32, 4), (64, 2), (128, 1)])
        discriminator = residual_discriminator((128, 128, 3), 1)
        self.assertEqual(
            self.blocks(discriminator), [(64, 1), (32, 2), (16, 4), (8, 8), (4, 16), (4, 16)]
        )
        generator = residual_generator((64, 64, 3), 5, 1)
        self.assertEqual(generator.get_layer("reshape").output.shape[1:], (4, 4, 16))
        self.assertEqual(self.blocks(generator), [(8, 8), (16, 4), (32, 2), (64, 1)])
        discriminator = residual_discriminator((64, 64, 3), 1)
        self.assertEqual(self.blocks(discriminator), [(32, 1), (16, 2), (8, 4), (4, 8), (2, 16)])

    def test_blocks_of_the_discriminator_widen_at_their_second_convolution(self):
        kernels = {
            x.name: x.layer.kernel.shape
            for x in residual_discriminator((48, 48, 3), 2).layers
            if isinstance(x, SpectralNormalization)
        }
        self.assertEqual(kernels["block0_conv1_sn"], (3, 3, 3, 2))
        self.assertEqual(kernels["block1_conv1_sn"], (3, 3, 2, 2))
        self.assertEqual(kernels["block1_conv2_sn"], (3, 3, 2, 4))

    def test_initial_variances(self):
        """Of Glorot's in shortcuts and at the image, twice it in the blocks' 3x3 convolutions."""
        network = residual_generator((8, 8, 3), 5, 16)
        for name, fans, gain in (
            ("block0_conv1", 9 * (32 + 32), 2.0),
            ("block0_shortcut", 32 + 32, 1.0),
            ("to_image", 9 * (32 + 3), 1.0),
        ):
            kernel = ops.convert_to_numpy(network.get_layer(name).kernel)
            self.assertAllClose(kernel.std(), np.sqrt(gain * 2.0 / fans), rtol=0.15)


class SpectralTest(tf.test.TestCase):
    def test_all_weights_of_the_generator_but_the_batch_norms_are_normalized(self):
        for spectral in (True, False):
            network = residual_generator(
                (8, 8, 1), 5, 4, 3, "projection", spectral=spectral, attention_size=4
            )
            wrapped, plain = [], []
            for layer in network.layers:
                if isinstance(layer, SelfAttention2D):
                    convolutions = (layer.f, layer.g, layer.h, layer.v)
                    wrapped += [x for x in convolutions if isinstance(x, SpectralNormalization)]
                    plain += [x for x in convolutions if isinstance(x, layers.Conv2D)]
                elif isinstance(layer, SpectralNormalization):
                    wrapped.append(layer)
                elif isinstance(layer, (layers.Conv2D, layers.Dense)):
                    plain.append(layer)
            # project, three of the block, to_image, four of attention
            self.assertEqual((len(wrapped), len(plain)), (9, 0) if spectral else (0, 9))

    def test_all_weights_of_the_discriminator_are_normalized_or_none(self):
        for spectral in (True, False):
            network = residual_discriminator(
                (8, 8, 1), 4, 3, "projection", spectral=spectral, attention_size=4
            )
            wrapped = [x for x in all_layers([network]) if isinstance(x, SpectralNormalization)]
            inside = {id(v) for layer in wrapped for v in layer.layer.trainable_variables}
            if spectral:
                inside.add(id(network.get_layer("attention").gamma))
                self.assertEqual(inside, {id(v) for v in network.trainable_variables})
            else:
                self.assertEqual(inside, set())


class AttentionTest(tf.test.TestCase):
    def attended(self, network):
        """The names of the layers that attention follows, and the sizes there."""
        found = []
        for layer in network.layers:
            if isinstance(layer, SelfAttention2D):
                before = layer.input._keras_history.operation.name
                found.append((before, *layer.input.shape[1:3]))
        return found

    def test_follows_the_features_of_the_size_asked_for(self):
        for size, generator, discriminator in (
            (None, [], []),
            (4, [("reshape", 4, 4)], [("block1", 4, 4)]),
            (8, [("block0", 8, 8)], [("block0", 8, 8)]),
            (5, [], []),
        ):
            settings = {"pyramid": True, "attention_size": size}
            network = residual_generator((16, 16, 1), 5, 2, **settings)
            self.assertEqual(self.attended(network), generator)
            network = residual_discriminator((16, 16, 1), 2, **settings)
            self.assertEqual(self.attended(network), discriminator)

    def test_once_though_several_blocks_have_the_size(self):
        network = residual_discriminator((16, 16, 1), 2, attention_size=8)
        self.assertEqual(self.attended(network), [("block0", 8, 8)])

    def test_what_follows_sees_it(self):
        """With another gamma the output is another one."""
        z = normal(2, 5)
        generator = residual_generator((8, 8, 1), 5, 4, attention_size=4)
        discriminator = residual_discriminator((8, 8, 1), 4, attention_size=4)
        for network, inputs in ((generator, z), (discriminator, normal(2, 8, 8, 1))):
            before = ops.convert_to_numpy(network(inputs))
            network.get_layer("attention").gamma.assign(1.0)
            after = ops.convert_to_numpy(network(inputs))
            self.assertGreater(np.abs(after - before).max(), 1e-3)


class LabelsTest(tf.test.TestCase):
    def test_projection_gives_each_class_its_batch_norms_and_one_hot_joins_the_noise(self):
        for conditioning, norms, inputs in (("projection", 2, 5), ("one_hot", 0, 5 + 3)):
            network = residual_generator((8, 8, 1), 5, 4, 3, conditioning, spectral=True)
            found = [x for x in network.layers if isinstance(x, ConditionalBatchNormalization)]
            self.assertLen(found, norms)
            self.assertEqual(network.get_layer("project_sn").layer.kernel.shape[0], inputs)

    def test_another_conditioning(self):
        sized = {"base_width": 4, "num_classes": 3, "conditioning": "onehot"}
        for network, given in (
            (residual_generator, {"latent_dim": 4}),
            (residual_discriminator, {}),
            (convolutional_generator, {"latent_dim": 4}),
            (convolutional_discriminator, {}),
        ):
            with self.assertRaisesRegex(ValueError, "conditioning='onehot'; use one of 'one_hot'"):
                network((8, 8, 1), **given, **sized)
