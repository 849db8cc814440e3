"""The arithmetic of availability against every combination of parts that are up or down."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.availability import nines
from bascule.kernel.quantities import Duration

SHARE = st.integers(0, 10**6).map(lambda part: Fraction(part, 10**6))


def enumerated(parts: list[Fraction], needed: int) -> Fraction:
    total = Fraction(0)
    for ups in itertools.product((True, False), repeat=len(parts)):
        if sum(ups) >= needed:
            total += math.prod(
                (part if up else 1 - part for part, up in zip(parts, ups, strict=True)), start=Fraction(1)
            )
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(SHARE, min_size=1, max_size=6))
def test_series_needs_all_and_parallel_needs_one(parts: list[Fraction]) -> None:
    assert nines.series(*parts) == enumerated(parts, len(parts))
    assert nines.parallel(*parts) == enumerated(parts, 1)


@settings(max_examples=60, deadline=None)
@given(SHARE, st.integers(1, 7), st.data())
def test_k_of_n_counts_every_combination(part: Fraction, replicas: int, data: st.DataObject) -> None:
    needed = data.draw(st.integers(1, replicas))
    assert nines.k_of_n(needed, replicas, part) == enumerated([part] * replicas, needed)


@given(st.integers(0, 10**9))
def test_a_percentage_is_read_back_as_it_was_printed(millionths: int) -> None:
    share = Fraction(millionths, 10**9)
    assert nines.parse(nines.percent(share)) == share


@given(st.integers(1, 10**12))
def test_a_time_is_read_back_as_it_was_said(milliseconds: int) -> None:
    said = nines.spoken(Fraction(milliseconds, 1000))
    assert abs(Duration.parse(said).seconds - milliseconds / 1000) < 1e-6


@given(SHARE.filter(lambda share: 0 < share < 1), st.integers(1, 10**9))
def test_the_times_that_a_target_asks_for_give_it_back(target: Fraction, seconds: int) -> None:
    given_s = Fraction(seconds)
    assert nines.of_times(given_s, nines.mttr_needed_s(target, given_s)) == target
    assert nines.of_times(nines.mtbf_needed_s(target, given_s), given_s) == target
