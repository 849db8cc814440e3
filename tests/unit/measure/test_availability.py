import math

import pytest

from bascule.measure.availability import budget_spent, burn_rate, by_requests, by_time, goodput_per_s, worst_window
from bascule.measure.records import Outcome, Record


def record(number: int, due_s: float, outcome: Outcome = "good", *, writes: bool = False) -> Record:
    return Record(number, "put", due_s, due_s, due_s + 0.01, outcome, writes=writes)


def history(pattern: str, rate: float = 1.0) -> list[Record]:
    kinds: dict[str, Outcome] = {".": "good", "L": "late", "F": "failed", "U": "unknown"}
    return [record(number, number / rate, kinds[sign]) for number, sign in enumerate(pattern)]


def test_only_good_operations_count_by_request() -> None:
    assert by_requests(history("..LFU.....")) == 0.7
    assert by_requests([]) is None


def test_a_second_counts_when_enough_of_it_was_good() -> None:
    records = history("...." + "..F." + "FFFF" + "....", rate=4.0)
    assert by_time(records, 0.0, 4.0, threshold=0.75) == 0.75
    assert by_time(records, 0.0, 4.0, threshold=0.76) == 0.5


def test_a_second_without_operations_says_nothing() -> None:
    records = [record(0, 0.5), record(1, 2.5, "failed")]
    assert by_time(records, 0.0, 3.0, threshold=0.9) == 0.5
    assert by_time([], 0.0, 3.0, threshold=0.9) is None


def test_the_worst_window_is_where_the_outage_is() -> None:
    records = history("." * 50 + "F" * 5 + "." * 45)
    worst = worst_window(records, 0.0, 100.0, 10.0)
    assert worst is not None
    assert worst.availability == 0.5
    assert 44.0 < worst.start_s <= 50.0
    one = worst_window(records, 0.0, 100.0, 1.0)
    assert one is not None
    assert one.availability == 0.0


def test_a_window_longer_than_the_observation_is_not_judged() -> None:
    assert worst_window(history("...."), 0.0, 4.0, 60.0) is None
    assert worst_window([], 0.0, 100.0, 10.0) is None


def test_goodput_leaves_out_what_was_lost_later() -> None:
    records = [record(n, float(n), writes=True) for n in range(10)]
    assert goodput_per_s(records, {1, 2}, 10.0) == 0.8
    assert goodput_per_s(records, set(), 0.0) is None


def test_the_budget_of_a_month_in_one_incident() -> None:
    # 43.2 minutes of a 30-day month are the budget of 99.9 %: an outage of 4.32 minutes spends a tenth of it.
    observed_s = 3600.0
    availability = 1 - 0.1 * 43.2 * 60 / observed_s
    assert budget_spent(availability, observed_s, 0.999, 30 * 86400.0) == pytest.approx(0.1)
    assert burn_rate(0.99, 0.999) == pytest.approx(10.0)
    assert burn_rate(1.0, 1.0) == 0.0
    assert math.isinf(burn_rate(0.999, 1.0))
