"""A structure as steps in an order in which everything is known when it is needed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bascule.availability.simulation.intervals import NEVER, Keys, always, at_least, complement
from bascule.availability.simulation.renewal import Renewal
from bascule.availability.structure import Basic, Fixed, Gate, Node, Not, Structure, below
from bascule.kernel.errors import InputError

MOST_NODES = 100_000
LONGEST_MEAN_S = 1e12


@dataclass(frozen=True, slots=True)
class Step:
    """How the outages of one node are had: `inputs` are the steps that it is made of, `done` those needed no more."""

    node: Gate | Not | Fixed | Renewal
    inputs: tuple[int, ...] = ()
    done: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """Steps, of which the last one is the system."""

    steps: tuple[Step, ...]

    @property
    def edges_per_s(self) -> float:
        """How often the basic events together change their states."""
        return sum(step.node.edges_per_s for step in self.steps if isinstance(step.node, Renewal))

    @property
    def shortest_mean_s(self) -> float:
        """The shortest of all mean up and down times."""
        moving = [step.node for step in self.steps if isinstance(step.node, Renewal) and step.node.is_moving]
        return min((min(one.mean_up_s, one.mean_down_s) for one in moving), default=float("inf"))

    def run(self, span_s: float, dice: np.random.Generator) -> tuple[Keys, int]:
        """When the system is down in [0, span), and how many edges were handled on the way."""
        known: list[Keys] = []
        handled = 0
        for step in self.steps:
            inputs = [known[number] for number in step.inputs]
            keys = _outages(step.node, inputs, span_s, dice)
            handled += sum(map(len, inputs)) + len(keys)
            known.append(keys)
            for number in step.done:
                known[number] = NEVER
        return known[-1], handled


def _outages(node: Gate | Not | Fixed | Renewal, inputs: list[Keys], span_s: float, dice: np.random.Generator) -> Keys:
    match node:
        case Renewal():
            return node.outages(span_s, dice)
        case Gate():
            return at_least(node.least, inputs, span_s)
        case Not():
            return complement(inputs[0], span_s)
        case Fixed():
            return always(span_s) if node.failed else NEVER


def program_of(structure: Structure, shape: float | None) -> Program:
    """The steps of a structure.

    Args:
        structure: What can fail, and when the system does.
        shape: The standard deviation of the logarithm of an outage's length; None where lengths are exponential.

    Raises:
        InputError: A basic event is unknown, or not known well enough; or there are too many nodes.
    """
    numbers: dict[object, int] = {}
    nodes: list[tuple[Gate | Not | Fixed | Renewal, tuple[int, ...]]] = []
    for node in _in_order(structure.top):
        inputs = tuple(numbers[_identity(child)] for child in below(node))
        numbers[_identity(node)] = len(nodes)
        nodes.append((_renewal(structure, node.name, shape) if isinstance(node, Basic) else node, inputs))
    last_use = {number: user for user, (_, inputs) in enumerate(nodes) for number in inputs}
    done: dict[int, list[int]] = {}
    for number, user in last_use.items():
        done.setdefault(user, []).append(number)
    return Program(
        tuple(Step(node, inputs, tuple(done.get(number, ()))) for number, (node, inputs) in enumerate(nodes))
    )


def _in_order(top: Node) -> list[Node]:
    """Every node once, children first; without recursion, since trees of others may be deep."""
    order: list[Node] = []
    seen: set[object] = set()
    waiting: list[tuple[Node, bool]] = [(top, False)]
    while waiting:
        node, is_ready = waiting.pop()
        if is_ready:
            order.append(node)
        elif _identity(node) not in seen:
            seen.add(_identity(node))
            if len(seen) > MOST_NODES:
                raise InputError(
                    f"the structure has more than {MOST_NODES} gates and events", hint="work it out exactly instead"
                )
            waiting.append((node, True))
            waiting.extend((child, False) for child in reversed(below(node)))
    return order


def _identity(node: Node) -> object:
    # A name is one event, however many objects bear it.
    return node.name if isinstance(node, Basic) else id(node)


def _renewal(structure: Structure, name: str, shape: float | None) -> Renewal:
    event = structure.events.get(name)
    if event is None:
        raise InputError("nothing is known of this basic event", where=name, hint="give its unavailability")
    if not 0 <= event.unavailability <= 1:
        raise InputError(f"an unavailability is from 0 to 1, not {event.unavailability}", where=name)
    if not 0 <= event.mean_down_s <= LONGEST_MEAN_S:
        raise InputError(f"a mean down time is from 0 to {LONGEST_MEAN_S:g} s, not {event.mean_down_s}", where=name)
    if 0 < event.unavailability < 1 and event.mean_down_s == 0:
        raise InputError(
            "the share of time in which this basic event is down is known, but not how long it is down at a time",
            where=name,
            hint="give its mean time to repair, or do not simulate",
        )
    return Renewal.of(event, shape)
