"""Worker threads in which plain functions run that may have to be left behind: never more than a bound, and counted.

Nothing can end a thread from outside. A call that outlives its limit is abandoned: its caller goes on, its thread
stays occupied until the call returns by itself. While every thread is held like that, further calls are refused
rather than given more threads.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.errors import WorkersBusyError

if TYPE_CHECKING:
    from bascule.guard.policy import Home

IN_WORKER = """
def $attempt():
    $inner
    return result
result = $run($attempt)
"""
IDLE_S = 5.0
QUEUED, RUNNING, DONE, ABANDONED = range(4)


class OutOfTimeError(Exception):
    """The call did not return in time; it is left behind. The caller turns this into the error that its user knows."""


class Job(Stepped):
    """One call on its way through a worker thread."""

    __slots__ = ("context", "error", "finished", "result", "state", "tell", "work")

    def __init__(self, work: Callable[[], object], tell: Callable[[Job], object]) -> None:
        super().__init__()
        self.work = work
        self.tell = tell
        self.context = contextvars.copy_context()
        self.finished = threading.Lock()
        self.finished.acquire()
        self.result: object = None
        self.error: BaseException | None = None
        self.state = QUEUED

    @atomic
    def move(self, to: int) -> int:
        """The state in which it was; it goes on to `to` unless it is over."""
        old = self.state
        if old < DONE:
            self.state = to
        return old

    def take_error(self) -> BaseException | None:
        """What it raised, which it lets go of: the error's traceback holds the job."""
        error, self.error = self.error, None
        return error


def _nothing(*_: object) -> None:
    """What is left of work that nobody waits for."""


class Workers:
    """At most `most` daemon threads of a policy, started when needed, gone after five idle seconds.

    Attributes:
        most: The bound.
        abandoned: Threads that are held by calls nobody waits for any more: a gauge.
    """

    def __init__(self, most: int, home: Home, policy: str) -> None:
        self.most = most
        self.abandoned = 0
        self._home = home
        self._policy = policy
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()  # re-entrant: a finalizer may make a call while one is begun
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._threads = 0
        self._unclaimed = 0
        self.abandoned = 0

    def run(self, work: Callable[[], object], limit_s: float) -> object:
        """What `work()` returns or raises, run in a worker thread with the caller's context variables.

        Args:
            work: What to run.
            limit_s: Seconds to wait, for a thread included; infinite to wait for ever.

        Raises:
            OutOfTimeError: It did not return in time.
            WorkersBusyError: No thread is free, or none came free in time.
        """
        try:
            job = self.begin(work, lambda job: job.finished.release())
        except WorkersBusyError:
            self._tell_refused()
            raise
        try:
            is_finished = job.finished.acquire(timeout=max(0.0, min(limit_s, threading.TIMEOUT_MAX)))
        except BaseException:
            self.abandon(job)
            raise
        if not is_finished:
            state = self.abandon(job)
            if state == QUEUED:
                self._tell_refused()
                raise WorkersBusyError(self._home.name)
            if state == RUNNING:
                raise OutOfTimeError
            job.finished.acquire()  # it ended in the last moment
        error = job.take_error()
        if error is not None:
            try:
                raise error
            finally:
                del error
        return job.result

    def begin(self, work: Callable[[], object], tell: Callable[[Job], object]) -> Job:
        """Let `work()` run in a worker thread with the caller's context variables; its end is told by `tell(job)`.

        Raises:
            WorkersBusyError: Every thread is held by an abandoned call, or the system has no thread left.
        """
        if self._process != os.getpid():  # forked: the threads stayed behind
            self._reset()
        job = Job(work, tell)
        with self._lock:
            is_full = self.abandoned >= self.most
            is_short = self._unclaimed <= 0 and self._threads < self.most
            if not is_full:
                self._threads += is_short
                self._unclaimed -= not is_short
                self._jobs.put(job)
        if is_full:
            raise WorkersBusyError(self._home.name)
        if is_short:
            self._start(job)
        return job

    def _start(self, job: Job) -> None:
        """Start a thread. Not under the lock: whatever a finalizer calls meanwhile may need a thread too."""
        try:
            threading.Thread(target=self._work, name=f"bascule-worker {self._home.name}", daemon=True).start()
        except RuntimeError as error:  # the system has no more
            with self._lock:
                self._threads -= 1
                self._unclaimed -= 1
                is_lost = self._threads == 0
            if is_lost:  # or else another thread comes to it
                self.abandon(job)
                raise WorkersBusyError(self._home.name) from error

    def _tell_refused(self) -> None:
        self._home.tell("CallRefused", policy=self._policy)

    def abandon(self, job: Job) -> int:
        """Wait no more for a job: it is not begun, or left behind. Gives the state in which it was."""
        with self._lock:
            state = job.move(ABANDONED)
            if state == RUNNING:
                self.abandoned += 1
        if state == QUEUED:  # its place in the queue stays until a thread comes to it, and need hold nothing else
            job.work = job.tell = _nothing
            job.context = contextvars.Context()
        return state

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except Empty:
                if self._retire():
                    return
                continue
            if self._threads > self.most and self._is_surplus(job):
                return
            if job.move(RUNNING) == QUEUED:
                self._run(job)
            with self._lock:
                self._unclaimed += 1
            del job

    def _is_surplus(self, job: Job) -> bool:
        """Whether the bound became lower and this thread goes; another one does the job."""
        with self._lock:
            if self._threads <= self.most:
                return False
            self._threads -= 1
            self._unclaimed -= 1
            self._jobs.put(job)
            return True

    def _retire(self) -> bool:
        with self._lock:
            if not self._jobs.empty():
                return False
            self._threads -= 1
            self._unclaimed = max(0, self._unclaimed - 1)
            return True

    def _run(self, job: Job) -> None:
        try:
            job.result = job.context.run(job.work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised again where the caller waits
            job.error = error
        with self._lock:
            if job.move(DONE) == ABANDONED:
                self.abandoned -= 1
        job.tell(job)


class HasWorkers(Protocol):
    """A policy with worker threads, which are made when they are first needed."""

    pool: Workers | None

    @property
    def home(self) -> Home:
        """Where it lives."""
        ...


_making = threading.RLock()


def pool_of(policy: HasWorkers, most: int) -> Workers:
    """The worker threads of a policy; whoever asks first at the same time gets the same ones."""
    with _making:
        if policy.pool is None:
            policy.pool = Workers(most, policy.home, type(policy).__name__)
        return policy.pool
