"""Fault trees of the Open-PSA Model Exchange Format: read as they are meant, or refused with file and line. Pure.

Source: Open-PSA Model Exchange Format 2.0d (Epstein and Rauzy), the fault tree layer and the stochastic layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bascule.availability.structure import Basic, Event, Fixed, Node, Not, Structure, all_of, any_of, at_least
from bascule.availability.trees.openpsa_expressions import Expressions
from bascule.availability.trees.openpsa_scopes import Definition, Scopes, scopes
from bascule.availability.trees.openpsa_xml import Element, parsed
from bascule.kernel.errors import InputError

REFERENCES = {
    "event": ("gate", "basic-event", "house-event"),
    "gate": ("gate",),
    "basic-event": ("basic-event",),
    "house-event": ("house-event",),
}


@dataclass(frozen=True, slots=True)
class Model:
    """What an Open-PSA file says.

    Attributes:
        file: Its name.
        gates: For each gate, by name or, of private ones, by path, what it is.
        events: What is known of each basic event that a gate refers to.
        tops: The gates that no gate refers to, as they stand in the file.
    """

    file: str
    gates: dict[str, Node]
    events: dict[str, Event]
    tops: tuple[str, ...]


def read(data: bytes, file: str, *, mission_time: float | None = None) -> Model:
    """The fault trees of an Open-PSA file.

    Args:
        data: The file's content, of at most 64 MB.
        file: Its name, for error messages.
        mission_time: What <system-mission-time/> is, in the unit of the model's rates, usually hours.

    Raises:
        InputError: It is no such file, or has something that is not supported: with the place of it.
    """
    return _Reader(scopes(parsed(data, file)), mission_time).model(file)


def tops(model: Model) -> tuple[str, ...]:
    """The gates that no gate refers to: of several, the user says which one is meant."""
    return model.tops


def structure(model: Model, top: str | None = None) -> Structure:
    """When the system of this gate fails.

    Args:
        model: What was read.
        top: A gate of it; may be left out where there is one top.

    Raises:
        InputError: There is no such gate, or several could be meant.
    """
    if top is None:
        if len(model.tops) != 1:
            raise InputError(
                f"the model has {len(model.tops)} top gates: {', '.join(model.tops[:10])}",
                where=model.file,
                hint="say which one is meant",
            )
        top = model.tops[0]
    if top not in model.gates:
        raise InputError(
            f"the model has no gate {top!r}", where=model.file, hint=f"its tops: {', '.join(model.tops[:10])}"
        )
    return Structure(model.gates[top], model.events)


class _Reader:
    def __init__(self, found: Scopes, mission_time: float | None) -> None:
        self._scopes = found
        self._expressions = Expressions(found, mission_time)
        self._nodes: dict[Definition, Node] = {}
        self._events: dict[str, Event] = {}
        self._referred: set[Definition] = set()

    def model(self, file: str) -> Model:
        gates = [one for one in self._scopes.everything if one.kind == "gate"]
        for gate in gates:
            self._read(gate)
        if not gates:
            raise InputError("the model has no gates", where=file, hint="define a fault tree with a gate")
        return Model(
            file,
            {gate.name: self._nodes[gate] for gate in gates},
            self._events,
            tuple(gate.name for gate in gates if gate not in self._referred),
        )

    def _read(self, gate: Definition) -> None:
        """Make a gate, and those below it before, however long the chain of them is."""
        entered: set[Definition] = set()
        stack = [gate]
        while stack:
            one = stack[-1]
            if one in self._nodes:
                stack.pop()
                continue
            waiting = [it for it in self._below(one) if it not in self._nodes]
            if waiting:
                if one in entered:
                    one.element.refuse(f"the gate {one.name!r} is below itself", "break the cycle")
                entered.add(one)
                stack += waiting
                continue
            self._nodes[stack.pop()] = self._formula(_formula_of(one), one.scope)

    def _below(self, gate: Definition) -> list[Definition]:
        """The gates that a gate's formula refers to."""
        found: list[Definition] = []
        stack = [_formula_of(gate)]
        while stack:
            element = stack.pop()
            if element.tag in REFERENCES:
                definition = self._referred_to(element, gate.scope)
                if definition.kind == "gate":
                    found.append(definition)
            stack += reversed(element.children)
        self._referred.update(found)
        return found

    def _referred_to(self, element: Element, scope: str) -> Definition:
        kinds = REFERENCES[element.tag]
        if element.tag == "event" and "type" in element.attributes:
            kinds = (element.attributes["type"],)
        return self._scopes.find(element, element.attribute("name"), scope, kinds)

    def _formula(self, element: Element, scope: str) -> Node:
        """Nested no deeper than the document may be."""
        if element.tag in REFERENCES:
            definition = self._referred_to(element, scope)
            if definition not in self._nodes:
                self._nodes[definition] = self._leaf(definition)
            return self._nodes[definition]
        if element.tag == "constant":
            return Fixed(_truth(element))
        if element.tag not in CONNECTIVES:
            element.refuse(f"the formula <{element.tag}> is not supported", f"one of {', '.join(CONNECTIVES)} is")
        least, most, made = CONNECTIVES[element.tag]
        count = len(element.children)
        if count < least or (most is not None and count > most):
            wanted = f"{least}" if least == most else f"at least {least}"
            element.refuse(f"<{element.tag}> has {count} arguments", f"it takes {wanted}")
        return made(element, [self._formula(child, scope) for child in element.children])

    def _leaf(self, definition: Definition) -> Node:
        if definition.kind == "house-event":
            body = definition.body
            if len(body) > 1 or (body and body[0].tag != "constant"):
                definition.element.refuse(
                    f"the house event {definition.name!r} is no constant", "give it one <constant>"
                )
            return Fixed(_truth(body[0]) if body else False)
        share = self._expressions.value(definition)
        if not 0 <= share <= 1:
            definition.element.refuse(f"the probability of {definition.name!r} is {share}", "it is between 0 and 1")
        self._events[definition.name] = Event(share, kind="basic event")
        return Basic(definition.name)


def _formula_of(gate: Definition) -> Element:
    body = gate.body
    if len(body) != 1:
        gate.element.refuse(f"the gate {gate.name!r} has {len(body)} formulas", "give it one")
    return body[0]


def _truth(element: Element) -> bool:
    value = element.attribute("value")
    if value not in ("true", "false"):
        element.refuse(f"{value!r} is neither true nor false", "write one of them")
    return value == "true"


def _whole(element: Element, name: str) -> int:
    value = element.attribute(name)
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        element.refuse(f"the {name} of <{element.tag}> is {value!r}", "it is a whole number")
    return int(value)


def _either(first: Node, second: Node) -> Node:
    return any_of(all_of(first, Not(second)), all_of(Not(first), second))


def _odd(nodes: list[Node]) -> Node:
    found = nodes[0]
    for node in nodes[1:]:
        found = _either(found, node)
    return found


def _threshold(element: Element, nodes: list[Node]) -> Node:
    least = _whole(element, "min")
    if not 1 <= least <= len(nodes):
        element.refuse(f"<atleast> wants {least} of {len(nodes)}", "it is between 1 and the number of its arguments")
    return at_least(least, *nodes)


def _cardinality(element: Element, nodes: list[Node]) -> Node:
    least, most = _whole(element, "min"), _whole(element, "max")
    if not least <= most <= len(nodes):
        element.refuse(f"<cardinality> wants {least} to {most} of {len(nodes)}", "order them")
    return all_of(at_least(least, *nodes), Not(at_least(most + 1, *nodes)))


_Made = Callable[[Element, list[Node]], Node]
# Each connective: how few and how many arguments it takes, and what it is of them.
CONNECTIVES: dict[str, tuple[int, int | None, _Made]] = {
    "and": (1, None, lambda _, nodes: all_of(*nodes)),
    "or": (1, None, lambda _, nodes: any_of(*nodes)),
    "not": (1, 1, lambda _, nodes: Not(nodes[0])),
    "nand": (1, None, lambda _, nodes: Not(all_of(*nodes))),
    "nor": (1, None, lambda _, nodes: Not(any_of(*nodes))),
    "xor": (2, None, lambda _, nodes: _odd(nodes)),
    "iff": (2, 2, lambda _, nodes: Not(_odd(nodes))),
    "imply": (2, 2, lambda _, nodes: any_of(Not(nodes[0]), nodes[1])),
    "atleast": (1, None, _threshold),
    "cardinality": (1, None, _cardinality),
}
