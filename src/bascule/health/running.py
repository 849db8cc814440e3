"""Runs checks so that a hung one holds up nothing: one run of a check at a time, shared by all who ask meanwhile.

A function runs in a daemon thread of its own that ends with it, so there are never more threads than checks. A
coroutine function runs as a task of the asker's event loop, or, when a thread asks, on a loop of its own in a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bascule.health.check import Outcome, Registration, hung_outcome, is_fresh
from bascule.health.facts import CheckFailed, CheckRecovered
from bascule.health.wording import sayable, told

if TYPE_CHECKING:
    import asyncio

    from bascule.health.telling import Telling
    from bascule.kernel.clock import Clock


class Waiting:
    """Something that is done once, awaited by threads and by tasks of any event loop, each for a bounded time."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._wakers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def is_done(self) -> bool:
        """Whether it is done."""
        return self._done.is_set()

    def done(self) -> None:
        """Wake all who wait; further calls change nothing."""
        self._done.set()
        with self._lock:
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def wait(self, within_s: float) -> bool:
        """Block this thread until it is done; whether it is."""
        return self._done.wait(max(0.0, within_s))

    async def wait_async(self, within_s: float) -> bool:
        """Let this task wait until it is done; whether it is. A cancelled waiter disturbs no other one."""
        import asyncio  # noqa: PLC0415 - who has no event loop does not pay for it

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # the loop that waited is closed, and nobody waits any more
                loop.call_soon_threadsafe(settle)

        with self._lock:
            if self._done.is_set():
                return True
            self._wakers.append(wake)
        try:
            await asyncio.wait({woken}, timeout=max(0.0, within_s))
        finally:
            woken.cancel()
            with self._lock:
                if wake in self._wakers:
                    self._wakers.remove(wake)
        return self._done.is_set()


class Run:
    """One run of a check."""

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.waiting = Waiting()
        self.outcome: Outcome | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or never will because its event loop is closed."""
        return self.waiting.is_done or (self.loop is not None and self.loop.is_closed())


class Watched:
    """A registered check with its last answer."""

    def __init__(self, registration: Registration, clock: Clock, telling: Telling) -> None:
        self.registration = registration
        self._clock = clock
        self._telling = telling
        self._lock = threading.Lock()
        self._last: Outcome | None = None
        self._run: Run | None = None
        self._failing_since_s: float | None = None

    @property
    def last(self) -> Outcome | None:
        """The last answer, however old."""
        return self._last

    def begin(self, loop: asyncio.AbstractEventLoop | None) -> Run | None:
        """The run whose end is to be awaited, begun now unless one is under way; None when the last answer is fresh.

        Args:
            loop: The asker's running event loop; None when a thread asks.
        """
        now_s = self._clock.monotonic_s()
        with self._lock:
            if is_fresh(self._last, self.registration.fresh_s, now_s):
                return None
            if self._run is not None and not self._run.is_over:
                return self._run
            run = self._run = Run(now_s)
        self._start(run, loop)
        return run

    def left_s(self, run: Run) -> float:
        """How long this run may still be awaited."""
        return run.started_s + self.registration.timeout_s - self._clock.monotonic_s()

    def outcome(self, run: Run | None) -> Outcome:
        """The answer that is known now; a run that is still under way counts as hung."""
        known = self._last if run is None else run.outcome
        if known is not None:
            return known
        now_s = self._clock.monotonic_s()
        hung = hung_outcome(now_s if run is None else run.started_s, now_s, self.registration.timeout_s)
        if run is not None:
            self._keep(run, hung)
            self._telling.tell()
        return hung

    def _start(self, run: Run, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and self.registration.check.is_async:
            run.loop = loop
            run.task = loop.create_task(self._run_task(run), name=f"bascule-health-{self.registration.name}")
            return
        work = threading.Thread(
            target=self._run_thread, args=(run,), name=f"bascule-health-{self.registration.name}", daemon=True
        )
        try:
            work.start()
        except RuntimeError as error:
            self._finish(run, told(error))

    def _run_thread(self, run: Run) -> None:
        if not self.registration.check.is_async:
            self._finish(run, _ask(self.registration.check.run))
            return
        import asyncio  # noqa: PLC0415 - who has no coroutine function does not pay for it

        asyncio.run(self._run_task(run))

    async def _run_task(self, run: Run) -> None:
        import asyncio  # noqa: PLC0415 - who has no coroutine function does not pay for it

        limit = asyncio.timeout(self.registration.timeout_s)
        try:
            async with limit:
                error = await _ask_async(self.registration.check.run)
        except TimeoutError:
            error = f"hung: no answer for {self.registration.timeout_s:g} s, and cancelled"
        except BaseException:
            # The loop ends, or the program: nothing was learned about what the check asks.
            now_s = self._clock.monotonic_s()
            run.outcome = Outcome(at_s=now_s, took_s=now_s - run.started_s, error="cancelled before it answered")
            run.waiting.done()
            raise
        self._finish(run, error)

    def _finish(self, run: Run, error: str) -> None:
        now_s = self._clock.monotonic_s()
        outcome = Outcome(at_s=now_s, took_s=max(0.0, now_s - run.started_s), error=error)
        # A success that came too late has been told as hung by then; the next run may do better.
        if not error and outcome.took_s > self.registration.timeout_s:
            outcome = hung_outcome(run.started_s, now_s, self.registration.timeout_s)
        run.outcome = outcome
        self._keep(run, outcome)
        run.waiting.done()
        self._telling.tell()

    def _keep(self, run: Run, outcome: Outcome) -> None:
        """Make it the last answer, and a fact of what changed. That a run hangs is not kept once it has ended."""
        name, at_s, critical = self.registration.name, outcome.at_s, self.registration.critical
        with self._lock:
            if self._run is not run or (run.outcome is not None and run.outcome is not outcome):
                return
            self._last = outcome
            since_s = self._failing_since_s
            if not outcome.is_passed and since_s is None:
                self._failing_since_s = at_s
                self._telling.put(CheckFailed(at_s=at_s, check=name, critical=critical, error=outcome.error))
            elif outcome.is_passed and since_s is not None:
                self._failing_since_s = None
                self._telling.put(CheckRecovered(at_s=at_s, check=name, failed_for_s=at_s - since_s))


def _ask(function: Callable[[], Any]) -> str:
    """Why the check failed; empty when it passed. SystemExit ends no process from a thread: an answer."""
    try:
        answer = function()
    except BaseException as error:  # noqa: BLE001 - whatever a check raises is its answer
        return told(error)
    close = getattr(answer, "close", None)
    if hasattr(answer, "__await__"):
        if close is not None:
            close()
        return "returned a coroutine that nobody awaits: register a coroutine function (async def)"
    return _why_not(answer)


async def _ask_async(function: Callable[[], Any]) -> str:
    """Why the check failed; empty when it passed.

    A TimeoutError of the check's own is its answer; the limit's arrives as a cancellation, which is no answer.
    """
    try:
        answer = await function()
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
        return told(error)
    return _why_not(answer)


def _why_not(answer: object) -> str:
    if answer is None or answer is True:
        return ""
    if answer is False:
        return "said no"
    return sayable(f"returned {type(answer).__name__}, which is neither None nor a truth value")
