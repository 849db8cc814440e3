"""The supervisor's side of the disks: puts one under a host's member, gives it orders, and takes it away again.

The supervisor itself never looks into what a disk covers: only programs that may be killed wait for one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from bascule.chaos.disk import DiskCounts, DiskTrouble, DiskTry, LostWrites
from bascule.kernel.errors import LabError
from bascule.lab import disk_mount, syscalls
from bascule.lab import protocol as say
from bascule.lab.disk import ORDER_BYTES, Done
from bascule.lab.disk_try import READ_BYTES, as_try
from bascule.lab.hosts import Hosts
from bascule.lab.members import Members, Program
from bascule.lab.ownership import Owner
from bascule.lab.request import Request

ORDER_LIMIT_S = 10.0
TRY_LIMIT_S = 15.0
HANGS_S = 3.0
_POLL_S = 0.002
MOST_TROUBLES = 16
_log = logging.getLogger(__name__)


class _Line:
    """The way to one disk: its orders, and the troubles that it has."""

    def __init__(self, name: str, directory: str, orders: socket.socket) -> None:
        self.name = name
        self.directory = directory
        self.orders = orders
        self.number = 0
        self.troubles: tuple[DiskTrouble, ...] = ()


class Disks:
    """The disks of a lab: one under the directory of the member that was launched first on each host.

    Args:
        members: Asked to prepare for each start.
        hosts: Where members run.
        directory: The lab's.
        refusal: Why this lab has none; empty when it has.
    """

    def __init__(self, members: Members, hosts: Hosts, directory: Path, refusal: str) -> None:
        self._members = members
        self._hosts = hosts
        self._directory = str(directory)
        self._refusal = refusal
        self._places: dict[str, str] = {}
        self._lines: dict[str, _Line] = {}
        self._lost: dict[str, LostWrites] = {}
        self._turn = asyncio.Lock()
        if not refusal:
            members.prepare = self.prepare

    def acts(self) -> dict[type[Request], Callable[[Any], Awaitable[object]]]:
        """The act for each kind of request that is about disks."""
        return {
            say.AddDiskTrouble: self.add,
            say.RemoveDiskTrouble: self.remove,
            say.DiskCounted: self.counts,
            say.TryDisk: self.attempt,
            say.SettleDisks: self.settle,
            say.LoseWrites: self.lose,
            say.WritesLost: self.lost,
        }

    def prepare(self, owner: Owner) -> None:
        """Have a living disk under a member that starts now.

        Raises:
            LabError: It cannot be put there.
        """
        if not owner.member or self._places.setdefault(owner.host, owner.directory) != owner.directory:
            return
        line = self._lines.get(owner.host)
        if line is not None and self._members.program(line.name).is_up and self._answers(line):
            return
        troubles = line.troubles if line is not None else ()
        if line is not None:
            self._uncover(owner.host)
        self._cover(owner.host, owner.directory, troubles)
        self._lost.pop(owner.host, None)

    def _answers(self, line: _Line) -> bool:
        """Whether a disk still answers: whoever starts on one that hangs would never come to its first word."""
        if self._turn.locked():
            return True  # somebody waits for its answer already
        try:
            self._order_now(line, None, HANGS_S)
        except (OSError, msgspec.DecodeError):
            _log.exception("%s is replaced", line.name)
            return False
        return True

    def _cover(self, host: str, directory: str, troubles: tuple[DiskTrouble, ...]) -> None:
        """Put a disk over the directory; it answers when this returns."""
        root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            kernel = disk_mount.mount(directory)
        except OSError as error:
            os.close(root)
            raise LabError(f"no disk for {host}: {disk_mount.reason(error)}", hint=disk_mount.HINT) from error
        orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lines[host] = line = _Line(f"disk-{host}", directory, orders)
        argv = (sys.executable, "-m", "bascule.lab.disk", str(kernel), str(root))
        found_by = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        try:
            with theirs:
                owner = Owner(line.name, self._directory, "", member=False)
                self._members.register(Program(owner, argv, found_by, signal.SIGTERM))
                self._members.start(line.name, stdin=theirs.fileno(), keep=(kernel, root))
            os.close(kernel)
            kernel = -1
            self._order_now(line, troubles, ORDER_LIMIT_S)
        except BaseException as error:
            self._uncover(host)
            if isinstance(error, OSError | msgspec.DecodeError):
                raise LabError(f"the disk of {host} did not come up: {error!r}", hint=_hint(line)) from error
            raise
        finally:
            os.close(root)
            if kernel >= 0:
                os.close(kernel)

    def _uncover(self, host: str) -> None:
        """Take a disk away that is dead or dying; what is open on it fails from now on."""
        line = self._lines.pop(host)
        line.orders.close()
        self._members.signal(line.name, signal.SIGKILL)
        deadline_s = time.monotonic() + HANGS_S
        while self._members.program(line.name).is_up and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
            self._members.reap()
        syscalls.unmount(line.directory)

    # -- orders

    def _next(self, line: _Line, troubles: tuple[DiskTrouble, ...] | None, then: str) -> bytes:
        line.number += 1
        return msgspec.json.encode({"number": line.number, "troubles": troubles, "then": then})

    def _order_now(self, line: _Line, troubles: tuple[DiskTrouble, ...] | None, limit_s: float) -> None:
        """Give an order and wait for it, the whole supervisor with us: a member is about to start on this disk."""
        line.orders.settimeout(limit_s)
        line.orders.send(self._next(line, troubles, ""))
        while self._understood(line, line.orders.recv(ORDER_BYTES), troubles) is None:
            pass
        line.orders.settimeout(0)

    def _understood(self, line: _Line, data: bytes, troubles: tuple[DiskTrouble, ...] | None) -> Done | None:
        """The answer to the last order; None when it is that to an earlier one, for which nobody waited so long."""
        done = msgspec.json.decode(data, type=Done)
        if done.number != line.number:
            return None
        if troubles is not None:
            line.troubles = troubles
        return done

    async def _order(self, line: _Line, troubles: tuple[DiskTrouble, ...] | None = None, then: str = "") -> Done:
        loop = asyncio.get_running_loop()
        done: Done | None = None
        try:
            async with asyncio.timeout(ORDER_LIMIT_S):
                await loop.sock_sendall(line.orders, self._next(line, troubles, then))
                while done is None:
                    done = self._understood(line, await loop.sock_recv(line.orders, ORDER_BYTES), troubles)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            raise LabError(f"{line.name} does not obey: {error!r}", hint=_hint(line)) from error
        return done

    def _line(self, host: str) -> _Line:
        name = self._hosts.powered(host).name
        if self._refusal:
            raise LabError(f"this lab has no disks that can fail: {self._refusal}")
        if name not in self._lines:
            raise LabError(f"host {name} has no disk: nothing was launched on it")
        return self._lines[name]

    async def add(self, request: say.AddDiskTrouble) -> None:
        """Bring a trouble to a host's disk; it acts when this returns. One that is there already stays as it is."""
        async with self._turn:
            line = self._line(request.host)
            if request.trouble in line.troubles:
                return
            if len(line.troubles) >= MOST_TROUBLES:
                raise LabError(f"the disk of {request.host} has {MOST_TROUBLES} troubles already")
            await self._order(line, (*line.troubles, request.trouble))

    async def remove(self, request: say.RemoveDiskTrouble) -> None:
        """Take a trouble away. One that is not there is no error; a dead disk is replaced, and its member restarted."""
        async with self._turn:
            line = self._lines.get(self._hosts.host(request.host).name)
            if line is None or request.trouble not in line.troubles:
                return
            left = tuple(each for each in line.troubles if each != request.trouble)
            if request.host in self._lost:
                line.troubles = left
                return
            try:
                await self._order(line, left)
            except LabError:
                _log.exception("%s is replaced", line.name)
                line.troubles = left
                await self._replace(request.host)

    async def _replace(self, host: str) -> None:
        """A new disk for a dead one. What ran on it has lost its files for good, so it is started again."""
        ran = [name for name in self._members.on_host(host) if self._members.trees([name])]
        await self._members.kill(ran)
        line = self._lines[host]
        await self._members.kill([line.name])
        self.prepare(Owner("", line.directory, host, member=True))
        for name in ran:
            self._members.start(name)

    async def counts(self, request: say.DiskCounted) -> DiskCounts | None:
        """What a trouble did so far; None when it is not there."""
        async with self._turn:
            line = self._lines.get(self._hosts.host(request.host).name)
            if line is None or request.trouble not in line.troubles:
                return None
            if request.host in self._lost:
                return DiskCounts()
            done = await self._order(line)
            return done.counts[line.troubles.index(request.trouble)]

    async def settle(self, _: say.SettleDisks) -> None:
        """Take everything that was written so far for synced: a lab makes its members' data without syncing it."""
        async with self._turn:
            for host, line in self._lines.items():
                if host not in self._lost:
                    await self._order(line, then="settle")

    async def lose(self, request: say.LoseWrites) -> None:
        """Take the hosts' power, and what their disks had not synced. A host that has lost it already stays so."""
        if self._refusal:
            raise LabError(f"this lab has no disks that can fail: {self._refusal}")
        await self._hosts.power_off(say.PowerOff(hosts=request.hosts))
        async with self._turn:
            for host in request.hosts:
                if host in self._lines and host not in self._lost:
                    line = self._lines[host]
                    self._lost[host] = (await self._order(line, then="cut")).lost
                    # Whoever looks finds a dead disk until the next start; its troubles are there again then.
                    await self._members.kill([line.name])

    async def lost(self, request: say.WritesLost) -> LostWrites | None:
        """What a host without power lost; None when it has power, or lost its power alone."""
        return self._lost.get(self._hosts.host(request.host).name)

    async def attempt(self, request: say.TryDisk) -> DiskTry:
        """Make, write, sync and remove a small file on a host's disk, by a program that may wait for it."""
        line = self._line(request.host)
        reading, writing = os.pipe()
        name = f"try-{line.name}-{line.number}-{os.urandom(4).hex()}"
        argv = (sys.executable, "-m", "bascule.lab.disk_try", line.directory)
        found_by = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        self._members.register(Program(Owner(name, self._directory, "", member=False), argv, found_by, signal.SIGKILL))
        try:
            try:
                self._members.start(name, outputs=(writing, writing))
            finally:
                os.close(writing)
            if await self._members.wait(name, TRY_LIMIT_S) is None:
                raise LabError(f"the disk of {request.host} did not answer within {TRY_LIMIT_S:.0f} s")
            return as_try(os.read(reading, READ_BYTES))
        finally:
            os.close(reading)
            await self._members.kill([name])
            self._members.forget(name)


def _hint(line: _Line) -> str:
    return f"see logs/{line.name}.log; end the fault, which puts a new disk there and starts what ran on it"
