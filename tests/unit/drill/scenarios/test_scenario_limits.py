"""An experiment ends at once when its budget burns too fast, or when an operation is lost."""

import pytest

from bascule.drill.scenarios.limits import burning, since
from bascule.kernel.quantities import Duration
from bascule.system.scenario import Stop

CALM = [(50, 0)] * 10


def test_a_calm_load_ends_nothing() -> None:
    assert burning(CALM, Stop(burn=1.0, loss=True), 0.999) == ""


def test_the_first_lost_operation_ends_it() -> None:
    assert burning([*CALM, (49, 1)], Stop(loss=True), 0.999) == "1 operations of clients were lost"
    assert burning([*CALM, (49, 1)], Stop(), 0.999) == ""


def test_a_burn_rate_is_the_bad_share_over_the_allowed_one_within_its_window() -> None:
    rates = [(0, 50), *CALM, (45, 5)]  # 5 of 100 in the last two seconds: 50 times the 0.1 % that are allowed
    two = Duration(2.0)
    assert burning(rates, Stop(burn=49.9, over=two), 0.999).startswith(
        "the error budget burnt 50.0 times too fast over 2s"
    )
    assert burning(rates, Stop(burn=50.1, over=two), 0.999) == ""


def test_without_any_operation_nothing_is_known() -> None:
    assert burning([], Stop(burn=0.1, loss=True), 0.999) == ""
    assert burning([(0, 0)] * 20, Stop(burn=0.1), 0.999) == ""


@pytest.mark.parametrize(("from_s", "seen"), [(9.9, 1), (8.0, 2), (10.2, 0), (11.0, 0), (0.0, 3)])
def test_what_was_lost_before_the_first_fault_ends_nothing(from_s: float, seen: int) -> None:
    rates = [(1, 7), (1, 8), (1, 9)]  # of the seconds 7, 8 and 9
    assert list(since(rates, from_s, 10.5)) == rates[len(rates) - seen :]
