"""Nodes into the structs of the model, with everything that does not fit. Pure.

The model is the one description of the file: this walks its types, whatever they are. What cannot be read is replaced
by a neutral value, and its path is remembered, so that later checks can go on without drawing conclusions from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from msgspec import inspect

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system.document import Document, Mapping, Node, Scalar, Sequence, child
from bascule.system.model import Need
from bascule.system.plain import Plain
from bascule.system.problems import Finding, Positions, Problem, closest, did_you_mean, parents, quoted
from bascule.system.samples import example, neutral
from bascule.system.scenario import Expectation, Whom

SHORTHAND: dict[type, str] = {Need: "kind", Whom: "who", Expectation: "outcome"}
"""Structs that may be written as one word, and the field that the word is for."""

PATTERNS = {
    "^[a-z][a-z0-9-]{0,30}$": "a name: lower-case letters, digits and hyphens, a letter first, at most 31",
    "^/": "a path: it begins with /",
    "^(zone|region|[1-9][0-9]?%|100%)$": "a share from 1% to 100%, zone, or region",
}
_UNIT_OF_BARE_NUMBER: dict[type, str] = {Duration: "s", Rate: "/s", Share: "%", Size: "B"}
_BROKEN = object()
T = TypeVar("T")


class Draft(Generic[T]):
    """A file as far as it could be read, and the problems so far.

    Args:
        value: What the file says; with neutral values where it could not be read.
        broken: The paths of what could not be read.
    """

    def __init__(self, value: T, positions: Positions, problems: list[Problem], broken: set[str]) -> None:
        self.value = value
        self.positions = positions
        self.problems = problems
        self._broken = broken
        self._above = {above for path in broken for above in parents(path)}
        self._grounds: dict[tuple[str, ...], bool] = {}
        self._directly_above = {parents(path)[0] for path in broken if path}

    def holds(self, finding: Finding) -> bool:
        """Whether a finding rests on what could be read alone.

        Its own path must have been read whole; of what it was concluded from, the value and its direct entries.
        """
        if finding.because not in self._grounds:
            direct = (path not in self._directly_above and self._was_read(path) for path in finding.because)
            self._grounds[finding.because] = all(direct)
        own = self._was_read(finding.path) and finding.path not in self._above
        return own and self._grounds[finding.because]

    def _was_read(self, path: str) -> bool:
        return self._broken.isdisjoint((path, *parents(path)))


def build(document: Document, model: type[T]) -> Draft[T]:
    """What a document describes, as a struct of the model, and all that does not fit it."""
    broken = {problem.path for problem in document.problems if problem.path}
    reading = _Reading(document.positions, list(document.problems), broken)
    kind = inspect.type_info(model)
    value = reading.node(document.root, kind, "")
    if not isinstance(value, model):
        value = neutral(kind)
        reading.broken.add("")
    return Draft(value, reading.positions, reading.problems, reading.broken)  # type: ignore[arg-type]  # a struct of that kind


@dataclass(slots=True)
class _Reading:
    """One walk over types and nodes together. Each step returns the value, or `_BROKEN` once its problem is noted."""

    positions: Positions
    problems: list[Problem]
    broken: set[str] = field(default_factory=set)

    def node(self, node: Node, kind: inspect.Type, path: str) -> object:
        readers: dict[type[inspect.Type], Callable[[Node, Any, str], object]] = {
            inspect.StructType: self._struct,
            inspect.DictType: self._dict,
            inspect.VarTupleType: self._list,
            inspect.TupleType: self._tuple,
            inspect.UnionType: self._optional,
            inspect.LiteralType: self._word,
            inspect.StrType: self._text,
            inspect.BoolType: self._truth,
            inspect.IntType: self._number,
            inspect.FloatType: self._number,
            inspect.DataclassType: self._quantity,
            inspect.CustomType: lambda node, _kind, _path: free(node),
        }
        return readers[type(kind)](node, kind, path)

    def _refuse(self, path: str, what: str, hint: str = "", *, key: bool = False) -> object:
        self.problems.append(Problem.at(self.positions, path, what, hint, key=key))
        self.broken.add(path)
        return _BROKEN

    def _unfit(self, path: str, node: Node, kind: inspect.Type, wanted: str) -> object:
        return self._refuse(path, f"{described(node)} where {wanted} is needed", f"write it like {example(kind)}")

    def _struct(self, node: Node, kind: inspect.StructType, path: str) -> object:
        if isinstance(node, Scalar) and node.text and (short := SHORTHAND.get(kind.cls)):
            self.positions.rename(path, child(path, short))
            node = Mapping({short: node})
        if not isinstance(node, Mapping):
            return self._unfit(path, node, kind, "a group of keys")
        given = self._known(node, {one.encode_name for one in kind.fields}, path)
        values: dict[str, object] = {}
        for one in kind.fields:
            below = child(path, one.encode_name)
            if one.encode_name in given:
                value = self.node(given[one.encode_name], one.type, below)
            elif one.required:
                value = self._refuse(below, "is missing", f"add {one.encode_name}: {example(one.type)}")
            else:
                continue
            values[one.name] = neutral(one.type) if value is _BROKEN else value
        return kind.cls(**values)

    def _known(self, node: Mapping, known: set[str], path: str) -> dict[str, Node]:
        """The entries by field; a misspelt key counts as the field that was probably meant."""
        given = {key: value for key, value in node.entries.items() if key in known}
        for key, value in node.entries.items():
            if key in known:
                continue
            unused = sorted(known - given.keys())
            meant = closest(key, unused)
            hint = did_you_mean(key, unused if meant else sorted(known))
            self._refuse(child(path, key), f"unknown key {quoted(key)}", hint, key=True)
            if meant:
                given[meant] = value
                self.positions.rename(child(path, key), child(path, meant))
        return given

    def _dict(self, node: Node, kind: inspect.DictType, path: str) -> object:
        if not isinstance(node, Mapping):
            return self._unfit(path, node, kind, "a group of keys")
        values: dict[str, object] = {}
        for key, inner in node.entries.items():
            below = child(path, key)
            fits = self._key(key, kind.key_type, below)
            value = self.node(inner, kind.value_type, below)
            if fits and value is not _BROKEN:
                values[key] = value
        if len(node.entries) < (kind.min_length or 0):
            return self._refuse(path, "is empty", f"write it like {example(kind)}")
        return values

    def _key(self, key: str, kind: inspect.Type, path: str) -> bool:
        if isinstance(kind, inspect.LiteralType) and key not in kind.values:
            self._refuse(path, f"unknown key {quoted(key)}", did_you_mean(key, map(str, kind.values)), key=True)
            return False
        if isinstance(kind, inspect.StrType) and kind.pattern and not matches(kind.pattern, key):
            self._refuse(path, f"{quoted(key)} is not {PATTERNS[kind.pattern]}", key=True)
            return False
        return True

    def _list(self, node: Node, kind: inspect.VarTupleType, path: str) -> object:
        if not isinstance(node, Sequence):
            return self._unfit(path, node, kind, "a list")
        if len(node.items) < (kind.min_length or 0):
            return self._refuse(path, "is empty", f"write it like {example(kind)}")
        values = [self.node(item, kind.item_type, f"{path}[{at}]") for at, item in enumerate(node.items)]
        return tuple(neutral(kind.item_type) if value is _BROKEN else value for value in values)

    def _tuple(self, node: Node, kind: inspect.TupleType, path: str) -> object:
        count = len(kind.item_types)
        if not isinstance(node, Sequence) or len(node.items) != count:
            return self._unfit(path, node, kind, f"a list of {count}")
        pairs = enumerate(zip(node.items, kind.item_types, strict=True))
        values = [self.node(item, item_kind, f"{path}[{at}]") for at, (item, item_kind) in pairs]
        return _BROKEN if any(value is _BROKEN for value in values) else tuple(values)

    def _optional(self, node: Node, kind: inspect.UnionType, path: str) -> object:
        (inner,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
        return self.node(node, inner, path)

    def _word(self, node: Node, kind: inspect.LiteralType, path: str) -> object:
        known = [str(value) for value in kind.values]
        if isinstance(node, Scalar) and node.text in known:
            return node.text
        hint = did_you_mean(node.text if isinstance(node, Scalar) else "", known)
        return self._refuse(path, f"{described(node)} cannot be here", hint)

    def _text(self, node: Node, kind: inspect.StrType, path: str) -> object:
        value = node.value() if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            if isinstance(node, Scalar) and node.text:
                return self._refuse(path, f"{quoted(node.text)} is not text", f'put it in quotes: "{node.text[:40]}"')
            return self._unfit(path, node, kind, "text")
        if kind.pattern and not matches(kind.pattern, value):
            return self._refuse(path, f"{quoted(value)} is not {PATTERNS[kind.pattern]}")
        return value

    def _truth(self, node: Node, kind: inspect.BoolType, path: str) -> object:
        value = node.value() if isinstance(node, Scalar) else None
        return value if isinstance(value, bool) else self._unfit(path, node, kind, "true or false")

    def _number(self, node: Node, kind: inspect.IntType | inspect.FloatType, path: str) -> object:
        value = node.value() if isinstance(node, Scalar) else None
        whole = isinstance(kind, inspect.IntType)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return self._unfit(path, node, kind, "a whole number" if whole else "a number")
        if bounds := outside(value, kind):
            return self._refuse(path, f"{value} is out of bounds", f"it must be {bounds}")
        return value if whole else float(value)

    def _quantity(self, node: Node, kind: inspect.DataclassType, path: str) -> object:
        quantity: Any = kind.cls
        if not isinstance(node, Scalar) or not node.text:
            return self._unfit(path, node, kind, f"a {quantity.__name__.lower()}")
        try:
            return quantity.parse(node.text)
        except InputError as error:
            if re.fullmatch(r"\d+(\.\d+)?", node.text):
                unit = _UNIT_OF_BARE_NUMBER[quantity]
                return self._refuse(path, f"{quoted(node.text)} has no unit", f"did you mean {node.text}{unit}?")
            return self._refuse(path, error.what, error.hint)


def free(node: Node) -> Plain:
    """Plain data, just as it was written."""
    if isinstance(node, Scalar):
        return node.value()
    if isinstance(node, Sequence):
        return [free(item) for item in node.items]
    return {key: free(inner) for key, inner in node.entries.items()}


def matches(pattern: str, text: str) -> bool:
    """Whether the text has this pattern; a line end at its end counts as a character."""
    return re.search(pattern, text) is not None and not text.endswith("\n")


def outside(value: float, kind: inspect.IntType | inspect.FloatType) -> str:
    """The bounds in words if the value is outside of them; empty when it is not."""
    low = (kind.ge is not None and value < kind.ge) or (kind.gt is not None and value <= kind.gt)
    high = (kind.le is not None and value > kind.le) or (kind.lt is not None and value >= kind.lt)
    words = {"at least": kind.ge, "more than": kind.gt, "at most": kind.le, "less than": kind.lt}
    return (
        " and ".join(f"{word} {bound:g}" for word, bound in words.items() if bound is not None) if low or high else ""
    )


def described(node: Node) -> str:
    """What stands there, in words."""
    if isinstance(node, Scalar):
        return quoted(node.text) if node.text else "nothing"
    return f"a list of {len(node.items)}" if isinstance(node, Sequence) else "a group of keys"
