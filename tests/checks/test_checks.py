import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend

import kerasgan
from kerasgan import checks

layers = keras.layers


def images(count=16, channels=1):
    random = np.random.default_rng(0)
    return random.uniform(-1.0, 1.0, (count, 4, 4, channels)).astype("float32")


def labels(count=16):
    return np.arange(count, dtype="int32") % 2


class Conditional(kerasgan.GAN):
    """Images of two classes, at the price of a few weights."""

    def __init__(self):
        z, of_image, label = (
            keras.Input((2,)),
            keras.Input((4, 4, 1)),
            keras.Input((), dtype="int32"),
        )
        made = layers.Reshape((4, 4, 1))(layers.Dense(16, "tanh")(z))
        made = made + layers.Reshape((4, 4, 1))(layers.Embedding(2, 16)(label))
        judged = layers.Dense(1)(layers.Flatten()(of_image)) + layers.Embedding(2, 1)(label)
        super().__init__(
            keras.Model([z, label], made), keras.Model([of_image, label], judged), 2, num_classes=2
        )


def plain(**kwargs):
    gan = kerasgan.VanillaGAN((4, 4, 1), latent_dim=2, hidden_units=(), seed=0)
    gan.compile(steps_per_execution=1, jit_compile=False, **kwargs)
    return gan


def conditional():
    gan = Conditional()
    gan.compile(steps_per_execution=1, jit_compile=False)
    return gan


def translating():
    gan = kerasgan.Pix2Pix((4, 4, 1), base_width=1, receptive_field=1)
    gan.compile(steps_per_execution=1, jit_compile=False)
    return gan


def dataset(*arrays, batch=8):
    arrays = arrays[0] if len(arrays) == 1 else arrays
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return tuple(array[8 * index : 8 * index + 8] for array in self.arrays)


def batches(*arrays):
    yield from (Batches(*arrays)[index] for index in range(2))


def with_one(array, value, index=13):
    array = array.copy()
    array[index, ...] = value
    return array


RANGE, SCALE = r"from -?\d.* in \[-1, 1\]", r"never below 0.* in 0\.\.1; .*2 \* images - 1"
NAN = "real images hold NaN.*image 13 of 16"
WRONG_IMAGES = {
    "0..255": (127.5 * images() + 127.5, RANGE),
    "0..1": (0.5 * images() + 0.5, SCALE),
    "NaN": (with_one(images(), np.nan), NAN),
    "infinite": (with_one(images(), np.inf), NAN),
    "bytes": (images().astype("uint8"), "uint8; use float images"),
    "no channels": (images()[..., 0], r"add the axis of channels: images\[..., None\]"),
    "channels first": (np.zeros((8, 1, 4, 4), "float32"), "np.moveaxis"),
    "size": (np.zeros((8, 5, 4, 1), "float32"), r"shape \(5, 4, 1\), the generator makes \(4,"),
    "labels": (labels(), "int32; use float"),
    "one image": (images()[0, :, 0], r"images\[None\]"),
    "list": (list(images()), "x is a list of ndarray; use one array"),
    "dict": ({"image": images()}, "x is a dict with 'image'"),
    "None": (None, "x is None"),
    "name": ("digits", r"x is the str 'digits'; kerasgan.data.load\('digits'"),
    "function": (lambda: images(), "x is a function"),
    "iterator": (iter([images()]), "x is an iterator"),
    "objects": (np.array([images(), None], dtype=object), "object; use float"),
    "nothing": (images()[:0], r"arrays have \[0\]"),
}
WRONG_LABELS = {
    "from 1": (labels() + 1, "labels go from 1 to 2; use whole numbers from 0 to 1"),
    "none is -1": (labels() - 1, "labels go from -1"),
    "one-hot": (np.eye(2)[labels()], r"shape \(16, 2\).*np.argmax\(labels, axis=-1\)"),
    "a column": (labels()[:, None], r"labels\[:, 0\]"),
    "floats": (labels().astype("float32"), 'labels.astype."int32"'),
    "names": (np.array(["cat", "dog"] * 8), "np.unique"),
    "list": (list(labels()), "labels are a list"),
    "too few": (labels(15), r"arrays have \[16, 15\]"),
    "none": (None, "is conditional and takes .images, labels"),
}


class FitTest(tf.test.TestCase, parameterized.TestCase):
    def test_wrong_images_are_refused_before_training(self):
        gan = plain()
        for name, (x, message) in WRONG_IMAGES.items():
            with self.subTest(name), self.assertRaisesRegex(ValueError, message):
                gan.fit(x, batch_size=8, verbose=0)
        self.assertEqual(gan.iterations, 0)

    def test_wrong_labels_are_refused_before_training(self):
        gan = conditional()
        for name, (y, message) in WRONG_LABELS.items():
            with self.subTest(name), self.assertRaisesRegex(ValueError, message):
                gan.fit(images(), y, batch_size=8, verbose=0)
        with self.assertRaisesRegex(ValueError, "real images are int32"):
            gan.fit(labels(), images(), verbose=0)
        self.assertEqual(gan.iterations, 0)

    @parameterized.named_parameters(
        ("dataset", dataset), ("pydataset", Batches), ("generator", batches)
    )
    def test_every_batch_is_looked_at(self, give):
        gan, labelled = plain(), conditional()
        for model, arrays, message in (
            (gan, [127.5 * images() + 127.5], RANGE),
            (gan, [0.5 * images() + 0.5], SCALE),
            (gan, [with_one(images(), np.nan)], "image 5 of 8"),
            (labelled, [images(), with_one(labels(), 2)], "labels go from 0 to 2"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                model.fit(give(*arrays), shuffle=False, verbose=0)
        weights = [gan.get_weights(), labelled.get_weights()]
        self.assertTrue(all(np.all(np.isfinite(w)) for of in weights for w in of))
        labelled.fit(give(images(), labels()), shuffle=False, verbose=0)
        self.assertEqual(labelled.epochs_trained, 1)

    @needs_backend("tensorflow", reason="tf.data is the same everywhere")
    def test_of_a_long_data_set_the_graph_looks_at_what_comes_late(self):
        gan = plain()
        seen = []

        def check_batch(data, check=gan.check_batch):
            seen.append(isinstance(data, np.ndarray))  # rather than a step's tensor
            return check(data)

        gan.check_batch = check_batch
        many = with_one(images(40), 1.5, 30)
        with self.assertRaisesRegex(ValueError, "go from .* to 1.5; use images in"):
            gan.fit(dataset(many, batch=1), verbose=0)
        self.assertLess(sum(seen), 15)  # Python at first, and at the wrong one
        self.assertTrue(all(np.all(np.isfinite(w)) for w in gan.get_weights()))

    @needs_backend("tensorflow", reason="what is checked is NumPy's")
    def test_0_to_1_is_refused_in_small_batches_and_a_bright_image_is_not(self):
        gan, x = plain(), images()
        with self.assertRaisesRegex(ValueError, SCALE):
            gan.fit(dataset(0.5 * x + 0.5, batch=1), verbose=0)
        x[:7] = 0.5 * x[:7] + 0.5
        gan.fit(dataset(x, batch=1), verbose=0)
        self.assertEqual(gan.epochs_trained, 1)
        gan.fit(np.zeros((8, 4, 4, 1)), verbose=0)  # to try something out

    def test_data_sets_without_images_alone(self):
        gan = plain()
        as_dict = dataset(images()).map(lambda x: {"image": x, "label": 0})
        with self.assertRaisesRegex(ValueError, "a dict with 'image', 'label'.*data.map"):
            gan.fit(as_dict, verbose=0)
        with self.assertRaisesRegex(ValueError, "unconditional and takes images alone"):
            gan.fit(dataset(images(), labels()), verbose=0)
        with self.assertRaisesRegex(ValueError, "labels are string.*np.unique"):
            conditional().fit(dataset(images(), np.array(["cat", "dog"] * 8)), verbose=0)

    def test_tensors_of_the_backend_are_arrays(self):
        gan = plain()
        gan.fit(keras.ops.convert_to_tensor(images()), verbose=0)
        with self.assertRaisesRegex(ValueError, RANGE):
            gan.fit(keras.ops.convert_to_tensor(255.0 * images()), verbose=0)

    def test_weights_of_examples_are_refused(self):
        gan, ones = conditional(), np.ones(16, "float32")
        for call in (
            lambda: gan.fit(images(), labels(), sample_weight=ones, verbose=0),
            lambda: gan.fit(images(), labels(), class_weight={0: 1.0, 1: 2.0}, verbose=0),
            lambda: gan.fit(dataset(images(), labels(), ones), verbose=0),
            lambda: gan.fit(
                images(), labels(), validation_data=(images(), labels(), ones), verbose=0
            ),
            lambda: gan.evaluate(images(), labels(), sample_weight=ones, verbose=0),
            lambda: gan.train_on_batch(images(), labels(), ones),
            lambda: gan.train_on_batch(images(), labels(), class_weight={0: 1.0}),
            lambda: gan.test_on_batch(images(), labels(), ones),
        ):
            with self.assertRaisesRegex(ValueError, "(sample|class)_weight is given.*leave it out"):
                call()
        self.assertEqual(gan.iterations, 0)

    def test_other_doors(self):
        gan, wrong = plain(), 127.5 * images() + 127.5
        for call in (
            lambda: gan.evaluate(wrong, verbose=0),
            lambda: gan.evaluate(dataset(wrong), verbose=0),
            lambda: gan.train_on_batch(wrong),
            lambda: gan.test_on_batch(wrong),
            lambda: gan.fit(images(), validation_data=wrong, verbose=0),
            lambda: gan.fit(images(), validation_data=(wrong,), verbose=0),
        ):
            with self.assertRaisesRegex(ValueError, RANGE):
                call()
        self.assertEqual(gan.iterations, 0)
        with self.assertRaisesRegex(ValueError, RANGE):  # when its turn has come
            gan.fit(images(), validation_data=dataset(wrong), verbose=0)
        with self.assertRaisesRegex(ValueError, "labels are 2; use"):
            conditional().generate(3, labels=2)

    @needs_backend("tensorflow", reason="what is checked is NumPy's")
    def test_vectors_have_any_range_but_are_numbers(self):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=())
        gan.compile(steps_per_execution=1, jit_compile=False)
        points = np.arange(32, dtype="float32").reshape(16, 2)
        gan.fit(points, verbose=0)
        gan.fit(dataset(points), verbose=0)
        self.assertEqual(gan.epochs_trained, 2)
        for data in (with_one(points, np.nan), dataset(with_one(points, -np.inf))):
            with self.assertRaisesRegex(ValueError, "hold NaN or infinite"):
                gan.fit(data, verbose=0)

    @needs_backend("tensorflow", reason="what is checked is NumPy's")
    def test_pairs(self):
        gan, x = translating(), images()
        for data, message in (
            ((x, 127.5 * x), "target images go from"),
            ((0.5 * x + 0.5, x), "source images .*never below 0"),
            ((x,), "takes pairs of images"),
            ((x, with_one(x, np.nan)), "target images hold NaN"),
            ((x, x[:8]), r"arrays have \[16, 8\]"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.fit(*data, verbose=0)
        with self.assertRaisesRegex(ValueError, "target images hold NaN"):
            gan.fit(dataset(x, with_one(x, np.nan)), verbose=0)
        for wrong, message in (
            (127.5 * x, "images go from"),
            (np.nan * x, "images hold NaN"),
            ([1], "list of int"),
            (x[0], r"\(4, 4, 1\); use \(num_images, height"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.translate(wrong)

    def test_a_check_changes_nothing_of_the_data(self):
        given = Batches(images(), labels())
        model = conditional()
        seen = []
        check = checks.BatchCheck(model.check_batch)
        for data in (given, dataset(images(), labels()), batches(images(), labels())):
            checked = checks.checked_data(data, None, check, model.batch_limits)
            if isinstance(checked, keras.utils.PyDataset):
                self.assertIsInstance(checked, Batches)
                checked = [checked[index] for index in range(len(checked))]
            seen.append([[checks.as_numpy(part) for part in batch] for batch in checked])
        for other in seen[1:]:
            self.assertAllEqual(other[1][0], seen[0][1][0])
            self.assertAllEqual(other[1][1], labels()[8:])


class LoaderTest(tf.test.TestCase):
    def test_of_pytorch(self):
        if BACKEND != "torch":
            self.skipTest("PyTorch is not the backend")
        import torch

        def loader(array):
            data = torch.utils.data.TensorDataset(torch.tensor(array))
            return torch.utils.data.DataLoader(data, 8)

        gan = plain()
        gan.fit(loader(images()), verbose=0)
        with self.assertRaisesRegex(ValueError, "image 5 of 8"):
            gan.fit(loader(with_one(images(), np.nan)), verbose=0)


class ArgumentsTest(tf.test.TestCase):
    def test_names_and_numbers(self):
        for make, message in (
            (lambda: kerasgan.DCGAN(32), r"image_shape=32; use \(height, width, channels\)"),
            (lambda: kerasgan.Pix2Pix((64, 64)), r"image_shape=\(64, 64\)"),
            (lambda: kerasgan.VanillaGAN((0,)), r"image_shape=\(0,\)"),
            (lambda: kerasgan.DCGAN((8, 8, 1), z_dim=3), "no argument 'z_dim'; .*latent_dim"),
            (lambda: kerasgan.InfoGAN((8, 8, 1), z_dim=3), "InfoGAN has no argument 'z_dim'"),
            (lambda: kerasgan.DCGAN((8, 8, 1), base_width="abc"), "base_width='abc'; use a whole"),
            (lambda: kerasgan.DCGAN((8, 8, 1), 0), "latent_dim=0"),
            (lambda: kerasgan.StyleGAN((8, 8, 1), max_width=2.5), "max_width=2.5"),
            (lambda: kerasgan.CycleGAN((8, 8, 1), cycle_weight="10"), "cycle_weight='10'; use a n"),
            (lambda: kerasgan.SRGAN((8, 8, 1), residual_blocks="a"), "residual_blocks='a'"),
            (lambda: kerasgan.DCGAN((8, 8, 1), ema_decay="0.9"), "ema_decay='0.9'"),
            (lambda: kerasgan.CGAN((8, 8, 1), num_classes="10"), "num_classes='10'"),
            (lambda: kerasgan.VanillaGAN((2,), hidden_units=64), "hidden_units=64"),
            (lambda: kerasgan.GAN(None, None, 2), "generator=None; use a keras.Model"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                make()

    def test_a_subclass_may_have_arguments_of_its_own(self):
        class Own(kerasgan.VanillaGAN):
            def __init__(self, **kwargs):
                self.extra = kwargs.pop("extra")
                super().__init__((2,), 2, (), **kwargs)

        self.assertEqual(Own(extra=5).extra, 5)

    def test_other_names_of_files(self):
        gan = plain()
        for path in ("model.h5", "model"):
            with self.assertRaisesRegex(ValueError, f"{path}'; use a name that ends in .keras"):
                gan.save(self.create_tempdir().full_path + "/" + path)

    def test_one_metric_alone(self):
        gan = plain(metrics="ms_ssim")
        self.assertEqual([metric.name for metric in gan.generative_metrics], ["ms_ssim"])


class LastActivationTest(tf.test.TestCase):
    def test_a_discriminator_that_returns_probabilities(self):
        sigmoid = layers.Dense(1, "sigmoid")
        for tail, refused in (
            ([sigmoid], True),
            ([layers.Dense(1), layers.Activation("sigmoid")], True),
            ([layers.Dense(2), layers.Softmax()], True),
            ([kerasgan.layers.SpectralNormalization(layers.Dense(1, "sigmoid"))], True),
            ([keras.Sequential([layers.Dense(1, "sigmoid")]), layers.Reshape((1, 1))], True),
            ([layers.Dense(1, "sigmoid"), layers.Rescaling(2.0, -1.0)], False),
            ([layers.Dense(4, "sigmoid"), layers.Dense(1)], False),
            ([layers.Dense(1, "tanh")], False),
        ):
            network = keras.Sequential([keras.Input((2,)), *tail])
            generator = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
            if refused:
                with self.assertRaisesRegex(ValueError, "ends in (sigmoid|softmax).*logits"):
                    kerasgan.GAN(generator, network, 3)
            else:
                kerasgan.GAN(generator, network, 3)

    def test_a_generator_of_images_that_are_never_dark(self):
        judge = [keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(1)]
        for activation in ("sigmoid", "relu", "softplus", "tanh", None):
            made = [keras.Input((3,)), layers.Dense(4, activation), layers.Reshape((2, 2, 1))]
            networks = keras.Sequential(made), keras.Sequential(judge)
            if activation in ("tanh", None):
                kerasgan.GAN(*networks, 3)
            else:
                with self.assertRaisesRegex(ValueError, f"ends in {activation}.*tanh"):
                    kerasgan.GAN(*networks, 3)


@needs_backend("tensorflow", reason="layers are Keras' own")
class SettingsOfKerasTest(tf.test.TestCase):
    def test_channels_are_last_whatever_keras_is_set_to(self):
        made = []
        for setting in ("channels_last", "channels_first"):
            keras.config.set_image_data_format(setting)
            try:
                keras.utils.set_random_seed(0)
                gan = kerasgan.ProGAN((8, 8, 1), 2, 2, 4, seed=0, ema_decay=None)
                gan.compile(jit_compile=False)
                gan.grow_to(0)
                gan.train_on_batch(np.zeros((4, 8, 8, 1), "float32"))
                made.append(gan.generate(1, seed=0))
            finally:
                keras.config.set_image_data_format("channels_last")
        self.assertAllEqual(*made)
