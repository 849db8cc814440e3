"""Patroni's leader follows the group: a real cluster of two, each node's actuator and check run on that node's host."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bascule.engines.protocols import Member
from bascule.kernel.quantities import Rate, Share
from bascule.lab.lab import Lab, running
from bascule.system.model import Availability, Component, Need, Objectives, Region, System, Workload

pytestmark = pytest.mark.real

SYSTEM = System(
    system="patroni-follows",
    objectives=Objectives(availability=Availability(target=Share(0.99))),
    regions={"one": Region(zones=("a", "b"))},
    components={
        "consensus": Component(engine="etcd", replicas={"a": 1}),
        "database": Component(engine="postgresql", replicas={"a": 1, "b": 1}, needs={"consensus": Need()}),
        "proxy": Component(
            engine="haproxy",
            replicas={"b": 1},
            options={"listeners": {"postgresql": {"port": 5000, "to": "database", "role": "primary"}}},
            needs={"database": Need()},
        ),
    },
    workload=Workload(through="proxy", rate=Rate(1)),
)
LIMIT_S = 60.0
ON_THE_NODE = """
import asyncio, json, sys
from bascule.cluster.actuators import patroni
from bascule.cluster.actuators.patroni_api import PatroniApi
from bascule.cluster.actuators.port import Term
from bascule.cluster.checks import patroni as check
from bascule.cluster.checks.asking import Questions
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration

url, doing = sys.argv[1:]
term = Term(cluster="c", group="g", agent="a", token=1, until_s=BootClock().monotonic_s() + 3600)
made = patroni.make(patroni.Options(url=url, at_demote="switchover", switchover_within=Duration(40)))
api = PatroniApi(url, Questions(timeout_s=10))

async def health(role):
    one = await check.make(check.Options(url=url, role=role, timeout=Duration(10))).check()
    return [one.ok, one.why, one.lag_bytes]

async def members():
    seen = await api.members()
    return {"leader": seen.leader, "paused": seen.is_paused, "members": sorted(seen.members)}

what = {
    "promote": lambda: made.promote(term), "demote": made.demote, "look": made.look, "name": api.name,
    "primary": lambda: health("primary"), "any": lambda: health("any"), "members": members,
    "pause": lambda: api.settle(paused=True), "resume": lambda: api.settle(paused=False),
}
try:
    print(json.dumps(asyncio.run(what[doing]())))
except ActuatorError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("patroni")
    with running(SYSTEM, directory / "lab", source=directory / "system.yaml") as up:
        yield up


def on(lab: Lab, member: Member, doing: str) -> Any:
    """What came of it, done on the member's host."""
    host = lab.world.host_of(member.name)
    argv = [sys.executable, "-c", ON_THE_NODE, f"http://{member.address}:8008", doing]
    done = lab.world.run(host, argv, timeout_s=LIMIT_S)
    assert done.exit_code == 0, done.stderr.decode()
    return json.loads(done.stdout)


def nodes(lab: Lab) -> tuple[Member, Member]:
    """Who leads, and who does not; each is asked by itself, and says what it was at its own last look."""
    until_s = time.monotonic() + LIMIT_S
    while True:
        seen = lab.observe({"database"})["database"]
        leaders = [name for name, one in seen.items() if one.role == "primary"]
        if len(leaders) == 1:
            (other,) = (name for name in seen if name != leaders[0])
            return lab.member(leaders[0]), lab.member(other)
        assert time.monotonic() < until_s, f"one leads: {seen}"
        time.sleep(0.1)


def settled(lab: Lab) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not lab.is_whole():
        assert time.monotonic() < until_s, "it is not whole again"
        time.sleep(0.1)


def test_each_node_says_what_it_is(lab: Lab) -> None:
    leader, other = nodes(lab)
    name = on(lab, leader, "name")
    assert on(lab, leader, "members") == {
        "leader": name,
        "paused": False,
        "members": sorted([name, on(lab, other, "name")]),
    }
    assert [on(lab, one, "look") for one in (leader, other)] == ["active", "passive"]


def test_a_group_that_follows_patroni_may_be_had_by_its_primary_alone(lab: Lab) -> None:
    leader, other = nodes(lab)
    assert on(lab, leader, "primary") == [True, "", 0]
    ok, why, _ = on(lab, other, "primary")
    assert not ok
    assert why
    ok, _, lag_bytes = on(lab, other, "any")
    assert ok
    assert isinstance(lag_bytes, int)


def test_patroni_follows_a_group_that_becomes_active_on_the_other_node_and_back(lab: Lab) -> None:
    leader, other = nodes(lab)
    assert on(lab, leader, "promote") is None
    assert nodes(lab)[0] == leader, "it leads already"
    assert on(lab, other, "promote") is None
    assert nodes(lab)[0] == other
    assert on(lab, other, "look") == "active"
    settled(lab)
    assert on(lab, other, "demote") is None
    assert nodes(lab)[0] == leader
    settled(lab)


def test_while_it_is_paused_it_follows_as_well(lab: Lab) -> None:
    leader, other = nodes(lab)
    assert on(lab, leader, "pause") is None
    until_s = time.monotonic() + LIMIT_S
    while not on(lab, other, "members")["paused"]:
        assert time.monotonic() < until_s
    assert on(lab, leader, "demote") is None
    assert nodes(lab)[0] == other
    assert on(lab, leader, "resume") is None
    settled(lab)


def test_what_patroni_refuses_is_told_in_its_words(lab: Lab) -> None:
    leader, other = nodes(lab)
    lab.world.freeze(other.name)
    try:
        said = on(lab, leader, "demote")
    finally:
        lab.world.thaw(other.name)
    assert "did not switch over" in said["error"] or "still leads" in said["error"], said
    settled(lab)
