"""Asking a second time before the first answer is late, and taking whichever comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, Never

from bascule.guard.checks import number, refuse, seconds, whole
from bascule.guard.deadline import time_left_s
from bascule.guard.errors import DeadlineExceededError, WorkersBusyError
from bascule.guard.loom import Lines, Loom
from bascule.guard.percentile import RecentLatencies
from bascule.guard.policy import Policy
from bascule.guard.retry_budget import RetryBudget
from bascule.guard.shapes import Shape
from bascule.guard.workers import Job, Workers, pool_of

if TYPE_CHECKING:
    import asyncio

_STREAM = "two streams cannot both be read; guard the call that opens one"


@dataclass(eq=False)
class Hedge(Policy[Never]):
    """A call without an answer after a while is made once more beside the first; the first good answer is taken.

    Only for calls that may be made twice. When one attempt fails the others are waited for; when all fail, the error of
    the first that failed is raised. Losing coroutines are cancelled, and have ended before the answer is given. A plain
    function cannot be ended: its attempts run in worker threads, and losers occupy theirs until they return.

    Attributes:
        after_s: Seconds without an answer; None to take a percentile of the recent latencies.
        percentile: Which one, in (0, 100]: 95 hedges the slowest twentieth. While fewer than `minimum_calls` latencies
            are known, nothing is hedged.
        most: Further attempts for one call at most, at least 1, each after another such wait.
        budget: Bounds hedges as a share of all calls, so that they do not double the load when everything is slow.
        minimum_calls: Latencies that must be known, at least 1.
        workers: Worker threads at most, for plain functions alone.

    Raises, when called:
        WorkersBusyError: No worker thread was free for a plain function.
        DeadlineExceededError: The deadline passed before a plain function answered.
    """

    after_s: float | None = None
    _: KW_ONLY
    percentile: float = 95.0
    most: int = 1
    budget: RetryBudget = field(default_factory=RetryBudget)
    minimum_calls: int = 20
    workers: int = 32

    refused_shapes = {Shape.GENERATOR: _STREAM, Shape.ASYNC_GENERATOR: _STREAM}  # noqa: RUF012 - nobody writes to it
    refused_block: ClassVar[str] = "a block cannot be run a second time; guard a function"

    def __post_init__(self) -> None:
        seconds(self, "after_s", optional=True, above=False)
        number(self, "percentile", most=100.0, above=True)
        whole(self, "most", least=1, most=10)
        if not isinstance(self.budget, RetryBudget):
            raise refuse(self, "budget", self.budget, "a RetryBudget")
        whole(self, "minimum_calls", least=1, most=500)
        whole(self, "workers", least=2, most=1000)
        self._recent = RecentLatencies(500)
        self._started = 0
        self._won = 0
        self.pool: Workers | None = None

    def delay_s(self) -> float | None:
        """Seconds without an answer after which another attempt begins; None while that is not known."""
        if self.after_s is not None:
            return self.after_s
        return self._recent.percentile(self.percentile / 100) if self._recent.added >= self.minimum_calls else None

    def _may_hedge(self, started: int) -> bool:
        return started <= self.most and self.budget.withdraw()

    def _hedged(self, number_of: int, delay_s: float) -> None:
        self._started += 1
        self.home.tell("HedgeStarted", attempt=number_of, after_s=delay_s)

    def _answered(self, number_of: int, began_s: float) -> None:
        self._recent.add(self.home.world.now_s() - began_s)
        if number_of > 1:
            self._won += 1
            self.home.tell("HedgeWon", attempt=number_of)

    async def race(self, attempt: Callable[[], Awaitable[Any]]) -> object:
        """The first good answer of up to `1 + most` coroutines; the others have ended by then."""
        import asyncio  # noqa: PLC0415 - plain functions need no event loop

        if self.budget.is_short:
            self.budget.deposit()
        began_s = self.home.world.now_s()
        delay_s = self.delay_s()
        tasks: dict[asyncio.Task[Any], int] = {_begin(attempt): 1}
        started = 1
        failed: list[BaseException] = []
        try:
            while tasks:
                wait_s = delay_s if started <= self.most else None
                done, _ = await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                is_late = not done
                winner = _winner(done, tasks, failed)
                del done
                if winner is not None:
                    self._answered(winner[0], began_s)
                    return winner[1]
                if is_late and delay_s is not None:
                    if self._may_hedge(started):
                        started += 1
                        tasks[_begin(attempt)] = started
                        self._hedged(started, delay_s)
                    else:
                        delay_s = None
        finally:
            await _end(tasks)
        raise failed.pop()  # nothing here may hold it, or it would hold itself by way of its traceback

    def race_threads(self, attempt: Callable[[], object]) -> object:
        """The same in worker threads."""
        world = self.home.world
        if time_left_s(world.now_s()) <= 0:
            raise self._late()
        if self.budget.is_short:
            self.budget.deposit()
        threads = _Threads(self.pool or pool_of(self, self.workers), attempt)
        began_s = world.now_s()
        delay_s = self.delay_s()
        try:
            threads.begin(1)
        except WorkersBusyError as error:
            self.refusal(error)
            raise
        started = 1
        failed: list[BaseException] = []
        try:
            while threads.running:
                left_s = time_left_s(world.now_s())
                ended = threads.wait(min(left_s, delay_s) if delay_s is not None and started <= self.most else left_s)
                if ended is not None and ended[1].error is None:
                    self._answered(ended[0], began_s)
                    return ended[1].result
                if ended is not None:
                    _fail(failed, ended[1].take_error())
                elif time_left_s(world.now_s()) <= 0:
                    raise self._late() from (failed[0] if failed else None)
                elif delay_s is not None and self._may_hedge(started) and threads.has_begun(started + 1):
                    started += 1
                    self._hedged(started, delay_s)
                else:
                    delay_s = None
        finally:
            threads.leave()
        raise failed.pop()

    def _late(self) -> DeadlineExceededError:
        self.home.tell("DeadlinePassed")
        return DeadlineExceededError(self.home.name)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Everything inside becomes an attempt."""
        return loom.text(
            """
            $def $attempt():
                $inner
                return result
            result = ${await}$race($attempt)
            """,
            inner,
            race=self.race if loom.is_async else self.race_threads,
        )

    def reconfigured(self) -> None:
        """Let more or fewer worker threads run from now on."""
        if self.pool is not None:
            self.pool.most = self.workers

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        abandoned = 0 if self.pool is None else self.pool.abandoned
        return {
            "after_s": self.delay_s(), "started": self._started, "won": self._won, "abandoned": abandoned,
            "budget": self.budget.snapshot(),
        }  # fmt: skip


MOST_WAIT_S = 1e6


class _Threads:
    """The attempts of one call in worker threads, by number."""

    def __init__(self, pool: Workers, attempt: Callable[[], object]) -> None:
        self.running: dict[int, Job] = {}
        self._pool = pool
        self._attempt = attempt
        self._ended: SimpleQueue[tuple[int, Job]] = SimpleQueue()

    def begin(self, number_of: int) -> None:
        ended = self._ended
        self.running[number_of] = self._pool.begin(self._attempt, lambda job: ended.put((number_of, job)))

    def has_begun(self, number_of: int) -> bool:
        """Begin another one, unless no thread is free: those that run go on without it."""
        try:
            self.begin(number_of)
        except WorkersBusyError:
            return False
        return True

    def wait(self, within_s: float) -> tuple[int, Job] | None:
        """The next one that ends, or None when that takes longer."""
        try:
            number_of, job = self._ended.get(timeout=max(0.0, within_s) if within_s < MOST_WAIT_S else None)
        except Empty:
            return None
        del self.running[number_of]
        return number_of, job

    def leave(self) -> None:
        """Leave behind what still runs."""
        for job in self.running.values():
            self._pool.abandon(job)


def _begin(attempt: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
    import asyncio  # noqa: PLC0415 - as above

    return asyncio.ensure_future(attempt())


def _winner(
    done: set[asyncio.Task[Any]], tasks: dict[asyncio.Task[Any], int], failed: list[BaseException]
) -> tuple[int, object] | None:
    """The number and the answer of the first one that has any; the others have failed."""
    import asyncio  # noqa: PLC0415 - as above

    for task in sorted(done, key=tasks.__getitem__):
        number_of = tasks.pop(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return number_of, task.result()
        _fail(failed, error)
    return None


def _fail(failed: list[BaseException], error: BaseException | None) -> None:
    """Keep the first error."""
    if not failed and error is not None:
        failed.append(error)


async def _end(tasks: dict[asyncio.Task[Any], int]) -> None:
    """Cancel what still runs, and wait until it has ended, however often whoever waits is cancelled meanwhile."""
    import asyncio  # noqa: PLC0415 - as above

    for task in tasks:
        task.cancel()
    running = set(tasks)
    is_cancelled = False
    while running:
        try:
            _, running = await asyncio.wait(running)
        except asyncio.CancelledError:
            is_cancelled = True  # it is passed on to those that are slow to end, and raised when they have
            for task in running:
                task.cancel()
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told that it was not
    if is_cancelled:
        raise asyncio.CancelledError
