"""Options of an engine, read strictly: every unknown, missing or wrong one is found in one go, with its path. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct

from bascule.engines.protocols import Finding
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system.model import Component

T = TypeVar("T", bound=Struct)
_QUANTITIES = (Duration, Rate, Share, Size)


def closest(word: str, known: tuple[str, ...]) -> str:
    """`did you mean X?` when a known word is near, else the known words."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}" if known else ""


def _quantity(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form - any quantity
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = f"expected a {kind.__name__.lower()}, got {type(value).__name__}"
        return None, [Finding(path=path, what=what, hint=f"write it like {kind.EXAMPLE}")]
    try:
        return kind.parse(str(value)), []
    except InputError as error:
        return None, [Finding(path=path, what=error.what, hint=error.hint)]


def _plain(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form - any annotation
    try:
        return msgspec.convert(value, kind), []
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        return None, [Finding(path=path + place.rstrip("`"), what=what[:1].lower() + what[1:])]


def _value(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form - any annotation
    if isinstance(kind, type) and issubclass(kind, Struct):
        return decode(value, kind, path)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        return _mapping(value, get_args(kind)[1], path)
    quantity = next((each for each in _QUANTITIES if each is kind or each in get_args(kind)), None)
    if quantity is not None and not (value is None and type(None) in get_args(kind)):
        return _quantity(value, quantity, path)
    return _plain(value, kind, path)


def _mapping(value: Mapping[Any, object], kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    decoded: dict[str, object] = {}
    findings: list[Finding] = []
    for key, item in value.items():
        decoded[str(key)], wrong = _value(item, kind, f"{path}.{key}")
        findings += wrong
    return decoded, findings


def decode(document: object, kind: type[T], path: str) -> tuple[T | None, list[Finding]]:
    """The options as their struct, and everything that is wrong with them; None when anything is.

    Args:
        document: What the system file says.
        kind: The engine's options. Fields may be quantities, structs, and dictionaries of either.
        path: Where the document stands in the system file: `components.database.options`.
    """
    if not isinstance(document, Mapping):
        return None, [Finding(path=path, what=f"expected a mapping, got {type(document).__name__}")]
    fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
    findings = [
        Finding(path=f"{path}.{key}", what=f"unknown option {str(key)!r}", hint=closest(str(key), tuple(fields)))
        for key in document
        if key not in fields
    ]
    values: dict[str, object] = {}
    for key, each in fields.items():
        if key in document:
            values[each.name], wrong = _value(document[key], each.type, f"{path}.{key}")
            findings += wrong
        elif each.default is NODEFAULT and each.default_factory is NODEFAULT:
            findings.append(Finding(path=f"{path}.{key}", what=f"option {key!r} is missing"))
    return (None, findings) if findings else (kind(**values), [])


def of(component: Component, kind: type[T]) -> T:
    """The component's options.

    Raises:
        InputError: They cannot be decoded; `registry.check_system` would have said so.
    """
    value, findings = decode(component.options, kind, "options")
    if value is None:
        raise InputError(findings[0].what, where=findings[0].path, hint=findings[0].hint)
    return value
