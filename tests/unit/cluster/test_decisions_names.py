"""Two agents of one name, of which one may be held by its witnesses without the store."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster import facts
from bascule.cluster.decisions import effects, events
from bascule.cluster.records import AGENTS, SETTINGS, Session, Settings, decode
from bascule.cluster.stores.memory import MemoryStore

HELD = Session(agent="a", session="held", ttl_s=TIMING.ttl_s, witnesses=("w",), address="10.0.0.1:1")


def newcomer(*, address: str = "10.0.0.2:1", settings: Settings | None = None) -> Scripted:
    """A second agent of the name, whose store has not heard of the first one, nor of its witness, for ten ttl."""
    store = MemoryStore()
    first = Scripted("w", store)
    first.put(AGENTS + "a", HELD)
    if settings:
        first.put(SETTINGS, settings)
    two = Scripted("a", store, address=address, seed=9)
    for _ in range(10):
        two.pass_s(TIMING.ttl_s)
        two.look()
    return two


def test_a_name_is_not_taken_however_dead_its_witnesses_look() -> None:
    two = newcomer()
    assert two.state.mine.session == ""
    assert len(two.told(facts.AgentNameTaken)) == 1
    two.put(AGENTS + "a", structs.replace(HELD, state="ended", why="not renewed"))
    two.look()
    assert two.state.mine.session


def test_nor_while_the_cluster_is_paused() -> None:
    assert newcomer(settings=Settings(paused=True)).state.mine.session == ""


def test_where_what_the_witnesses_say_arrives_here_the_name_is_taken() -> None:
    assert newcomer(address=HELD.address).state.mine.session


def test_an_operator_may_say_that_nobody_has_it() -> None:
    assert newcomer(settings=Settings(freed=("a/held",))).state.mine.session
    assert newcomer(settings=Settings(freed=("a/other", "w/held"))).state.mine.session == ""


@pytest.mark.parametrize("alive", [True, False])
def test_only_who_has_its_name_confirms(alive: bool) -> None:
    store = MemoryStore()
    one, two = Scripted("a", store, failsafe=True), Scripted("b", store, failsafe=True)
    if not alive:
        two.online = False
        two.jump_s(TIMING.ttl_s)
        two.hear(events.Ticked())
        assert two.told(facts.SessionLost)
    two.hear(events.Asked(peer="a", session=one.state.mine.session, number=1))
    assert bool(two.wanted(effects.Confirm)) == alive


def test_who_gets_its_name_counts_anew_what_its_forerunner_may_have_confirmed() -> None:
    store = MemoryStore()
    writer = Scripted("w", store)
    writer.put(AGENTS + "a", structs.replace(HELD, witnesses=("b",)))
    writer.put(AGENTS + "b", structs.replace(HELD, agent="b", session="forerunner"))
    two = Scripted("b", store, address="10.0.0.2:1", seed=9)
    two.pass_s(3 * TIMING.ttl_s)
    two.put(AGENTS + "b", structs.replace(HELD, agent="b", session="forerunner", state="ended"))
    two.look()
    assert two.state.mine.session
    two.pass_s(TIMING.ttl_s * 0.9)
    held = {entry.key: entry.value for entry in store.look("")}[AGENTS + "a"]
    assert decode(held, Session).state == "alive"
    two.pass_s(TIMING.ttl_s * 0.2)
    held = {entry.key: entry.value for entry in store.look("")}[AGENTS + "a"]
    assert decode(held, Session).state == "ended"
