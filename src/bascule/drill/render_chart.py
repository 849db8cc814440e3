"""A trial's timeline as a Vega-Lite chart: instants, events, requests and their latency on one time axis. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from bascule.drill.render_timeline import Axis, Entry, axis, entries, fault_at_s, flags, lanes, numbers
from bascule.drill.render_words import Part, part_texts
from bascule.drill.report import Trial

Panel = alt.LayerChart | alt.FacetChart
WIDTH_PX = 880
LABELS_PX = 150
LANE_PX = 22
OUTCOMES = {"good": "var(--good)", "late": "var(--late)", "failed": "var(--failed)", "unknown": "var(--unknown)"}
LATENCIES = {"p50": ("var(--p50)", (1, 0)), "p99": ("var(--p99)", (6, 2)), "max": ("var(--max)", (1.5, 2.5))}
PARTS = {"detection": "var(--part-1)", "failover": "var(--part-2)", "client": "var(--part-3)"}
BOLT = "M0.4,-1.2L-0.8,0.25L-0.1,0.25L-0.4,1.2L0.8,-0.3L0.1,-0.3Z"
CROSS = "M-0.8,-0.5L-0.5,-0.8L0,-0.3L0.5,-0.8L0.8,-0.5L0.3,0L0.8,0.5L0.5,0.8L0,0.3L-0.5,0.8L-0.8,0.5L-0.3,0Z"
STAR = "M0,-1L0.29,-0.31L1,-0.31L0.43,0.14L0.63,0.86L0,0.44L-0.63,0.86L-0.43,0.14L-1,-0.31L-0.29,-0.31Z"
SHAPES = {
    "fault": (BOLT, "var(--failed)"),
    "heal": ("cross", "var(--pass)"),
    "noticed": ("triangle-up", "var(--late)"),
    "lease": ("diamond", "var(--part-1)"),
    "promoted": (STAR, "var(--pass)"),
    "demoted": ("triangle-down", "var(--failed)"),
    "restarted": ("square", "var(--part-1)"),
    "ready": ("circle", "var(--pass)"),
    "rejoined": ("triangle-right", "var(--pass)"),
    "server_down": (CROSS, "var(--failed)"),
    "server_up": ("M-0.9,0.1L-0.6,-0.2L-0.25,0.15L0.6,-0.7L0.9,-0.4L-0.25,0.75Z", "var(--pass)"),
}
OTHER = ("M-0.8,0L0,-0.8L0.8,0L0,0.8L-0.8,0L-0.4,0L0,0.4L0.4,0L0,-0.4L-0.4,0Z", "var(--ink-2)")


def chart(trial: Trial) -> dict[str, Any]:
    """A Vega-Lite specification. Its colours are the page's CSS variables, so that it follows light, dark and print."""
    scale = axis(trial, WIDTH_PX)
    found = entries(trial)
    panels = [*_instants_panels(trial, found, scale)]
    if lanes(found):
        panels.append(_lanes_panel(found, scale))
    panels += [_requests_panel(scale), _latency_panel(trial, scale)]
    whole = alt.vconcat(*panels, spacing=30, bounds="flush").resolve_scale(
        color="independent", shape="independent", strokeDash="independent"
    )
    document: dict[str, Any] = whole.properties(autosize=alt.AutoSizeParams(type="pad")).to_dict()
    document.pop("config", None)
    document["datasets"] = {
        **document.get("datasets", {}),
        "bins": [_bin_row(trial, index, scale) for index in range(len(trial.bins))],
        "rules": [{"t": _t(label.shown_s)} for label in flags(found, scale)],
    }
    return document


def description(trial: Trial) -> str:
    """What the chart shows, for those who cannot see it."""
    bad = sum(one.late + one.failed + one.unknown for one in trial.bins)
    every = sum(one.good for one in trial.bins) + bad
    return (
        f"Timeline of {trial.title or trial.experiment}: {every:,} operations over {trial.duration_s:.0f} seconds, "
        f"of which {bad:,} were not good; under it their latency. The events are listed in the table below."
    )


def _instants_panels(trial: Trial, found: Sequence[Entry], scale: Axis) -> list[Panel]:
    labels = flags(found, scale)
    if not labels:
        return []
    rows = [{"t": _t(label.shown_s), "row": label.row, "text": label.text} for label in labels]
    height = 15 * (1 + max(label.row for label in labels))
    text = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_text(align="left", dx=4, fontSize=12, fontWeight="bold", color="var(--ink)")
        .encode(x=_x(scale, shown=False), y=alt.Y("row:O", axis=None), text="text:N")
    )
    panels = [alt.layer(_rules(scale), text).properties(width=WIDTH_PX, height=height)]
    parts = part_texts(trial.verdict)[1]
    return [*panels, _parts_panel(parts, scale)] if parts else panels


def _parts_panel(parts: Sequence[tuple[Part, str]], scale: Axis) -> Panel:
    rows = [
        {
            "t": _t(part.start_s),
            "end": _t(part.start_s + part.seconds),
            "middle": _t(part.start_s + part.seconds / 2),
            "part": part.name,
            "colour": PARTS.get(part.name, "var(--part-1)"),
            "seconds": text,
            "text": _fitting(f"{part.name} {text}", part.seconds, scale),
            "lane": "recovery",
        }
        for part, text in parts
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    bar = base.mark_bar(height=18, stroke="var(--paper)").encode(
        x=_x(scale, shown=False),
        x2="end:Q",
        y=_lane_y(["recovery"]),
        color=alt.Color("colour:N", scale=None),
        tooltip=["part:N", "seconds:N"],
    )
    text = base.mark_text(color="var(--on-part)", fontSize=11).encode(
        x=_x(scale, shown=False, field="middle"), y=_lane_y(["recovery"]), text="text:N"
    )
    return alt.layer(_rules(scale), bar, text).properties(width=WIDTH_PX, height=LANE_PX)


def _fitting(text: str, seconds: float, scale: Axis) -> str:
    room_px = seconds / (scale.end_s - scale.begin_s) * scale.width_px
    return text if len(text) * 6.5 < room_px else ""


def _lanes_panel(found: Sequence[Entry], scale: Axis) -> Panel:
    names = lanes(found)
    events = [entry for entry in found if entry.kind != "instant"]
    looks_of = {_words(entry.kind): SHAPES.get(entry.kind, OTHER) for entry in events}
    kinds, looks = list(looks_of), list(looks_of.values())
    rows = [
        {"t": _t(e.shown_s), "lane": e.lane, "kind": _words(e.kind), "number": e.label, "text": e.text[:200]}
        for e in events
    ]
    labels = [
        {"t": _t(label.shown_s), "lane": lane, "text": label.text}
        for lane in names
        for label in numbers(found, lane, scale)
    ]
    points = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=150, opacity=1, stroke="var(--paper)", strokeWidth=0.6)
        .encode(
            x=_x(scale, shown=False),
            y=_lane_y(names),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=kinds, range=[shape for shape, _ in looks]), legend=_legend(len(kinds))
            ),
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[colour for _, colour in looks])),
            tooltip=["number:N", alt.Tooltip("t:Q", title="seconds"), "lane:N", "kind:N", "text:N"],
        )
    )
    texts = (
        alt.Chart(alt.InlineData(values=labels))
        .mark_text(align="left", dx=9, fontSize=11, color="var(--ink)")
        .encode(x=_x(scale, shown=False), y=_lane_y(names), text="text:N")
    )
    height = LANE_PX * len(names)
    return alt.layer(_rules(scale), points, texts).properties(width=WIDTH_PX, height=height)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _requests_panel(scale: Axis) -> Panel:
    bars = (
        alt.Chart(alt.NamedData(name="bins"))
        .transform_fold([*OUTCOMES], as_=["outcome", "per_s"])
        .transform_calculate(order=f"indexof({list(OUTCOMES)}, datum.outcome)")
        .transform_stack(
            stack="per_s", as_=["low", "high"], groupby=["t"], sort=[alt.SortField(field="order", order="ascending")]
        )
        .mark_rect(strokeWidth=0)
        .encode(
            x=_x(scale, shown=False),
            x2="end:Q",
            y=alt.Y("low:Q", title="operations per second", axis=alt.Axis(tickCount=4)),
            y2="high:Q",
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=list(OUTCOMES), range=list(OUTCOMES.values())),
                legend=_legend(len(OUTCOMES)),
            ),
            tooltip=[
                alt.Tooltip("t:Q", title="seconds"),
                *(alt.Tooltip(f"{name}:Q", title=f"{name} per s") for name in OUTCOMES),
            ],
        )
    )
    return alt.layer(bars, _rules(scale)).properties(width=WIDTH_PX, height=150)


def _latency_panel(trial: Trial, scale: Axis) -> Panel:
    names = list(LATENCIES)
    lines = (
        alt.Chart(alt.NamedData(name="bins"))
        .transform_fold([*names], as_=["latency", "ms"])
        .mark_line(strokeWidth=1.6, interpolate="linear", invalid="break-paths-show-path-domains")
        .encode(
            x=_x(scale, shown=True, field="middle", title=_axis_title(trial)),
            y=alt.Y("ms:Q", scale=alt.Scale(type="log", nice=True), title="latency, ms", axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "latency:N",
                scale=alt.Scale(domain=names, range=[colour for colour, _ in LATENCIES.values()]),
                legend=_legend(len(names), lines=True),
            ),
            strokeDash=alt.StrokeDash(
                "latency:N",
                scale=alt.Scale(domain=names, range=[list(dash) for _, dash in LATENCIES.values()]),
                legend=_legend(len(names), lines=True),
            ),
            tooltip=[
                alt.Tooltip("t:Q", title="seconds"),
                *(alt.Tooltip(f"{name}:Q", title=f"{name} ms") for name in names),
            ],
        )
    )
    return alt.layer(_rules(scale, shown=True, title=_axis_title(trial)), lines).properties(width=WIDTH_PX, height=130)


def _axis_title(trial: Trial) -> str:
    return "seconds since the start" if fault_at_s(trial) is None else "seconds since the fault"


def _rules(scale: Axis, *, shown: bool = False, title: str | None = None) -> alt.Chart:
    rules = alt.Chart(alt.NamedData(name="rules")).mark_rule(color="var(--rule)", strokeDash=[3, 3], strokeWidth=1)
    encoded: alt.Chart = rules.encode(x=_x(scale, shown=shown, title=title))
    return encoded


def _x(scale: Axis, *, shown: bool, field: str = "t", title: str | None = None) -> alt.X:
    return alt.X(
        f"{field}:Q",
        scale=alt.Scale(domain=[_t(scale.begin_s), _t(scale.end_s)], nice=False, zero=False),
        axis=alt.Axis(title=title, tickCount=12, grid=False) if shown else None,
    )


def _lane_y(names: Sequence[str]) -> alt.Y:
    return alt.Y("lane:N", scale=alt.Scale(domain=list(names)), axis=_LANE_AXIS)


_LANE_AXIS = alt.Axis(title=None, domain=False, ticks=False, grid=True, labelLimit=LABELS_PX, minExtent=LABELS_PX)


def _legend(count: int, *, lines: bool = False) -> alt.Legend:
    stroke_px = 2 if lines else 0
    return alt.Legend(
        orient="top", direction="horizontal", columns=min(count, 11), title=None, offset=4, symbolStrokeWidth=stroke_px
    )


def _bin_row(trial: Trial, index: int, scale: Axis) -> dict[str, float | None]:
    one = trial.bins[index]
    begin_s = one.start_s - scale.zero_s
    counts = {"good": one.good, "late": one.late, "failed": one.failed, "unknown": one.unknown}
    return {
        "t": _t(begin_s),
        "end": _t(begin_s + trial.bin_s),
        "middle": _t(begin_s + trial.bin_s / 2),
        **{name: round(count / trial.bin_s, 2) for name, count in counts.items()},
        "p50": _loggable(one.p50_ms),
        "p99": _loggable(one.p99_ms),
        "max": _loggable(one.max_ms),
    }


def _loggable(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else max(round(latency_ms, 3), 0.001)


def _t(seconds: float) -> float:
    return round(seconds, 4)
