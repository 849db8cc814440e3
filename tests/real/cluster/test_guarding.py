"""A guardian as a process: what it undoes, what it tells its agent, and that there is always one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path

import pytest

from bascule.cluster.agent.guarding import Guardian
from bascule.kernel.clock import BootClock

pytestmark = pytest.mark.real
CLOCK = BootClock()
LIMIT_S = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An agent's file with two groups; the demotion of `slow` hangs."""
    path = tmp_path / "agent.toml"
    groups = {"quick": f'["touch", "{tmp_path}/undone"]', "slow": '["sleep", "1000"]'}
    path.write_text(
        f'[agent]\ncluster = "c"\nname = "a"\n[store]\nkind = "sqlite"\npath = "{tmp_path}/leases.db"\n'
        + "".join(
            f'[[groups.{name}.actuators]]\nkind = "command"\nname = "{name}"\npromote = ["true"]\ndemote = {demote}\n'
            f'state_directory = "{tmp_path}"\n'
            for name, demote in groups.items()
        )
    )
    return path


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, LIMIT_S))


async def gone(process: asyncio.subprocess.Process | None) -> None:
    assert process is not None
    await process.wait()


def test_what_it_undoes_is_told_to_the_agent_and_one_that_hangs_holds_up_nothing(file: Path) -> None:
    async def body() -> None:
        undone: asyncio.Queue[str] = asyncio.Queue()
        guardian = Guardian(file, undone=undone.put_nowait)
        guardian.hold({"slow": 0.0, "quick": 0.0})
        await guardian.start()
        assert await undone.get() == "quick"
        assert (file.parent / "undone").exists()
        await guardian.let_go(undone=True)

    run(body())


def test_another_one_takes_its_place_before_it_goes_and_knows_what_is_held(file: Path) -> None:
    async def body() -> None:
        guardian = Guardian(file)
        guardian.hold({"quick": CLOCK.monotonic_s() + 3600})
        await guardian.start()
        first = guardian._process
        await guardian.renew()
        second = guardian._process
        assert first is not None
        assert second is not None
        assert second.pid != first.pid
        await gone(first)
        assert second.returncode is None
        assert not (file.parent / "undone").exists(), "the first one was told goodbye"
        await guardian.let_go(undone=False)
        await gone(second)
        assert (file.parent / "undone").exists(), "the second one knew what is held, and undid it"

    run(body())


def test_one_that_is_killed_is_followed_by_another_one(file: Path) -> None:
    async def body() -> None:
        guardian = Guardian(file)
        await guardian.start()
        keeping = asyncio.create_task(guardian.keep())
        first = guardian._process
        assert first is not None
        first.send_signal(signal.SIGKILL)
        while guardian._process is first:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.01)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await guardian.let_go(undone=True)

    run(body())
