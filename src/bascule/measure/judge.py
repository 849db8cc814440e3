"""The verdict on a trial: never better than its evidence. Pure.

ABORTED if it was stopped; INVALID if the evidence cannot carry a verdict; FAIL if an objective was missed or an
acknowledged write was lost, doubled or taken on two sides; otherwise PASS.
"""

from __future__ import annotations

from bascule.measure.evidence import OUTSIDE, Evidence, Findings, find
from bascule.measure.measures import correctness, service, times
from bascule.measure.promises import Promises
from bascule.measure.records import Record
from bascule.measure.verdict import Measure, Outcome, Verdict


def judge(evidence: Evidence, promised: Promises) -> Verdict:
    """The verdict on a trial with a fault, with every measure that the evidence supports."""
    found = find(evidence)
    measures = (
        *times(evidence, found, promised),
        *correctness(evidence, found, promised),
        *service(evidence, found, promised),
    )
    doubts = (*_doubts_of_the_fault(evidence, found), *_doubts(evidence, found))
    return _verdict(evidence, found, measures, doubts)


def judge_control(evidence: Evidence, promised: Promises) -> Verdict:
    """The verdict on the trial without a fault: PASS when it is clean, else INVALID, like all that would follow.

    Clean means that every operation was good, every objective was met, and nothing was lost, doubled, invented or
    split.
    """
    found = find(evidence)
    measures = (*correctness(evidence, found, promised), *service(evidence, found, promised))
    bad = sum(record.outcome != "good" for record in found.observed)
    doubts = [*_doubts(evidence, found)]
    if bad:
        why = f"{_why(found.observed)}{_meanwhile(evidence, evidence.ended_s)}"
        doubts.append(f"{bad} of {len(found.observed)} operations were bad without any fault{why}")
    doubts.extend(f"without any fault: {sentence}" for sentence in _missed(measures))
    return _verdict(evidence, found, measures, tuple(doubts))


def is_clean(control: Verdict) -> bool:
    """Whether trials may be judged after this control trial."""
    return control.outcome == "PASS"


def _verdict(evidence: Evidence, found: Findings, measures: tuple[Measure, ...], doubts: tuple[str, ...]) -> Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    missed = _missed(measures)
    if evidence.aborted:
        outcome, reasons = "ABORTED", (evidence.aborted,)
    elif doubts:
        outcome, reasons = "INVALID", doubts
    elif missed:
        outcome, reasons = "FAIL", missed
    else:
        outcome, reasons = "PASS", _grounds(evidence, found, measures)
    return Verdict(outcome=outcome, reasons=reasons, instants=found.instants, measures=measures)


def _doubts_of_the_fault(evidence: Evidence, found: Findings) -> tuple[str, ...]:
    doubts = []
    if evidence.t0_s is None:
        doubts.append("the fault was not witnessed: nothing proves that it acted")
    elif not evidence.started_s <= evidence.t0_s < evidence.ended_s:
        doubts.append("the fault was witnessed outside the observation")
    if evidence.control_clean is None:
        doubts.append("no control trial was run")
    elif not evidence.control_clean:
        doubts.append("the control trial was not clean")
    bad = sum(record.outcome != "good" for record in found.steady)
    if bad:
        why = f"{_why(found.steady)}{_meanwhile(evidence, evidence.fault_s or evidence.ended_s)}"
        doubts.append(f"{bad} operations were bad before the fault{why}")
    elif not found.steady and found.observed:
        doubts.append("nothing was observed before the fault")
    return tuple(doubts)


def _doubts(evidence: Evidence, found: Findings) -> tuple[str, ...]:
    doubts = [f"client {client} broke: {why}" for client, why in evidence.broken.items()]
    if not found.observed:
        doubts.append(f"client {OUTSIDE} left no record of the observation")
    expected = (evidence.ended_s - evidence.started_s) * evidence.rate_per_s
    # Every operation that was due leaves a record; only the last few may have been due while the client was stopped.
    missing = expected - len(found.observed)
    if found.observed and missing > 2.0 + min(evidence.lag_max_s, evidence.lag_bound_s) * evidence.rate_per_s:
        doubts.append(f"{missing:.0f} of {expected:.0f} operations left no record")
    numbers = [record.number for record in found.observed]
    gaps = max(numbers) - min(numbers) + 1 - len(set(numbers)) if numbers else 0
    if gaps:
        doubts.append(f"{gaps} operations in the middle of the observation left no record")
    fault_s = evidence.ended_s if evidence.fault_s is None else evidence.fault_s
    doubts.extend(
        f"client {client} had no write acknowledged {'before the fault' if evidence.fault_s else 'at all'}"
        for client, records in evidence.records.items()
        if client != OUTSIDE and not any(one.writes and one.acknowledged and one.done_s < fault_s for one in records)
    )
    if evidence.lag_max_s > evidence.lag_bound_s:
        doubts.append(
            f"the load generator fell behind by {evidence.lag_max_s * 1000:.0f} ms "
            f"(at most {evidence.lag_bound_s * 1000:.0f} ms)"
        )
    if evidence.holdings is not None and not evidence.holdings:
        doubts.append("nobody saw who had the entry's address")
    doubts.extend(f"the final audit could not be read for client {client}" for client in found.unread)
    return tuple(doubts)


def _missed(measures: tuple[Measure, ...]) -> tuple[str, ...]:
    return tuple(_sentence(measure) for measure in measures if measure.met is False)


def _sentence(measure: Measure) -> str:
    note = f" ({measure.note})" if measure.note else ""
    if measure.value is None:
        return f"{measure.title}: could not be measured{note}"
    if measure.objective is None:
        return f"{measure.title}: {number(measure.value)}{note}"
    promised = f"{measure.bound} {number(measure.objective)}"
    return f"{measure.title}: {number(measure.value)} {measure.unit}, promised {promised}{note}"


def number(value: float | None) -> str:
    """A number for people: `never` for an infinite one, three decimals at most."""
    if value is None:
        return "-"
    if value == float("inf"):
        return "never"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _grounds(evidence: Evidence, found: Findings, measures: tuple[Measure, ...]) -> tuple[str, ...]:
    held = sum(measure.met is True for measure in measures)
    writes = sum(record.writes and record.acknowledged for records in evidence.records.values() for record in records)
    clients = len(evidence.records)
    return (
        f"{held} of {held} objectives met over {len(found.observed)} operations",
        f"{writes} acknowledged writes of {clients} {'client' if clients == 1 else 'clients'} are all there",
    )


def _why(records: tuple[Record, ...]) -> str:
    errors = [record.error or record.outcome for record in records if record.outcome != "good"]
    if not errors:
        return ""
    commonest = max(sorted(set(errors)), key=errors.count)
    return f" (mostly: {commonest})"


def _meanwhile(evidence: Evidence, until_s: float) -> str:
    """What this machine's disk did until then, if that may be the reason."""
    lengths = [stall.length_s for stall in evidence.stalls if stall.start_s <= until_s]
    if not lengths:
        return ""
    return f"; this machine's disk stalled meanwhile, for up to {max(lengths):.2f} s"
