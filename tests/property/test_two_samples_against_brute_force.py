"""The tests of two samples against their definitions: every arrangement counted, every table weighed."""

import inspect
import itertools
import math
import random
import types
from fractions import Fraction
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.measure import two_samples
from bascule.measure.two_samples import fisher_test, holm, rank_test, shift

values = st.lists(st.one_of(st.integers(0, 6).map(float), st.just(math.inf)), min_size=1, max_size=5)


def ranks(sample: list[float]) -> list[Fraction]:
    """Rank of each value; equal ones share their mean."""
    return [
        Fraction(sum(other < value for other in sample)) + Fraction(sum(other == value for other in sample) + 1, 2)
        for value in sample
    ]


def counted_p(first: list[float], second: list[float]) -> tuple[Fraction, Fraction]:
    """The share of arrangements whose sum of ranks is as far off, and the least such share of any arrangement."""
    ranked = ranks([*first, *second])
    mean = Fraction(len(second) * (len(ranked) + 1), 2)
    offs = [abs(sum(ranked[place] for place in chosen) - mean)
            for chosen in itertools.combinations(range(len(ranked)), len(second))]  # fmt: skip
    seen = abs(sum(ranked[len(first) :]) - mean)
    furthest = max(offs)
    return Fraction(sum(off >= seen for off in offs), len(offs)), Fraction(offs.count(furthest), len(offs))


@given(values, values)
def test_the_rank_test_counts_every_arrangement(first: list[float], second: list[float]) -> None:
    p, least = counted_p(first, second)
    found = rank_test(first, second)
    assert found.p == pytest.approx(float(p))
    assert found.least == pytest.approx(float(least))


@given(values, values)
def test_the_rank_test_does_not_care_which_is_first_but_for_the_direction(
    first: list[float], second: list[float]
) -> None:
    one, other = rank_test(first, second), rank_test(second, first)
    assert one.p == pytest.approx(other.p)
    assert one.towards == -other.towards


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_fisher_weighs_every_table(of_first: int, of_second: int, data: st.DataObject) -> None:
    met_first, met_second = data.draw(st.integers(0, of_first)), data.draw(st.integers(0, of_second))
    met, total = met_first + met_second, of_first + of_second
    weights = [
        Fraction(math.comb(of_first, each) * math.comb(of_second, met - each), math.comb(total, met))
        for each in range(max(0, met - of_second), min(met, of_first) + 1)
    ]
    seen = weights[met_first - max(0, met - of_second)]
    p = sum(weight for weight in weights if weight <= seen)
    assert fisher_test(met_first, of_first, met_second, of_second).p == pytest.approx(float(p))


def covered(sizes: tuple[int, int], rounds: int = 2000) -> tuple[float, float]:
    """How often the interval of the shift has the true one, and how often its middle is too high."""
    dice = random.Random(11)  # noqa: S311 - a simulation that repeats
    inside = above = 0
    for _ in range(rounds):
        first = [dice.expovariate(1.0) for _ in range(sizes[0])]
        second = [dice.expovariate(1.0) + 3.0 for _ in range(sizes[1])]
        found = shift(first, second)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 3.0 <= found.high
        above += found.by > 3.0
    return inside / rounds, above / rounds


@pytest.mark.parametrize("sizes", [(5, 5), (8, 6), (12, 12), (60, 60)])
def test_the_interval_of_the_shift_covers_what_it_says(sizes: tuple[int, int]) -> None:
    inside, above = covered(sizes)
    assert 0.94 <= inside <= 0.99
    assert 0.45 <= above <= 0.55


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_the_shift_is_the_median_of_all_differences(first: list[float], second: list[float]) -> None:
    found = shift(first, second)
    assert found is not None
    assert found.by == pytest.approx(median(b - a for a in first for b in second), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_reject(ps: list[float]) -> None:
    alpha = 0.05
    rejected: set[int] = set()
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        if ps[place] * (len(ps) - rank) > alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(ps)) if p <= alpha} == rejected


MUTANTS = [
    ("first[value] + last[value]", "2 * first[value]"),
    (">= abs(off))", "> abs(off))"),
    ("(off > 0) - (off < 0)", "(off < 0) - (off > 0)"),
    ("number <= ways[met_first]", "number < ways[met_first]"),
    ("doubt = (1 - confidence) / 2", "doubt = 1 - confidence"),
    ("differences[depth - 1]", "differences[depth]"),
    ("ps[index] * (len(ps) - rank)", "ps[index] * len(ps)"),
    ("max(highest, min(1.0", "max(0.0, min(1.0"),
]


@pytest.mark.parametrize(("right", "wrong"), MUTANTS)
def test_known_answers_catch_every_mutant(right: str, wrong: str) -> None:
    source = inspect.getsource(two_samples)
    assert source.count(right) == 1
    broken = types.ModuleType("broken")
    exec(compile(source.replace(right, wrong), "<broken>", "exec"), broken.__dict__)  # noqa: S102 - our own text
    assert answers(broken) != answers(two_samples)


def answers(module: types.ModuleType) -> list[object]:
    return [
        module.rank_test([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, 4.0]),
        module.rank_test([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
        module.fisher_test(9, 10, 5, 10),
        module.shift([float(n) for n in range(8)], [n + 0.5 for n in range(8)]),
        module.holm([0.01, 0.04, 0.03, 0.011]),
        module.holm([0.02, 0.021, 0.9]),
    ]
