"""Structs and quantities as plain data, the way a person would write them in a file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias

import msgspec

from bascule.kernel.quantities import Duration, Rate, Share, Size

Plain: TypeAlias = "str | int | float | bool | None | list[Plain] | dict[str, Plain]"


def plain(value: object, *, defaults: bool = True) -> Plain:
    """Plain data of the same meaning: quantities become what a person writes (`30s`), structs become dictionaries.

    Args:
        value: Structs, quantities, paths, enums and collections of them.
        defaults: Whether fields that hold their default are kept.

    Raises:
        TypeError: Something in it has no plain form.
    """
    if isinstance(value, Enum):
        return plain(value.value, defaults=defaults)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Duration | Rate | Share | Size | PurePath):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return {
            shown.encode_name: plain(getattr(value, shown.name), defaults=defaults)
            for shown in msgspec.structs.fields(value)
            if defaults or not _is_default(shown, getattr(value, shown.name))
        }
    if isinstance(value, Mapping):
        return {str(key): plain(inner, defaults=defaults) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(inner, defaults=defaults) for inner in sorted(value)]
    if isinstance(value, list | tuple):
        return [plain(inner, defaults=defaults) for inner in value]
    message = f"a {type(value).__name__} has no plain form"
    raise TypeError(message)


def _is_default(shown: msgspec.structs.FieldInfo, value: object) -> bool:
    if shown.default is not msgspec.NODEFAULT:
        return bool(value == shown.default)
    if shown.default_factory is not msgspec.NODEFAULT:
        return bool(value == shown.default_factory())
    return False
