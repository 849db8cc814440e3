import pytest

from bascule.measure.bins import bins
from bascule.measure.records import Outcome, Record


def record(due_s: float, latency_s: float = 0.01, outcome: Outcome = "good") -> Record:
    return Record(0, "get", due_s, due_s, due_s + latency_s, outcome)


def test_each_operation_counts_where_it_was_due() -> None:
    records = [record(100.0), record(100.2, 3.0, "late"), record(100.3, 0, "failed"), record(100.6, 1.0, "unknown")]
    first, second, third = bins(records, 100.0, 100.75, 0.25)
    assert (first.start_s, first.good, first.late) == (0.0, 1, 1)
    assert first.max_ms == pytest.approx(3000.0)
    assert first.p50_ms == pytest.approx(10.0)
    assert (second.start_s, second.failed, second.p99_ms) == (0.25, 1, None)
    assert (third.unknown, third.good) == (1, 0)


def test_operations_outside_the_span_are_left_out_and_empty_bins_are_kept() -> None:
    made = bins([record(99.9), record(102.0), record(101.9)], 100.0, 102.0, 0.5)
    assert [b.good for b in made] == [0, 0, 0, 1]
