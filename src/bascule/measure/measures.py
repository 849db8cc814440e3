"""Every measure of a trial beside its objective. Pure. What each means: docs/measures.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from bascule.kernel.quantities import Share
from bascule.measure.availability import (
    WINDOWS_S,
    budget_spent,
    burn_rate,
    by_requests,
    by_time,
    goodput_per_s,
    worst_window,
)
from bascule.measure.checkers import SetFindings
from bascule.measure.evidence import OUTSIDE, Evidence, Findings
from bascule.measure.latency import incident_p99_s, percentile_s
from bascule.measure.promises import Promises
from bascule.measure.verdict import Measure

_EPSILON = 1e-9

HELD = (
    "rto",
    "later_outage",
    "redundancy_restored",
    "rpo_writes",
    "rpo_time",
    "lost_after_fault",
    "duplicated",
    "phantom",
    "split_brain",
    "entry_split",
    "latency",
    "error_budget_spent",
)
"""The names of the measures that can miss an objective, or never come."""


def measure(
    name: str,
    title: str,
    value: float | None,
    unit: str,
    objective: float | None = None,
    *,
    bound: Literal["at most", "at least"] = "at most",
    resolution: float | None = None,
    note: str = "",
) -> Measure:
    """A measure held to its objective; one that could not be taken does not meet it."""
    met = None
    if value is not None and math.isinf(value):
        met = False  # what never came keeps no promise, and needs none to be a failure
    elif objective is not None:
        met = value is not None and (
            value <= objective + _EPSILON if bound == "at most" else value >= objective - _EPSILON
        )
    return Measure(
        name=name,
        title=title,
        value=value,
        unit=unit,
        objective=objective,
        bound=bound,
        met=met,
        resolution=resolution,
        note=note,
    )


def times(evidence: Evidence, found: Findings, promised: Promises) -> tuple[Measure, ...]:
    """RTO, its parts, the time to full redundancy, and outages after the first."""
    resolution = evidence.resolution_s
    split = found.parts
    later = max((outage.length_s for outage in found.later), default=0.0)
    restored = None
    if evidence.t0_s is not None and not evidence.aborted:
        restored = math.inf if evidence.t5_s is None else max(0.0, evidence.t5_s - evidence.t0_s)

    def time_of(name: str, title: str, value: float | None, objective: float | None = None, note: str = "") -> Measure:
        return measure(name, title, value, "s", objective, resolution=resolution, note=note)

    part_note = split.note if split else ""
    return (
        time_of(
            "rto", "recovery time (RTO)", split.rto_s if split else None, promised.rto_s, _rto_note(evidence, found)
        ),
        time_of("detection", "detection", split.detection_s if split else None, note=part_note),
        time_of("failover", "failover", split.failover_s if split else None, note=part_note),
        time_of("client_recovery", "client recovery", split.client_s if split else None, note=part_note),
        time_of(
            "later_outage",
            "longest later outage",
            later,
            promised.rto_s,
            _later_note(evidence, found),
        ),
        time_of(
            "redundancy_restored",
            "full redundancy restored",
            restored,
            note="not within the time that was watched" if evidence.t5_s is None else "",
        ),
    )


def _rto_note(evidence: Evidence, found: Findings) -> str:
    if found.parts is None or evidence.t0_s is None:
        return "the fault was not witnessed"
    if found.first is None:
        return found.parts.note
    healed_s, t4_s = evidence.healed_s, found.first.end_s
    if t4_s is None and healed_s is not None and evidence.hold_s is None:
        return f"not served again in the {healed_s - evidence.t0_s:.1f} s that the fault acted; then it was undone"
    if t4_s is None:
        return f"not recovered within the {evidence.ended_s - evidence.t0_s:.1f} s that were watched"
    if healed_s is not None and t4_s > healed_s:
        return f"the fault was undone after {healed_s - evidence.t0_s:.1f} s, before the service had recovered"
    return ""


def _later_note(evidence: Evidence, found: Findings) -> str:
    if not found.later:
        return "no operation was bad after the recovery"
    healed_s = evidence.healed_s
    after = sum(healed_s is not None and outage.start_s >= healed_s - evidence.deadline_s for outage in found.later)
    return f"{len(found.later)} later outages, {after} of them after the fault was undone"


def correctness(evidence: Evidence, found: Findings, promised: Promises) -> tuple[Measure, ...]:
    """RPO, duplicated, phantom and recovered-unknown writes over all clients, and split brain."""
    strict = not promised.rpo_s
    unread = f"the numbers of {', '.join(found.unread)} could not be read" if found.unread else ""

    def count(
        name: str, title: str, of: Callable[[SetFindings], frozenset[int]], *, held: bool, note: str = ""
    ) -> Measure:
        by_client = {client: len(of(sets)) for client, sets in found.sets.items()}
        value = None if found.unread else float(sum(by_client.values()))
        told = ", ".join(f"{client}: {number}" for client, number in by_client.items() if number)
        text = unread or "; ".join(part for part in (told, note) if part)
        return measure(name, title, value, "writes", 0.0 if held else None, note=text)

    rpo_time = None if found.unread else max((sets.rpo_time_s for sets in found.sets.values()), default=0.0)
    lost_late = any(sets.lost and sets.lost == sets.lost_after_fault for sets in found.sets.values())
    rpo_time_note = "writes acknowledged after the fault and lost count apart" if lost_late else ""
    unseen = _epochs_unseen(evidence)
    duplicates_note = "" if evidence.idempotent else "the client retries and claims no idempotency"
    return (
        count("rpo_writes", "lost writes (RPO)", lambda sets: sets.lost, held=strict),
        measure("rpo_time", "lost time (RPO)", rpo_time, "s", promised.rpo_s or 0.0, note=unread or rpo_time_note),
        count("lost_after_fault", "lost, acknowledged after the fault", lambda sets: sets.lost_after_fault, held=True),
        count(
            "duplicated",
            "duplicated writes",
            lambda sets: sets.duplicated,
            held=evidence.idempotent,
            note=duplicates_note,
        ),
        count("phantom", "phantom writes", lambda sets: sets.phantom, held=True),
        count("recovered_unknown", "recovered unknown writes", lambda sets: sets.recovered_unknown, held=False),
        measure(
            "split_brain",
            "split brain",
            None if unseen and not found.epochs.violations else float(found.epochs.violations),
            "writes",
            None if unseen and not found.epochs.violations else 0.0,
            note="; ".join(found.epochs.examples) or unseen,
        ),
        *_holders(evidence, found),
    )


def _holders(evidence: Evidence, found: Findings) -> tuple[Measure, ...]:
    """How often the entry's address was seen on several hosts at once; nothing where no address moves."""
    seen = found.holders
    if seen is None:
        return ()
    looks = len(evidence.holdings or ())
    note = f"of {looks} looks"
    if seen.first_s is not None:
        since_s = seen.first_s - (evidence.started_s if evidence.t0_s is None else evidence.t0_s)
        begin = "the trial's start" if evidence.t0_s is None else "the fault"
        held = f"{' and '.join(seen.hosts)} had it at once for about {seen.together_s:.1f} s"
        note = f"{note}; {held}, seen first {since_s:+.1f} s from {begin}"
    value = float(seen.looks) if looks else None
    return (measure("entry_split", "looks that saw the entry's address twice", value, "count", 0.0, note=note),)


def _epochs_unseen(evidence: Evidence) -> str:
    """Why split brain between the clients could not have shown; empty when it could."""
    silent = [
        client
        for client, records in evidence.records.items()
        if any(one.writes and one.acknowledged for one in records)
        and not any(one.writes and one.acknowledged and one.epoch > 0 for one in records)
    ]
    told = "no acknowledgement told its epoch: split brain cannot show here"
    return f"client {', '.join(silent)}: {told}" if silent else ""


def service(evidence: Evidence, found: Findings, promised: Promises) -> tuple[Measure, ...]:
    """Availability, worst windows, goodput, latency, and the error budget, of the client outside."""
    observed_s = evidence.ended_s - evidence.started_s
    share = by_requests(found.observed)
    lost = found.sets[OUTSIDE].lost if OUTSIDE in found.sets else frozenset[int]()
    target = promised.availability
    windows = []
    for length_s in WINDOWS_S:
        worst = worst_window(found.observed, evidence.started_s, evidence.ended_s, length_s)
        note = f"begins {worst.start_s - evidence.started_s:.1f} s into the trial" if worst else "longer than the trial"
        value = worst.availability * 100 if worst else None
        windows.append(measure(f"worst_window_{length_s:g}s", f"worst {length_s:g} s", value, "%", note=note))
    good = sum(record.outcome == "good" for record in found.observed)
    by_bins = by_time(found.observed, evidence.started_s, evidence.ended_s, target)
    return (
        measure(
            "availability_requests",
            "availability by requests",
            None if share is None else share * 100,
            "%",
            note=f"{good} of {len(found.observed)} good in {observed_s:.1f} s",
        ),
        measure(
            "availability_time",
            "availability by time",
            None if by_bins is None else by_bins * 100,
            "%",
            note=f"share of seconds of which at least {Share(target)} was good",
        ),
        *windows,
        measure("goodput", "goodput", goodput_per_s(found.observed, lost, observed_s), "per s"),
        *_latencies(evidence, found, promised),
        *_budget(share, observed_s, promised),
        measure("resolution", "resolution of the times", evidence.resolution_s, "s", note="1/rate + deadline"),
    )


def _latencies(evidence: Evidence, found: Findings, promised: Promises) -> tuple[Measure, ...]:
    percent = promised.latency_percentile or 99.0
    steady = percentile_s(found.steady, percent, evidence.deadline_s)
    measures = [
        measure(
            "latency",
            f"p{percent:g} in steady state",
            steady,
            "s",
            promised.latency_within_s,
            note=f"{len(found.steady)} operations before the fault" if evidence.fault_s is not None else "",
        )
    ]
    if evidence.t0_s is not None:
        t4_s = found.first.end_s if found.first else evidence.t0_s
        value = incident_p99_s(found.observed, evidence.t0_s, t4_s, evidence.stability.seconds, evidence.deadline_s)
        measures.append(
            measure(
                "incident_p99",
                "p99 in the incident",
                value,
                "s",
                note="what was not acknowledged counts as the deadline",
            )
        )
    return tuple(measures)


def _budget(share: float | None, observed_s: float, promised: Promises) -> tuple[Measure, ...]:
    days = promised.window_s / 86400
    spent = None if share is None else budget_spent(share, observed_s, promised.availability, promised.window_s) * 100
    burn = None if share is None else burn_rate(share, promised.availability)
    return (
        measure("burn_rate", "error-budget burn rate", burn, "ratio", note="bad share over allowed bad share"),
        measure(
            "error_budget_spent",
            "error budget spent",
            spent,
            "%",
            100.0,
            note=f"of {days:g} days' budget at {Share(promised.availability)}",
        ),
    )
