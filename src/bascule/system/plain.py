"""Structs and quantities as plain data, the way a person would write them in a file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias

import msgspec

from bascule.kernel.quantities import Duration, Rate, Share, Size

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"


def plain(value: object, *, defaults: bool = True) -> Plain:
    """Plain data of the same meaning: quantities become what a person writes (`30s`), structs become dictionaries.

    Args:
        value: Structs, quantities, paths, enums of text or numbers, and collections of them.
        defaults: Whether fields that hold their default are kept.

    Raises:
        TypeError: Something in it has no plain form.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Duration | Rate | Share | Size | PurePath):
        return str(value)
    if isinstance(value, msgspec.Struct):
        shown = [one for one in msgspec.structs.fields(value) if defaults or not _is_default(one, value)]
        return {one.encode_name: plain(getattr(value, one.name), defaults=defaults) for one in shown}
    if isinstance(value, Mapping):
        return {str(key): plain(inner, defaults=defaults) for key, inner in value.items()}
    if isinstance(value, set | frozenset | list | tuple):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(inner, defaults=defaults) for inner in items]
    message = f"a {type(value).__name__} has no plain form"
    raise TypeError(message)


def _is_default(shown: msgspec.structs.FieldInfo, owner: msgspec.Struct) -> bool:
    value = getattr(owner, shown.name)
    if shown.default is not msgspec.NODEFAULT:
        return bool(value == shown.default)
    if shown.default_factory is not msgspec.NODEFAULT:
        return bool(value == shown.default_factory())
    return False
