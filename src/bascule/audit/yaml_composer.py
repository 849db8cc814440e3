"""A parser's events into nodes: iterative, bounded, and with aliases shared instead of copied. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import yaml  # type: ignore[import-untyped]  # it ships no types

from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, Scalar, Sequence
from bascule.audit.yaml_values import plain_value, tagged_value

MAX_DEPTH = 100
MAX_VALUES = 150_000
"""Keys and values of one text, aliases written out: as many as 1,500 manifests have."""
COMPLEX_KEY = "?"
_MERGE = "<<"
_SCALAR, _ALIAS = yaml.ScalarEvent, yaml.AliasEvent
_BEGINS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Mark(Protocol):
    line: int
    column: int


class _Event(Protocol):
    """What the parser's events have, each kind some of it."""

    start_mark: _Mark
    end_mark: _Mark
    value: str
    style: str | None
    tag: str | None
    anchor: str | None
    flow_style: bool


class Broken(Exception):  # noqa: N818 - it is turned into a finding where it is caught
    """The text cannot be read from here on.

    Args:
        final: What follows is not to be read either: a bound was broken.
    """

    def __init__(self, line: int, column: int, what: str, *, final: bool = False) -> None:
        self.line = line
        self.column = column
        self.what = what
        self.final = final
        super().__init__(what)


class _Open:
    """A collection that has begun."""

    __slots__ = ("anchor", "below", "column", "duplicates", "entries", "flow", "items", "key", "keys", "line", "merged")

    def __init__(self, event: _Event, line: int) -> None:
        self.line = line
        self.column = event.start_mark.column + 1
        self.flow: bool = event.flow_style
        self.anchor: _Anchor | None = None
        self.below = 0
        self.items: list[Node] | None = [] if type(event) is yaml.SequenceStartEvent else None
        self.entries: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}
        self.duplicates: list[tuple[str, Place]] = []
        self.merged: list[tuple[Node, Place]] = []
        self.key: tuple[str, Place, bool] | None = None


class _Anchor:
    """What an alias stands for: the node once it is whole, how many values it has, and how deep it is."""

    __slots__ = ("before", "depth", "node", "values")

    def __init__(self, before: int) -> None:
        self.before = before
        self.node: Node | None = None
        self.values = 0
        self.depth = 0


class Composer:
    """Makes the trees of one text, document by document.

    Args:
        name: The file's, for places.
        first_line: Which line of the file the text begins with.
        values: How many keys and values of the file were read before.
    """

    def __init__(self, name: str, *, first_line: int = 1, values: int = 0) -> None:
        self._name = name
        self._line = first_line
        self.values = values
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchor] = {}
        self._root: Node | None = None
        self._end = (first_line, 1)
        self._words: dict[str, str] = {}
        self._shared: set[Place] = set()

    def documents(self, text: str) -> Iterator[Node]:
        """The root of each document, an empty one as null.

        Raises:
            Broken: It is no YAML, or a bound was broken; what came before it was yielded.
        """
        mark: _Mark | None = None
        try:
            next_event = _LOADER(text).get_event
            while True:
                event: _Event = next_event()
                mark = event.start_mark
                if type(event) is _SCALAR:
                    self._scalar(event)
                elif self._take(event):
                    yield self._whole()
                elif type(event) is yaml.StreamEndEvent:
                    return
        except yaml.YAMLError as error:
            raise self._broken(error, mark) from None
        except (ValueError, OverflowError) as error:
            raise self._stop(mark, f"this is not YAML: {error}") from None

    def _take(self, event: _Event) -> bool:
        """Take in an event that is no scalar: true when a document is whole."""
        kind = type(event)
        if kind in _BEGINS:
            self._begin(event)
        elif kind in _ENDS:
            self._finish(event)
        elif kind is _ALIAS:
            self._alias(event)
        return kind is yaml.DocumentEndEvent and self._root is not None

    def take_shared(self) -> tuple[Place, ...]:
        """Where that is written which aliases of the last document stand for: it counts in several places."""
        shared, self._shared = tuple(sorted(self._shared)), set()
        return shared

    def _whole(self) -> Node:
        root, self._root = self._root, None
        self._anchors.clear()
        assert root is not None, "a document ended that has a root"  # noqa: S101 - told by _take
        return root

    def _broken(self, error: yaml.YAMLError, mark: _Mark | None) -> Broken:
        context, problem = getattr(error, "context", None), getattr(error, "problem", None)
        where = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None) or mark
        told = " ".join(str(part) for part in (context, problem) if part) or "a character that no text file has"
        if "nesting depth" in told:
            return self._stop(where, f"nested deeper than {MAX_DEPTH} levels", final=True)
        return self._stop(where, f"this is not YAML: {told}{_advice(str(problem))}")

    def _stop(self, mark: _Mark | None, what: str, *, final: bool = False) -> Broken:
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        return Broken(self._line + line, column + 1, what, final=final)

    def _count(self, values: int, mark: _Mark | None) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            what = f"more than {MAX_VALUES:,} keys and values, aliases written out: split the file"
            raise self._stop(mark, what, final=True)

    def _place(self, event: _Event) -> Place:
        start, end = event.start_mark, event.end_mark
        begins = start.line
        line = self._line + begins
        last = line if end.line == begins else self._line + end.line
        column = end.column + 1
        self._end = (last, column)
        return Place(self._name, line, start.column + 1, last, column)

    def _scalar(self, event: _Event) -> None:
        place = self._place(event)
        written = event.value
        text: str = self._words.setdefault(written, written)
        self.values += 1
        if self.values > MAX_VALUES:
            self._count(0, event.start_mark)
        top = self._stack[-1] if self._stack else None
        if top is not None and top.items is None and top.key is None:
            top.key = (text, place, text == _MERGE and not event.style)
            if event.anchor is not None:
                self._keep(event.anchor, Scalar(place, text, text))
            return
        if event.tag is not None:
            value = tagged_value(text, event.tag, plain=not event.style)
        else:
            value = text if event.style else plain_value(text)
        node = Scalar(place, text, value)
        if event.anchor is not None:
            self._keep(event.anchor, node)
        if top is not None and top.items is not None:
            top.items.append(node)
        else:
            self._attach(node)

    def _keep(self, name: str, node: Scalar) -> None:
        anchor = self._anchors[name] = _Anchor(0)
        anchor.node, anchor.values = node, 1

    def _begin(self, event: _Event) -> None:
        self._count(1, event.start_mark)
        stack = self._stack
        if len(stack) >= MAX_DEPTH:
            raise self._stop(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", final=True)
        one = _Open(event, self._line + event.start_mark.line)
        if event.anchor is not None:
            one.anchor = self._anchors[event.anchor] = _Anchor(self.values - 1)
        stack.append(one)

    def _finish(self, event: _Event) -> None:
        one = self._stack.pop()
        if one.flow:
            end = event.end_mark
            self._end = (self._line + end.line, end.column + 1)
        place = Place(self._name, one.line, one.column, *max(self._end, (one.line, one.column)))
        node: Node
        if one.items is not None:
            node = Sequence(place, tuple(one.items), one.flow)
        else:
            for merged, where in one.merged:
                self._merge(one, merged, where)
            node = Mapping(place, one.entries, one.keys, tuple(one.duplicates), one.flow)
        if one.anchor is not None:
            one.anchor.node = node
            one.anchor.values = self.values - one.anchor.before
            one.anchor.depth = one.below + 1
        if self._stack:
            self._stack[-1].below = max(self._stack[-1].below, one.below + 1)
        self._attach(node)

    def _alias(self, event: _Event) -> None:
        self._place(event)
        anchor = self._anchors.get(event.anchor or "")
        if anchor is None or anchor.node is None:
            what = "has no anchor before it" if anchor is None else "stands inside of what it stands for"
            raise self._stop(event.start_mark, f"the alias *{event.anchor} {what}")
        self._count(anchor.values, event.start_mark)
        if len(self._stack) + anchor.depth > MAX_DEPTH:
            raise self._stop(event.start_mark, f"nested deeper than {MAX_DEPTH} levels", final=True)
        if self._stack:
            self._stack[-1].below = max(self._stack[-1].below, anchor.depth)
        self._shared.add(anchor.node.place)
        self._attach(anchor.node)

    def _attach(self, node: Node) -> None:
        """Put a whole node where it belongs."""
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if top.items is not None:
            top.items.append(node)
        elif top.key is None:
            top.key = self._key(top, node)
        else:
            key, place, merges = top.key
            top.key = None
            if merges:
                top.merged.append((node, place))
                return
            if key in top.entries:
                top.duplicates.append((key, place))
            top.entries[key] = node
            top.keys[key] = place

    def _key(self, top: _Open, node: Node) -> tuple[str, Place, bool]:
        """A key that is an alias, or a collection: `{{ name }}` parses as one, but is a template."""
        if isinstance(node, Scalar):
            return node.text, node.place, False
        if top.flow and node.flow and (node.place.line, node.place.column) == (top.line, top.column + 1):
            raise Broken(node.place.line, node.place.column, "a key must be a single word")
        return COMPLEX_KEY, node.place, False

    def _merge(self, into: _Open, node: Node, where: Place) -> None:
        """What `<<` brings in: keys that are there already win, and of several mappings the first.

        Source: the merge key language-independent type for YAML 1.1, yaml.org/type/merge.html.
        """
        for one in node.items if isinstance(node, Sequence) else (node,):
            if not isinstance(one, Mapping):
                raise Broken(where.line, where.column, "<< merges mappings, and this is none")
            for key, value in one.entries.items():
                if key not in into.entries:
                    into.entries[key] = value
                    into.keys[key] = one.keys[key]


def _advice(problem: str) -> str:
    """What to do about the commonest mistakes."""
    if "cannot start any token" in problem or "\\t" in problem:
        return " (indent with spaces, never with tabs; put text that begins with @ or ` in quotes)"
    if "mapping values are not allowed" in problem:
        return ' (put text that has ": " in it in quotes, and check the indentation)'
    return ""
