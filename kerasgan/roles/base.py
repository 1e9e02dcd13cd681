"""The base class of roles, and functions that check the roles of a model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras import Model as _Beside  # a role uses what the model beside it has
else:
    _Beside = object


class Role(_Beside):
    """A capability of a model; a base class to combine with `kerasgan.GenerativeModel`.

    Callbacks, metrics, the command line and servers check for roles, never for classes of models,
    so a model with a role works with everything that needs it. List the roles before the model's
    class:

    `class VAE(HasLatents, kerasgan.GenerativeModel)`.

    Attributes:
        can: str, what models of this role can do, after "can".
        owes: dict from the name of each method, property or attribute that a subclass must define
            to its description. `compile` raises an error for a model that lacks one.
        cannot: dict from `can` of another role to a sentence that explains why models of this role
            lack it, where an explanation helps.
    """

    can: str = ""
    owes: dict[str, str] = {}
    cannot: dict[str, str] = {}


def has(model: object, role: type[Role]) -> bool:
    """Whether a model, or a class of models, has a role.

    Args:
        model: a model, or its class.
        role: a subclass of `Role`.

    Returns:
        bool.

    Example:

    >>> kerasgan.roles.has(kerasgan.VAE, kerasgan.roles.Encodes)
    True
    >>> kerasgan.roles.has(kerasgan.DCGAN, kerasgan.roles.Encodes)
    False
    """
    return issubclass(model if isinstance(model, type) else type(model), role)


def require(model: object, role: type[Role], asker: str, instead: str = "") -> None:
    """Checks that a model, or a class of models, has a role.

    Args:
        model: a model, or its class.
        role: a subclass of `Role`.
        asker: str, the name of the function that needs the role, for the error.
        instead: str, a sentence that says what to do instead, if there is something.

    Raises:
        ValueError: when it does not.

    Example:

    >>> kerasgan.roles.require(kerasgan.VAE, kerasgan.roles.Encodes, "my_callback")
    """
    if not has(model, role):
        model_class = model if isinstance(model, type) else type(model)
        own = [vars(r)["can"] for r in model_class.__mro__ if vars(r).get("can")]
        reasons = getattr(model_class, "cannot", {})
        cans = (getattr(base, "can", "") for base in role.__mro__)
        why = [reasons[can] for can in cans if can in reasons]
        instead = " ".join(filter(None, [*why[:1], instead]))
        able = f"can {' and '.join(own)}" if own else "has no role"
        raise ValueError(
            f"{asker} needs a model that can {role.can}; {model_class.__name__} {able}."
            f"{' ' if instead else ''}{instead}"
        )


def check_complete(model: object) -> None:
    """Checks that a model defines what its base classes and its roles require.

    Args:
        model: a model.

    Raises:
        NotImplementedError: when something is missing; the message says what each is.
    """
    missing = {}
    for base in type(model).__mro__:
        for name, what in vars(base).get("owes", {}).items():
            # Properties are not evaluated: they may need what `compile` has yet to create.
            if not (hasattr(type(model), name) or hasattr(model, name)):
                missing[name] = what
    if missing:
        name = type(model).__name__
        wanted = "; ".join(f"`{name}`, {what}" for name, what in missing.items())
        raise NotImplementedError(f"{name} is incomplete. Give it {wanted}.")
