"""Game days in words, the same in the terminal and on the page. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.drill.gameday.calendar import Date
from bascule.drill.gameday.days import Day
from bascule.drill.gameday.trend import Point, Series, Tendency, Trend
from bascule.drill.render_words import clean, number_text

LETTERS = {"PASS": "P", "FAIL": "F", "INVALID": "I", "ABORTED": "A", "": "·"}
LEGEND = "P pass, F fail, I invalid, A aborted, · not run"


def answer_text(found: Trend) -> str:
    """The whole trend in one line: what got worse or better beyond luck, or that this cannot be told."""
    if not found.series:
        return "no game day has left a report yet"
    told = []
    for said in ("worse", "better"):
        named = [f"RTO of {one.experiment}" for one in found.series if one.rto.said == said]
        named += [f"passes of {one.experiment}" for one in found.series if one.passes.said == said]
        if named:
            told.append(f"{said} beyond luck: {', '.join(named)}")
    if told:
        return clean("; ".join(told))
    if found.exit_code == 2:
        return "too few game days to tell anything"
    return "nothing got worse or better beyond luck; a smaller change than so many game days show may be there"


def rto_text(one: Series) -> str:
    """What may be said of an experiment's RTO, and how sure."""
    told = one.rto
    values = [point.rto_s for point in one.points if point.rto_s is not None]
    if not values:
        return "no RTO was measured"
    span = f"{number_text(values[0], 's')} at first, {number_text(values[-1], 's')} at last"
    head = f"RTO {span}: "
    if told.said in {"too few game days", "no trend shown"}:
        return head + _undecided(told)
    way = "got longer" if told.said == "worse" else "got shorter"
    by = f", by about {number_text(abs(told.slope), 's')} each game day" if told.slope else ""
    return f"{head}{way} by more than noise{by} ({_p(told)})"


def passes_text(one: Series) -> str:
    """How often an experiment passed, and what may be said of that over time."""
    judged = sum(point.judged for point in one.points)
    met = sum(point.met for point in one.points)
    if not judged:
        return "no trial was judged"
    told = one.passes
    head = f"passed {met} of {judged} trials: "
    if told.said in {"too few game days", "no trend shown"}:
        return head + _undecided(told)
    return (
        f"{head}passes {'less' if told.said == 'worse' else 'more'} often than before, by more than luck ({_p(told)})"
    )


def methods_text(found: Trend) -> str:
    """How it was tested."""
    methods = dict.fromkeys(each.method for one in found.series for each in (one.rto, one.passes) if each.method)
    if not methods:
        return ""
    return (
        f"one value each game day (the median of its judged trials), tested two-sided by {'; '.join(methods)}; each p "
        f"is adjusted for all {found.compared} tests that so many game days can tell (Holm), and counts up to "
        f"{found.alpha:g}"
    )


def state_text(one: Day, *, running: bool = True) -> str:
    """How a game day ended: its outcome, or why there is none."""
    if one.state == "done":
        return one.outcome
    if one.state == "running":
        return "running" if running else "interrupted"
    return one.state


def point_text(point: Point) -> str:
    """One point in words, for those who cannot see it."""
    rto = f", RTO {number_text(point.rto_s, 's')}" if point.rto_s is not None else ""
    changed = f"; since here: {', '.join(point.changed)}" if point.changed else ""
    reason = f": {point.reason}" if point.reason else ""
    return clean(f"game day {point.number}: {point.outcome or 'not run'}{rto}{reason}{changed}")


def letters(points: Sequence[Point]) -> str:
    """The verdicts in their order, a letter each."""
    return "".join(LETTERS[point.outcome] for point in points)


def date_text(one: Date) -> str:
    """A date of the calendar: `Tue 2026-03-31 10:00 CEST`."""
    return f"{one.wall:%a %Y-%m-%d %H:%M %Z}"


def _undecided(told: Tendency) -> str:
    if told.said == "too few game days":
        if told.needed is None:
            return f"too few of the {told.days} game days differ to tell a trend"
        return f"too few game days to tell a trend ({told.days}; at least {told.needed} are needed)"
    if told.alike:
        return f"the same on all {told.days} game days"
    return f"no trend shown ({_p(told)}); one smaller than {told.days} game days show may be there"


def _p(told: Tendency) -> str:
    p = told.adjusted_p or 0.0
    return "p < 0.0001" if p < 0.0001 else f"p {p:.2g}"
