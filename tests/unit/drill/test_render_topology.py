from __future__ import annotations

import xml.etree.ElementTree as ET

from bascule.drill.render_topology import in_words, topology
from bascule.drill.report import Node, Report


def a_node(name: str, region: str = "r", zone: str = "z", **more: bool | str) -> Node:
    fields = {"component": "c", "engine": "e", "up": True, "role": "peer", **more}
    return Node(name=name, region=region, zone=zone, **fields)  # type: ignore[arg-type]  # whatever a test names


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]  # noqa: S314 - our own output


def test_every_member_stands_in_its_zone_and_region(sample_report: Report) -> None:
    said = words(topology(sample_report.trials[0].before, "Before"))
    assert [text for text in said if text.startswith("region ")] == ["region paris", "region lyon", "region witness"]
    assert sum(text.startswith("zone ") for text in said) == 5
    assert sum(text.endswith("-1") for text in said) == len(sample_report.trials[0].before)


def test_primary_down_and_hit_are_told_in_words_and_shapes() -> None:
    svg = topology([a_node("a", role="primary", hit=True), a_node("b", up=False)], "Before")
    said = words(svg)
    assert "★ primary · e" in said
    assert "✕ down · e" in said
    assert "hit" in said
    assert "<path" in svg
    assert "2 members; primary: a; down: b" in svg


def test_regions_that_do_not_fit_go_to_the_next_row() -> None:
    nodes = [a_node(f"m{n}", region=f"r{n}", zone=f"z{n}") for n in range(12)]
    root = ET.fromstring(topology(nodes, "Before"))  # noqa: S314 - our own output
    assert float(root.get("width", "inf")) <= 1100


def test_names_too_long_are_cut_in_the_card_and_whole_in_its_tip() -> None:
    name = "x" * 80
    svg = topology([a_node(name)], "Before")
    assert name not in words(svg)
    assert name in svg


def test_no_members_are_an_empty_picture() -> None:
    assert in_words([]) == "0 members; primary: none; down: none"
    ET.fromstring(topology([], "Before"))  # noqa: S314 - our own output
