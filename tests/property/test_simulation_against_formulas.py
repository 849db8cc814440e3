"""Simulated months against what is known exactly, and against a simulation that goes from event to event."""

import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from bascule.availability.simulation.months import YEAR_S, Months
from bascule.availability.simulation.renewal import Renewal
from bascule.availability.simulation.simulating import MONTH_S, simulate
from bascule.availability.structure import Basic, Event, Node, Not, Structure, all_of, any_of, at_least, fails

HOUR_S = 3600.0


def unavailability(structure: Structure, **fixed: bool) -> float:
    """The exact one, from every combination of what is down; `fixed` events are taken as down or up."""
    total = 0.0
    for states in itertools.product((False, True), repeat=len(structure.events)):
        down = {name for name, state in zip(structure.events, states, strict=True) if state}
        if all((name in down) == state for name, state in fixed.items()) and fails(structure, frozenset(down)):
            total += math.prod(
                event.unavailability if name in down else 1 - event.unavailability
                for name, event in structure.events.items()
                if name not in fixed
            )
    return total


def failures_per_year(structure: Structure) -> float:
    """The exact frequency of failure of a coherent structure: how often an event fails while it alone decides."""
    return sum(
        (unavailability(structure, **{name: True}) - unavailability(structure, **{name: False}))
        * (YEAR_S * event.unavailability / event.mean_down_s)
        for name, event in structure.events.items()
    )


def dice_of(seed: int | str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - luck that repeats


def events_of(dice: random.Random, count: int) -> dict[str, Event]:
    return {
        f"e{number}": Event(unavailability=dice.uniform(0.01, 0.3), mean_down_s=dice.uniform(0.2, 30) * HOUR_S)
        for number in range(count)
    }


def bridge(events: list[Basic]) -> Node:
    a, b, c, d, e = events
    return any_of(all_of(a, b), all_of(c, d), all_of(a, e, d), all_of(c, e, b))


def randomly(dice: random.Random, basics: list[Basic], *, negated: bool = False) -> Node:
    """A structure in which gates share what is below them."""
    nodes: list[Node] = list(basics)
    for _ in range(dice.randint(2, 8)):
        children = dice.sample(nodes, dice.randint(2, min(4, len(nodes))))
        gate: Node = at_least(dice.randint(1, len(children)), *children)
        nodes.append(Not(gate) if negated and dice.random() < 0.4 else gate)
    return at_least(2, *nodes[-3:]) if len(nodes) > len(basics) + 3 else any_of(*nodes[-2:])


SHAPES: dict[str, tuple[int, Callable[[list[Basic]], Node]]] = {
    "single": (1, lambda basics: basics[0]),
    "series": (4, lambda basics: any_of(*basics)),
    "parallel": (3, lambda basics: all_of(*basics)),
    "two of three": (3, lambda basics: at_least(2, *basics)),
    "bridge": (5, bridge),
    "pairs in two zones": (
        6,
        lambda basics: any_of(
            all_of(any_of(basics[0], basics[4]), any_of(basics[1], basics[5])),
            all_of(any_of(basics[2], basics[4]), any_of(basics[3], basics[5])),
        ),
    ),
}


def structure_of(shape: str) -> Structure:
    count, make = SHAPES[shape]
    events = events_of(dice_of(shape), count)
    return Structure(make([Basic(name) for name in events]), events)


def random_structure(number: int, *, negated: bool = False) -> Structure:
    dice = dice_of(number)
    events = events_of(dice, dice.randint(3, 8))
    return Structure(randomly(dice, [Basic(name) for name in events], negated=negated), events)


def run(structure: Structure, months: int = 20_000, seed: int = 11, **more: object) -> Months:
    options = {"expired": lambda: False, "confidence": 0.999} | more
    return simulate(structure, months=months, seed=seed, **options)  # type: ignore[arg-type]  # options by name


def holds(months: Months, structure: Structure) -> bool:
    exact_s = unavailability(structure) * MONTH_S
    rounding_s = 1e-9 * MONTH_S
    return months.downtime_s.low - rounding_s <= exact_s <= months.downtime_s.high + rounding_s


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("repair", ["exponential", "lognormal"])
def test_the_mean_is_the_exact_unavailability(shape: str, repair: str) -> None:
    months = run(structure_of(shape), repair=repair)
    assert holds(months, structure_of(shape))
    width = months.downtime_s.high - months.downtime_s.low
    assert width < 0.2 * months.downtime_s.value, "an interval that says something"


@pytest.mark.parametrize("number", range(12))
def test_the_mean_of_random_coherent_structures_is_exact(number: int) -> None:
    structure = random_structure(number)
    assert holds(run(structure, months=10_000), structure)


@pytest.mark.parametrize("number", range(8))
def test_the_mean_of_random_structures_with_negations_is_exact(number: int) -> None:
    structure = random_structure(number, negated=True)
    assert holds(run(structure, months=10_000), structure)


@pytest.mark.parametrize("structure", [*map(structure_of, SHAPES), *map(random_structure, range(6))])
def test_outages_are_as_frequent_as_the_formula_says(structure: Structure) -> None:
    outages, exact = run(structure).outages, failures_per_year(structure)
    # Outages of a system are hardly more irregular than a Poisson process; four standard deviations.
    assert outages.per_year == pytest.approx(exact, abs=4 * math.sqrt(exact / (20_000 * MONTH_S / YEAR_S)))
    assert outages.mean_s == pytest.approx(unavailability(structure) * YEAR_S / exact, rel=0.05)


def month_from_event_to_event(structure: Structure, dice: random.Random, draw: Callable[[float], float]) -> float:
    """The downtime of one month of exponential processes, whose memory is their state alone."""
    events = structure.events
    down = {name for name, event in events.items() if dice.random() < event.unavailability}
    total_s, now_s = 0.0, 0.0
    ends_s = {name: draw(event.mean_down_s if name in down else event.mean_up_s) for name, event in events.items()}
    while now_s < MONTH_S:
        name = min(ends_s, key=ends_s.__getitem__)
        next_s = min(ends_s[name], MONTH_S)
        if fails(structure, frozenset(down)):
            total_s += next_s - now_s
        now_s = next_s
        down ^= {name}
        ends_s[name] = now_s + draw(events[name].mean_down_s if name in down else events[name].mean_up_s)
    return total_s


def largest_difference(months: Months, reference: list[float]) -> float:
    """Kolmogorov and Smirnov's, with our distribution just below and at each value of the other one."""
    ordered, count = np.sort(reference), len(reference)
    worst = 0.0
    for value in ordered:
        below, upto = (np.searchsorted(ordered, value, side=side) / count for side in ("left", "right"))
        ours_below = months.probability_within(math.nextafter(value, -1.0)).value
        ours_upto = months.probability_within(value).value
        worst = max(worst, abs(ours_below - below), abs(ours_upto - upto))
    return worst


@pytest.mark.parametrize(
    ("top", "down_months", "share"),
    [
        (Basic("a"), 0.01, 0.01),
        (Basic("a"), 0.3, 0.3),
        (at_least(2, *map(Basic, "abc")), 0.2, 0.3),
        (any_of(all_of(Basic("a"), Not(Basic("b"))), Basic("c")), 0.1, 0.2),
    ],
)
def test_months_are_distributed_as_from_event_to_event(top: Node, down_months: float, share: float) -> None:
    names = {"a"} if isinstance(top, Basic) else set("abc")
    structure = Structure(top, {name: Event(share, down_months * MONTH_S) for name in sorted(names)})
    dice = dice_of(5)
    reference = [
        month_from_event_to_event(structure, dice, lambda mean: dice.expovariate(1 / mean)) for _ in range(3000)
    ]
    months = run(structure, months=40_000)
    # The bound at 0.1 %; it holds for distributions with jumps too, and our months count as 10,000 independent ones.
    assert largest_difference(months, reference) < 1.95 * math.sqrt(1 / 3000 + 1 / 10_000)


@pytest.mark.parametrize(("share", "shape"), [(0.4, None), (0.4, 1.5), (0.9, 3.0)])
def test_a_process_is_in_steady_state_from_the_first_moment_on(share: float, shape: float | None) -> None:
    # With the last one most outages are much shorter than the mean, so that there are many more than would be expected.
    renewal = Renewal(unavailability=share, mean_up_s=100.0 / share - 100.0, mean_down_s=100.0, shape=shape)
    dice = np.random.default_rng(3)
    looks = np.array([0.0, 10.0, 50.0, 100.0, 300.0, 990.0])
    down = np.zeros(len(looks))
    for _ in range(6000):
        edges = (renewal.outages(1000.0, dice) & np.int64(-2)).view(np.float64)
        down += np.searchsorted(edges, looks, side="right") % 2
    # Four standard deviations of a share of 6000.
    doubt = 4 * math.sqrt(share * (1 - share) / 6000)
    assert (down / 6000).tolist() == pytest.approx([share] * len(looks), abs=doubt)


@pytest.mark.parametrize("repair", ["exponential", "lognormal"])
def test_the_first_month_is_like_any_other(repair: str) -> None:
    structure = Structure(Basic("a"), {"a": Event(0.3, 5 * MONTH_S)})
    downtimes_s = [run(structure, months=1, seed=seed, repair=repair).downtime_s.value for seed in range(600)]
    # Nearly all of the month or nothing: the standard deviation is at most that of a coin.
    assert np.mean(downtimes_s) / MONTH_S == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 600))
