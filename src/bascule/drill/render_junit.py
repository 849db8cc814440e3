"""A report as JUnit XML: a suite per experiment, a case per verdict and per promise, as CI servers read them. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from bascule.drill.claiming import claim_text
from bascule.drill.render_words import clean, headline, objective_text, resolution_text, utc_text, value_text
from bascule.drill.report import Claimed, Report, Trial
from bascule.drill.summary import outcome as meaning
from bascule.measure.verdict import Measure

Ending = Literal["", "failure", "error", "skipped"]
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDINGS: dict[str, Ending] = {"PASS": "", "FAIL": "failure", "INVALID": "error", "ABORTED": "error"}


class Case(Struct, frozen=True, kw_only=True):
    """One test case and what it ended in; an empty `ending` means passed."""

    name: str
    time_s: float
    ending: Ending = ""
    kind: str = ""
    message: str = ""
    text: str = ""


def junit(report: Report) -> bytes:
    """The whole report. FAIL is a failure unless expected; INVALID and ABORTED are errors; the rest may be skipped."""
    by_experiment: dict[str, list[Trial]] = {}
    for trial in report.trials:
        by_experiment.setdefault(trial.experiment, []).append(trial)
    suites = {name: _suite_cases(trials) for name, trials in by_experiment.items()}
    if report.claimed is not None:
        suites[report.trials[-1].experiment].append(_claim(report.claimed))
    root = ET.Element("testsuites", name=_xml(f"bascule drill {report.system}"), time=f"{report.duration_s:.3f}")
    _count(root, [case for cases in suites.values() for case in cases])
    for number, (experiment, cases) in enumerate(suites.items()):
        trials = by_experiment[experiment]
        suite = ET.SubElement(root, "testsuite", name=_xml(f"{report.system}.{experiment}"), id=str(number))
        _count(suite, cases)
        suite.set("time", f"{sum(trial.duration_s for trial in trials):.3f}")
        suite.set("timestamp", utc_text(trials[0].started_wall_s, iso=True))
        _properties(suite, report, trials)
        for case in cases:
            _write(suite, case, classname=f"{report.system}.{experiment}")
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _suite_cases(trials: Sequence[Trial]) -> list[Case]:
    several = len(trials) > 1
    numbered = ((f" (trial {number})" if several else "", trial) for number, trial in enumerate(trials, 1))
    return [case for suffix, trial in numbered for case in _cases(trial, suffix)]


def _cases(trial: Trial, suffix: str) -> list[Case]:
    if trial.skipped:
        return [Case(name=f"verdict{suffix}", time_s=0.0, ending="skipped", message=trial.skipped)]
    outcome = trial.verdict.outcome
    verdict = Case(
        name=f"verdict{suffix}",
        time_s=trial.duration_s,
        ending=_ENDINGS[meaning(trial)],
        kind=outcome,
        message=headline(trial),
        text="\n".join((*trial.verdict.reasons, "", *trial.explanation)),
    )
    return [verdict, *_promises(trial, suffix)]


def _claim(claimed: Claimed) -> Case:
    """The claim that the drill ran until: refuted is a failure, not shown is an error."""
    endings: dict[str, Ending] = {"shown": "", "refuted": "failure", "not shown": "error"}
    return Case(
        name="claim", time_s=0.0, ending=endings[claimed.ending], kind=claimed.ending, message=claim_text(claimed)
    )


def _promises(trial: Trial, suffix: str) -> Iterator[Case]:
    unproved = trial.verdict.outcome in {"INVALID", "ABORTED"}
    for measure in trial.verdict.measures:
        if measure.objective is None:
            continue
        said = _said(measure)
        if unproved:
            said = f"not judged, the trial is {trial.verdict.outcome}: {said}"
        known = trial.expected == "FAIL" and not trial.surprise and measure.met is False
        said = f"missed, as expected: {said}" if known else said
        ending: Ending = "skipped" if unproved or known or measure.met is None else "" if measure.met else "failure"
        name = f"{measure.name}{suffix}"
        yield Case(name=name, time_s=0.0, ending=ending, kind="FAIL", message=said, text=measure.note)


def _said(measure: Measure) -> str:
    value = " ".join(part for part in (value_text(measure), resolution_text(measure)) if part)
    return f"{measure.title}: measured {value}, promised {objective_text(measure)}"


def _count(element: ET.Element, cases: Sequence[Case]) -> None:
    endings = [case.ending for case in cases]
    element.set("tests", str(len(cases)))
    element.set("failures", str(endings.count("failure")))
    element.set("errors", str(endings.count("error")))
    element.set("skipped", str(endings.count("skipped")))


def _properties(suite: ET.Element, report: Report, trials: Sequence[Trial]) -> None:
    properties = ET.SubElement(suite, "properties")
    stated = {
        "bascule.version": report.version,
        "bascule.command": report.command,
        "bascule.seed": str(report.seed),
        "bascule.title": trials[0].title,
        "bascule.target": ", ".join(dict.fromkeys(trial.target for trial in trials if trial.target)),
    }
    for name, value in stated.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_xml(value))


def _write(suite: ET.Element, case: Case, *, classname: str) -> None:
    element = ET.SubElement(
        suite, "testcase", classname=_xml(classname), name=_xml(case.name), time=f"{case.time_s:.3f}"
    )
    if case.ending:
        ending = ET.SubElement(element, case.ending, message=_xml(case.message))
        if case.ending != "skipped":
            ending.set("type", case.kind)
            ending.text = _xml(case.text, lines=True)
    elif case.message:
        ET.SubElement(element, "system-out").text = _xml(case.message)


def _xml(text: str, *, lines: bool = False) -> str:
    kept = "\n".join(clean(line) for line in text.split("\n")) if lines else clean(text)
    return _NOT_XML.sub("", kept)
