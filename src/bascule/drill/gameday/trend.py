"""Whether verdicts and RTO get worse from one game day to the next, by more than luck. Pure.

One game day is one value: the median of its trials, since trials of one day share its machine, its build and its luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from bascule.drill.gameday.days import CONTROL, Day, TrialLine
from bascule.drill.render_words import clean
from bascule.measure.rank_trend import enough_in_a_row, slope, trend_test
from bascule.measure.statistics import spread
from bascule.measure.two_samples import holm, level_for
from bascule.measure.verdict import Outcome

ALPHA = 0.05
Said = Literal["worse", "better", "no trend shown", "too few game days"]
_BADNESS: tuple[Outcome, ...] = ("PASS", "FAIL", "INVALID", "ABORTED")


class Point(Struct, frozen=True, kw_only=True):
    """One experiment on one game day.

    Attributes:
        number: Of the game day, as the history lists it.
        outcome: The worst of its trials; empty when it was skipped, or the game day left no report.
        judged, met: So many trials were judged (PASS or FAIL), and so many of them passed.
        rto_s: The median of the judged trials; infinite when clients were never served again.
        changed: What is not as on the game day before: version, machine, system file, promise.
    """

    number: int
    started_s: float
    outcome: Outcome | Literal[""] = ""
    judged: int = 0
    met: int = 0
    rto_s: float | None = None
    promised_s: float | None = None
    rtos_s: tuple[float, ...] = ()
    changed: tuple[str, ...] = ()
    reason: str = ""


class Tendency(Struct, frozen=True, kw_only=True):
    """What may be said of one row of values in the order of their game days.

    Attributes:
        days: How many game days have a value.
        p: Of the test alone; `adjusted_p` takes every test of the whole trend into account (Holm). None when untested.
        slope: By how much each value is higher than the one before (Theil-Sen).
        needed: Of `too few game days`: so many are needed at least; None where there are as many, but too few differ.
        alike: Every value is the same one.
    """

    days: int
    said: Said = "too few game days"
    p: float | None = None
    adjusted_p: float | None = None
    method: str = ""
    slope: float | None = None
    needed: int | None = None
    alike: bool = False


class Series(Struct, frozen=True, kw_only=True):
    """One experiment over all game days: its points, and what may be said of its RTO and of its share of passes."""

    experiment: str
    points: tuple[Point, ...]
    rto: Tendency
    passes: Tendency


class Trend(Struct, frozen=True, kw_only=True):
    """Every experiment over all game days.

    Attributes:
        compared: How many tests were made; what so few game days could never tell is not among them.
        notes: What else is to be known before it is believed.
    """

    series: tuple[Series, ...]
    compared: int
    notes: tuple[str, ...] = ()
    alpha: float = ALPHA

    @property
    def exit_code(self) -> int:
        """0 nothing is worse beyond luck; 1 something is; 2 nothing can be told at all: too few game days."""
        every = [each for one in self.series for each in (one.rto, one.passes)]
        if any(each.said == "worse" for each in every):
            return 1
        return 0 if any(each.said != "too few game days" for each in every) else 2


class _Values(Struct, frozen=True):
    """Values to be tested, and whether higher is worse."""

    values: list[float]
    higher_is_worse: bool


def trend(days: Sequence[Day], experiments: Sequence[str] = ()) -> Trend:
    """The trend of every experiment, or of those that are named, over the days in their order."""
    over = [one for one in days if one.state != "running"]
    names = experiments or list(dict.fromkeys(t.experiment for one in over for t in one.trials))
    rows = {name: _points(name, over) for name in names if name != CONTROL}
    tested = [_Values(*each) for points in rows.values() for each in (_rtos(points), _shares(points))]
    found, compared = _tendencies(tested)
    series = tuple(
        Series(experiment=name, points=points, rto=found[2 * at], passes=found[2 * at + 1])
        for at, (name, points) in enumerate(rows.items())
    )
    return Trend(series=series, compared=compared, notes=_notes(over))


def _points(experiment: str, days: list[Day]) -> tuple[Point, ...]:
    points: list[Point] = []
    before: tuple[Day, float | None] | None = None
    for one in days:
        lines = [line for line in one.trials if line.experiment == experiment]
        if not lines and one.trials:
            continue  # it was not part of that game day
        point = _point(one, lines)
        if lines:
            point = replace(point, changed=_changed(before, one, point.promised_s))
            before = (one, point.promised_s)
        points.append(point)
    while points and not any(line.number == points[0].number for line in days if line.trials):
        points.pop(0)  # what left no report before the first one says nothing of this experiment
    return tuple(points)


def _point(one: Day, lines: list[TrialLine]) -> Point:
    judged = [line for line in lines if line.outcome in {"PASS", "FAIL"}]
    rtos = tuple(line.rto_s for line in judged if line.rto_s is not None)
    middle = spread(rtos)
    outcomes = [line.outcome for line in lines if line.outcome]
    return Point(
        number=one.number,
        started_s=one.started_s,
        outcome=max(outcomes, key=_BADNESS.index) if outcomes else "",
        judged=len(judged),
        met=sum(line.outcome == "PASS" for line in judged),
        rto_s=middle.median if middle else None,
        promised_s=next((line.promised_s for line in lines if line.promised_s is not None), None),
        rtos_s=rtos,
        reason=next((line.reason for line in lines if line.reason), "") if lines else one.error or one.state,
    )


def _changed(before: tuple[Day, float | None] | None, one: Day, promised_s: float | None) -> tuple[str, ...]:
    if before is None:
        return ()
    day, held_to_s = before
    said = []
    if day.version != one.version:
        said.append(f"bascule {one.version}")
    if day.machine != one.machine:
        said.append("another machine")
    if day.system and one.system and day.system != one.system:
        said.append("system file")
    if None not in (held_to_s, promised_s) and held_to_s != promised_s:
        said.append(f"promise {promised_s:g} s")
    return tuple(said)


def _rtos(points: tuple[Point, ...]) -> tuple[list[float], bool]:
    return [one.rto_s for one in points if one.rto_s is not None], True


def _shares(points: tuple[Point, ...]) -> tuple[list[float], bool]:
    return [one.met / one.judged for one in points if one.judged], False


def _tendencies(rows: list[_Values]) -> tuple[list[Tendency], int]:
    """Each row tested as one of a family: what can never be told costs the others nothing."""
    tests = [trend_test(row.values) if row.values else None for row in rows]
    least = [test.least for test in tests if test is not None]
    level = level_for(least, ALPHA)
    able = [at for at, test in enumerate(tests) if test is not None and test.least <= level]
    adjusted = dict(zip(able, holm([one.p for at in able if (one := tests[at]) is not None]), strict=True))
    enough = enough_in_a_row(ALPHA)
    found = []
    for at, (row, test) in enumerate(zip(rows, tests, strict=True)):
        needed = enough_in_a_row(level)
        told = Tendency(days=len(row.values), needed=needed if needed > len(row.values) else None)
        if test is not None and at in adjusted:
            shown = adjusted[at] <= ALPHA
            worse = (test.towards > 0) == row.higher_is_worse
            told = Tendency(
                days=len(row.values),
                said=("worse" if worse else "better") if shown else "no trend shown",
                p=test.p,
                adjusted_p=adjusted[at],
                method=test.method,
                slope=slope(row.values),
            )
        elif len(set(row.values)) == 1 and len(row.values) >= enough:
            told = Tendency(days=len(row.values), said="no trend shown", alike=True)
        found.append(told)
    return found, len(able)


def _notes(days: list[Day]) -> tuple[str, ...]:
    reported = [one for one in days if one.trials]
    machines = list(dict.fromkeys(one.machine for one in reported))
    versions = list(dict.fromkeys(one.version for one in reported))
    said = []
    if len(machines) > 1:
        said.append(f"measured on {len(machines)} machines, which may be all the difference: {'; '.join(machines)}")
    if len(versions) > 1:
        said.append(f"by {len(versions)} versions of bascule: {', '.join(versions)}")
    if lost := len(days) - len(reported):
        said.append(f"{lost} game day{'s' if lost > 1 else ''} left no report")
    return tuple(map(clean, said))
