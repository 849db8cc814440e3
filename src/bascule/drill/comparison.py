"""Two drills of one system beside each other: what changed, and whether by more than luck. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from bascule.drill.report import Report, Trial
from bascule.measure.statistics import spread
from bascule.measure.two_samples import (
    Shift,
    Tested,
    enough_of_each,
    fisher_test,
    holm,
    least_p,
    level_for,
    rank_test,
    shift,
)
from bascule.measure.verdict import Measure

ALPHA = 0.05
MET = "met"
Better = Literal["lower", "higher"]
Said = Literal["worse", "better", "no difference shown", "too few trials"]
_PARTS = ("detection", "failover", "client_recovery")
_COMPARED: dict[str, Better] = {
    "rto": "lower",
    "detection": "lower",
    "failover": "lower",
    "client_recovery": "lower",
    "redundancy_restored": "lower",
    "rpo_writes": "lower",
    "rpo_time": "lower",
    "availability_requests": "higher",
    "goodput": "higher",
    "incident_p99": "lower",
}


class Side(Struct, frozen=True, kw_only=True):
    """One drill's values of one measure.

    Attributes:
        trials: How many values there are; trials without one, and INVALID and ABORTED ones, have no place in it.
        met: Of the share that met the objectives: how many did.
        low, middle, high: Smallest, median and largest; infinite when it never came. None for the share.
    """

    trials: int
    met: int | None = None
    low: float | None = None
    middle: float | None = None
    high: float | None = None


class Change(Struct, frozen=True, kw_only=True):
    """One measure of one experiment in both drills, and what may be said of the difference.

    Attributes:
        measure: `met`, the share of trials that met every objective, or the name of a measure.
        better: Which direction is the better one.
        said: `too few trials` when so many trials could never have told, whatever they had measured.
        p: Of the test alone; `adjusted_p` takes every comparison of the table into account (Holm). None when untested.
        shift: By how much the second drill is higher (Hodges-Lehmann), for times and counts without infinite values.
        needed: Of `too few trials`: so many of each are needed at least, beside the other comparisons of the table.
        alike: Every value of both drills is the same one.
    """

    experiment: str
    measure: str
    title: str
    unit: str
    better: Better
    first: Side
    second: Side
    said: Said = "no difference shown"
    p: float | None = None
    adjusted_p: float | None = None
    method: str = ""
    shift: Shift | None = None
    needed: int | None = None
    alike: bool = False


class Comparison(Struct, frozen=True, kw_only=True):
    """Every change from the first drill to the second.

    Attributes:
        alpha: How likely it is at most that luck alone makes any of the changes look like more than luck.
        compared: How many of the changes were tested; what so few trials could never tell is not among them.
        notes: What else differs between the drills, and which trials were left out.
    """

    system: str
    changes: tuple[Change, ...]
    compared: int
    notes: tuple[str, ...] = ()
    alpha: float = ALPHA

    @property
    def exit_code(self) -> int:
        """0 nothing is worse beyond luck; 1 something is; 2 nothing can be told at all: too few trials."""
        if any(change.said == "worse" for change in self.changes):
            return 1
        return 0 if any(change.said != "too few trials" for change in self.changes) else 2


def obstacles(first: Report, second: Report) -> tuple[str, ...]:
    """Why the drills are not of one thing: other systems, other promises, other load; empty when they are."""
    found = []
    if first.system != second.system:
        found.append(f"the systems are {first.system!r} and {second.system!r}")
    gone = [each for each in first.objectives if each not in second.objectives]
    new = [each for each in second.objectives if each not in first.objectives]
    if gone or new:
        told = [f"only the first promises: {each}" for each in gone]
        told += [f"only the second promises: {each}" for each in new]
        found.append("; ".join(told))
    loads = [_only(report, "resolution") for report in (first, second)]
    if None not in loads and loads[0] != loads[1]:
        found.append(f"the loads differ: times are resolved to {loads[0]:g} s and to {loads[1]:g} s")
    return tuple(found)


def is_same_run(first: Report, second: Report) -> bool:
    """Whether both are the report of one drill."""
    return (first.started_wall_s, first.seed, first.command) == (second.started_wall_s, second.seed, second.command)


def experiments_of(report: Report) -> tuple[str, ...]:
    """Every experiment that was run and judged, in its order; the control trial is none."""
    return tuple(dict.fromkeys(trial.experiment for trial in report.trials if is_judged(trial)))


def is_judged(trial: Trial) -> bool:
    """Whether the trial counts: it ran, and its evidence carries a verdict."""
    return trial.experiment != "control" and not trial.skipped and trial.verdict.outcome in {"PASS", "FAIL"}


def value_of(trial: Trial, name: str) -> float | None:
    """A measure of a trial. Of a recovery that never came, the first part that is missing lasts for ever."""
    value = _measured(trial, name)
    told = {measure.name for measure in trial.verdict.measures}
    if value is None and name in told.intersection(_PARTS) and _measured(trial, "rto") == math.inf:
        missing = next(part for part in _PARTS if part in told and _measured(trial, part) is None)
        return math.inf if missing == name else None
    return value


def values_of(trials: Iterable[Trial], name: str) -> list[float]:
    """The measure of every trial that has it; not a number is none."""
    values = [value_of(trial, name) for trial in trials]
    return [value for value in values if value is not None and not math.isnan(value)]


def compare(first: Report, second: Report, alpha: float = ALPHA) -> Comparison:
    """Every measure of every experiment that both drills judged; nothing is called worse that luck may have made."""
    changes: list[Change] = []
    tests: list[Tested | None] = []
    for experiment in experiments_of(first):
        sides = [
            [trial for trial in report.trials if trial.experiment == experiment and is_judged(trial)]
            for report in (first, second)
        ]
        if not sides[1]:
            continue
        for change, tested in (_met(experiment, *sides), *_measures(experiment, *sides)):
            changes.append(change)
            tests.append(tested)
    said, compared = _judge(changes, tests, alpha)
    return Comparison(system=second.system, changes=said, compared=compared, notes=_notes(first, second), alpha=alpha)


def _met(experiment: str, first: Sequence[Trial], second: Sequence[Trial]) -> tuple[Change, Tested]:
    met = [sum(trial.verdict.outcome == "PASS" for trial in side) for side in (first, second)]
    change = Change(
        experiment=experiment,
        measure=MET,
        title="met every objective",
        unit="trials",
        better="higher",
        first=Side(trials=len(first), met=met[0]),
        second=Side(trials=len(second), met=met[1]),
        alike=sum(met) in {0, len(first) + len(second)},
    )
    return change, fisher_test(met[0], len(first), met[1], len(second))


def _measures(
    experiment: str, first: Sequence[Trial], second: Sequence[Trial]
) -> Iterable[tuple[Change, Tested | None]]:
    for name, better in _COMPARED.items():
        one, other = values_of(first, name), values_of(second, name)
        if not one and not other:
            continue
        described = next(
            measure for trial in (*first, *second) for measure in trial.verdict.measures if measure.name == name
        )
        change = Change(
            experiment=experiment,
            measure=name,
            title=described.title,
            unit=described.unit,
            better=better,
            first=_side(one),
            second=_side(other),
            shift=shift(one, other),
            alike=len({*one, *other}) == 1,
        )
        yield change, rank_test(one, other) if one and other else None


def _side(values: Sequence[float]) -> Side:
    seen = spread(values)
    if seen is None:
        return Side(trials=0)
    return Side(trials=len(values), low=seen.min, middle=seen.median, high=seen.max)


def _judge(changes: Sequence[Change], tests: Sequence[Tested | None], alpha: float) -> tuple[tuple[Change, ...], int]:
    """Each change with what may be said of it, and how many were tested.

    Only what these trials could have told at all is tested, and only that is paid for by the others.
    """
    level = level_for([tested.least for tested in tests if tested is not None], alpha)
    family = [at for at, tested in enumerate(tests) if tested is not None and tested.least <= level]
    adjusted = dict(zip(family, holm([_p(tests[at]) for at in family]), strict=True))
    unlike = sum(not change.alike for change in changes)
    needed = enough_of_each(level if family else alpha / max(1, unlike))
    said = []
    for at, (change, tested) in enumerate(zip(changes, tests, strict=True)):
        if tested is None or least_p(change.first.trials, change.second.trials) > level:
            said.append(replace(change, said="too few trials", needed=needed))
            continue
        p = adjusted.get(at)
        verdict: Said = "no difference shown"
        if p is not None and p <= alpha:
            verdict = "better" if (tested.towards > 0) == (change.better == "higher") else "worse"
        said.append(replace(change, said=verdict, p=tested.p, adjusted_p=p, method=tested.method))
    return tuple(said), len(family)


def _p(tested: Tested | None) -> float:
    assert tested is not None, "only what was tested is adjusted"  # noqa: S101 - states the family's condition
    return tested.p


def _notes(first: Report, second: Report) -> tuple[str, ...]:
    notes = []
    for which, one, other in (("first", first, second), ("second", second, first)):
        alone = [each for each in experiments_of(one) if each not in experiments_of(other)]
        if alone:
            notes.append(f"only the {which} drill has {', '.join(alone)}")
        counted = [trial for trial in one.trials if trial.experiment != "control"]
        out = [trial for trial in counted if not trial.skipped and not is_judged(trial)]
        if out:
            notes.append(f"{len(out)} of {len(counted)} trials of the {which} drill have no verdict and do not count")
        if any(trial.experiment == "control" and trial.verdict.outcome != "PASS" for trial in one.trials):
            notes.append(f"the control trial of the {which} drill was not clean")
    stated = (
        ("bascule", first.version, second.version),
        ("kernel", first.machine.kernel, second.machine.kernel),
        ("processors", first.machine.processors, second.machine.processors),
        ("memory in MiB", first.machine.memory_mib, second.machine.memory_mib),
        ("isolation", first.machine.platform, second.machine.platform),
        *(
            (name, first.machine.programs.get(name, "none"), second.machine.programs.get(name, "none"))
            for name in sorted({*first.machine.programs, *second.machine.programs})
        ),
    )
    notes.extend(f"{name}: {one} and then {other}" for name, one, other in stated if one != other)
    return tuple(notes)


def _only(report: Report, name: str) -> float | None:
    """The value of a measure that every trial of a drill shares."""
    return next((value for trial in report.trials if (value := _measured(trial, name)) is not None), None)


def _measured(trial: Trial, name: str) -> float | None:
    found: Measure | None = next((measure for measure in trial.verdict.measures if measure.name == name), None)
    return None if found is None else found.value
