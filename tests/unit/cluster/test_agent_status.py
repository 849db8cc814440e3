from __future__ import annotations

from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster.agent.status import Status, status
from bascule.cluster.decisions import events
from bascule.cluster.stores.memory import MemoryStore


def seen_by(agent: Scripted) -> Status:
    return status(agent.state, agent.now_s, cluster="c", store="memory")


def test_who_holds_and_who_else_may() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.look()
    (group,) = seen_by(one).groups
    assert (group.holder, group.holder_alive, group.phase, group.token) == ("a", True, "active", one.group.token)
    assert group.candidates == {"a": "priority 100", "b": "priority 100"}
    two.look()
    (group,) = seen_by(two).groups
    assert (group.holder, group.phase) == ("a", "standby")


def test_a_dead_agent_is_no_candidate_any_more() -> None:
    store = MemoryStore()
    Scripted("a", store)
    two = Scripted("b", store, seed=7)
    two.pass_s(2 * TIMING.ttl_s)
    now = seen_by(two)
    (group,) = now.groups
    assert (group.holder, group.candidates) == ("b", {"a": "its session is over", "b": "priority 100"})
    assert {peer.agent: peer.alive for peer in now.peers} == {"a": False, "b": True}


def test_one_that_left_is_no_candidate() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    two.hear(events.Stopping())
    one.look()
    (group,) = seen_by(one).groups
    assert group.candidates["b"] == "its session is over"
