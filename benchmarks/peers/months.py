"""Months of one system, simulated by ours or by a peer: prints what it took as one JSON object.

    python -m benchmarks.peers.months bascule|simpy MONTHS FAILURES_PER_YEAR

Fifty components, half of them pairs and half two of three, whose replicas stand in three zones: a replica fails so many
times a year and takes half an hour to be back, a zone is lost every other year for an hour.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bascule.availability.structure import Basic, Event, Structure, any_of, at_least

YEAR_S = 365.25 * 86400
MONTH_S = YEAR_S / 12
COMPONENTS, ZONES = 50, 3
REPAIR_S, ZONE_REPAIR_S, ZONE_PER_YEAR = 1800.0, 3600.0, 0.5
SEED = 7


@dataclass(frozen=True)
class Told:
    """What simulating told: the share of time in which the system was down, and how often it went down."""

    unavailability: float
    outages: int


def event(per_year: float, down_s: float) -> Event:
    """An event that happens so often in a year of up time."""
    return Event(down_s / (down_s + YEAR_S / per_year), down_s)


def replicas(number: int) -> int:
    """How many a component has; all but one are needed."""
    return 2 + number % 2


def structure(per_year: float) -> Structure:
    """The system for ours."""
    zones = [Basic(f"zone {number}") for number in range(ZONES)]
    events = {zone.name: event(ZONE_PER_YEAR, ZONE_REPAIR_S) for zone in zones}
    components = []
    for number in range(COMPONENTS):
        own = [Basic(f"{number}.{one}") for one in range(replicas(number))]
        events |= {basic.name: event(per_year, REPAIR_S) for basic in own}
        components.append(at_least(2, *(any_of(basic, zones[one % ZONES]) for one, basic in enumerate(own))))
    return Structure(any_of(*components), events)


def changes(of: Structure, months: int) -> float:
    """How often all basic events together are expected to change their state in so many months."""
    return months * MONTH_S * sum(2 / (one.mean_up_s + one.mean_down_s) for one in of.events.values())


def with_bascule(months: int, per_year: float) -> Told:
    """Arrays of intervals."""
    from bascule.availability.simulation.simulating import simulate  # noqa: PLC0415 - the peer's interpreter has no numpy

    told = simulate(structure(per_year), months=months, seed=SEED, expired=lambda: False)
    return Told(told.downtime_s.value / MONTH_S, told.outages.count)


@dataclass
class Counters:
    """What is down, kept by counting: the peer's processes tell each change once."""

    causes: dict[tuple[int, int], int] = field(default_factory=dict)
    down: list[int] = field(default_factory=lambda: [0] * COMPONENTS)
    failed: int = 0
    outages: int = 0
    since_s: float = 0.0
    total_s: float = 0.0

    def change(self, who: tuple[int, int], by: int, now_s: float) -> None:
        """One cause more or less for which a replica is down."""
        causes = self.causes[who] = self.causes.get(who, 0) + by
        if causes != (by > 0):
            return
        self.down[who[0]] += by
        if self.down[who[0]] == 1 + (by > 0):
            self.failed += by
            if self.failed == (by > 0):
                self._system(by, now_s)

    def _system(self, by: int, now_s: float) -> None:
        if by > 0:
            self.outages += 1
            self.since_s = now_s
        else:
            self.total_s += now_s - self.since_s


def with_simpy(months: int, per_year: float) -> Told:
    """A process for each basic event, as its documentation models machines that break."""
    import simpy  # type: ignore[import-not-found]  # noqa: PLC0415 - it is in the peer's interpreter alone

    world, dice, counters = simpy.Environment(), random.Random(SEED), Counters()  # noqa: S311 - luck that repeats
    everything = [(number, one) for number in range(COMPONENTS) for one in range(replicas(number))]

    def process(up_s: float, down_s: float, whose: list[tuple[int, int]]) -> Iterator[Any]:
        while True:
            yield world.timeout(dice.expovariate(1 / up_s))
            for who in whose:
                counters.change(who, 1, world.now)
            yield world.timeout(dice.expovariate(1 / down_s))
            for who in whose:
                counters.change(who, -1, world.now)

    for who in everything:
        world.process(process(YEAR_S / per_year, REPAIR_S, [who]))
    for zone in range(ZONES):
        world.process(process(YEAR_S / ZONE_PER_YEAR, ZONE_REPAIR_S, [who for who in everything if who[1] == zone]))
    world.run(until=months * MONTH_S)
    return Told(counters.total_s / (months * MONTH_S), counters.outages)


SUBJECTS: dict[str, Callable[[int, float], Told]] = {"bascule": with_bascule, "simpy": with_simpy}


def main() -> int:
    """Simulate, and print what it took of one processor; imports count to the memory, not to the time."""
    subject, months, per_year = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    SUBJECTS[subject](2, per_year)
    begun_s = time.process_time()
    told = SUBJECTS[subject](months, per_year)
    took_s = time.process_time() - begun_s
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "took_s": took_s,
                "events": changes(structure(per_year), months),
                "peak_mb": peak_kb / 1024,
                "unavailability": told.unavailability,
                "outages": told.outages,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
