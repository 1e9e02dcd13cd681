import pathlib
import struct
import tracemalloc

import keras  # noqa: F401  (first: it registers our classes)
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from written_files import (
    FORMATS,
    STATE,
    STORAGES,
    Call,
    Global,
    Raw,
    WithState,
    instructions,
    mutated,
    pickled,
    snapshot,
)

from kerasgan.weight_files import Record, module_tensors, read_tree
from kerasgan.weight_files.pickles import MOST_INSTRUCTIONS
from kerasgan.weight_files.snapshots import snapshot_augmentation, snapshot_tensors

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")

NUMBERS = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
TENSORS = {
    "G.mapping.fc0.weight": NUMBERS,
    "G.mapping.w_avg": NUMBERS[0],
    "G.synthesis.b4.conv1.noise_strength": NUMBERS[0, 0],
    "G_ema.mapping.fc0.weight": -NUMBERS,
    "D.b4.out.bias": NUMBERS[1],
}
NDARRAY = Call(
    Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b")
)


def dtype(text="f4", order="<"):
    return WithState(
        Call(Global("numpy", "dtype"), (text, False, True)), (3, order, None, None, None, -1, -1, 0)
    )


def ndarray(array, by_columns=False):
    content = array.tobytes("F" if by_columns else "C")
    return WithState(NDARRAY, (1, tuple(array.shape), dtype(), by_columns, content))


class SnapshotTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def read(self, content):
        path = self.folder / "network.pkl"
        path.write_bytes(content)
        return read_tree(path)

    def refused(self, content, reason):
        with self.assertRaisesRegex(ValueError, rf"network\.pkl: .*{reason}.*Nothing in it was"):
            self.read(content)

    def test_networks_by_name(self):
        tree = self.read(snapshot(TENSORS, p=0.25, conv_clamp=256))
        found = snapshot_tensors(tree)
        self.assertEqual(list(found), ["G", "G_ema", "D"])
        for name, array in TENSORS.items():
            network, name = name.split(".", 1)
            np.testing.assert_array_equal(found[network][name], array)
            self.assertFalse(found[network][name].flags.writeable)
        self.assertEqual(tree["D"].state["_init_kwargs"], {"conv_clamp": 256})
        self.assertEqual(tree["training_set_kwargs"], {"resolution": 32})
        p, factors = snapshot_augmentation(tree)
        expected = {"blit": 1.0, "geometry": 1.0, "color": 0.0, "filter": 0.5, "cutout": 0.0}
        self.assertEqual((p, factors), (0.25, expected))
        self.assertIsNone(snapshot_augmentation(self.read(snapshot(TENSORS))))
        self.assertEqual(snapshot_tensors({"weight": NUMBERS}), {})

    def test_the_program_in_a_file_is_not_kept(self):
        tree = self.read(snapshot(TENSORS))
        self.assertNotIn("module_src", tree["G"].state)
        self.assertEqual(tree["G"].name, "Generator")

    @parameterized.parameters("numpy.core.multiarray", "numpy._core.multiarray")
    def test_arrays_and_scalars_of_numpy(self, module):
        scalar = Call(Global(module, "scalar"), (dtype("f8"), struct.pack("<d", 0.5)))
        old, new = Global("numpy.core.multiarray", "_reconstruct"), Global(module, "_reconstruct")
        arrays = [ndarray(NUMBERS), ndarray(NUMBERS, by_columns=True)]
        content = pickled({"arrays": arrays, "scalar": scalar})
        tree = self.read(content.replace(instructions(old), instructions(new)))
        self.assertEqual(tree["scalar"], 0.5)
        for array in tree["arrays"]:
            np.testing.assert_array_equal(array, NUMBERS)

    def test_what_python_2_wrote(self):
        """Bytes are texts there, and come as calls of an encoder in Python 3's protocol 2."""
        encoded = Call(Global("_codecs", "encode"), (NUMBERS.tobytes().decode("latin1"), "latin1"))
        text = NUMBERS.tobytes()
        short = Raw(b"U" + bytes([len(text)]) + text)
        for content in (encoded, short):
            array = WithState(NDARRAY, (1, NUMBERS.shape, dtype(), False, content))
            np.testing.assert_array_equal(self.read(pickled([array]))[0], NUMBERS)

    def test_other_classes_are_records(self):
        new = instructions(Global("torch.nn.modules.conv", "Conv2d")) + b")\x81"
        tree = self.read(pickled([WithState(Raw(new), {"stride": (1, 1)})]))
        self.assertIsInstance(tree[0], Record)
        self.assertEqual(tree[0].name, "torch.nn.modules.conv.Conv2d")
        self.assertEqual(tree[0].state, {"stride": (1, 1)})
        other = instructions(Global("subprocess", "Popen")) + b")\x81"
        self.refused(pickled([Raw(other)]), "calls for subprocess.Popen")
        for name in ("dnnlib.tflib.network.Network.x", "torch.nn.modules.conv.Conv2d.x"):
            module, _, last = name.rpartition(".")
            found = pickled(
                [Global(module.rpartition(".")[0], f"{module.rpartition('.')[2]}.{last}")]
            )
            self.refused(found, "calls for")

    def test_damaged_arrays_are_refused(self):
        array = (1, NUMBERS.shape, dtype(), False, NUMBERS.tobytes())
        for at, value, reason in (
            (1, (2, 4), "not complete"),
            (1, (-2, -3), "impossible shape"),
            (1, (2**50,), "impossible shape"),
            (2, dtype(order=">"), "little-endian"),
            (2, dtype("O8"), "values that are not numbers"),
            (2, dtype("f7"), "damaged"),
            (4, [1, 2], "not complete|damaged"),
        ):
            changed = (*array[:at], value, *array[at + 1 :])
            self.refused(pickled([WithState(NDARRAY, changed)]), reason)

    def test_networks_without_end_are_refused(self):
        loop = Record("Module")
        loop.state = {"_parameters": {}, "_buffers": {}, "_modules": {"again": loop}}
        wide = Record("Module", {"_parameters": {}, "_buffers": {}, "_modules": {}})
        for _ in range(20):
            modules = {"a": wide, "b": wide}
            wide = Record("Module", {"_parameters": {}, "_buffers": {}, "_modules": modules})
        for network in (loop, wide):
            with self.assertRaisesRegex(ValueError, "without end"):
                module_tensors(network)

    def test_work_for_many_times_the_file_is_refused(self):
        """One long value that is used again and again."""
        long, again = bytes(200_000), b"h\x00"
        listed = instructions(Global("builtins", "set")) + again + b"\x85R"
        encoded = instructions(Global("_codecs", "encode")) + again + instructions("latin1")
        array = instructions((1, (50_000,), dtype(), False, Raw(again)))
        nested = instructions(Global("torch.storage", "_load_from_bytes")) + again + b"\x85R"
        for first, part, reason in (
            (b"](" + b"N" * 50_000 + b"e", listed, f"more than {MOST_INSTRUCTIONS}"),
            (instructions(long.decode("latin1")), encoded + b"\x86R", "larger than the file"),
            (instructions(long), instructions(NDARRAY) + array + b"b", "larger than the file"),
            (instructions(FORMATS["legacy"](STATE, STORAGES)), nested, "more than"),
        ):
            content = b"\x80\x04](" + first + b"q\x00" + part * 5_000 + b"e."
            measured = part is not nested  # which would take long
            if measured:
                tracemalloc.start()
            self.refused(content, reason)
            if measured:
                _, most = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                self.assertLess(most, 2**26)


class MutationTest(tf.test.TestCase):
    def test_mutated_files_are_read_or_refused(self):
        """Cuts, and changed, missing, doubled and exchanged bytes."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        files = [
            snapshot(TENSORS, p=0.25),
            pickled([ndarray(NUMBERS), ndarray(NUMBERS.T)]),
            *(write(STATE, STORAGES) for write in FORMATS.values()),
        ]
        random = np.random.default_rng(0)
        refused = 0
        tracemalloc.start()
        for number in range(500):
            path = folder / "network.pkl"
            path.write_bytes(mutated(files[number % len(files)], random))
            try:
                tree = read_tree(path)
                for network in snapshot_tensors(tree):
                    self.assertIn(network, ("G", "G_ema", "D"))
            except ValueError as error:
                self.assertNotIn("\n", str(error))
                refused += 1
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.assertLess(most, 2**26)
        self.assertGreater(refused, 250)
