"""What a bulkhead promises: so many calls at a time, a bounded queue in order, and slots that come back."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from bascule.guard import (
    Bulkhead,
    BulkheadFullError,
    Deadline,
    DeadlineExceededError,
    Guard,
    Stream,
    WorkersBusyError,
    World,
)
from bascule.guard.facts import CallRefused
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

PATIENCE_S = 30.0


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.001)


async def until_async(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to that"
        await asyncio.sleep(0)


def nothing() -> None:
    """What a call does that is not meant to be made."""


def as_it_is(name: object) -> object:
    return name


class Work:
    """Calls that go on until they are let go."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.running = 0
        self.served: list[object] = []
        self._lock = threading.Lock()

    def __call__(self, name: object = None) -> object:
        with self._lock:
            self.running += 1
            self.served.append(name)
        assert self.goes_on.wait(PATIENCE_S)
        with self._lock:
            self.running -= 1
        return name


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.goes_on.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(10) as made:
        yield made


def shown(bulkhead: Bulkhead) -> tuple[object, object, object]:
    now = bulkhead.snapshot()
    return now["in_flight"], now["waiting"], now["refused"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": 0}, "Bulkhead.limit: 0 must be a whole number from 1"),
        ({"limit": 1.5}, "Bulkhead.limit: 1.5 must be a whole number"),
        ({"limit": True}, "Bulkhead.limit: True must be a whole number"),
        ({"limit": 1, "queue": -1}, "Bulkhead.queue: -1 must be a whole number from 0"),
        ({"limit": 1, "wait_s": -0.1}, r"Bulkhead.wait_s: -0.1 must be a number of at least 0"),
        ({"limit": 1, "wait_s": float("nan")}, "Bulkhead.wait_s: nan must be a number"),
        ({"limit": 1, "wait_s": "1"}, "Bulkhead.wait_s: '1' must be a number"),
        ({"limit": 1, "key": "user"}, "Bulkhead.key: 'user' must be a function or None"),
        ({"limit": 1, "most_keys": 0}, "Bulkhead.most_keys: 0 must be a whole number from 1"),
        ({"limit": 1, "threads": "no"}, "Bulkhead.threads: 'no' must be True or False"),
        ({"limit": 1, "threads": True, "key": str}, "Bulkhead.threads: True must be False where slots have keys"),
    ],
)
def test_impossible_options_are_refused_with_field_value_and_rule(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Bulkhead(**options)


def test_calls_beyond_the_limit_are_refused_at_once_without_a_queue(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(2)
    guarded = bulkhead(work)
    calls = [pool.submit(guarded, name) for name in "ab"]
    until(lambda: work.running == 2)
    with pytest.raises(BulkheadFullError) as refused:
        guarded("c")
    assert refused.value.guard == "Bulkhead"
    assert refused.value.retry_after_s is None
    assert shown(bulkhead) == (2, 0, 1)
    work.goes_on.set()
    assert [call.result(PATIENCE_S) for call in calls] == ["a", "b"]
    assert shown(bulkhead) == (0, 0, 1)
    assert "c" not in work.served


def test_the_queue_holds_so_many_and_no_more(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(1, queue=2, wait_s=PATIENCE_S)
    guarded = bulkhead(work)
    calls: list[Future[Any]] = []
    for place, name in enumerate("abc"):
        calls.append(pool.submit(guarded, name))
        until(lambda place=place: shown(bulkhead)[:2] == (1, place))  # type: ignore[misc] # a lambda has no types
    with pytest.raises(BulkheadFullError):
        guarded("d")
    work.goes_on.set()
    assert [call.result(PATIENCE_S) for call in calls] == ["a", "b", "c"]
    assert work.served == ["a", "b", "c"]


def test_a_wait_in_vain_is_refused_and_leaves_the_queue() -> None:
    bulkhead = Bulkhead(1, queue=5, wait_s=0.0)
    with bulkhead.block(), pytest.raises(BulkheadFullError):
        bulkhead.call(nothing)
    assert shown(bulkhead) == (0, 0, 1)


def test_nobody_waits_beyond_the_deadline() -> None:
    bulkhead = Bulkhead(1, queue=5, wait_s=1e6)
    guard = Guard(Deadline(0.001), bulkhead)
    with bulkhead.block(), pytest.raises(BulkheadFullError):
        guard.call(nothing)

    async def call() -> None:
        async with bulkhead.block():
            with pytest.raises((BulkheadFullError, DeadlineExceededError)):
                await guard.call(asyncio.sleep, 0)

    asyncio.run(call())
    assert shown(bulkhead)[:2] == (0, 0)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_a_slot_comes_back_whatever_the_call_raises(error: BaseException) -> None:
    bulkhead = Bulkhead(1)

    @bulkhead
    def fails() -> None:
        raise error

    for _ in range(3):
        with pytest.raises(type(error)):
            fails()
    assert shown(bulkhead) == (0, 0, 0)


def test_a_cancelled_call_gives_its_slot_back_and_a_cancelled_wait_its_place() -> None:
    bulkhead = Bulkhead(1, queue=5, wait_s=PATIENCE_S)

    async def main() -> None:
        never = asyncio.Event()
        guarded = bulkhead(never.wait)
        holds, waits = asyncio.ensure_future(guarded()), asyncio.ensure_future(guarded())
        await until_async(lambda: shown(bulkhead)[:2] == (1, 1))
        waits.cancel()
        await asyncio.wait([waits])
        assert shown(bulkhead)[:2] == (1, 0)
        holds.cancel()
        await asyncio.wait([holds])
        assert holds.cancelled()
        assert waits.cancelled()

    asyncio.run(main())
    assert shown(bulkhead) == (0, 0, 0)


def test_threads_and_event_loops_share_one_queue_in_order(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(1, queue=10, wait_s=PATIENCE_S)
    served: list[int] = []

    @bulkhead
    def plain(name: int) -> None:
        served.append(name)

    @bulkhead
    async def coroutine(name: int) -> None:
        await asyncio.sleep(0)
        served.append(name)

    def in_a_loop(name: int) -> None:
        asyncio.run(coroutine(name))

    first = pool.submit(bulkhead(work))
    until(lambda: work.running == 1)
    calls: list[Future[Any]] = [first]
    for name in range(6):
        calls.append(pool.submit(in_a_loop if name % 2 else plain, name))
        until(lambda name=name: shown(bulkhead)[1] == name + 1)  # type: ignore[misc] # a lambda has no types
    work.goes_on.set()
    for call in calls:
        call.result(PATIENCE_S)
    assert served == list(range(6))
    assert shown(bulkhead) == (0, 0, 0)


def test_a_higher_limit_lets_those_in_who_wait_and_a_lower_one_ends_nobody(
    work: Work, pool: ThreadPoolExecutor
) -> None:
    bulkhead = Bulkhead(1, queue=10, wait_s=PATIENCE_S)
    guarded = bulkhead(work)
    calls = [pool.submit(guarded, name) for name in range(4)]
    until(lambda: shown(bulkhead)[:2] == (1, 3))
    bulkhead.reconfigure(limit=3)
    until(lambda: work.running == 3)
    assert shown(bulkhead)[:2] == (3, 1)
    bulkhead.reconfigure(limit=1, queue=0)
    assert shown(bulkhead)[:2] == (3, 1)
    with pytest.raises(BulkheadFullError):
        bulkhead.call(nothing)
    work.goes_on.set()
    assert sorted(str(call.result(PATIENCE_S)) for call in calls) == ["0", "1", "2", "3"]
    assert shown(bulkhead)[:2] == (0, 0)


def test_an_impossible_change_changes_nothing() -> None:
    bulkhead = Bulkhead(2, queue=3)
    with pytest.raises(InputError, match=r"Bulkhead.limit: 0"):
        bulkhead.reconfigure(queue=9, limit=0)
    with pytest.raises(InputError, match="has no option 'size'"):
        bulkhead.reconfigure(size=9)
    with pytest.raises(InputError, match="cannot be switched on or off"):
        bulkhead.reconfigure(threads=True)
    assert bulkhead.options() == Bulkhead(2, queue=3).options()


def test_each_key_has_slots_of_its_own(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(1, key=lambda name: name)
    guarded = bulkhead(work)
    calls = [pool.submit(guarded, name) for name in "ab"]
    until(lambda: work.running == 2)
    with pytest.raises(BulkheadFullError):
        guarded("a")
    assert shown(bulkhead) == (2, 0, 1)
    work.goes_on.set()
    for call in calls:
        call.result(PATIENCE_S)


def test_a_flood_of_keys_keeps_a_bounded_number_of_them() -> None:
    bulkhead = Bulkhead(1, key=lambda name: name, most_keys=50)
    for name in range(5000):
        bulkhead.call(as_it_is, name)
    assert len(bulkhead._gates.all()) == 50


def test_keys_beyond_the_bound_share_slots_while_all_others_are_busy(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(1, key=lambda name: name, most_keys=2)
    guarded = bulkhead(work)
    calls = [pool.submit(guarded, name) for name in "abc"]
    until(lambda: work.running == 3)
    with pytest.raises(BulkheadFullError):
        guarded("d")
    work.goes_on.set()
    for call in calls:
        call.result(PATIENCE_S)
    assert guarded("d") == "d"


def test_a_key_that_cannot_be_hashed_is_refused_with_what_to_do() -> None:
    bulkhead = Bulkhead(1, key=lambda name: name)
    with pytest.raises(InputError, match="a list cannot be a key"):
        bulkhead.call(as_it_is, [1])
    assert shown(bulkhead) == (0, 0, 0)


def test_refusals_are_told(work: Work, pool: ThreadPoolExecutor) -> None:
    facts, told = Stream(), list[Fact]()
    facts.subscribe(told.append)
    clock = FakeClock(7.0)
    guard = Guard(Bulkhead(1), name="db", world=World.fake(clock, LoadedDice([])), facts=facts)
    call = pool.submit(guard(work))
    until(lambda: work.running == 1)
    with pytest.raises(BulkheadFullError) as refused:
        guard.call(nothing)
    assert str(refused.value) == "guard 'db': the bulkhead is full"
    assert facts.flush(PATIENCE_S)
    assert told == [CallRefused(at_s=7.0, guard="db", policy="Bulkhead")]
    work.goes_on.set()
    call.result(PATIENCE_S)


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


def test_worker_threads_run_the_call_with_the_callers_context() -> None:
    bulkhead = Bulkhead(2, threads=True)

    @bulkhead
    def call(number: int) -> tuple[str, str, int]:
        return threading.current_thread().name, VARIABLE.get(), number

    token = VARIABLE.set("mine")
    thread, seen, number = call(number=5)
    VARIABLE.reset(token)
    assert thread == "bascule-worker Bulkhead"
    assert (seen, number) == ("mine", 5)


def test_worker_threads_raise_what_the_call_raises() -> None:
    with pytest.raises(ValueError, match="not a number"):
        Bulkhead(1, threads=True).call(lambda: float("not a number"))


def test_never_more_worker_threads_than_the_limit(work: Work, pool: ThreadPoolExecutor) -> None:
    bulkhead = Bulkhead(3, queue=10, wait_s=PATIENCE_S, threads=True)
    seen: set[int] = set()

    @bulkhead
    def call(name: object) -> object:
        seen.add(threading.get_ident())
        return work(name)

    calls = [pool.submit(call, name) for name in range(8)]
    until(lambda: shown(bulkhead)[:2] == (3, 5) and work.running == 3)
    work.goes_on.set()
    assert [call.result(PATIENCE_S) for call in calls] == list(range(8))
    assert len(seen) <= 3


def test_a_call_that_outlives_the_deadline_is_left_behind_counted_and_bounded(work: Work) -> None:
    facts, told = Stream(), list[Fact]()
    facts.subscribe(told.append)
    bulkhead = Bulkhead(1, threads=True)
    guard = Guard(Deadline(0.01), bulkhead, facts=facts)
    with pytest.raises(DeadlineExceededError):
        guard.call(work)
    assert bulkhead.snapshot()["abandoned"] == 1
    with pytest.raises(WorkersBusyError):
        guard.call(nothing)
    assert facts.flush(PATIENCE_S)
    assert [type(fact).__name__ for fact in told] == ["DeadlinePassed", "CallRefused"]
    work.goes_on.set()
    until(lambda: bulkhead.snapshot()["abandoned"] == 0)
    assert bulkhead.call(lambda: 5) == 5


def test_coroutines_run_in_their_event_loop_even_with_worker_threads() -> None:
    async def where() -> int:
        return threading.get_ident()

    assert asyncio.run(Bulkhead(1, threads=True)(where)()) == threading.get_ident()


def test_streams_hold_their_slot_until_they_end_or_are_dropped() -> None:
    bulkhead = Bulkhead(1)

    @bulkhead
    def count() -> Iterator[int]:
        yield from range(3)

    stream = count()
    before = shown(bulkhead)
    first = next(stream)
    during = shown(bulkhead)
    with pytest.raises(BulkheadFullError):
        next(count())
    stream.close()  # type: ignore[attr-defined] # what is called an Iterator here is a generator
    assert (before, first, during, shown(bulkhead)) == ((0, 0, 0), 0, (1, 0, 0), (0, 0, 1))
    assert list(count()) == [0, 1, 2]


class Counted:
    """Slots that are counted where they are held."""

    def __init__(self) -> None:
        self.held = 0
        self.most = 0
        self.calls = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.calls += 1
            self.held += 1
            self.most = max(self.most, self.held)

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self.held -= 1


class Storm:
    """Threads and tasks of several event loops that call, fail, wait in vain and are cancelled."""

    def __init__(self, bulkhead: Bulkhead, threads: int, loops: int) -> None:
        self.slots = Counted()
        self.start = threading.Barrier(threads + loops + 1)
        self.plain = bulkhead(self._plain)
        self.coroutine = bulkhead(self._coroutine)
        works = [self._thread] * threads + [self._loop] * loops
        self.threads = [threading.Thread(target=work) for work in works]

    def _plain(self, turn: int) -> None:
        with self.slots:
            if turn % 5 == 0:
                raise ValueError

    async def _coroutine(self, turn: int) -> None:
        with self.slots:
            await asyncio.sleep(0)
            if turn % 5 == 0:
                raise ValueError

    def _thread(self) -> None:
        self.start.wait(PATIENCE_S)
        for turn in range(200):
            try:
                self.plain(turn)
            except (ValueError, BulkheadFullError):
                continue

    def _loop(self) -> None:
        self.start.wait(PATIENCE_S)
        asyncio.run(self._callers())

    async def _callers(self) -> None:
        tasks = [asyncio.ensure_future(self._caller()) for _ in range(8)]
        for number, task in enumerate(tasks):
            for _ in range(number * 3):
                await asyncio.sleep(0)
            if number % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _caller(self) -> None:
        for turn in range(80):
            try:
                await self.coroutine(turn)
            except (ValueError, BulkheadFullError):
                continue

    def begin(self) -> None:
        for thread in self.threads:
            thread.start()
        self.start.wait(PATIENCE_S)

    def end(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_under_stress_no_slot_is_lost_and_none_is_doubled() -> None:
    bulkhead = Bulkhead(3, queue=8, wait_s=PATIENCE_S)
    storm = Storm(bulkhead, threads=4, loops=2)
    storm.begin()
    for limit in (1, 2, 3, 1, 3):
        bulkhead.reconfigure(limit=limit)
    storm.end()
    assert storm.slots.calls > 0
    assert storm.slots.most <= 3
    assert shown(bulkhead)[:2] == (0, 0)
    bulkhead.reconfigure(queue=0)
    with bulkhead.block(), bulkhead.block(), bulkhead.block(), pytest.raises(BulkheadFullError):
        bulkhead.call(nothing)
