"""What a gate promises: never more than its limit, first come first served, and no slot is ever lost or made."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bascule.guard.gate import Gate
from bascule.guard.waiting import TaskWaiter, ThreadWaiter, Waiter

PATIENCE_S = 30.0


class Place(Waiter):
    """A place in the queue that writes down when its turn came."""

    def __init__(self, name: str = "", told: list[str] | None = None) -> None:
        super().__init__()
        self.name = name
        self.told = [] if told is None else told

    def _wake(self) -> bool:
        self.told.append(self.name)
        return True


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.001)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_it_admits_as_many_as_its_limit_and_no_more() -> None:
    gate = Gate(2)
    assert [gate.enter(), gate.enter(), gate.enter()] == [True, True, False]
    gate.leave()
    assert gate.enter()
    assert gate.in_flight == 2


def test_a_freed_slot_goes_to_who_has_waited_longest() -> None:
    gate, told = Gate(1), list[str]()
    assert gate.enter()
    for name in "abc":
        assert gate.join(Place(name, told), 10)
    for _ in "abc":
        gate.leave()
    assert told == ["a", "b", "c"]
    assert gate.in_flight == 1


def test_a_newcomer_never_overtakes_a_waiter() -> None:
    gate = Gate(1)
    assert gate.enter()
    assert gate.join(Place(), 10)
    gate.in_flight -= 1  # the slot is free for a moment, before it is handed on
    assert not gate.enter()
    gate.admit_waiters()
    assert gate.in_flight == 1
    assert not gate.waiters


def test_the_queue_is_bounded() -> None:
    gate = Gate(1)
    assert gate.enter()
    assert gate.join(Place(), 2)
    assert gate.join(Place(), 2)
    assert not gate.join(Place(), 2)
    assert len(gate.waiters) == 2


def test_a_slot_that_comes_free_between_the_look_and_the_queueing_is_taken() -> None:
    gate, told = Gate(1), list[str]()
    assert gate.enter()
    assert not gate.enter()
    gate.leave()
    assert gate.join(Place("late", told), 0), "there is a slot, so no place in the queue is needed"
    assert told == ["late"]
    assert gate.in_flight == 1


def test_a_full_gate_without_a_queue_lets_nobody_join() -> None:
    gate = Gate(1)
    assert gate.enter()
    assert not gate.join(Place(), 0)
    assert gate.in_flight == 1


def test_who_quits_before_the_turn_came_leaves_nothing_behind() -> None:
    gate, told = Gate(1), list[str]()
    first, second = Place("first", told), Place("second", told)
    assert gate.enter()
    gate.join(first, 10)
    gate.join(second, 10)
    gate.quit(first)
    gate.leave()
    assert told == ["second"]
    gate.leave()
    assert gate.is_idle


def test_who_quits_just_when_the_turn_came_hands_the_slot_to_the_next() -> None:
    gate, told = Gate(1), list[str]()
    first, second = Place("first", told), Place("second", told)
    assert gate.enter()
    gate.join(first, 10)
    gate.join(second, 10)
    gate.leave()
    assert told == ["first"]
    gate.quit(first)
    assert told == ["first", "second"]
    assert gate.in_flight == 1


def test_who_gave_up_but_still_stands_in_the_queue_is_passed_over() -> None:
    gate, told = Gate(1), list[str]()
    gone, here = Place("gone", told), Place("here", told)
    assert gate.enter()
    gate.join(gone, 10)
    gate.join(here, 10)
    assert gone.abandon()
    gate.leave()
    assert told == ["here"]


def test_when_all_who_waited_have_gone_the_slot_is_free() -> None:
    gate = Gate(1)
    gone = Place()
    assert gate.enter()
    gate.join(gone, 10)
    assert gone.abandon()
    gate.leave()
    assert gate.is_idle
    assert gate.enter()


def test_a_higher_limit_admits_those_who_wait() -> None:
    gate, told = Gate(1), list[str]()
    assert gate.enter()
    for name in "abc":
        gate.join(Place(name, told), 10)
    gate.limit = 3
    gate.admit_waiters()
    assert told == ["a", "b"]
    assert gate.in_flight == 3


def test_a_lower_limit_ends_nobody_and_admits_nobody_until_enough_have_left() -> None:
    gate, told = Gate(3), list[str]()
    assert all(gate.enter() for _ in range(3))
    gate.join(Place("waits", told), 10)
    gate.limit = 1
    gate.admit_waiters()
    seen = [(gate.in_flight, len(told))]
    for _ in range(3):
        gate.leave()
        seen.append((gate.in_flight, len(told)))
    assert seen == [(3, 0), (2, 0), (1, 0), (1, 1)]


def test_it_is_idle_only_without_slots_taken_and_without_waiters() -> None:
    gate, waiter = Gate(1), Place()
    seen = [gate.is_idle]
    gate.enter()
    seen.append(gate.is_idle)
    gate.join(waiter, 1)
    gate.in_flight = 0
    seen.append(gate.is_idle)
    gate.quit(waiter)
    seen.append(gate.is_idle)
    assert seen == [True, False, False, True]


def test_a_place_is_granted_or_abandoned_but_never_both() -> None:
    granted, abandoned, waits = Place(), Place(), Place()
    assert [granted.grant(), granted.abandon()] == [True, False]
    assert [abandoned.abandon(), abandoned.grant(), abandoned.abandon()] == [True, False, True]
    assert [place.is_waiting for place in (granted, abandoned, waits)] == [False, False, True]


def queued_task(gate: Gate, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
    """A task of `loop` that waits at the gate, and quits if its wait is broken off."""

    async def call() -> None:
        waiter = TaskWaiter()
        assert gate.join(waiter, 10)
        try:
            await waiter.wait(1e6)
        except BaseException:
            gate.quit(waiter)
            raise
        gate.leave()

    task = loop.create_task(call())
    task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant to be destroyed while it waits
    loop.run_until_complete(asyncio.sleep(0))
    assert len(gate.waiters) == 1
    return task


def test_a_waiter_whose_event_loop_is_closed_is_passed_over(loop: asyncio.AbstractEventLoop) -> None:
    gate, told = Gate(1), list[str]()
    assert gate.enter()
    task = queued_task(gate, loop)
    gate.join(Place("next", told), 10)
    loop.close()
    gate.leave()
    assert told == ["next"]
    assert gate.in_flight == 1
    assert not task.done()


def test_a_waiter_of_a_closed_event_loop_gives_back_no_slot_that_it_never_had(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate(1)
    assert gate.enter()
    task = queued_task(gate, loop)
    loop.close()
    gate.leave()
    assert gate.in_flight == 0
    del task
    gc.collect()  # ends the coroutine, which quits
    assert gate.in_flight == 0


class Closing(Waiter):
    """A waiter that quits in the very moment in which it turns out that its event loop is closed."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def _wake(self) -> bool:
        self.gate.quit(self)
        return False


def test_who_quits_while_it_turns_out_that_nobody_waits_there_hands_the_slot_back_once() -> None:
    gate = Gate(1)
    assert gate.enter()
    assert gate.join(Closing(gate), 10)
    gate.leave()
    assert gate.is_idle


def test_a_task_whose_loop_stopped_hands_its_slot_back_when_it_is_dropped(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate(1)
    assert gate.enter()
    task = queued_task(gate, loop)
    gate.leave()  # granted, but the loop does not run
    assert gate.in_flight == 1
    loop.close()
    del task
    gc.collect()
    assert gate.is_idle


def test_a_task_that_is_cancelled_just_when_its_turn_came_hands_the_slot_back(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate(1)
    assert gate.enter()
    task = queued_task(gate, loop)
    gate.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert gate.is_idle


def test_a_wait_of_no_time_succeeds_if_the_turn_came() -> None:
    async def wait(*, granted: bool) -> bool:
        waiter = TaskWaiter()
        if granted:
            assert waiter.grant()
        return await waiter.wait(0.0)

    assert asyncio.run(wait(granted=True))
    assert not asyncio.run(wait(granted=False))
    thread = ThreadWaiter()
    assert not thread.wait(-1.0)
    assert thread.grant()
    assert thread.wait(0.0)


class Interrupted(Gate):
    """A gate at which Ctrl-C arrives once, right after the caller was queued."""

    was_pressed = False

    def admit_waiters(self) -> None:
        super().admit_waiters()
        if not self.was_pressed:
            self.was_pressed = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("taken", [0, 1])
def test_who_is_interrupted_while_queueing_keeps_neither_a_slot_nor_a_place(taken: int) -> None:
    gate = Interrupted(1)
    assert [gate.enter() for _ in range(taken)] == [True] * taken
    with pytest.raises(KeyboardInterrupt):
        gate.join(Place(), 10)
    assert gate.in_flight == taken
    assert not gate.waiters


class Counted:
    """Slots that are counted where they are held."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.most = 0
        self.calls = 0
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            self.held += 1
            self.calls += 1
            self.most = max(self.most, self.held)

    def give(self) -> None:
        with self._lock:
            self.held -= 1


def thread_work(gate: Gate, slots: Counted, turns: int, start: threading.Barrier) -> None:
    start.wait(PATIENCE_S)
    for turn in range(turns):
        if not gate.enter():
            waiter = ThreadWaiter()
            if not gate.join(waiter, 1000):
                continue
            if not waiter.wait(0.0 if turn % 3 == 0 else PATIENCE_S):
                gate.quit(waiter)
                continue
        slots.take()
        slots.give()
        gate.leave()


async def task_work(gate: Gate, slots: Counted, turns: int) -> None:
    for turn in range(turns):
        if not gate.enter():
            waiter = TaskWaiter()
            if not gate.join(waiter, 1000):
                continue
            try:
                granted = await waiter.wait(0.0 if turn % 3 == 0 else PATIENCE_S)
            except BaseException:
                gate.quit(waiter)
                raise
            if not granted:
                gate.quit(waiter)
                continue
        slots.take()
        try:
            await asyncio.sleep(0)
        finally:
            slots.give()
            gate.leave()


def loop_work(gate: Gate, slots: Counted, turns: int, start: threading.Barrier) -> None:
    async def work() -> None:
        tasks = [asyncio.ensure_future(task_work(gate, slots, turns)) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()  # somewhere: while it waits, just when its turn came, or while it holds a slot
        await asyncio.gather(*tasks, return_exceptions=True)

    start.wait(PATIENCE_S)
    asyncio.run(work())


def test_threads_and_tasks_of_several_loops_lose_no_slot_and_make_none() -> None:
    gate, slots = Gate(3), Counted(3)
    start = threading.Barrier(7)
    works = [thread_work] * 4 + [loop_work] * 2
    threads = [threading.Thread(target=work, args=(gate, slots, 150, start)) for work in works]
    for thread in threads:
        thread.start()
    start.wait(PATIENCE_S)
    for limit in (1, 3, 2, 3):
        gate.limit = limit
        gate.admit_waiters()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert slots.calls > 0
    assert slots.most <= 3
    assert gate.is_idle
    assert [gate.enter() for _ in range(4)] == [True, True, True, False]


def test_threads_and_tasks_are_served_in_one_queue_in_the_order_in_which_they_came() -> None:
    gate, served = Gate(1), list[str]()
    assert gate.enter()

    def thread(name: str) -> None:
        waiter = ThreadWaiter()
        assert gate.join(waiter, 10)
        assert waiter.wait(PATIENCE_S)
        served.append(name)
        gate.leave()

    def in_a_loop(name: str) -> None:
        async def call() -> None:
            waiter = TaskWaiter()
            assert gate.join(waiter, 10)
            assert await waiter.wait(PATIENCE_S)
            served.append(name)
            gate.leave()

        asyncio.run(call())

    threads: list[threading.Thread] = []
    for place, work in enumerate([thread, in_a_loop, thread, in_a_loop]):
        threads.append(threading.Thread(target=work, args=(str(place),)))
        threads[-1].start()
        until(lambda: len(gate.waiters) == len(threads))
    gate.leave()
    for one in threads:
        one.join(PATIENCE_S)
    assert served == ["0", "1", "2", "3"]
    assert gate.is_idle
