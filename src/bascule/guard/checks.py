"""Checks of options: what cannot be is refused when it is made, naming the field, the value and the rule. Pure."""

from __future__ import annotations

import math
import reprlib
from typing import Any

from bascule.kernel.errors import InputError


def refuse(owner: object, field: str, value: object, rule: str) -> InputError:
    """The error that names the field, the value and the rule."""
    return InputError(f"{type(owner).__name__}.{field}: {shown(value)} must be {rule}")


def shown(value: object) -> str:
    """A value in a few words, however long or deep it is."""
    return _FEW_WORDS.repr(value)


_FEW_WORDS = reprlib.Repr()
_FEW_WORDS.maxstring = _FEW_WORDS.maxlong = _FEW_WORDS.maxother = 200


def whole(owner: object, field: str, *, least: int = 0, most: int = 1_000_000) -> None:
    """Hold a field to be a whole number in [least, most]."""
    value: Any = getattr(owner, field)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse(owner, field, value, f"a whole number from {least} to {most}")


def flag(owner: object, field: str) -> None:
    """Hold a field to be True or False: what a file calls "no" would be as good as True."""
    if not isinstance(getattr(owner, field), bool):
        raise refuse(owner, field, getattr(owner, field), "True or False")


def number(owner: object, field: str, *, least: float = 0.0, most: float = math.inf, above: bool = False) -> None:
    """Hold a field to be a finite number in [least, most], or in (least, most] if `above`."""
    value: Any = getattr(owner, field)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    good = is_number and -MOST <= value <= MOST  # NaN is neither; an integer may be too large for a float
    if not good or not least <= value <= most or (above and value == least):
        bound = f" and at most {most:g}" if math.isfinite(most) else ""
        raise refuse(owner, field, value, f"a number {'above' if above else 'of at least'} {least:g}{bound}")


def seconds(owner: object, field: str, *, above: bool = True, optional: bool = False) -> None:
    """Hold a field to be a time in seconds, above zero (or from zero on), or None if `optional`."""
    if optional and getattr(owner, field) is None:
        return
    number(owner, field, above=above, most=1e9)


def share(owner: object, field: str, *, optional: bool = False) -> None:
    """Hold a field to be a share in (0, 1], or None if `optional`."""
    if optional and getattr(owner, field) is None:
        return
    number(owner, field, most=1.0, above=True)


MOST = 1e300
Kinds = type[BaseException] | tuple[type[BaseException], ...]


def error_kinds(owner: object, field: str) -> None:
    """Hold a field to be an exception type, a tuple of them, or a function; what ends a task or program is none."""
    value: Any = getattr(owner, field)
    kinds = value if isinstance(value, tuple) else (value,)
    if all(isinstance(kind, type) for kind in kinds):
        for kind in kinds:
            if not issubclass(kind, Exception):
                raise refuse(
                    owner, field, kind, "an exception type under Exception: what ends a task or a program passes"
                )
    elif not callable(value):
        raise refuse(owner, field, value, "an exception type, a tuple of them, or a function of the error")


def callable_or_none(owner: object, field: str) -> None:
    """Hold a field to be a function, or None."""
    value: Any = getattr(owner, field)
    if value is not None and not callable(value):
        raise refuse(owner, field, value, "a function or None")
