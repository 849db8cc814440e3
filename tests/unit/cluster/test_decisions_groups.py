from __future__ import annotations

import pytest
from msgspec import structs
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster import facts
from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.group import Group
from bascule.cluster.records import (
    AGENTS,
    GROUPS,
    ORDERS,
    PROFILES,
    SETTINGS,
    Claim,
    Order,
    Profile,
    Session,
    Settings,
    Standing,
    decode,
)
from bascule.cluster.stores.memory import MemoryStore

GROUP = Group(name="g", identity="id")


def claim_of(store: MemoryStore) -> Claim:
    return decode(store.look(GROUPS + "g")[0].value, Claim)


def pair(first: Group = GROUP, second: Group = GROUP) -> tuple[Scripted, Scripted]:
    """Two agents that know each other; the first one leads."""
    store = MemoryStore()
    one = Scripted("a", store, [first])
    if first.checked:
        one.check(ok=True)
    two = Scripted("b", store, [second], seed=7)
    if second.checked:
        two.check(ok=True)
    one.look()
    two.look()
    assert (one.phase, two.phase) == ("active", "standby")
    return one, two


def move(*agents: Scripted, seconds: float = 0.1) -> None:
    """Let time pass, and let everybody see what the others wrote."""
    for agent in agents:
        agent.pass_s(seconds)
        agent.look()


def test_the_token_is_the_revision_of_the_claim_and_grows() -> None:
    one, two = pair()
    first = one.group.token
    one.hear(events.Stopping())
    move(two)
    assert two.phase == "active"
    assert two.group.token > first
    assert claim_of(two.store).holder == "b"


def test_a_claim_in_a_session_that_was_not_seen_yet_is_nobodys_to_take() -> None:
    store = MemoryStore()
    agent = Scripted("b", store)
    agent.hear(events.Stopping())
    watcher = Scripted("c", store)
    watcher.hear(events.Stopping())
    witness = Scripted("d", store)
    witness.put(AGENTS + "a", Session(agent="a", session="old", ttl_s=10, state="ended"))
    witness.look()
    witness.put(AGENTS + "a", Session(agent="a", session="new", ttl_s=10))
    witness.online = False
    revision = witness.put(GROUPS + "g", Claim(group="g", holder="a", session="new", identity="id"))
    entry = next(one for one in store.look(GROUPS) if one.revision == revision)
    witness.asked.clear()
    witness.jump_s(1)
    witness.hear(events.Seen(entries=(entry,)))  # the claim is seen, and the session in whose name it was made is not
    assert not [one for one in witness.asked if isinstance(one, effects.Swap) and one.key == GROUPS + "g"]
    witness.online = True
    witness.answer()
    assert claim_of(store).holder == "a"


def test_a_promotion_that_failed_is_undone_and_given_back_and_this_agent_stays_away() -> None:
    store = MemoryStore()
    agent = Scripted("a", store)
    agent.hear(events.Stopping())
    agent = Scripted("b", store)
    agent.obliging = False
    agent.hear(events.Ticked())
    assert agent.phase == "active"  # it was obliging when it began
    agent = Scripted("c", MemoryStore(), [Group(name="other", identity="id")])
    agent.obliging = False
    agent.hear(events.Reconfigured(groups=(GROUP,)))
    assert agent.phase == "promoting"
    agent.hear(events.PromotingFailed(group="g", why="a stranger answers", conflict=True))
    assert agent.phase == "demoting"
    agent.hear(events.Demoted(group="g"))
    assert claim_of(agent.store).holder == ""
    (told,) = agent.told(facts.PromotionFailed)
    assert isinstance(told, facts.PromotionFailed)
    assert told.conflict
    agent.pass_s(GROUP.hold_down_s - 0.1)
    assert agent.phase == "standby"
    agent.pass_s(0.2)
    assert agent.phase == "promoting"


def test_each_failure_in_a_row_doubles_the_time_that_it_stays_away() -> None:
    agent = Scripted("a", MemoryStore(), [Group(name="other")])
    agent.obliging = False
    agent.hear(events.Reconfigured(groups=(GROUP,)))
    for _ in range(7):
        agent.hear(events.PromotingFailed(group="g", why="no"))
        agent.hear(events.Demoted(group="g"))
        agent.pass_s(17 * GROUP.hold_down_s)
    away = [fact.for_s for fact in agent.told(facts.HeldDown) if isinstance(fact, facts.HeldDown)]
    assert away == [10, 20, 40, 80, 160, 160, 160]


def test_a_demotion_that_failed_is_tried_again_and_the_group_is_not_given_back() -> None:
    one, two = pair()
    one.obliging = False
    one.hear(events.Stopping())
    one.hear(events.DemotingFailed(group="g", why="stuck"))
    assert one.told(facts.DemotionFailed)
    assert claim_of(one.store).holder == "a"
    one.pass_s(GROUP.retry_s + 0.01)
    assert len(one.wanted(effects.Demote)) == 2
    one.hear(events.Demoted(group="g"))
    assert claim_of(one.store).holder == ""
    move(two)
    assert two.phase == "active"


def test_the_one_with_the_higher_priority_comes_first_and_the_others_wait_their_turn() -> None:
    store = MemoryStore()
    holder = Scripted("a", store)
    low = Scripted("low", store, [Group(name="g", identity="id", priority=10)])
    high = Scripted("high", store, [Group(name="g", identity="id", priority=90)])
    move(low, high, low, high, seconds=0.01)
    holder.hear(events.Stopping())
    move(low, seconds=0.001)
    assert low.phase == "standby"
    move(high, seconds=0.001)
    assert high.phase == "active"


def test_who_comes_later_takes_the_group_if_the_first_one_does_not() -> None:
    store = MemoryStore()
    holder = Scripted("a", store)
    low = Scripted("low", store, [Group(name="g", identity="id", priority=10)])
    high = Scripted("high", store, [Group(name="g", identity="id", priority=90)])
    move(low, high, low, seconds=0.01)
    high.online = False
    holder.hear(events.Stopping())
    low.look()
    low.pass_s(TIMING.ttl_s + TIMING.stagger_s + 0.1)
    assert low.phase == "active"


def test_among_equals_the_one_that_is_less_behind_is_chosen() -> None:
    store = MemoryStore()
    holder = Scripted("a", store)
    far, near = Scripted("b", store), Scripted("c", store)
    far.check(ok=True, lag_bytes=1 << 20)
    near.check(ok=True, lag_bytes=100)
    move(far, near, far, seconds=0.01)
    holder.hear(events.Stopping())
    move(far, seconds=0.001)
    assert far.phase == "standby"
    move(near, seconds=0.001)
    assert near.phase == "active"


def test_who_is_too_far_behind_is_not_chosen_at_all() -> None:
    limit = Group(name="g", identity="id", checked=True, most_lag_bytes=1000)
    store = MemoryStore()
    agent = Scripted("a", store, [limit])
    agent.check(ok=True, lag_bytes=1001)
    agent.pass_s(100)
    assert agent.phase == "standby"
    agent.look()
    assert "1001 bytes behind" in agent.state.profiles["a"].groups["g"].why
    agent.check(ok=True)
    agent.look()
    assert "an unknown number of bytes" in agent.state.profiles["a"].groups["g"].why
    agent.check(ok=True, lag_bytes=1000)
    assert agent.phase == "active"


def test_a_holder_whose_service_fails_hands_over_if_somebody_else_may() -> None:
    checked = Group(name="g", identity="id", checked=True)
    one, two = pair(checked, checked)
    one.check(ok=False)
    assert one.phase == "standby"
    assert claim_of(one.store).handed_to == "b"
    move(two)
    assert two.phase == "active"


def test_a_holder_whose_service_fails_goes_on_if_nobody_else_may() -> None:
    checked = Group(name="g", identity="id", checked=True)
    one, two = pair(checked, checked)
    two.check(ok=False)
    one.look()
    one.check(ok=False)
    assert one.phase == "active"


def test_nobody_is_preempted_unless_that_is_wanted() -> None:
    one, two = pair(GROUP, Group(name="g", identity="id", priority=200))
    for _ in range(5):
        move(one, two, seconds=3)
    assert one.phase == "active"


def test_a_better_one_is_given_the_group_after_it_has_stood_for_a_while() -> None:
    patient = Group(name="g", identity="id", preempt_after_s=20)
    one, two = pair(patient, Group(name="g", identity="id", priority=200))
    for _ in range(6):
        move(two, one, seconds=3)
    assert one.phase == "active"
    for _ in range(4):
        move(two, one, seconds=3)
    move(two)
    assert (one.phase, two.phase) == ("standby", "active")


def order(agent: Scripted, token: int, to: str = "") -> None:
    agent.put(ORDERS + "g", Order(group="g", id=f"o{token}{to}", token=token, to=to))
    agent.look()


def test_an_order_is_followed_and_the_one_that_is_named_goes_first() -> None:
    one, two = pair()
    three = Scripted("c", one.store, [Group(name="g", identity="id", priority=500)])
    move(one, two, three, one, two)
    order(one, one.group.token, "b")
    assert one.told(facts.HandoverStarted)
    move(three, seconds=0.01)
    assert three.phase == "standby"
    move(two, seconds=0.01)
    assert two.phase == "active"


def test_an_order_about_another_term_means_nothing() -> None:
    one, _ = pair()
    order(one, one.group.token - 1, "b")
    assert one.phase == "active"
    assert not one.told(facts.HandoverRefused)


@pytest.mark.parametrize(("to", "why"), [("nobody", "nobody called nobody stands for it"), ("a", "holds it already")])
def test_an_order_that_cannot_be_followed_is_refused_once(to: str, why: str) -> None:
    one, _ = pair()
    order(one, one.group.token, to)
    one.look()
    (told,) = one.told(facts.HandoverRefused)
    assert why in str(told)
    assert one.phase == "active"


def test_a_stranger_with_a_group_of_the_same_name_is_left_alone_dead_or_alive() -> None:
    store = MemoryStore()
    stranger = Scripted("x", store, [Group(name="g", identity="theirs")])
    agent = Scripted("a", store)
    assert stranger.phase == "active"
    agent.pass_s(10 * TIMING.ttl_s)
    assert agent.phase == "standby"
    assert len(agent.told(facts.GroupNameClashed)) >= 1
    assert claim_of(store).holder == "x"


def test_a_holder_whose_record_was_removed_stops() -> None:
    agent = Scripted("a", MemoryStore())
    rest = [entry for entry in agent.store.look("") if entry.key != GROUPS + "g"]
    agent.pass_s(0.1)
    agent.state = structs.replace(agent.state, reading=True, reading_s=agent.now_s)
    agent.online = False
    agent.hear(events.Seen(entries=tuple(rest), complete=True))
    assert agent.told(facts.ClaimVanished)
    assert agent.told(facts.StoppedActing)


def test_a_holder_whose_record_somebody_wrote_stops() -> None:
    agent = Scripted("a", MemoryStore())
    agent.put(GROUPS + "g", Claim(group="g", holder="z", session="zz", identity="id"))
    agent.look()
    assert agent.phase == "standby"
    assert "z wrote" in str(agent.told(facts.StoppedActing))


def test_a_group_whose_record_cannot_be_read_is_left_alone() -> None:
    store = MemoryStore()
    store.put(GROUPS + "g", b"nonsense", 0)
    agent = Scripted("a", store)
    agent.pass_s(100)
    assert agent.phase == "standby"
    assert agent.told(facts.RecordUnreadable)


def test_groups_come_and_go_with_the_file_and_the_session_goes_on() -> None:
    agent = Scripted("a", MemoryStore())
    session = agent.state.mine.session
    agent.hear(events.Reconfigured(groups=(GROUP, Group(name="h"))))
    assert agent.state.groups["h"].phase == "active"
    agent.hear(events.Reconfigured(groups=(Group(name="h"),)))
    assert set(agent.state.groups) == {"h"}
    assert claim_of(agent.store).holder == ""
    assert agent.state.mine.session == session


def test_two_hundred_groups_are_renewed_by_one_request() -> None:
    agent = Scripted("a", MemoryStore(), [Group(name=f"g{number}") for number in range(200)])
    assert all(group.phase == "active" for group in agent.state.groups.values())
    before = len(agent.wanted(effects.Swap))
    agent.pass_s(10 * TIMING.ttl_s)
    assert len(agent.wanted(effects.Swap)) - before == 30


def test_a_fence_must_be_confirmed_before_the_group_is_taken() -> None:
    both = Group(name="g", identity="id", fencing="both")
    one, two = pair(both, both)
    one.online = False
    two.pass_s(TIMING.ttl_s + 1)
    assert two.phase == "standby"
    (wanted,) = two.wanted(effects.Fence)
    assert isinstance(wanted, effects.Fence)
    two.hear(events.Fenced(peer="a", session=wanted.session, confirmed=False, why="no answer"))
    two.pass_s(both.retry_s + 0.01)
    assert len(two.wanted(effects.Fence)) == 2
    two.hear(events.Fenced(peer="a", session=wanted.session, confirmed=True))
    assert two.phase == "active"


def test_a_fence_that_fails_is_tried_ever_more_seldom() -> None:
    both = Group(name="g", identity="id", fencing="both")
    one, two = pair(both, both)
    one.online = False
    two.pass_s(TIMING.ttl_s + 1)
    waits: list[float] = []
    for number in range(1, 12):
        (*_, wanted) = two.wanted(effects.Fence)
        assert isinstance(wanted, effects.Fence)
        failed_s = two.now_s
        two.hear(events.Fenced(peer="a", session=wanted.session, confirmed=False, why="no answer"))
        while len(two.wanted(effects.Fence)) == number:
            two.pass_s(0.1)
        waits.append(two.now_s - failed_s)
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert 59 < waits[-1] < 62


def test_a_confirmed_fence_need_not_wait_for_the_lease() -> None:
    fence = Group(name="g", identity="id", fencing="fence")
    one, two = pair(fence, fence)
    one.online = False
    two.pass_s(TIMING.ttl_s * 0.7)
    (wanted,) = two.wanted(effects.Fence)
    assert isinstance(wanted, effects.Fence)
    two.hear(events.Fenced(peer="a", session=wanted.session, confirmed=True))
    two.pass_s(0.01)
    assert two.phase == "active"


def test_nobody_is_fenced_for_what_only_reached_us_late() -> None:
    fence = Group(name="g", identity="id", fencing="fence")
    one, two = pair(fence, fence)
    two.look()
    two.online = False
    two.pass_s(TIMING.renew_s)  # a read begins, and takes long; the holder renews meanwhile
    one.pass_s(TIMING.ttl_s * 0.6)
    two.pass_s(TIMING.ttl_s * 0.5)
    assert not two.wanted(effects.Fence)
    two.online = True
    two.answer()
    two.pass_s(0.01)
    assert not two.wanted(effects.Fence)
    one.online = False
    two.pass_s(TIMING.ttl_s * 0.7)
    assert len(two.wanted(effects.Fence)) == 1


def test_a_holder_that_stops_by_itself_need_not_be_fenced() -> None:
    both = Group(name="g", identity="id", fencing="both")
    one, two = pair(both, both)
    one.hear(events.Stopping())
    move(two)
    assert two.phase == "active"
    assert not two.wanted(effects.Fence)


def test_witnesses_must_all_confirm_and_then_the_holder_goes_on_without_the_store() -> None:
    store = MemoryStore()
    one = Scripted("a", store, failsafe=True)
    two, three = Scripted("b", store, failsafe=True), Scripted("c", store, failsafe=True)
    move(two, three, one, seconds=TIMING.renew_s)
    one.online = False
    one.pass_s(TIMING.renew_s * 1.6)
    asked = one.wanted(effects.Ask)[-1]
    assert isinstance(asked, effects.Ask)
    assert asked.witnesses == ("b", "c")
    before_s = one.state.mine.until_s
    one.hear(events.Confirmed(peer="b", session=asked.session, number=asked.number))
    assert one.state.mine.until_s == before_s
    one.hear(events.Confirmed(peer="c", session=asked.session, number=asked.number))
    assert one.state.mine.until_s > before_s
    assert one.told(facts.FailsafeHeld)


def test_a_witness_does_not_confirm_what_it_has_asked_to_end() -> None:
    store = MemoryStore()
    Scripted("a", store, failsafe=True)
    two = Scripted("b", store, failsafe=True)
    session = two.state.peers["a"].record.session
    two.hear(events.Asked(peer="a", session=session, number=1))
    assert len(two.wanted(effects.Confirm)) == 1
    two.online = False
    two.jump_s(TIMING.renew_s)
    two.hear(events.Ticked())
    two.online = True
    two.answer()
    two.pass_s(TIMING.ttl_s - TIMING.renew_s)
    two.online = False
    two.pass_s(0.1)
    two.hear(events.Asked(peer="a", session=session, number=2))
    ended = any(isinstance(one, effects.Swap) and one.key == AGENTS + "a" for one in two.effects)
    assert ended == (len(two.wanted(effects.Confirm)) == 1)


def test_a_profile_says_why_somebody_may_not_be_chosen() -> None:
    checked = Group(name="g", identity="id", checked=True)
    agent = Scripted("a", MemoryStore(), [checked])
    agent.check(ok=False)
    profile = decode(agent.store.look(PROFILES + "a")[0].value, Profile)
    assert profile.groups["g"] == Standing(priority=100, eligible=False, why="ill")


def paused_pair() -> tuple[Scripted, Scripted]:
    one, two = pair()
    one.put(SETTINGS, Settings(paused=True, by="me"))
    one.look()
    two.look()
    return one, two


def test_an_order_is_carried_out_during_a_pause_and_no_outage_lasts_until_its_end() -> None:
    one, two = paused_pair()
    one.put(ORDERS + "g", Order(group="g", id="o1", token=one.group.token, to="b"))
    one.look()
    move(two, one)
    assert (one.phase, two.phase) == ("standby", "active")


def test_what_a_holder_gives_away_at_its_end_is_taken_during_a_pause() -> None:
    one, two = paused_pair()
    one.hear(events.Stopping())
    move(two)
    assert two.phase == "active"


def test_a_dead_holder_is_not_followed_during_a_pause() -> None:
    one, two = paused_pair()
    one.online = False
    two.pass_s(10 * TIMING.ttl_s)
    two.look()
    assert two.phase == "standby"


def test_a_refused_order_is_kept_with_its_reason() -> None:
    one, _ = pair()
    one.put(ORDERS + "g", Order(group="g", id="o1", token=one.group.token, to="nobody"))
    one.look()
    assert one.state.refused == {"o1": "nobody called nobody stands for it"}
