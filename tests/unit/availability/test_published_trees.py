"""Fault trees with published results.

The trees are rebuilt from the facts of those that the SCRAM project publishes among its inputs, with what its tests
expect of them (github.com/rakhimov/scram, input/ and tests/bench_*): three motors, a lift, two trains, the braking
system of XFTA, and of the Aralia set baobab1 and chinese. The number of das9201's cut sets is that of Rauzy's papers
on that set.
"""

from pathlib import Path

import pytest

from bascule.availability.structure import Structure
from bascule.availability.trees.cut_sets import CutSets, cut_sets
from bascule.availability.trees.importance import importances
from bascule.availability.trees.openpsa import read, structure
from bascule.availability.trees.solving import Engine, solve

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "availability"
ENGINES: tuple[Engine, ...] = ("own", "oxidd")


def never() -> bool:
    return False


def tree(name: str) -> Structure:
    """With the mission time of a year of hours, the default of those who published the results."""
    file = f"{name}.xml"
    return structure(read((GOLDEN / file).read_bytes(), file, mission_time=8760))


def cuts(name: str) -> CutSets:
    return cut_sets(tree(name), expired=never)


def names(found: CutSets) -> set[frozenset[str]]:
    listing = found.top(1000)
    assert listing.complete
    return {frozenset(one.events) for one in listing.sets}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "expected", "digits"), [
    ("two_train", 0.7225, 1e-12),
    ("three_motor", 0.0211538, 1e-5),
    ("lift", 1.19999e-5, 1e-5),
    ("bscu", 0.1124087, 1e-6),
    ("chinese", 0.0045691, 1e-4),
])  # fmt: skip
def test_the_probability_is_the_published_one(name: str, expected: float, digits: float, engine: Engine) -> None:
    solution = solve(tree(name), expired=never, engine=engine)
    assert solution.unavailability == pytest.approx(expected, rel=digits)


@pytest.mark.parametrize(("name", "expected"), [
    ("two_train", {2: 4}),
    ("three_motor", {1: 1, 2: 3, 4: 8}),
    ("lift", {1: 12}),
    ("bscu", {1: 2, 2: 8}),
    ("chinese", {2: 12, 4: 24, 5: 188, 6: 168}),
])  # fmt: skip
def test_the_minimal_cut_sets_are_as_many_of_each_order_as_published(name: str, expected: dict[int, int]) -> None:
    found = cuts(name)
    assert found.by_order == expected
    assert found.count == sum(expected.values()) == len(names(found))


def test_baobab1_has_the_published_cut_sets() -> None:
    found = cuts("baobab1")
    assert found.count == 46188
    assert {order: found.by_order[order] for order in (2, 3, 4, 5, 6)} == {2: 1, 3: 1, 4: 70, 5: 400, 6: 2212}


def test_das9201_has_the_published_cut_sets() -> None:
    assert cuts("das9201").count == 14217


def test_the_cut_sets_of_the_three_motors_are_the_published_ones() -> None:
    triples = [(first, second, third) for first in ("KT1inc", "T2inc") for second in ("KT2inc", "T3inc")
               for third in ("KT3inc", "T4inc")]  # fmt: skip
    assert names(cuts("three_motor")) == {
        frozenset({"K5"}),
        *(frozenset({"T2", other}) for other in ("S1", "K1", "T1inc")),
        *(frozenset({"T2", *triple}) for triple in triples),
    }
    assert cuts("three_motor").single_points == ("K5",)


def test_the_cut_sets_of_the_brakes_are_the_published_ones() -> None:
    pairs = ["Power1 Power2", "Power1 Stuck1", "Power1 Electronic2", "Power2 Stuck2", "Power2 Electronic1",
             "Stuck1 Electronic1", "Stuck2 Electronic2", "Electronic1 Electronic2"]  # fmt: skip
    assert names(cuts("bscu")) == {frozenset(pair.split()) for pair in (*pairs, "StuckBetween", "Monitor")}
    total = sum(one.probability for one in cuts("bscu").top(20).sets)
    assert total == pytest.approx(0.135372, rel=1e-5)


def test_in_the_two_trains_each_measure_is_as_reckoned_by_hand() -> None:
    """Each train fails with 0.85; a pump of 0.7 leaves 0.5 to its train, a valve of 0.5 leaves 0.7."""
    found = {one.name: one for one in importances(tree("two_train"), expired=never).events}
    pump = found["PumpOne"]
    assert pump.failed == pytest.approx(0.85)
    assert pump.perfect == pytest.approx(0.5 * 0.85)
    assert pump.birnbaum == pytest.approx(0.85 * 0.5)
    assert pump.criticality == pytest.approx(0.7 * 0.425 / 0.7225)
    assert pump.improvement == pytest.approx(0.7225 - 0.425)
    assert pump.risk_achievement == pytest.approx(0.85 / 0.7225)
    assert pump.risk_reduction == pytest.approx(0.7225 / 0.425)
    assert pump.fussell_vesely == pytest.approx(0.7 * 0.85 / 0.7225)
    assert list(found) == ["PumpOne", "PumpTwo", "ValveOne", "ValveTwo"]


@pytest.mark.parametrize("name", ["chinese", "baobab1", "das9201"])
def test_bounds_of_large_trees_contain_what_their_diagrams_say(name: str) -> None:
    exact = solve(tree(name), expired=never).unavailability
    bounds = solve(tree(name), expired=lambda: True)
    assert bounds.method == "bounds"
    assert bounds.lower <= exact <= bounds.upper
    assert bounds.upper < 0.05
    assert bounds.lower > exact / 1.5
