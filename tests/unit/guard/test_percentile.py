"""A percentile of the latest latencies."""

from __future__ import annotations

import sys

import pytest

from bascule.guard.percentile import RecentLatencies
from bascule.kernel.errors import InputError


def filled(*latencies_s: float, size: int = 128) -> RecentLatencies:
    recent = RecentLatencies(size)
    for latency_s in latencies_s:
        recent.add(latency_s)
    return recent


def test_there_is_no_percentile_of_nothing() -> None:
    assert RecentLatencies().percentile(0.5) is None


def test_every_percentile_of_one_latency_is_that_latency() -> None:
    assert [filled(0.3).percentile(share) for share in (0, 0.5, 1)] == [0.3, 0.3, 0.3]


@pytest.mark.parametrize(
    ("share", "latency_s"),
    [(0, 1), (0.01, 1), (0.07, 7), (0.5, 50), (0.505, 51), (0.95, 95), (0.99, 99), (0.999, 100), (1, 100)],
)
def test_of_a_hundred_latencies_the_nth_percentile_is_the_nth(share: float, latency_s: float) -> None:
    assert filled(*range(100, 0, -1)).percentile(share) == latency_s


def test_only_the_latest_count() -> None:
    recent = filled(9, 9, 9, 1, 2, 3, 4, size=4)
    assert [recent.percentile(share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1, 2, 3, 4]


def test_with_few_latencies_each_one_shows_at_once() -> None:
    recent = RecentLatencies(64)
    for number in range(1, 16):
        recent.add(float(number))
        assert recent.percentile(1) == number


def test_with_many_latencies_an_answer_stands_for_an_eighth_of_them_and_no_longer() -> None:
    recent = filled(*[1.0] * 64, size=64)
    assert recent.percentile(1) == 1.0
    for _ in range(7):
        recent.add(5.0)
        assert recent.percentile(1) == 1.0
    recent.add(5.0)
    assert recent.percentile(1) == 5.0


def test_it_counts_what_was_ever_added() -> None:
    assert filled(*[1.0] * 10, size=4).added == 10


@pytest.mark.parametrize("share", [-0.01, 1.01, 95, float("nan")])
def test_a_share_outside_of_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"must be a share from 0 to 1"):
        filled(1.0).percentile(share)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, 1_000_001])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=r"RecentLatencies\.size: .* must be a whole number from 1 to 1000000"):
        RecentLatencies(size)


def test_the_default_takes_little_memory() -> None:
    recent = filled(*[0.1] * 300)
    recent.percentile(0.99)
    assert sum(sys.getsizeof(part) for part in (recent, recent._ring, recent._sorted)) < 3_000
