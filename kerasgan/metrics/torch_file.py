"""Weights that PyTorch has saved, read without PyTorch and without running what they say.

A file of `torch.save` is a pickle, which is a program: Python's own reader calls whatever function
it names. Here the few instructions that a dict of tensors is written with are followed one by one,
and the only functions there are make dicts and arrays. Everything else ends the reading.
"""

import collections
import hashlib
import io
import math
import pathlib
import pickletools
import re
import zipfile

import numpy as np

# A tensor takes about 40, so this is room for 5,000. An instruction of one byte can take many times
# that in memory.
MOST_INSTRUCTIONS = 200_000

# Above every length in a file, and far below what NumPy's sums of offsets overflow at.
ENDLESS = 2**48

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001

DTYPES = {
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
    zipfile.BadZipFile,
)

Storage = collections.namedtuple("Storage", "dtype key length")
Tensor = collections.namedtuple("Tensor", "storage offset shape strides")


class RefusalError(ValueError):
    """Why a file is not read."""


def read_tensors(path):
    """The tensors of a state dict in a file that `torch.save` wrote.

    Both of its formats are read: the zip archive of PyTorch 1.6 and later, and the older sequence
    of pickles.

    Args:
        path: the file. If its name ends as in `name-0123abcd.pth`, the digits are those that the
            SHA-256 of its content begins with, as PyTorch names files to download; this is checked.

    Returns:
        dict of str to NumPy array, in the file's order. The arrays cannot be written to.

    Raises:
        ValueError: if the file is damaged, or has anything in it but named tensors. Nothing that a
            file says is executed.

    Example:

    >>> import pathlib
    >>> path = pathlib.Path("weights.pth")
    >>> size = path.write_bytes(b"cos\\nsystem\\n(S'echo harm'\\ntR.")
    >>> read_tensors(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: weights.pth: its pickle calls for os.system, which no tensor needs. Nothing in it...
    """
    path = pathlib.Path(path)
    content = path.read_bytes()
    _check_digest(path.name, content)
    try:
        return _read_archive(content) if content.startswith(b"PK") else _read_legacy(content)
    except RefusalError as error:
        reason, cause = str(error), error
    except WHAT_DAMAGE_RAISES as error:
        reason, cause = "it is cut off or damaged", error
    raise ValueError(
        f"{path}: {reason}. Nothing in it was executed; use a file that "
        "torch.save(network.state_dict(), path) has written."
    ) from cause


def _check_digest(name, content):
    expected = re.search(r"-([0-9a-f]{8})\.pth$", name)
    found = hashlib.sha256(content).hexdigest()[:8]
    if expected and expected[1] != found:
        raise ValueError(
            f"{name}: the SHA-256 of its {len(content)} bytes begins with {found}, not with "
            f"{expected[1]} as its name says; the file is damaged: delete it and load it again."
        )


def _read_archive(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if sum(entry.file_size for entry in entries.values()) > len(content):
            raise RefusalError("what is in the archive is larger than the archive")
        folders = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
        if len(folders) != 1:
            raise RefusalError(f"the archive has {len(folders)} files data.pkl, not one")

        def read(name):
            entry = entries.get(folders[0] + name)
            if entry is None:
                raise RefusalError(f"the archive has no {name[:100]}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise RefusalError(f"{name[:100]} is compressed or encrypted")
            return archive.read(entry)

        if f"{folders[0]}byteorder" in entries and read("byteorder") != b"little":
            raise RefusalError("its numbers are not little-endian")
        tensors = _named_tensors(_interpret(io.BytesIO(read("data.pkl"))))
        storages = _storages(tensors, len(content))
        return _arrays(tensors, {key: read(f"data/{key}") for key in storages})


def _read_legacy(content):
    file = io.BytesIO(content)
    if _interpret(file) != LEGACY_MAGIC or _interpret(file) != LEGACY_PROTOCOL:
        raise RefusalError("it does not begin as torch.save begins")
    system = _interpret(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusalError("its numbers are not little-endian")
    tensors = _named_tensors(_interpret(file))
    storages = _storages(tensors, len(content))
    keys = _interpret(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise RefusalError("its list of storages is damaged")
    if sorted(keys) != sorted(storages):
        raise RefusalError("its list of storages is not that of its tensors")
    data = {}
    for key in keys:
        length = int.from_bytes(file.read(8), "little")
        if length != storages[key].length:
            raise RefusalError(f"a storage has {length} numbers, not {storages[key].length}")
        data[key] = file.read(length * storages[key].dtype.itemsize)
    if file.read(1):
        raise RefusalError("it goes on after its last storage")
    return _arrays(tensors, data)


def _named_tensors(state):
    if not isinstance(state, dict):
        raise RefusalError(f"it has a {type(state).__name__}, not a dict of tensors")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise RefusalError(f"{name[:100]!r} is a {type(value).__name__}, not a tensor")
    return state


def _storages(tensors, most_bytes):
    """The storages behind the tensors by key, which together have to fit into the file."""
    storages = {tensor.storage for tensor in tensors.values()}
    by_key = {storage.key: storage for storage in storages}
    if len(by_key) < len(storages):
        raise RefusalError("it describes one storage in two ways")
    if sum(storage.length * storage.dtype.itemsize for storage in storages) > most_bytes:
        raise RefusalError("its tensors are larger than the file; it is cut off or damaged")
    return by_key


def _arrays(tensors, data):
    """Tensors as arrays that look into the bytes of their storages."""
    arrays = {}
    for name, (storage, offset, shape, strides) in tensors.items():
        size = storage.dtype.itemsize
        if len(data[storage.key]) != storage.length * size:
            raise RefusalError(f"{name[:100]!r} is not complete")
        byte_strides = [size * stride for stride in strides]
        arrays[name] = np.ndarray(
            shape, storage.dtype, data[storage.key], size * offset, byte_strides
        )
    return arrays


def _interpret(file):
    """What the next pickle of a file describes: texts, numbers, tuples, lists, dicts, tensors."""
    stack, outer, memo = [], [], {}

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

    def set_items(keys, values):
        # Keys of other kinds could be nested so deeply that hashing them ends the process.
        if not all(isinstance(key, str) for key in keys):
            raise RefusalError("its pickle has a dict with keys that are no text")
        stack[-1].update(zip(keys, values, strict=True))

    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if count == MOST_INSTRUCTIONS:
            raise RefusalError(f"its pickle has more than {MOST_INSTRUCTIONS} instructions")
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "SHORT_BINSTRING":  # the last by Python 2
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
                stack.append(memo[argument])
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
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                items = pop(1)
                stack[-1].extend(items)
            case "APPENDS":
                items = pop_to_mark()
                stack[-1].extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                key, value = pop(2)
                set_items([key], [value])
            case "SETITEMS":
                items = pop_to_mark()
                set_items(items[::2], items[1::2])
            case "GLOBAL":
                stack.append(_stand_in(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_stand_in(*pop(2)))
            case "REDUCE":
                function, arguments = pop(2)
                stack.append(function(*arguments))
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "BUILD":
                # Attributes of a state dict: the versions of its layers, which nobody needs here.
                stack.pop()
            case _:
                raise RefusalError(f"its pickle uses {opcode.name}, which no tensor needs")


def _stand_in(module, name):
    """What is used for a global that a file names."""
    known = {
        "collections.OrderedDict": _ordered_dict,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_tensor_v2": _tensor,
        **DTYPES,
    }
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError
    qualified = f"{module}.{name}"
    if qualified not in known:
        raise RefusalError(f"its pickle calls for {qualified[:100]}, which no tensor needs")
    return known[qualified]


def _ordered_dict(pairs=()):
    if not all(isinstance(key, str) for key, _ in pairs):
        raise TypeError
    return dict(pairs)


def _parameter(tensor, *_):
    return tensor


def _storage(kind, dtype, key, _, length, view=None):
    if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str):
        raise TypeError
    if type(length) is not int or not 0 <= length < ENDLESS or view is not None:
        raise TypeError
    return Storage(dtype, key, length)


def _tensor(storage, offset, shape, strides, *_):
    numbers = [offset, *shape, *strides]
    if not isinstance(storage, Storage) or not all(type(n) is int for n in numbers):
        raise TypeError
    if len(shape) != len(strides) or len(shape) > 32 or not all(0 <= n < ENDLESS for n in numbers):
        raise RefusalError("it has a tensor with an impossible shape")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    count = math.prod(shape)
    # Numbers used more than once are refused, too: a small file could describe a huge array.
    if count > storage.length or (count and last >= storage.length):
        raise RefusalError("it has a tensor that does not fit into its storage")
    return Tensor(storage, offset if count else 0, shape, strides)
