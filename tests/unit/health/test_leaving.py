"""Both drivers of the leave: the order of things, their limits, and signals."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from bascule.health import AsyncLeave, Health, Leave
from bascule.health.leave_facts import (
    AcceptingStopped,
    CloserEnded,
    InFlightAbandoned,
    LeaveBegan,
    LeaveForced,
    Left,
    SignalsNotHeard,
)
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Bus, Fact


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield
    changed = {each for each, handler in before.items() if signal.getsignal(each) != handler}
    for each, handler in before.items():
        signal.signal(each, handler)
    assert not changed, "a leave gives the signals back"


class Tale:
    """What happened, in order: facts by their name, and whatever a test adds."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.facts: list[Fact] = []
        bus = Bus()
        bus.subscribe(self._hear)
        self.health = Health(bus=bus)

    def _hear(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.said.append(type(fact).__name__)

    def does(self, what: str) -> Callable[[], None]:
        return lambda: self.said.append(what)

    def the(self, kind: type[Fact]) -> Any:
        (fact,) = (each for each in self.facts if isinstance(each, kind))
        return fact


ORDER = [
    "BecameNotReady",
    "LeaveBegan",
    "stop",
    "AcceptingStopped",
    "close pool",
    "CloserEnded",
    "close log",
    "CloserEnded",
    "Left",
]


def test_a_signal_goes_through_the_whole_leave_in_a_thread() -> None:
    tale = Tale()
    assert tale.health.ask("ready").is_ok
    tale.said.clear()
    leave = Leave(tale.health, drain_s=0.05, finish_s=5.0, stop=tale.does("stop"))
    leave.closer("log", tale.does("close log"))
    leave.closer("pool", tale.does("close pool"))
    with leave:
        assert (leave.phase, leave.is_leaving, leave.is_stopping) == ("working", False, False)
        os.kill(os.getpid(), signal.SIGTERM)
        assert leave.stopping.wait(10)
        assert leave.is_stopping
        assert not tale.health.ask("ready").is_ok
    assert leave.phase == "left"
    assert tale.said == ORDER
    began: LeaveBegan = tale.the(LeaveBegan)
    assert (began.reason, began.drain_s, began.in_flight) == ("SIGTERM", 0.05, 0)
    stopped: AcceptingStopped = tale.the(AcceptingStopped)
    assert stopped.at_s - began.at_s >= 0.05, "proxies were given their time"
    assert tale.the(Left).abandoned == 0
    _no_thread_is_left()


def test_a_signal_goes_through_the_whole_leave_on_an_event_loop() -> None:
    tale = Tale()
    assert tale.health.ask("ready").is_ok
    tale.said.clear()

    async def close_pool() -> None:
        await asyncio.sleep(0)
        tale.said.append("close pool")

    async def main() -> None:
        leave = AsyncLeave(tale.health, drain_s=0.05, finish_s=5.0, stop=tale.does("stop"))
        leave.closer("log", tale.does("close log"))
        leave.closer("pool", close_pool)
        async with leave:
            os.kill(os.getpid(), signal.SIGTERM)
            await leave.wait_stopping()
        assert leave.phase == "left"

    asyncio.run(main())
    assert tale.said == ORDER
    assert tale.the(AcceptingStopped).at_s - tale.the(LeaveBegan).at_s >= 0.05
    _no_thread_is_left()


def _no_thread_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(("bascule-health", "bascule-leave")):
            thread.join(10)
            assert not thread.is_alive(), thread.name


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_that_ends_by_itself_closes_everything_without_a_drain(*, is_async: bool) -> None:
    tale = Tale()
    _run(tale, lambda leave: leave.closer("pool", tale.does("close pool")), is_async=is_async, drain_s=600.0)
    assert tale.said == ["LeaveBegan", "AcceptingStopped", "close pool", "CloserEnded", "Left"]
    assert tale.the(LeaveBegan).reason == "the server ended"
    assert tale.health.is_leaving


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_the_body_comes_out_after_everything_is_closed(*, is_async: bool) -> None:
    tale = Tale()

    def body(leave: Leave | AsyncLeave) -> None:
        leave.closer("pool", tale.does("close pool"))
        raise LookupError("the body's own")

    with pytest.raises(LookupError, match="the body's own"):
        _run(tale, body, is_async=is_async)
    assert tale.said[-1] == "Left"
    assert "close pool" in tale.said


@pytest.mark.parametrize("is_async", [False, True])
def test_a_closer_that_fails_or_hangs_keeps_no_other_from_its_turn(*, is_async: bool) -> None:
    tale, free = Tale(), threading.Event()

    def fails() -> None:
        raise ConnectionError("server gone: password=hunter2")

    def hangs() -> None:
        free.wait(30)

    def body(leave: Leave | AsyncLeave) -> None:
        leave.closer("first", tale.does("first"))
        leave.closer("hangs", hangs, within_s=0.05)
        leave.closer("fails", fails)

    _run(tale, body, is_async=is_async)
    ended = {each.closer: each.error for each in tale.facts if isinstance(each, CloserEnded)}
    assert list(ended.items()) == [
        ("fails", "ConnectionError: server gone: password=***"),
        ("hangs", "hung: not done within 0.05 s"),
        ("first", ""),
    ]
    free.set()
    _no_thread_is_left()


def test_a_coroutine_closer_that_refuses_to_be_cancelled_is_left_behind() -> None:
    tale = Tale()

    async def main() -> None:
        free = asyncio.Event()

        async def stubborn() -> None:
            while not free.is_set():
                try:
                    await free.wait()
                except asyncio.CancelledError:
                    continue

        async with AsyncLeave(tale.health, signals=()) as leave:
            leave.closer("stubborn", stubborn, within_s=0.05)
        free.set()

    asyncio.run(main())
    assert tale.the(CloserEnded).error == "hung: not done within 0.05 s"


def _run(
    tale: Tale,
    body: Callable[[Leave | AsyncLeave], None],
    *,
    is_async: bool,
    drain_s: float = 0.0,
    finish_s: float = 5.0,
) -> None:
    if not is_async:
        with Leave(tale.health, drain_s=drain_s, finish_s=finish_s, signals=()) as leave:
            body(leave)
        return

    async def main() -> None:
        async with AsyncLeave(tale.health, drain_s=drain_s, finish_s=finish_s, signals=()) as leave:
            body(leave)

    asyncio.run(main())


@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_in_flight_is_waited_for(*, is_async: bool) -> None:
    tale, threads = Tale(), list[threading.Thread]()

    def body(leave: Leave | AsyncLeave) -> None:
        leave.closer("pool", tale.does("close pool"))
        leave.in_flight.began()

        def request() -> None:
            assert leave.stopping.wait(10)
            tale.said.append("answered")
            leave.in_flight.ended()

        threads.append(threading.Thread(target=request))
        threads[0].start()

    _run(tale, body, is_async=is_async, finish_s=60.0)
    threads[0].join(10)
    assert tale.said.index("answered") < tale.said.index("close pool")
    assert "InFlightAbandoned" not in tale.said


@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_in_flight_at_the_deadline_is_abandoned(*, is_async: bool) -> None:
    tale = Tale()

    def body(leave: Leave | AsyncLeave) -> None:
        leave.closer("pool", tale.does("close pool"))
        leave.in_flight.began()

    _run(tale, body, is_async=is_async, finish_s=0.05)
    abandoned: InFlightAbandoned = tale.the(InFlightAbandoned)
    assert (abandoned.in_flight, tale.the(Left).abandoned) == (1, 1)
    assert tale.said.index("InFlightAbandoned") < tale.said.index("close pool")
    assert abandoned.at_s - tale.the(LeaveBegan).at_s >= 0.05


@pytest.mark.parametrize("is_async", [False, True])
def test_a_second_signal_forces(*, is_async: bool) -> None:
    tale, forced = Tale(), list[int]()

    def second(leave: Leave | AsyncLeave) -> None:
        leave.closer("pool", tale.does("close pool"))
        os.kill(os.getpid(), signal.SIGTERM)
        assert forced == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert forced == [signal.SIGTERM], "at once, and where the code was"
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "a third one needs no Python"
        signal.signal(signal.SIGTERM, leave.on_signal)  # this test goes on

    if is_async:

        async def main() -> None:
            async with AsyncLeave(tale.health, drain_s=600.0, force=forced.append) as leave:
                second(leave)

        asyncio.run(main())
    else:
        with Leave(tale.health, drain_s=600.0, force=forced.append) as leave:
            second(leave)
    assert tale.the(LeaveForced).reason == "SIGTERM"
    assert "close pool" not in tale.said
    assert "Left" not in tale.said


def test_a_listener_that_hangs_cannot_hold_up_the_second_signal() -> None:
    tale, free, forced = Tale(), threading.Event(), list[int]()

    def hangs(fact: Fact) -> None:
        if isinstance(fact, LeaveForced):
            free.wait(30)

    tale.health.bus.subscribe(hangs)
    with Leave(tale.health, drain_s=600.0, force=forced.append) as leave:
        leave.on_signal(signal.SIGTERM)
        leave.on_signal(signal.SIGTERM)
        assert forced == [signal.SIGTERM]
        signal.signal(signal.SIGTERM, leave.on_signal)
    free.set()
    _no_thread_is_left()


def test_a_signal_after_the_program_itself_asked_does_not_force() -> None:
    tale, forced = Tale(), list[int]()
    with Leave(tale.health, drain_s=0.0, force=forced.append) as leave:
        leave.ask("deploy")
        leave.ask("deploy")
        leave.on_signal(signal.SIGTERM)
        assert leave.stopping.wait(10)
    assert (forced, leave.phase, tale.the(LeaveBegan).reason) == ([], "left", "deploy")


def test_without_a_stop_of_ours_the_servers_own_handler_is_called() -> None:
    tale = Tale()
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        with Leave(tale.health, drain_s=0.05) as leave:
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == [], "not before the drain is over"
            assert leave.stopping.wait(10)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_stop_that_fails_is_told_and_the_leave_goes_on() -> None:
    tale = Tale()

    def fails() -> None:
        raise OSError("no such server")

    with Leave(tale.health, drain_s=0.0, stop=fails, signals=()) as leave:
        leave.ask()
        assert leave.stopping.wait(10)
    assert (leave.phase, tale.the(AcceptingStopped).error) == ("left", "OSError: no such server")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"drain_s": -1.0}, r"Leave\.drain_s: -1\.0 must be a finite number of seconds of at least 0"),
    ({"finish_s": float("inf")}, r"Leave\.finish_s: inf must be a finite number"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_bad_value_is_named_with_its_field_and_its_rule(options: dict[str, Any], message: str) -> None:
    for kind in (Leave, AsyncLeave):
        with pytest.raises(InputError, match=message):
            kind(Health(), **options)


def test_a_closer_is_refused_with_its_reason() -> None:
    leave = Leave(Health())
    leave.closer("pool", print)
    with pytest.raises(InputError, match=r"Leave\.closer\.name: 'pool' must be"):
        leave.closer("pool", print)
    with pytest.raises(InputError, match=r"Leave\.closer\.within_s: 0 must be"):
        leave.closer("other", print, within_s=0)

    async def close() -> None: ...

    with pytest.raises(InputError, match="must be a plain function") as refused:
        leave.closer("other", close)
    assert "AsyncLeave" in refused.value.hint


def test_nobody_hears_who_asks_before_the_context() -> None:
    with pytest.raises(InputError, match="within the context"):
        Leave(Health()).ask()


def test_outside_the_main_thread_no_signal_is_heard_and_that_is_told() -> None:
    tale = Tale()
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> None:
        with Leave(tale.health, drain_s=0.0) as leave:
            assert signal.getsignal(signal.SIGTERM) == before
            leave.ask("the program")
            assert leave.stopping.wait(10)

    thread = threading.Thread(target=enter, name="another")
    thread.start()
    thread.join(10)
    assert tale.the(SignalsNotHeard).thread == "another"
    assert tale.the(LeaveBegan).reason == "the program"
    assert tale.said[-1] == "Left"


@pytest.mark.parametrize("is_async", [False, True])
def test_it_may_be_entered_again_as_test_clients_do(*, is_async: bool) -> None:
    tale = Tale()
    leave: Leave | AsyncLeave = (AsyncLeave if is_async else Leave)(tale.health, signals=())
    leave.closer("pool", tale.does("close pool"))

    async def once() -> None:
        assert isinstance(leave, AsyncLeave)
        async with leave:
            assert (await tale.health.ask_async("ready")).is_ok
            assert leave.phase == "working"

    for _ in range(2):
        if isinstance(leave, Leave):
            with leave:
                assert tale.health.ask("ready").is_ok
                assert leave.phase == "working"
        else:
            asyncio.run(once())
        assert (leave.phase, tale.health.ask("ready").is_ok) == ("left", False)
    assert tale.said.count("close pool") == 2


def test_who_cancels_the_waiting_at_the_end_leaves_no_pool_open() -> None:
    tale = Tale()

    async def main() -> None:
        go, closing, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def close() -> None:
            closing.set()
            await go.wait()
            closed.set()

        async def body() -> None:
            async with AsyncLeave(tale.health, signals=()) as leave:
                leave.closer("pool", close, within_s=20)

        running = asyncio.create_task(body())
        await closing.wait()
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        go.set()
        await asyncio.wait_for(closed.wait(), 10)

    asyncio.run(main())


def test_a_lifespan_runs_where_test_clients_run_it() -> None:
    """In a thread that is not the main one, with an event loop each time."""
    tale = Tale()
    leave = AsyncLeave(tale.health)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with leave:
            yield

    app = Starlette(routes=[Mount("/health", tale.health.asgi())], lifespan=lifespan)

    async def client() -> int:
        transport = httpx.ASGITransport(app=leave.asgi(app))
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport) as asking:
            return (await asking.get("http://test/health/ready")).status_code

    with ThreadPoolExecutor(1) as another:
        assert [another.submit(asyncio.run, client()).result(20) for _ in range(2)] == [200, 200]
    assert tale.said.count("Left") == 2
