"""A supervised program is up or down as far as its end was noted, and no act returns in between."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from bascule.lab.members import Members, Program
from bascule.lab.names import LOGS
from bascule.lab.ownership import Owner

UNTIL_NOTED_S = 0.05


async def note_late(members: Members) -> None:
    """As a supervisor does, but never at once."""
    while True:
        await asyncio.sleep(UNTIL_NOTED_S)
        members.reap()


async def scenario(directory: Path) -> tuple[int, int]:
    """The pid of a program, and the one after its main process was killed alone and it was started again."""
    (directory / LOGS).mkdir()
    members = Members(directory, "mark", None)
    argv = (sys.executable, "-c", "import time; time.sleep(60)")
    members.register(Program(Owner("db", str(directory), "", member=True), argv, {}, signal.SIGTERM))
    late = asyncio.ensure_future(note_late(members))
    first = members.start("db")
    (main,) = members.views("db")
    await members.kill_topmost("db", main.command)
    second = members.start("db")
    await members.kill(["db"])
    late.cancel()
    return first, second


def test_a_main_process_that_was_killed_alone_is_started_by_the_next_start(tmp_path: Path) -> None:
    """In a process of its own: who keeps members takes note of every child that ends."""
    argv = (sys.executable, __file__, str(tmp_path))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.split()
    assert first != second


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, asyncio.run(scenario(Path(sys.argv[1]))))))
