"""The downtime of months of a system, simulated: what a mean hides is how months differ. Pure.

Each basic event is an alternating renewal process in steady state. A batch of months is worked out at once, as arrays
of the intervals in which a basic event is down; a gate merges those of its children and keeps what enough of them have
in common, so that what is redundant leaves little for the gates above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from bascule.availability.simulation.intervals import Times, end_key, per_month
from bascule.availability.simulation.months import YEAR_S, Months, Tally, months_of
from bascule.availability.simulation.program import Program, program_of
from bascule.availability.structure import Structure
from bascule.kernel.errors import InputError

MONTH_S = YEAR_S / 12
MOST_MONTHS = 10_000_000
_MOST_EDGES_PER_MONTH = 1 << 22
_MOST_HANDLED_PER_MONTH = 1 << 27
_MOST_MONTHS_PER_BATCH = 1 << 16
_FIRST_MONTHS = 64
_HANDLED_PER_BATCH = 1 << 22
_RESOLUTION = 1e-4


def simulate(
    structure: Structure,
    *,
    months: int,
    month_s: float = MONTH_S,
    seed: int,
    expired: Callable[[], bool],
    on_progress: Callable[[float], None] | None = None,
    repair: Literal["exponential", "lognormal"] = "exponential",
    shape: float = 1.0,
    confidence: float = 0.95,
) -> Months:
    """The downtime of so many months of a system whose basic events fail and are repaired independently of each other.

    What is returned depends on the arguments alone; what time allowed is the beginning of what more time would have
    given. Months come in batches, whose sizes follow from the structure: within a batch they are consecutive, and each
    batch begins in steady state. Times are float64 seconds since their batch began.

    Args:
        structure: When the system fails, and how likely and how long each basic event is down.
        months: How many, from 1 to 10 million.
        month_s: How long a month is, in seconds.
        seed: Where the dice start, from 0 on.
        expired: Whether time is up; asked between batches, so that there is at least one, of at most 64 months.
        on_progress: Is told after each batch which share of the months is done, in (0, 1].
        repair: How the lengths of a basic event's outages are distributed; times between outages are exponential.
        shape: The standard deviation of the logarithm of lognormal lengths, from 0 (exclusive) to 5.
        confidence: That of the intervals in the result, from 0.5 to 1, both exclusive.

    Raises:
        InputError: An argument is out of its range; or a basic event is unknown, has an unavailability but no mean
            down time, or fails so often that a month cannot be simulated.
    """
    _check(months=months, month_s=month_s, seed=seed, repair=repair, shape=shape, confidence=confidence)
    program = program_of(structure, shape if repair == "lognormal" else None)
    _check_rates(program, month_s)
    downtimes_s = np.zeros(months)
    tally = Tally()
    done, handled, batch = 0, 0, 0
    while done < months and not (done and expired()):
        size = min(_batch_months(program, month_s, done, handled), months - done)
        handled += _batch(program, downtimes_s[done : done + size], month_s, tally, _dice(seed, batch))
        done, batch = done + size, batch + 1
        if on_progress is not None:
            on_progress(done / months)
    return months_of(
        downtimes_s[:done],
        tally,
        month_s=month_s,
        complete=done == months,
        confidence=confidence,
        is_moving=program.edges_per_s > 0,
    )


def _check(*, months: int, month_s: float, seed: int, repair: str, shape: float, confidence: float) -> None:
    bounds = (
        ("months", months, 1 <= months <= MOST_MONTHS, f"from 1 to {MOST_MONTHS}"),
        ("month_s", month_s, 0 < month_s <= 1000 * YEAR_S, "more than 0, and at most a thousand years"),
        ("seed", seed, seed >= 0, "0 or more"),
        ("repair", repair, repair in {"exponential", "lognormal"}, "exponential or lognormal"),
        ("shape", shape, 0 < shape <= 5, "more than 0, and at most 5"),
        ("confidence", confidence, 0.5 < confidence < 1, "between 0.5 and 1"),
    )
    for name, value, is_met, range_ in bounds:
        if not is_met:
            raise InputError(f"{name} is {range_}, not {value}", where=name)


def _check_rates(program: Program, month_s: float) -> None:
    edges = program.edges_per_s * month_s
    if edges > _MOST_EDGES_PER_MONTH or edges * len(program.steps) > _MOST_HANDLED_PER_MONTH:
        raise InputError(
            f"{edges:.0f} failures and repairs in a month are too many to simulate with {len(program.steps)} gates and"
            " events",
            hint="give longer mean down times or smaller unavailabilities",
        )


def _dice(seed: int, batch: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(batch,))))


def _batch_months(program: Program, month_s: float, done: int, handled: int) -> int:
    """How many months the next batch has; what was handled so far says how much a month takes."""
    if not done:
        # As if every failure went through every gate.
        most = _HANDLED_PER_BATCH / ((program.edges_per_s * month_s + 1) * len(program.steps))
        return max(1, min(_FIRST_MONTHS, math.floor(most)))
    # The later in a batch, the coarser the time: it must still tell the shortest outages apart.
    finest = program.shortest_mean_s * _RESOLUTION / (month_s * 2.0**-51)
    most = min(_MOST_MONTHS_PER_BATCH, _HANDLED_PER_BATCH / (handled / done + 1e-9), finest)
    return max(1, math.floor(most))


def _batch(program: Program, into_s: Times, month_s: float, tally: Tally, dice: np.random.Generator) -> int:
    span_s = len(into_s) * month_s
    outages, handled = program.run(span_s, dice)
    tally.add(outages, end_key(span_s))
    into_s[:] = per_month(outages, len(into_s), month_s)
    return handled
