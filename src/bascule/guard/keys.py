"""Keys made of a call's arguments. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from bascule.kernel.errors import InputError


class _Same:
    """Stands for a callable that cannot be hashed: equal to itself alone."""

    __slots__ = ("call",)

    def __init__(self, call: object) -> None:
        self.call = call

    def __hash__(self) -> int:
        """By identity."""
        return id(self.call)

    def __eq__(self, other: object) -> bool:
        """Whether it stands for the same object."""
        return isinstance(other, _Same) and other.call is self.call


def key_of(
    owner: object, make: Callable[..., Hashable] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Hashable:
    """The key that `make` gives for a call, or its arguments themselves.

    Raises:
        InputError: The key cannot be hashed.
    """
    key: Hashable = make(*args, **kwargs) if make is not None else (args, tuple(sorted(kwargs.items())))
    try:
        hash(key)
    except TypeError as error:
        name = type(owner).__name__
        raise InputError(
            f"{name}: the arguments of this call make no key: {error}",
            hint=f"give {name} a key= that makes one of them",
        ) from error
    return key


def with_callable(call: object, key: Hashable) -> Hashable:
    """The key of a result: the same arguments of another function have another one."""
    try:
        hash(call)
    except TypeError:
        return _Same(call), key
    return call, key
