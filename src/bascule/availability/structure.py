"""How a system fails, as a directed acyclic graph of gates over basic events: a fault tree. Pure.

A gate says how many of its children must *fail* for it to fail: that k of n replicas must serve is, seen from failure,
`at_least(n - k + 1, *replicas)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, eq=False)
class Basic:
    """A basic event: something that is down with a probability of its own, independently of all others."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Fails when at least `least` of its children fail: 1 is OR, all of them is AND.

    Children may be shared between gates; whatever is shared must be the same object, so that it is worked out once.
    """

    least: int
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    """Fails when its child does not. Only foreign fault trees have it; what Bascule models is coherent."""

    child: Node


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """Has failed, or cannot."""

    failed: bool


Node: TypeAlias = Basic | Gate | Not | Fixed


@dataclass(frozen=True, slots=True)
class Event:
    """What is known of a basic event.

    Attributes:
        unavailability: The long-run share of time in which it is down, in [0, 1].
        mean_down_s: The mean length of its outages in seconds; 0 where only the share is known, as in foreign trees.
        part: What it belongs to: a component, service, zone or region; for grouping importances.
        kind: What it is.
    """

    unavailability: float
    mean_down_s: float = 0.0
    part: str = ""
    kind: str = "replica"

    @property
    def mean_up_s(self) -> float:
        """The mean time from an outage's end to the next one's start; infinite where it is never down."""
        if self.unavailability <= 0:
            return float("inf")
        return self.mean_down_s * (1 - self.unavailability) / self.unavailability


@dataclass(frozen=True, slots=True)
class Structure:
    """When the system fails, and how likely each basic event is. Every `Basic` below `top` has its event."""

    top: Node
    events: dict[str, Event]


def any_of(*children: Node) -> Gate:
    """Fails when one of them fails; never without children."""
    return Gate(1, children)


def all_of(*children: Node) -> Gate:
    """Fails when all of them fail; without children always."""
    return Gate(len(children), children)


def at_least(least: int, *children: Node) -> Gate:
    """Fails when this many of them fail: with 0 always, with more than there are never."""
    return Gate(least, children)


def fails(structure: Structure, down: frozenset[str]) -> bool:
    """Whether the system fails when exactly these basic events have happened."""
    known: dict[int, bool] = {}
    pending: list[Node] = [structure.top]
    while pending:
        node = pending.pop()
        waiting = [child for child in below(node) if id(child) not in known]
        if waiting:
            pending += [node, *waiting]
        elif isinstance(node, Basic):
            known[id(node)] = node.name in down
        elif isinstance(node, Fixed):
            known[id(node)] = node.failed
        elif isinstance(node, Not):
            known[id(node)] = not known[id(node.child)]
        else:
            known[id(node)] = sum(known[id(child)] for child in node.children) >= node.least
    return known[id(structure.top)]


def below(node: Node) -> tuple[Node, ...]:
    """The children of a node; none below events and constants."""
    if isinstance(node, Gate):
        return node.children
    return (node.child,) if isinstance(node, Not) else ()


def fatal(structure: Structure, down: frozenset[str], candidates: Sequence[str]) -> tuple[str, ...]:
    """Those of these events each of which, alone beside what is down, makes the system fail.

    All of them are tried in one pass: bit i of each number is what happens when candidate i does.
    """
    everywhere = (1 << len(candidates)) - 1
    bits = {name: 1 << place for place, name in enumerate(candidates)} | dict.fromkeys(down, everywhere)
    known: dict[int, int] = {}
    pending: list[Node] = [structure.top]
    while pending:
        node = pending.pop()
        waiting = [child for child in below(node) if id(child) not in known]
        if waiting:
            pending += [node, *waiting]
        elif isinstance(node, Basic):
            known[id(node)] = bits.get(node.name, 0)
        elif isinstance(node, Fixed):
            known[id(node)] = everywhere if node.failed else 0
        elif isinstance(node, Not):
            known[id(node)] = everywhere & ~known[id(node.child)]
        else:
            known[id(node)] = _enough([known[id(child)] for child in node.children], node.least, everywhere)
    failed = known[id(structure.top)]
    return tuple(name for place, name in enumerate(candidates) if failed >> place & 1)


def _enough(children: Sequence[int], least: int, everywhere: int) -> int:
    """Where at least so many of these are set, bit by bit."""
    reached = [everywhere, *[0] * least]
    for child in children:
        for count in range(least, 0, -1):
            reached[count] |= reached[count - 1] & child
    return reached[least]
