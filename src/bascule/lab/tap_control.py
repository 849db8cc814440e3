"""The supervisor's side of the taps: starts one for a host, gives it orders, and takes it out again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys

import msgspec

from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.kernel.errors import LabError
from bascule.lab.fabric import Fabric
from bascule.lab.members import Members, Program
from bascule.lab.ownership import Owner
from bascule.lab.tap import ORDER_BYTES, Done, Order

ORDER_LIMIT_S = 5.0
MOST_TROUBLES = 64
_log = logging.getLogger(__name__)


class _Line:
    """The way to one tap: its orders, and the troubles that it has."""

    def __init__(self, name: str, orders: socket.socket) -> None:
        self.name = name
        self.orders = orders
        self.number = 0
        self.troubles: tuple[Trouble, ...] = ()


class Taps:
    """Brings trouble to the wires of hosts: a tap is in a wire only as long as there is some."""

    def __init__(self, members: Members, fabric: Fabric, directory: str) -> None:
        self._members = members
        self._fabric = fabric
        self._directory = directory
        self._lines: dict[str, _Line] = {}
        self._turn = asyncio.Lock()

    async def add(self, host: str, trouble: Trouble) -> None:
        """Bring a trouble to a host's wire; it acts when this returns. One that is there already stays as it is.

        Raises:
            LabError: There are too many, or the tap is dead.
        """
        async with self._turn:
            line = self._lines.get(host) or self._insert(host)
            if trouble in line.troubles:
                return
            if len(line.troubles) >= MOST_TROUBLES:
                raise LabError(f"the wire of {host} has {MOST_TROUBLES} troubles already")
            try:
                await self._order(line, (*line.troubles, trouble))
            except LabError:
                if not line.troubles:
                    await self._take_out(host)
                raise

    async def remove(self, host: str, trouble: Trouble) -> None:
        """Take a trouble away; with the last one goes the tap. One that is not there is no error.

        A tap that is dead goes with all of its troubles, since nothing else makes the wire whole.
        """
        async with self._turn:
            line = self._lines.get(host)
            if line is None or trouble not in line.troubles:
                return
            left = tuple(each for each in line.troubles if each != trouble)
            try:
                if left:
                    await self._order(line, left)
                    return
            except LabError:
                _log.exception("the tap of %s is taken out with %d other troubles", host, len(left))
            await self._take_out(host)

    async def counts(self, host: str, trouble: Trouble) -> TrafficCounts | None:
        """What a trouble did so far; None when it is not there.

        Raises:
            LabError: The tap is dead.
        """
        async with self._turn:
            line = self._lines.get(host)
            if line is None or trouble not in line.troubles:
                return None
            found = await self._order(line, None)
            return found[line.troubles.index(trouble)]

    async def clear(self, host: str) -> None:
        """Take the tap out of a host's wire, with all its troubles."""
        async with self._turn:
            if host in self._lines:
                await self._take_out(host)

    def _insert(self, host: str) -> _Line:
        name = f"tap-{host}"
        sides = self._fabric.tap(host)
        orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        orders.settimeout(0)
        descriptors = tuple(side.fileno() for side in sides)
        argv = (sys.executable, "-m", "bascule.lab.tap", *map(str, descriptors))
        found_by = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        owner = Owner(name, self._directory, "", member=False)
        try:
            with theirs:
                self._members.register(Program(owner, argv, found_by, signal.SIGTERM))
                self._members.start(name, stdin=theirs.fileno(), keep=descriptors)
        except BaseException:
            orders.close()
            self._fabric.untap(host)
            raise
        finally:
            for side in sides:
                side.close()
        self._lines[host] = line = _Line(name, orders)
        return line

    async def _take_out(self, host: str) -> None:
        line = self._lines.pop(host)
        self._fabric.untap(host)
        line.orders.close()
        await self._members.kill([line.name])
        self._members.forget(line.name)

    async def _order(self, line: _Line, troubles: tuple[Trouble, ...] | None) -> tuple[TrafficCounts, ...]:
        line.number += 1
        order = msgspec.json.encode(Order(number=line.number, troubles=troubles))
        if len(order) > ORDER_BYTES:
            raise LabError("the trouble names too many peers", hint="leave them out: all are meant then")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ORDER_LIMIT_S):
                await loop.sock_sendall(line.orders, order)
                data = await loop.sock_recv(line.orders, ORDER_BYTES)
            done = msgspec.json.decode(data, type=Done)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            hint = f"see logs/{line.name}.log; end the fault, which takes the tap out"
            raise LabError(f"{line.name} does not obey: {error!r}", hint=hint) from error
        if troubles is not None:
            line.troubles = troubles
        return done.counts
