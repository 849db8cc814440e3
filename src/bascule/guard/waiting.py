"""Waiting for one's turn, first come first served: threads and tasks of any event loop in one queue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bascule.guard.atomic import Stepped, atomic

if TYPE_CHECKING:
    import asyncio

WAITING, GRANTED, ABANDONED, RETURNED = range(4)


class Waiter(Stepped):
    """One place in a queue. It is granted or abandoned, never both: whoever comes first decides."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        super().__init__()
        self._state = WAITING

    @property
    def is_waiting(self) -> bool:
        """Whether it is neither granted nor abandoned."""
        return self._state == WAITING

    @atomic
    def _granted(self) -> bool:
        if self._state != WAITING:
            return False
        self._state = GRANTED
        return True

    @atomic
    def _unheard(self) -> bool:
        """Take back a turn that nobody can be told of; False when it was handed back in that very moment."""
        if self._state == RETURNED:
            return False
        self._state = ABANDONED
        return True

    def grant(self) -> bool:
        """Say that it is this one's turn; False when it has gone away."""
        return self._granted() and (self._wake() or not self._unheard())

    @atomic
    def abandon(self) -> bool:
        """Give the place up; False when the turn was granted already, and must be handed back."""
        if self._state == GRANTED:
            self._state = RETURNED
            return False
        if self._state == WAITING:
            self._state = ABANDONED
        return True

    def _wake(self) -> bool:
        raise TypeError(f"{type(self).__name__} does not say how it is woken")


class ThreadWaiter(Waiter):
    """A thread's place in a queue."""

    __slots__ = ("_closed",)

    def __init__(self) -> None:
        super().__init__()
        self._closed = threading.Lock()
        self._closed.acquire()

    def wait(self, within_s: float) -> bool:
        """Block until granted; False after `within_s` seconds (at most a year)."""
        return self._closed.acquire(timeout=max(0.0, min(within_s, threading.TIMEOUT_MAX)))

    def _wake(self) -> bool:
        self._closed.release()
        return True


class TaskWaiter(Waiter):
    """A task's place in a queue; whoever grants it may run in any thread."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - threads alone need no event loop

        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[bool] = self._loop.create_future()

    async def wait(self, within_s: float) -> bool:
        """Suspend until granted; False after `within_s` seconds."""
        end = self._loop.call_later(max(0.0, within_s), self._say, False)  # noqa: FBT003 - the future's value
        try:
            return await self._future
        finally:
            end.cancel()

    def _say(self, granted: bool) -> None:
        if not self._future.done():
            self._future.set_result(granted)

    def _wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._say, True)  # noqa: FBT003 - the future's value
        except RuntimeError:  # its event loop is closed: nobody waits there any more
            return False
        return True
