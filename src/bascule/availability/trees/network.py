"""A fault tree as flat tables: constants folded in, equal gates merged, children before their parents. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.availability.structure import Basic, Fixed, Gate, Node, Not, Structure
from bascule.kernel.errors import InputError

NEVER = -1
"""What stands for a node that cannot fail."""
ALWAYS = -2
"""What stands for a node that has failed."""
VARIABLE = 0
"""What a basic event has for `least`."""
NEGATION = -1
"""What a NOT has for `least`."""


@dataclass(slots=True)
class Network:
    """A fault tree in which no node is constant, no gate has a single child, and no two gates are equal.

    Attributes:
        events: The names of the basic events; a variable's child is its place in here.
        least: For each node how many of its children must fail, VARIABLE or NEGATION.
        children: For each node its children, which stand before it; of a variable its place in `events`.
        top: The node of the system; NEVER or ALWAYS where it is constant.
        coherent: Whether there is no NOT: more failures never mend it.
    """

    events: list[str] = field(default_factory=list)
    least: list[int] = field(default_factory=list)
    children: list[tuple[int, ...]] = field(default_factory=list)
    top: int = NEVER
    coherent: bool = True
    _known: dict[tuple[int, tuple[int, ...]], int] = field(default_factory=dict)

    def add(self, least: int, children: tuple[int, ...]) -> int:
        """The node with these children, which is made once only."""
        key = (least, tuple(sorted(children)))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.least)
            self.least.append(least)
            self.children.append(children)
        return found

    def negation(self, child: int) -> int:
        """The node that fails when this one does not."""
        if child < 0:
            return ALWAYS if child == NEVER else NEVER
        if self.least[child] == NEGATION:
            return self.children[child][0]
        return self.add(NEGATION, (child,))

    def gate(self, least: int, children: list[int]) -> int:
        """The node that fails when at least this many of these do; what is constant among them is folded in."""
        least -= children.count(ALWAYS)
        left = [child for child in children if child >= 0]
        if least == 1 or least == len(left):
            left = list(dict.fromkeys(left))
            least = min(least, len(left)) if least != 1 else 1
        if least <= 0:
            return ALWAYS
        if least > len(left):
            return NEVER
        return left[0] if len(left) == 1 else self.add(least, tuple(left))


def flat(structure: Structure) -> Network:
    """The network of a structure; it fails exactly when the structure does.

    Raises:
        InputError: A basic event is not described, its unavailability is not in [0, 1], or a gate is below itself.
    """
    network = Network()
    places: dict[str, int] = {}
    done: dict[int, int] = {}
    entered: set[int] = set()
    stack: list[Node] = [structure.top]
    while stack:
        node = stack[-1]
        if id(node) in done:
            stack.pop()
            continue
        waiting = [child for child in _children(node) if id(child) not in done]
        if waiting:
            if id(node) in entered:
                raise InputError("the fault tree has a gate that is below itself", hint="break the cycle")
            entered.add(id(node))
            stack.extend(reversed(waiting))
            continue
        done[id(stack.pop())] = _flattened(node, network, structure, places, done)
    network.top = done[id(structure.top)]
    network.coherent = NEGATION not in network.least
    return network


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Gate):
        return node.children
    return (node.child,) if isinstance(node, Not) else ()


def _flattened(node: Node, network: Network, structure: Structure, places: dict[str, int], done: dict[int, int]) -> int:
    if isinstance(node, Fixed):
        return ALWAYS if node.failed else NEVER
    if isinstance(node, Not):
        return network.negation(done[id(node.child)])
    if isinstance(node, Gate):
        return network.gate(node.least, [done[id(child)] for child in node.children])
    return _variable(node, network, structure, places)


def _variable(node: Basic, network: Network, structure: Structure, places: dict[str, int]) -> int:
    place = places.get(node.name)
    if place is None:
        event = structure.events.get(node.name)
        if event is None:
            raise InputError(f"the basic event {node.name!r} has no unavailability", hint="define it")
        if not 0 <= event.unavailability <= 1:
            raise InputError(
                f"the unavailability of {node.name!r} is {event.unavailability}", hint="a share of time is in [0, 1]"
            )
        place = places[node.name] = len(network.events)
        network.events.append(node.name)
    return network.add(VARIABLE, (place,))
