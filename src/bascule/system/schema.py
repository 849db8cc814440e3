"""The system file's JSON Schema, made from the model, so that editors complete and check it. Pure."""

from __future__ import annotations

import inspect as docstrings
import re
from functools import singledispatchmethod
from typing import TypeAlias

from msgspec import NODEFAULT, Struct, inspect

from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system.model import System
from bascule.system.plain import Plain, plain
from bascule.system.structure import SHORTHAND

Json: TypeAlias = "dict[str, Plain]"

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = r"\d{1,15}(\.\d{1,12})?"
_QUANTITIES: dict[type, Json] = {
    Duration: {
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*(0|({_NUMBER}\s*(ns|us|µs|ms|s|min|m|h|d|w)\s*){{1,6}})\s*$"},
            {"const": 0},
        ],
        "examples": ["250ms", "30s", "5m", "1h30m", "30d"],
    },
    Rate: {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*/(s|min|m|h|d)\s*$", "examples": ["200/s", "30/min"]},
    Share: {
        "anyOf": [
            {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*%?\s*$"},
            {"type": "number", "minimum": 0, "maximum": 1},
        ],
        "examples": ["99.95%", 0.9995],
    },
    Size: {
        "type": "string",
        "pattern": rf"^\s*{_NUMBER}\s*(B|[kMGT]B|[KMGT]iB)\s*$",
        "examples": ["512B", "100MB", "16MiB"],
    },
}
_ATTRIBUTE = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


def schema() -> Json:
    """A JSON Schema (2020-12) that every system file meets which `load` accepts."""
    maker = _Maker()
    root = maker.of(inspect.type_info(System))
    return {"$schema": DIALECT, "title": "A Bascule system file", **root, "$defs": dict(sorted(maker.structs.items()))}


def attributes(kind: type[Struct]) -> dict[str, str]:
    """What a struct's docstring says about each of its fields."""
    _, _, section = docstrings.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    told: dict[str, str] = {}
    names: list[str] = []
    for line in docstrings.cleandoc("\n" + section).splitlines():
        if found := _ATTRIBUTE.match(line):
            names = found[1].split(", ")
            told.update(dict.fromkeys(names, found[2]))
        else:
            told.update({name: f"{told[name]} {line.strip()}" for name in names})
    return told


def summary(kind: type[Struct]) -> str:
    """What a struct's docstring says before it comes to the fields."""
    text = docstrings.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[0]
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).strip()


class _Maker:
    """Walks the model's types once; each struct becomes a definition of its own."""

    def __init__(self) -> None:
        self.structs: Json = {}

    @singledispatchmethod
    def of(self, kind: inspect.Type) -> Json:
        """The schema of a type."""
        return {"type": "boolean"} if isinstance(kind, inspect.BoolType) else {}

    @of.register
    def _(self, kind: inspect.StructType) -> Json:
        name = kind.cls.__name__
        if name not in self.structs:
            self.structs[name] = {}  # holds the place, should a struct ever contain itself
            self.structs[name] = self._definition(kind)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, kind: inspect.StructType) -> Json:
        told = attributes(kind.cls)
        properties: Json = {}
        for one in kind.fields:
            shown = self.of(one.type)
            if one.encode_name in told:
                shown = {**shown, "description": told[one.encode_name]}
            if one.default is not NODEFAULT and one.default is not None:
                shown = {**shown, "default": plain(one.default)}
            properties[one.encode_name] = shown
        group: Json = {
            "type": "object",
            "description": summary(kind.cls),
            "properties": properties,
            "required": [one.encode_name for one in kind.fields if one.required],
            "additionalProperties": False,
        }
        short = SHORTHAND.get(kind.cls)
        if short is None:
            return group
        word = next(self.of(one.type) for one in kind.fields if one.name == short)
        return {"description": summary(kind.cls), "anyOf": [word, group]}

    @of.register
    def _(self, kind: inspect.DictType) -> Json:
        key, value = self.of(kind.key_type), self.of(kind.value_type)
        names: Json = {"propertyNames": key} if "pattern" in key or "enum" in key else {}
        return {"type": "object", **names, "additionalProperties": value or True, **_length(kind, "Properties")}

    @of.register
    def _(self, kind: inspect.VarTupleType) -> Json:
        return {"type": "array", "items": self.of(kind.item_type), **_length(kind, "Items")}

    @of.register
    def _(self, kind: inspect.TupleType) -> Json:
        items: list[Plain] = [self.of(item) for item in kind.item_types]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    @of.register
    def _(self, kind: inspect.UnionType) -> Json:
        return self.of(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))

    @of.register
    def _(self, kind: inspect.LiteralType) -> Json:
        return {"enum": list(kind.values)}

    @of.register
    def _(self, kind: inspect.StrType) -> Json:
        return {"type": "string", "pattern": kind.pattern} if kind.pattern else {"type": "string"}

    @of.register
    def _(self, kind: inspect.IntType) -> Json:
        return {"type": "integer", **_bounds(kind)}

    @of.register
    def _(self, kind: inspect.FloatType) -> Json:
        return {"type": "number", **_bounds(kind)}

    @of.register
    def _(self, kind: inspect.DataclassType) -> Json:
        return _QUANTITIES[kind.cls]


def _length(kind: inspect.DictType | inspect.VarTupleType, of: str) -> Json:
    return {f"min{of}": kind.min_length} if kind.min_length is not None else {}


def _bounds(kind: inspect.IntType | inspect.FloatType) -> Json:
    words = {"minimum": kind.ge, "exclusiveMinimum": kind.gt, "maximum": kind.le, "exclusiveMaximum": kind.lt}
    return {word: bound for word, bound in words.items() if bound is not None}
