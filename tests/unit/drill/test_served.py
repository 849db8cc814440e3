"""When the clients count as served again, and so when a fault may be undone."""

import msgspec

from bascule.drill.trial import served_since
from bascule.measure.plan import Plan
from bascule.measure.records import Outcome, Record


def record(due_s: float, outcome: Outcome = "good", took_s: float = 0.01) -> Record:
    return Record(int(due_s * 100), "create", due_s, due_s, due_s + took_s, outcome)


PLAN = Plan(
    client="outside", protocol="http", targets=(), rate_per_s=10, deadline_s=1.0, records="records", status="status"
)
GOOD = [record(10 + n / 10) for n in range(40)]  # due at 10.0 to 13.9


def served(records: list[Record], from_s: float = 10.0, now_s: float = 14.0, plan: Plan = PLAN) -> bool:
    """Whether they are served for two seconds."""
    return served_since(sorted(records, key=lambda one: one.done_s), plan, from_s, 2.0, now_s)


def test_good_operations_for_long_enough_are_service() -> None:
    assert served(GOOD)


def test_one_bad_operation_within_the_time_is_no_service() -> None:
    assert not served([*GOOD, record(13.55, "failed")])
    assert not served([*GOOD, record(13.95, "failed")]), "not even a moment ago"


def test_an_old_operation_that_only_now_proved_bad_is_no_service() -> None:
    assert not served([*GOOD, record(11.5, "unknown", took_s=2.0)])


def test_a_bad_operation_before_the_time_is_forgotten() -> None:
    assert served([record(10.5, "failed"), *GOOD])


def test_it_is_too_early_to_tell_before_the_time_has_passed() -> None:
    assert not served(GOOD, from_s=12.5)


def test_silence_is_no_service() -> None:
    assert not served([])
    assert not served(GOOD, now_s=30.0)


def test_while_the_writes_hang_the_reads_alone_are_no_service() -> None:
    """A cache answers every read; the writes are frozen, and their fate is not known before ten seconds have passed."""
    patient = msgspec.structs.replace(PLAN, deadline_s=10.0)
    reads = [one for index, one in enumerate(GOOD) if index % 3]
    assert not served(reads, plan=patient)


def test_a_slow_system_is_served_once_its_answers_are_there() -> None:
    """Every answer takes 0.8 of the second that it may take: what was due a moment ago cannot be known yet."""
    slow = [record(10 + n / 10, took_s=0.8) for n in range(40)]
    told = [one for one in slow if one.done_s <= 14.0]
    assert served(told, now_s=14.0)
    assert not served(told[:-8], now_s=14.0), "those of the last second before must be there"


def test_a_slow_client_counts_with_its_rate() -> None:
    rare = msgspec.structs.replace(PLAN, rate_per_s=0.5)
    assert not served([record(10.0)], now_s=14.0, plan=rare)
    assert served([record(12.0)], now_s=14.0, plan=rare)
