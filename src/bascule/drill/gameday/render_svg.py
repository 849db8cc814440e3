"""One experiment over all game days as inline SVG: RTO, promise, verdicts, and what changed between them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bascule.drill.gameday.render_words import LETTERS, letters, point_text
from bascule.drill.gameday.trend import Point, Series
from bascule.drill.render_words import clean, number_text, utc_text

WIDTH_PX = 1060
LEFT_PX, RIGHT_PX = 78, 24
TOP_PX, PLOT_PX = 42, 200
VERDICT_PX, DATES_PX = 34, 26
HEIGHT_PX = TOP_PX + PLOT_PX + VERDICT_PX + DATES_PX
MOST_DATES = 9
_STEPS = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)


def trend_chart(one: Series) -> str:
    """One SVG element with a text alternative; letters and shapes tell verdicts, not colour alone."""
    top_s = _top_s(one.points)
    parts = [
        *_axis(top_s),
        *_changes(one.points),
        *_promise(one.points, top_s),
        *_line(one.points, top_s),
        *(_point(one.points, at, top_s) for at in range(len(one.points))),
        *_dates(one.points),
    ]
    label = _text(f"RTO and verdicts of {one.experiment}, game day by game day: {letters(one.points)}")
    return (
        f'<svg class="trend" role="img" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" width="{WIDTH_PX}" '
        f'height="{HEIGHT_PX}" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _top_s(points: Sequence[Point]) -> float:
    """A round number of seconds with room for everything that is finite."""
    values = [one.promised_s for one in points if one.promised_s is not None]
    values += [rto for one in points for rto in one.rtos_s if math.isfinite(rto)]
    most = max(values, default=1.0) * 1.08 or 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return float(next(step * power for step in _STEPS if step * power >= most))


def _x(points: Sequence[Point], at: int) -> float:
    room = WIDTH_PX - LEFT_PX - RIGHT_PX
    return LEFT_PX + room * (at + 0.5) / len(points)


def _y(value_s: float, top_s: float) -> float:
    if math.isinf(value_s):
        return TOP_PX - 8
    return TOP_PX + PLOT_PX * (1 - value_s / top_s)


def _axis(top_s: float) -> list[str]:
    parts = []
    for quarter in range(5):
        value = top_s * quarter / 4
        y = _y(value, top_s)
        parts.append(f'<line class="grid" x1="{LEFT_PX}" x2="{WIDTH_PX - RIGHT_PX}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{LEFT_PX - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g} s</text>')
    parts.append(f'<text class="axis" x="{LEFT_PX - 8}" y="{TOP_PX + PLOT_PX + 24}" text-anchor="end">verdict</text>')
    return parts


def _changes(points: Sequence[Point]) -> list[str]:
    """A dotted line before each game day on which something else is not as it was, and what."""
    parts = []
    row = 0
    for at, one in enumerate(points):
        if not one.changed:
            continue
        x = _x(points, at) - (WIDTH_PX - LEFT_PX - RIGHT_PX) / len(points) / 2
        end = x > WIDTH_PX * 0.7
        text = _text(", ".join(one.changed))
        parts.append(f'<line class="change" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{TOP_PX + PLOT_PX}"/>')
        anchor = f'x="{x - 5 if end else x + 5:.1f}" y="{12 + 13 * (row % 2)}"{" text-anchor=" + _END if end else ""}'
        parts.append(f'<text class="axis" {anchor}>{text}</text>')
        row += 1
    return parts


_END = '"end"'


def _promise(points: Sequence[Point], top_s: float) -> list[str]:
    half = (WIDTH_PX - LEFT_PX - RIGHT_PX) / len(points) / 2
    steps = [
        f"M{_x(points, at) - half:.1f},{_y(one.promised_s, top_s):.1f}h{2 * half:.1f}"
        for at, one in enumerate(points)
        if one.promised_s is not None
    ]
    last = next((one.promised_s for one in reversed(points) if one.promised_s is not None), None)
    if last is None:
        return []
    y = _y(last, top_s) - 6
    text = f"promised {number_text(last, 's')}"
    return [
        f'<path class="promise" d="{"".join(steps)}"/>',
        f'<text class="promised" x="{WIDTH_PX - RIGHT_PX - 4}" y="{y:.1f}" text-anchor="end">{_text(text)}</text>',
    ]


def _line(points: Sequence[Point], top_s: float) -> list[str]:
    """The medians joined; broken where a game day has none."""
    path, pen = "", "M"
    for at, one in enumerate(points):
        if one.rto_s is None or math.isinf(one.rto_s):
            pen = "M"
            continue
        path += f"{pen}{_x(points, at):.1f},{_y(one.rto_s, top_s):.1f}"
        pen = "L"
    return [f'<path class="medians" d="{path}"/>'] if path else []


def _point(points: Sequence[Point], at: int, top_s: float) -> str:
    one, x = points[at], _x(points, at)
    kind = one.outcome or "none"
    svg = f'<g class="point {kind}"><title>{_text(point_text(one))}</title>'
    if len(one.rtos_s) > 1:
        svg += "".join(f'<circle class="trial" cx="{x:.1f}" cy="{_y(rto, top_s):.1f}" r="2.5"/>' for rto in one.rtos_s)
    if one.rto_s is not None:
        y = _y(one.rto_s, top_s)
        if math.isinf(one.rto_s):
            svg += f'<text class="never" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">∞</text>'
        elif one.outcome == "PASS":
            svg += f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        else:
            svg += f'<path class="mark" d="M{x - 5:.1f},{y - 5:.1f}l10,10m0,-10l-10,10"/>'
    size = min(22.0, (WIDTH_PX - LEFT_PX - RIGHT_PX) / len(points) - 2)
    y = TOP_PX + PLOT_PX + 9
    svg += f'<rect class="verdict" x="{x - size / 2:.1f}" y="{y}" width="{size:.1f}" height="22" rx="4"/>'
    if size >= 9:
        letter = LETTERS[one.outcome]
        svg += f'<text class="letter" x="{x:.1f}" y="{y + 15.5}" text-anchor="middle">{letter}</text>'
    return svg + "</g>"


def _dates(points: Sequence[Point]) -> list[str]:
    every = max(1, math.ceil(len(points) / MOST_DATES))
    y = HEIGHT_PX - 8
    return [
        f'<text class="axis" x="{_x(points, at):.1f}" y="{y}" text-anchor="middle">'
        f"{utc_text(one.started_s)[:10]}</text>"
        for at, one in enumerate(points)
        if at % every == 0
    ]


def _text(value: str) -> str:
    return escape(clean(value), quote=True)
