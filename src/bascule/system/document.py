"""YAML text as a tree in which every key and value knows its place. Pure.

Strict on purpose: YAML 1.2, one document, no duplicate keys, no anchors, aliases or tags, bounded size and depth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from bascule.system.problems import Positions, Problem, SystemFileError, quoted

MAX_BYTES = 2**20
MAX_DEPTH = 24
MAX_NODES = 20_000

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,4})?")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it was written; `bare` without quotes."""

    text: str
    bare: bool = False

    def value(self) -> str | int | float | bool | None:
        """What it means by YAML 1.2's core schema: `no`, `on` and `1_000` are text.

        Source: YAML 1.2.2, section 10.3.2. Numbers of more than 18 digits, octal and hexadecimal numbers stay text.
        """
        text = self.text
        if not self.bare:
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        return text


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Nodes by key, in the file's order; keys are text and occur once."""

    entries: dict[str, Node]


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """A file's tree, the place of everything in it, and what is wrong with it as YAML."""

    root: Node
    positions: Positions
    problems: tuple[Problem, ...]


def read(text: str, file: str) -> Document:
    """The tree of a YAML text.

    Raises:
        SystemFileError: It is too large, too deep, empty, or no YAML. Lesser problems are listed in the document.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SystemFileError([Problem(file, 1, 1, "", "the file is larger than 1 MiB", "a system file is a few kB")])
    return _Composer(text.removeprefix("\ufeff"), file).document()


def child(path: str, key: str) -> str:
    """The path of a key below `path`."""
    return f"{path}.{key}" if path else key


@dataclass(slots=True)
class _Composer:
    """Turns the parser's events into nodes, once."""

    text: str
    file: str
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    values: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    events: Iterator[Event] = field(init=False)
    place: tuple[int, int] = (1, 1)

    def document(self) -> Document:
        self.events = self._events()
        event = next(self.events)
        while not isinstance(event, NodeEvent):
            if isinstance(event, StreamEndEvent):
                raise self._stop((1, 1), "the file is empty", "`bascule init` writes a starter")
            if isinstance(event, DocumentStartEvent) and event.version == (1, 1):
                self._complain("", "YAML 1.1 is not read here", "remove the %YAML line: this is YAML 1.2")
            event = next(self.events)
        root = self._node(event, "", 1)
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                raise self._stop(self.place, "a second document begins here", "one file describes one system")
        return Document(root, Positions(self.file, self.keys, self.values), tuple(self.problems))

    def _events(self) -> Iterator[Event]:
        """The parser's events; whatever goes wrong in it becomes one syntax error with its place."""
        try:
            for event in YAML(typ="safe", pure=True).parse(self.text):
                self.place = (event.start_mark.line + 1, event.start_mark.column + 1)
                yield event
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else self.place
            raise self._stop(place, f"this is not YAML: {error.problem or error.context}", _advice(error)) from None
        except ReaderError as error:
            before = self.text[: error.position]
            place = (before.count("\n") + 1, error.position - before.rfind("\n"))
            raise self._stop(place, "a character that no text file has", "save the file as UTF-8 text") from None
        except (YAMLError, ValueError, OverflowError) as error:
            raise self._stop(self.place, f"this is not YAML: {quoted(str(error))}", "") from None

    def _stop(self, place: tuple[int, int], what: str, hint: str) -> SystemFileError:
        return SystemFileError([*self.problems, Problem(self.file, *place, "", what, hint)])

    def _complain(self, path: str, what: str, hint: str, place: tuple[int, int] | None = None) -> None:
        self.problems.append(Problem(self.file, *(place or self.place), path, what, hint))

    def _node(self, event: Event, path: str, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise self._stop(self.place, f"nested deeper than {MAX_DEPTH} levels", "a system file needs six")
        if self.nodes > MAX_NODES:
            raise self._stop(self.place, f"more than {MAX_NODES} values", "a system file needs a few hundred")
        self.keys.setdefault(path, self.place)
        block = isinstance(event, SequenceStartEvent | MappingStartEvent) and not event.flow_style
        self.values[path] = self.keys[path] if block else self.place
        self._refuse_indirection(event, path)
        if isinstance(event, ScalarEvent):
            return Scalar(self._printable(event.value, path), bare=event.style is None)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        return Scalar("", bare=True)

    def _refuse_indirection(self, event: Event, path: str) -> None:
        anchor = getattr(event, "anchor", None)
        if isinstance(event, AliasEvent):
            self._complain(path, f"an alias (*{anchor}) is not allowed", "write the value out")
        elif anchor is not None:
            self._complain(path, f"an anchor (&{anchor}) is not allowed", "write the value out where it is used")
        if getattr(event, "tag", None) is not None:
            self._complain(path, "a tag (!...) is not allowed", "types come from the keys; quotes make text")

    def _printable(self, text: str, path: str) -> str:
        found = _UNPRINTABLE.search(text)
        if found is None:
            return text
        self._complain(
            path, f"the text has the character {found[0]!a}", "only printable text and line ends are allowed"
        )
        return _UNPRINTABLE.sub("?", text)

    def _sequence(self, path: str, depth: int) -> Sequence:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._node(event, f"{path}[{len(items)}]", depth + 1))
        return Sequence(tuple(items))

    def _mapping(self, path: str, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            place = self.place
            if isinstance(event, ScalarEvent):
                self._refuse_indirection(event, path)
                key = self._printable(event.value, path)
            else:
                self._node(event, f"{path}.?", depth + 1)
                self._complain(path, "a key must be a single word", "write it like `name: value`", place)
                key = "?"
            self._entry(entries, key, child(path, key), place, depth)
        return Mapping(entries)

    def _entry(self, entries: dict[str, Node], key: str, path: str, place: tuple[int, int], depth: int) -> None:
        duplicate = key in entries
        if duplicate:
            first = self.keys[path][0]
            self._complain(path, "duplicate key", f"first given on line {first}: keep one", place)
            path = f"{path}.?"
        self.keys[path] = place
        node = self._node(next(self.events), path, depth + 1)
        if not duplicate:
            entries[key] = node


def _advice(error: MarkedYAMLError) -> str:
    """What to do about the commonest mistakes; else what the parser was doing."""
    problem = str(error.problem)
    if "\\t" in problem:
        return "indent with spaces, never with tabs"
    if "mapping values are not allowed" in problem:
        return 'put text that has ": " in it in quotes, and check the indentation'
    return str(error.context) if error.context else "check indentation, quotes and brackets"
