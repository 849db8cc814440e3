"""Keys made of a call's arguments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from bascule.kernel.errors import InputError


def key_of(
    owner: object, make: Callable[..., Hashable] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Hashable:
    """The key that `make` gives for a call, or its arguments themselves.

    Raises:
        InputError: The key cannot be hashed.
    """
    key = make(*args, **kwargs) if make is not None else (args, tuple(sorted(kwargs.items())))
    try:
        hash(key)
    except TypeError as error:
        name = type(owner).__name__
        raise InputError(
            f"{name}: the arguments of this call make no key: {error}",
            hint=f"give {name} a key= that makes one of them",
        ) from error
    return key
