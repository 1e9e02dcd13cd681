"""`kerasgan models`, and the names of models on the command line."""

import difflib
import functools
import importlib
import importlib.util
import os
import pathlib
import sys

import click

from kerasgan.cli.environment import import_keras
from kerasgan.models import registry


@click.command()
def models():
    """List the models of the zoo."""
    entries = registry.entries()
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        click.echo(f"{entry.name:{width}}  {entry.summary}")
        click.echo(f"{'':{width}}  {entry.reference}")


def is_own(name):
    """Whether a name is that of a user's class, `FILE.py:CLASS` or `MODULE:CLASS`."""
    return ":" in name


def canonical(name):
    """A model's name as a run stores it: that of the zoo, or with the full path of a file."""
    if not is_own(name):
        return find_entry(name).name
    where, _, class_name = name.rpartition(":")
    return f"{pathlib.Path(where).resolve() if where.endswith('.py') else where}:{class_name}"


def short(name):
    """A model's name without its file or module."""
    return name.rpartition(":")[2]


def find_entry(name):
    """The zoo's entry of a model by its name on the command line."""
    entries = {entry.name: entry for entry in registry.entries()}
    # The name of the class works, too, as do hyphens: DCGAN, WGANGP, wgan-gp.
    alike = {_plain(n): n for n in entries}
    name = alike.get(_plain(name), name)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        hint = " A class of your own is FILE.py:CLASS." if name.endswith(".py") else hint
        raise click.UsageError(
            f"there is no model {name!r}; `kerasgan models` lists them: {', '.join(entries)}.{hint}"
        )
    return entries[name]


def _plain(name):
    return name.lower().replace("-", "").replace("_", "")


def model_class(name):
    """The class of a model by its name on the command line.

    Raises:
        click.UsageError: when it does not exist, or is not a model that can be trained and loaded.
    """
    if is_own(name):
        where, _, class_name = name.rpartition(":")
        return _own_class(where, class_name)
    entry = find_entry(name)
    return getattr(importlib.import_module(entry.module), entry.class_name)


def own_function(name):
    """A user's function, `FILE.py:FUNCTION` or `MODULE:FUNCTION`.

    Raises:
        click.UsageError: when it does not exist.
    """
    where, _, function_name = name.rpartition(":")
    if not where:
        raise click.UsageError(
            f"there is no {name!r}; to name a function in a file, write FILE.py:FUNCTION."
        )
    function = getattr(_imported(where), function_name, None)
    if not callable(function):
        raise click.UsageError(f"{where} has no function {function_name!r}.")
    return function


def _imported(where):
    try:
        return _module_of(where)
    except click.UsageError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise click.UsageError(f"{where} cannot be imported: {reason}") from error


def _own_class(where, class_name):
    keras = import_keras()
    from kerasgan import GenerativeModel

    module = _imported(where)
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, GenerativeModel)
    }
    if class_name not in found:
        own = [name for name, value in found.items() if value.__module__ == module.__name__]
        wanted = "kerasgan.GenerativeModel or a subclass"
        has = f"it has {', '.join(own)}" if own else f"no class in it derives from {wanted}"
        raise click.UsageError(f"{where} has no model {class_name!r}; {has}.")
    model = found[class_name]
    if keras.saving.get_registered_object(keras.saving.get_registered_name(model)) is not model:
        raise click.UsageError(
            f"{class_name} of {where} is not registered with Keras, which could not load a saved "
            'model of it; put @keras.saving.register_keras_serializable(package="my_models") '
            "before the class."
        )
    return model


def _module_of(where):
    if where.endswith(".py"):
        return _module_of_file(pathlib.Path(where).resolve())
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):
            raise
        raise click.UsageError(
            f"there is no module {error.name!r}; to name a class in a file, write FILE.py:CLASS."
        ) from error


@functools.cache  # once a process, or its class would not be that of the models made before
def _module_of_file(path):
    if not path.is_file():
        raise click.UsageError(f"{path} does not exist.")
    for module in list(sys.modules.values()):  # otherwise Keras would know two classes by one name
        file = pathlib.Path(getattr(module, "__file__", None) or "")
        if file.name == path.name and file.resolve() == path:
            return module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for modules that it imports from its own folder
    # Not under its own name, which another module may have.
    spec = importlib.util.spec_from_file_location(f"kerasgan_own_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
