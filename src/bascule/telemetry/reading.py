"""What listeners read of a fact: its name, whose it is, and its other values, all of bounded size."""

from __future__ import annotations

import dataclasses
import math

from bascule.kernel.facts import Fact

Value = str | int | float | bool | None
MOST_CHARACTERS = 200
WITHHELD = {("ListenerFailed", "error")}
"""Texts that come from strangers' code, and so may hold anything that this code was given."""


def name_of(fact: Fact) -> str:
    """The name of the fact, such as `CircuitOpened`."""
    return type(fact).__name__


def guard_of(fact: Fact) -> str:
    """The name of the guard whose fact it is; empty for facts of other rooms."""
    return plain_text(str(getattr(fact, "guard", "")))


def values_of(fact: Fact) -> dict[str, Value]:
    """The fact's values by the names of their fields, without `at_s` and `guard`.

    Numbers, truth values and None stay what they are, unless they are infinite or no number, which JSON cannot say.
    Anything else becomes a text. Texts are on one line, of at most `MOST_CHARACTERS`.
    """
    name = name_of(fact)
    return {
        field.name: _plain(getattr(fact, field.name))
        for field in dataclasses.fields(fact)
        if field.name not in {"at_s", "guard"} and (name, field.name) not in WITHHELD
    }


def durations_of(fact: Fact) -> dict[str, float]:
    """The seconds that a fact tells, by the names of their fields without `_s`; `at_s` is a time, and is left out."""
    return {
        name.removesuffix("_s"): float(value)
        for name, value in values_of(fact).items()
        if name.endswith("_s") and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    }


def plain_text(text: str) -> str:
    """The text on one line, without control characters, of at most `MOST_CHARACTERS`."""
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
    return cut if cut.isprintable() else "".join(one if one.isprintable() else " " for one in cut)


def _plain(value: object) -> Value:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return plain_text(str(value))
