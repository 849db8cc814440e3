"""Permits that keep to a rate."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bascule.guard.rates import NEVER_S, Rate, SlidingWindow, TokenBucket
from bascule.kernel.errors import InputError


def taken_at_once(rate: Rate, now_s: float) -> int:
    count = 0
    while rate.try_take(now_s) == 0:
        count += 1
    return count


def both() -> list[Rate]:
    return [TokenBucket(2.0, 3), SlidingWindow(3, 1.5)]


def test_a_full_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(10.0, burst=3)
    assert [bucket.reserve(5.0) for _ in range(6)] == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3])


def test_a_bucket_fills_at_its_rate_and_no_further_than_its_burst() -> None:
    bucket = TokenBucket(10.0, burst=3)
    assert taken_at_once(bucket, 0.0) == 3
    assert taken_at_once(bucket, 0.1) == 1
    assert taken_at_once(bucket, 0.3) == 2
    assert taken_at_once(bucket, 900.0) == 3


def test_a_permit_is_there_at_the_very_time_that_was_named() -> None:
    bucket = TokenBucket(10.0)
    now_s = 0.1
    for _ in range(1_000):
        assert bucket.try_take(now_s) == 0.0
        now_s += bucket.try_take(now_s)


def test_several_permits_are_waited_for_together() -> None:
    bucket = TokenBucket(10.0, burst=4)
    assert [bucket.reserve(0.0, 3), bucket.reserve(0.0, 3)] == pytest.approx([0.0, 0.2])
    window = SlidingWindow(4, 1.0)
    assert [window.reserve(0.0, 3), window.reserve(0.0, 3), window.reserve(0.5, 2)] == pytest.approx([0.0, 1.0, 1.5])


@pytest.mark.parametrize("rate", both())
def test_more_than_can_ever_be_had_is_never(rate: Rate) -> None:
    assert [rate.reserve(0.0, 4), rate.try_take(0.0, 4), rate.reserve(0.0, 0), rate.reserve(0.0, -1)] == [NEVER_S] * 4
    assert rate.available(0.0) == 3


@pytest.mark.parametrize("rate", both())
def test_a_wait_that_is_too_long_reserves_nothing(rate: Rate) -> None:
    rate.reserve(0.0, 3)
    first_s = rate.try_take(0.0)
    assert first_s > 0
    assert rate.reserve(0.0, 1, first_s * 0.9) == first_s
    assert rate.reserve(0.0, 1, first_s) == first_s


@pytest.mark.parametrize("rate", both())
def test_what_is_available_can_be_taken(rate: Rate) -> None:
    assert rate.available(0.0) == 3
    rate.reserve(0.0, 2)
    assert rate.available(0.0) == 1
    rate.reserve(0.0)
    assert rate.available(0.0) == 0
    rate.reserve(0.0)
    assert rate.available(0.0) == 0
    assert rate.available(10.0) == 3


@pytest.mark.parametrize("rate", both())
def test_a_thread_that_comes_late_with_an_earlier_time_is_served_all_the_same(rate: Rate) -> None:
    assert rate.try_take(10.0) == 0.0
    assert rate.try_take(9.9999) == 0.0
    assert rate.try_take(10.0) == 0.0
    assert rate.try_take(9.9) > 0


@pytest.mark.parametrize("rate", both())
def test_a_cancelled_permit_can_be_had_again(rate: Rate) -> None:
    rate.reserve(7.0, 3)
    wait_s = rate.reserve(7.0)
    assert rate.try_take(7.0) > wait_s or isinstance(rate, SlidingWindow)
    rate.cancel(7.0 + wait_s)
    assert rate.reserve(7.0) == pytest.approx(wait_s)


@pytest.mark.parametrize("rate", both())
def test_what_was_taken_at_once_can_be_given_back_at_once(rate: Rate) -> None:
    for _ in range(10):
        assert rate.reserve(3.0, 3) == 0.0
        rate.cancel(3.0, 3)
    assert rate.available(3.0) == 3


@pytest.mark.parametrize("rate", both())
def test_giving_back_what_was_never_taken_gives_no_more_than_there_is(rate: Rate) -> None:
    for due_s in (-5.0, 0.0, 1.0, 99.0):
        rate.cancel(due_s, 3)
    assert taken_at_once(rate, 1.0) == 3


def test_a_permit_that_others_wait_behind_is_lost_and_breaks_nothing() -> None:
    bucket = TokenBucket(1.0)
    dues_s = [bucket.reserve(0.0) for _ in range(4)]
    assert dues_s == [0, 1, 2, 3]
    bucket.cancel(1.0)
    assert bucket.reserve(0.0) == 4.0
    window = SlidingWindow(1, 1.0)
    assert [window.reserve(0.0) for _ in range(4)] == [0, 1, 2, 3]
    window.cancel(1.0)
    assert window.reserve(0.0) == 4.0


def test_a_late_cancel_does_not_give_what_the_bucket_had_regained_already() -> None:
    bucket = TokenBucket(1.0)
    assert bucket.reserve(0.0) == 0.0
    assert bucket.reserve(5.0) == 0.0
    bucket.cancel(0.0)
    assert bucket.try_take(5.1) > 0.8


def test_cancelling_several_times_keeps_the_order_of_a_window() -> None:
    window = SlidingWindow(3, 1.0)
    assert [window.reserve(at_s) for at_s in (0.0, 0.2, 0.4, 0.4)] == pytest.approx([0.0, 0.0, 0.0, 0.6])
    window.cancel(0.2)
    assert [window.reserve(0.5) for _ in range(3)] == pytest.approx([0.5, 0.9, 1.5])


def test_a_window_is_exact_where_two_of_them_meet() -> None:
    window = SlidingWindow(2, 1.0)
    assert [window.try_take(at_s) for at_s in (0.9, 0.95)] == [0.0, 0.0]
    assert window.try_take(1.0) == pytest.approx(0.9)  # a window that begins anew at each second would let it pass
    assert [window.try_take(at_s) for at_s in (1.9, 1.95)] == [0.0, 0.0]


def test_reserved_permits_of_a_window_fall_due_in_order() -> None:
    window = SlidingWindow(2, 1.0)
    assert [window.reserve(0.0) for _ in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_cold_bucket_holds_one_permit_and_its_rate_climbs() -> None:
    bucket = TokenBucket(30.0, burst=5, warm_up_s=3.0)
    assert bucket.available(100.0) == 1
    counts = []
    bucket.reserve(100.0)
    for second in range(6):
        due_s = bucket.try_take(100.0 + second)
        count = 0
        while due_s < 1:
            due_s = bucket.reserve(100.0 + second)
            count += 1
        bucket.cancel(100.0 + second + due_s)
        counts.append(count - 1)
    # The ramp from 10 to 30 a second has an area of 13.3, 20 and 26.7 permits in its three seconds.
    assert counts == pytest.approx([13, 20, 27, 30, 30, 30], abs=1)


def test_waits_during_the_warm_up_are_those_that_come_true() -> None:
    bucket = TokenBucket(5.0, burst=1, warm_up_s=4.0)
    now_s = 50.0
    waits_s = []
    for _ in range(30):
        assert bucket.try_take(now_s) == 0.0
        wait_s = bucket.try_take(now_s)
        assert wait_s > 0
        assert bucket.try_take(now_s + wait_s * 0.99) > 0
        now_s += wait_s + 1e-9
        waits_s.append(wait_s)
    assert waits_s == sorted(waits_s, reverse=True)
    assert waits_s[0] == pytest.approx(0.53, abs=0.02)  # a third of the rate would be 0.6, and it climbs meanwhile
    assert waits_s[-1] == pytest.approx(0.2)


def test_a_bucket_that_nobody_asked_for_long_is_cold_again() -> None:
    bucket = TokenBucket(10.0, burst=4, warm_up_s=2.0)
    assert taken_at_once(bucket, 0.0) == 1
    assert taken_at_once(bucket, 1.9) == 4
    assert taken_at_once(bucket, 3.8) == 4
    assert taken_at_once(bucket, 5.8) == 1


def test_growing_cold_gives_no_permit_that_was_not_earned() -> None:
    bucket = TokenBucket(0.1, burst=1, warm_up_s=0.5)
    assert bucket.try_take(0.0) == 0.0
    assert bucket.try_take(5.0) > 0


def test_whoever_polls_a_cold_bucket_for_several_permits_gets_them() -> None:
    bucket = TokenBucket(10.0, burst=3, warm_up_s=1.0)
    assert any(bucket.try_take(step / 10, 3) == 0.0 for step in range(20))


def test_a_reservation_from_before_the_cold_gives_nothing_back() -> None:
    bucket = TokenBucket(1.0, burst=2, warm_up_s=1.0)
    assert bucket.reserve(0.0) == 0.0
    assert bucket.reserve(50.0) == 0.0
    bucket.cancel(0.0)
    assert bucket.try_take(50.0) > 0


def test_a_bucket_takes_new_options_and_forgets_nothing() -> None:
    bucket = TokenBucket(1.0, burst=4)
    bucket.reserve(0.0, 3)
    bucket.reconfigure(0.0, 10.0, 4)
    assert bucket.available(0.0) == 1
    assert bucket.available(0.1) == 2
    bucket.reconfigure(0.1, 10.0, 2)
    assert bucket.available(0.1) == 0
    bucket.reconfigure(50.0, 10.0, 5, 3.0)
    assert taken_at_once(bucket, 50.0) == 5
    bucket.reconfigure(50.0, 10.0, 5, 3.0)
    assert bucket.try_take(50.0) == pytest.approx(0.1)


def test_a_window_takes_new_options_and_forgets_nothing() -> None:
    window = SlidingWindow(2, 1.0)
    assert taken_at_once(window, 0.0) == 2
    window.reconfigure(5, 1.0)
    assert taken_at_once(window, 0.5) == 3
    window.reconfigure(1, 3.0)
    assert window.try_take(2.0) == pytest.approx(1.5)
    assert window.limit == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TokenBucket(0), "TokenBucket.rate_per_s: 0 must be a number of at least 1e-09"),
        (lambda: TokenBucket(math.nan), "TokenBucket.rate_per_s: nan must be"),
        (lambda: TokenBucket(1e7), "TokenBucket.rate_per_s: 10000000.0 must be"),
        (lambda: TokenBucket(1.0, 0), "TokenBucket.burst: 0 must be a whole number from 1 to 1000000"),
        (lambda: TokenBucket(1.0, 1, -1.0), "TokenBucket.warm_up_s: -1.0 must be"),
        (lambda: SlidingWindow(0, 1.0), "SlidingWindow.limit: 0 must be a whole number from 1 to 1000000"),
        (lambda: SlidingWindow(1, 0.0), "SlidingWindow.window_s: 0.0 must be a number above 0"),
        (lambda: TokenBucket(1.0).reconfigure(0.0, -1.0, 1), "TokenBucket.rate_per_s: -1.0 must be"),
        (lambda: SlidingWindow(1, 1.0).reconfigure(0, 1.0), "SlidingWindow.limit: 0 must be"),
    ],
)
def test_an_impossible_option_is_refused_with_its_name_value_and_rule(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(words)


def test_a_window_takes_the_memory_that_its_description_says() -> None:
    window = SlidingWindow(10_000, 1.0)
    for number in range(20_000):
        window.reserve(number / 7)
    taken_bytes = sys.getsizeof(window._log) + sum(sys.getsizeof(at_s) for at_s in window._log)
    assert taken_bytes <= 10_000 * (8 + sys.getsizeof(1.0)) + 1_000
