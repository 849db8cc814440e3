"""One daemon thread that carries out the blocking calls of a store, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple["Future[Any]", Callable[[], Any]]


class Worker:
    """Calls run one after the other, in the order in which they came, all on the same thread.

    A daemon thread, and none of an executor's: a call that hangs in the kernel holds up neither the event loop nor the
    end of the process.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_running = False

    async def run(self, work: Callable[[], T]) -> T:
        """What the call returns or raises.

        Cancelled before the call began, it never begins; cancelled later, it goes on by itself and its result is lost.
        """
        job: Future[T] = Future()
        self._put(job, work)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            job.cancel()  # at once, and not by a callback of the loop's next round
            raise

    def end(self, last: Callable[[], object]) -> Future[Any]:
        """Carry out `last` after the calls that came before, then end the thread; a later call starts a new one."""
        job: Future[Any] = Future()
        self._put(job, last)
        self._jobs.put(None)
        self._jobs = SimpleQueue()
        self._is_running = False
        return job

    def _put(self, job: Future[Any], work: Callable[[], object]) -> None:
        self._jobs.put((job, work))
        if not self._is_running:
            self._is_running = True
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (task := jobs.get()) is not None:
        job, work = task
        if not job.set_running_or_notify_cancel():
            continue
        try:
            job.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to who asked
            job.set_exception(error)
        del task, job, work  # an idle thread holds on to nothing
