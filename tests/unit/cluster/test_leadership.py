from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bascule.cluster import FENCES_SQL, Leadership, Term, guarded
from bascule.cluster.decisions import events
from bascule.cluster.leadership_store import open_store
from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Entry
from bascule.guard.stream import FACTS
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import InputError, LeadershipLostError, LeadershipNotGainedError, StoreError
from bascule.kernel.facts import Fact


class Fickle(MemoryStore):
    """A store that can be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        self._answer()
        return await super().read(prefix)

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        self._answer()
        return await super().swap(key, value, expected)

    def _answer(self) -> None:
        if self.lost:
            raise StoreError("gone")


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(bounded())


def lead(store: MemoryStore, **options: Any) -> Leadership:
    return Leadership("g", store=store, ttl_s=0.4, listen=lambda _: None, **options)


def test_one_leads_and_the_next_one_follows_when_it_leaves() -> None:
    async def scene() -> None:
        store, order = MemoryStore(), list[tuple[str, int]]()

        async def work(name: str) -> None:
            async with lead(store) as term:
                order.append((f"{name} in", term.token))
                assert term.remaining_s > 0
                term.check()
                await asyncio.sleep(0)
                order.append((f"{name} out", term.token))
            assert term.lost.is_set()

        await asyncio.gather(*(work(name) for name in "abc"))
        assert [what.split()[1] for what, _ in order] == ["in", "out"] * 3
        assert order[0][1] < order[2][1] < order[4][1]

    play(scene)


def test_it_may_be_entered_again_but_not_twice_at_once() -> None:
    async def scene() -> None:
        leadership = lead(MemoryStore())
        async with leadership as first:
            with pytest.raises(InputError, match="entered already"):
                async with leadership:
                    pass
        async with leadership as second:
            assert second.token > first.token

    play(scene)


def test_an_error_of_the_block_passes_through_and_the_lease_is_given_back() -> None:
    async def scene() -> None:
        store = MemoryStore()
        with pytest.raises(KeyError):
            async with lead(store):
                raise KeyError("mine")
        async with asyncio.timeout(5):
            async with lead(store, wait_s=5):
                pass

    play(scene)


def test_the_block_is_cancelled_when_the_lease_is_lost_and_that_is_said() -> None:
    async def scene() -> None:
        store = Fickle()
        terms: list[Term] = []

        async def work() -> None:
            async with lead(store) as term:
                terms.append(term)
                store.lost = True
                await asyncio.Event().wait()

        with pytest.raises(LeadershipLostError):
            await work()
        (term,) = terms
        assert term.lost.is_set()
        assert term.remaining_s == 0
        with pytest.raises(LeadershipLostError):
            term.check()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    play(scene)


def test_a_block_that_wants_a_signal_gets_one_and_nothing_else() -> None:
    async def scene() -> None:
        store = Fickle()
        async with lead(store, on_lost="signal") as term:
            store.lost = True
            await term.lost.waited()
            assert await asyncio.to_thread(term.lost.wait, 5)

    play(scene)


def test_a_cancellation_from_outside_is_not_swallowed() -> None:
    async def scene() -> None:
        inside = asyncio.Event()
        store = MemoryStore()

        async def work() -> None:
            async with lead(store):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with lead(store, wait_s=5):
            pass

    play(scene)


def test_a_cancellation_from_outside_goes_before_a_lost_lease() -> None:
    async def scene() -> None:
        store = Fickle()
        inside, cleaning = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            async with lead(store):
                inside.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    cleaning.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        store.lost = True
        await cleaning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(scene)


def test_a_driver_that_dies_takes_the_lease_with_it() -> None:
    async def scene() -> None:
        store = MemoryStore()
        leadership = lead(store)

        async def work() -> None:
            async with leadership:
                driver = leadership._standing._driver  # type: ignore[union-attr]  # to break it
                assert driver is not None
                nonsense: Any = "many"
                driver.hear(events.Checked(group="g", ok=True, lag_bytes=nonsense))
                await asyncio.Event().wait()

        with pytest.raises(LeadershipLostError, match="lost"):
            await work()

    play(scene)


def test_a_term_whose_validity_has_ended_is_lost_although_nobody_said_so() -> None:
    term = Term("g", 7, BootClock().monotonic_s() + 0.02)
    assert term.lost.wait(10)
    term.extend(1e12)
    assert term.lost.is_set()
    assert not Term("g", 7, 1e12).lost.wait(0.01)


def test_a_block_that_ends_as_its_lease_is_lost_says_so() -> None:
    async def scene() -> None:
        store = Fickle()

        async def work() -> None:
            async with lead(store) as term:
                store.lost = True
                term.lost.wait(10)  # the event loop stands still meanwhile
                await asyncio.sleep(0)

        with pytest.raises(LeadershipLostError):
            await work()

    play(scene)


def test_a_store_of_another_event_loop_is_refused_in_a_thread() -> None:
    with pytest.raises(InputError, match="one event loop"), lead(MemoryStore()):
        pass


def test_whoever_waits_may_be_cancelled_or_give_up() -> None:
    async def scene() -> None:
        store = MemoryStore()
        async with lead(store):
            with pytest.raises(LeadershipNotGainedError, match="leads"):
                async with lead(store, wait_s=0.05):
                    pass
            task = asyncio.create_task(lead(store).__aenter__())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    play(scene)


def test_a_store_that_is_away_is_waited_for_and_said_to_be() -> None:
    async def scene() -> None:
        store = Fickle()
        store.lost = True
        with pytest.raises(LeadershipNotGainedError, match="store does not answer"):
            async with lead(store, wait_s=0.3):
                pass

    play(scene)


@pytest.mark.parametrize("name", ["", "given"])
def test_why_a_store_is_away_is_said_at_the_end_and_warned_of_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        store = Fickle()
        store.lost = True
        with pytest.raises(LeadershipNotGainedError, match="the store does not answer: gone"):
            async with lead(store, wait_s=0.5, name=name):
                pass

    play(scene)
    told = [record.getMessage() for record in caplog.records if record.name == "bascule.cluster"]
    assert told == ["waiting to lead g: the store does not answer: gone"]


def test_nothing_is_warned_of_where_facts_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        store = Fickle()
        store.lost = True
        with pytest.raises(LeadershipNotGainedError):
            async with Leadership("g", store=store, ttl_s=0.4, wait_s=0.3):
                pass

    end = FACTS.subscribe(lambda _: None)
    try:
        play(scene)
    finally:
        end()
    assert not [record for record in caplog.records if record.name == "bascule.cluster"]


def test_facts_are_heard() -> None:
    async def scene() -> None:
        facts: list[Fact] = []
        async with Leadership("g", store=MemoryStore(), ttl_s=0.4, listen=facts.append):
            pass
        assert {"SessionStarted", "BecameActive", "StoppedActing"} <= {type(fact).__name__ for fact in facts}

    play(scene)


def test_threads_have_the_same(tmp_path: Path) -> None:
    order: list[str] = []

    def work(name: str) -> None:
        with Leadership("g", store=tmp_path / "leases.db", ttl_s=0.5, listen=lambda _: None) as term:
            term.check()
            order.append(f"{name} in")
            order.append(f"{name} out")
        assert term.lost.is_set()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [what.split()[1] for what in order] == ["in", "out", "in", "out"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("leadership")]


def test_a_thread_may_give_up_too(tmp_path: Path) -> None:
    path = tmp_path / "leases.db"
    with (
        Leadership("g", store=path, ttl_s=0.5, listen=lambda _: None),
        pytest.raises(LeadershipNotGainedError),
        Leadership("g", store=path, ttl_s=0.5, wait_s=0.1, listen=lambda _: None),
    ):
        pass


def test_a_forked_child_has_no_part_in_the_lease() -> None:
    term = Term("g", 7, 1e12)
    term.check()
    child = os.fork()
    if child == 0:
        os._exit(0 if term.lost.is_set() and term.remaining_s == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not term.lost.is_set()


def test_a_database_refuses_what_is_written_in_the_name_of_an_old_term(tmp_path: Path) -> None:
    def write(term: Term) -> None:
        with sqlite3.connect(tmp_path / "app.db") as connection, guarded(term, connection):
            connection.execute("INSERT INTO reports VALUES ('x')")
        connection.close()

    async def scene() -> None:
        connection = sqlite3.connect(tmp_path / "app.db")
        connection.execute("CREATE TABLE reports (text)")
        connection.commit()
        connection.close()
        store = MemoryStore()
        async with lead(store) as old:
            await asyncio.to_thread(write, old)
        async with lead(store) as new:
            await asyncio.to_thread(write, new)
        with pytest.raises(LeadershipLostError):
            await asyncio.to_thread(write, old)

    connection = sqlite3.connect(tmp_path / "app.db")
    connection.executescript(FENCES_SQL)
    connection.close()
    play(scene)


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("redis://localhost", "no store is called"),
        ("leases.db", "names no store"),
        ("me:secret@db/app", "names no store"),
        ("postgresql://me@db/app?password=secret", "postgresql.Options"),
        ("sqlite://leases.db", "must be absolute"),
        ("postgresql://me:secret@db/app", "passfile"),
        ("etcd://me:secret@10.0.0.1:2379", "password_file"),
    ],
)
def test_what_names_no_store_is_refused_and_no_password_is_repeated(where: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        open_store(where, 1.0)
    assert hint in str(caught.value)
    assert "secret" not in str(caught.value)


def test_stores_are_named(tmp_path: Path) -> None:
    assert open_store(tmp_path / "x.db", 1.0).name.startswith("sqlite")
    assert "10.0.0.1" in open_store("etcd://10.0.0.1:2379", 1.0).name
    assert "db1" in open_store("postgresql://me@db1,db2:5433/app", 1.0).name
    assert open_store(f"sqlite://{tmp_path}/y.db", 1.0).name.startswith("sqlite")


@pytest.mark.parametrize("change", [{"ttl_s": 0.01}, {"cluster": "a/b"}, {"name": "a b"}])
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Leadership("g", store=MemoryStore(), **change)
