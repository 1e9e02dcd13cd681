"""What the endpoints of exported models answer, against what the models do themselves."""

import dataclasses
import io
import json
import pathlib
import struct
import sys

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend
from growing_helpers import growing, randomize
from models import zoo
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

import kerasgan
from kerasgan import roles
from kerasgan.control import Directions
from kerasgan.data.images import read_image
from kerasgan.export import endpoints as code
from kerasgan.models import registry
from kerasgan.sampling.normals import standard_normal
from kerasgan.serving import saved_models
from kerasgan.translation.model import TranslationModel
from kerasgan.utils.image_numbers import numbers_of_images

# One that goes to and fro in color, one from color to gray.
OVERRIDES = {
    "big_gan": {"latent_dim": 6},  # or its vivid images are black and white whatever the latent
    "cycle_gan": {"image_shape": (16, 16, 3)},
    "pix2pix": {"source_channels": 3},
}
TRANSLATORS = ("cycle_gan", "pix2pix", "srgan")
# Under JAX each is compiled twice more, for both kinds of devices, which takes long.
FEW = ("big_gan", "info_gan", "stylegan", *TRANSLATORS)
# What TensorFlow calls operations that are Python functions, or read files.
ELSEWHERE = ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "HashTableV2")


def models(translate):
    """The entries of the registry that translate, or that draw, for `named_parameters`."""
    role = roles.Translates if translate else roles.GeneratesImages
    wanted = [e for e in registry.entries() if roles.has(getattr(kerasgan, e.class_name), role)]
    # Those that draw pixel by pixel have no latents, and a test of their own.
    apart = roles.Autoregressive
    wanted = [e for e in wanted if not roles.has(getattr(kerasgan, e.class_name), apart)]
    return [(e.name, e) for e in wanted if BACKEND != "jax" or e.name in FEW]


def vivid(model):
    """A model whose images differ, which those of new weights of 0.02 hardly do."""
    random = np.random.default_rng(0)
    networks = (
        model.networks_by_direction.values()
        if isinstance(model, TranslationModel)
        else [getattr(model, "generator", None) or model.sampling_generator]
    )
    for weight in (weight for network in networks for weight in network.trainable_weights):
        old = keras.ops.convert_to_numpy(weight)
        if old.ndim < 2 or max(old.shape) == old.size:  # biases, scales, strengths
            weight.assign(old + random.normal(0.0, 0.2, old.shape))
        elif old.std() < 0.5:  # the others are scaled where they are used
            fan_in = np.prod(old.shape[:-1])
            weight.assign(random.normal(0.0, np.sqrt(2.0 / fan_in), old.shape))
    if getattr(model, "ema_generator", None) is not None:
        model.ema_generator.set_weights(model.generator.get_weights())
    return model


def small_model(entry):
    keras.utils.set_random_seed(0)
    return vivid(zoo.small_model(entry, **OVERRIDES.get(entry.name, {})))


def pixels(images):
    """Images in [-1, 1] as the whole numbers of a file, as int to be subtracted."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("int32")


def opened(files):
    """PNG files by Pillow: int array if all have one size, else a list of these."""
    images = []
    for file in np.asarray(files):
        image = Image.open(io.BytesIO(file))
        assert image.format == "PNG"
        array = np.asarray(image).astype("int32")
        images.append(array[..., None] if array.ndim == 2 else array)
    return images


class ServedTestCase(tf.test.TestCase, parameterized.TestCase):
    """Exports a model and answers requests by its SavedModel."""

    def serve(self, model, **arguments):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        model.export(folder, **arguments)
        # The signatures alone do not keep the variables.
        self.loaded = tf.saved_model.load(str(folder))
        self.served = self.loaded.signatures
        self.card = json.loads((folder / "assets.extra/model_card.json").read_text())
        return folder

    def ask(self, endpoint, **inputs):
        types = {"seed": tf.int64, "label": tf.int32, "image_bytes": tf.string}
        tensors = {
            name: tf.constant(value, types.get(name, tf.float32)) for name, value in inputs.items()
        }
        ((name, answer),) = self.served[endpoint](**tensors).items()
        files = endpoint.startswith(("sample", "edit", "translate"))
        self.assertEqual(name, "image_bytes" if files else "images")
        return answer.numpy()

    def assert_same_pictures(self, found, expected):
        """As 8-bit images, but for a rounding error now and then."""
        for ours, theirs in zip(found, expected, strict=True):
            self.assertEqual(ours.shape, theirs.shape)
            differences = np.abs(ours - theirs)
            self.assertLessEqual(differences.max(), 1)
            self.assertLess(differences.mean(), 0.01)

    def assert_refused(self, message, endpoint, **inputs):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, message):
            self.ask(endpoint, **inputs)

    def assert_self_contained(self, folder):
        """No operation of Python's, and no place of this machine in any file."""
        saved_model = saved_model_pb2.SavedModel.FromString(
            (folder / "saved_model.pb").read_bytes()
        )
        (graph,) = saved_model.meta_graphs
        nodes = list(graph.graph_def.node)
        for function in graph.graph_def.library.function:
            nodes.extend(function.node_def)
        operations = {node.op for node in nodes}
        self.assertContainsSubset({"EncodePng", "Assert", "StatefulPartitionedCall"}, operations)
        self.assertNoCommonElements(operations, ELSEWHERE)
        if BACKEND == "jax":
            return  # it notes beside each operation where that was written
        places = [str(folder.parent), str(pathlib.Path.home()), sys.prefix, kerasgan.__file__]
        places += [pathlib.Path(keras.__file__).parent.as_posix(), "\x00/tmp", "file://"]
        for file in filter(pathlib.Path.is_file, folder.rglob("*")):
            data = file.read_bytes()
            for place in places:
                self.assertNotIn(place.encode(), data, file.name)


@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
class NoiseToImageTest(ServedTestCase):
    @parameterized.named_parameters(models(translate=False))
    @pytest.mark.slow
    def test_sample_is_generate(self, entry):
        gan = small_model(entry)
        if gan.draws_texts:  # tests/serving/test_client.py has one that takes the texts themselves
            gan.encode_text = None
        folder = self.serve(gan, model_card={"class_names": ["a", "b", "c"]})
        public = {"serving_default", "sample"}
        alone = {"generator", "sampler"} if BACKEND == "jax" else set()
        if roles.has(gan, roles.Encodes):
            public |= {"encode", "decode", "reconstruct"}
            alone |= {"encoder", "decoder"} if BACKEND == "jax" else set()
        if roles.has(gan, roles.HasLikelihood):
            public.add("log_likelihood")
            alone |= {"likelihood"} if BACKEND == "jax" else set()
            self.check_likelihood_and_codes(gan)
        self.assertCountEqual(self.served, public | alone)
        labels = zoo.labels_for(gan, 5)
        label = {} if labels is None else {gan.condition.name: labels}
        none = {} if gan.truncation_limits is None else {"truncation": [-1.0] * 5}
        seeds = numbers_of_images(3, range(5))
        files = self.ask("sample", seed=seeds, **label, **none)
        found = opened(files)
        drawn = pixels(gan.generate(5, seed=3, labels=labels))
        self.assertGreater(drawn.std(0).mean(), 3.0)  # or everything would be the same
        self.assert_same_pictures(found, drawn)

        self.assertAllEqual(self.ask("sample", seed=seeds, **label, **none), files)
        # Other neighbours, places and batch sizes.
        for rows in ([4], [3, 0, 3, 3, 2, 1, 4, 0]):
            some = {name: np.take(value, rows, axis=0) for name, value in (label | none).items()}
            again = opened(self.ask("sample", seed=seeds[rows], **some))
            self.assert_same_pictures(again, [found[row] for row in rows])
        if none:
            self.check_truncation(gan, seeds, labels, label, found)

        latents = gan.latents(5, seed=3)
        images = self.ask("serving_default", latent=latents, **label)
        self.assertEqual(images.dtype, np.float32)
        self.assertAllClose(images, gan.generate_from(latents, labels=labels), atol=1e-4)

        self.check_refusals(seeds, label, none, latents)
        self.assert_self_contained(folder)
        shape, classes = [*gan.image_shape], zoo.NUM_CLASSES if "label" in label else None
        for name, value in (
            ("model", entry.class_name),
            ("latent_dim", gan.latent_dim),
            ("num_classes", classes),
            ("image_shape", shape),
            ("truncation", gan.truncation_limits and [*gan.truncation_limits]),
            ("class_names", ["a", "b", "c"]),
            ("epochs_trained", 0),
            ("kerasgan", kerasgan.__version__),
        ):
            self.assertEqual(self.card[name], value, name)

    def check_likelihood_and_codes(self, flow):
        """Of a model whose likelihood is that of its codes."""
        (images,) = zoo.batch_for(flow, 3)
        nats = self.served["log_likelihood"](images=tf.constant(images))["nats"]
        self.assertAllClose(nats, flow.log_likelihood(images), rtol=1e-4)
        codes = self.served["encode"](images=tf.constant(images))["codes"]
        self.assertAllClose(codes, flow.encode(images), atol=1e-3, rtol=1e-3)
        decoded = self.served["decode"](codes=codes)["images"]
        self.assertAllClose(decoded, flow.decode(codes), atol=1e-3)

    def check_truncation(self, gan, seeds, labels, label, untruncated):
        """That rows may differ in it, and 1 of StyleGAN's and 20 of BigGAN's is none."""
        largest = min(20.0, gan.truncation_limits[1])
        strengths = [-1.0, 0.3, largest, 0.7, 0.3]
        found = opened(self.ask("sample", seed=seeds, **label, truncation=strengths))
        for row, strength in enumerate(strengths):
            same = strength in (-1.0, largest)
            drawn = gan.generate(5, seed=3, labels=labels, truncation=None if same else strength)
            self.assert_same_pictures([found[row]], [pixels(drawn)[row]])
            if not same:
                self.assertGreater(np.abs(found[row] - untruncated[row]).max(), 3)
        least, most = gan.truncation_limits
        for wrong in (least - 0.5, most * 1.1, -2.0, np.nan):
            wrong = [0.5, wrong, 0.5, 0.5, 0.5]
            message = f"truncation: use numbers from {least} to {most}, or -1 for none; got"
            self.assert_refused(message, "sample", seed=seeds, **label, truncation=wrong)

    def check_refusals(self, seeds, label, none, latents):
        wrong = np.where(np.arange(5) == 2, -1, seeds)
        message = "seed: use whole numbers of at least 0; got"
        self.assert_refused(message, "sample", seed=wrong, **label, **none)
        for name in (*label, *none):
            message = f"{name}: give one for each image"
            one_less = {**label, **none, name: {**label, **none}[name][:-1]}
            self.assert_refused(message, "sample", seed=seeds, **one_less)
            one = {**label, **none, name: {**label, **none}[name][:1]}
            self.assert_refused(message, "sample", seed=seeds, **one)
        for index in (-1, zoo.NUM_CLASSES) if "label" in label else ():
            wrong = {"label": [0, 1, index, 0, 1]}
            message = "label: use whole numbers from 0 to 2; got"
            self.assert_refused(message, "sample", seed=seeds, **wrong, **none)
            self.assert_refused(message, "serving_default", latent=latents, **wrong)
        for name in label:
            message = f"{name}: give one for each image"
            self.assert_refused(message, "serving_default", latent=latents[:4], **label)
        if "text" in label:
            wrong = {"text": np.full_like(label["text"], np.nan)}
            self.assert_refused("text: use finite", "sample", seed=seeds, **wrong, **none)

    def test_codes_and_reconstructions_are_those_of_an_autoencoder(self):
        model = kerasgan.Autoencoder((8, 8, 1), 3, loss="binary_crossentropy", seed=0)
        self.serve(model)
        alone = {"encoder", "decoder"} if BACKEND == "jax" else set()
        public = {"serving_default", "encode", "decode", "reconstruct"}
        self.assertCountEqual(self.served, public | alone)
        images = np.random.default_rng(0).uniform(-1.0, 1.0, (5, 8, 8, 1)).astype("float32")
        codes = self.served["encode"](images=tf.constant(images))["codes"]
        self.assertAllClose(codes, model.encode(images), atol=1e-5)
        expected = model.reconstruct(images)
        self.assertAllClose(self.ask("reconstruct", images=images), expected, atol=1e-5)
        self.assertAllClose(self.ask("decode", codes=codes), expected, atol=1e-5)
        self.assert_refused("codes: use finite", "decode", codes=np.nan * codes)

    def test_vectors_are_served_without_files(self):
        gan = kerasgan.VanillaGAN((2,), 3, hidden_units=(8,), seed=0)
        self.serve(gan)
        self.assertNotIn("sample", self.served)
        latents = gan.latents(4, seed=0)
        points = self.ask("serving_default", latent=latents)
        self.assertAllClose(points, gan.generate_from(latents), atol=1e-5)
        message = "latent: use finite numbers"
        self.assert_refused(message, "serving_default", latent=np.nan * latents)

    def test_one_that_grows_serves_its_stage_and_its_fade(self):
        gan = randomize(growing("StyleGAN", mapping_layers=2))
        gan.grow_to(1, fade_images=100)
        for network in gan.growing_networks:
            network.alpha.assign(0.25)
        self.serve(gan)
        self.assertEqual(self.card["image_shape"], [8, 8, 1])
        seeds = numbers_of_images(5, range(3))
        found = opened(self.ask("sample", seed=seeds, truncation=[-1.0] * 3))
        self.assert_same_pictures(found, pixels(gan.generate(3, seed=5)))
        gan.grow_to(1)
        faded_in = pixels(gan.generate(3, seed=5))
        self.assertGreater(np.abs(faded_in - np.stack(found)).max(), 3)

    @needs_backend("tensorflow", reason="what XLA compiled is in the file, for JAX' own devices")
    def test_compiled_by_xla_the_images_are_the_same(self):
        entry = next(entry for entry in registry.entries() if entry.name == "cgan")
        gan = small_model(entry)
        folder = self.serve(gan, jit_compile=True)
        graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        library = graph.meta_graphs[0].graph_def.library.function
        compiled = [f.signature.name for f in library if f.attr["_XlaMustCompile"].b]
        self.assertNotEmpty(compiled)
        labels, seeds = [0, 1, 2, 0], numbers_of_images(3, range(4))
        found = opened(self.ask("sample", seed=seeds, label=labels))
        self.assert_same_pictures(found, pixels(gan.generate(4, seed=3, labels=labels)))
        self.assert_refused("label: use whole", "sample", seed=seeds, label=[0, 1, 2, 3])


@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
class EditTest(ServedTestCase):
    def directions_of(self, gan, space):
        random = np.random.default_rng(0)
        vectors = random.normal(size=(2, *gan.point_shape(space))).astype("float32")
        vectors /= np.sqrt((vectors**2).sum(axis=tuple(range(1, vectors.ndim)), keepdims=True))
        deviations = np.array([1.5, 0.5], "float32")
        quality = np.ones(2, "float32")
        return Directions(("a", "b"), space, vectors, deviations, quality, "linear")

    @parameterized.parameters(("dcgan", "z"), *([] if BACKEND == "jax" else [("stylegan2", "w")]))
    @pytest.mark.slow
    def test_edit_moves_what_sample_draws(self, name, space):
        entry = next(entry for entry in registry.entries() if entry.name == name)
        gan = small_model(entry)
        found = self.directions_of(gan, space)
        folder = self.serve(gan, directions=found)
        seeds = numbers_of_images(3, range(4))
        strengths = {"truncation": [-1.0, 0.5, -1.0, 0.7]} if gan.truncation_limits else {}
        given = {"seed": seeds, **strengths}
        zeros = np.zeros((4, 2), "float32")
        same = self.ask("edit", **given, offsets=zeros)
        self.assertAllEqual(same, self.ask("sample", **given))
        offsets = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, -3.0], [1.0, 1.0]], "float32")
        edited = opened(self.ask("edit", **given, offsets=offsets))
        expected = self.edited(gan, found, offsets, strengths.get("truncation"))
        self.assert_same_pictures(edited, pixels(expected))
        self.assertGreater(np.abs(pixels(expected) - np.stack(opened(same)))[1:].max(), 10)
        for message, wrong in (
            ("offsets: give one for each image", offsets[:3]),
            ("offsets: use finite numbers", np.nan * offsets),
        ):
            self.assert_refused(message, "edit", **given, offsets=wrong)
        negative = {**given, "seed": -seeds}
        self.assert_refused("seed: use whole numbers", "edit", **negative, offsets=zeros)
        deviations = found.deviations.tolist()
        self.assertEqual(
            self.card["directions"],
            {"names": ["a", "b"], "space": space, "deviations": deviations},
        )
        definition = saved_models.signature_defs(folder)["edit"]
        example = saved_models.example_inputs(definition, self.card, 2)
        self.assertAllEqual(example["offsets"], zeros[:2])
        self.assertLen(self.ask("edit", **example), 2)

    @needs_backend("tensorflow", reason="the same function is exported above")
    def test_layers_move_by_themselves_in_w_plus(self):
        gan = small_model(next(e for e in registry.entries() if e.name == "stylegan2"))
        for space in ("w+", "styles"):
            self.move_in(gan, space)

    def move_in(self, gan, space):
        found = self.directions_of(gan, space)
        numbers = numbers_of_images(3, range(2))
        noise = [standard_normal(numbers, s, n) for n, s in enumerate(gan.noise_shapes)]
        offsets, none = np.array([[2.0, 0.0], [0.0, -3.0]], "float32"), np.ones(2, "float32")
        steps = (found.vectors.T * found.deviations).T
        moves = np.einsum("nk,k...->n...", offsets, steps)
        images = gan.moved_images(noise, moves, space, truncation=none)
        expected = self.edited(gan, found, offsets, none)
        self.assertAllClose(images, expected, atol=1e-4)

    def edited(self, gan, found, offsets, truncation):
        """The same by the methods for points, with the noise of each image."""
        numbers = numbers_of_images(3, range(len(offsets)))
        noise = [standard_normal(numbers, s, n) for n, s in enumerate(gan.noise_shapes)]
        noise = [keras.ops.convert_to_numpy(array) for array in noise]
        rows = []
        for row, offset in enumerate(offsets):
            latents = noise[0][row : row + 1]
            if found.space == "z":
                points = latents
            else:
                psi = None if truncation[row] == -1.0 else truncation[row]
                points = gan.styles(latents, psi)
                points = gan.channels(points) if found.space == "styles" else points
            for number, deviations in enumerate(offset):
                points = points + deviations * found.deviations[number] * found.vectors[number]
            if found.space == "z":
                rows.append(gan.generate_from_points(points, "z"))
            else:
                own = [array[row : row + 1] for array in noise[1:]]
                rows.append(gan.generate_from_styles(points, own))
        return np.concatenate(rows)

    @needs_backend("tensorflow", reason="nothing is exported")
    def test_directions_of_something_else_are_refused(self):
        gan = small_model(next(e for e in registry.entries() if e.name == "dcgan"))
        found = self.directions_of(gan, "z")
        wrong = {
            "use directions of this model": dataclasses.replace(
                found, vectors=np.ones((2, gan.latent_dim + 1), "float32")
            ),
            "use 'z'": dataclasses.replace(found, space="w"),
        }
        for message, directions in wrong.items():
            with self.assertRaisesRegex(ValueError, message):
                gan.export(self.create_tempdir().full_path, directions=directions)
        vectors = kerasgan.VanillaGAN((2,), 3, hidden_units=(8,))
        with self.assertRaisesRegex(ValueError, "makes vectors"):
            vectors.export(self.create_tempdir().full_path, directions=found)


@pytest.mark.slow
@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
class PixelByPixelTest(ServedTestCase):
    CASES = (
        ("gated", "gated_pixel_cnn", {"num_classes": 3, "num_blocks": 1}),
        ("convolutions", "pixel_cnn", {}),
        ("mixture", "pixel_cnn_plus_plus", {}),
        ("lstm", "pixel_rnn", {}),
    )

    @parameterized.named_parameters(*CASES[: 1 if BACKEND == "jax" else None])
    def test_sample_and_log_likelihood_are_the_methods(self, name, settings):
        entry = next(entry for entry in registry.entries() if entry.name == name)
        keras.utils.set_random_seed(0)
        shape = (8, 4, 1)
        model = zoo.small_model(entry, image_shape=shape, **settings)
        random = np.random.default_rng(0)
        for weight in model.network.trainable_weights:
            weight.assign(random.normal(0.0, 0.3, weight.shape))
        folder = self.serve(model)
        alone = {"sampler", "likelihood"} if BACKEND == "jax" else set()
        self.assertCountEqual(self.served, {"serving_default", "sample", "log_likelihood", *alone})
        labels = zoo.labels_for(model, 5)
        label = {} if labels is None else {"label": tf.constant(labels, tf.int32)}
        drawn = model.generate(5, seed=3, labels=labels)
        self.assertGreater(drawn.std(0).mean(), 0.05)
        seeds = numbers_of_images(3, range(5))
        rows = [4, 0, 0, 2]
        some = {name: tf.gather(value, rows) for name, value in label.items()}
        found = opened(self.ask("sample", seed=seeds[rows], **some))
        self.assertAllEqual(np.stack(found), pixels(drawn)[rows])
        nats = self.served["log_likelihood"](images=tf.constant(drawn), **label)["nats"]
        self.assertAllClose(nats, model.log_likelihood(drawn, labels=labels), rtol=1e-4)
        self.assert_refused("seed: use whole", "sample", seed=-seeds - 1, **label)
        self.assert_self_contained(folder)
        self.assertEqual(self.card["image_shape"], [*shape])


@needs_backend("tensorflow", reason="files of any size need TensorFlow's networks")
class ImageToImageTest(ServedTestCase):
    SIZES = ((2, 3), (5, 7), (16, 16), (19, 33))

    def file(self, size, channels, file_format):
        array = np.random.default_rng(size[0]).integers(0, 256, (*size, 3), "uint8")
        image = Image.fromarray(array).convert("RGB" if channels == 3 else "L")
        file = io.BytesIO()
        image.save(file, file_format)
        return file.getvalue()

    def decoded(self, file, channels):
        """What a model is given of a file."""
        array = read_image(io.BytesIO(file), None, channels, "crop")
        return array.astype("float32")[None] / 127.5 - 1.0

    @parameterized.named_parameters(models(translate=True))
    @pytest.mark.slow
    def test_translate_is_the_method(self, entry):
        model = small_model(entry)
        folder = self.serve(model)
        names = {"serving_default", "translate"}
        directions = {"": next(iter(model.networks_by_direction))}
        if entry.name == "cycle_gan":
            names |= {"to_A", "to_B", "translate_to_A", "translate_to_B"}
            directions |= {"_to_A": "A", "_to_B": "B"}
            self.assertEqual(directions[""], "B")
        self.assertCountEqual(self.served, names)
        for suffix, to in directions.items():
            channels = model.translator(to).input_shape[-1]
            files = [self.file(size, channels, "PNG") for size in self.SIZES]
            files += [self.file(self.SIZES[-1], channels, "JPEG")]
            files += [self.file((5, 7), 1, "PNG")]  # gray to all
            expected = [
                pixels(model.translate(self.decoded(file, channels), to, seed=0)[0])
                for file in files
            ]
            found = opened(self.ask(f"translate{suffix}", image_bytes=files))
            self.assert_same_pictures(found, expected)
            self.assertGreater(expected[3].std(), 5.0)
            for row in (4, 1):
                alone = opened(self.ask(f"translate{suffix}", image_bytes=files[row : row + 1]))
                self.assert_same_pictures(alone, expected[row : row + 1])
            image = self.decoded(files[2], channels)
            images = np.concatenate([image, -image, image])
            served = self.ask(suffix.removeprefix("_") or "serving_default", images=images)
            translated = model.translate(images, to, seed=0)
            self.assertAllClose(np.clip(served, -1.0, 1.0), translated, atol=1e-4)
            # Dropout, too, is the same for every image of a batch.
            self.assertAllClose(served[2], served[0], atol=1e-4)
            if entry.name == "pix2pix":
                others = model.translate(images, to, seed=1)
                self.assertGreater(np.abs(others - translated).max(), 0.05)
        if model.size_multiple > 1:
            message = f"images: use sides of at least {model.least_size} that are multiples of"
            self.assert_refused(message, "serving_default", images=images[:, :-1])
        for wrong in (2.0 * images + 1.0, np.nan * images):
            message = r"images: use images in \[-1, 1\]"
            self.assert_refused(message, "serving_default", images=wrong)
        answers = [self.ask("translate", image_bytes=files[:2]) for _ in range(2)]
        self.assertAllEqual(*answers)
        self.check_refusals(files[0])
        self.assert_self_contained(folder)
        for name, value in (
            ("model", entry.class_name),
            ("image_shape", [*model.image_shape]),
            ("size_multiple", model.size_multiple),
            ("scale", model.scale),
        ):
            self.assertEqual(self.card[name], value, name)

    def check_refusals(self, good):
        for wrong in (b"", b"no picture", good[:20], good[:-30], b"\xff\xd8\xff" + bytes(30)):
            with self.subTest(wrong=wrong):
                self.assert_refused("", "translate", image_bytes=[good, wrong])
        for file_format in ("GIF", "BMP"):
            file = self.file((4, 4), 1, file_format)
            message = f"image_bytes: use PNG or JPEG files; got.*{len(file)}"
            self.assert_refused(message, "translate", image_bytes=[good, file])
        self.assertEqual(code.LARGEST_IMAGE, 4096 * 4096)
        # The head is enough to refuse an image: nothing follows that could be decoded.
        message = r"image_bytes: use images of at most 16777216 pixels; got.*{}.*{}"
        for height, width in ((4096, 4097), (1, 2**24 + 1), (2**31, 2), (2**32 - 1, 2**32 - 1)):
            file = good[:16] + struct.pack(">II", width, height) + good[24:30]
            self.assert_refused(message.format(height, width), "translate", image_bytes=[file])
        file = self.file((4, 4), 1, "JPEG")
        start = file.index(b"\xff\xc0") + 5
        file = file[:start] + struct.pack(">HH", 4097, 4096) + file[start + 4 :]
        self.assert_refused(message.format(4097, 4096), "translate", image_bytes=[file])


class TruncationTest(tf.test.TestCase):
    def test_a_large_one_changes_no_latents(self):
        gan = kerasgan.VanillaGAN((2,), 64, hidden_units=())
        latents = gan.latents(500, seed=0)
        self.assertGreater(np.abs(latents).max(), 4.0)
        for bound in (20.0, 1e9, np.inf):
            self.assertAllEqual(gan.latents(500, seed=0, truncation=bound), latents)
        # A bound below that is that of the distribution, as SciPy has it.
        normal, bounds = scipy.stats.norm, (-4.9, 4.9)
        expected = scipy.stats.truncnorm(*bounds).ppf(normal.cdf(latents.astype("float64")))
        self.assertAllClose(gan.latents(500, seed=0, truncation=4.9), expected, atol=1e-3)
