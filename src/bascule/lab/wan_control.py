"""The supervisor's side of the WAN switch: starts its process, gives it orders, and knows at once when it is dead."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping

import msgspec

from bascule.kernel.errors import LabError
from bascule.lab.members import Members, Program
from bascule.lab.ownership import Owner
from bascule.lab.plan import LabPlan
from bascule.lab.wan import Done, Order
from bascule.lab.wan_schedule import Line

NAME = "wan"
_ORDER_LIMIT_S = 5.0


class WanControl:
    """Starts and commands the switch. Orders are carried out one after the other, each acknowledged."""

    def __init__(self, members: Members, sites: Mapping[str, socket.socket], directory: str) -> None:
        self._numbers = {site: number for number, site in enumerate(sites, 1)}
        self._members = members
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(0)
        self._number = 0
        self._turn = asyncio.Lock()
        self._lines: dict[tuple[str, str], Line] = {}
        descriptors = tuple(packets.fileno() for packets in sites.values())
        argv = (sys.executable, "-m", "bascule.lab.wan", *map(str, descriptors))
        owner = Owner(NAME, directory, "", member=False)
        found_by = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        members.register(Program(owner, argv, found_by, signal.SIGTERM))
        with theirs:
            members.start(NAME, stdin=theirs.fileno(), keep=descriptors)
        for packets in sites.values():
            packets.close()

    async def shape(self, plan: LabPlan) -> None:
        """Give every line of the plan its delay, jitter and loss, in both directions."""
        for link in plan.links:
            line = Line(delay_s=link.delay.seconds, jitter_s=link.jitter.seconds, loss=link.loss.fraction)
            one, other = link.between
            await self.set_line(one, other, line)
            await self.set_line(other, one, line)

    def check(self) -> None:
        """Do nothing while the switch lives.

        Raises:
            LabError: It is dead, and regions no longer reach each other.
        """
        program = self._members.program(NAME)
        if not program.is_up:
            raise LabError(
                f"the WAN between the lab's regions died (exit code {program.exit_code})",
                hint="nothing measured since then counts; see logs/wan.log, then bascule lab down",
            )

    async def set_line(self, source: str, target: str, line: Line) -> None:
        """Shape one direction; it holds when this returns.

        Raises:
            LabError: A site is unknown, or the switch is dead.
        """
        for site in (source, target):
            if site not in self._numbers:
                raise LabError(f"there is no site {site!r}", hint=f"there are {', '.join(self._numbers)}")
        async with self._turn:
            self.check()
            self._number += 1
            order = Order(number=self._number, source=self._numbers[source], target=self._numbers[target], line=line)
            await self._give(order)
            self._lines[source, target] = line

    def slowest_s(self, source: str, target: str) -> float:
        """The longest that the line from one site to another takes now."""
        line = self._lines.get((source, target), Line())
        return line.delay_s + line.jitter_s

    async def _give(self, order: Order) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ORDER_LIMIT_S):
                await loop.sock_sendall(self._orders, msgspec.json.encode(order))
                data = await loop.sock_recv(self._orders, 4096)
        except (OSError, TimeoutError) as error:
            raise LabError(
                f"the WAN between the lab's regions does not obey: {error!r}", hint="see logs/wan.log"
            ) from error
        if not data or msgspec.json.decode(data, type=Done).number != order.number:
            raise LabError("the WAN between the lab's regions died", hint="see logs/wan.log")
