"""When the clients count as served again, and so when a fault may be undone."""

from bascule.drill.trial import served_since
from bascule.measure.records import Outcome, Record


def record(due_s: float, outcome: Outcome = "good", took_s: float = 0.01) -> Record:
    return Record(int(due_s * 100), "create", due_s, due_s, due_s + took_s, outcome)


GOOD = [record(10 + n / 10) for n in range(40)]  # due at 10.0 to 13.9


def test_good_operations_for_long_enough_are_service() -> None:
    assert served_since(GOOD, 10.0, 2.0, 14.0)


def test_one_bad_operation_within_the_time_is_no_service() -> None:
    assert not served_since([*GOOD, record(13.5, "failed")], 10.0, 2.0, 14.0)


def test_an_old_operation_that_only_now_proved_bad_is_no_service() -> None:
    assert not served_since([*GOOD, record(11.5, "unknown", took_s=1.0)], 10.0, 2.0, 14.0)


def test_a_bad_operation_before_the_time_is_forgotten() -> None:
    assert served_since([record(10.5, "failed"), *GOOD], 10.0, 2.0, 14.0)


def test_it_is_too_early_to_tell_before_the_time_has_passed() -> None:
    assert not served_since(GOOD, 12.5, 2.0, 14.0)


def test_silence_is_no_service() -> None:
    assert not served_since([], 10.0, 2.0, 14.0)
    assert not served_since(GOOD, 10.0, 2.0, 30.0)
