"""One question to several servers: whoever is silent does not hold up the answer, and no doubt is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from bascule.cluster.stores.secret_files import without
from bascule.kernel.errors import StoreError

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

    @property
    def reasons(self) -> list[str]:
        """Why tries failed so far."""
        return self._doubts + self._refusals

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
            raise DoubtError("; ".join(self.reasons))
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


class Servers:
    """The servers of one store: whoever answered last is asked first, and no call takes longer than its limit.

    Args:
        name: The store's, for messages.
        count: How many there are.
        timeout_s: The time limit of every call, in seconds. A server that is silent for a third of it, or for less
            where there are many, is no longer waited for alone.
        secrets: What no message may show; may grow.
    """

    def __init__(self, name: str, count: int, *, timeout_s: float, secrets: list[str]) -> None:
        self._name = name
        self._count = count
        self._secrets = secrets
        self._first = 0
        self.timeout_s = timeout_s
        self.pause_s = timeout_s / max(3, count)

    async def ask(self, ask: Callable[[int], Awaitable[T | None]], *, may_repeat: bool) -> T | None:
        """What the race comes to; see `Race`.

        Raises:
            StoreError: Nothing, within the time limit.
        """
        first = self._first
        race = Race(ask, self.order(), pause_s=self.pause_s, may_repeat=may_repeat)
        try:
            async with asyncio.timeout(self.timeout_s):
                self._first, answer = await race.run()
                return answer
        except TimeoutError:
            self._move_on(first)
            what = "; ".join([f"no answer within {self.timeout_s:g} s", *race.reasons])
            raise self.error(what) from None
        except (RefusedError, DoubtError) as error:
            self._move_on(first)
            raise self.error(error) from None
        except StoreError as error:
            raise self.error(error) from None

    def order(self) -> list[int]:
        """In which order they are asked."""
        return [(self._first + step) % self._count for step in range(self._count)]

    def error(self, what: object) -> StoreError:
        """What is told of a failure; no secret is in it."""
        text = without(self._secrets, what.what if isinstance(what, StoreError) else what, 600)
        hint = "check dates and names of the certificates" if "CERTIFICATE" in text else ""
        if isinstance(what, StoreError):
            hint = without(self._secrets, what.hint)
        return StoreError(text or type(what).__name__, where=self._name, hint=hint)

    def _move_on(self, first: int) -> None:
        """Begin with another one the next time, unless somebody has found a good one meanwhile."""
        if self._first == first:
            self._first = (first + 1) % self._count


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _forget(task: asyncio.Task[T]) -> None:
    """Nobody asks any more what came of it."""
    if not task.cancelled():
        task.exception()
