"""A supervised program is up or down as far as its end was noted, and no act returns in between."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from bascule.lab.members import Members, Program
from bascule.lab.names import LOGS
from bascule.lab.ownership import Owner

UNTIL_NOTED_S = 0.05


def test_a_main_process_that_was_killed_alone_is_started_by_the_next_start(tmp_path: Path) -> None:
    async def scenario() -> tuple[int, int]:
        (tmp_path / LOGS).mkdir()
        members = Members(tmp_path, "mark", None)
        argv = (sys.executable, "-c", "import time; time.sleep(60)")
        members.register(Program(Owner("db", str(tmp_path), "", member=True), argv, {}, signal.SIGTERM))
        first = members.start("db")
        (main,) = members.views("db")
        asyncio.get_running_loop().call_later(UNTIL_NOTED_S, members.reap)
        await members.kill_topmost("db", main.command)
        second = members.start("db")
        asyncio.get_running_loop().call_later(UNTIL_NOTED_S, members.reap)
        await members.kill(["db"])
        return first, second

    first, second = asyncio.run(scenario())
    assert first != second
