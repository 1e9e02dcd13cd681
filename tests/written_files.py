"""Files of weights, written by hand: neither PyTorch nor the publishers' programs need be there."""

import collections
import io
import struct
import zipfile

import numpy as np

# What a pickle says.
Global = collections.namedtuple("Global", "module name")
Call = collections.namedtuple("Call", "function arguments")
Persistent = collections.namedtuple("Persistent", "description")
WithState = collections.namedtuple("WithState", "value state")
Raw = collections.namedtuple("Raw", "instructions")


ORDERED_DICT = Global("collections", "OrderedDict")
REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
FLOATS = Global("torch", "FloatStorage")


def instructions(value):
    def each(values):
        return b"".join(map(instructions, values))

    match value:
        case Raw():
            return value.instructions
        case Global():
            return f"c{value.module}\n{value.name}\n".encode()
        case Call():
            return each(value) + b"R"
        case Persistent():
            return instructions(value.description) + b"Q"
        case WithState():
            return each(value) + b"b"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case tuple():
            return b"(" + each(value) + b"t"
        case list():
            return b"](" + each(value) + b"e"
        case dict():
            return b"}(" + b"".join(map(each, value.items())) + b"u"


def pickled(value):
    return b"\x80\x02" + instructions(value) + b"."


def tensor(key, length, offset, shape, strides, storage=FLOATS):
    stored = Persistent(("storage", storage, key, "cpu", length))
    return Call(REBUILD, (stored, offset, shape, strides, False, Call(ORDERED_DICT, ())))


def archive(state, storages, compression=zipfile.ZIP_STORED, more=()):
    """A file as PyTorch writes it since 1.6, of the state and the bytes of the storages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr("weights/data.pkl", pickled(state))
        for name, content in more:
            out.writestr(f"weights/{name}", content)
        for key, content in storages.items():
            out.writestr(f"weights/data/{key}", content)
        out.writestr("weights/version", b"3\n")
    return file.getvalue()


MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}


def legacy(state, storages, magic=MAGIC, protocol=1001, system=SYSTEM, keys=None, size=4):
    """A file as PyTorch wrote it before."""
    keys = list(storages) if keys is None else keys
    head = b"".join(map(pickled, (magic, protocol, system, state, keys)))
    data = (struct.pack("<q", len(s) // size) + s for s in storages.values())
    return head + b"".join(data)


FORMATS = {"archive": archive, "legacy": legacy}

# Two tensors look into one storage: all of it as 2 x 3, and a column of it.
NUMBERS = np.arange(6, dtype="<f4")
STATE = {"all": tensor("0", 6, 0, (2, 3), (3, 1)), "column": tensor("0", 6, 1, (2,), (3,))}
STORAGES = {"0": NUMBERS.tobytes()}


# Networks as NVIDIA's programs for PyTorch write them --------------------------------------------

PERSISTENT = Global("torch_utils.persistence", "_reconstruct_persistent_obj")
PROGRAM = "raise SystemExit('the program text of a file is never run')"
BUFFERS = ("w_avg", "noise_const", "resample_filter", "p", "freqs", "phases", "transform")
BUFFERS += ("Kernel", "magnitude_ema", "up_filter", "down_filter")


def stored(array):
    """A tensor with a storage of its own, which is a torch file within the pickle."""
    array = np.asarray(array, "<f4", order="C")
    key, length = "0", array.size
    persistent = Persistent(("storage", FLOATS, key, "cpu", length, None))
    inner = legacy(persistent, {key: array.tobytes()})
    loaded = Call(Global("torch.storage", "_load_from_bytes"), (inner,))
    strides = tuple(stride // 4 for stride in array.strides)
    empty = Call(ORDERED_DICT, ())
    return Call(REBUILD, (loaded, 0, tuple(array.shape), strides, False, empty))


def persistent(class_name, tensors, **state):
    """A network of arrays by dotted names, as its modules."""
    parameters, buffers, inner = {}, {}, collections.defaultdict(dict)
    for name, array in tensors.items():
        first, _, rest = name.partition(".")
        if rest:
            inner[first][rest] = array
        elif first in BUFFERS:
            buffers[first] = stored(array)
        else:
            tensor = (stored(array), True, Call(ORDERED_DICT, ()))
            parameters[first] = Call(Global("torch._utils", "_rebuild_parameter"), tensor)
    state |= {
        "training": False,
        "_parameters": parameters,
        "_buffers": buffers,
        "_modules": {name: persistent("Layer", part) for name, part in inner.items()},
        "_non_persistent_buffers_set": Raw(b"\x8f"),
        "_load_state_dict_pre_hooks": Call(ORDERED_DICT, ()),
    }
    meta = {"type": "class", "version": 6, "module_src": PROGRAM, "class_name": class_name}
    return Call(PERSISTENT, ({**meta, "state": state},))


def snapshot(tensors, p=None, **settings_of_discriminator):
    """A snapshot of networks, of arrays by names that begin with G., G_ema. or D."""
    tree = {"training_set_kwargs": {"resolution": 32}}
    for network in ("G", "D", "G_ema"):
        own = {n.split(".", 1)[1]: a for n, a in tensors.items() if n.startswith(f"{network}.")}
        kwargs = {"_init_kwargs": settings_of_discriminator} if network == "D" else {}
        kind = "Discriminator" if network == "D" else "Generator"
        tree[network] = persistent(kind, own, **kwargs) if own else None
    if p is not None:
        factors = dict.fromkeys(("xflip", "rotate90", "xint", "scale", "rotate", "aniso"), 1.0)
        factors |= {"xfrac": 1.0, "brightness": 1.0, "contrast": 0.0, "imgfilter": 0.5}
        tree["augment_pipe"] = persistent("AugmentPipe", {"p": np.array(p)}, **factors)
    return pickled(tree)
