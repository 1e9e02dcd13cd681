import hashlib
import importlib.util
import io
import os
import pathlib
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from written_files import (
    FORMATS,
    NUMBERS,
    ORDERED_DICT,
    REBUILD,
    STATE,
    STORAGES,
    SYSTEM,
    Call,
    Global,
    Persistent,
    Raw,
    WithState,
    archive,
    instructions,
    legacy,
    tensor,
)

from kerasgan.weight_files.torch_files import read_tensors

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


each_format = parameterized.named_parameters(*((n, f) for n, f in FORMATS.items()))


class Harm:
    """Does harm when it is unpickled, by a function of Python's that is given a command."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class FileTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def read(self, content, name="weights.pth"):
        path = self.folder / name
        path.write_bytes(content)
        return read_tensors(path)

    def assert_refused(self, content, reason=""):
        message = rf"weights\.pth: .*{reason}.*Nothing in it was executed"
        with self.assertRaisesRegex(ValueError, message):
            self.read(content)


class ReadTensorsTest(FileTest):
    @each_format
    def test_tensors_that_share_a_storage(self, write):
        for state in (STATE, WithState(STATE, {"_metadata": {"": {"version": 1}}})):
            found = self.read(write(state, STORAGES))
            self.assertEqual(list(found), ["all", "column"])
            self.assertAllEqual(found["all"], [[0, 1, 2], [3, 4, 5]])
            self.assertAllEqual(found["column"], [1, 4])

    @each_format
    def test_every_kind_of_number(self, write):
        kinds = {"Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4"}
        kinds |= {"Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "?"}
        for kind, dtype in kinds.items():
            numbers = np.array([1, 0, 1, 1], dtype)
            storage = Global("torch", f"{kind}Storage")
            state = {"scalar": tensor("7", 4, 2, (), (), storage)}
            state["none"] = tensor("7", 4, 0, (0, 5), (5, 1), storage)
            state["two"] = tensor("7", 4, 1, (2,), (1,), storage)
            size = {"size": numbers.itemsize} if write is legacy else {}
            found = self.read(write(state, {"7": numbers.tobytes()}, **size))
            self.assertEqual({n: a.dtype for n, a in found.items()}, dict.fromkeys(state, dtype))
            self.assertEqual([a.shape for a in found.values()], [(), (0, 5), (2,)])
            self.assertEqual(found["scalar"], 1)
            self.assertAllEqual(found["two"], [0, 1])

    @each_format
    def test_parameters_and_ordered_dicts(self, write):
        parameter = Call(Global("torch._utils", "_rebuild_parameter"), (STATE["all"], True, None))
        empty = instructions(Call(ORDERED_DICT, ()))
        state = Raw(empty + b"(" + instructions("p") + instructions(parameter) + b"u")
        self.assertAllEqual(self.read(write(state, STORAGES))["p"], NUMBERS.reshape(2, 3))

    @pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
    def test_what_pytorch_writes(self):
        import torch

        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
        state = network.state_dict()
        state["transposed"] = torch.arange(12).reshape(3, 4).T
        state["part"] = torch.arange(12.0).double()[3:7]
        state["parameter"] = torch.nn.Parameter(torch.ones(3, dtype=torch.float16))
        for zipped in (True, False):
            for protocol in (2, 4):
                file = io.BytesIO()
                options = {"_use_new_zipfile_serialization": zipped, "pickle_protocol": protocol}
                torch.save(state, file, **options)
                found = self.read(file.getvalue())
                self.assertEqual(list(found), list(state))
                for name, value in state.items():
                    self.assertAllEqual(found[name], value.detach().numpy())
                    self.assertEqual(found[name].dtype, value.detach().numpy().dtype)

    def test_the_digits_of_the_name_are_checked(self):
        content = archive(STATE, STORAGES)
        digits = hashlib.sha256(content).hexdigest()[:8]
        self.assertLen(self.read(content, f"weights-{digits}.pth"), 2)
        with self.assertRaisesRegex(
            ValueError, f"begins with {digits}, not with 0123abcd.*is damaged: delete it"
        ):
            self.read(content, "weights-0123abcd.pth")


class RefusalTest(FileTest):
    def harms(self):
        """What creates the file `harm` when Python's own reader is let at it."""
        mark = self.folder / "harm"
        command = f"touch {mark}"
        code = f"open({str(mark)!r}, 'w')"
        harms = [
            Harm(os.system, command),
            Harm(exec, code),
            Harm(eval, code),
            Harm(open, mark, "w"),
        ]
        for harm in harms:
            for protocol in (0, 2, 4):
                # Without what begins and ends it, to be put inside of another.
                whole = pickle.dumps(harm, protocol)
                pickle.loads(whole)
                self.assertTrue(mark.exists())
                mark.unlink()
                yield Raw(whole[{0: 0, 2: 2, 4: 11}[protocol] : -1])

    def test_nothing_is_executed(self):
        item = instructions("name")
        for harm in self.harms():
            inside = {
                "value": {"name": harm},
                "first": {"name": harm, **STATE},
                "nested": {"name": {"more": [(1, harm)]}},
                "alone": harm,
                "metadata": WithState(STATE, {"_metadata": {"": harm}}),
                "state of a tensor": {"name": WithState(STATE["all"], harm)},
                "arguments": {"name": Call(ORDERED_DICT, harm)},
                "argument": {"name": Call(REBUILD, (harm,))},
                "storage": {"name": Persistent(("storage", harm, "0", "cpu", 6))},
                "key": Raw(b"}" + instructions(harm) + item + b"s"),
            }
            files = {
                (where, form): write(state, STORAGES)
                for where, state in inside.items()
                for form, write in FORMATS.items()
            }
            for where in ("magic", "protocol", "system", "keys"):
                files[where, "legacy"] = legacy(STATE, STORAGES, **{where: harm})
            files["nothing else"] = b"\x80\x04" + harm.instructions + b"."
            for where, content in files.items():
                with self.subTest(where=where):
                    self.assert_refused(content, "calls for .*(system|exec|eval|open)")
                    self.assertFalse((self.folder / "harm").exists())

    @each_format
    def test_files_cut_off_anywhere_are_refused(self, write):
        content = write(STATE, STORAGES)
        for length in range(len(content)):
            self.assert_refused(content[:length])

    @each_format
    def test_a_changed_byte_raises_nothing_but_value_errors(self, write):
        content = write(STATE, STORAGES)
        random = np.random.default_rng(0)
        refused = 0
        for at in range(len(content)):
            changed = bytearray(content)
            changed[at] = random.choice([0, 255, *b".(cRQbtu}]N", random.integers(256)])
            try:
                self.read(changed)
            except ValueError:
                refused += 1
        self.assertGreater(refused, len(content) // 2)

    def test_other_ways_to_call_are_refused(self):
        ways = {
            "INST": b"(" + instructions("touch harm") + b"ios\nsystem\n",
            "OBJ": b"(" + instructions(ORDERED_DICT) + b"o",
            "EXT1": b"\x82\x01",
            "PERSID": b"Ptouch harm\n",
        }
        for name, way in ways.items():
            self.assert_refused(archive({"name": Raw(way)}, STORAGES), f"uses {name},")

    def test_names_near_those_allowed_are_refused(self):
        for name in (
            Global("torch._utils", "_rebuild_tensor_v3"),
            Global("torch._utils", "_rebuild_tensor_v2.__globals__"),
            Global("torch", "FloatStorage.from_file"),
            Global("torch", "load"),
            Global("collections", "OrderedDict.__init__"),
            Global("collections", "defaultdict"),
        ):
            reason = f"calls for {name.module}.{name.name}, which no weights need"
            self.assert_refused(archive({"name": name}, STORAGES), reason)

    @each_format
    def test_tensors_that_reach_out_of_their_storage_are_refused(self, write):
        for offset, shape, strides in (
            (0, (7,), (1,)),
            (1, (2, 3), (3, 1)),
            (6, (1,), (1,)),
            (0, (2,), (6,)),
            (0, (5,), (2**60,)),  # 4 strides of 2**62 bytes are none in 64 bits
            (-1, (2,), (1,)),
            (5, (2,), (-1,)),
            (0, (-1,), (1,)),
            (0, (2**40,), (0,)),  # one number many times
            (0, (2**40, 2**40, 2**40), (0, 0, 0)),
            (0, (2,), (1, 1)),
            (0, (1,) * 65, (1,) * 65),
        ):
            self.assert_refused(
                write({"bad": tensor("0", 6, offset, shape, strides)}, STORAGES), "shape|fit"
            )
        for offset, shape, strides in (("0", (2,), (1,)), (0, "ab", (1, 1)), (0, ((2,),), (1,))):
            self.assert_refused(
                write({"bad": tensor("0", 6, offset, shape, strides)}, STORAGES), "damaged"
            )

    @each_format
    def test_sizes_that_do_not_fit_are_refused(self, write):
        for length in (5, 7, 2**40, -6):
            self.assert_refused(write({"bad": tensor("0", length, 0, (5,), (1,))}, STORAGES))
        both = {"a": tensor("0", 6, 0, (6,), (1,)), "b": tensor("0", 5, 0, (5,), (1,))}
        self.assert_refused(write(both, STORAGES), "the same storage in two ways")
        self.assert_refused(write(STATE, {}))
        self.assert_refused(write(STATE, {"1": STORAGES["0"]}))

    @each_format
    def test_what_is_no_dict_of_tensors_is_refused(self, write):
        self.assert_refused(write([STATE["all"]], STORAGES), "a list, not a dict of tensors")
        self.assert_refused(write({**STATE, "epoch": 3}, STORAGES), "'epoch' is a int, not")
        self.assert_refused(write({"model": STATE}, STORAGES), "'model' is a dict, not a tensor")
        self.assert_refused(write({3: STATE["all"]}, STORAGES), "keys that are not strings")

    @each_format
    def test_what_unfolds_to_much_is_refused(self, write):
        twice = (struct.pack("<cIcI", b"r", n, b"j", n) + b"\x86" for n in range(60))
        pairs_of_pairs = b"]" + b"".join(twice)
        deep, name = b")" + b"\x85" * 150_000, instructions("name")
        for unfolding in (
            b"}" + deep + b"Ns",
            b"}" + name + deep + b"s",
            b"}" + pairs_of_pairs + b"Ns",
            b"}" + name + pairs_of_pairs + b"s",
            pairs_of_pairs + pairs_of_pairs + b"\x93",
            b"(" * 150_000,
            b"}" * 1_000_000,
        ):
            self.assert_refused(write(Raw(unfolding), {}))

    @each_format
    def test_huge_lengths_take_no_memory(self, write):
        for claim in (
            b"X" + struct.pack("<I", 2**32 - 1),  # a text
            b"\x8e" + struct.pack("<Q", 2**63 - 1),  # bytes
            b"\x8b" + struct.pack("<i", 2**31 - 1),  # an integer
            b"Nr" + struct.pack("<I", 2**32 - 1) + b"0",  # the number of something remembered
        ):
            content = write(Raw(b"}" + claim), {})
            tracemalloc.start()
            self.assert_refused(content)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertLess(most, 2**20)

    def test_other_archives_are_refused(self):
        self.assert_refused(archive(STATE, STORAGES, zipfile.ZIP_DEFLATED), "compressed")
        more = [("byteorder", b"big")]
        self.assert_refused(archive(STATE, STORAGES, more=more), "little-endian")
        self.assert_refused(archive(STATE, STORAGES, more=[("x/data.pkl", b"")]), "2 files")
        with zipfile.ZipFile(self.folder / "other.zip", "w") as other:
            other.writestr("readme", b"hello")
        self.assert_refused((self.folder / "other.zip").read_bytes(), "0 files data.pkl")
        with zipfile.ZipFile(self.folder / "model.keras", "w") as of_keras:
            of_keras.writestr("config.json", "{}")
            of_keras.writestr("model.weights.h5", b"")
        self.assert_refused((self.folder / "model.keras").read_bytes(), "kerasgan.load_model")
        # A directory that says that 2 GB are there.
        lying = archive(STATE, STORAGES)
        sizes = struct.pack("<II", 24, 24)
        lying = lying.replace(sizes, struct.pack("<II", 2**31 - 1, 2**31 - 1))
        self.assert_refused(lying, "larger than the archive")

    def test_other_sequences_are_refused(self):
        for options, reason in (
            ({"magic": 5}, "does not begin"),
            ({"protocol": 1000}, "does not begin"),
            ({"system": {**SYSTEM, "little_endian": False}}, "little-endian"),
            ({"system": [1]}, "little-endian"),
            ({"keys": "0"}, "list of storages is damaged"),
            ({"keys": [0]}, "list of storages is damaged"),
            ({"keys": ["0", "0"]}, "not that of its tensors"),
        ):
            self.assert_refused(legacy(STATE, STORAGES, **options), reason)
        self.assert_refused(legacy(STATE, STORAGES) + b"more", "goes on")
        for content in (b"", b"<html>Not found</html>", bytes(1000)):
            self.assert_refused(content)

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.pth"):
            read_tensors(self.folder / "nowhere.pth")
