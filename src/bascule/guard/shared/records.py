"""Which of two states of a circuit counts for all processes.

The larger generation wins, so that a late write cannot reset a newer state. At the same generation the larger rank
wins: isolated, open, closed, half-open; at the same rank the one that came first. Two rules are the operators': what
one of them just said (`insists`) is given a larger number if it needs one, and only an operator ends an isolation.

The script in `redis_scripts.py` is this function in Lua; the contract tests hold the two to each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bascule.guard.circuit_breaker.states import State

MOST_GENERATION = 2**50
MOST_OPEN_S = 1e9
_WIRE = re.compile(r"([0-9]{1,16}) ([a-z_]{1,10}) ([01]) ([0-9]{1,16}) ([0-9a-zA-Z-]{1,64})")
_STATES = {state.value: state for state in State}


@dataclass(frozen=True, slots=True)
class Record:
    """What a process says of a circuit.

    Attributes:
        generation: How often the circuit has changed, at least 1.
        state: What it does.
        is_forced: Whether an operator said so.
        process: Who said it first.
        for_s: How long it stays open; of a half-open one, how long its trial may take. From now on.
    """

    generation: int
    state: State
    is_forced: bool
    process: str
    for_s: float

    @property
    def order(self) -> tuple[int, int]:
        """The larger one counts."""
        return self.generation, self.state.rank

    def is_same(self, other: Record) -> bool:
        """Whether both are one decision of one process."""
        return self.order == other.order and self.process == other.process


@dataclass(frozen=True, slots=True)
class Offer:
    """A circuit by its name in the store, and what this process has to say of it; None to listen only.

    Attributes:
        insists: Whether an operator said so and nobody has heard it yet.
    """

    key: str
    record: Record | None
    insists: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """What counts.

    Attributes:
        record: The newest state; None when nobody has said anything.
        is_garbage: Whether the store held what cannot be read; it was not looked at further.
    """

    record: Record | None
    is_garbage: bool = False


def settle(held: Record | None, offer: Offer) -> Record | None:
    """What counts from now on."""
    record = offer.record
    if record is None or held is None:
        return held or record
    if record.is_same(held):
        return held
    if held.state is State.ISOLATED and not record.is_forced:
        return replace(held, generation=record.generation + 1) if record.generation > held.generation else held
    if record.order > held.order:
        return record
    return replace(record, generation=held.generation + 1) if offer.insists else held


def read(text: str, now_ms: int) -> Record | None:
    """A record from its written form; None when it is none."""
    match = _WIRE.fullmatch(text)
    if match is None or match[2] not in _STATES:
        return None
    generation, until_ms = int(match[1]), int(match[4])
    if not 1 <= generation <= MOST_GENERATION:
        return None
    for_s = min(MOST_OPEN_S, max(0, until_ms - now_ms) / 1000)
    return Record(generation, _STATES[match[2]], match[3] == "1", match[5], for_s)


def write(record: Record, now_ms: int) -> str:
    """The written form of a record, `until` as a time of the store's clock."""
    until_ms = now_ms + round(min(record.for_s, MOST_OPEN_S) * 1000)
    return f"{record.generation} {record.state.value} {int(record.is_forced)} {until_ms} {record.process}"
