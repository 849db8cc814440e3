from __future__ import annotations

import re

from msgspec.structs import replace
from prediction_sample import (
    large,
    large_system,
    minimal,
    minimal_system,
    prediction,
    system,
    weight,
)

from bascule.availability.render.diagram import MOST_ROWS, diagram, lanes
from bascule.system.model import Need


def boxes(drawn: str) -> dict[str, tuple[str, str]]:
    """By the name that a box shows: its tone, and its tip."""
    head = r'<g class="(w\d)"[^>]*><title>([^<]*)</title>'
    found = re.findall(rf'{head}(?:(?!</g>).)*?class="(?:name|place)"[^>]*>([^<]*)<', drawn)
    return {name: (tone, tip) for tone, tip, name in found}


def chips(drawn: str, where: str) -> int:
    """How many squares are drawn for a component in a zone."""
    found = re.search(rf"<title>\d+ replicas? of {where}</title>(.*?)</g>", drawn)
    return found[1].count("<rect") if found else 0


def test_each_part_has_the_tone_of_its_share_and_says_it() -> None:
    found = boxes(diagram(prediction(), system()))
    assert found["database"] == ("w4", "database: without its failures 61 % less downtime")
    assert found["dns"] == ("w3", "dns: without its failures 14 % less downtime; takes the system down alone")
    assert found["edge"][0] == "w2"
    assert found["consensus"][0] == "w1"
    assert found["region paris"] == ("w2", "region paris: without its failures 2.1 % less downtime")
    assert found["zone paris-b"][0] == "w0"


def test_a_share_that_is_not_known_is_not_made_up() -> None:
    drawn = diagram(minimal(), minimal_system())
    assert boxes(drawn)["zone only"] == ("w0", "zone only")
    assert "100 %" in drawn
    assert ">0 %<" not in drawn


def test_a_component_with_a_replica_that_is_a_single_point_is_marked() -> None:
    said = replace(minimal(), single_points=("web-only-1",))
    assert boxes(diagram(said, minimal_system()))["web"][1].endswith("; takes the system down alone")
    other = replace(minimal(), single_points=("web-only-2",))
    assert not boxes(diagram(other, minimal_system()))["web"][1].endswith("; takes the system down alone")


def test_a_service_that_is_a_single_point_is_marked_with_and_without_its_kind_before_its_name() -> None:
    for told in ("dns", "service dns"):
        drawn = diagram(replace(prediction(), single_points=(told,)), system())
        assert boxes(drawn)["dns"][1].endswith("; takes the system down alone")


def test_a_zone_is_not_taken_for_the_component_of_its_name() -> None:
    twin = replace(minimal_system(), regions={"web": minimal_system().regions["here"]})
    said = replace(minimal(), weights=(weight("web", "component", 0.5), weight("region web", "region", 0.02)))
    found = boxes(diagram(said, twin))
    assert found["web"][0] == "w4"
    assert found["region web"] == ("w2", "region web: without its failures 2.0 % less downtime")


def test_replicas_stand_in_their_zones() -> None:
    drawn = diagram(prediction(), system())
    assert chips(drawn, "consensus in bern-a") == 1
    assert chips(drawn, "database in paris-b") == 1
    assert chips(drawn, "database in bern-a") == 0
    many = diagram(large(), large_system())
    assert chips(many, "part-004 in zone-1") == 5
    assert chips(many, "part-007 in zone-0") == 1
    assert "&times; 8" in many


def test_needs_are_arrows_and_soft_ones_are_dashed() -> None:
    drawn = diagram(prediction(), system())
    assert drawn.count('<path class="need hard"') == 1 + 6 + 1
    assert drawn.count('<path class="need soft"') == 2 + 1


def test_lanes_that_would_meet_are_apart() -> None:
    names = [*system().components, "dns", "mail"]
    by_lane: dict[int, list[tuple[int, int, int, str]]] = {}
    for one in lanes(system(), names):
        low, high = sorted((one.source, one.target))
        by_lane.setdefault(one.lane, []).append((low, high, one.source, one.kind))
    for lane in by_lane.values():
        for low, high, source, kind in lane:
            for other_low, other_high, other, other_kind in lane:
                assert (source, kind) == (other, other_kind) or high < other_low or other_high < low


def test_only_the_rows_that_matter_most_are_drawn_of_a_large_system() -> None:
    drawn = diagram(large(), large_system())
    shown = [name for name in boxes(drawn) if name.startswith("part-")]
    assert len(shown) == MOST_ROWS
    assert shown[0] == "part-000"
    assert "part-150" not in shown
    assert "Not drawn: 160 components or services of smaller share." in drawn


def test_the_entry_is_drawn_whatever_its_share() -> None:
    said = replace(large(), weights=tuple(one for one in large().weights if one.part != "part-000"))
    assert "part-000" in boxes(diagram(said, large_system()))


def test_a_system_of_many_zones_says_which_are_left_out() -> None:
    small = minimal_system()
    zones = tuple(f"zone-{number}" for number in range(30))
    web = replace(small.components["web"], replicas=dict.fromkeys(zones, 1))
    here = replace(small.regions["here"], zones=zones)
    wide = replace(small, regions={"here": here}, components={"web": web})
    assert "Not drawn: 6 zones." in diagram(minimal(), wide)


def test_a_circle_of_soft_needs_is_drawn() -> None:
    small = minimal_system()
    web = small.components["web"]
    circle = replace(
        small,
        components={
            "web": replace(web, needs={"cache": Need(kind="soft")}),
            "cache": replace(web, needs={"web": Need(kind="soft")}),
        },
    )
    assert diagram(minimal(), circle).count('<path class="need soft"') == 2 + 1


def test_the_picture_is_told_in_words() -> None:
    drawn = diagram(prediction(), system())
    alternative = re.search(r'aria-label="([^"]*)"', drawn)
    assert alternative is not None
    assert alternative[1] == (
        "6 components in 4 zones of 3 regions, and 2 services outside. Without failures of database there would "
        "be 61 % less downtime. Single points of failure: service dns."
    )
