"""The moments of a trial in order, counted from the fault, in lanes in which no label hides another. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from bascule.drill.render_words import clean, instant_texts
from bascule.drill.report import Mark, Trial

DRILL_LANE = "the drill"
_CHARACTER_PX = 6.4
_NAMED = re.compile(r"(?P<name>t[0-5])\b[:,. ]*(?P<text>.*)", re.DOTALL)


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the list of events.

    Attributes:
        label: What marks it in the chart: its number, or `t0` to `t5` for an instant.
        at_s: Seconds since the trial's start.
        shown_s: Seconds on the chart's axis: since the fault, or since the start when there was none.
        lane: Who said it.
    """

    label: str
    at_s: float
    shown_s: float
    kind: str
    lane: str
    text: str


class Label(Struct, frozen=True, kw_only=True):
    """A text in the chart that keeps clear of its neighbours: `row` counts from 0."""

    text: str
    shown_s: float
    row: int = 0


class Axis(Struct, frozen=True, kw_only=True):
    """The chart's time axis: what its zero is in seconds since the trial's start, and the seconds that it shows."""

    zero_s: float
    begin_s: float
    end_s: float
    width_px: float

    def px(self, shown_s: float) -> float:
        """Where a moment stands, in pixels from the left end."""
        return (shown_s - self.begin_s) / (self.end_s - self.begin_s) * self.width_px


def fault_at_s(trial: Trial) -> float | None:
    """When the fault was witnessed, in seconds since the trial's start; None when that is not known."""
    instants = trial.verdict.instants
    if instants is not None and trial.started_s is not None:
        return instants.t0_s - trial.started_s
    return min((mark.at_s for mark in trial.marks if mark.kind == "fault"), default=None)


def axis(trial: Trial, width_px: float) -> Axis:
    """An axis that holds every bin and every mark of the trial."""
    zero_s = fault_at_s(trial) or 0.0
    ends = [one.start_s + trial.bin_s for one in trial.bins] + [mark.at_s for mark in trial.marks]
    begins = [one.start_s for one in trial.bins] + [mark.at_s for mark in trial.marks]
    end_s = max([trial.duration_s, *ends], default=1.0)
    begin_s = min([0.0, *begins])
    return Axis(zero_s=zero_s, begin_s=begin_s - zero_s, end_s=max(end_s, begin_s + 1.0) - zero_s, width_px=width_px)


def entries(trial: Trial) -> tuple[Entry, ...]:
    """Every moment in time order: the instants by their names, everything else by numbers from 1."""
    zero_s = fault_at_s(trial)
    moments = [(mark.at_s, mark) for mark in (*_instants(trial, zero_s), *trial.marks)]
    found: list[Entry] = []
    number = 0
    for at_s, mark in sorted(moments, key=lambda moment: moment[0]):
        named = _NAMED.match(mark.text) if mark.kind in {"instant", "fault"} else None
        is_instant = named is not None and mark.kind == "instant"
        number += not is_instant
        found.append(
            Entry(
                label=named["name"] if named and is_instant else str(number),
                at_s=at_s,
                shown_s=at_s - (zero_s or 0.0),
                kind=clean(mark.kind),
                lane=clean(mark.source) or DRILL_LANE,
                text=clean(named["text"] if named else mark.text),
            )
        )
    return tuple(found)


def lanes(found: Iterable[Entry]) -> tuple[str, ...]:
    """Who spoke, the drill first, then in the order of their first words; instants need no lane."""
    spoke = dict.fromkeys(entry.lane for entry in found if entry.kind != "instant")
    return tuple(sorted(spoke, key=lambda lane: lane != DRILL_LANE))


def flags(found: Iterable[Entry], scale: Axis) -> tuple[Label, ...]:
    """The names of the instants and of the first heal, on as many rows as it takes for none to touch another."""
    ends_px: list[float] = []
    placed: dict[str, Label] = {}
    for entry in found:
        name = entry.label if entry.kind == "instant" else entry.kind
        if (entry.kind not in {"instant", "heal"}) or name in placed:
            continue
        begin_px = scale.px(entry.shown_s)
        row = next((row for row, end_px in enumerate(ends_px) if end_px < begin_px), len(ends_px))
        ends_px[row : row + 1] = [begin_px + 10 + len(name) * _CHARACTER_PX]
        placed[name] = Label(text=name, shown_s=entry.shown_s, row=row)
    return tuple(placed.values())


def numbers(found: Sequence[Entry], lane: str, scale: Axis) -> tuple[Label, ...]:
    """The numbers of a lane's events; events that stand too close for a number each share one: `4-9`."""
    groups: list[list[Entry]] = []
    for entry in found:
        if entry.lane != lane or entry.kind == "instant":
            continue
        if groups and scale.px(entry.shown_s) < _end_px(groups[-1], scale):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return tuple(Label(text=_together(group), shown_s=group[-1].shown_s) for group in groups)


def _end_px(group: Sequence[Entry], scale: Axis) -> float:
    return scale.px(group[-1].shown_s) + 20 + len(_together(group)) * _CHARACTER_PX


def _together(group: Sequence[Entry]) -> str:
    labels = [int(entry.label) for entry in group]
    if len(labels) == 1:
        return str(labels[0])
    whole = labels == list(range(labels[0], labels[-1] + 1))
    return f"{labels[0]}-{labels[-1]}" if whole else f"{labels[0]}..{labels[-1]} ({len(labels)})"


def _instants(trial: Trial, zero_s: float | None) -> tuple[Mark, ...]:
    instants = trial.verdict.instants
    if instants is None or zero_s is None:
        return ()
    told = {named["name"] for mark in trial.marks if mark.kind == "instant" and (named := _NAMED.match(mark.text))}
    return tuple(
        Mark(at_s=at_s - instants.t0_s + zero_s, kind="instant", text=f"{name} {text}")
        for name, text, at_s in instant_texts(instants)
        if name != "heal" and name not in told
    )
