"""Time, luck and waiting as an argument: the real world, and one that a test moves by hand."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import Dice


async def _sleep_in_a_loop(seconds: float) -> None:
    import asyncio  # noqa: PLC0415 - half of the room's import time, and only coroutines need it

    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a policy knows of the world outside.

    Attributes:
        now_s: Seconds on a clock that never jumps: every decision is made on it.
        wall_s: Seconds since the Unix epoch: only to read dates that others wrote.
        uniform: A number between two others, each equally likely.
        sleep: Blocks this thread for so many seconds.
        sleep_async: Suspends this task for so many seconds.
    """

    now_s: Callable[[], float]
    wall_s: Callable[[], float]
    uniform: Callable[[float, float], float]
    sleep: Callable[[float], None]
    sleep_async: Callable[[float], Awaitable[None]]

    @classmethod
    def fake(cls, clock: FakeClock, dice: Dice) -> World:
        """A world in which sleeping moves the clock on and takes no time."""

        async def sleep_async(seconds: float) -> None:
            clock.advance(seconds)

        return cls(
            now_s=clock.monotonic_s,
            wall_s=clock.wall_s,
            uniform=dice.uniform,
            sleep=clock.advance,
            sleep_async=sleep_async,
        )


REAL = World(
    now_s=time.monotonic,
    wall_s=time.time,
    uniform=random.uniform,
    sleep=time.sleep,
    sleep_async=_sleep_in_a_loop,
)
"""The machine's clocks, its luck, and real waiting."""
