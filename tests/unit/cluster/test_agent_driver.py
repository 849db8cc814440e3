from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from bascule.cluster import facts
from bascule.cluster.agent.acting import Hear
from bascule.cluster.agent.driver import Driver
from bascule.cluster.agent.luck import Luck
from bascule.cluster.decisions import events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.step import begin
from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Entry
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import StoreError
from bascule.kernel.facts import Fact

TIMING = Timing(ttl_s=0.3, stop_s=0.03)


class Stage:
    """Acts at once, and knows who acts."""

    def __init__(self, name: str, acting: list[str]) -> None:
        self.name = name
        self.acting = acting
        self.most = 0

    def promote(self, group: str, token: int, until_s: float, hear: Hear) -> None:
        del token, until_s
        self.acting.append(self.name)
        self.most = max(self.most, len(self.acting))
        hear(events.Promoted(group=group))

    def extend(self, until_s: float) -> None:
        pass

    def demote(self, group: str, token: int, until_s: float, why: str, hear: Hear) -> None:
        del token, until_s, why
        if self.name in self.acting:
            self.acting.remove(self.name)
        hear(events.Demoted(group=group))

    def announce(self) -> None:
        pass

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        hear(events.Fenced(peer=peer, session=session, confirmed=True, why=group))


class Moody(MemoryStore):
    """A store that can be lost, by everybody or by its users one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        if self.lost:
            raise StoreError("gone")
        return await super().read(prefix)

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        if self.lost:
            raise StoreError("gone")
        return await super().swap(key, value, expected)

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        async for entry in super().watch(prefix):
            if self.lost:
                raise StoreError("gone")
            yield entry


class Node:
    def __init__(self, name: str, store: MemoryStore, acting: list[str], priority: int = 100) -> None:
        self.name = name
        self.stage = Stage(name, acting)
        self.facts: list[Fact] = []
        self.changed = asyncio.Event()
        self.driver = Driver(
            begin(name, TIMING, [Group(name="g", priority=priority, hold_down_s=0)]),
            store,
            self.stage,
            cluster="test",
            clock=BootClock(),
            dice=Luck(),
            publish=self.hear,
        )
        self.task = asyncio.create_task(self.driver.run())

    def hear(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.changed.set()

    def told(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def active(self) -> None:
        await self.until(lambda: self.driver.state.groups["g"].phase == "active")

    async def leave(self) -> None:
        self.driver.hear(events.Stopping())
        async with asyncio.timeout(20):
            await self.task

    async def die(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self.name in self.stage.acting:
            self.stage.acting.remove(self.name)


def test_one_leads_hands_over_when_it_leaves_and_is_followed_when_it_dies() -> None:
    async def scene() -> None:
        store, acting = MemoryStore(), list[str]()
        nodes = [Node(name, store, acting) for name in "abc"]
        first = await one_of(nodes)
        rest = [one for one in nodes if one is not first]
        await first.leave()
        assert first.told(facts.StoppedActing)
        second = await one_of(rest)
        third = next(one for one in rest if one is not second)
        await second.die()
        await third.active()
        assert third.told(facts.PeerEnded)
        await third.leave()
        assert acting == []
        assert max(one.stage.most for one in nodes) == 1
        began = [fact for one in nodes for fact in one.facts if isinstance(fact, facts.BecameActive)]
        tokens = [fact.token for fact in began]
        assert len(set(tokens)) == len(tokens) == 3

    asyncio.run(scene())


async def one_of(nodes: list[Node]) -> Node:
    waiting = {asyncio.create_task(node.active()): node for node in nodes}
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return waiting[next(iter(done))]


def test_without_the_store_the_holder_stops_and_goes_on_once_it_is_back() -> None:
    async def scene() -> None:
        store, acting = Moody(), list[str]()
        node = Node("a", store, acting)
        await node.active()
        store.lost = True
        await node.until(lambda: bool(node.told(facts.StoppedActing)))
        assert acting == []
        assert node.told(facts.StoreLost)
        assert node.told(facts.SessionLost)
        store.lost = False
        await node.until(lambda: len(node.told(facts.BecameActive)) == 2)
        assert node.told(facts.StoreBack)
        await node.leave()

    asyncio.run(scene())


def test_a_fault_of_the_decisions_ends_the_run_and_is_raised() -> None:
    async def scene() -> None:
        node = Node("a", MemoryStore(), [])
        await node.active()
        node.driver.hear(events.Checked(group="g", ok=True, lag_bytes="many"))  # type: ignore[arg-type]  # on purpose
        try:
            async with asyncio.timeout(20):
                await node.task
        except AttributeError:
            return
        raise AssertionError("nothing was raised")

    asyncio.run(scene())
