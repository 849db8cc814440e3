"""Calls along chains: each is judged, however many ways lead to it, and by the longest of them."""

from __future__ import annotations

import pytest
from msgspec import structs

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.system.rules_calls import RULES
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import Positions
from bascule.system.model import Availability, Component, Need, Objectives, Region, System, Workload


def system(needs: dict[str, dict[str, Need]]) -> System:
    return System(
        system="shop",
        objectives=Objectives(availability=Availability(target=Share(0.999))),
        regions={"one": Region(zones=("a",))},
        components={name: Component(engine="service", replicas={"a": 1}, needs=of) for name, of in needs.items()},
        workload=Workload(through="entry", rate=Rate(1)),
    )


def asked(of: System, number: str) -> list[Found]:
    (rule,) = [one for one in RULES if one.id == f"BSC-SYS-{number}"]
    return list(rule.check(Estate(system=of, positions=Positions("bascule.yaml", {}, {}))))


def need(retries: int = 0, timeout_s: float | None = None) -> Need:
    return Need(kind="hard", retries=retries, timeout=None if timeout_s is None else Duration(timeout_s))


def ladder(steps: int, last: Need) -> dict[str, dict[str, Need]]:
    """Two components on each step, each needing both of the next: 2^steps ways lead to the last."""
    made = {"entry": {"a0": need(), "b0": need()}}
    for step in range(steps):
        below = {f"a{step + 1}": need(), f"b{step + 1}": need()}
        made |= {f"a{step}": below, f"b{step}": below}
    made |= {f"a{steps}": {"z": last}, f"b{steps}": {"z": need()}, "z": {}}
    return made


@pytest.mark.timeout(20)
def test_no_call_is_left_out_however_many_ways_there_are() -> None:
    many = system(ladder(60, need(retries=9, timeout_s=1.0)))
    (found,) = asked(many, "031")
    assert "up to 10 calls of z" in found.what
    assert found.subject.startswith("entry -> ")
    assert found.subject.endswith("a60 -> z")
    late = structs.replace(many, workload=structs.replace(many.workload, deadline=Duration(0.5)))
    assert len(asked(late, "032")) == 1
    needs = ladder(60, need(timeout_s=5.0))
    needs["a59"] = {**needs["a59"], "a60": need(timeout_s=1.0)}
    (slow,) = asked(system(needs), "030")
    assert slow.subject == "a59 -> a60 -> z"


def test_the_longest_of_several_ways_counts() -> None:
    needs = {
        "entry": {"a": need(), "b": need(2)},
        "a": {"z": need(1)},
        "b": {"a": need(2)},
        "z": {},
    }
    told = {one.subject: one.what for one in asked(system(needs), "031")}
    assert set(told) == {"entry -> b -> a", "entry -> b -> a -> z"}
    assert "up to 18 calls of z" in told["entry -> b -> a -> z"]


def test_needs_that_go_round_end() -> None:
    needs = {"entry": {"a": need(3)}, "a": {"b": need(3), "entry": need(3)}, "b": {"a": need(3)}}
    told = [one.subject for one in asked(system(needs), "031")]
    assert told == ["entry -> a -> b"]


def test_a_long_way_is_told_by_its_ends() -> None:
    chain = {f"c{number}": {f"c{number + 1}": need(1)} for number in range(400)}
    needs = {"entry": {"c0": need(1)}, **chain, "c400": {}}
    told = asked(system(needs), "031")
    assert max(len(one.subject) for one in told) < 100
    assert "over a thousand million" in told[-1].what
