"""When a saved drill, its trials and its faults were, on the wall clock, for the tools that show it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from bascule.drill.render_timeline import fault_at_s
from bascule.drill.render_words import clean
from bascule.drill.report import Mark, Report, Trial
from bascule.kernel.errors import InputError

NS = 1_000_000_000
LATEST_NS = 2**63 - 1
"""What the tools can hold: later moments, which only a damaged report has, are put here."""
MOST_FAULTS = 1_000
_UNDONE = " was undone"
_BY_THE_DRILL = "t0: the drill "


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of wall-clock time that does not end before it begins."""

    begin_ns: int
    end_ns: int


class FaultSpan(Struct, frozen=True, kw_only=True):
    """One fault of a trial, from when it was witnessed.

    Attributes:
        name: What was done, in words; for a strike of a timeline, the fault's name.
        target: What was hit.
        told: Both, as the report tells it.
        begin_s: Seconds since the trial's start.
        end_s: When it was undone. Where no end was recorded, the trial's end if the trial was aborted or the fault is
            one of a timeline; else the begin, as for a planned change, which does not last.
        undone: Whether its end was recorded.
    """

    name: str
    target: str
    told: str
    begin_s: float
    end_s: float
    undone: bool


class Placed(Struct, frozen=True, kw_only=True):
    """A trial, counted from 1, and when it was. One that was skipped stands without length where the last one ended."""

    number: int
    trial: Trial
    span: Span

    def at_ns(self, at_s: float) -> int:
        """The moment that is so many seconds after the trial's start."""
        return _held(self.span.begin_ns + nanoseconds(at_s))


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds; what no tool can hold, at the end of what they can."""
    if math.isnan(seconds):
        return 0
    if abs(seconds) >= LATEST_NS / NS:
        return LATEST_NS if seconds > 0 else -LATEST_NS
    return round(seconds * 1e6) * 1_000


def placed(report: Report) -> tuple[Placed, ...]:
    """Every trial of the report with its time, in the report's order.

    Raises:
        InputError: The report does not say when any of it was.
    """
    told = (report.started_wall_s, *(trial.started_wall_s for trial in report.trials))
    known = [wall_s for wall_s in told if wall_s > 0]
    if not known:
        raise InputError("the report does not say when the drill was", hint="give the report.json that a drill wrote")
    found: list[Placed] = []
    free_ns = _held(nanoseconds(report.started_wall_s if report.started_wall_s > 0 else min(known)))
    for number, trial in enumerate(report.trials, 1):
        begin_ns = _held(nanoseconds(trial.started_wall_s)) if trial.started_wall_s > 0 else free_ns
        end_ns = _held(begin_ns + max(0, nanoseconds(trial.duration_s)))
        found.append(Placed(number=number, trial=trial, span=Span(begin_ns=begin_ns, end_ns=end_ns)))
        free_ns = max(free_ns, end_ns)
    return tuple(found)


def drill_span(report: Report, trials: Sequence[Placed]) -> Span:
    """The whole drill, with every trial in it."""
    begins = [one.span.begin_ns for one in trials]
    if report.started_wall_s > 0:
        begins.append(_held(nanoseconds(report.started_wall_s)))
    begin_ns = min(begins)
    lasted_ns = max(0, nanoseconds(report.duration_s))
    return Span(begin_ns=begin_ns, end_ns=max([_held(begin_ns + lasted_ns), *(one.span.end_ns for one in trials)]))


def faults(trial: Trial) -> tuple[FaultSpan, ...]:
    """The faults that were witnessed, in time order, each with its own undo; none for a control trial."""
    begun = sorted((mark for mark in trial.marks if mark.kind == "fault"), key=lambda mark: mark.at_s)[:MOST_FAULTS]
    heals = sorted((mark for mark in trial.marks if mark.kind == "heal"), key=lambda mark: mark.at_s)[:MOST_FAULTS]
    t0_s = fault_at_s(trial)
    if not begun and t0_s is not None:
        begun = [Mark(at_s=t0_s, kind="fault", text=trial.title)]
        heals = heals or _healed(trial)
    whole = len(begun) == 1
    names = {mark.text for mark in begun}
    return tuple(_fault(trial, mark, _take_heal(mark, heals, names), is_whole=whole) for mark in begun)


def _healed(trial: Trial) -> list[Mark]:
    instants = trial.verdict.instants
    if instants is None or instants.healed_s is None or trial.started_s is None:
        return []
    return [Mark(at_s=instants.healed_s - trial.started_s, kind="heal", text="")]


def _take_heal(fault: Mark, heals: list[Mark], names: set[str]) -> Mark | None:
    """The first undo of this fault, or else the first of no named fault; none is taken twice unless it names none."""
    after = [mark for mark in heals if mark.at_s >= fault.at_s]
    own = next((mark for mark in after if mark.text == fault.text + _UNDONE), None)
    if own is not None:
        heals.remove(own)
        return own
    return next((mark for mark in after if mark.text.removesuffix(_UNDONE) not in names), None)


def _fault(trial: Trial, mark: Mark, heal: Mark | None, *, is_whole: bool) -> FaultSpan:
    text = mark.text.removeprefix(_BY_THE_DRILL)
    name, on, target = text.partition(" on ")
    is_strike = bool(on) and text == mark.text and not mark.source
    lasts = trial.verdict.outcome == "ABORTED" or is_strike or not is_whole
    end_s = heal.at_s if heal is not None else trial.duration_s if lasts else mark.at_s
    return FaultSpan(
        name=clean(name if is_strike else text) or clean(trial.experiment),
        target=clean(target if is_strike else trial.target),
        told=clean(text) or clean(trial.experiment),
        begin_s=mark.at_s,
        end_s=max(end_s, mark.at_s),
        undone=heal is not None,
    )


def _held(moment_ns: int) -> int:
    return max(0, min(moment_ns, LATEST_NS))
