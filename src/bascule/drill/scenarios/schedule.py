"""A timeline as single strikes, each at its moment with its parameters: luck comes before anything acts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from bascule.kernel.dice import Dice
from bascule.system.scenario import Choice, Scenario, Step, Whom

Count = Callable[[Whom], int]
"""How many members are meant."""


class Strike(Struct, frozen=True, kw_only=True):
    """One fault at its time.

    Attributes:
        at_s: Seconds from the begin of the timeline.
        until_s: When it is undone; None: when the clients are served again.
        turn: Which time of its step it is, from 0; `rolling` counts by it.
        starts_clock: The recovery time counts from here.
    """

    at_s: float
    fault: str
    on: Whom
    settings: Mapping[str, object]
    until_s: float | None = None
    turn: int = 0
    starts_clock: bool = False


def strikes(scenario: Scenario, count: Count, dice: Dice) -> tuple[Strike, ...]:
    """Every strike in the order of its time; the same for the same dice. Exactly one starts the clock.

    Args:
        scenario: One that its rules accept.
        count: How many members are meant, for what rolls over all of them.
        dice: What chooses where a step leaves it to luck.
    """
    found = [one for step in scenario.timeline for one in _of_step(step, count, dice)]
    ordered = sorted(found, key=lambda one: one.at_s)
    clock = next((place for place, one in enumerate(ordered) if one.starts_clock), 0)
    return tuple(replace(one, starts_clock=place == clock) for place, one in enumerate(ordered))


def length_s(planned: Sequence[Strike]) -> float:
    """When the last strike or the last timed undo of a timeline comes."""
    return max((one.at_s if one.until_s is None else one.until_s for one in planned), default=0.0)


def is_timed(planned: Sequence[Strike]) -> bool:
    """Whether every fault is undone at a time of its own, so that nothing waits for the clients."""
    return all(one.until_s is not None for one in planned)


def turns(step: Step, count: Count) -> int:
    """How often a step strikes, its ramp apart."""
    if step.repeat is None:
        return 1
    if step.repeat.times:
        return step.repeat.times
    return max(1, count(step.on))


def _of_step(step: Step, count: Count, dice: Dice) -> Iterator[Strike]:
    for turn in range(turns(step, count)):
        at_s = step.at.seconds + (turn * step.repeat.every.seconds if step.repeat else 0.0)
        chosen = dice.choice(step.one_of) if step.one_of else _itself(step)
        strike = Strike(
            at_s=at_s,
            until_s=None if step.lasts is None else at_s + step.lasts.seconds,
            fault=chosen.fault,
            on=chosen.on,
            settings=chosen.settings,
            turn=turn,
            starts_clock=step.starts_clock,
        )
        yield from _ramped(step, strike)


def _itself(step: Step) -> Choice:
    return Choice(fault=step.fault, on=step.on, settings=step.settings)


def _ramped(step: Step, strike: Strike) -> Iterator[Strike]:
    """The values of a ramp, one after the other; a step without one as it is."""
    if step.ramp is None or step.lasts is None:
        yield strike
        return
    ramp = step.ramp
    each_s = step.lasts.seconds / ramp.steps
    for place in range(ramp.steps):
        value = ramp.start + (ramp.to - ramp.start) * place / (ramp.steps - 1)
        yield replace(
            strike,
            at_s=strike.at_s + place * each_s,
            until_s=strike.at_s + (place + 1) * each_s,
            settings={**strike.settings, ramp.parameter: value},
        )
