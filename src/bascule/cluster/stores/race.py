"""One question to several servers: whoever is silent does not hold up the answer, and no doubt is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class RefusedError(Exception):
    """This server did not do it, and will not: not connected, or a refusal that leaves no doubt."""


class DoubtError(Exception):
    """This server may have done it, or may do it later."""


class Race(Generic[T]):
    """One question, put to one server after the other, or to several at a time.

    A question is asked anew where it was refused. It is asked anew after silence or in doubt only if it may be
    repeated: a read, or a swap that can succeed only once however often it is asked.

    Args:
        ask: Asks the server of that number. None means that somebody else was faster. Raises `RefusedError`,
            `DoubtError`, or what ends the whole race.
        order: The numbers of the servers; each is asked once at most.
        pause_s: Silence after which the next server is asked as well, in seconds.
        may_repeat: Whether the question may be asked while an earlier try is in doubt.
    """

    def __init__(
        self, ask: Callable[[int], Awaitable[T | None]], order: Sequence[int], *, pause_s: float, may_repeat: bool
    ) -> None:
        self._ask = ask
        self._waiting = list(order)
        self._pause_s = pause_s
        self._may_repeat = may_repeat
        self._pending: dict[asyncio.Task[T | None], int] = {}
        self._doubts: list[str] = []
        self._refusals: list[str] = []
        self._outrun_at: int | None = None

    async def run(self) -> tuple[int, T | None]:
        """Which server answered, and what.

        None counts only once no earlier try is in doubt, since that one may itself have been the faster one.

        Raises:
            RefusedError: All refused.
            DoubtError: It may have been done, or may be done later.
        """
        try:
            self._start()
            while self._pending:
                for task in await self._ended():
                    number = self._pending.pop(task)
                    if not self._has_failed(task):
                        if (answer := task.result()) is not None:
                            return number, answer
                        self._outrun_at = number
                if not self._pending and self._may_start():
                    self._start()
        finally:
            for task in self._pending:
                task.add_done_callback(_forget)
                task.cancel()
        if self._doubts:
            raise DoubtError("; ".join(self._doubts + self._refusals))
        if self._outrun_at is None:
            raise RefusedError("; ".join(self._refusals))
        return self._outrun_at, None

    def _start(self) -> None:
        number = self._waiting.pop(0)
        self._pending[asyncio.ensure_future(_awaited(self._ask(number)))] = number

    def _may_start(self) -> bool:
        """Whether one more server may be asked: never after one that has answered."""
        in_doubt = bool(self._doubts or self._pending)
        return bool(self._waiting) and self._outrun_at is None and (self._may_repeat or not in_doubt)

    async def _ended(self) -> set[asyncio.Task[T | None]]:
        """The tries that ended; after a silence one more is started first."""
        while True:
            pause_s = self._pause_s if self._may_start() else None
            done, _ = await asyncio.wait(self._pending, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return done
            self._start()

    def _has_failed(self, task: asyncio.Task[T | None]) -> bool:
        """Note the failure of a try; what is neither a refusal nor a doubt ends the race."""
        error = task.exception()
        if isinstance(error, DoubtError):
            self._doubts.append(str(error))
        elif isinstance(error, RefusedError):
            self._refusals.append(str(error))
        elif error is not None:
            raise error
        return error is not None


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _forget(task: asyncio.Task[T]) -> None:
    """Nobody asks any more what came of it."""
    if not task.cancelled():
        task.exception()
