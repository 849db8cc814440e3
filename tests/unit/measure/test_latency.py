import pytest

from bascule.measure.latency import counted_s, incident_p99_s, percentile, percentile_s
from bascule.measure.records import Outcome, Record


def record(due_s: float, latency_s: float, outcome: Outcome = "good") -> Record:
    return Record(0, "get", due_s, due_s, due_s + latency_s, outcome)


def test_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, p) for p in (5, 30, 40, 50, 100)] == [15.0, 20.0, 20.0, 35.0, 50.0]
    assert percentile([float(n) for n in range(1, 1001)], 99.9) == 999.0
    assert percentile([7.0], 1) == 7.0
    assert percentile([], 50) is None


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.1])
def test_percentiles_that_do_not_exist_are_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)


def test_what_was_not_acknowledged_counts_as_the_deadline_at_least() -> None:
    assert counted_s(record(0.0, 0.002, "failed"), 1.0) == 1.0
    assert counted_s(record(0.0, 1.2, "unknown"), 1.0) == 1.2
    assert counted_s(record(0.0, 0.002), 1.0) == 0.002
    assert counted_s(record(0.0, 1.5, "late"), 1.0) == 1.5


def test_fast_refusals_do_not_flatter_the_percentile() -> None:
    records = [record(n * 0.01, 0.005) for n in range(90)] + [record(1.0, 0.0001, "failed") for _ in range(10)]
    assert percentile_s(records, 99, 1.0) == 1.0


def test_the_incident_reaches_from_the_fault_to_a_window_after_the_recovery() -> None:
    records = [record(0.0, 9.0), record(10.0, 0.5, "unknown"), record(12.0, 0.2), record(20.0, 8.0)]
    assert incident_p99_s(records, 5.0, 12.0, 2.0, 1.0) == 1.0
    assert incident_p99_s(records, 11.0, 12.0, 2.0, 1.0) == pytest.approx(0.2)
    assert incident_p99_s(records, 5.0, None, 2.0, 1.0) == 8.0
