"""Facts reach listeners in order, and a listener can neither break nor hold up those who tell them."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bascule.guard import CircuitBreaker, CircuitOpenError, Degrade, Guard, Level, Retry, ServiceLevels, Stream
from bascule.guard.backoff import Fixed
from bascule.guard.facts import CallRefused, DeadlinePassed, FactsDropped, GuardFact
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact, ListenerFailed

PATIENCE_S = 30.0


def fact(number: float) -> Fact:
    return DeadlinePassed(at_s=number, guard="g")


def numbers(told: list[Fact]) -> list[float]:
    return [one.at_s for one in told if isinstance(one, DeadlinePassed)]


class Held:
    """A listener that stays with the first fact until it is let go."""

    def __init__(self) -> None:
        self.hears = threading.Event()
        self.goes_on = threading.Event()
        self.heard: list[Fact] = []

    def __call__(self, fact: Fact) -> None:
        self.hears.set()
        assert self.goes_on.wait(PATIENCE_S)
        self.heard.append(fact)


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.goes_on.set()


@pytest.mark.parametrize("size", [0, -1, 1.5, "x", True, None])
def test_a_size_that_cannot_be_is_refused(size: Any) -> None:
    with pytest.raises(InputError, match=r"Stream\.size: .* must be a whole number of at least 1"):
        Stream(size)


def test_every_listener_hears_every_fact_in_order() -> None:
    stream, first, second = Stream(), list[Fact](), list[Fact]()
    stream.subscribe(first.append)
    stream.subscribe(second.append)
    for number in range(1000):
        stream.tell(fact(number))
    assert stream.flush(PATIENCE_S)
    assert numbers(first) == list(range(1000))
    assert first == second
    assert stream.dropped == 0


def test_facts_of_several_threads_keep_the_order_of_each() -> None:
    stream, told, start = Stream(), list[Fact](), threading.Barrier(4)
    stream.subscribe(told.append)

    def tell(name: str) -> None:
        start.wait(PATIENCE_S)
        for number in range(200):
            stream.tell(DeadlinePassed(at_s=number, guard=name))

    threads = [threading.Thread(target=tell, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert stream.flush(PATIENCE_S)
    guards = [(one.guard, one.at_s) for one in told if isinstance(one, GuardFact)]
    assert len(guards) == 800
    for name in "0123":
        assert [at_s for guard, at_s in guards if guard == name] == list(range(200))


def test_while_nobody_listens_nothing_is_made_and_no_thread_runs() -> None:
    stream = Stream()
    assert not stream.is_heard
    guard = Guard(Retry(2, backoff=Fixed(0.0)), facts=stream)
    with pytest.raises(ZeroDivisionError):
        guard.call(lambda: 1 // 0)
    assert stream._thread is None
    assert stream.flush(0.0)


def test_listening_ends_when_it_is_ended_and_only_once() -> None:
    stream, first, second = Stream(), list[Fact](), list[Fact]()
    end_first = stream.subscribe(first.append)
    end_second = stream.subscribe(second.append)
    stream.tell(fact(1))
    assert stream.flush(PATIENCE_S)
    end_first()
    end_first()
    heard_by_one = stream.is_heard
    stream.tell(fact(2))
    assert stream.flush(PATIENCE_S)
    end_second()
    assert (heard_by_one, stream.is_heard) == (True, False)
    assert (numbers(first), numbers(second)) == ([1], [1, 2])


def test_a_listener_that_raises_is_told_to_the_others_who_hear_everything() -> None:
    stream, told = Stream(), list[Fact]()

    def fails(_: Fact) -> None:
        raise ValueError("no")

    stream.subscribe(fails)
    stream.subscribe(told.append)
    stream.tell(fact(1))
    stream.tell(fact(2))
    assert stream.flush(PATIENCE_S)
    assert numbers(told) == [1, 2]
    failed = [one for one in told if isinstance(one, ListenerFailed)]
    assert [(one.heard, one.error) for one in failed] == [("DeadlinePassed", "no")] * 2
    assert all("fails" in one.listener for one in failed)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_a_listener_cannot_end_the_delivery(error: BaseException) -> None:
    stream, told = Stream(), list[Fact]()

    def fails(_: Fact) -> None:
        raise error

    stream.subscribe(fails)
    stream.subscribe(told.append)
    stream.tell(fact(1))
    stream.tell(fact(2))
    assert stream.flush(PATIENCE_S)
    assert numbers(told) == [1, 2]
    assert [one.listener for one in told if isinstance(one, ListenerFailed)] == [fails.__qualname__] * 2


def test_a_call_goes_on_while_a_listener_is_held(held: Held) -> None:
    stream = Stream()
    stream.subscribe(held)
    guard = Guard(CircuitBreaker(), name="db", facts=stream)
    breaker = guard.policies[0]
    assert isinstance(breaker, CircuitBreaker)
    breaker.isolate()
    assert held.hears.wait(PATIENCE_S)
    for _ in range(100):
        with pytest.raises(CircuitOpenError):
            guard.call(lambda: 1)
    breaker.force_close()
    assert guard.call(lambda: 1) == 1
    assert held.heard == [], "all that went on while the listener was held"
    assert not stream.flush(0.0)
    held.goes_on.set()
    assert stream.flush(PATIENCE_S)
    assert sum(isinstance(one, CallRefused) for one in held.heard) == 100


def test_what_is_too_much_is_dropped_from_the_oldest_on_and_counted(held: Held) -> None:
    stream = Stream(3)
    stream.subscribe(held)
    stream.tell(fact(0))
    assert held.hears.wait(PATIENCE_S)
    for number in range(1, 11):
        stream.tell(fact(number))
    assert stream.dropped == 7
    held.goes_on.set()
    assert stream.flush(PATIENCE_S)
    assert numbers(held.heard) == [0, 8, 9, 10]
    assert [one.count for one in held.heard if isinstance(one, FactsDropped)] == [7]
    assert isinstance(held.heard[1], FactsDropped)


def test_a_flush_outlasts_an_overflow_and_is_not_counted_as_a_fact(held: Held) -> None:
    stream = Stream(1)
    stream.subscribe(held)
    stream.tell(fact(0))
    assert held.hears.wait(PATIENCE_S)
    flushed: list[bool] = []
    waits = threading.Thread(target=lambda: flushed.append(stream.flush(PATIENCE_S)))
    waits.start()
    while not any(isinstance(item, threading.Event) for item in tuple(stream._queue)):
        threading.Event().wait(0.001)
    for number in range(1, 6):
        stream.tell(fact(number))
    assert stream.dropped == 4
    held.goes_on.set()
    waits.join(PATIENCE_S)
    assert flushed == [True]
    assert stream.flush(PATIENCE_S)
    assert numbers(held.heard) == [0, 5]


def test_flushing_drops_no_fact(held: Held) -> None:
    stream = Stream(1)
    stream.subscribe(held)
    stream.tell(fact(0))
    assert held.hears.wait(PATIENCE_S)
    stream.tell(fact(1))
    assert not stream.flush(0.0)
    held.goes_on.set()
    assert stream.flush(PATIENCE_S)
    assert numbers(held.heard) == [0, 1]
    assert stream.dropped == 0


class Vanishing(deque[Any]):
    """A queue whose facts are delivered just after somebody saw for the second time that there are too many."""

    looks = 0

    def __len__(self) -> int:
        seen = super().__len__()
        self.looks += seen > 1
        if self.looks == 2:
            self.looks = 0
            self.clear()
        return seen


def test_telling_never_fails_because_the_queue_was_emptied_meanwhile() -> None:
    stream = Stream(1)
    stream._queue = Vanishing()
    stream._thread = threading.current_thread()  # none is started
    for number in range(5):
        stream.tell(fact(number))


def test_telling_never_fails_because_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, told = Stream(), list[Fact]()
    stream.subscribe(told.append)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        stream.tell(fact(1))
        assert not stream.flush(0.0)
    stream.tell(fact(2))
    assert stream.flush(PATIENCE_S)
    assert numbers(told) == [1, 2]


def test_a_listener_may_subscribe_and_end_listening_while_it_hears() -> None:
    stream, late, once = Stream(), list[Fact](), list[Fact]()

    def hears_once(fact: Fact) -> None:
        once.append(fact)
        end()
        stream.subscribe(late.append)

    end = stream.subscribe(hears_once)
    stream.tell(fact(1))
    stream.tell(fact(2))
    assert stream.flush(PATIENCE_S)
    assert (numbers(once), numbers(late)) == ([1], [2])
    assert stream.is_heard


def test_a_listener_may_tell_and_does_not_wait_for_itself() -> None:
    stream, told, flushed = Stream(), list[Fact](), list[bool]()

    def answers(heard: Fact) -> None:
        if heard.at_s == 1:
            stream.tell(fact(2))
            flushed.append(stream.flush(PATIENCE_S * 100))

    stream.subscribe(answers)
    stream.subscribe(told.append)
    stream.tell(fact(1))
    assert stream.flush(PATIENCE_S)
    assert stream.flush(PATIENCE_S)
    assert numbers(told) == [1, 2]
    assert flushed == [False]


def test_a_listener_may_be_guarded_itself() -> None:
    stream, told = Stream(), list[Fact]()
    levels = ServiceLevels(Level("low", ("x",), lambda: False), facts=stream)
    guard = Guard(Degrade(levels, "x"), facts=stream)
    stream.subscribe(guard(told.append))
    levels.force("low")
    levels.force("full")
    assert stream.flush(PATIENCE_S)
    assert len(told) >= 2


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether `work` is true in a forked child that has a few seconds for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried
        child = os.fork()
    if child == 0:  # pragma: no cover - it is measured nowhere
        signal.alarm(20)
        os._exit(0 if work() else 1)
    _, status = os.waitpid(child, 0)
    return status == 0


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_a_forked_child_delivers_its_own_facts_and_not_those_of_its_parent(held: Held) -> None:
    stream, told = Stream(), list[Fact]()
    stream.subscribe(told.append)
    stream.subscribe(held)
    stream.tell(fact(0))
    assert held.hears.wait(PATIENCE_S)
    stream.tell(fact(1))

    def child() -> bool:
        held.goes_on.set()
        told.clear()
        stream.tell(fact(2))
        return stream.flush(10.0) and numbers(told) == [2]

    assert in_a_child(child)
    held.goes_on.set()
    assert stream.flush(PATIENCE_S)
    assert numbers(held.heard) == [0, 1]


@needs_fork
def test_a_child_that_is_forked_while_the_stream_is_locked_can_tell_all_the_same() -> None:
    stream, told = Stream(), list[Fact]()
    stream.subscribe(told.append)
    locked, done = threading.Event(), threading.Event()

    def lock() -> None:
        with stream._lock:
            locked.set()
            done.wait(PATIENCE_S)

    holder = threading.Thread(target=lock)
    holder.start()
    assert locked.wait(PATIENCE_S)

    def child() -> bool:
        stream.tell(fact(1))
        return stream.flush(10.0) and numbers(told) == [1]

    went_well = in_a_child(child)
    done.set()
    holder.join(PATIENCE_S)
    assert went_well
