"""What a world promises: time, luck and waiting as arguments, real ones or ones that a test moves."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from dataclasses import FrozenInstanceError

import pytest

from bascule.guard import Exponential, Fixed, Guard, Retry, Stream, World
from bascule.guard.world import REAL
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice


def test_in_a_fake_world_sleeping_moves_the_clock_and_takes_no_time() -> None:
    clock = FakeClock(5.0, wall_offset_s=1000.0)
    world = World.fake(clock, LoadedDice([0.25]))
    world.sleep(3600.0)
    assert (world.now_s(), world.wall_s()) == (3605.0, 4605.0)
    assert world.uniform(10.0, 20.0) == 12.5

    async def main() -> None:
        await world.sleep_async(3600.0)

    asyncio.run(main())
    assert world.now_s() == 7205.0


def test_a_fake_world_is_deterministic() -> None:
    def waited_s() -> float:
        clock = FakeClock()
        retry = Retry(4, backoff=Exponential(1.0, jitter="full"), budget=None)
        guard = Guard(retry, world=World.fake(clock, LoadedDice([0.5, 0.5, 0.5])), facts=Stream())

        def fail() -> None:
            raise ConnectionError

        with pytest.raises(ConnectionError):
            guard.call(fail)
        return clock.monotonic_s()

    assert [waited_s(), waited_s()] == [3.5, 3.5]


def test_fake_worlds_know_nothing_of_each_other() -> None:
    one, two = (World.fake(FakeClock(), LoadedDice([])) for _ in range(2))
    one.sleep(1.0)
    assert (one.now_s(), two.now_s()) == (1.0, 0.0)


def test_the_real_world_is_the_machines() -> None:
    assert (REAL.now_s, REAL.wall_s, REAL.sleep) == (time.monotonic, time.time, time.sleep)
    assert REAL.uniform == random.uniform

    async def main() -> None:
        ticks: list[int] = []
        asyncio.get_running_loop().call_soon(ticks.append, 1)
        await REAL.sleep_async(0.0)
        assert ticks == [1]

    asyncio.run(main())


def test_a_guard_without_a_world_lives_in_the_real_one() -> None:
    retry = Retry(2, backoff=Fixed(0.0))
    Guard(retry)
    assert retry.home.world is REAL


def test_a_world_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        REAL.now_s = time.time  # type: ignore[misc]  # that it cannot be set is the point


def test_plain_functions_need_no_event_loop_to_be_loaded() -> None:
    text = (
        "import sys, bascule.guard as g; g.Retry(3)(print); g.Timeout(1.0)(print); g.Cache(1.0)(print); "
        "g.Deadline(1.0)(print); g.Hedge(1.0)(print); g.Fallback(1)(print); sys.exit('asyncio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
