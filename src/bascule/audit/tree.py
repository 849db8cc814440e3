"""YAML of others as a tree in which everything knows its place. Pure.

Rules walk it with `at`, which gives None wherever something is missing or of another shape, so that no rule has to ask
for each level whether it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from bascule.audit.place import Place

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A single value: its text as written without quotes, and what it means by YAML 1.2's core schema."""

    place: Place
    text: str
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list of nodes; `flow` when written in brackets."""

    place: Place
    items: tuple[Node, ...]
    flow: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Nodes by key, in the file's order; of a key that is there twice the last one counts, as in most parsers.

    Attributes:
        keys: Where each key stands.
        duplicates: Every further occurrence of a key.
    """

    place: Place
    entries: dict[str, Node]
    keys: dict[str, Place]
    duplicates: tuple[tuple[str, Place], ...] = ()
    flow: bool = False


Node: TypeAlias = Scalar | Sequence | Mapping


def at(node: Node | None, *path: str | int) -> Node | None:
    """The node below `node` along keys and list positions; None as soon as one is not there."""
    for step in path:
        if isinstance(step, str):
            node = node.entries.get(step) if isinstance(node, Mapping) else None
        else:
            node = (
                node.items[step] if isinstance(node, Sequence) and -len(node.items) <= step < len(node.items) else None
            )
    return node


def items(node: Node | None, *path: str | int) -> tuple[Node, ...]:
    """The items of the list there; nothing where there is no list."""
    found = at(node, *path)
    return found.items if isinstance(found, Sequence) else ()


def entries(node: Node | None, *path: str | int) -> dict[str, Node]:
    """The entries of the mapping there; nothing where there is none."""
    found = at(node, *path)
    return found.entries if isinstance(found, Mapping) else {}


def text(node: Node | None, *path: str | int) -> str | None:
    """The text of the value there, whatever it means; None where there is no single value, or null."""
    found = at(node, *path)
    return found.text if isinstance(found, Scalar) and found.value is not None else None


def number(node: Node | None, *path: str | int) -> float | None:
    """The number there; None where there is none. Booleans are no numbers."""
    found = at(node, *path)
    value = found.value if isinstance(found, Scalar) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(node: Node | None, *path: str | int) -> int | None:
    """The whole number there; None where there is none."""
    found = at(node, *path)
    value = found.value if isinstance(found, Scalar) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def boolean(node: Node | None, *path: str | int) -> bool | None:
    """The true or false there; None where there is neither."""
    found = at(node, *path)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, bool) else None


def key_place(node: Node | None, key: str) -> Place | None:
    """Where this key stands; the mapping's own place where it does not have it; None where there is no mapping."""
    return node.keys.get(key, node.place) if isinstance(node, Mapping) else None


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, the file's order."""
    pending = [node]
    while pending:
        one = pending.pop()
        yield one
        if isinstance(one, Mapping):
            pending += reversed(one.entries.values())
        elif isinstance(one, Sequence):
            pending += reversed(one.items)
