"""The decisions of guards, against their definitions written out naively, for whatever is asked of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from bascule.guard.backoff import Exponential, Fixed, Jitter
from bascule.guard.limits import Aimd, Gradient2, LimitOptions, Vegas
from bascule.guard.percentile import RecentLatencies
from bascule.guard.rates import Rate, SlidingWindow, TokenBucket
from bascule.guard.retry_after import MOST_S, parse_retry_after, retry_after_of
from bascule.kernel.dice import SeededDice

JITTERS: tuple[Jitter, ...] = ("full", "equal", "decorrelated", "none")
SECONDS = st.floats(0.001, 1e6)
WALL_S = st.integers(0, 4_000_000_000)

Ask = tuple[float, str, int, float]
"""How long after the one before, what is done (`reserve`, `try`, `cancel`), how many permits, and a share of luck."""

ASKS: st.SearchStrategy[list[Ask]] = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 0.5), st.sampled_from([0.1, 0.25, 1.0, 3.0, 20.0])),
        st.sampled_from(["reserve", "reserve", "try", "try", "cancel"]),
        st.integers(1, 6),
        st.floats(0, 1),
    ),
    max_size=60,
)


def dues(rate: Rate, asks: list[Ask], begin_s: float) -> list[tuple[float, int]]:
    """When which permits fell due, but for those that were given back before."""
    now_s = begin_s
    held: list[tuple[float, int]] = []
    for after_s, what, permits, share in asks:
        now_s += after_s
        if what == "cancel":
            early = [one for one in held if one[0] >= now_s]
            if early:
                chosen = early[min(int(share * len(early)), len(early) - 1)]
                held.remove(chosen)
                rate.cancel(*chosen)
            continue
        wait_s = rate.reserve(now_s, permits) if what == "reserve" else rate.try_take(now_s, permits)
        assert wait_s >= 0
        if wait_s == 0 or (what == "reserve" and wait_s < math.inf):
            held.append((now_s + wait_s, permits))
    return sorted(held)


def sums_between(held: list[tuple[float, int]]) -> list[tuple[float, float, int]]:
    """For each two moments at which permits fell due: both moments, and the permits from the one to the other."""
    found: list[tuple[float, float, int]] = []
    for first in range(len(held)):
        totals = itertools.accumulate(permits for _, permits in held[first:])
        found += [(held[first][0], held[last][0], total) for last, total in enumerate(totals, first)]
    return found


@given(ASKS, st.integers(1, 8), st.sampled_from([0.3, 1.0, 7.0]), st.sampled_from([0.0, 1234.5]))
def test_no_window_ever_has_more_than_its_limit(asks: list[Ask], limit: int, window_s: float, begin_s: float) -> None:
    for begins_s, ends_s, permits in sums_between(dues(SlidingWindow(limit, window_s), asks, begin_s)):
        if ends_s - begins_s < window_s - 1e-9:
            assert permits <= limit


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 6), st.integers(1, 15))
def test_a_window_takes_whatever_its_definition_allows(steps: list[int], limit: int, window: int) -> None:
    taken: list[int] = []
    rate = SlidingWindow(limit, float(window))
    for now in itertools.accumulate(steps):
        is_free = sum(now - window < at <= now for at in taken) < limit
        assert rate.available(float(now)) == limit - sum(now - window < at <= now for at in taken)
        assert (rate.try_take(float(now)) == 0) == is_free
        if is_free:
            taken.append(now)


@given(
    ASKS,
    st.sampled_from([0.5, 3.0, 40.0]),
    st.integers(1, 8),
    st.sampled_from([0.0, 0.2, 4.0]),
    st.sampled_from([0.0, 1234.5]),
)
def test_no_bucket_ever_gives_more_than_its_rate_and_its_burst(
    asks: list[Ask], rate_per_s: float, burst: int, warm_up_s: float, begin_s: float
) -> None:
    bucket = TokenBucket(rate_per_s, burst, warm_up_s)
    for begins_s, ends_s, permits in sums_between(dues(bucket, asks, begin_s)):
        assert permits <= rate_per_s * (ends_s - begins_s) + burst + 1e-6


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=60), st.integers(1, 5))
def test_a_bucket_gives_whatever_is_in_it(steps: list[tuple[int, int]], burst: int) -> None:
    tokens, bucket = burst, TokenBucket(1.0, burst)
    now = 0
    for after, permits in steps:
        now += after
        tokens = min(burst, tokens + after)
        assert bucket.available(float(now)) == tokens
        assert (bucket.try_take(float(now), permits) == 0) == (permits <= tokens)
        tokens -= permits if permits <= tokens else 0


@given(ASKS, st.sampled_from([TokenBucket, SlidingWindow]))
def test_whoever_waits_as_long_as_was_said_gets_the_permit(
    asks: list[Ask], kind: type[TokenBucket | SlidingWindow]
) -> None:
    rate = kind(3, 4)
    now_s = 0.0
    for after_s, _, permits, _ in asks:
        now_s += after_s
        wait_s = rate.try_take(now_s, permits)
        if 0 < wait_s < math.inf:
            now_s += wait_s + 1e-9
            assert rate.try_take(now_s, permits) == 0


BACKOFFS = st.builds(
    lambda first_s, factor, cap_s, jitter: Exponential(first_s, factor, max(first_s, cap_s), jitter),
    SECONDS,
    st.floats(1, 1e3),
    SECONDS,
    st.sampled_from(JITTERS),
)


@given(BACKOFFS, st.integers(1, 10**30), SECONDS, st.integers(0, 99))
def test_a_wait_is_never_negative_and_never_above_its_cap(
    backoff: Exponential, attempt: int, last_s: float, seed: int
) -> None:
    assert 0 <= backoff.wait_s(attempt, last_s, SeededDice(seed).uniform) <= backoff.cap_s
    assert Fixed(last_s).wait_s(attempt, 0.0, SeededDice(seed).uniform) == last_s


@given(st.floats(0.01, 10), st.floats(1, 4), st.integers(1, 30))
def test_without_jitter_no_wait_is_shorter_than_the_one_before(first_s: float, factor: float, attempts: int) -> None:
    backoff = Exponential(first_s, factor, 60.0, "none")
    waits_s = [backoff.wait_s(attempt, 0.0, SeededDice(0).uniform) for attempt in range(1, attempts + 1)]
    assert waits_s == sorted(waits_s)
    assert waits_s[0] == first_s


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=90), st.integers(1, 60), st.integers(0, 1000))
def test_a_percentile_is_that_of_the_latest_sorted(latencies_s: list[float], size: int, thousandths: int) -> None:
    recent = RecentLatencies(size)
    answers: list[float] = []
    for number, latency_s in enumerate(latencies_s, 1):
        recent.add(latency_s)
        known = latencies_s[max(0, number - size) : number]
        rank = max(1, -(-thousandths * len(known) // 1000))
        answers.append(sorted(known)[rank - 1])
        fresh = max(1, min(number, size) // 8)
        assert recent.percentile(thousandths / 1000) in answers[-fresh:]


def least(low: float, high: float) -> float:
    return min(low, high)


@given(
    st.sampled_from([Aimd, Vegas, Gradient2]),
    st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50)),
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(), st.integers(-5, 10**6), st.booleans()), max_size=200),
    st.sampled_from([least, SeededDice(3).uniform]),
)
def test_a_learned_limit_stays_within_its_bounds_whatever_it_is_told(
    kind: Callable[..., LimitOptions],
    bounds: tuple[int, int, int],
    window: int,
    calls: list[tuple[float, int, bool]],
    uniform: Callable[[float, float], float],
) -> None:
    low, initial, high = sorted(bounds)
    estimator = kind(initial=initial, minimum=low, maximum=high, window=window).estimator(uniform)
    for latency_s, in_flight, dropped in calls:
        assert low <= estimator.update(latency_s, in_flight, dropped) <= high
        assert isinstance(estimator.limit, int)


@given(st.sampled_from([Aimd, Vegas, Gradient2]), st.lists(st.floats(0, 1e6), max_size=200))
def test_a_limit_that_is_hardly_used_never_grows(kind: Callable[..., LimitOptions], latencies_s: list[float]) -> None:
    estimator = kind(window=1).estimator(least)
    for latency_s in latencies_s:
        assert estimator.update(latency_s, 1) <= 20


@given(
    WALL_S, WALL_S, st.sampled_from(["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"])
)
def test_every_date_reads_as_the_time_until_then(at_s: int, now_s: int, form: str) -> None:
    date = datetime.fromtimestamp(at_s, UTC)
    this_year = datetime.fromtimestamp(now_s, UTC).year
    if "%y" in form and not this_year - 48 <= date.year <= this_year + 49:
        return
    wait_s = parse_retry_after(date.strftime(form), float(now_s))
    assert wait_s == min(max(0.0, at_s - now_s), MOST_S)


@given(WALL_S)
def test_what_the_standard_library_writes_is_read(at_s: int) -> None:
    text = format_datetime(datetime.fromtimestamp(at_s, UTC), usegmt=True)
    assert parse_retry_after(text, at_s - 5.0) == 5.0


@given(
    st.one_of(st.text(), st.from_regex(r"[ \t]*[0-9]{0,80}[ \t]*"), st.from_regex(r"[A-Z][a-z]+, [0-9 :A-Za-z]{20,30}"))
)
def test_no_text_makes_it_raise_or_wait_for_ever(value: str) -> None:
    wait_s = parse_retry_after(value, 1e9)
    assert wait_s is None or 0 <= wait_s <= MOST_S


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.booleans(), st.lists(st.integers())))
def test_whatever_an_error_carries_is_a_wait_or_none(value: object) -> None:
    error = RuntimeError()
    for name in ("retry_after", "headers", "response"):
        setattr(error, name, value)
        wait_s = retry_after_of(error, 1e9)
        assert wait_s is None or 0 <= wait_s <= MOST_S


def test_a_bucket_that_gives_one_permit_too_many_is_caught() -> None:
    class Generous(TokenBucket):
        def cancel(self, due_s: float, permits: int = 1, /) -> None:
            super().cancel(due_s, permits)
            self._full_at -= permits * self._interval

    asks: list[Ask] = [(0.0, "reserve", 1, 0.0)] * 4 + [(0.0, "cancel", 1, 0.5)] + [(0.0, "reserve", 1, 0.0)] * 2
    held = dues(Generous(1.0), asks, 0.0)
    assert any(permits > ends_s - begins_s + 1 + 1e-6 for begins_s, ends_s, permits in sums_between(held))
