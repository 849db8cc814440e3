"""Where a probe makes its experiment: a dependency that does as it is told, and calls that run beside each other.

The same experiment runs with threads and with tasks. What a guard does is read off the dependency (was it entered?),
never off a library's own state or its own errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from benchmarks.peers.subject import OPEN_S, Call, Decorator, Flavour, Subject, Wanted

PATIENCE_S = 1.0
"""How long something that happens at once may take before it counts as not happening."""


class MissedError(Exception):
    """The library walks into the trap. The text is what was seen."""


class NotOfferedError(Exception):
    """The library has no such feature."""


class VoidError(Exception):
    """The experiment could not be set up, which says nothing about the trap."""


class Hold:
    """A step of a dependency that lasts until it is released, and then fails or not."""

    def __init__(self, then: Exception | None = None) -> None:
        self.then = then
        self.arrived = threading.Event()
        self.gate = threading.Event()

    def release(self) -> None:
        """Let every call that is held go on."""
        self.gate.set()

    def came(self, within_s: float = PATIENCE_S) -> bool:
        """Whether a call reached this step."""
        return self.arrived.wait(within_s)


Step = Hold | BaseException | None


class CarriedError(Exception):
    """Carries a TimeoutError from one loop to another: on its own it would be exchanged for a copy."""

    def __init__(self, error: TimeoutError) -> None:
        super().__init__(error)
        self.error = error


class Dependency:
    """Counts who enters, and does the next of its steps; `otherwise` when there is none."""

    def __init__(self, *steps: Step, otherwise: Step = None) -> None:
        self.steps: deque[Step] = deque(steps)
        self.otherwise = otherwise
        self.entered = 0
        self.running = 0
        self.entered_at_s: list[float] = []
        self._lock = threading.Lock()

    def enter(self) -> Step:
        """Count a call, and say what becomes of it."""
        with self._lock:
            self.entered += 1
            self.running += 1
            self.entered_at_s.append(time.monotonic())
            return self.steps.popleft() if self.steps else self.otherwise

    def leave(self) -> None:
        """A call has ended."""
        with self._lock:
            self.running -= 1

    def block(self) -> str:
        """What a guarded function does that blocks."""
        step = self.enter()
        try:
            if isinstance(step, Hold):
                step.arrived.set()
                step.gate.wait()
                step = step.then
            if step is not None:
                raise step
            return "done"
        finally:
            self.leave()

    async def wait(self) -> str:
        """The same, awaited."""
        step = self.enter()
        try:
            if isinstance(step, Hold):
                step.arrived.set()
                while not step.gate.is_set():  # noqa: ASYNC110 - another thread opens the gate
                    await asyncio.sleep(0.002)
                step = step.then
            if step is not None:
                raise step
            return "done"
        finally:
            self.leave()


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def start(self, call: Call) -> Future[Any]:
        """Await a call there."""

        async def go() -> object:
            try:
                return await call()
            except TimeoutError as error:
                raise CarriedError(error) from error

        return asyncio.run_coroutine_threadsafe(go(), self.loop)


class Threads:
    """A thread for each call."""

    def start(self, call: Call) -> Future[Any]:
        """Make a call there."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whatever it was is told to who waits for it
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


class Lab:
    """One library, with calls that block or with calls that are awaited."""

    def __init__(self, subject: Subject, flavour: Flavour) -> None:
        self.subject = subject
        self.flavour: Flavour = flavour
        self.runner: Loop | Threads = Loop() if flavour == "async" else Threads()

    def decorator(self, feature: str, wanted: Wanted) -> Decorator:
        """A policy of the library. Raises `NotOfferedError`."""
        make = self.subject.features.get((feature, self.flavour))
        if make is None:
            raise NotOfferedError
        return make(wanted)

    def several_at_once(self, feature: str) -> None:
        """Say that the experiment makes calls beside each other. Raises `NotOfferedError` where that is ruled out."""
        if self.flavour == "sync" and feature in self.subject.one_thread:
            raise NotOfferedError

    def function(self, dependency: Dependency) -> Call:
        """A function of its own that calls the dependency."""
        if self.flavour == "async":

            async def ask() -> str:
                return await dependency.wait()

            return ask

        def ask_and_block() -> str:
            return dependency.block()

        return ask_and_block

    def apply(self, decorate: Callable[[], Call]) -> Call:
        """Decorate where the calls will be made: some libraries look for the running loop when they do."""
        if self.flavour == "sync":
            return decorate()

        async def go() -> Call:
            return decorate()

        decorated: Call = self.runner.start(go).result(PATIENCE_S)
        return decorated

    def guard(self, feature: str, dependency: Dependency, wanted: Wanted) -> Call:
        """The dependency behind one policy of the library."""
        return self.apply(lambda: self.decorator(feature, wanted)(self.function(dependency)))

    def start(self, call: Call) -> Future[Any]:
        """Begin a call beside the others."""
        return self.runner.start(call)

    def call(self, call: Call, within_s: float = PATIENCE_S) -> BaseException | None:
        """Make a call and return its error. Raises `MissedError` when it does not end in time."""
        return outcome(self.start(call), within_s)

    def fail(self, call: Call, dependency: Dependency, times: int = 1) -> None:
        """Let the dependency fail so often."""
        for _ in range(times):
            dependency.steps.append(ConnectionError("down"))
            self.call(call)

    def is_let_in(self, call: Call, dependency: Dependency, within_s: float = PATIENCE_S) -> bool:
        """Whether a call reaches the dependency, which answers well."""
        before = dependency.entered
        self.call(call, within_s)
        return dependency.entered > before

    def trip(self, call: Call, dependency: Dependency, failures: int = 2) -> None:
        """Open the circuit."""
        self.fail(call, dependency, failures)
        if self.is_let_in(call, dependency):
            raise VoidError(f"the circuit did not open after {failures} failures")

    def half_open(self, call: Call, dependency: Dependency) -> None:
        """Open the circuit and wait until it may be tried again."""
        self.trip(call, dependency)
        wait_out(OPEN_S)


def wait_out(seconds: float) -> None:
    """Let so much real time pass, and a little more: foreign clocks cannot be driven."""
    time.sleep(seconds * 1.2 + 0.02)


def outcome(future: Future[Any], within_s: float = PATIENCE_S) -> BaseException | None:
    """The error of a call, None when it was good. Raises `MissedError` when it does not end in time."""
    try:
        error = future.exception(within_s)
    except CancelledError as cancelled:
        return cancelled
    except FutureTimeoutError as late:
        raise MissedError(f"a call does not end within {within_s:.3g} s") from late
    return error.error if isinstance(error, CarriedError) else error


def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Wait for a condition, and say whether it came."""
    ends_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_s:
            return False
        time.sleep(0.002)
    return True


def cancel(future: Future[Any]) -> None:
    """Cancel an awaited call and wait until it has ended."""
    future.cancel()
    with contextlib.suppress(CancelledError):
        future.exception(PATIENCE_S)
    time.sleep(0.02)  # the task ends on its own loop a moment after the future that stands for it


def need(holds: bool, seen: str) -> None:
    """Raise `MissedError` with what was seen unless it is as it must be."""
    if not holds:
        raise MissedError(seen)
