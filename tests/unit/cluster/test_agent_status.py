from __future__ import annotations

from msgspec import structs
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster.agent.status import Status, status
from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.group import Group
from bascule.cluster.records import AGENTS, ORDERS, SETTINGS, Order, Session, Settings, decode
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


def test_a_holder_that_is_still_stopping_serves_nobody_whoever_is_asked() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.look()
    assert seen_by(one).groups[0].serving
    one.obliging = False
    one.put(ORDERS + "g", Order(group="g", id="o", token=one.group.token, to="b"))
    one.look()
    (here,) = seen_by(one).groups
    assert (here.phase, here.serving) == ("demoting", False)
    assert "it was ordered" in here.waits_for
    two.look()
    (there,) = seen_by(two).groups
    assert (there.holder, there.holder_alive, there.serving) == ("a", True, False)
    assert there.waits_for == "it is still stopping to act"


def test_a_fence_that_fails_is_what_a_group_waits_for() -> None:
    both = Group(name="g", identity="id", fencing="both")
    store = MemoryStore()
    Scripted("a", store, [both])
    two = Scripted("b", store, [both], seed=7)
    two.pass_s(TIMING.ttl_s + 1)
    (wanted,) = two.wanted(effects.Fence)
    assert isinstance(wanted, effects.Fence)
    two.hear(events.Fenced(peer="a", session=wanted.session, confirmed=False, why="no power strip"))
    (group,) = seen_by(two).groups
    assert not group.serving
    assert "no power strip" in group.waits_for
    assert "bascule cluster fence a --confirmed" in group.waits_for


def test_a_pause_is_what_a_dead_holders_group_waits_for() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.put(SETTINGS, Settings(paused=True, by="me"))
    two.look()
    two.pass_s(2 * TIMING.ttl_s)
    now = seen_by(two)
    assert (now.paused, now.groups[0].holder_alive) == ("me", False)
    assert "paused" in now.groups[0].waits_for


def test_a_store_that_is_away_is_told_with_its_reason() -> None:
    agent = Scripted("a", MemoryStore())
    agent.hear(events.ReadFailed(why="no such file"))
    now = seen_by(agent)
    assert (now.store_lost_s, now.store_why) == (0.0, "no such file")
    agent.look()
    assert seen_by(agent).store_why == ""


def test_a_name_that_is_taken_is_told() -> None:
    store = MemoryStore()
    Scripted("a", store)
    second = Scripted("a", store, seed=9)
    assert seen_by(second).session == ""
    first = decode(next(one.value for one in store.look(AGENTS + "a")), Session)
    for number in (2, 3):
        second.pass_s(1)
        second.put(AGENTS + "a", structs.replace(first, number=number))
        second.look()
    assert "another agent is called a too" in seen_by(second).waits_for
    assert seen_by(second).groups[0].serving  # by the first one


def test_a_name_that_witnesses_may_hold_is_told_with_the_way_out() -> None:
    store = MemoryStore()
    Scripted("w", store).put(AGENTS + "a", Session(agent="a", session="held", ttl_s=TIMING.ttl_s, witnesses=("w",)))
    second = Scripted("a", store, address="10.0.0.2:1", seed=9)
    second.pass_s(2 * TIMING.ttl_s)
    assert "may be held by its witnesses (w)" in seen_by(second).waits_for
    assert "bascule cluster fence a --confirmed" in seen_by(second).waits_for


def test_a_strangers_group_of_the_same_name_is_told() -> None:
    store = MemoryStore()
    Scripted("a", store, [Group(name="g", identity="one")])
    two = Scripted("b", store, [Group(name="g", identity="other")], seed=7)
    two.pass_s(2 * TIMING.ttl_s)
    (group,) = seen_by(two).groups
    assert (group.holder, group.serving) == ("a", False)
    assert "made of something else" in group.waits_for
