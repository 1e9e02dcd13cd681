"""Weights that PyTorch and pickles have saved, read without PyTorch and without running anything.

See `kerasgan.weight_files.pickles` for how a pickle is read.
"""

import hashlib
import io
import os
import pathlib
import re
import zipfile

import numpy as np

from kerasgan.weight_files.pickles import (
    WHAT_DAMAGE_RAISES,
    Budget,
    Interpreter,
    RefusalError,
    Storage,
)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


def read_tree(path: str | os.PathLike):
    """What a file of weights holds.

    Read are both formats of `torch.save`, the zip archive of PyTorch 1.6 and later and the older
    sequence of pickles, and pickles of networks: those of StyleGAN2-ADA, StyleGAN3 and R3GAN, whose
    programs are in the file as texts, and of the programs for TensorFlow 1 before them.

    Args:
        path: the file. If its name ends as in `name-0123abcd.pth`, the digits are those that the
            SHA-256 of its content begins with, as PyTorch names files to download; this is checked.

    Returns:
        A tree of dicts with texts as keys, lists, tuples, texts, bytes, numbers, None, arrays that
        cannot be written to, and `Record`s, which are objects of a class as name and attributes.

    Raises:
        ValueError: if the file is damaged, or has anything in it but such things. Nothing that a
            file says is executed.

    Example:

    >>> import pathlib
    >>> path = pathlib.Path("weights.pth")
    >>> size = path.write_bytes(b"cos\\nsystem\\n(S'echo harm'\\ntR.")
    >>> read_tree(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: weights.pth: its pickle calls for os.system, which no weights need. Nothing in it...
    """
    tree, _ = _read(path)
    return tree


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a state dict in a file that `torch.save` wrote.

    Args:
        path: as for `read_tree`.

    Returns:
        dict of str to NumPy array, in the file's order. The arrays cannot be written to.

    Raises:
        ValueError: as for `read_tree`, and if there is anything but named tensors.
    """
    state, path = _read(path)
    reason = None
    if not isinstance(state, dict):
        reason = f"it has a {type(state).__name__}, not a dict of tensors"
    else:
        for name, value in state.items():
            if not isinstance(value, np.ndarray):
                reason = f"{name[:100]!r} is a {type(value).__name__}, not a tensor"
                break
    if reason is not None:
        raise ValueError(_refusal(path, reason))
    return state


def _read(path):
    path = pathlib.Path(path)
    content = path.read_bytes()
    _check_digest(path.name, content)
    budget = Budget(len(content))
    try:
        if content.startswith(b"PK"):
            return _read_archive(content, budget), path
        return _read_pickles(content, budget), path
    except RefusalError as error:
        reason, cause = str(error), error
    except WHAT_DAMAGE_RAISES as error:
        reason, cause = "it is cut off or damaged", error
    raise ValueError(_refusal(path, reason)) from cause


def _refusal(path, reason):
    return (
        f"{path}: {reason}. Nothing in it was executed; use a file that "
        "torch.save(network.state_dict(), path) has written, or a published network pickle."
    )


def _check_digest(name, content):
    expected = re.search(r"-([0-9a-f]{8})\.pth$", name)
    found = hashlib.sha256(content).hexdigest()[:8]
    if expected and expected[1] != found:
        raise ValueError(
            f"{name}: the SHA-256 of its {len(content)} bytes begins with {found}, not with "
            f"{expected[1]} as its name says; the file is damaged: delete it and download it "
            "again."
        )


class Storages:
    """The storages that a pickle names, which together have to fit into the file.

    Args:
        most_bytes: int, how many they may have.
        content_of: function from a key to the bytes of a storage, or None if these come later.
    """

    def __init__(self, most_bytes, content_of=None):
        self.left, self.content_of = most_bytes, content_of
        self.by_key = {}

    def __call__(self, dtype, key, length):
        if key in self.by_key:
            known = self.by_key[key].numbers
            if (known.dtype, len(known)) != (dtype, length):
                raise RefusalError("it describes the same storage in two ways")
            return self.by_key[key]
        size = length * dtype.itemsize
        self.left -= size
        if self.left < 0:
            raise RefusalError("its tensors are larger than the file; it is cut off or damaged")
        if self.content_of is None:
            numbers = np.empty(length, dtype)
        else:
            content = self.content_of(key)
            if len(content) != size:
                raise RefusalError(f"{key[:100]!r} is not complete")
            numbers = np.frombuffer(content, dtype)
        self.by_key[key] = Storage(key, numbers)
        return self.by_key[key]


def _read_archive(content, budget):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if sum(entry.file_size for entry in entries.values()) > len(content):
            raise RefusalError("what is in the archive is larger than the archive")
        if {"config.json", "model.weights.h5"} <= entries.keys():
            raise RefusalError("it is a model that Keras saved; open it with kerasgan.load_model")
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
        storages = Storages(len(content), lambda key: read(f"data/{key}"))
        return Interpreter(budget, storages).read(io.BytesIO(read("data.pkl")))


def _read_pickles(content, budget):
    """A pickle of networks, or the older sequence of pickles of PyTorch, which begins with one."""
    file = io.BytesIO(content)
    tree = Interpreter(budget, nested=lambda inner: _read_nested(inner, budget)).read(file)
    if type(tree) is int:
        return _read_legacy(tree, file, len(content), budget)
    if file.read(1):
        raise RefusalError("it goes on after its pickle")
    return tree


def _read_nested(content, budget):
    """A torch file of the older kind within a pickle."""
    if not isinstance(content, bytes):
        raise TypeError
    file = io.BytesIO(content)
    return _read_legacy(Interpreter(budget).read(file), file, len(content), budget)


def _read_legacy(magic, file, most_bytes, budget):
    """What follows the magic number."""
    plain = Interpreter(budget)
    if magic != LEGACY_MAGIC or plain.read(file) != LEGACY_PROTOCOL:
        raise RefusalError("it does not begin as torch.save begins")
    system = plain.read(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusalError("its numbers are not little-endian")
    storages = Storages(most_bytes)
    tree = Interpreter(budget, storages).read(file)
    keys = plain.read(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise RefusalError("its list of storages is damaged")
    if sorted(keys) != sorted(storages.by_key):
        raise RefusalError("its list of storages is not that of its tensors")
    for key in keys:
        numbers = storages.by_key[key].numbers
        length = int.from_bytes(file.read(8), "little")
        if length != len(numbers):
            raise RefusalError(f"a storage has {length} numbers, not {len(numbers)}")
        content = file.read(numbers.nbytes)
        if len(content) != numbers.nbytes:
            raise RefusalError(f"{key[:100]!r} is not complete")
        numbers[:] = np.frombuffer(content, numbers.dtype)
    if file.read(1):
        raise RefusalError("it goes on after its last storage")
    return tree
