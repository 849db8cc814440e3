from __future__ import annotations

import pytest
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster import facts
from bascule.cluster.decisions import effects, events
from bascule.cluster.records import AGENTS, SETTINGS, Session, Settings, decode
from bascule.cluster.stores.memory import MemoryStore


def session_of(store: MemoryStore, name: str) -> Session:
    return decode(store.look(AGENTS + name)[0].value, Session)


def test_an_agent_alone_leads_at_once() -> None:
    agent = Scripted("a", MemoryStore())
    assert agent.phase == "active"
    assert [type(fact).__name__ for fact in agent.facts] == [
        "BecameEligible",
        "SessionStarted",
        "LeaderElected",
        "BecameActive",
    ]


def test_the_validity_counts_from_before_the_renewal_was_sent() -> None:
    agent = Scripted("a", MemoryStore())
    agent.online = False
    agent.pass_s(TIMING.renew_s)
    sent_s = agent.now_s
    agent.jump_s(2.0)
    agent.answer()
    assert agent.state.mine.until_s == pytest.approx(sent_s + TIMING.valid_s)


def test_it_begins_to_stop_when_no_renewal_was_confirmed_and_no_later() -> None:
    agent = Scripted("a", MemoryStore())
    until_s, begun_s = agent.state.mine.until_s, agent.now_s
    agent.online = False
    agent.pass_s(TIMING.stop_at_s(0) - 0.001)
    assert agent.phase == "active"
    agent.pass_s(0.002)
    assert agent.phase == "standby"
    (demote,) = agent.wanted(effects.Demote)
    assert isinstance(demote, effects.Demote)
    assert demote.until_s == pytest.approx(until_s) == pytest.approx(begun_s + TIMING.valid_s)
    assert agent.told(facts.SessionLost)


def test_an_agent_that_was_frozen_for_longer_than_its_lease_stops_first_of_all() -> None:
    agent = Scripted("a", MemoryStore())
    agent.obliging = False
    agent.jump_s(60)
    agent.hear(events.Ticked())
    assert agent.phase == "demoting"
    assert not [one for one in agent.effects if isinstance(one, effects.Promote)][1:]


def test_a_new_session_begins_only_when_nothing_acts_any_more() -> None:
    agent = Scripted("a", MemoryStore())
    before = agent.state.mine.session
    agent.obliging = False
    agent.jump_s(60)
    agent.hear(events.Ticked())
    agent.pass_s(30)
    assert agent.state.mine.session == ""
    assert session_of(agent.store, "a").session == before
    agent.hear(events.Demoted(group="g"))
    assert agent.state.mine.session not in {"", before}


def test_a_restarted_agent_waits_for_its_own_earlier_session() -> None:
    store = MemoryStore()
    Scripted("a", store)
    again = Scripted("a", store, seed=2)
    assert again.phase == "standby"
    again.pass_s(TIMING.ttl_s - 0.01)
    assert again.phase == "standby"
    again.pass_s(0.02)
    assert again.phase == "active"


def test_an_agent_whose_earlier_session_was_given_back_waits_for_nothing() -> None:
    store = MemoryStore()
    first = Scripted("a", store)
    first.hear(events.Stopping())
    assert first.wanted(effects.End)
    assert session_of(store, "a").state == "ended"
    assert Scripted("a", store, seed=2).phase == "active"


def test_two_agents_of_one_name_the_second_waits_and_says_so() -> None:
    store = MemoryStore()
    first, second = Scripted("a", store), Scripted("a", store, seed=2)
    for _ in range(10):
        first.pass_s(TIMING.renew_s)
        second.pass_s(TIMING.renew_s)
        second.look()
    assert first.phase == "active"
    assert second.phase == "standby"
    assert len(second.told(facts.AgentNameTaken)) == 1


def test_a_renewal_whose_answer_was_lost_counts_once_it_is_seen() -> None:
    agent = Scripted("a", MemoryStore())
    agent.online = False
    agent.pass_s(TIMING.renew_s)
    sent_s = agent.now_s
    (swap,) = [one for one in agent.asked if isinstance(one, effects.Swap)]
    agent.store.put(swap.key, swap.value, swap.expected)
    agent.fail()
    agent.online = True
    agent.answer()
    agent.pass_s(0.5)
    agent.look()
    assert agent.state.mine.until_s >= sent_s + TIMING.valid_s
    assert not agent.told(facts.SessionLost)


def test_a_rival_waits_for_the_whole_ttl_from_when_it_saw_the_last_renewal() -> None:
    store = MemoryStore()
    holder = Scripted("a", store)
    rival = Scripted("b", store)
    holder.pass_s(TIMING.renew_s)
    rival.jump_s(TIMING.renew_s)
    rival.look()  # it sees the renewal only now
    rival.pass_s(TIMING.ttl_s - 0.01)
    assert rival.phase == "standby"
    rival.pass_s(0.02)
    assert rival.phase == "active"
    assert session_of(store, "a").state == "ended"


def test_the_old_holder_cannot_renew_what_a_rival_has_ended() -> None:
    store = MemoryStore()
    holder, rival = Scripted("a", store), Scripted("b", store)
    holder.online = False
    rival.pass_s(TIMING.ttl_s + 1)
    assert rival.phase == "active"
    holder.pass_s(TIMING.renew_s)
    holder.online = True
    holder.answer()
    assert holder.phase == "standby"
    assert "says b" in str(holder.told(facts.SessionLost))


def test_nobody_is_ended_during_a_pause() -> None:
    store = MemoryStore()
    Scripted("a", store)
    rival = Scripted("b", store)
    rival.put(SETTINGS, Settings(paused=True, by="me"))
    rival.look()
    rival.pass_s(5 * TIMING.ttl_s)
    assert rival.phase == "standby"
    assert rival.told(facts.ClusterPaused)
    rival.put(SETTINGS, Settings())
    rival.look()
    rival.pass_s(0.1)
    assert rival.phase == "active"


def test_a_clock_that_runs_fast_is_found_out_by_those_of_its_peers() -> None:
    store = MemoryStore()
    agent = Scripted("fast", store)
    peers = [Scripted(name, store) for name in "ab"]
    for _ in range(150):
        for peer in peers:
            peer.pass_s(TIMING.renew_s)
        agent.pass_s(TIMING.renew_s * 1.1)
        agent.look()
    assert agent.told(facts.ClockUnsound)
    assert agent.phase == "standby"
    assert "clock" in str(agent.told(facts.BecameIneligible))


def test_who_was_frozen_does_not_take_what_it_heard_late_for_a_fast_clock() -> None:
    store = MemoryStore()
    agent, peer = Scripted("frozen", store), Scripted("a", store)
    agent.pass_s(1)
    heard = [events.Seen(entries=store.look(AGENTS + "a"))]
    for _ in range(12):
        peer.pass_s(TIMING.renew_s)
        heard.append(events.Seen(entries=store.look(AGENTS + "a")))
    agent.jump_s(12 * TIMING.renew_s)
    for one in heard:
        agent.hear(one)
    for _ in range(90):
        peer.pass_s(TIMING.renew_s)
        agent.pass_s(TIMING.renew_s)
        agent.look()
    assert not agent.told(facts.ClockUnsound)


def test_a_removed_record_is_written_anew_and_the_holder_stops_meanwhile() -> None:
    agent = Scripted("a", MemoryStore())
    agent.pass_s(0.1)
    agent.store = MemoryStore()
    agent.pass_s(1)
    agent.hear(events.ReadFailed(why="x"))
    agent.pass_s(TIMING.ttl_s)
    assert agent.phase == "active"
    assert agent.told(facts.SessionLost)


@pytest.mark.parametrize("value", [b"", b"nonsense", b'{"agent":"b"}', b'{"agent":"someone","session":"s","ttl_s":1}'])
def test_a_register_that_holds_something_else_is_told_and_left_alone(value: bytes) -> None:
    store = MemoryStore()
    store.put(AGENTS + "b", value, 0)
    agent = Scripted("a", store)
    assert agent.phase == "active"
    assert agent.told(facts.RecordUnreadable)
    assert store.look(AGENTS + "b")[0].value == value
