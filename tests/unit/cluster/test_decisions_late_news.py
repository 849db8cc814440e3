"""What comes late: answers of reads that began before, claims of groups that are gone, checks not yet answered."""

from __future__ import annotations

from msgspec import structs
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.group import Group
from bascule.cluster.records import AGENTS, GROUPS, ORDERS, Claim, Order, Session, decode
from bascule.cluster.stores.memory import MemoryStore

GROUP = Group(name="g", identity="id")


def claim_of(store: MemoryStore) -> Claim:
    return decode(store.look(GROUPS + "g")[0].value, Claim)


def release_under_way() -> tuple[Scripted, Scripted]:
    """An agent that has stopped for another one, and waits for the answers to its release and to a read."""
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.look()
    two.look()
    one.online = False
    one.pass_s(TIMING.renew_s)
    assert any(isinstance(asked, effects.Read) for asked in one.asked) or one.state.reading
    one.put(ORDERS + "g", Order(group="g", id="o", token=one.group.token, to="b"))
    one.hear(events.Seen(entries=store.look(ORDERS + "g")))
    assert one.phase == "releasing"
    return one, two


def test_a_read_that_began_before_cannot_tell_what_became_of_a_release() -> None:
    one, _ = release_under_way()
    before = one.store.look("")
    one.hear(events.SwapUnknown(key=GROUPS + "g", why="the connection was lost"))
    one.hear(events.Seen(entries=before, complete=True))
    assert one.phase == "releasing"
    assert one.state.pending[GROUPS + "g"].unknown


def test_a_read_that_began_before_a_refusal_makes_nobody_act_again() -> None:
    one, two = release_under_way()
    before = one.store.look("")
    release = next(one_ for one_ in one.asked if isinstance(one_, effects.Swap) and one_.key == GROUPS + "g")
    one.store.put(release.key, release.value, release.expected)  # it happens, and its answer is lost
    two.look()
    assert two.phase == "active"
    one.hear(events.Swapped(key=release.key, value=release.value, sent_s=one.now_s, revision=None))
    promoted = len(one.wanted(effects.Promote))
    one.hear(events.Seen(entries=before, complete=True))
    assert (one.phase, len(one.wanted(effects.Promote))) == ("standby", promoted)


def test_a_claim_that_happens_after_its_group_was_removed_is_given_back() -> None:
    store = MemoryStore()
    one = Scripted("a", store, [])
    one.pass_s(1)
    session = one.state.mine.session
    one.put(GROUPS + "g", Claim(group="g", holder="a", session=session, identity="id"))
    one.look()
    assert claim_of(store).holder == ""


def test_a_claim_that_is_seen_when_its_group_goes_is_given_back() -> None:
    store = MemoryStore()
    one = Scripted("a", store, [])
    one.pass_s(1)
    one.online = False
    one.hear(events.Reconfigured(groups=(GROUP,)))
    one.online = True
    one.look()
    claim = next(asked for asked in one.asked if isinstance(asked, effects.Swap) and asked.key == GROUPS + "g")
    one.asked.clear()
    one.store.put(claim.key, claim.value, claim.expected)  # it happens, and its answer is lost
    one.hear(events.Reconfigured(groups=()))
    one.hear(events.SwapUnknown(key=claim.key, why="the connection was lost"))
    for _ in range(3):
        one.pass_s(1)
        one.look()
    assert claim_of(store).holder == ""


def test_a_read_from_before_a_group_went_and_came_back_makes_nobody_act_again() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    before = store.look("")
    assert one.phase == "active"
    one.hear(events.Reconfigured(groups=()))
    two.look()
    two.pass_s(1)
    assert two.phase == "active"
    one.online = False
    one.hear(events.Reconfigured(groups=(structs.replace(GROUP, checked=True),)))  # and it may not claim yet
    promoted = len(one.wanted(effects.Promote))
    one.hear(events.Seen(entries=before, complete=True))
    one.hear(events.Seen(entries=before))
    assert len(one.wanted(effects.Promote)) == promoted
    one.online = True
    one.answer()
    one.look()
    assert (one.phase, two.phase) == ("standby", "active")
    assert one.group.claim == claim_of(store)


def test_a_claim_of_an_earlier_session_of_ours_is_left_alone() -> None:
    store = MemoryStore()
    one = Scripted("a", store, [])
    one.put(GROUPS + "g", Claim(group="g", holder="a", session="earlier", identity="id"))
    one.look()
    assert claim_of(store).session == "earlier"


def test_a_check_that_a_reload_adds_takes_nothing_away_before_its_first_answer() -> None:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.look()
    two.look()
    one.hear(events.Reconfigured(groups=(structs.replace(GROUP, checked=True),)))
    one.pass_s(1)
    assert one.phase == "active"
    one.check(ok=False)
    assert one.phase == "standby"


def test_an_unreadable_record_makes_nobody_act_again() -> None:
    one = Scripted("a", MemoryStore())
    assert one.phase == "active"
    revision = one.store.look(GROUPS + "g")[0].revision
    one.store.put(GROUPS + "g", b"garbage", revision)
    one.look()
    one.pass_s(1)
    one.look()
    assert one.phase == "standby"


def test_a_name_whose_session_may_be_held_by_a_witness_is_not_taken_until_the_witness_ends_it() -> None:
    store = MemoryStore()
    witness = Scripted("w", store)
    held = Session(agent="a", session="held", ttl_s=TIMING.ttl_s, witnesses=("w",))
    witness.put(AGENTS + "a", held)
    witness.look()
    clone = Scripted("a", store, seed=9)
    for _ in range(6):
        clone.pass_s(TIMING.ttl_s / 3)
        witness.put(AGENTS + "w", structs.replace(decode(store.look(AGENTS + "w")[0].value, Session), number=99))
        clone.look()
    assert clone.state.mine.session == ""
    clone.put(AGENTS + "a", structs.replace(held, state="ended", why="not renewed"))
    clone.look()
    assert clone.state.mine.session != ""
