"""Charts of a prediction: how months differ, what each change saves, what a recovery is made of. Pure.

They are SVG and text without any script; their colours are the page's variables, so that they follow light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from bascule.availability.prediction import Prediction, Recovery
from bascule.availability.render.markup import piece, quiet, result, stack, text
from bascule.availability.render.words import (
    count_text,
    duration_text,
    period_words,
    probability_text,
    rpo_text,
    rto_text,
    short,
)
from bascule.availability.simulation.months import Months

TICKS_S = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0, 30 * 86400.0)
_WIDE, _NARROW = 1060, 340
_HEIGHT, _ABOVE, _BELOW, _ZERO_W = 260, 34, 44, 64
_MOST_PARTS = 12
_TIMELY = {True: "in time", False: "too late", None: ""}
_KEPT = {True: "kept", False: "not kept", None: ""}


class Column(NamedTuple):
    """One bar of the histogram: which downtimes, and which share of months."""

    low_s: float
    high_s: float
    share: float


def months_chart(months: Months, budget_s: float) -> str:
    """The distribution of a month's downtime, twice: for wide and for narrow screens, one of which is shown."""
    columns = columns_of(months)
    none = months.histogram.zero / months.months if months.months else 0.0
    alternative = text(_months_in_words(months, budget_s))
    return "".join(
        f'<svg class="chart {css}" role="img" viewBox="0 0 {width} {_HEIGHT}" aria-label="{alternative}">'
        f"{_months_body(columns, none, budget_s, width, period_words(months.month_s))}</svg>"
        for css, width in (("wide", _WIDE), ("narrow", _NARROW))
    )


def columns_of(months: Months) -> tuple[Column, ...]:
    """The bars of the months that had downtime; every two neighbours joined until there are at most 40."""
    edges, counts = list(months.histogram.edges_s), list(months.histogram.counts)
    while len(counts) > 40:
        counts = [sum(counts[index : index + 2]) for index in range(0, len(counts), 2)]
        edges = [*edges[:-1:2], edges[-1]]
    every = max(1, months.months)
    return tuple(
        Column(low, high, count / every) for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _months_in_words(months: Months, budget_s: float) -> str:
    return (
        f"Histogram of the downtime of {months.months:,} simulated {period_words(months.month_s)[1]}: "
        f"{probability_text(months.no_downtime.value)} have none; the mean is "
        f"{duration_text(months.downtime_s.value)}; the budget of {duration_text(budget_s)} is a line."
    )


class _Axis(NamedTuple):
    """A logarithmic axis of times, from px to px."""

    low_s: float
    high_s: float
    left: float
    right: float

    def x(self, seconds: float) -> float:
        share = math.log(max(seconds, self.low_s) / self.low_s) / math.log(self.high_s / self.low_s)
        return self.left + min(1.0, max(0.0, share)) * (self.right - self.left)


def _months_body(columns: Sequence[Column], none: float, budget_s: float, width: int, words: tuple[str, str]) -> str:
    period, periods = words
    low_s = min([one.low_s for one in columns] + [budget_s or 1.0]) / 1.5
    high_s = max([one.high_s for one in columns] + [budget_s or 1.0]) * 1.5
    axis = _Axis(max(low_s, 1e-4), max(high_s, low_s * 10), 8 + _ZERO_W + 22, width - 8)
    tallest = max([none, *(one.share for one in columns)], default=0.0) or 1.0
    base, room = _HEIGHT - _BELOW, _HEIGHT - _BELOW - _ABOVE

    def column(x: float, wide: float, share: float, css: str, tip: str) -> str:
        tall = max(1.0 if share else 0.0, share / tallest * room)
        return (
            f'<rect class="{css}" x="{x:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
            f"<title>{text(tip)}</title></rect>"
        )

    body = column(8, _ZERO_W - 8, none, "none", f"no downtime: {probability_text(none)} of {periods}")
    top = base - none / tallest * room
    body += f'<text class="share" x="{8 + (_ZERO_W - 8) / 2}" y="{top - 6:.1f}" text-anchor="middle">'
    body += f"{text(probability_text(none))}</text>"
    body += f'<text class="tick" x="{8 + (_ZERO_W - 8) / 2}" y="{base + 17}" text-anchor="middle">none</text>'
    for one in columns:
        x = axis.x(one.low_s)
        tip = f"{duration_text(one.low_s)} to {duration_text(one.high_s)}: {probability_text(one.share)} of {periods}"
        end, split = axis.x(one.high_s) - 1, axis.x(min(one.high_s, max(one.low_s, budget_s)))
        body += column(x, min(split, end) - x, one.share, "under", tip) if one.low_s < budget_s else ""
        body += column(split, end - split, one.share, "over", tip) if budget_s < one.high_s else ""
    body += f'<path class="axis" d="M8,{base} H{_ZERO_W} M{axis.left},{base} H{axis.right}"/>'
    return body + _ticks(axis, base, period) + _budget(axis, budget_s, base)


def _ticks(axis: _Axis, base: int, period: str) -> str:
    body, last = "", -math.inf
    for tick in TICKS_S:
        x = axis.x(tick)
        if not axis.low_s <= tick <= axis.high_s or x - last < 56 or x > axis.right - 18 or x < axis.left + 10:
            continue
        body += f'<path class="axis" d="M{x:.1f},{base} v5"/>'
        body += f'<text class="tick" x="{x:.1f}" y="{base + 17}" text-anchor="middle">{duration_text(tick)}</text>'
        last = x
    middle = (axis.left + axis.right) / 2
    return body + (
        f'<text class="tick" x="{middle:.1f}" y="{base + 36}" text-anchor="middle">downtime in one {period}</text>'
    )


def _budget(axis: _Axis, budget_s: float, base: int) -> str:
    if budget_s <= 0:
        return ""
    x = axis.x(budget_s)
    anchor, at = ("end", x - 6) if x > (axis.left + axis.right) / 2 else ("start", x + 6)
    return (
        f'<path class="budget" d="M{x:.1f},8 V{base}"/>'
        f'<text class="budget" x="{at:.1f}" y="18" text-anchor="{anchor}">budget {text(duration_text(budget_s))}</text>'
    )


def months_words(prediction: Prediction, months: Months) -> str:
    """What the chart says in sentences: how often the budget is kept, typical and bad months, and what to rely on."""
    said = []
    if prediction.window_probability is not None:
        value, low, high = prediction.window_probability
        said.append(
            f"The promise is kept in {probability_text(value)} of windows of {duration_text(prediction.window_s)} "
            f"({probability_text(low)} to {probability_text(high)}, {months.confidence * 100:.4g} % sure)."
        )
    tails = ", ".join(
        f"{(1 - one.probability) * 100:.3g} % exceed {duration_text(one.downtime_s.value)}"
        for one in months.quantiles
        if one.probability >= 0.5
    )
    said.append(f"Of all {period_words(months.month_s)[1]} {tails}." if tails else "")
    return " ".join(filter(None, said))


def recovery_chart(recovery: Recovery) -> str:
    """One scope's recovery as a bar of its named parts, with the promise as a line, and what is lost."""
    met, kept = recovery.meets_rto, recovery.meets_rpo
    served = "Not served for" if recovery.rto_s > 0 else "Time without service:"
    head = (
        f"<h3>Loss of one {text(recovery.scope)} {result(_TIMELY[met], met=met)}</h3>"
        f"<p>{served} <b>{text(rto_text(recovery))}</b> <span class=quiet>(worst: {text(recovery.worst)})</span>"
    )
    head += f"<br>Work lost: <b>{text(rpo_text(recovery))}</b> {result(_KEPT[kept], met=kept)}"
    head += (
        f" <span class=quiet>{text(recovery.lost_because)}</span></p>"
        if recovery.lost_because and recovery.lost_s != 0
        else "</p>"
    )
    return f"<div class=recovery>{head}{_parts(recovery)}</div>"


def _parts(recovery: Recovery) -> str:
    known = [part for part in recovery.parts if math.isfinite(part.seconds) and part.seconds > 0]
    whole = sum(part.seconds for part in known)
    if not whole:
        return ""
    promised = recovery.promised_rto_s
    room = max(whole, promised or 0.0) * (1.03 if promised else 1.0)
    shares = [part.seconds / room for part in known]
    mark = None if promised is None or math.isinf(promised) else promised / room
    terms = "".join(
        f'<li><span class="key {piece(index)}"></span>{text(short(part.name, 120))} '
        f"<b>{text(duration_text(part.seconds))}</b></li>"
        for index, part in enumerate(known[:_MOST_PARTS])
    )
    if len(known) > _MOST_PARTS:
        terms += f"<li class=quiet>and {text(count_text(len(known) - _MOST_PARTS, 'part'))} more</li>"
    if mark is not None:
        terms += f'<li class=quiet><span class="key mark"></span>promised {text(duration_text(promised or 0.0))}</li>'
    return f"{stack(shares, mark=mark)}<ul class=legend>{terms}</ul>"


def scale_words() -> str:
    """How to read the bars of recoveries."""
    return quiet("Each bar has its own scale: as long as the recovery, or as its promise if that is longer.")
