"""What is done to a lab is done in order: an undo never overtakes the act that it undoes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

from bascule.lab import protocol as say
from bascule.lab.world_service import World


class Members:
    """One member, whose kill takes as long as a test says, and which tells what was done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_end = asyncio.Event()
        self.killing = asyncio.Event()

    def program(self, _name: str) -> Any:
        return SimpleNamespace(owner=SimpleNamespace(member=True, host="host"))

    async def kill(self, _names: list[str]) -> tuple[int, ...]:
        self.killing.set()
        await self.may_end.wait()
        self.done.append("killed")
        return (1,)

    def start(self, _name: str) -> int:
        self.done.append("started")
        return 2

    def views(self, _name: str) -> tuple[Any, ...]:
        self.done.append("looked at")
        return ()


def test_a_start_waits_for_the_kill_that_is_under_way_and_a_look_does_not() -> None:
    async def scenario() -> list[str]:
        members = Members()
        hosts = MagicMock()
        disks = MagicMock(**{"acts.return_value": {}})
        world = World(cast("Any", members), hosts, disks, MagicMock(), MagicMock())
        kill = asyncio.ensure_future(world.do(say.Kill(member="database-1")))
        await members.killing.wait()
        start = asyncio.ensure_future(world.do(say.StartMember(member="database-1")))
        await world.do(say.Processes(member="database-1"))
        members.may_end.set()
        await asyncio.gather(kill, start)
        return members.done

    assert asyncio.run(scenario()) == ["looked at", "killed", "started"]
