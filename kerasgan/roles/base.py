"""What a role is, and the two questions that other parts ask a model."""

import inspect


class Role:
    """What a model can do; a base class beside `kerasgan.GenerativeModel`.

    Callbacks, metrics, the command line and servers ask for roles, never for classes of models, so
    a model that has a role works with all that needs it. Name the roles before the model's class:

    `class VAE(HasLatents, kerasgan.GenerativeModel)`.

    Attributes:
        can: str, what models of this role can do, after "can".
        owes: dict from the name of what a subclass has to give, as method, property or attribute,
            to what that is. `compile` refuses a model that lacks one.
        cannot: dict from `can` of another role to a sentence that says why models of this role
            lack it, where that is worth saying.
    """

    can = ""
    owes: dict[str, str] = {}
    cannot: dict[str, str] = {}


def has(model, role):
    """Whether a model, or a class of models, has a role: bool."""
    return issubclass(model if isinstance(model, type) else type(model), role)


def require(model, role, asker, instead=""):
    """Makes sure that a model, or a class of models, has a role.

    Args:
        model: a model, or its class.
        role: a subclass of `Role`.
        asker: str, who needs it.
        instead: str, a sentence that says what to do, if there is something.

    Raises:
        ValueError: when it has not.
    """
    if not has(model, role):
        model_class = model if isinstance(model, type) else type(model)
        own = [r.can for r in model_class.__mro__ if "can" in vars(r) and r.can]
        reasons = getattr(model_class, "cannot", {})
        why = [reasons[r.can] for r in role.__mro__ if getattr(r, "can", "") in reasons]
        instead = " ".join(filter(None, [*why[:1], instead]))
        able = f"can {' and '.join(own)}" if own else "has no role"
        raise ValueError(
            f"{asker} needs a model that can {role.can}; {model_class.__name__} {able}."
            f"{' ' if instead else ''}{instead}"
        )


def check_complete(model):
    """Makes sure that a model gives what its base classes and its roles want of it.

    Raises:
        NotImplementedError: when something is missing; the message says what each is.
    """
    missing = {}
    for base in type(model).__mro__:
        for name, what in vars(base).get("owes", {}).items():
            # Properties are not asked, but PyTorch keeps networks where only asking finds them.
            there = inspect.getattr_static(model, name, None) is not None
            if not there and getattr(model, name, None) is None:
                missing[name] = what
    if missing:
        name = type(model).__name__
        wanted = "; ".join(f"`{name}`, {what}" for name, what in missing.items())
        raise NotImplementedError(f"{name} is incomplete. Give it {wanted}.")
