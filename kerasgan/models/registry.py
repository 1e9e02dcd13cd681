"""Which models there are, read from the files of this folder without importing them.

A model's file holds one public class whose name is the file's without underscores, in any case:
`vanilla_gan.py` holds `VanillaGAN`. Its docstring begins with a line that says what it is and has
a paragraph `Reference: ...` that names the paper. Nothing else has to be registered anywhere.
"""

import ast
import dataclasses
import functools
import inspect
import pathlib

BASES = ("kerasgan.core.gan", "kerasgan.core.generative_model")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        name: as on the command line, `"vanilla_gan"`.
        class_name: as in Python, `"VanillaGAN"`.
        module: where it is, `"kerasgan.models.vanilla_gan"`.
        summary: the first line of its docstring.
        reference: the paper: title, authors, year, arXiv number.
    """

    name: str
    class_name: str
    module: str
    summary: str
    reference: str


@functools.cache
def entries():
    """All models of the zoo as a tuple of `Entry`, by name."""
    files = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    found = [_read(file) for file in files]
    return tuple(entry for entry in found if entry is not None)


def parameters(model_class):
    """The arguments that a model takes, those that it hands on to its parents included.

    Returns:
        Dict from name to `inspect.Parameter`. Those of `kerasgan.GAN`, the networks among them,
        and of `kerasgan.GenerativeModel` are left out: a model that is trained by its name makes
        its own networks.
    """
    found = {}
    for parent in model_class.__mro__:
        if "__init__" not in vars(parent):
            continue
        if parent.__module__ in BASES:
            break
        own = inspect.signature(parent.__init__).parameters
        found = {**own, **found}
        if "kwargs" not in own:
            break  # it hands nothing on
    return {name: found[name] for name in found if name not in ("self", "args", "kwargs")}


def is_conditional(model_class, arguments):
    """Whether a model, made with these arguments, wants labels."""
    parameter = parameters(model_class).get("num_classes")
    default = None if parameter is None else parameter.default  # `empty` if it has to be given
    return arguments.get("num_classes", default) is not None


def _read(file):
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        wanted = file.stem.replace("_", "")
        if isinstance(node, ast.ClassDef) and node.name.lower() == wanted:
            doc = ast.get_docstring(node) or ""
            paragraphs = [" ".join(part.split()) for part in doc.split("\n\n")]
            references = [p for p in paragraphs if p.startswith("Reference: ")]
            reference = references[0].removeprefix("Reference: ") if references else ""
            module = f"kerasgan.models.{file.stem}"
            return Entry(file.stem, node.name, module, paragraphs[0], reference)
    return None
