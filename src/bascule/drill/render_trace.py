"""A report as one OpenTelemetry trace in OTLP's JSON; the same report is always the same trace, ids and all. Pure.

Source: OpenTelemetry protocol 1.x, "JSON Protobuf Encoding": names in lowerCamelCase, ids in hexadecimal, 64-bit
integers as strings, enums as integers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

from bascule.drill.render_json import to_json
from bascule.drill.render_timeline import Entry, entries
from bascule.drill.render_words import clean, headline, measure_named, outcome_text, parts, report_headline, value_text
from bascule.drill.report import Report, Trial
from bascule.drill.summary import outcome as meaning
from bascule.drill.wall_times import FaultSpan, Placed, Span, drill_span, faults, placed

Json = dict[str, Any]
MOST_EVENTS = 1_000
MOST_CHARACTERS = 4_096
_INTERNAL, _OK, _ERROR = 1, 1, 2
_WITNESS = "the witness saw: "


def trace(report: Report) -> Json:
    """The document: a span for the drill, below it one for each trial, below these their phases and faults.

    Raises:
        InputError: The report does not say when the drill was.
    """
    trials = placed(report)
    key = hashlib.sha256(to_json(report)).hexdigest()
    drill = _Spans(key)
    attributes = {
        "bascule.system": report.system,
        "bascule.verdict": report.outcome,
        "bascule.command": report.command,
        "bascule.objectives": report.objectives,
        "bascule.seed": report.seed,
    }
    name = f"drill {report.system}"
    status = _status(report.outcome, report_headline(report))
    root = drill.add(name, drill_span(report, trials), attributes=attributes, status=status)
    for one in trials:
        _trial(drill, root, report, one)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(_resource(report))},
                "scopeSpans": [
                    {"scope": {"name": "bascule.drill", "version": _text(report.version)}, "spans": drill.all}
                ],
            }
        ]
    }


class _Spans:
    """The spans of one trace; each id follows from the report and the span's place in it."""

    def __init__(self, key: str) -> None:
        self._trace_id = key[:32]
        self.all: list[Json] = []

    def add(
        self,
        name: str,
        span: Span,
        parent: str = "",
        *,
        attributes: dict[str, object] | None = None,
        events: Sequence[Json] = (),
        status: Json | None = None,
    ) -> str:
        """Add a span, and give its id."""
        span_id = hashlib.sha256(f"{self._trace_id} {len(self.all)}".encode()).hexdigest()[:16]
        self.all.append(
            {
                "traceId": self._trace_id,
                "spanId": span_id,
                "parentSpanId": parent,
                "flags": 1,
                "name": _text(name),
                "kind": _INTERNAL,
                "startTimeUnixNano": str(span.begin_ns),
                "endTimeUnixNano": str(max(span.begin_ns, span.end_ns)),
                "attributes": _attributes(attributes or {}),
                "events": list(events[:MOST_EVENTS]),
                "droppedEventsCount": max(0, len(events) - MOST_EVENTS),
                "status": status or {},
            }
        )
        return span_id


def _resource(report: Report) -> dict[str, object]:
    return {
        "service.name": "bascule",
        "service.version": report.version,
        "bascule.system": report.system,
        "bascule.machine.kernel": report.machine.kernel,
        "bascule.machine.platform": report.machine.platform,
    }


def _trial(spans: _Spans, drill: str, report: Report, one: Placed) -> None:
    trial = one.trial
    status = {} if trial.skipped else _status(meaning(trial), headline(trial))
    events = [_event(one, entry) for entry in entries(trial)]
    about = {"bascule.system": report.system, "bascule.experiment": trial.experiment, "bascule.trial": one.number}
    attributes = about | _told(trial)
    own = spans.add(f"trial {trial.experiment}", one.span, drill, attributes=attributes, events=events, status=status)
    if trial.skipped:
        return
    found = faults(trial)
    _steady(spans, own, one, found, about)
    for fault in found:
        _fault(spans, own, one, fault, about)
    if found:
        _recovery(spans, own, one, found[0].begin_s, about)
        _redundancy(spans, own, one, found, about)


def _told(trial: Trial) -> dict[str, object]:
    rto, lost = measure_named(trial.verdict, "rto"), measure_named(trial.verdict, "rpo_writes")
    return {
        "bascule.title": trial.title,
        "bascule.scope": trial.scope,
        "bascule.target": trial.target,
        "bascule.verdict": outcome_text(trial),
        "bascule.expected": trial.expected,
        "bascule.surprise": trial.surprise,
        "bascule.skipped": trial.skipped,
        "bascule.reasons": trial.verdict.reasons,
        "bascule.explanation": trial.explanation,
        "bascule.witness": _witness(trial),
        "bascule.rto": "" if rto is None or rto.value is None else value_text(rto),
        "bascule.rto_s": None if rto is None else rto.value,
        "bascule.rto_promised_s": None if rto is None else rto.objective,
        "bascule.lost_writes": None if lost is None else lost.value,
    }


def _witness(trial: Trial) -> str:
    """What the witness of the fault saw, as the explanation has it."""
    for sentence in trial.explanation:
        before, found, saw = sentence.partition(_WITNESS)
        if found:
            return saw.removesuffix(".").removesuffix(")" if before.endswith("(") else "")
    return ""


def _steady(spans: _Spans, parent: str, one: Placed, found: Sequence[FaultSpan], about: dict[str, object]) -> None:
    """Load without a fault: until the first bad operation or the first fault, whichever was seen first."""
    instants, started_s = one.trial.verdict.instants, one.trial.started_s
    begins = [fault.begin_s for fault in found]
    if begins and instants is not None and instants.t1_s is not None and started_s is not None:
        begins.append(instants.t1_s - started_s)
    span = _between(one, 0.0, max(0.0, min([*begins, one.trial.duration_s])))
    spans.add("steady load", span, parent, attributes=about)


def _fault(spans: _Spans, parent: str, one: Placed, fault: FaultSpan, about: dict[str, object]) -> None:
    attributes = about | {
        "bascule.fault": fault.name,
        "bascule.target": fault.target,
        "bascule.undone": fault.undone,
        "bascule.witness": _witness(one.trial),
    }
    own = spans.add(f"fault {fault.told}", _between(one, fault.begin_s, fault.end_s), parent, attributes=attributes)
    if fault.undone:  # a report tells when it was undone, not how long that took
        spans.add("undo", _between(one, fault.end_s, fault.end_s), own, attributes=attributes)


def _recovery(spans: _Spans, parent: str, one: Placed, begin_s: float, about: dict[str, object]) -> None:
    """From t0 until clients were served again, with its parts; an error to the trial's end where they never were."""
    trial = one.trial
    instants = trial.verdict.instants
    if instants is None or instants.t1_s is None:
        return
    begin_s = begin_s if trial.started_s is None else instants.t0_s - trial.started_s
    if instants.t4_s is None:
        status = {"code": _ERROR, "message": "clients were not served again"}
        spans.add("recovery", _between(one, begin_s, trial.duration_s), parent, attributes=about, status=status)
        return
    lasted_s = instants.t4_s - instants.t0_s
    own = spans.add("recovery", _between(one, begin_s, begin_s + lasted_s), parent, attributes=about)
    for part in parts(trial.verdict):
        part_s = begin_s + part.start_s
        spans.add(part.name, _between(one, part_s, part_s + part.seconds), own, attributes=about)


def _redundancy(spans: _Spans, parent: str, one: Placed, found: Sequence[FaultSpan], about: dict[str, object]) -> None:
    """From the last undo until full redundancy; an error to the trial's end where that did not come."""
    instants, started_s = one.trial.verdict.instants, one.trial.started_s
    if instants is None:
        return
    begin_s = max(fault.end_s for fault in found)
    zero_s = instants.t0_s - found[0].begin_s if started_s is None else started_s
    back_s = None if instants.t5_s is None else instants.t5_s - zero_s
    status = {"code": _ERROR, "message": "full redundancy was not seen"} if back_s is None else None
    end_s = one.trial.duration_s if back_s is None else back_s
    spans.add("redundancy", _between(one, begin_s, end_s), parent, attributes=about, status=status)


def _between(one: Placed, begin_s: float, end_s: float) -> Span:
    return Span(begin_ns=one.at_ns(begin_s), end_ns=max(one.at_ns(begin_s), one.at_ns(end_s)))


def _event(one: Placed, entry: Entry) -> Json:
    name = entry.label if entry.kind == "instant" else entry.kind
    attributes = {"bascule.kind": entry.kind, "bascule.source": entry.lane, "bascule.text": entry.text}
    return {"timeUnixNano": str(one.at_ns(entry.at_s)), "name": _text(name), "attributes": _attributes({**attributes})}


def _status(outcome: str, message: str) -> Json:
    return {"code": _OK} if outcome == "PASS" else {"code": _ERROR, "message": _text(message)}


def _attributes(told: dict[str, object]) -> list[Json]:
    """Everything that says something: nothing empty, and no number that never came, for JSON has none."""
    valued = ((key, _value(value)) for key, value in told.items())
    return [{"key": key, "value": value} for key, value in valued if value is not None]


def _value(value: object) -> Json | None:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if abs(value) < 2**63 else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value} if math.isfinite(value) else None
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [{"stringValue": text} for text in _texts(value)]}} if value else None
    return {"stringValue": _text(value)} if isinstance(value, str) and value else None


def _texts(values: Iterable[object]) -> list[str]:
    return [_text(str(value)) for value in values]


def _text(text: str) -> str:
    shown = clean(text)
    return shown if len(shown) <= MOST_CHARACTERS else shown[: MOST_CHARACTERS - 1] + "…"
