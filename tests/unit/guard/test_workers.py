"""What worker threads promise: never more than a bound, each one that is held by nobody's call counted, none lost."""

from __future__ import annotations

import contextvars
import gc
import os
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calling import Caller, until

from bascule.guard import Stream, Timeout, WorkersBusyError, World, workers
from bascule.guard.policy import Home
from bascule.guard.workers import ABANDONED, DONE, QUEUED, RUNNING, Job, OutOfTimeError, Workers
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.facts import Fact

WHERE = contextvars.ContextVar("where", default="nowhere")


class Hold:
    """Work that is held until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> str:
        self.inside.set()
        assert self.go.wait(20)
        return "held"


@pytest.fixture
def hold() -> Iterator[Hold]:
    held = Hold()
    yield held
    held.go.set()


@pytest.fixture
def facts() -> Stream:
    return Stream()


@pytest.fixture
def home(facts: Stream) -> Home:
    return Home("it", World.fake(FakeClock(), LoadedDice([])), facts)


@pytest.fixture
def pool(home: Home) -> Workers:
    return Workers(2, home, "Timeout")


def test_what_the_work_returns_is_returned_from_another_thread(pool: Workers) -> None:
    name = pool.run(lambda: threading.current_thread().name, 10.0)
    assert name == "bascule-worker it"


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_the_work_raises_is_raised_as_it_was(pool: Workers, kind: type[BaseException]) -> None:
    own = kind("own")

    def fail() -> None:
        raise own

    with pytest.raises(kind) as caught:
        pool.run(fail, 10.0)
    assert caught.value is own
    assert pool.run(lambda: 7, 10.0) == 7


def test_the_work_sees_the_callers_context_and_cannot_change_it(pool: Workers) -> None:
    def look() -> str:
        seen = WHERE.get()
        WHERE.set("worker")
        return seen

    token = WHERE.set("caller")
    try:
        assert [pool.run(look, 10.0), pool.run(look, 10.0)] == ["caller", "caller"]
        assert WHERE.get() == "caller"
    finally:
        WHERE.reset(token)


def test_threads_are_used_again(pool: Workers) -> None:
    seen = {pool.run(threading.get_ident, 10.0) for _ in range(20)}
    assert len(seen) <= 2


def test_no_more_threads_than_the_bound_and_the_others_wait(pool: Workers) -> None:
    running = 0
    most = 0
    lock = threading.Lock()
    both = threading.Barrier(2)

    def work() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(10)
        with lock:
            running -= 1
        return 7

    callers = [Caller(lambda: pool.run(work, 10.0)) for _ in range(8)]
    assert [caller.end() for caller in callers] == [7] * 8
    assert most == 2


def test_a_call_that_is_late_is_left_behind_counted_and_its_thread_comes_back(pool: Workers, hold: Hold) -> None:
    caller = Caller(lambda: pool.run(hold, 0.01))
    assert isinstance(caller.end(), OutOfTimeError)
    assert pool.abandoned == 1
    assert pool.run(lambda: 7, 10.0) == 7
    hold.go.set()
    until(lambda: pool.abandoned == 0)
    both = threading.Barrier(2)
    callers = [Caller(lambda: pool.run(lambda: both.wait(10) >= 0, 10.0)) for _ in range(2)]
    assert [caller.end() for caller in callers] == [True, True]


def test_when_every_thread_is_held_calls_are_refused_at_once(pool: Workers, facts: Stream) -> None:
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    holds = [Hold(), Hold()]
    try:
        for one in holds:
            with pytest.raises(OutOfTimeError):
                pool.run(one, 0.01)
        assert pool.abandoned == 2
        with pytest.raises(WorkersBusyError, match="guard 'it': no worker thread is free"):
            pool.run(lambda: 7, 3600.0)
        assert facts.flush()
        assert [type(fact).__name__ for fact in heard] == ["CallRefused"]
    finally:
        for one in holds:
            one.go.set()
    until(lambda: pool.abandoned == 0)
    assert pool.run(lambda: 7, 10.0) == 7


def test_who_gets_no_thread_in_time_is_refused_and_its_work_is_never_done(home: Home, hold: Hold) -> None:
    pool = Workers(1, home, "Timeout")
    caller = Caller(lambda: pool.run(hold, 20.0))
    assert hold.inside.wait(10)
    done: list[int] = []
    with pytest.raises(WorkersBusyError):
        pool.run(lambda: done.append(1), 0.0)
    assert pool.abandoned == 0
    hold.go.set()
    assert caller.end() == "held"
    assert pool.run(lambda: 7, 10.0) == 7
    assert done == []


def test_who_waits_in_vain_leaves_nothing_behind(home: Home, hold: Hold) -> None:
    class Argument:
        pass

    pool = Workers(1, home, "Timeout")
    caller = Caller(lambda: pool.run(hold, 20.0))
    assert hold.inside.wait(10)
    argument = Argument()
    gone = weakref.ref(argument)

    def use(given: object) -> Callable[[], object]:
        return lambda: given

    with pytest.raises(WorkersBusyError) as caught:
        pool.run(use(argument), 0.0)
    del argument, caught
    gc.collect()
    assert gone() is None, "the thread that is held keeps what it will never do"
    hold.go.set()
    caller.end()


def test_a_call_that_ends_in_the_last_moment_counts(pool: Workers) -> None:
    job = pool.begin(lambda: 7, lambda job: job.finished.release())
    assert job.finished.acquire(timeout=10)
    assert pool.abandon(job) == DONE
    assert job.result == 7
    assert pool.abandoned == 0


def test_an_interrupted_wait_leaves_the_call_behind(pool: Workers, hold: Hold) -> None:
    class Interrupted:
        """A lock whose wait is interrupted by Ctrl-C."""

        def acquire(self, timeout: float = -1) -> bool:
            assert hold.inside.wait(10), timeout
            raise KeyboardInterrupt

        def release(self) -> None:
            pass  # nobody waits for it any more

    begin = pool.begin

    def begin_interrupted(work: Callable[[], object], tell: Callable[[Job], object]) -> Job:
        job = begin(work, tell)
        job.finished = Interrupted()  # type: ignore[assignment]  # what the test is about
        return job

    pool.begin = begin_interrupted  # type: ignore[method-assign]  # as above
    with pytest.raises(KeyboardInterrupt):
        pool.run(hold, 20.0)
    assert pool.abandoned == 1
    hold.go.set()
    until(lambda: pool.abandoned == 0)


def test_states_move_forward_only() -> None:
    job = Job(lambda: 7, lambda _job: None)
    assert [job.move(RUNNING), job.move(ABANDONED), job.move(DONE), job.move(RUNNING)] == [
        QUEUED, RUNNING, ABANDONED, ABANDONED,
    ]  # fmt: skip


def test_idle_threads_go_and_come_back(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_S", 0.001)
    assert pool.run(lambda: 7, 10.0) == 7
    until(lambda: pool._threads == 0)
    both = threading.Barrier(2)
    callers = [Caller(lambda: pool.run(lambda: both.wait(10) >= 0, 10.0)) for _ in range(2)]
    assert [caller.end() for caller in callers] == [True, True]
    until(lambda: pool._threads == 0)
    assert pool._unclaimed == 0


def test_a_lower_bound_holds_for_threads_that_are_there_already(pool: Workers) -> None:
    both = threading.Barrier(2)
    for caller in [Caller(lambda: pool.run(lambda: both.wait(10) >= 0, 10.0)) for _ in range(2)]:
        assert caller.end() is True
    pool.most = 1
    holds = [Hold(), Hold()]
    callers = [Caller(lambda hold=hold: pool.run(hold, 10.0)) for hold in holds]  # type: ignore[misc]  # a lambda's default
    until(lambda: any(hold.inside.is_set() for hold in holds))
    until(lambda: pool._unclaimed < 0 or all(hold.inside.is_set() for hold in holds))
    assert [hold.inside.is_set() for hold in holds].count(True) == 1
    for hold in holds:
        hold.go.set()
    assert [caller.end() for caller in callers] == ["held", "held"]
    until(lambda: pool._threads <= 1)


def test_a_higher_bound_lets_more_run(pool: Workers) -> None:
    pool.most = 4
    four = threading.Barrier(4)
    callers = [Caller(lambda: pool.run(lambda: four.wait(10) >= 0, 10.0)) for _ in range(4)]
    assert [caller.end() for caller in callers] == [True] * 4


def test_a_thread_that_cannot_be_started_is_a_refusal_and_takes_no_place(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fail(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", fail)
        for _ in range(5):
            with pytest.raises(WorkersBusyError) as caught:
                pool.run(lambda: 7, 10.0)
            assert isinstance(caught.value.__cause__, RuntimeError)
    assert pool.run(lambda: 7, 10.0) == 7


def test_a_finalizer_may_call_through_the_same_threads(pool: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    results: list[object] = []

    def start_with_a_finalizer(thread: threading.Thread) -> None:
        if thread.name.startswith("bascule-worker") and not results:
            results.append(None)
            results.append(pool.run(lambda: "finalized", 10.0))  # what garbage collection may do anywhere
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_with_a_finalizer)
    assert Caller(lambda: pool.run(lambda: "called", 10.0)).end() == "called"
    assert results[1] == "finalized"


def test_first_calls_at_the_same_time_share_one_set_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout = Timeout(10.0, workers=1)
    made: list[Workers] = []
    second: list[Caller] = []
    make = Workers.__init__

    def make_slowly(self: Workers, *values: Any) -> None:
        made.append(self)
        if len(made) == 1:  # another one calls before this one is ready
            second.append(Caller(lambda: timeout.call(lambda: 7)))
            second[0].join(0.05)
        make(self, *values)

    monkeypatch.setattr(Workers, "__init__", make_slowly)
    assert timeout.call(lambda: 7) == 7
    assert second[0].end() == 7
    assert len(made) == 1


def test_an_error_is_gone_once_it_is_dealt_with(pool: Workers) -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []

    def fail() -> None:
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    def run() -> None:
        try:
            pool.run(fail, 10.0)
        except OwnError:
            return

    gc.collect()
    gc.disable()
    try:
        run()
        pool.run(lambda: None, 10.0)  # the thread has let go of the job before
        until(lambda: gone[0]() is None)
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
def test_a_forked_process_has_threads_of_its_own(pool: Workers, hold: Hold) -> None:
    with pytest.raises(OutOfTimeError):
        pool.run(hold, 0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        is_good = pool.run(lambda: 7, 10.0) == 7 and pool.abandoned == 0
        os._exit(0 if is_good else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert pool.abandoned == 1
