"""How long to wait before the next attempt."""

from __future__ import annotations

from typing import Any

import pytest

from bascule.guard.backoff import Backoff, Exponential, Fixed
from bascule.kernel.errors import InputError


def lowest(low: float, high: float) -> float:
    assert low <= high
    return low


def highest(low: float, high: float) -> float:
    assert low <= high
    return high


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def test_a_fixed_wait_is_always_the_same() -> None:
    assert [Fixed(0.5).wait_s(attempt, 9.0, highest) for attempt in (1, 2, 10**6)] == [0.5, 0.5, 0.5]
    assert Fixed(0).wait_s(1, 0.0, highest) == 0


def test_without_jitter_the_wait_doubles_up_to_the_cap() -> None:
    backoff = Exponential(0.1, cap_s=1.0, jitter="none")
    assert [backoff.wait_s(attempt, 0.0, highest) for attempt in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_full_jitter_waits_anything_from_nothing_to_the_bound() -> None:
    backoff = Exponential(1.0, cap_s=6.0)
    assert [backoff.wait_s(attempt, 0.0, lowest) for attempt in (1, 2, 3, 4)] == [0.0, 0.0, 0.0, 0.0]
    assert [backoff.wait_s(attempt, 0.0, highest) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 6.0]
    assert backoff.wait_s(3, 0.0, middle) == 2.0


def test_equal_jitter_waits_at_least_half_of_the_bound() -> None:
    backoff = Exponential(1.0, cap_s=6.0, jitter="equal")
    assert [backoff.wait_s(attempt, 0.0, lowest) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 3.0]
    assert [backoff.wait_s(attempt, 0.0, highest) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 6.0]


def test_decorrelated_jitter_waits_up_to_three_times_the_wait_before() -> None:
    backoff = Exponential(1.0, cap_s=6.0, jitter="decorrelated")
    assert backoff.wait_s(1, 0.0, highest) == 3.0
    assert backoff.wait_s(2, 1.5, highest) == 4.5
    assert backoff.wait_s(3, 4.5, highest) == 6.0
    assert backoff.wait_s(9, 6.0, lowest) == 1.0
    assert backoff.wait_s(2, 1e300, middle) == 6.0  # a wait that a server asked for does not carry on


def test_the_factor_can_be_chosen() -> None:
    backoff = Exponential(1.0, 3.0, 100.0, "none")
    assert [backoff.wait_s(attempt, 0.0, highest) for attempt in (1, 2, 3, 4, 5, 6)] == [1, 3, 9, 27, 81, 100]


@pytest.mark.parametrize("attempt", [10**3, 10**6, 10**400])
def test_any_number_of_attempts_stays_at_the_cap(attempt: int) -> None:
    assert Exponential(0.1, cap_s=5.0, jitter="none").wait_s(attempt, 0.0, highest) == 5.0
    assert Exponential(0.1, factor=1e300, cap_s=5.0, jitter="none").wait_s(attempt, 0.0, highest) == 5.0
    assert Exponential(0.1, factor=1.0, cap_s=5.0, jitter="none").wait_s(attempt, 0.0, highest) == 0.1


def test_both_are_backoffs_and_so_is_anything_with_the_method() -> None:
    class Mine:
        def wait_s(self, attempt: int, last_wait_s: float, uniform: object, /) -> float:  # noqa: ARG002 - the protocol's
            return float(attempt)

    backoffs: list[Backoff] = [Fixed(1.0), Exponential(), Mine()]
    assert all(isinstance(one, Backoff) for one in backoffs)
    assert not isinstance(1.0, Backoff)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Fixed, {"delay_s": -1}, "Fixed.delay_s: -1 must be"),
        (Fixed, {"delay_s": float("nan")}, "Fixed.delay_s: nan must be"),
        (Fixed, {"delay_s": True}, "Fixed.delay_s: True must be"),
        (Fixed, {"delay_s": 1e10}, "Fixed.delay_s: 10000000000.0 must be"),
        (Exponential, {"first_s": 0}, "Exponential.first_s: 0 must be"),
        (Exponential, {"first_s": "1"}, "Exponential.first_s: '1' must be"),
        (Exponential, {"factor": 0.5}, "Exponential.factor: 0.5 must be"),
        (Exponential, {"factor": float("inf")}, "Exponential.factor: inf must be"),
        (Exponential, {"first_s": 2.0, "cap_s": 1.0}, "Exponential.cap_s: 1.0 must be at least first_s, which is 2.0"),
        (Exponential, {"jitter": "some"}, "Exponential.jitter: 'some' must be one of full, equal, decorrelated, none"),
    ],
)
def test_an_impossible_option_is_refused_with_its_name_value_and_rule(
    kind: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        kind(**options)
    assert str(caught.value).startswith(words)
