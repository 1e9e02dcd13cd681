"""Pickles, read as data: what they describe, without running what they say.

A pickle is a program: Python's own reader calls whatever function it names. Here the few
instructions that weights are written with are followed one by one, and the only functions there
are make dicts, arrays and records of names. Nothing is imported, and everything else ends the
reading.
"""

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

# Two networks of the largest published files take 20,000. An instruction of one byte can take many
# times that in memory.
MOST_INSTRUCTIONS = 200_000

# Above every length in a file, and far below what NumPy's sums of offsets overflow at.
ENDLESS = 2**48

# How often the bytes of a file may be described as arrays. Networks share few.
MOST_SHARING = 4

STORAGES = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}

# What Python's readers of archives and pickles raise, and lists and dicts that miss something.
WHAT_DAMAGE_RAISES = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
)

# Classes whose objects are records of their attributes, in the files that are known. A name that
# ends in a dot stands for all in a module or package.
RECORDED = (
    "R3GAN.",
    "dnnlib.tflib.network.Network",
    "models.utils.config.BaseConfig",
    "tfutil.Network",
    "torch.nn.modules.",
    "training.networks.",
)
PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"


class RefusalError(ValueError):
    """Why a file is not read."""


class Record:
    """An object in a file: the name of its class, which is only a text, and its attributes.

    Attributes:
        name: str, `"torch.nn.modules.conv.Conv2d"`.
        state: dict of its attributes by name.
    """

    __slots__ = ("name", "state")

    def __init__(self, name: str, state: dict | None = None):
        self.name, self.state = name, {} if state is None else state


class Storage:
    """Numbers that tensors look into.

    Attributes:
        key: str, its name in the file.
        numbers: array of one axis.
    """

    __slots__ = ("key", "numbers")

    def __init__(self, key: str, numbers: np.ndarray):
        self.key, self.numbers = key, numbers


class Kind:
    """What a pickle names: what is made of its arguments, or nothing but the name.

    A class of its own, so that nothing that can be called is ever a value.
    """

    __slots__ = ("make", "name")

    def __init__(self, name: str, make: Callable | None = None):
        self.name, self.make = name, make


class Budget:
    """What a file may still cost, all pickles within it together."""

    def __init__(self, size: int):
        self.size = size
        self.instructions = MOST_INSTRUCTIONS
        self.bytes = MOST_SHARING * size

    def spend_instructions(self, count: int) -> None:
        self.instructions -= count
        if self.instructions < 0:
            raise RefusalError(f"it has more than {MOST_INSTRUCTIONS} instructions")

    def spend_bytes(self, count: int) -> None:
        self.bytes -= count
        if self.bytes < 0:
            raise RefusalError("its arrays are many times larger than the file")


class Numbers:
    """The dtype of an array that is being described: what NumPy says first, and then adds."""

    __slots__ = ("dtype",)

    def __init__(self, text):
        if not isinstance(text, str) or len(text) > 3 or text[:1] not in "fiub?":
            raise RefusalError("it has an array of values that are not numbers")
        self.dtype = np.dtype(text)

    def add(self, state):
        if state[1] not in ("<", "|", "="):
            raise RefusalError("its numbers are not little-endian")


class Array:
    """An array that is being described."""

    __slots__ = ("found",)

    def __init__(self):
        self.found = None


class Interpreter:
    """Follows pickles.

    Args:
        budget: `Budget` that they share.
        stored: function from a dtype, a key and a length to the `Storage` that a pickle of PyTorch
            names; None where there is none.
        nested: function from bytes to what the torch file in them describes; None where none is
            expected.
    """

    def __init__(self, budget: Budget, stored: Callable | None = None, nested=None):
        self.budget, self.stored, self.nested = budget, stored, nested

    def read(self, file: io.BytesIO):
        """What the next pickle of a file describes.

        Returns:
            A tree of dicts with keys that are texts, lists, tuples, texts, bytes, numbers, None,
            arrays that cannot be written to, and `Record`s. Sets are lists. A tree may contain
            itself.

        Raises:
            RefusalError and what else damage raises, see `WHAT_DAMAGE_RAISES`.
        """
        stack: list = []
        argument: Any
        outer: list[list] = []
        memo: dict[int, Any] = {}

        def pop(count):
            if len(stack) < count:
                raise IndexError
            items = stack[-count:]
            del stack[-count:]
            return items

        def pop_to_mark():
            nonlocal stack
            items, stack = stack, outer.pop()
            return items

        for opcode, argument, _ in pickletools.genops(file):
            self.budget.spend_instructions(1)
            match opcode.name:
                case "PROTO" | "FRAME":
                    pass
                case "STOP":
                    return stack.pop()
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                    stack.append(argument)
                case "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8":
                    stack.append(argument)
                case "BINSTRING" | "SHORT_BINSTRING":  # of Python 2
                    stack.append(argument)
                case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
                    stack.append(argument)
                case "NONE":
                    stack.append(None)
                case "NEWTRUE" | "NEWFALSE":
                    stack.append(opcode.name == "NEWTRUE")
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    value = memo[argument]
                    filled = isinstance(value, Array) and value.found is not None
                    stack.append(value.found if filled else value)
                case "MARK":
                    outer.append(stack)
                    stack = []
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    stack.append(tuple(pop(int(opcode.name[-1]))))
                case "TUPLE":
                    items = pop_to_mark()
                    stack.append(tuple(items))
                case "EMPTY_LIST" | "EMPTY_SET":
                    stack.append([])
                case "APPEND":
                    items = pop(1)
                    stack[-1].extend(items)
                case "APPENDS" | "ADDITEMS":
                    items = pop_to_mark()
                    stack[-1].extend(items)
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM":
                    key, value = pop(2)
                    _set_items(stack[-1], [key], [value])
                case "SETITEMS":
                    items = pop_to_mark()
                    _set_items(stack[-1], items[::2], items[1::2])
                case "GLOBAL":
                    stack.append(self._named(*argument.split(" ", 1)))
                case "STACK_GLOBAL":
                    stack.append(self._named(*pop(2)))
                case "REDUCE" | "NEWOBJ":
                    kind, arguments = pop(2)
                    if not isinstance(kind, Kind) or not isinstance(arguments, tuple):
                        raise TypeError
                    if kind.make is None:
                        raise RefusalError(f"it calls {kind.name[:100]}")
                    stack.append(kind.make(*arguments))
                case "BINPERSID":
                    stack.append(self._storage(*stack.pop()))
                case "BUILD":
                    value, state = pop(2)
                    stack.append(self._built(value, state))
                case _:
                    raise RefusalError(f"its pickle uses {opcode.name}, which no weights need")
        raise EOFError

    def _named(self, module, name):
        """What stands for something that a file names."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        qualified = f"{module}.{name}"
        if qualified in STORAGES:
            return Kind(qualified)
        qualified = qualified.replace("numpy._core.", "numpy.core.")
        make = {
            "_codecs.encode": self._encoded,
            "__builtin__.set": self._listed,
            "builtins.set": self._listed,
            "collections.OrderedDict": self._ordered_dict,
            "dnnlib.EasyDict": lambda: {},
            "dnnlib.util.EasyDict": lambda: {},
            "numpy.core.multiarray._reconstruct": _array_begun,
            "numpy.core.multiarray.scalar": self._scalar,
            "numpy.dtype": lambda text, *_: Numbers(text),
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch.storage._load_from_bytes": self.nested,
            PERSISTENT: _persistent,
        }.get(qualified)
        if make is not None:
            return Kind(qualified, make)
        if qualified == "numpy.ndarray" or (module == "torch" and name in ("float32", "bfloat16")):
            return Kind(qualified)
        if "." not in name and any(
            qualified.startswith(known) if known.endswith(".") else qualified == known
            for known in RECORDED
        ):
            return Kind(qualified, lambda: Record(qualified))
        raise RefusalError(f"its pickle calls for {qualified[:100]}, which no weights need")

    def _storage(self, kind, dtype, key, _, length, view=None):
        known = isinstance(dtype, Kind) and dtype.name in STORAGES
        if kind != "storage" or not known or not isinstance(key, str) or self.stored is None:
            raise TypeError
        if type(length) is not int or not 0 <= length < ENDLESS or view is not None:
            raise TypeError
        return self.stored(STORAGES[dtype.name], key, length)

    def _tensor(self, storage, offset, shape, strides, *_):
        numbers = [offset, *shape, *strides]
        if not isinstance(storage, Storage) or not all(type(n) is int for n in numbers):
            raise TypeError
        fits = len(shape) == len(strides) and len(shape) <= 32
        if not fits or not all(0 <= n < ENDLESS for n in numbers):
            raise RefusalError("it has a tensor with an impossible shape")
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        count, length = math.prod(shape), len(storage.numbers)
        # Numbers used more than once are refused, too: a small file could describe a huge array.
        if count > length or (count and last >= length):
            raise RefusalError("it has a tensor that does not fit into its storage")
        dtype = storage.numbers.dtype
        self.budget.spend_bytes(count * dtype.itemsize)
        if not count:
            return np.empty(shape, dtype)
        strides = [dtype.itemsize * stride for stride in strides]
        array = np.ndarray(shape, dtype, storage.numbers, dtype.itemsize * offset, strides)
        array.flags.writeable = False
        return array

    def _listed(self, items=()):
        if not isinstance(items, (list, tuple)):
            raise TypeError
        self.budget.spend_instructions(len(items))
        return list(items)

    def _ordered_dict(self, pairs=()):
        found = {}
        for key, value in self._listed(pairs):
            _set_items(found, [key], [value])
        return found

    def _encoded(self, text, encoding):
        """Bytes as Python 3 writes them for Python 2."""
        if not isinstance(text, str) or encoding != "latin1":
            raise TypeError
        self.budget.spend_bytes(len(text))
        return text.encode("latin1")

    def _scalar(self, numbers, content):
        if not isinstance(numbers, Numbers):
            raise TypeError
        (value,) = np.frombuffer(_octets(content), numbers.dtype)
        return value.item()

    def _built(self, value, state):
        match value:
            case Numbers():
                value.add(state)
            case Array():
                value.found = self._filled(*state)
                return value.found
            case Record():
                if not isinstance(state, dict):
                    raise RefusalError(f"it has a {value.name[:100]} without attributes")
                value.state = state
            case dict() | np.ndarray():
                pass  # attributes of a dict or a tensor, which no network needs
            case _:
                raise TypeError
        return value

    def _filled(self, _, shape, numbers, by_columns, content):
        if not isinstance(numbers, Numbers) or not all(type(n) is int for n in shape):
            raise TypeError
        if len(shape) > 32 or not all(0 <= n < ENDLESS for n in shape):
            raise RefusalError("it has an array with an impossible shape")
        if math.prod(shape) * numbers.dtype.itemsize != len(content):
            raise RefusalError("it has an array that is not complete")
        self.budget.spend_bytes(len(content))
        content = _octets(content)
        if not content:
            return np.empty(shape, numbers.dtype)
        array = np.ndarray(shape, numbers.dtype, content, order="F" if by_columns else "C")
        return array


def _octets(content):
    """The bytes of an array, which Python 2 writes as a text."""
    if isinstance(content, str):
        content = content.encode("latin1")
    if not isinstance(content, bytes):
        raise TypeError
    return content


def _array_begun(kind, shape, _):
    if not isinstance(kind, Kind) or kind.name != "numpy.ndarray":
        raise TypeError
    return Array()


def _set_items(target, keys, values):
    # Keys of other kinds could be nested so deeply that hashing them ends the process.
    if not all(isinstance(key, str) for key in keys):
        raise RefusalError("its pickle has a dict with keys that are not strings")
    target.update(zip(keys, values, strict=True))


def _persistent(meta):
    """A network of NVIDIA's programs: its class by name. The program text beside it is dropped."""
    if meta["type"] != "class" or not isinstance(meta["class_name"], str):
        raise TypeError
    if not isinstance(meta["state"], dict):
        raise TypeError
    return Record(meta["class_name"], meta["state"])
