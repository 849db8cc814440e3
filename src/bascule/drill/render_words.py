"""A report's numbers and sentences, the same in every form: digits never say better than was measured. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime

from msgspec import Struct

from bascule.drill.report import Report, Trial
from bascule.measure.verdict import Instants, Measure, Verdict

NEVER = "never"
UNMEASURED = "—"
MOST_DECIMALS = 6
_DECIMALS = {"s": 2, "%": 2, "ms": 1, "writes": 0, "count": 0}
_SINGULAR = {"writes": "write", "reads": "read", "operations": "operation"}
_IN_HEADLINE = {"rto", "rpo_writes", "rpo_s", "rpo_time", "lost_after_fault"}
PART_NAMES = frozenset({"detection", "failover", "client_recovery"})
_LINE_ENDS = "\n\r\t\u2028\u2029"
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Part(Struct, frozen=True, kw_only=True):
    """One of the stretches of time that a recovery is made of; together they are the RTO."""

    name: str
    seconds: float
    start_s: float


def clean(text: str) -> str:
    """The text without terminal escapes, control characters or direction overrides; line ends become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if letter in _LINE_ENDS else letter
        for letter in _CONTROL.sub("", text)
        if letter in _LINE_ENDS or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co"}
    )


def utc_text(wall_s: float, *, iso: bool = False) -> str:
    """A moment of the wall clock, in UTC: `2026-11-23 21:24:36 UTC`, or as ISO 8601 without a zone for machines."""
    moment = datetime.fromtimestamp(wall_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S" if iso else "%Y-%m-%d %H:%M:%S UTC")


def number_text(value: float | None, unit: str, *, resolution: float | None = None) -> str:
    """A value with its unit: `20.62 s`, `0 writes`, `99.12 %`, `never` when infinite, a dash when there is none."""
    return _quantity(value, unit, _decimals(value, unit, resolution))


def value_text(measure: Measure) -> str:
    """The measured value, with digits enough to stand on the right side of its objective."""
    return _quantity(measure.value, measure.unit, _honest_decimals(measure))


def objective_text(measure: Measure) -> str:
    """What was promised: `≤ 30 s`, `≥ 99.95 %`; empty when nothing was."""
    if measure.objective is None:
        return ""
    sign = "≤" if measure.bound == "at most" else "≥"
    return f"{sign} {_shortest(measure.objective, measure.unit)}"


def resolution_text(measure: Measure) -> str:
    """The smallest difference that the measure can show: `± 0.03 s`; empty when not given or without a value."""
    if not measure.resolution or measure.value is None or math.isinf(measure.value):
        return ""
    number = f"{measure.resolution:.2g}" if measure.resolution < 100 else f"{measure.resolution:,.0f}"
    return f"± {_with_unit(number, measure.unit)}"


def result_text(measure: Measure) -> str:
    """`PASS`, `FAIL`, `not judged` (promised, but without evidence), or empty when nothing was promised."""
    if measure.objective is None:
        return ""
    return {True: "PASS", False: "FAIL", None: "not judged"}[measure.met]


def outcome_text(trial: Trial) -> str:
    """`PASS`, `FAIL`, `INVALID`, `ABORTED`, or `SKIPPED` for a trial that could not be run here."""
    return "SKIPPED" if trial.skipped else trial.verdict.outcome


def measure_named(verdict: Verdict, name: str) -> Measure | None:
    """The measure of this name, if there is one."""
    return next((measure for measure in verdict.measures if measure.name == name), None)


def headline(trial: Trial) -> str:
    """One line that says it all: `PASS primary-kill: RTO 20.6 s of 30 s promised, nothing lost`."""
    outcome = outcome_text(trial)
    begin = clean(f"{outcome} {trial.experiment}{_besides(trial)}: ")
    if trial.skipped:
        return begin + clean(trial.skipped)
    if outcome in {"INVALID", "ABORTED"}:
        return begin + clean("; ".join(trial.verdict.reasons) or "no reason was given")
    return begin + ", ".join(_findings(trial))


def _besides(trial: Trial) -> str:
    """How an outcome stands to what was expected; empty where that is clear."""
    if trial.surprise:
        return f" (a surprise: {trial.surprise})"
    return " (as expected)" if trial.expected == "FAIL" and trial.verdict.outcome == "FAIL" else ""


def report_headline(report: Report) -> str:
    """How many trials had which outcome: `PASS: 6 of 7 trials passed, 1 skipped`."""
    outcomes = ["EXPECTED" if _besides(trial) == " (as expected)" else outcome_text(trial) for trial in report.trials]
    counts = [
        f"{outcomes.count(outcome)} {word}"
        for outcome, word in (
            ("FAIL", "failed"),
            ("EXPECTED", "failed as expected"),
            ("INVALID", "invalid"),
            ("ABORTED", "aborted"),
            ("SKIPPED", "skipped"),
        )
        if outcome in outcomes
    ]
    passed = f"{outcomes.count('PASS')} of {len(outcomes)} trial{'' if len(outcomes) == 1 else 's'} passed"
    return f"{report.outcome}: " + ", ".join([passed, *counts])


def parts(verdict: Verdict) -> tuple[Part, ...]:
    """Detection, failover and client recovery, that add up to t4 - t0; empty when it did not recover or never failed.

    An instant that is missing or out of order joins its neighbours: `detection + failover`. `start_s` counts from t0.
    """
    instants = verdict.instants
    if instants is None or instants.t4_s is None or instants.t1_s is None or instants.t4_s <= instants.t0_s:
        return ()
    found: list[Part] = []
    begin_s, names = instants.t0_s, list[str]()
    for name, at_s in (
        ("detection", instants.t2_s),
        ("failover", instants.t3_s),
        ("client", instants.t4_s),
    ):
        names.append(name)
        if at_s is not None and begin_s <= at_s <= instants.t4_s:
            found.append(Part(name=" + ".join(names), seconds=at_s - begin_s, start_s=begin_s - instants.t0_s))
            begin_s, names = at_s, []
    return tuple(found)


def part_texts(verdict: Verdict) -> tuple[str, tuple[tuple[Part, str], ...]]:
    """The RTO and its parts as text, rounded so that the printed parts add up to the printed RTO."""
    found = parts(verdict)
    if not found:
        return "", ()
    rto = measure_named(verdict, "rto")
    decimals = 2 if rto is None else _honest_decimals(rto)
    ends = [round(part.start_s + part.seconds, decimals) for part in found]
    begins = [0.0, *ends[:-1]]
    texts = [f"{end - begin:.{decimals}f} s" for begin, end in zip(begins, ends, strict=True)]
    return f"{ends[-1]:.{decimals}f} s", tuple(zip(found, texts, strict=True))


def instant_texts(instants: Instants) -> tuple[tuple[str, str, float], ...]:
    """Every instant that came, in time order: its short name, what it means, and its monotonic seconds."""
    named = (
        ("t0", "the fault is witnessed active", instants.t0_s),
        ("t1", "the first operation that was not good was due", instants.t1_s),
        ("t2", "the system noticed", instants.t2_s),
        ("t3", "first acknowledgement on the new epoch", instants.t3_s),
        ("t4", "the first stable window begins: recovered", instants.t4_s),
        ("t5", "full redundancy is restored", instants.t5_s),
        ("heal", "the fault is undone", instants.healed_s),
    )
    came = [(name, text, at_s) for name, text, at_s in named if at_s is not None]
    return tuple(sorted(came, key=lambda item: item[2]))


def _findings(trial: Trial) -> list[str]:
    rto, lost = measure_named(trial.verdict, "rto"), measure_named(trial.verdict, "rpo_writes")
    found: list[str] = []
    if rto is not None and trial.scope:
        found.append(_of_promise("RTO", rto))
    if lost is not None and lost.value is not None:
        found.append("nothing lost" if lost.value == 0 else f"{value_text(lost)} lost")
    found.extend(
        _of_promise(clean(measure.title), measure)
        for measure in trial.verdict.measures
        if measure.met is False and measure.name not in _IN_HEADLINE
    )
    return found or [clean(reason) for reason in trial.verdict.reasons[:1]] or ["nothing was measured"]


def _of_promise(title: str, measure: Measure) -> str:
    text = _quantity(measure.value, measure.unit, _honest_decimals(measure, least=1 if measure.unit == "s" else None))
    promised = "" if measure.objective is None else f" of {_shortest(measure.objective, measure.unit)} promised"
    return f"{title} {text}{promised}"


def _decimals(value: float | None, unit: str, resolution: float | None) -> int:
    if value is None or not math.isfinite(value):
        return 0
    if unit in _DECIMALS:
        decimals = _DECIMALS[unit]
        if unit == "s" and resolution:
            decimals = max(1, min(3, math.ceil(-math.log10(resolution))))
        elif unit == "s" and 0 < abs(value) < 1:
            decimals = max(decimals, min(4, 2 - math.floor(math.log10(abs(value)))))
        if unit == "%" and 99 < value < 100:  # what counts is the distance to 100
            decimals = min(MOST_DECIMALS, max(decimals, 1 - math.floor(math.log10(100 - value))))
    else:
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    while decimals < MOST_DECIMALS and _hides(value, unit, decimals):
        decimals += 1
    return decimals


def _hides(value: float, unit: str, decimals: int) -> bool:
    shown = round(value, decimals)
    return (shown == 0 and value != 0) or (unit == "%" and shown == 100 and value != 100)


def _honest_decimals(measure: Measure, least: int | None = None) -> int:
    value, objective = measure.value, measure.objective
    decimals = _decimals(value, measure.unit, measure.resolution)
    if value is None or not math.isfinite(value):
        return 0
    if least is not None and not _hides(value, measure.unit, least):
        decimals = min(least, decimals)
    if objective is None or measure.met is None:
        return decimals
    for enough in range(decimals, MOST_DECIMALS):
        shown = round(value, enough)
        inside = shown <= objective if measure.bound == "at most" else shown >= objective
        if inside == measure.met:
            return enough
    return MOST_DECIMALS


def _quantity(value: float | None, unit: str, decimals: int) -> str:
    if value is None or math.isnan(value):
        return UNMEASURED
    if math.isinf(value):
        return NEVER if value > 0 else UNMEASURED
    return _with_unit(f"{value:,.{decimals}f}", unit)


def _with_unit(number: str, unit: str) -> str:
    if unit in {"", "count", "ratio"}:
        return number
    return f"{number} {_SINGULAR.get(unit, unit) if number == '1' else unit}"


def _shortest(value: float, unit: str) -> str:
    return _quantity(value, unit, 0) if math.isinf(value) else _with_unit(f"{value:.10g}", unit)
