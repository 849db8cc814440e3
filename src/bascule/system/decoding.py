"""Options of any kind, read strictly: every unknown, missing or wrong one is found in one go, with its path. Pure."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system.problems import Finding

T = TypeVar("T", bound=Struct)
_QUANTITIES = (Duration, Rate, Share, Size)


def closest(word: str, known: tuple[str, ...]) -> str:
    """`did you mean X?` when a known word is near, else the known words."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}" if known else ""


def _quantity(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        what = f"expected a {kind.__name__.lower()}, got {type(value).__name__}"
        return None, [Finding(path=path, what=what, hint=f"write it like {kind.EXAMPLE}")]
    try:
        return kind.parse(str(value)), []
    except InputError as error:
        return None, [Finding(path=path, what=error.what, hint=error.hint)]


def _plain(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    try:
        return msgspec.convert(value, kind), []
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        return None, [Finding(path=path + place.rstrip("`"), what=what[:1].lower() + what[1:])]


def _value(value: object, kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    if isinstance(kind, type) and issubclass(kind, Struct):
        return decode(value, kind, path)
    structs = _tagged(kind)
    if structs:
        return (None, []) if value is None and type(None) in get_args(kind) else _chosen(value, structs, path)
    if get_origin(kind) is tuple and isinstance(value, list | tuple) and _tagged(get_args(kind)[0]):
        return _several(value, get_args(kind)[0], path)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        return _mapping(value, get_args(kind)[1], path)
    quantity = next((each for each in _QUANTITIES if each is kind or each in get_args(kind)), None)
    if quantity is not None and not (value is None and type(None) in get_args(kind)):
        return _quantity(value, quantity, path)
    return _plain(value, kind, path)


def _tagged(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, of any form
    """The structs of a union by their tags; of a single struct that has one, too."""
    members = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    structs = [one for one in members if isinstance(one, type) and issubclass(one, Struct)]
    return {str(one.__struct_config__.tag): one for one in structs if one.__struct_config__.tag is not None}


def _chosen(value: object, structs: Mapping[str, Any], path: str) -> tuple[object, list[Finding]]:
    if not isinstance(value, Mapping):
        return None, [Finding(path=path, what=f"expected a mapping, got {type(value).__name__}")]
    field = next(iter(structs.values())).__struct_config__.tag_field
    tag = value.get(field)
    if str(tag) not in structs:
        what = f"unknown {field} {str(tag)[:60]!r}" if field in value else f"option {field!r} is missing"
        return None, [Finding(path=_below(path, field), what=what, hint=closest(str(tag), tuple(structs)))]
    return decode({key: item for key, item in value.items() if key != field}, structs[str(tag)], path)


def _several(value: Iterable[object], kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    decoded: list[object] = []
    findings: list[Finding] = []
    for number, item in enumerate(value):
        one, wrong = _value(item, kind, f"{path}[{number}]")
        decoded.append(one)
        findings += wrong
    return tuple(decoded), findings


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _mapping(value: Mapping[Any, object], kind: Any, path: str) -> tuple[object, list[Finding]]:  # noqa: ANN401 - a type, of any form
    decoded: dict[str, object] = {}
    findings: list[Finding] = []
    for key, item in value.items():
        decoded[str(key)], wrong = _value(item, kind, _below(path, str(key)))
        findings += wrong
    return decoded, findings


def decode(document: object, kind: type[T], path: str) -> tuple[T | None, list[Finding]]:
    """The options as their struct, and everything that is wrong with them; None when anything is.

    Args:
        document: What the file says.
        kind: The options' struct. Fields may be quantities, structs, unions of tagged structs, and dictionaries and
            tuples of any of them.
        path: Where the document stands in its file: `components.database.options`; empty for the whole file.
    """
    if not isinstance(document, Mapping):
        return None, [Finding(path=path, what=f"expected a mapping, got {type(document).__name__}")]
    fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
    findings = [
        Finding(path=_below(path, str(key)), what=f"unknown option {str(key)!r}", hint=closest(str(key), tuple(fields)))
        for key in document
        if key not in fields
    ]
    values: dict[str, object] = {}
    for key, each in fields.items():
        if key in document:
            values[each.name], wrong = _value(document[key], each.type, _below(path, str(key)))
            findings += wrong
        elif each.default is NODEFAULT and each.default_factory is NODEFAULT:
            findings.append(Finding(path=_below(path, str(key)), what=f"option {key!r} is missing"))
    return (None, findings) if findings else (kind(**values), [])
