"""A picture of where every member stands and how it does, as inline SVG: regions, zones, members. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby

from msgspec import Struct

from bascule.drill.render_words import clean
from bascule.drill.report import Node

WIDTH_PX = 1060
CARD_W, CARD_H, GAP = 172, 40, 8
ZONE_HEAD, REGION_HEAD = 22, 26
_NAME_CHARACTERS = 23
_BOLT = "M7,0 L0,9 L5,9 L3,16 L11,6 L6,6 L9,0 Z"


class Placed(Struct, frozen=True, kw_only=True):
    """A region's drawing and the room that it takes."""

    svg: str
    width_px: int
    height_px: int


def topology(nodes: Sequence[Node], title: str) -> str:
    """One SVG element with a text alternative; words and shapes tell roles, failures and hits, not colour alone."""
    regions = [
        _region(name, list(members)) for name, members in groupby(_by_place(nodes), key=lambda node: node.region)
    ]
    body, x, y, row_h, width = "", 0, 0, 0, 0
    for region in regions:
        if x and x + region.width_px > WIDTH_PX:
            x, y, row_h = 0, y + row_h + GAP * 2, 0
        body += f'<g transform="translate({x},{y})">{region.svg}</g>'
        x += region.width_px + GAP * 2
        width, row_h = max(width, x - GAP * 2), max(row_h, region.height_px)
    height = y + row_h
    return (
        f'<svg class="topology" role="img" viewBox="-1 -1 {width + 2} {height + 2}" width="{width + 2}" '
        f'height="{height + 2}" aria-label="{_text(title + ": " + in_words(nodes))}">{body}</svg>'
    )


def in_words(nodes: Iterable[Node]) -> str:
    """The picture as a sentence: who is primary, who is down."""
    every = tuple(nodes)
    primaries = ", ".join(node.name for node in every if node.role == "primary") or "none"
    down = ", ".join(node.name for node in every if not node.up) or "none"
    return clean(f"{len(every)} members; primary: {primaries}; down: {down}")


def _by_place(nodes: Sequence[Node]) -> list[Node]:
    regions = list(dict.fromkeys(node.region for node in nodes))
    zones = list(dict.fromkeys(node.zone for node in nodes))
    return sorted(nodes, key=lambda node: (regions.index(node.region), zones.index(node.zone)))


def _region(name: str, members: list[Node]) -> Placed:
    zones = [(zone, list(inside)) for zone, inside in groupby(members, key=lambda node: node.zone)]
    zone_h = ZONE_HEAD + max(len(inside) for _, inside in zones) * (CARD_H + GAP)
    zone_w = CARD_W + 2 * GAP
    width, height = GAP + len(zones) * (zone_w + GAP), REGION_HEAD + zone_h + GAP
    svg = f'<rect class="region" width="{width}" height="{height}" rx="10"/>'
    svg += f'<text class="place" x="{GAP + 2}" y="18">{_text(_short(f"region {name}", len(zones) * 26))}</text>'
    for index, (zone, inside) in enumerate(zones):
        x = GAP + index * (zone_w + GAP)
        svg += f'<g transform="translate({x},{REGION_HEAD})">{_zone(zone, inside, zone_w, zone_h)}</g>'
    return Placed(svg=svg, width_px=width, height_px=height)


def _zone(name: str, members: list[Node], width: int, height: int) -> str:
    svg = f'<rect class="zone" width="{width}" height="{height}" rx="8"/>'
    svg += f'<text class="place" x="{GAP}" y="16">{_text(_short(f"zone {name}", 26))}</text>'
    for index, node in enumerate(members):
        svg += f'<g transform="translate({GAP},{ZONE_HEAD + index * (CARD_H + GAP)})">{_card(node)}</g>'
    return svg


def _card(node: Node) -> str:
    kinds = ["member", "primary" if node.role == "primary" else "", "" if node.up else "down"]
    sign = "★ " if node.role == "primary" else ""
    state = f"{sign}{node.role}" if node.up else "✕ down"
    tip = clean(f"{node.name}: {node.engine}, {node.role}, {'up' if node.up else 'down'}. {node.detail}")
    svg = f"<title>{_text(tip)}</title>"
    svg += f'<rect class="{" ".join(filter(None, kinds))}" width="{CARD_W}" height="{CARD_H}" rx="6"/>'
    svg += f'<text class="name" x="9" y="17">{_text(_short(node.name, _NAME_CHARACTERS))}</text>'
    svg += f'<text class="state" x="9" y="32">{_text(_short(f"{state} · {node.engine}", 28))}</text>'
    if node.hit:
        svg += f'<g class="hit" transform="translate({CARD_W - 17},-4)"><path d="{_BOLT}"/></g>'
        svg += f'<text class="hit" x="{CARD_W - 8}" y="32" text-anchor="end">hit</text>'
    return svg


def _short(text: str, characters: int) -> str:
    text = clean(text)
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _text(text: str) -> str:
    return escape(clean(text), quote=True)
