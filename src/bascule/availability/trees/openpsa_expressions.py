"""Values of Open-PSA expressions: numbers, parameters and what is reckoned of them; of a deviate its mean. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bascule.availability.trees.openpsa_scopes import Definition, Scopes
from bascule.availability.trees.openpsa_xml import Element


def _quotient(values: Sequence[float]) -> float:
    found = values[0]
    for value in values[1:]:
        found /= value
    return found


def _exponential(values: Sequence[float]) -> float:
    """1 - exp(-rate * time), accurate for small ones."""
    return -math.expm1(-values[0] * values[1])


def _glm(values: Sequence[float]) -> float:
    """Fails on demand, while it runs, and is repaired: gamma, lambda, mu, time."""
    on_demand, rate, repair, time = values
    share = rate / (rate + repair)
    return share - (share - on_demand) * math.exp(-(rate + repair) * time)


def _weibull(values: Sequence[float]) -> float:
    """Scale, shape, time shift, time."""
    scale, shape, shift, time = values
    return -math.expm1(-(((time - shift) / scale) ** shape)) if time > shift else 0.0


_MANY = math.inf
# Each expression: how few and how many arguments it takes, and what it is of them.
OPERATIONS: dict[str, tuple[float, float, Callable[[Sequence[float]], float]]] = {
    "add": (1, _MANY, math.fsum),
    "sub": (1, _MANY, lambda values: values[0] - math.fsum(values[1:])),
    "mul": (1, _MANY, math.prod),
    "div": (1, _MANY, _quotient),
    "neg": (1, 1, lambda values: -values[0]),
    "abs": (1, 1, lambda values: abs(values[0])),
    "exp": (1, 1, lambda values: math.exp(values[0])),
    "log": (1, 1, lambda values: math.log(values[0])),
    "log10": (1, 1, lambda values: math.log10(values[0])),
    "sqrt": (1, 1, lambda values: math.sqrt(values[0])),
    "pow": (2, 2, lambda values: math.pow(values[0], values[1])),
    "min": (1, _MANY, min),
    "max": (1, _MANY, max),
    "mean": (1, _MANY, lambda values: math.fsum(values) / len(values)),
    "pi": (0, 0, lambda _: math.pi),
    "exponential": (2, 2, _exponential),
    "GLM": (4, 4, _glm),
    "Weibull": (4, 4, _weibull),
    "uniform-deviate": (2, 2, lambda values: (values[0] + values[1]) / 2),
    "normal-deviate": (2, 2, lambda values: values[0]),
    "lognormal-deviate": (3, 3, lambda values: values[0]),
}


class Expressions:
    """Reckons values; each parameter once.

    Args:
        scopes: The definitions.
        mission_time: What <system-mission-time/> is, in the unit of the model's rates; None where nothing is said.
    """

    def __init__(self, scopes: Scopes, mission_time: float | None) -> None:
        self._scopes = scopes
        self._mission_time = mission_time
        self._known: dict[Definition, float] = {}

    def value(self, definition: Definition) -> float:
        """The value of a parameter, or the probability of a basic event.

        Raises:
            InputError: It is not defined by one expression, or by way of itself, or the expression has no value.
        """
        entered: set[Definition] = set()
        stack = [definition]
        while stack:
            one = stack[-1]
            waiting = [] if one in self._known else [it for it in self._parameters(one) if it not in self._known]
            if waiting:
                if one in entered:
                    one.element.refuse(f"{one.name!r} is defined by way of itself", "break the cycle")
                entered.add(one)
                stack += waiting
                continue
            stack.pop()
            if one not in self._known:
                self._known[one] = self._of(_single(one), one.scope)
        return self._known[definition]

    def _parameters(self, definition: Definition) -> list[Definition]:
        found: list[Definition] = []
        stack = [_single(definition)]
        while stack:
            element = stack.pop()
            if element.tag == "parameter":
                found.append(self._parameter(element, definition.scope))
            stack += element.children
        return found

    def _parameter(self, element: Element, scope: str) -> Definition:
        return self._scopes.find(element, element.attribute("name"), scope, ("parameter",))

    def _of(self, element: Element, scope: str) -> float:
        """Nested no deeper than the document may be."""
        if element.tag == "parameter":
            return self._known[self._parameter(element, scope)]
        if element.tag in ("float", "int", "bool"):
            return _number(element)
        if element.tag == "system-mission-time":
            if self._mission_time is None:
                element.refuse("the mission time is not known", "give it")
            return self._mission_time
        if element.tag not in OPERATIONS:
            element.refuse(f"the expression <{element.tag}> is not supported", "write its value as <float>")
        least, most, operation = OPERATIONS[element.tag]
        if not least <= len(element.children) <= most:
            element.refuse(f"<{element.tag}> has {len(element.children)} arguments", f"it takes {_range(least, most)}")
        values = [self._of(child, scope) for child in element.children]
        try:
            found = float(operation(values))
        except (ArithmeticError, ValueError, TypeError) as error:
            element.refuse(f"<{element.tag}> has no value: {error}", "correct its arguments")
        if not math.isfinite(found):
            element.refuse(f"<{element.tag}> is {found}", "correct its arguments")
        return found


def _single(definition: Definition) -> Element:
    body = definition.body
    if len(body) != 1:
        definition.element.refuse(f"{definition.name!r} has {len(body)} expressions", "give it one")
    return body[0]


def _number(element: Element) -> float:
    text = element.attribute("value")
    if element.tag == "bool":
        if text not in ("true", "false"):
            element.refuse(f"{text!r} is neither true nor false", "write one of them")
        return float(text == "true")
    try:
        found = float(text)
    except ValueError:
        element.refuse(f"{text!r} is not a number", "write one, as 1e-4")
    if not math.isfinite(found):
        element.refuse(f"{text!r} is not a finite number", "write one, as 1e-4")
    return found


def _range(least: float, most: float) -> str:
    return f"{least:.0f}" if least == most else f"at least {least:.0f}"
