import pathlib

import keras
import numpy as np
import published as oracle
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops
from keras.optimizers import SGD
from written_files import archive, state_dict

import kerasgan
from kerasgan.layers import ConditionalBatchNormalization, SelfAttention2D, SpectralNormalization
from kerasgan.models import big_gan
from kerasgan.training.official import PublishedFile
from kerasgan.training.optimizers import all_layers


def values(x):
    return ops.convert_to_numpy(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def small_gan(size=8, **kwargs):
    keras.utils.set_random_seed(0)
    settings = {"latent_dim": 7, "base_width": 2, "embedding_dim": 5, "ema_decay": None, "seed": 0}
    return kerasgan.BigGAN((size, size, 1), 3, **{**settings, **kwargs})


def kernels_of(network):
    """The kernels of the network's own convolutions and matrices, by name."""
    return {
        layer.layer.name: layer.layer.kernel
        for layer in network.layers
        if isinstance(layer, SpectralNormalization)
        and isinstance(layer.layer, (layers.Conv2D, layers.Dense))
    }


def as_matrix(kernel):
    kernel = values(kernel)
    return kernel.reshape(-1, kernel.shape[-1]).astype("float64")


def products(matrix):
    """W^T W without its diagonal."""
    square = matrix.T @ matrix
    return square - np.diag(np.diag(square))


class WidthsTest(tf.test.TestCase):
    def test_tables_of_the_paper(self):
        """Tables 4 to 6, and the released code for 64 and 32 pixels."""
        for size, of_generator, of_discriminator in (
            (32, (4, 4, 4, 4), (4, 4, 4, 4)),
            (64, (16, 16, 8, 4, 2), (1, 2, 4, 8, 16)),
            (128, (16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16)),
            (256, (16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16)),
            (512, (16, 16, 8, 8, 4, 2, 1, 1), (1, 1, 2, 4, 8, 8, 16, 16)),
        ):
            doublings = int(np.log2(size // 4))
            self.assertEqual(big_gan.generator_widths(doublings), of_generator)
            widths, halvings = big_gan.discriminator_widths(doublings)
            self.assertEqual(widths, of_discriminator)
            self.assertEqual(halvings, 2 if size == 32 else doublings)

    @needs_backend("tensorflow", "torch", reason="it compiles for a minute")
    def test_networks_for_128_pixels(self):
        gan = kerasgan.BigGAN((128, 128, 3), 3, base_width=2, ema_decay=None)
        self.assertEqual(gan.latent_dim, 120)
        generator, discriminator = gan.generator, gan.discriminator
        self.assertEqual(generator.get_layer("reshape").output.shape[1:], (4, 4, 32))
        found = [generator.get_layer(f"block{b}").output.shape[1:] for b in range(5)]
        sizes, widths = (8, 16, 32, 64, 128), (32, 16, 8, 4, 2)
        self.assertEqual(found, list(zip(sizes, sizes, widths, strict=True)))
        found = [discriminator.get_layer(f"block{b}").output.shape[1:] for b in range(6)]
        sizes, widths = (64, 32, 16, 8, 4, 4), (2, 4, 8, 16, 32, 32)
        self.assertEqual(found, list(zip(sizes, sizes, widths, strict=True)))
        for network, width in ((generator, 4), (discriminator, 2)):
            (attention,) = (x for x in network.layers if isinstance(x, SelfAttention2D))
            self.assertEqual(attention.input.shape[1:], (64, 64, width))

    def test_small_images_have_no_attention(self):
        gan = small_gan(16)
        for network in (gan.generator, gan.discriminator):
            self.assertFalse(any(isinstance(x, SelfAttention2D) for x in network.layers))


class SkipTest(tf.test.TestCase):
    def test_each_part_of_z_reaches_the_features_that_it_should(self):
        """Parts of 2, 2 and 3 numbers: the first features, the first block, the second."""
        gan = small_gan(16)
        network = gan.generator
        names = ["reshape", "block0_norm1", "block0_norm2", "block1_norm1", "block1_norm2"]
        model = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
        z, labels = normal(2, 7), np.array([0, 2])
        start = [values(y) for y in model([z, labels])]
        for part, expected in (
            (slice(0, 2), [True, True, True, True, True]),
            (slice(2, 4), [False, True, True, True, True]),
            (slice(4, 7), [False, False, False, True, True]),
        ):
            for column in range(part.start, part.stop):
                moved = z.copy()
                moved[:, column] += 1.0
                found = [values(y) for y in model([moved, labels])]
                changed = [
                    not np.allclose(a, b, atol=1e-6) for a, b in zip(start, found, strict=True)
                ]
                self.assertEqual(changed, expected, f"z[{column}]")

    def test_the_class_reaches_every_batch_norm_and_nothing_before(self):
        gan = small_gan(16)
        network = gan.generator
        names = ["reshape", "block0_norm1", "block0_norm2", "block1_norm1", "block1_norm2"]
        conditions = [network.get_layer(f"block{b}_condition").output for b in (0, 1)]
        tensors = [network.get_layer(name).output for name in names]
        model = keras.Model(network.inputs, [*tensors, *conditions])
        z = normal(2, 7)
        first, second = ([values(y) for y in model([z, np.full(2, label)])] for label in (0, 2))
        changed = [not np.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True)]
        self.assertEqual(changed, [False, True, True, True, True, True, True])
        embedding = values(network.get_layer("shared_embedding").embeddings)
        for condition, part in zip(second[-2:], (z[:, 2:4], z[:, 4:7]), strict=True):
            by_hand = np.concatenate([np.tile(embedding[2], (2, 1)), part], axis=1)
            self.assertAllClose(condition, by_hand, atol=1e-6)

    def test_too_few_numbers_for_the_parts(self):
        with self.assertRaisesRegex(ValueError, "latent_dim=2; .*3 parts, so use 3 or more"):
            kerasgan.BigGAN((16, 16, 1), 3, latent_dim=2)
        self.assertEqual(small_gan(latent_dim=None).latent_dim, 40)

    def test_settings_out_of_range_are_refused(self):
        with self.assertRaisesRegex(ValueError, "embedding_dim=None; .*split_latents=False"):
            small_gan(embedding_dim=None)
        for attention in (((2,), ()), ((), (9,)), (0, 1), ((0,),)):
            with self.assertRaisesRegex(ValueError, "numbers of the generator's 2 blocks, and of"):
                small_gan(16, attention=attention)


class OrthogonalTest(tf.test.TestCase):
    def test_kernels_begin_orthogonal(self):
        gan = small_gan(16)
        for network, count in ((gan.generator, 8), (gan.discriminator, 8)):
            found = kernels_of(network)
            self.assertLen(found, count)
            for name, kernel in found.items():
                matrix = as_matrix(kernel)
                smaller = matrix.T @ matrix if len(matrix) > len(matrix.T) else matrix @ matrix.T
                self.assertAllClose(smaller, np.eye(len(smaller)), atol=1e-4, msg=name)

    def regularization(self, gan):
        matrices = [as_matrix(kernel) for kernel in kernels_of(gan.generator).values()]
        return gan.orthogonal_weight * sum(np.sum(products(matrix) ** 2) for matrix in matrices)

    def test_is_the_generators_alone_and_of_its_own_kernels(self):
        gan = small_gan(orthogonal_weight=0.3)
        self.assertEmpty(gan.discriminator.losses)
        self.assertLen(gan.generator.losses, len(kernels_of(gan.generator)))
        found = float(values(sum(gan.generator.losses)))
        self.assertAllClose(found, self.regularization(gan), rtol=1e-4)
        self.assertGreater(found, 0.1)

    def step(self, gan, rate):
        gan.compile({"generator": SGD(rate), "discriminator": SGD(0.0)}, discriminator_steps=1)
        gan.run_eagerly = True
        real, labels = np.tanh(normal(4, 8, 8, 1)), np.array([0, 1, 2, 0], "int32")
        return gan.train_on_batch(real, labels, return_dict=True)

    @needs_backend("tensorflow", "torch", reason="it compiles for a minute")
    def test_is_part_of_the_loss_and_of_the_gradient_in_training(self):
        """d/dW |W^T W * (1 - I)|^2 = 4 W (W^T W * (1 - I)); adversarial gradients cancel out."""
        weak, strong = (small_gan(orthogonal_weight=w) for w in (0.1, 0.3))
        before = {name: as_matrix(k) for name, k in kernels_of(weak.generator).items()}
        costs = [self.regularization(gan) for gan in (weak, strong)]
        logs = [self.step(gan, 0.01) for gan in (weak, strong)]
        difference = logs[1]["generator_loss"] - logs[0]["generator_loss"]
        self.assertAllClose(difference, costs[1] - costs[0], rtol=1e-3)
        self.assertAllClose(logs[0]["discriminator_loss"], logs[1]["discriminator_loss"])
        after = [kernels_of(gan.generator) for gan in (weak, strong)]
        for name, matrix in before.items():
            found = as_matrix(after[1][name]) - as_matrix(after[0][name])
            by_hand = -0.01 * (0.3 - 0.1) * 4.0 * matrix @ products(matrix)
            self.assertAllClose(found, by_hand, rtol=1e-2, atol=1e-6, msg=name)
        largest = max(np.abs(matrix @ products(matrix)).max() for matrix in before.values())
        self.assertGreater(largest, 0.1)  # or nothing has been compared


class BigGANTest(tf.test.TestCase):
    def test_logit_is_that_of_the_image_plus_an_inner_product(self):
        network = small_gan().discriminator
        images, labels = normal(6, 8, 8, 1), np.array([0, 1, 2, 0, 1, 2])
        phi = values(keras.Model(network.inputs, network.get_layer("sum").output)([images, labels]))
        before = keras.Model(network.inputs, network.get_layer("relu").output)([images, labels])
        self.assertAllClose(phi, values(before).sum((1, 2)), rtol=1e-4, atol=1e-4)
        psi, embedding = network.get_layer("logits_sn"), network.get_layer("embedding_sn")
        kernel = values(psi.layer.kernel) / float(values(psi.sigma()))
        rows = values(embedding.layer.embeddings) / float(values(embedding.sigma()))
        by_hand = phi @ kernel + values(psi.layer.bias) + (phi * rows[labels]).sum(1, keepdims=True)
        self.assertAllClose(values(network([images, labels])), by_hand, rtol=1e-4, atol=1e-4)

    def test_every_weight_is_spectrally_normalized(self):
        """But the shared embedding, which is no map of features, and the last batch norm."""
        gan = small_gan()
        for network, plain in (
            (gan.generator, ["shared_embedding", "norm"]),
            (gan.discriminator, []),
        ):
            inside = {
                id(v)
                for layer in all_layers([network])
                if isinstance(layer, SpectralNormalization)
                for v in layer.layer.trainable_variables
            }
            others = {id(v) for name in plain for v in network.get_layer(name).trainable_variables}
            self.assertEqual({id(v) for v in network.trainable_variables} - others, inside)
        norms = [x for x in gan.generator.layers if isinstance(x, ConditionalBatchNormalization)]
        for norm in norms:
            before = values(norm.gamma.u)
            gan.power_iteration("generator")
            self.assertNotAllClose(values(norm.gamma.u), before, atol=1e-6)
        self.assertLen(norms, 2)

    def test_truncation(self):
        gan = small_gan()
        latents = gan.latents(500, seed=0, truncation=0.5)
        self.assertLessEqual(np.abs(latents).max(), 0.5)
        images = gan.generate(6, seed=0, labels=1, truncation=0.5)
        self.assertAllClose(images, gan.generate_from(latents[:6], labels=1), atol=1e-5)
        self.assertNotAllClose(images, gan.generate(6, seed=0, labels=1))
        spread = [
            gan.generate(64, seed=0, labels=1, truncation=bound).std(0).mean()
            for bound in (0.02, 0.5, None)
        ]
        self.assertLess(spread[0], 0.3 * spread[1])
        self.assertLess(spread[1], spread[2])

    def test_settings(self):
        gan = small_gan()
        gan.compile()
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Hinge)
        self.assertEqual(gan.discriminator_steps, 2)
        self.assertEqual(kerasgan.BigGAN((8, 8, 1), 3, base_width=2).ema_decay, 0.9999)
        for player, rate in (("discriminator", 2e-4), ("generator", 5e-5)):
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1, adam.beta_2], [rate, 0.0, 0.999])

    def test_configuration(self):
        gan = small_gan(orthogonal_weight=0.3)
        copy = kerasgan.BigGAN.from_config(gan.get_config())
        found = (copy.embedding_dim, copy.orthogonal_weight, copy.ema_decay, copy.latent_dim)
        self.assertEqual(found, (5, 0.3, None, 7))
        copy.generator.set_weights(gan.generator.get_weights())
        both = [each.generate(3, seed=0, labels=2) for each in (gan, copy)]
        self.assertAllClose(*both, atol=1e-6)
        self.assertAllClose(
            values(sum(copy.generator.losses)), values(sum(gan.generator.losses)), rtol=1e-5
        )


def published(kind, settings, seed=0):
    """Random arrays of a published network, by the program's names."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in big_gan.shapes_of(big_gan.published_places(kind, settings)).items():
        array = random.normal(size=shape)
        if name.endswith("stored_var"):
            array = np.exp(array)
        found[name] = np.asarray(array, "float32")
    return found


class Program:
    """The layers of the published program in PyTorch, of functions."""

    def __init__(self, arrays):
        import torch

        self.torch, self.functional = torch, torch.nn.functional
        self.arrays = {name: torch.tensor(array) for name, array in arrays.items()}

    def weight(self, name):
        """Divided by the largest singular value, after an iteration from what is kept."""
        weight = self.arrays[f"{name}.weight"]
        matrix = weight.reshape(len(weight), -1)
        v = self.functional.normalize(self.arrays[f"{name}.u0"] @ matrix)
        u = self.functional.normalize(v @ matrix.T)
        return weight / (v @ matrix.T @ u.T)

    def conv(self, x, name):
        weight = self.weight(name)
        bias = self.arrays.get(f"{name}.bias")
        return self.functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def dense(self, x, name):
        return self.functional.linear(x, self.weight(name), self.arrays.get(f"{name}.bias"))

    def normalized(self, x, name):
        statistics = (self.arrays[f"{name}.stored_{n}"] for n in ("mean", "var"))
        return self.functional.batch_norm(x, *statistics, eps=1e-5)

    def attention(self, x, name):
        maps = {n: self.conv(x, f"{name}.{n}") for n in ("theta", "phi", "g")}
        for n in ("phi", "g"):
            maps[n] = self.functional.max_pool2d(maps[n], 2)
        theta, phi, g = (m.flatten(2) for m in maps.values())
        share = self.torch.softmax(theta.transpose(1, 2) @ phi, -1)
        seen = (g @ share.transpose(1, 2)).reshape(len(x), -1, *x.shape[2:])
        return x + self.arrays[f"{name}.gamma"] * self.conv(seen, f"{name}.o")

    def up(self, x, y, name):
        def normalized(x, number):
            start = f"{name}.bn{number}"
            gain, bias = (self.dense(y, f"{start}.{n}")[:, :, None, None] for n in ("gain", "bias"))
            return self.functional.relu(self.normalized(x, start) * (1 + gain) + bias)

        def enlarged(x):
            return self.functional.interpolate(x, scale_factor=2)

        h = self.conv(enlarged(normalized(x, 1)), f"{name}.conv1")
        h = self.conv(normalized(h, 2), f"{name}.conv2")
        return h + self.conv(enlarged(x), f"{name}.conv_sc")

    def images(self, z, labels):
        blocks = sum(n.endswith("conv1.weight") for n in self.arrays)
        first, *parts = self.torch.chunk(self.torch.tensor(z), blocks + 1, 1)
        embedded = self.arrays["shared.weight"][self.torch.tensor(labels).long()]
        x = self.dense(first, "linear").reshape(len(z), -1, 4, 4)
        for block, part in enumerate(parts):
            x = self.up(x, self.torch.cat([embedded, part], 1), f"blocks.{block}.0")
            if f"blocks.{block}.1.gamma" in self.arrays:
                x = self.attention(x, f"blocks.{block}.1")
        x = self.normalized(x, "output_layer.0")
        gain, bias = (self.arrays[f"output_layer.0.{n}"] for n in ("gain", "bias"))
        x = self.functional.relu(x * gain[:, None, None] + bias[:, None, None])
        return self.torch.tanh(self.conv(x, "output_layer.2")).permute(0, 2, 3, 1).numpy()

    def logits(self, images, labels, halvings):
        x = self.torch.tensor(images).permute(0, 3, 1, 2)
        for block in range(sum(n.endswith("conv1.weight") for n in self.arrays)):
            name = f"blocks.{block}.0"
            h = self.conv(x if block == 0 else self.functional.relu(x), f"{name}.conv1")
            h = self.conv(self.functional.relu(h), f"{name}.conv2")
            if f"{name}.conv_sc.weight" in self.arrays:
                x = self.conv(x, f"{name}.conv_sc")
            x = h + x
            if block < halvings:
                x = self.functional.avg_pool2d(x, 2)
            if f"blocks.{block}.1.gamma" in self.arrays:
                x = self.attention(x, f"blocks.{block}.1")
        x = self.functional.relu(x).sum((2, 3))
        embedded = self.weight("embed")[self.torch.tensor(labels).long()]
        return (self.dense(x, "linear") + (embedded * x).sum(1, keepdim=True)).numpy()


class OfficialTest(tf.test.TestCase, parameterized.TestCase):
    @needs_backend("torch", reason="it compares with PyTorch")
    def test_networks_compute_what_the_published_ones_do(self):
        """With attention, and for small images without."""
        for size, halvings in ((128, 5), (32, 2)):
            settings = {"image_shape": (size, size, 3), "num_classes": 4}
            settings["base_width"] = 8 if size == 128 else 2  # 8 is the least with attention
            settings |= {"latent_dim": 18 if size == 128 else 12, "embedding_dim": 5}
            settings |= {"norm_epsilon": 1e-5}
            tree = {name: published(name[0], settings) for name in ("G_ema", "D")}
            self.assertEqual(size == 128, "blocks.3.1.gamma" in tree["G_ema"])
            folder = pathlib.Path(self.create_tempdir().full_path)
            gan = kerasgan.BigGAN.from_published_file(PublishedFile(folder, tree), None, {})
            self.assertEqual(gan.official.settings, settings)
            self.assertEqual(gan.not_in_file(), [])
            random = np.random.default_rng(1)
            z = random.normal(size=(2, settings["latent_dim"])).astype("float32")
            labels = np.array([3, 1], "int32")
            wanted = Program(tree["G_ema"]).images(z, labels)
            found = ops.convert_to_numpy(gan.ema_generator([z, labels], training=False))
            self.assertAllClose(found, wanted, rtol=0.0, atol=2e-5)
            images = random.uniform(-1.0, 1.0, (2, size, size, 3)).astype("float32")
            wanted = Program(tree["D"]).logits(images, labels, halvings)
            found = ops.convert_to_numpy(gan.discriminator([images, labels], training=False))
            self.assertAllClose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())

    @parameterized.parameters(
        ("biggan", 5, ((0, 1), (0, 1, 2, 3))), ("biggan_rows", None, ((), ()))
    )
    @needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")
    def test_networks_with_other_settings(self, name, embedding_dim, attention):
        """Noise that is not split, classes in each batch norm, attention after other blocks."""
        settings = {"image_shape": (32, 32, 3), "num_classes": 4, "latent_dim": 6, "base_width": 2}
        settings |= {"embedding_dim": embedding_dim, "norm_epsilon": 1e-5, "split_latents": False}
        settings |= {"attention": attention} if attention != ((), ()) else {}
        networks = ["G", "D"] if name == "biggan" else ["G"]
        tree = {}
        for network in networks:
            shapes = big_gan.shapes_of(big_gan.published_places(network, settings))
            tree[network] = oracle.arrays(f"{name}.{network}", shapes)
        folder = pathlib.Path(self.create_tempdir().full_path)
        file = PublishedFile(folder, tree)
        gan = kerasgan.BigGAN.from_published_file(file, None, {"ema_decay": None})
        self.assertEqual(gan.official.settings, settings)
        labels = np.array([3, 1], "int32")
        images = values(gan.generator([oracle.inputs(f"{name}.z", 2, 6), labels], training=False))
        wanted = oracle.outputs(f"{name}.generator")
        self.assertAllClose(images[:, ::2, ::2], wanted, rtol=0.0, atol=1e-5)
        if "D" in tree:
            images = np.moveaxis(oracle.inputs(f"{name}.images", 2, 3, 32, 32), 1, -1)
            found = values(gan.discriminator([images, labels], training=False))
            wanted = oracle.outputs(f"{name}.discriminator")
            self.assertAllClose(found, wanted, rtol=1e-6, atol=1e-4)
        copy = kerasgan.BigGAN.from_config(gan.get_config())
        self.assertEqual(copy.get_config(), gan.get_config())

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_a_folder_with_earlier_copies(self):
        """The program keeps several, of each network and of each optimizer."""
        settings = {"image_shape": (8, 8, 3), "num_classes": 4, "base_width": 2}
        settings |= {"latent_dim": 4, "embedding_dim": 5, "norm_epsilon": 1e-5}
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("G", "G_ema", "D"):
            arrays = published(name[0], settings)
            for copy in ("", "_best0", "_best1", "_copy0"):
                changed = {**arrays, "linear.bias": arrays["linear.bias"] + bool(copy)}
                (folder / f"{name}{copy}.pth").write_bytes(state_dict(changed, archive))
                (folder / f"{name}_optim{copy}.pth").write_bytes(b"not read")
        found = kerasgan.BigGAN.published_in(PublishedFile.read(folder))
        self.assertEqual(list(found.networks), ["G", "G_ema", "D"])
        bias = found.networks["D"]["linear.bias"]
        self.assertAllEqual(bias, published("D", settings)["linear.bias"])
        for name in ("G", "G_ema", "D"):
            (folder / f"{name}.pth").unlink()
        with self.assertRaisesRegex(ValueError, "has 9 .pth files"):
            PublishedFile.read(folder)

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_files_of_other_forms(self):
        settings = {"image_shape": (16, 16, 3), "num_classes": 4, "base_width": 2}
        settings |= {"latent_dim": 6, "embedding_dim": 5, "norm_epsilon": 1e-5}
        arrays = published("G", settings)
        # Where batches are normalized across GPUs.
        renamed = {}
        for name, array in arrays.items():
            across = name.replace("bn1.stored_", "bn1.bn.running_").replace("bn2.st", "bn2.bn.st")
            renamed[across] = array
        renamed |= {"linear.u1": np.ones((1, 9)), "output_layer.0.bn.running_mean": np.ones(8)}
        renamed |= {"output_layer.0.bn.running_var": renamed.pop("output_layer.0.stored_var")}
        del renamed["output_layer.0.stored_mean"]
        renamed |= {"linear.sv0": np.ones(1), "blocks.0.0.bn1.bn.num_batches_tracked": np.ones(())}
        for stem, names in (("G_ema_best0", {"G_ema"}), ("G", {"G"}), ("138k", {"G_ema"})):
            file = PublishedFile(pathlib.Path(f"{stem}.pth"), renamed)
            found = kerasgan.BigGAN.published_in(file)
            self.assertEqual((set(found.networks), found.settings), (names, settings))
            self.assertIn("on several GPUs: multiplied", found.ignored[0])
        gan = kerasgan.BigGAN.from_published_file(file, None, {})
        norm = gan.generator.get_layer("block1_norm2")
        mean = ops.convert_to_numpy(norm.normalize.moving_mean)
        self.assertAllEqual(mean, arrays["blocks.1.0.bn2.stored_mean"])
        kernel = ops.convert_to_numpy(gan.generator.get_layer("block0_conv2_sn").layer.kernel)
        self.assertAllEqual(kernel.transpose(3, 2, 0, 1), arrays["blocks.0.0.conv2.weight"])
        self.assertEqual(gan.not_in_file(), ["discriminator"])

        for left_out, reason in (
            ("linear.u0", "G has no linear.u0, so it is without spectral normalization"),
            ("blocks.1.0.bn2.gain.u0", "G lacks blocks.1.0.bn2.gain.u0"),
        ):
            less = {n: a for n, a in arrays.items() if n != left_out}
            with self.assertRaisesRegex(ValueError, rf"G\.pth: .*{reason}"):
                file = PublishedFile(pathlib.Path("G.pth"), less)
                kerasgan.BigGAN.from_published_file(file, None, {})
        file = PublishedFile(pathlib.Path("D.pth"), published("D", settings))
        with self.assertRaisesRegex(ValueError, "it has no generator"):
            kerasgan.BigGAN.from_published_file(file, None, {})
