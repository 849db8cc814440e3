from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec import structs
from tests.unit.cluster.decided import TIMING, Scripted

from bascule.cluster.agent import orders
from bascule.cluster.agent.control import Request
from bascule.cluster.agent.orders import Orders
from bascule.cluster.decisions import events
from bascule.cluster.records import ORDERS, SETTINGS, Order, Settings, decode
from bascule.cluster.stores.memory import MemoryStore
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import ClusterError, InputError, StoreError

PREFIX = "bascule/c/"


async def fence(peer: str, group: str) -> None:
    assert (peer, group) == ("b", "ordered")


class Scene:
    """Orders to an agent that knows what `asked` knows, and a store of their own."""

    def __init__(self, asked: Scripted) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock(asked.now_s)
        self.orders = Orders(cast("Any", asked), self.store, "c", self.clock, fence)

    def settings(self) -> Settings:
        return decode(self.store.look(PREFIX + SETTINGS)[0].value, Settings)

    def order(self, group: str = "g") -> Order:
        return decode(self.store.look(f"{PREFIX}{ORDERS}{group}")[0].value, Order)


def pair() -> tuple[Scripted, Scripted]:
    store = MemoryStore()
    one, two = Scripted("a", store), Scripted("b", store, seed=7)
    one.look()
    two.look()
    return one, two


def test_what_somebody_else_just_asked_for_is_kept() -> None:
    scene = Scene(pair()[0])
    asyncio.run(scene.orders.fence(Request(do="fence", peer="b"), "a"))
    asyncio.run(scene.orders.settle(paused=True, by="me"))  # this agent has seen nothing of that yet
    assert scene.settings().paused
    assert len(scene.settings().freed) == 1


def test_settings_that_cannot_be_read_are_not_written_over() -> None:
    scene = Scene(pair()[0])
    scene.store.put(PREFIX + SETTINGS, b"nonsense", 0)
    with pytest.raises(StoreError, match="cannot be read"):
        asyncio.run(scene.orders.settle(paused=True, by="me"))


@pytest.mark.parametrize(
    ("request_", "error", "told"),
    [
        (Request(do="switchover", group="other"), InputError, "no group"),
        (Request(do="switchover", group="g", to="a"), ClusterError, "holds g already"),
        (Request(do="switchover", group="g", to="c"), ClusterError, "nobody called c stands for it"),
        (Request(do="fence", peer="c"), InputError, "no agent is called"),
        (Request(do="fence", peer="a"), InputError, "does not fence itself"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    request_: Request, error: type[Exception], told: str
) -> None:
    scene = Scene(pair()[0])
    carry_out = scene.orders.fence(request_, "a") if request_.do == "fence" else scene.orders.switchover(request_)
    with pytest.raises(error, match=told):
        asyncio.run(carry_out)
    assert not scene.store.look("")


def test_nobody_hands_over_for_the_dead() -> None:
    one, two = pair()
    one.online = False
    two.jump_s(1000)
    with pytest.raises(ClusterError, match="its session is over"):
        asyncio.run(Scene(two).orders.switchover(Request(do="switchover", group="g", to="b")))


def test_an_order_that_is_not_carried_out_is_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(pair()[0])
    token = pair()[0].group.token

    async def passes(_: float) -> None:
        assert scene.order().token == token
        scene.clock.advance(orders.SWITCHOVER_LIMIT_S)

    monkeypatch.setattr("bascule.cluster.agent.orders.asyncio.sleep", passes)
    with pytest.raises(ClusterError, match="the order is withdrawn"):
        asyncio.run(scene.orders.switchover(Request(do="switchover", group="g", to="b")))
    assert scene.order().token == 0


def test_a_refused_order_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pair()[0]
    scene = Scene(asked)

    async def refused(_: float) -> None:
        asked.state = structs.replace(asked.state, refused={scene.order().id: "ill"})

    monkeypatch.setattr("bascule.cluster.agent.orders.asyncio.sleep", refused)
    with pytest.raises(ClusterError, match="g stays with a: ill"):
        asyncio.run(scene.orders.switchover(Request(do="switchover", group="g")))


def test_an_agent_that_waits_for_its_name_takes_the_word_that_nobody_else_has_it() -> None:
    one, _ = pair()
    session = one.state.mine.session
    with pytest.raises(InputError, match="does not fence itself"):
        asyncio.run(Scene(one).orders.fence(Request(do="fence", peer="a", confirmed=True), "a"))
    one.online = one.obliging = False
    one.jump_s(TIMING.ttl_s)
    one.hear(events.Ticked())
    with pytest.raises(InputError, match="does not fence itself"):  # that was its own last session
        asyncio.run(Scene(one).orders.fence(Request(do="fence", peer="a", confirmed=True), "a"))
    waiting = Scripted("a", one.store, seed=9)
    with pytest.raises(InputError, match="does not fence itself"):
        asyncio.run(Scene(waiting).orders.fence(Request(do="fence", peer="a"), "a"))
    scene = Scene(waiting)
    asyncio.run(scene.orders.fence(Request(do="fence", peer="a", confirmed=True), "a"))
    assert scene.settings().freed == (f"a/{session}",)
