import math
import re

import pytest

from bascule.measure.instants import Outage, Stability, new_epoch_s, outages, parts
from bascule.measure.records import Outcome, Record

STABLE = Stability(consecutive=5, seconds=1.0, target=1.0)


def history(pattern: str, rate: float = 10.0, latency_s: float = 0.01) -> list[Record]:
    kinds: dict[str, Outcome] = {".": "good", "L": "late", "F": "failed", "U": "unknown"}
    return [Record(n, "put", n / rate, n / rate, n / rate + latency_s, kinds[sign]) for n, sign in enumerate(pattern)]


def test_no_outage_without_a_bad_operation() -> None:
    assert outages(history("." * 100), 0.0, 10.0, STABLE) == ()


def test_an_outage_reaches_from_the_first_bad_due_time_to_the_acknowledgement_that_opens_the_stable_window() -> None:
    (outage,) = outages(history("." * 20 + "U" * 15 + "." * 65), 2.0, 10.0, STABLE)
    assert outage.start_s == 2.0
    assert outage.end_s == pytest.approx(3.51)
    assert outage.length_s == pytest.approx(1.51)


def test_a_short_good_spell_is_no_recovery() -> None:
    (outage,) = outages(history("." * 20 + "FFFF" + "...." + "FF" + "." * 70), 2.0, 10.0, STABLE)
    assert outage.end_s == pytest.approx(3.01)


def test_enough_in_a_row_but_not_for_long_enough_is_no_recovery() -> None:
    (outage,) = outages(history("." * 20 + "FFFF" + "......." + "F" + "." * 68), 2.0, 10.0, STABLE)
    assert outage.end_s == pytest.approx(3.21)


def test_a_recovery_that_was_not_watched_long_enough_is_not_claimed() -> None:
    (outage,) = outages(history("." * 20 + "F" * 75 + "....."), 2.0, 10.0, STABLE)
    assert outage.end_s is None
    assert math.isinf(outage.length_s)


def test_late_answers_are_an_outage() -> None:
    (outage,) = outages(history("." * 20 + "L" * 10 + "." * 70), 2.0, 10.0, STABLE)
    assert outage.start_s == 2.0


def test_an_operation_in_flight_when_the_fault_struck_belongs_to_the_outage() -> None:
    records = history("." * 19 + "U" + "." * 80, latency_s=0.2)
    (outage,) = outages(records, 2.0, 10.0, STABLE)
    assert outage.start_s == pytest.approx(1.9)
    assert outages(records, 3.0, 10.0, STABLE) == ()


def test_a_relapse_is_an_outage_of_its_own() -> None:
    first, second = outages(history("." * 20 + "F" * 5 + "." * 30 + "F" * 5 + "." * 40), 2.0, 10.0, STABLE)
    assert first.end_s == pytest.approx(2.51)
    assert second.start_s == pytest.approx(5.5)
    assert second.end_s == pytest.approx(6.01)


def test_a_tolerant_target_lets_single_bad_operations_pass_in_the_window_but_not_among_the_consecutive() -> None:
    pattern = "." * 20 + "F" * 5 + "......F..." + "." * 65
    tolerant = Stability(consecutive=5, seconds=1.0, target=0.9)
    assert outages(history(pattern), 2.0, 10.0, tolerant)[0].end_s == pytest.approx(2.51)
    assert outages(history(pattern), 2.0, 10.0, STABLE)[0].end_s == pytest.approx(3.21)


def test_the_new_epoch_begins_with_its_first_acknowledgement() -> None:
    def acked(done_s: float, epoch: int, outcome: Outcome = "good") -> Record:
        return Record(0, "put", done_s - 0.1, done_s - 0.1, done_s, outcome, epoch=epoch)

    before = [acked(1.0, 3), acked(2.0, 3)]
    assert new_epoch_s([*before, acked(5.0, 4), acked(4.5, 4), acked(4.0, 4, "unknown")], 2.5) == 4.5
    assert new_epoch_s([*before, acked(5.0, 3)], 2.5) is None
    assert new_epoch_s([*before, acked(5.0, 0)], 2.5) is None
    assert new_epoch_s([acked(5.0, 4)], 2.5) is None, "without an epoch before the fault none is known to be new"


def split(  # the usual incident, with what a test changes of it
    t2_s: float | None = 13.0, t3_s: float | None = 14.0, end_s: float | None = 15.0, injected_s: float = 9.8
) -> tuple[float, float | None, float | None, float | None, str]:
    made = parts(Outage(start_s=10.0, end_s=end_s), t0_s=10.0, injected_s=injected_s, t2_s=t2_s, t3_s=t3_s, slack_s=1.0)
    return made.rto_s, made.detection_s, made.failover_s, made.client_s, made.note


def test_the_parts_add_up() -> None:
    assert split() == (5.0, 3.0, 1.0, 1.0, "")


def test_without_a_bad_operation_the_rto_is_nought() -> None:
    made = parts(None, t0_s=10.0, injected_s=10.0, t2_s=11.0, t3_s=12.0, slack_s=1.0)
    assert (made.rto_s, made.detection_s, made.client_s) == (0.0, None, None)


def test_never_recovered_is_infinite_and_says_what_it_can() -> None:
    rto, detection, failover, client, _ = split(end_s=None)
    assert math.isinf(rto)
    assert (detection, failover, client) == (3.0, 1.0, None)


def test_a_missing_notice_leaves_two_parts_open() -> None:
    assert split(t2_s=None) == (5.0, None, None, 1.0, "noticed (t2) was not seen")


def test_a_missing_epoch_leaves_two_parts_open() -> None:
    assert split(t3_s=None) == (5.0, 3.0, None, None, "new epoch (t3) was not seen")


@pytest.mark.parametrize(
    ("t2_s", "t3_s", "says"),
    [
        (9.0, 14.0, "t2\\) lies before the fault"),
        (16.0, 14.0, "t2\\) lies after the recovery"),
        (14.5, 14.0, "only after the new epoch"),
        (13.0, 17.0, "t3\\) lies after the recovery"),
    ],
)
def test_instants_out_of_order_give_no_part_and_never_a_negative_one(t2_s: float, t3_s: float, says: str) -> None:
    rto, detection, failover, client, note = split(t2_s=t2_s, t3_s=t3_s)
    assert rto == 5.0
    assert failover is None
    assert all(part is None or part >= 0 for part in (detection, client))
    assert re.search(says, note)


def test_a_notice_between_injection_and_witness_is_immediate() -> None:
    assert split(t2_s=9.9)[:4] == (5.0, 0.0, 4.0, 1.0)


def test_an_epoch_told_just_after_the_recovery_began_counts_as_the_recovery() -> None:
    assert split(t3_s=15.5) == (5.0, 3.0, 2.0, 0.0, "")
