"""A leadership at its edges: while it is entered, while it is left, and for those who wait for its end."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bascule.cluster import Leadership, Term
from bascule.cluster.records import AGENTS, Session, decode
from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Entry
from bascule.guard.stream import FACTS
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import InputError, LeadershipLostError, StoreError
from bascule.kernel.facts import Fact


class Moody(MemoryStore):
    """A store that is lost, refuses or takes its time as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        if self.error is not None:
            raise self.error
        return await super().read(prefix)

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        if self.error is not None:
            raise self.error
        self.asked.set()
        await self.gate.wait()
        return await super().swap(key, value, expected)

    def sessions(self) -> list[Session]:
        return [decode(entry.value, Session) for entry in self.look(f"bascule/default/{AGENTS}")]


def play(scene: Callable[[], Coroutine[Any, Any, None]], *, debug: bool = False) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded(), debug=debug)


def lead(store: MemoryStore, group: str = "g", *, ttl_s: float = 0.4, **options: Any) -> Leadership:
    return Leadership(group, store=store, ttl_s=ttl_s, **{"listen": lambda _: None, **options})


# -- at the entrance


def test_each_has_a_name_of_its_own_and_names_come_again() -> None:
    async def scene() -> None:
        store = Moody()
        inside, leave = asyncio.Barrier(6), asyncio.Barrier(6)

        async def work(group: str) -> None:
            async with lead(store, group):
                await inside.wait()
                await leave.wait()

        for _ in range(2):
            works = [asyncio.create_task(work(f"g{number}")) for number in range(5)]
            await inside.wait()
            assert sum(one.state == "alive" for one in store.sessions()) == 5
            await leave.wait()
            await asyncio.gather(*works)
        host = socket.gethostname()
        assert {one.agent for one in store.sessions()} == {f"{host}.{number}" for number in range(1, 6)}

    play(scene)


def test_who_is_slower_with_a_name_takes_another_one_at_once() -> None:
    async def scene() -> None:
        store, inside = Moody(), asyncio.Barrier(3)
        store.gate.clear()  # both have read that the name is free before either has written it

        async def work(group: str) -> None:
            async with lead(store, group, ttl_s=600):  # nobody renews its session meanwhile
                await inside.wait()
                await inside.wait()

        works = [asyncio.create_task(work(group)) for group in "ab"]
        await store.asked.wait()
        await asyncio.sleep(0.01)
        store.gate.set()
        await inside.wait()
        assert len({one.agent for one in store.sessions() if one.state == "alive"}) == 2
        await inside.wait()
        await asyncio.gather(*works)

    play(scene)


def test_a_store_that_is_away_at_the_entrance_is_told_and_waited_for() -> None:
    async def scene() -> None:
        store, facts = Moody(), list[str]()
        store.error = StoreError("gone")

        def hear(fact: Fact) -> None:
            facts.append(type(fact).__name__)
            store.error = None

        async with lead(store, listen=hear):
            pass
        assert facts[:2] == ["StoreLost", "StoreBack"]
        assert facts.count("StoreLost") == 1

    play(scene)


def test_a_store_that_will_never_do_is_an_error_at_once() -> None:
    async def scene() -> None:
        store = Moody()
        store.error = InputError("this cannot be")
        leadership = lead(store)
        for _ in range(2):  # it may be tried again
            with pytest.raises(InputError, match="cannot be"):
                await leadership.__aenter__()

    play(scene)


def test_whoever_gives_up_while_the_store_takes_its_time_leaves_nothing_behind() -> None:
    async def scene() -> None:
        store = Moody()
        store.gate.clear()
        task = asyncio.create_task(lead(store).__aenter__())
        await store.asked.wait()
        task.cancel()
        await asyncio.sleep(0)
        store.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        assert not [one for one in store.sessions() if one.state == "alive"]

    play(scene)


# -- inside


def test_a_time_limit_around_it_and_one_within_it_are_what_they_always_are() -> None:
    async def scene() -> None:
        store = Moody()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), lead(store):
                await asyncio.Event().wait()
        async with lead(store):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await asyncio.Event().wait()
        with pytest.raises(TimeoutError, match="mine"):
            async with lead(store, wait_s=5):
                raise TimeoutError("mine")

    play(scene)


def test_a_group_of_tasks_inside_ends_with_the_lease() -> None:
    async def scene() -> None:
        store, ended = Moody(), list[str]()

        async def child(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        async def work() -> None:
            async with lead(store), asyncio.TaskGroup() as group:
                group.create_task(child("a"))
                group.create_task(child("b"))
                store.error = StoreError("gone")

        with pytest.raises(LeadershipLostError):
            await work()
        assert sorted(ended) == ["a", "b"]

    play(scene)


def test_a_block_that_does_not_end_is_told_of_once_and_its_group_waits_for_it() -> None:
    async def scene() -> None:
        store, facts, failed = Moody(), list[str](), asyncio.Event()

        def hear(fact: Fact) -> None:
            facts.append(type(fact).__name__)
            if facts[-1] == "DemotionFailed":
                failed.set()

        async with lead(store, on_lost="signal", listen=hear) as term:
            store.error = StoreError("gone")
            await term.lost.waited()
            store.error = None
            await failed.wait()
            await asyncio.sleep(0.5)  # more than two of the driver's retries: nothing else may come
            assert facts.count("DemotionFailed") == 1
            assert "StoppedActing" not in facts
        assert facts.count("StoppedActing") == 1

    play(scene)


def test_a_loop_that_stands_still_for_longer_than_the_lease_loses_it() -> None:
    async def scene() -> None:
        store = Moody()

        async def work() -> None:
            async with lead(store, ttl_s=0.2) as term:
                assert term.lost.wait(10)  # the driver cannot renew meanwhile
                await asyncio.Event().wait()

        with pytest.raises(LeadershipLostError):
            await work()

    play(scene)


def test_a_listener_that_raises_breaks_no_lease() -> None:
    def hear(fact: Fact) -> None:
        raise KeyError(type(fact).__name__)

    async def scene() -> None:
        async with lead(Moody(), listen=hear) as term:
            await asyncio.sleep(0.3)  # two renewals
            term.check()

    play(scene)


def test_telemetry_hears_it_and_nothing_is_carried_while_nobody_listens() -> None:
    heard: list[str] = []

    async def scene() -> None:
        leadership = Leadership("g", store=Moody(), ttl_s=0.4)
        async with leadership:
            assert not FACTS._queue
        end = FACTS.subscribe(lambda fact: heard.append(type(fact).__name__))
        async with leadership:
            pass
        await asyncio.to_thread(FACTS.flush)
        end()
        assert "BecameActive" in heard

    assert not FACTS.is_heard
    play(scene)


# -- at the exit


def test_a_cancellation_while_the_lease_is_given_back_comes_through_and_the_lease_is_given_back() -> None:
    async def scene() -> None:
        store, leaving = Moody(), asyncio.Event()

        async def work() -> None:
            async with lead(store, ttl_s=5):
                store.gate.clear()
                leaving.set()

        task = asyncio.create_task(work())
        await leaving.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        store.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [one for one in store.sessions() if one.state == "alive"]

    play(scene)


def test_an_error_inside_is_not_replaced_by_the_loss() -> None:
    async def scene() -> None:
        store = Moody()

        async def work() -> None:
            async with lead(store):
                store.error = StoreError("gone")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise KeyError("mine") from None

        with pytest.raises(KeyError, match="mine"):
            await work()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    play(scene)


def test_nothing_is_left_to_be_complained_of_in_debug_mode() -> None:
    async def scene() -> None:
        store = Moody()

        async def work() -> None:
            async with lead(store, "outer"), lead(store, "inner"):
                store.error = StoreError("gone")
                await asyncio.Event().wait()

        with pytest.raises(LeadershipLostError):
            await work()
        store.error = None
        async with lead(store, wait_s=10):
            pass
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(scene, debug=True)
        gc.collect()


# -- those who wait for the end of a term


def test_waiting_for_a_loss_in_turns_leaves_nothing_behind() -> None:
    async def scene() -> None:
        term = Term("g", 1, 1e12)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(term.lost.waited(), 0.001)
        assert term.lost._tasks == []
        waiting = asyncio.create_task(term.lost.waited())
        await asyncio.sleep(0)
        term.lost.set("so be it")
        await waiting
        await term.lost.waited()
        assert term.lost.why == "so be it"

    play(scene)


def test_an_event_loop_that_was_closed_while_it_waited_does_no_harm() -> None:
    term = Term("g", 1, 1e12)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(term.lost.waited())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    term.lost.set("the lease was lost")
    assert term.lost.is_set()
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # the loop was closed under it on purpose
    waiting.get_coro().close()


def test_a_term_that_is_extended_wakes_nobody() -> None:
    async def scene() -> None:
        term = Term("g", 1, BootClock().monotonic_s() + 0.02)
        waiting = asyncio.create_task(term.lost.waited())
        term.extend(1e12)
        await asyncio.sleep(0.05)
        assert not waiting.done()
        term.lost.set("now")
        await waiting

    play(scene)


# -- threads


def test_a_thread_may_lead_within_a_running_loop(tmp_path: Path) -> None:
    async def scene() -> None:
        with Leadership("g", store=tmp_path / "leases.db", ttl_s=0.5, listen=lambda _: None) as term:
            assert term.remaining_s > 0
        assert term.lost.is_set()

    play(scene)


def test_an_error_in_the_block_of_a_thread_comes_through_and_the_thread_is_gone(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyError),
        Leadership("mine", store=tmp_path / "leases.db", ttl_s=0.5, listen=lambda _: None),
    ):
        raise KeyError("mine")
    assert not [one for one in threading.enumerate() if one.name.startswith("leadership mine")]


def test_a_store_that_cannot_be_named_is_an_error_in_a_thread_too() -> None:
    leadership = Leadership("g", store="sqlite://relative.db")
    for _ in range(2):
        with pytest.raises(InputError, match="absolute"), leadership:
            pass


def test_a_forked_child_gives_nothing_back_and_may_stand_for_itself(tmp_path: Path) -> None:
    leadership = Leadership("g", store=tmp_path / "leases.db", ttl_s=30, listen=lambda _: None)
    with leadership as term:
        child = os.fork()
        if child == 0:
            leadership.__exit__(None, None, None)
            os._exit(0 if leadership._thread is None and term.lost.is_set() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        term.check()


def test_what_is_no_store_is_refused_before_anybody_waits_for_it() -> None:
    nothing: Any = None
    with pytest.raises(InputError, match="NoneType is no store"):
        Leadership("g", store=nothing)


def test_what_becomes_of_a_block_is_one_of_two_things() -> None:
    with pytest.raises(InputError, match="on_lost"):
        Leadership("g", store=MemoryStore(), on_lost="explode")  # type: ignore[arg-type]  # on purpose
