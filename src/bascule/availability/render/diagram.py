"""A system as a block diagram, as inline SVG: rows are components, columns the zones of the regions. Pure.

Each component has its row, which shows how many replicas stand in which zone; the arrows beside the names lead from a
component to what it needs; services that others run stand outside the regions. Tones say how much of the unavailability
would go without a part's failures. Only the rows that matter most are drawn where there are many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bascule.availability.prediction import Prediction
from bascule.availability.render.markup import STEP_WORDS, quiet, text, tone
from bascule.availability.render.words import bare_name, clean, count_text, share_text, short
from bascule.system.model import Component, System

MOST_ROWS, MOST_ZONES = 40, 24
BOX_W, BOX_H, ROW_H = 236, 42, 54
LEAST_ZONE_W, MOST_ZONE_W, GAP = 108, 190, 8
PAGE_W = 1060
LANE_W, LANES_LEFT = 11, 16
PLACE_H = 37
REGION_HEAD, ZONE_HEAD, ABOVE = 46, 50, 0
_CHIP, _MOST_CHIPS = 15, 5
_LETTER_PX = 7.6


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a prediction the diagram shows of each part.

    Attributes:
        shares: How much of the unavailability would go without its failures, by its kind and name.
        single: What takes the system down alone: parts, and single replicas.
        needed: How many replicas carry the load, in words, by component.
        idle: What the load does not need.
    """

    shares: Mapping[tuple[str, str], float]
    single: frozenset[str]
    needed: Mapping[str, str]
    idle: frozenset[str]

    def share(self, kind: str, name: str) -> float | None:
        """The share of the unavailability that would go without this part's failures; None where it is not known."""
        return self.shares.get((kind, clean(name)))

    def is_single(self, kind: str, name: str) -> bool:
        """Whether this part takes the system down alone."""
        told = f"{kind} {clean(name)}"
        return told in self.single or (kind in {"component", "service"} and clean(name) in self.single)


@dataclass(frozen=True, slots=True)
class Need:
    """An arrow from one row to another, in its lane."""

    source: int
    target: int
    kind: str
    lane: int


class Columns(NamedTuple):
    """The zones that are drawn, and how wide each is in px."""

    zones: Sequence[str]
    width: int


def diagram(prediction: Prediction, system: System) -> str:
    """The diagram with its legend; what is not drawn is said below it."""
    shown = _shown(prediction)
    order = rows(system, shown)
    drawn = order[:MOST_ROWS]
    used = [zone for zone in system.zones if any(one.replicas.get(zone) for one in system.components.values())]
    zones = used[:MOST_ZONES]
    arrows = lanes(system, drawn)
    left = LANES_LEFT + LANE_W * (1 + max((arrow.lane for arrow in arrows), default=0))
    regions = sum(any(zone in zones for zone in region.zones) for region in system.regions.values())
    fixed = left + BOX_W + GAP * (2 + regions)
    zone_w = min(MOST_ZONE_W, max(LEAST_ZONE_W, (PAGE_W - fixed) // max(1, len(zones)) - GAP))
    width = fixed + len(zones) * (zone_w + GAP)
    inside = sum(name in system.components for name in drawn)
    top = ABOVE + REGION_HEAD + ZONE_HEAD
    outside = len(drawn) - inside
    height = top + len(drawn) * ROW_H + (ROW_H // 2 if outside else 0) + GAP
    body = _clients(left) + _places(system, shown, Columns(zones, zone_w), left, inside)
    body += "".join(_arrow(arrow, left, inside) for arrow in arrows)
    for index, name in enumerate(drawn):
        body += _row(system, shown, name, (left, row_y(index, inside)), Columns(zones, zone_w))
    return (
        f'<div class=scroll><svg class="diagram" role="img" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" aria-label="{text(in_words(prediction, system))}">{_ARROWHEADS}{body}</svg></div>'
        f"{_legend()}{_left_out(len(order) - len(drawn), len(used) - len(zones))}"
    )


def in_words(prediction: Prediction, system: System) -> str:
    """The diagram as sentences: how many of what, which part matters most, and what is a single point."""
    worst = max(prediction.weights, key=lambda one: one.criticality, default=None)
    most = ""
    if worst is not None:
        most = f" Without failures of {worst.part} there would be {share_text(worst.criticality)} less downtime."
    single = ", ".join(prediction.single_points) or "none"
    return clean(
        f"{count_text(len(system.components), 'component')} in {count_text(len(system.zones), 'zone')} of "
        f"{count_text(len(system.regions), 'region')}, and {count_text(len(system.services), 'service')} outside."
        f"{most} Single points of failure: {short(single, 400)}."
    )


def rows(system: System, shown: Shown) -> list[str]:
    """Components from the entry down to what is needed last, then services: those alone that matter most, if many."""
    found = {system.workload.through: None}
    pending = [system.workload.through]
    for name in pending:
        needs = system.components[name].needs if name in system.components else {}
        fresh = [other for other in needs if other not in found]
        found.update(dict.fromkeys(fresh))
        pending += fresh
    components = dict.fromkeys([*(name for name in found if name in system.components), *system.components])
    every = [*components, *(name for name in system.services if name in found)]
    if len(every) <= MOST_ROWS:
        return every

    def rank(name: str) -> tuple[bool, float]:
        kind = "component" if name in components else "service"
        return name != system.workload.through, -(shown.share(kind, name) or 0.0)

    ranked = sorted(every, key=rank)
    most = set(ranked[:MOST_ROWS])
    return [*(name for name in every if name in most), *ranked[MOST_ROWS:]]


def lanes(system: System, drawn: list[str]) -> list[Need]:
    """The arrows between rows: those of one row and kind share a lane, and lanes that meet are told apart."""
    row = {name: index for index, name in enumerate(drawn)}
    spans: list[tuple[int, int, int, str, list[int]]] = []
    for name in drawn:
        needs = system.components[name].needs if name in system.components else {}
        for kind in ("hard", "soft"):
            targets = [row[other] for other, need in needs.items() if need.kind == kind and other in row]
            if targets:
                ends = [*targets, row[name]]
                spans.append((max(ends) - min(ends), min(ends), max(ends), kind, [row[name], *targets]))
    taken: list[list[tuple[int, int]]] = []
    found: list[Need] = []
    for _, low, high, kind, (source, *targets) in sorted(spans):
        free = (index for index, lane in enumerate(taken) if all(high < a or b < low for a, b in lane))
        number = next(free, len(taken))
        if number == len(taken):
            taken.append([])
        taken[number].append((low, high))
        found += [Need(source, target, kind, number) for target in targets]
    return found


def row_y(index: int, inside: int) -> int:
    """Where a row begins, in px; services stand a little below the regions."""
    apart = ROW_H // 2 if index >= inside else 0
    return ABOVE + REGION_HEAD + ZONE_HEAD + index * ROW_H + apart


def _shown(prediction: Prediction) -> Shown:
    return Shown(
        shares={(weight.kind, bare_name(weight)): weight.criticality for weight in prediction.weights},
        single=frozenset(map(clean, prediction.single_points)),
        needed={one.of: one.value for one in prediction.assumptions if one.figure == "needed"},
        idle=frozenset(prediction.not_reached),
    )


def _places(system: System, shown: Shown, columns: Columns, left: int, inside: int) -> str:
    x, body = left + BOX_W + GAP * 2, ""
    height = REGION_HEAD + ZONE_HEAD + inside * ROW_H + GAP // 2
    for region, place in system.regions.items():
        here = [zone for zone in place.zones if zone in columns.zones]
        if not here:
            continue
        width = len(here) * (columns.width + GAP) + GAP
        body += f'<g transform="translate({x - GAP},{ABOVE})">'
        body += f'<rect class="region" x="0.5" y="0.5" width="{width - 3}" height="{height}" rx="10"/>'
        body += _place(shown, "region", region, (GAP - 2, GAP - 2, width - GAP * 2 + 1))
        for index, zone in enumerate(here):
            at = GAP - 2 + index * (columns.width + GAP)
            body += f'<rect class="zone" x="{at}" y="{REGION_HEAD + 3}" width="{columns.width}" '
            body += f'height="{height - REGION_HEAD - 9}" rx="7"/>'
            body += _place(shown, "zone", zone, (at, REGION_HEAD + 3, columns.width))
        body += "</g>"
        x += width
    return body


def _place(shown: Shown, kind: str, name: str, at: tuple[int, int, int]) -> str:
    """The head of a region or a zone: its name, and below it its share."""
    x, y, width = at
    share, single = shown.share(kind, name), shown.is_single(kind, name)
    body = f'<g class="{tone(share)}"><title>{text(_tip(f"{kind} {name}", share, single))}</title>'
    body += f'<rect class="tone" x="{x}" y="{y}" width="{width}" height="{PLACE_H}" rx="6"/>'
    room = int((width - 14) / _LETTER_PX)
    body += f'<text class="place" x="{x + 8}" y="{y + 16}">{text(short(f"{kind} {name}", room))}</text>'
    body += f'<text class="share" x="{x + 8}" y="{y + 31}">{text(_said(share))}</text>'
    return body + (_point(x + width - 15, y + 26) if single else "") + "</g>"


def _row(system: System, shown: Shown, name: str, at: tuple[int, int], columns: Columns) -> str:
    x, y = at
    component = system.components.get(name)
    kind = "service" if component is None else "component"
    share, single = shown.share(kind, name), shown.is_single(kind, name) or _has_single(shown, component, name)
    kinds = f"tone{' outside' if component is None else ''}{' idle' if name in shown.idle else ''}"
    body = f'<g class="{tone(share)}" transform="translate({x},{y})"><title>{text(_tip(name, share, single))}</title>'
    body += f'<rect class="{kinds}" width="{BOX_W}" height="{BOX_H}" rx="8"/>'
    body += f'<text class="name" x="11" y="18">{text(short(name, 18))}</text>'
    body += f'<text class="share" x="{BOX_W - 11}" y="18" text-anchor="end">{text(_said(share))}</text>'
    body += f'<text class="about" x="11" y="34">{text(short(_about(system, shown, name), 27 if single else 32))}</text>'
    body += _point(BOX_W - 16, 30) if single else ""
    body += "</g>"
    if component is None:
        return body
    column = x + BOX_W + GAP * 2 - 2
    for region in system.regions.values():
        here = [zone for zone in region.zones if zone in columns.zones]
        for zone in here:
            body += _chips(component.replicas.get(zone, 0), tone(share), (column, y), f"{name} in {zone}")
            column += columns.width + GAP
        column += GAP if here else 0
    return body


def _has_single(shown: Shown, component: Component | None, name: str) -> bool:
    """Whether one replica of this component, alone, takes the system down."""
    placed = component.replicas if component is not None else {}
    told = (f"{name}-{zone}-{number}" for zone, count in placed.items() for number in range(1, count + 1))
    return any(clean(one) in shown.single for one in told)


def _about(system: System, shown: Shown, name: str) -> str:
    component = system.components.get(name)
    if component is None:
        like = system.services[name].like
        return f"{like or 'service'}, run by others"
    if name in shown.idle:
        softly = any(name in one.needs for one in system.components.values())
        return f"{component.engine}, {'soft needs only' if softly else 'not needed'}"
    total = sum(component.replicas.values())
    needed = shown.needed.get(name)
    return f"{component.engine}, " + (f"needs {needed}" if needed else count_text(total, "replica"))


def _chips(count: int, css: str, at: tuple[int, int], where: str) -> str:
    """One square for each replica, or one and their number where there are many."""
    if not count:
        return ""
    x, y = at[0] + 10, at[1] + (BOX_H - _CHIP) // 2
    tip = f"{count_text(count, 'replica')} of {clean(where)}"
    body = f'<g class="{css}"><title>{text(tip)}</title>'
    for index in range(count if count <= _MOST_CHIPS else 1):
        body += f'<rect class="tone" x="{x + index * (_CHIP + 5)}" y="{y}" width="{_CHIP}" height="{_CHIP}" rx="4"/>'
    if count > _MOST_CHIPS:
        body += f'<text class="about" x="{x + _CHIP + 7}" y="{y + 12}">&times; {count:,}</text>'
    return body + "</g>"


def _arrow(need: Need, left: int, inside: int) -> str:
    x = left - LANES_LEFT - LANE_W * need.lane
    down = need.target > need.source
    start = row_y(need.source, inside) + BOX_H - 12
    end = row_y(need.target, inside) + (14 if down else BOX_H - 4)
    bend = 6 if down else -6
    path = (
        f"M{left},{start} H{x + 6} Q{x},{start} {x},{start + bend} V{end - bend} Q{x},{end} {x + 6},{end} H{left - 6}"
    )
    return f'<path class="need {need.kind}" d="{path}" marker-end="url(#to)"/>'


def _clients(left: int) -> str:
    middle = left + BOX_W // 2
    end = ABOVE + REGION_HEAD + ZONE_HEAD
    return (
        f'<text class="place" x="{middle}" y="{end - 42}" text-anchor="middle">clients</text>'
        f'<path class="need hard" d="M{middle},{end - 35} V{end - 7}" marker-end="url(#to)"/>'
    )


def _point(x: int, y: int) -> str:
    return f'<path class="point" d="M{x},{y - 7} L{x + 7},{y} L{x},{y + 7} L{x - 7},{y} Z"/>'


def _said(share: float | None) -> str:
    return "" if share is None else share_text(share)


def _tip(name: str, share: float | None, single: bool) -> str:
    told = f"{name}: without its failures {share_text(share)} less downtime" if share is not None else name
    return f"{told}; takes the system down alone" if single else told


def _legend() -> str:
    tones = "".join(
        f'<li><svg class="swatch" viewBox="0 0 14 14" aria-hidden="true"><g class="w{step}">'
        f'<rect class="tone" x="1" y="1" width="12" height="12" rx="3"/></g></svg>{text(words)}</li>'
        for step, words in enumerate(STEP_WORDS)
    )
    point = '<svg class="swatch" viewBox="0 0 14 14" aria-hidden="true">' + _point(7, 7) + "</svg>"
    lines = "".join(
        '<li><svg class="swatch wide" viewBox="0 0 28 14" aria-hidden="true">'
        f'<path class="need {kind}" d="M1,7 H27"/></svg>{words}</li>'
        for kind, words in (("hard", "needs"), ("soft", "needs to be whole (soft)"))
    )
    return (
        f"<ul class=legend><li class=quiet>Downtime that would go without its failures:</li>{tones}"
        f"<li>{point}takes the system down alone</li>{lines}</ul>"
    )


def _left_out(rows_left: int, zones_left: int) -> str:
    found: list[str] = []
    if rows_left > 0:
        found.append(count_text(rows_left, "component or service", "components or services") + " of smaller share")
    if zones_left > 0:
        found.append(count_text(zones_left, "zone"))
    return quiet(f"Not drawn: {' and '.join(found)}.") if found else ""


_ARROWHEADS = (
    '<defs><marker id="to" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0,0.5 L8,4 L0,7.5 Z"/></marker></defs>'
)
