"""A report as what dashboards draw beside their own curves: annotations of Grafana, samples of OpenMetrics. Pure.

Sources: Grafana's HTTP API, "Annotations"; the OpenMetrics specification 1.0.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator
from typing import Any

from bascule.drill.render_words import clean, headline, measure_named, outcome_text
from bascule.drill.report import Report
from bascule.drill.wall_times import NS, FaultSpan, Placed, faults, placed

Json = dict[str, Any]
Labels = tuple[tuple[str, str], ...]
MOST_CHARACTERS = 1_000
STEP_MS = 15_000
"""A sample is repeated so often while a fault acts: Prometheus forgets a value that is five minutes old."""
MOST_STEPS = 1_000
_MS = NS // 1_000


def grafana(report: Report) -> list[Json]:
    """Bodies of `POST /api/annotations`, in time order: one for each trial, and one for each fault.

    Text is escaped, for Grafana shows it as HTML.

    Raises:
        InputError: The report does not say when the drill was.
    """
    found: list[Json] = []
    for one in placed(report):
        trial = one.trial
        tags = ["bascule", "trial", *_tags(report, one, trial.target)]
        found.append(_annotation(one.span.begin_ns, one.span.end_ns, tags, headline(trial)))
        for fault in _faults(one):
            tags = ["bascule", "fault", *_tags(report, one, fault.target), f"fault:{fault.name}"]
            text = fault.told + ("" if fault.undone else " (when it ended was not recorded)")
            found.append(_annotation(one.at_ns(fault.begin_s), one.at_ns(fault.end_s), tags, text))
    return sorted(found, key=lambda each: int(each["time"]))


def openmetrics(report: Report) -> str:
    """OpenMetrics text with a time at every sample: when each fault acted, each trial's verdict and RTO.

    A trial's RTO that never came is `+Inf`; one that was not measured has no sample.

    Raises:
        InputError: The report does not say when the drill was.
    """
    trials = placed(report)
    lines = [
        "# TYPE bascule_fault_active gauge",
        "# HELP bascule_fault_active 1 while a fault of the drill acts on the target, 0 before and after.",
        *_fault_lines(report, trials),
        "# TYPE bascule_trial_verdict gauge",
        "# HELP bascule_trial_verdict 1 at the end of the trial, with its verdict as a label.",
        *(_line("bascule_trial_verdict", _labels(report, one, verdict=True), "1", _end_ms(one)) for one in trials),
        "# TYPE bascule_trial_rto_seconds gauge",
        "# UNIT bascule_trial_rto_seconds seconds",
        "# HELP bascule_trial_rto_seconds Time until clients were served again; infinite where they never were.",
        *_rto_lines(report, trials),
        "# EOF",
    ]
    return "\n".join(lines) + "\n"


def _faults(one: Placed) -> tuple[FaultSpan, ...]:
    return () if one.trial.skipped else faults(one.trial)


def _tags(report: Report, one: Placed, target: str) -> list[str]:
    told = {
        "system": report.system,
        "experiment": one.trial.experiment,
        "target": target,
        "verdict": outcome_text(one.trial),
    }
    return [f"{name}:{clean(value)}" for name, value in told.items() if value]


def _annotation(begin_ns: int, end_ns: int, tags: list[str], text: str) -> Json:
    bounded = html.escape(clean(text)[:MOST_CHARACTERS], quote=False)
    return {
        "time": begin_ns // _MS,
        "timeEnd": end_ns // _MS,
        "tags": [tag[:100] for tag in tags],
        "text": bounded,
    }


def _fault_lines(report: Report, trials: Iterable[Placed]) -> Iterator[str]:
    acted: dict[Labels, list[tuple[int, int]]] = {}
    for one in trials:
        for fault in _faults(one):
            labels: Labels = (
                ("system", report.system),
                ("experiment", one.trial.experiment),
                ("fault", fault.name),
                ("target", fault.target),
            )
            begin_ms = one.at_ns(fault.begin_s) // _MS
            end_ms = max(begin_ms + 1, one.at_ns(fault.end_s) // _MS)
            acted.setdefault(labels, []).append((begin_ms, end_ms))
    for labels, spans in acted.items():
        for at_ms, value in sorted(_samples(spans).items()):
            yield _line("bascule_fault_active", labels, str(value), at_ms)


def _samples(spans: list[tuple[int, int]]) -> dict[int, int]:
    """0 just before, 1 while any of the spans lasts, 0 at the end: one value for each moment."""
    joined: list[tuple[int, int]] = []
    for begin_ms, end_ms in sorted(spans):
        if joined and begin_ms <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end_ms, joined[-1][1]))
        else:
            joined.append((begin_ms, end_ms))
    found: dict[int, int] = {}
    for begin_ms, end_ms in joined:
        step_ms = max(STEP_MS, (end_ms - begin_ms) // MOST_STEPS)
        found[max(0, begin_ms - 1)] = 0
        found |= dict.fromkeys(range(begin_ms, end_ms, step_ms), 1)
        found[end_ms] = 0
    return found


def _rto_lines(report: Report, trials: Iterable[Placed]) -> Iterator[str]:
    for one in trials:
        rto = measure_named(one.trial.verdict, "rto")
        if rto is not None and rto.value is not None and not math.isnan(rto.value):
            value = repr(float(rto.value)) if math.isfinite(rto.value) else "+Inf"
            yield _line("bascule_trial_rto_seconds", _labels(report, one), value, _end_ms(one))


def _end_ms(one: Placed) -> int:
    return one.span.end_ns // _MS


def _labels(report: Report, one: Placed, *, verdict: bool = False) -> Labels:
    labels = (
        ("system", report.system),
        ("experiment", one.trial.experiment),
        ("target", one.trial.target),
        ("trial", str(one.number)),
    )
    return (*labels, ("verdict", outcome_text(one.trial))) if verdict else labels


def _line(name: str, labels: Labels, value: str, at_ms: int) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{told}}} {value} {at_ms // 1_000}.{at_ms % 1_000:03d}"


def _escaped(text: str) -> str:
    bounded = clean(text)[:MOST_CHARACTERS]
    return bounded.replace("\\", "\\\\").replace('"', '\\"')
