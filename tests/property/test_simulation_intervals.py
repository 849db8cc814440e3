"""Sets of moments against sets of whole seconds, and months against seconds counted one by one."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.availability.simulation.intervals import Keys, always, at_least, complement, from_times, per_month, times

SPAN_S = 24
seconds = st.frozensets(st.integers(0, SPAN_S - 1))


def keys_of(members: frozenset[int]) -> Keys:
    """The set in which a second counts from its beginning to its end."""
    edges = [float(edge) for edge in range(SPAN_S + 1) if (edge in members) != (edge - 1 in members)]
    return from_times(np.array(edges))


def is_same(found: Keys, members: frozenset[int] | set[int]) -> bool:
    return np.array_equal(found, keys_of(frozenset(members)))


@given(st.lists(seconds, max_size=5), st.integers(0, 6))
def test_at_least_so_many_of_the_sets(sets: list[frozenset[int]], least: int) -> None:
    found = at_least(least, [keys_of(members) for members in sets], SPAN_S)
    assert is_same(found, {one for one in range(SPAN_S) if sum(one in members for members in sets) >= least})


@given(seconds)
def test_the_complement_is_what_is_missing(members: frozenset[int]) -> None:
    assert is_same(complement(keys_of(members), SPAN_S), set(range(SPAN_S)) - members)


def test_counts_beyond_a_byte_are_right() -> None:
    whole = [always(SPAN_S)] * 300 + [keys_of(frozenset({3}))] * 2
    assert is_same(at_least(300, whole, SPAN_S), set(range(SPAN_S)))
    assert is_same(at_least(302, whole, SPAN_S), {3})
    assert is_same(at_least(303, whole, SPAN_S), set())


@given(st.lists(st.integers(0, 6), max_size=12).map(sorted))
def test_times_that_are_equal_leave_nothing_empty_and_nothing_that_touches(edges: list[int]) -> None:
    pairs = edges[: len(edges) // 2 * 2]
    found = from_times(np.array(pairs, dtype=float))
    assert is_same(
        found, {one for start, end in zip(pairs[::2], pairs[1::2], strict=True) for one in range(start, end)}
    )


@given(seconds, st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]))
def test_each_month_has_what_lies_in_it(members: frozenset[int], month_s: int) -> None:
    months = SPAN_S // month_s
    found = per_month(keys_of(members), months, float(month_s))
    assert found.tolist() == [sum(one // month_s == month for one in members) for month in range(months)]


def test_an_outage_across_boundaries_counts_in_every_month_that_it_touches() -> None:
    outage = from_times(np.array([8.0, 31.0, 40.0, 50.0]))
    assert per_month(outage, 6, 10.0).tolist() == [2.0, 10.0, 10.0, 1.0, 10.0, 0.0]


@pytest.mark.parametrize("make", [lambda: always(1e9 / 3), lambda: complement(from_times(np.empty(0)), 1e9 / 3)])
def test_all_the_time_is_all_of_every_month(make: Callable[[], Keys]) -> None:
    found = per_month(make(), 1000, 1e9 / 3 / 1000)
    assert found.tolist() == pytest.approx([1e9 / 3 / 1000] * 1000, rel=1e-12)
    starts, ends = times(make())
    assert (starts[0], ends[0]) == (0.0, pytest.approx(1e9 / 3, rel=1e-15))
