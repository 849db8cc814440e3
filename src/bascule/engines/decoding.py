"""A component's options as its engine's struct. Pure."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.system import decoding
from bascule.system.model import Component, System

closest = decoding.closest
decode = decoding.decode
T = TypeVar("T", bound=Struct)


def of(component: Component, kind: type[T]) -> T:
    """The component's options.

    Raises:
        InputError: They cannot be decoded; `registry.check_system` would have said so.
    """
    value, findings = decode(component.options, kind, "options")
    if value is None:
        raise InputError(findings[0].what, where=findings[0].path, hint=findings[0].hint)
    return value


def of_entry(system: System, kind: type[T]) -> T:
    """The options of the entry's provider, defaults where it has none.

    Raises:
        InputError: They cannot be read; `registry.check_system` would have said so.
    """
    value, findings = decode(system.vip.options if system.vip is not None else {}, kind, "options")
    if value is None:
        raise InputError(findings[0].what, where=findings[0].path, hint=findings[0].hint)
    return value
