import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bascule.kernel.quantities import Duration, Rate, Share
from bascule.measure.checkers import Holding
from bascule.measure.evidence import Evidence, Stall
from bascule.measure.instants import Stability
from bascule.measure.judge import is_clean, judge, judge_control, number
from bascule.measure.measures import HELD
from bascule.measure.promises import Promises, claims_idempotence, promises
from bascule.measure.records import Outcome, Record
from bascule.measure.verdict import Measure, Verdict
from bascule.system.model import (
    Availability,
    Disruption,
    Latency,
    Objectives,
    Operation,
    Region,
    System,
    Workload,
)

RATE = 100.0
START = 1000.0
T0 = 1010.0
END = 1040.0
STEADY = (Record(6, "put", T0 - 4, T0 - 4, T0 - 3.9, "good", writes=True, epoch=1, server="a"),)
"""What a pinned client must have done before the fault to be worth listening to after it."""
PROMISED = Promises(
    availability=0.999,
    window_s=30 * 86400.0,
    rto_s=5.0,
    rpo_s=0.0,
    latency_percentile=99.0,
    latency_within_s=0.25,
)


def history(bad_from_s: float = math.inf, bad_to_s: float = 0.0, outcome: Outcome = "unknown") -> list[Record]:
    """One write each 10 ms; bad between the two times; epoch 2 at another server after the fault."""
    records = []
    for index in range(int((END - START) * RATE)):
        due_s = START + index / RATE
        bad = bad_from_s <= due_s < bad_to_s
        epoch, server = (2, "b") if bad_from_s <= due_s else (1, "a")
        records.append(
            Record(
                number=index,
                operation="put",
                due_s=due_s,
                sent_s=due_s,
                done_s=due_s + (1.0 if bad else 0.005),
                outcome=outcome if bad else "good",
                writes=True,
                epoch=0 if bad else epoch,
                server="" if bad else server,
                error="timed out" if bad else "",
            )
        )
    return records


def stored(records: Sequence[Record]) -> dict[int, int]:
    return {record.number: 1 for record in records if record.acknowledged}


def evidence(history_: list[Record] | None = None, /, **changes: Any) -> Evidence:
    made = history(T0, T0 + 3.0) if history_ is None else history_
    fields: dict[str, Any] = {
        "rate_per_s": RATE,
        "deadline_s": 1.0,
        "records": {"outside": made},
        "present": {"outside": stored(made)},
        "started_s": START,
        "ended_s": END,
        "injected_s": T0 - 0.05,
        "t0_s": T0,
        "t2_s": T0 + 2.0,
        "t5_s": T0 + 8.0,
        "healed_s": T0 + 15.0,
        "stability": Stability(consecutive=20, seconds=2.0),
    }
    return Evidence(**{**fields, **changes})


def taken(verdict: Verdict, name: str) -> Measure:
    return next(measure for measure in verdict.measures if measure.name == name)


def test_a_failover_within_its_promise_passes_with_every_measure() -> None:
    verdict = judge(evidence(), PROMISED)
    assert (verdict.outcome, len(verdict.reasons)) == ("PASS", 2), verdict.reasons
    values = {measure.name: measure.value for measure in verdict.measures}
    assert values["rto"] == pytest.approx(3.005)
    assert values["detection"] == pytest.approx(2.0)
    assert values["failover"] == pytest.approx(1.005)
    assert values["client_recovery"] == pytest.approx(0.0)
    assert values["redundancy_restored"] == pytest.approx(8.0)
    assert values["availability_requests"] == pytest.approx(92.5)
    assert values["availability_time"] == pytest.approx(100 * 37 / 40)
    assert values["worst_window_1s"] == 0.0
    assert values["worst_window_10s"] == pytest.approx(70.0)
    assert values["worst_window_60s"] is None
    assert values["goodput"] == pytest.approx(92.5)
    assert values["incident_p99"] == pytest.approx(1.0)
    assert values["latency"] == pytest.approx(0.005)
    assert values["burn_rate"] == pytest.approx(75.0)
    assert values["error_budget_spent"] == pytest.approx(100 * 75 * 40 / (30 * 86400))
    assert values["resolution"] == pytest.approx(1.01)
    zeros = ("rpo_writes", "rpo_time", "lost_after_fault", "duplicated", "phantom", "recovered_unknown", "split_brain")
    assert [values[name] for name in (*zeros, "later_outage")] == [0.0] * 8
    assert verdict.instants is not None
    assert verdict.instants.t3_s == pytest.approx(T0 + 3.005)


def test_names_are_unique_and_times_carry_their_resolution() -> None:
    verdict = judge(evidence(), PROMISED)
    names = [measure.name for measure in verdict.measures]
    assert len(set(names)) == len(names)
    assert taken(verdict, "rto").resolution == pytest.approx(1.01)


def test_an_outage_longer_than_promised_fails_although_it_healed_by_itself() -> None:
    verdict = judge(evidence(), msgspec.structs.replace(PROMISED, rto_s=1.0))
    assert verdict.outcome == "FAIL"
    assert "RTO" in verdict.reasons[0]
    assert "promised at most 1" in verdict.reasons[0]


def test_a_system_that_never_recovers_fails_with_an_infinite_rto() -> None:
    verdict = judge(evidence(history(T0, END)), PROMISED)
    assert verdict.outcome == "FAIL"
    rto = taken(verdict, "rto")
    assert rto.value is not None
    assert math.isinf(rto.value)
    assert "not served again in the 15.0 s that the fault acted; then it was undone" in rto.note
    held = judge(evidence(history(T0, END), hold_s=15.0), PROMISED)
    assert "30.0 s that were watched" in taken(held, "rto").note


def test_an_outage_that_only_the_drill_ended_is_no_recovery() -> None:
    """A patient promise is not kept by undoing the fault: served again 3 s after the repair, with 20 s promised."""
    patient = msgspec.structs.replace(PROMISED, rto_s=20.0)
    records = history(T0, T0 + 18.0)
    verdict = judge(evidence(records, healed_s=T0 + 15.0), patient)
    assert verdict.outcome == "FAIL"
    assert taken(verdict, "rto").value == math.inf
    transient = judge(evidence(records, healed_s=T0 + 15.0, hold_s=15.0), patient)
    assert transient.outcome == "PASS", "a fault that was meant to last 15 s is over by itself"
    assert taken(transient, "rto").value == pytest.approx(18.005)
    assert "undone after 15.0 s, before the service had recovered" in taken(transient, "rto").note


def test_what_never_came_back_passes_nobody_not_even_without_a_promise() -> None:
    free = msgspec.structs.replace(PROMISED, rto_s=None)
    assert judge(evidence(), free).outcome == "PASS"
    endless = judge(evidence(history(T0, END)), free)
    assert endless.outcome == "FAIL"
    assert "recovery time (RTO): never" in endless.reasons[0]
    alone = judge(evidence(t5_s=None), PROMISED)
    assert alone.outcome == "FAIL"
    assert taken(alone, "redundancy_restored").value == math.inf


def test_every_operation_in_the_middle_must_have_left_a_record() -> None:
    records = history(T0, T0 + 3.0)
    del records[1500:1503]
    verdict = judge(evidence(records), PROMISED)
    assert verdict.outcome == "INVALID"
    assert "3 operations in the middle of the observation left no record" in verdict.reasons


def test_a_client_that_broke_or_never_wrote_proves_nothing() -> None:
    broken = judge(evidence(broken={"pinned": "exit code 2"}), PROMISED)
    assert (broken.outcome, broken.reasons) == ("INVALID", ("client pinned broke: exit code 2",))
    records = history(T0, T0 + 3.0)
    refused = [Record(7, "put", T0 - 4, T0 - 4, T0 - 3.9, "failed", writes=True)]
    fields = {"records": {"outside": records, "pinned": refused}, "present": {"outside": stored(records), "pinned": {}}}
    silent = judge(evidence(**fields), PROMISED)
    assert silent.reasons == ("client pinned had no write acknowledged before the fault",)
    steady = history()
    nothing = {"records": {"outside": steady, "pinned": []}, "present": {"outside": stored(steady), "pinned": {}}}
    without = judge_control(msgspec.structs.replace(control(steady), **nothing), PROMISED)
    assert without.outcome == "INVALID"
    assert "client pinned had no write acknowledged at all" in without.reasons


def test_split_brain_that_could_not_show_is_not_called_absent() -> None:
    silent = [msgspec.structs.replace(record, epoch=0) for record in history(T0, T0 + 3.0)]
    verdict = judge(evidence(silent), PROMISED)
    split = taken(verdict, "split_brain")
    assert (split.value, split.met) == (None, None)
    assert "client outside: no acknowledgement told its epoch" in split.note


def test_without_a_bad_operation_the_rto_is_nought() -> None:
    verdict = judge(evidence(history()), PROMISED)
    assert verdict.outcome == "PASS"
    assert taken(verdict, "rto").value == 0.0
    assert taken(verdict, "detection").value is None


def twice(first: tuple[float, float], second: tuple[float, float]) -> list[Record]:
    """A history with two outages."""
    both = zip(history(*first), history(*second), strict=True)
    return [one if other.outcome == "good" else other for one, other in both]


def test_where_the_clock_starts_later_the_recovery_time_is_not_that_of_an_outage_that_was_over_by_then() -> None:
    made = twice((T0 - 4.0, T0 - 2.5), (T0 + 0.5, T0 + 6.0))
    verdict = judge(evidence(made, injected_s=T0 - 4.05), PROMISED)
    assert taken(verdict, "rto").value == pytest.approx(6.005)
    assert verdict.instants is not None
    assert verdict.instants.t1_s == pytest.approx(T0 + 0.5, abs=0.02)
    assert taken(verdict, "later_outage").value == pytest.approx(1.5, abs=0.05), "the other one is told, too"


def test_an_outage_that_was_over_before_the_clock_starts_is_counted_while_there_is_no_other() -> None:
    verdict = judge(evidence(history(T0 - 4.0, T0 - 2.5), injected_s=T0 - 4.05), PROMISED)
    assert taken(verdict, "rto").value == 0.0


def test_every_measure_that_can_miss_an_objective_is_known_by_name() -> None:
    verdict = judge(evidence(holdings=()), msgspec.structs.replace(PROMISED, latency_within_s=1.0))
    held = {one.name for one in verdict.measures if one.objective is not None}
    assert held <= set(HELD)
    assert set(HELD) - held == {"redundancy_restored"}


def test_an_outage_that_the_heal_makes_is_told_apart_and_held_to_the_same_promise() -> None:
    verdict = judge(evidence(history(T0 + 16.0, T0 + 23.0)), PROMISED)
    assert taken(verdict, "rto").value == 0.0
    later = taken(verdict, "later_outage")
    assert later.value == pytest.approx(7.005)
    assert "1 of them after the fault was undone" in later.note
    assert verdict.outcome == "FAIL"


def test_a_lost_write_fails_with_its_count_and_time() -> None:
    records = history(T0, T0 + 3.0)
    present = stored(records)
    for gone in (990, 995, 2500):
        del present[gone]
    verdict = judge(evidence(records, present={"outside": present}), PROMISED)
    assert verdict.outcome == "FAIL"
    assert taken(verdict, "rpo_writes").value == 3.0
    assert taken(verdict, "lost_after_fault").value == 1.0
    assert taken(verdict, "rpo_time").value == pytest.approx(0.095)
    assert taken(verdict, "goodput").value == pytest.approx((3700 - 3) / 40)


def test_losses_within_a_promised_rpo_pass_and_without_a_promise_fail() -> None:
    records = history(T0, T0 + 3.0)
    present = stored(records)
    del present[990]
    made = evidence(records, present={"outside": present})
    assert judge(made, msgspec.structs.replace(PROMISED, rpo_s=1.0)).outcome == "PASS"
    assert judge(made, msgspec.structs.replace(PROMISED, rpo_s=0.05)).outcome == "FAIL"
    assert judge(made, msgspec.structs.replace(PROMISED, rpo_s=None)).outcome == "FAIL"


def test_writes_lost_by_the_pinned_client_count_though_its_outage_does_not() -> None:
    records = history(T0, T0 + 3.0)
    pinned = [*STEADY, Record(7, "put", T0 + 4, T0 + 4, T0 + 4.1, "good", writes=True, epoch=1, server="a")]
    pinned += [Record(8, "put", T0 + 9, T0 + 9, T0 + 10, "unknown", writes=True)]
    made = evidence(
        records,
        records={"outside": records, "pinned": pinned},
        present={"outside": stored(records), "pinned": {6: 1}},
    )
    verdict = judge(made, PROMISED)
    assert taken(verdict, "rpo_writes").value == 1.0
    assert "pinned: 1" in taken(verdict, "rpo_writes").note
    assert taken(verdict, "availability_requests").value == pytest.approx(92.5)
    assert verdict.outcome == "FAIL"


def test_split_brain_between_the_clients_fails() -> None:
    records = history(T0, T0 + 3.0)
    pinned = [*STEADY, Record(7, "put", T0 + 4, T0 + 4, T0 + 4.1, "good", writes=True, epoch=1, server="a")]
    made = evidence(
        records,
        records={"outside": records, "pinned": pinned},
        present={"outside": stored(records), "pinned": {6: 1, 7: 1}},
    )
    verdict = judge(made, PROMISED)
    assert verdict.outcome == "FAIL"
    assert taken(verdict, "split_brain").value == 1.0
    assert "epoch 1" in taken(verdict, "split_brain").note


def test_duplicates_fail_a_system_that_claims_idempotence_and_are_shown_otherwise() -> None:
    records = history(T0, T0 + 3.0)
    present = {**stored(records), 5: 2}
    claimed = judge(evidence(records, present={"outside": present}), PROMISED)
    assert (claimed.outcome, taken(claimed, "duplicated").value) == ("FAIL", 1.0)
    free = judge(evidence(records, present={"outside": present}, idempotent=False), PROMISED)
    assert (free.outcome, taken(free, "duplicated").value) == ("PASS", 1.0)
    assert "no idempotency" in taken(free, "duplicated").note


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"t0_s": None}, "not witnessed"),
        ({"t0_s": END + 1}, "outside the observation"),
        ({"control_clean": False}, "control trial was not clean"),
        ({"control_clean": None}, "no control trial"),
        ({"lag_max_s": 0.3}, "fell behind by 300 ms"),
        ({"present": {"outside": None}}, "audit could not be read for client outside"),
        ({"present": {}}, "audit could not be read for client outside"),
        ({"records": {"outside": []}}, "no record"),
        ({"ended_s": END + 5}, "left no record"),
    ],
)
def test_doubtful_evidence_is_invalid_and_never_passes(changes: dict[str, Any], says: str) -> None:
    verdict = judge(evidence(**changes), PROMISED)
    assert verdict.outcome == "INVALID"
    assert says in "; ".join(verdict.reasons)


def test_bad_operations_before_the_fault_make_the_trial_invalid() -> None:
    verdict = judge(evidence(history(T0 - 5.0, T0 - 4.0)), PROMISED)
    assert verdict.outcome == "INVALID"
    assert "100 operations were bad before the fault (mostly: timed out)" in verdict.reasons[0]


def test_doubt_is_stronger_than_failure_and_a_stop_than_both() -> None:
    bad = evidence(history(T0, END), lag_max_s=9.0)
    assert judge(bad, PROMISED).outcome == "INVALID"
    stopped = judge(msgspec.structs.replace(bad, aborted="stopped by Ctrl-C"), PROMISED)
    assert (stopped.outcome, stopped.reasons) == ("ABORTED", ("stopped by Ctrl-C",))


def test_slow_answers_in_steady_state_miss_the_latency_objective() -> None:
    verdict = judge(evidence(), msgspec.structs.replace(PROMISED, latency_within_s=0.001))
    assert verdict.outcome == "FAIL"
    assert "p99 in steady state" in verdict.reasons[0]


def control(records: list[Record], **changes: Any) -> Evidence:
    no_fault = {"injected_s": None, "t0_s": None, "t2_s": None, "t5_s": None, "healed_s": None}
    return evidence(records, **{**no_fault, **changes})


def test_a_clean_control_trial_passes() -> None:
    verdict = judge_control(control(history()), PROMISED)
    assert verdict.outcome == "PASS", verdict.reasons
    assert is_clean(verdict)
    assert "rto" not in {measure.name for measure in verdict.measures}


def test_a_control_trial_with_one_bad_operation_is_not_clean() -> None:
    verdict = judge_control(control(history(1012.0, 1012.01)), PROMISED)
    assert verdict.outcome == "INVALID"
    assert not is_clean(verdict)
    assert verdict.reasons[0].startswith("1 of 4000 operations were bad without any fault")
    assert "disk" not in verdict.reasons[0]


def test_a_disk_that_stalled_meanwhile_is_named_but_excuses_nothing() -> None:
    stalls = (Stall(start_s=START + 5.0, length_s=0.7), Stall(start_s=T0 + 15.0, length_s=0.9))
    assert judge_control(control(history(), stalls=stalls), PROMISED).outcome == "PASS"
    verdict = judge_control(control(history(1005.0, 1005.01), stalls=stalls), PROMISED)
    assert verdict.outcome == "INVALID"
    assert verdict.reasons[0].endswith("; this machine's disk stalled meanwhile, for up to 0.90 s")
    bad_early = judge(evidence(history(1005.0, 1005.01), stalls=stalls), PROMISED)
    assert bad_early.outcome == "INVALID"
    assert bad_early.reasons[0].endswith("for up to 0.70 s"), "what came after the fault explains nothing before it"


def test_a_control_trial_that_loses_or_is_slow_is_not_clean() -> None:
    records = history()
    lossy = control(records, present={"outside": dict.fromkeys(range(1, 4000), 1)})
    assert judge_control(lossy, PROMISED).outcome == "INVALID"
    slow = judge_control(control(records), msgspec.structs.replace(PROMISED, latency_within_s=0.001))
    assert slow.outcome == "INVALID"
    assert "without any fault: p99" in slow.reasons[0]


def test_numbers_for_people() -> None:
    assert [number(value) for value in (None, math.inf, 1.0, 0.12345, 0.0)] == ["-", "never", "1", "0.123", "0"]


def test_the_promises_of_a_system_depend_on_the_scope() -> None:
    system = System(
        system="shop",
        objectives=Objectives(
            availability=Availability(target=Share(0.999)),
            latency=Latency(within=Duration(0.25), percentile=95.0),
            disruptions={"zone": Disruption(rto=Duration(30.0), rpo=Duration(0.0))},
        ),
        regions={"north": Region(zones=("a",))},
        components={},
        workload=Workload(through="edge", rate=Rate(100.0)),
    )
    zone = promises(system, "zone")
    assert (zone.rto_s, zone.rpo_s, zone.latency_percentile, zone.latency_within_s) == (30.0, 0.0, 95.0, 0.25)
    assert promises(system, "region").rto_s is None
    assert promises(system).rto_s is None


def test_only_what_is_sent_twice_without_a_key_may_be_stored_twice() -> None:
    put = Operation(name="put", method="PUT", path="/", writes=True, idempotent=False)
    load = Workload(through="edge", rate=Rate(1.0), operations=(put,))
    assert claims_idempotence(load)
    assert not claims_idempotence(msgspec.structs.replace(load, retries=1))
    keyed = msgspec.structs.replace(put, idempotent=True)
    assert claims_idempotence(msgspec.structs.replace(load, retries=1, operations=(keyed,)))
    assert not claims_idempotence(msgspec.structs.replace(load, retries=1, protocol="postgresql"))


def looks(*at_once: int) -> tuple[Holding, ...]:
    """A look each 0.2 s, of which these saw the address on two hosts."""
    return tuple(
        Holding(at_s=START + place / 5, hosts=("edge-1", "edge-2") if place in at_once else ("edge-1",))
        for place in range(int((END - START) * 5))
    )


def test_an_address_that_two_hosts_had_at_once_fails() -> None:
    verdict = judge(evidence(holdings=looks(51, 52, 53)), PROMISED)
    assert verdict.outcome == "FAIL"
    split = taken(verdict, "entry_split")
    assert (split.value, split.met) == (3.0, False)
    assert "edge-1 and edge-2 had it at once for about 0.6 s, seen first +0.2 s from the fault" in split.note
    assert any("address twice: 3 count, promised at most 0" in reason for reason in verdict.reasons)


def test_an_address_that_one_host_has_at_a_time_is_shown_and_passes() -> None:
    verdict = judge(evidence(holdings=looks()), PROMISED)
    assert verdict.outcome == "PASS"
    assert taken(verdict, "entry_split").value == 0.0


def test_where_no_address_moves_nothing_is_said_of_one() -> None:
    names = {measure.name for measure in judge(evidence(), PROMISED).measures}
    assert "entry_split" not in names


def test_an_address_that_nobody_looked_at_proves_nothing() -> None:
    verdict = judge(evidence(holdings=()), PROMISED)
    assert verdict.outcome == "INVALID"
    assert "nobody saw who had the entry's address" in verdict.reasons


def test_two_holders_without_any_fault_make_the_control_trial_unclean() -> None:
    verdict = judge_control(control(history(), holdings=looks(7)), PROMISED)
    assert not is_clean(verdict)
    assert any("without any fault: looks that saw the entry's address twice" in reason for reason in verdict.reasons)
