"""Who calls, and what is called, in several files of tests: threads, tasks, a source of results, streams."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any


def until(condition: Callable[[], bool]) -> None:
    """Wait until something has come to pass."""
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.001)


async def turns() -> None:
    """Let every task of the loop come to where it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Caller(threading.Thread):
    """A thread that calls once and keeps what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.call = call
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.result = error

    def end(self) -> Any:
        """What it returned or raised."""
        self.join(10)
        assert not self.is_alive()
        return self.result


class Source:
    """Where results come from; it counts, and waits for a gate where it is told to."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.error: BaseException | None = None
        self.inside = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, *args: object) -> str:
        self.calls.append(args[0] if args else None)
        call = len(self.calls)
        self.inside.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return f"{args[0] if args else 'answer'} {call}"


def count(most: int) -> Generator[int, int, str]:
    """Count."""
    total = 0
    for number in range(most):
        try:
            total += (yield number) or 0
        except KeyError:
            total += 100
    return f"total {total}"


async def count_async(most: int) -> AsyncGenerator[int, int]:
    """Count."""
    for number in range(most):
        try:
            sent = yield number
        except KeyError:
            sent = 100
        if sent:
            yield sent
