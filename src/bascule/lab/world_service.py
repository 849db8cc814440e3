"""Carries out what clients ask for: one method per kind of request, over the members, the fabric and the WAN."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from bascule.chaos.platform import ProcessView
from bascule.kernel.errors import LabError
from bascule.lab import protocol as say
from bascule.lab.fabric import Fabric
from bascule.lab.members import Members, Program
from bascule.lab.ownership import Owner
from bascule.lab.pipes import Collector
from bascule.lab.plan import Host, LabPlan
from bascule.lab.wan_control import WanControl
from bascule.lab.wan_schedule import Line

DATAGRAM_LIMIT_S = 0.1
_NEED_WAN = (
    say.LaunchMember, say.StartMember, say.Spawn, say.Run, say.Partition, say.SetLink, say.Reachable, say.Status
)  # fmt: skip


class World:
    """Everything that runs, and everything that can be done to it.

    Args:
        fabric, wan: None on loopback, where there is nothing to cut.
    """

    def __init__(
        self, directory: Path, plan: LabPlan, members: Members, fabric: Fabric | None, wan: WanControl | None
    ) -> None:
        self.directory = directory
        self.plan = plan
        self.members = members
        self.fabric = fabric
        self.wan = wan
        self.kept = False
        self._hosts = {host.name: host for host in plan.hosts}
        self._dark: set[str] = set()
        self._runs = 0

    async def do(self, request: say.Requests) -> object:
        """Carry out one request; returns its value, or a connected socket for `Dial`.

        Raises:
            LabError: It cannot be done; the message says why.
            ConnectionError: `Dial` was refused or not answered.
        """
        if self.wan is not None and isinstance(request, _NEED_WAN):
            self.wan.check()
        match request:
            case say.Dial() | say.Reachable() | say.PowerOff() | say.PowerOn() | say.Partition() | say.Heal():
                return await self._do_to_hosts(request)
            case say.SetLink():
                return await self._set_link(request)
            case say.Status():
                return self._status()
            case say.Memory():
                return self.members.memory_bytes()
            case say.Keep():
                self.kept = True
                return None
            case say.Down():
                return None
        return await self._do_to_programs(request)

    async def _do_to_hosts(self, request: Struct) -> object:
        match request:
            case say.Dial():
                return await self._dial(request)
            case say.Reachable():
                return await self._reachable(self._host(request.source), self._host(request.target))
            case say.PowerOff():
                return await self._power_off(request.hosts)
            case say.PowerOn():
                return self._power_on(request.hosts)
            case say.Partition():
                return self._need_fabric().partition(frozenset(self._host(name).name for name in request.hosts))
            case say.Heal():
                return self.fabric.heal() if self.fabric else None
        raise AssertionError(f"no such act: {request!r}")

    async def _do_to_programs(self, request: Struct) -> object:
        match request:
            case say.LaunchMember():
                return self._launch(request)
            case say.StartMember():
                return self._start(request.member)
            case say.StopMember():
                return await self.members.stop(request.member, request.timeout_s)
            case say.Kill():
                return await self._kill(request)
            case say.Freeze():
                return await self.members.freeze(request.member)
            case say.Thaw():
                return await self.members.thaw(request.member)
            case say.Processes():
                return self._processes(request.member)
            case say.Spawn():
                return self._spawn(request)
            case say.Signal():
                return self.members.signal(request.name, request.number)
            case say.Wait():
                return await self.members.wait(request.name, request.timeout_s)
            case say.Run():
                return await self._run(request)
        raise AssertionError(f"no such act: {request!r}")

    # -- hosts and lines

    def _host(self, name: str) -> Host:
        if name not in self._hosts:
            raise LabError(f"no host is called {name!r}", hint=f"there are {', '.join(self._hosts)}")
        return self._hosts[name]

    def _need_fabric(self) -> Fabric:
        if self.fabric is None:
            raise LabError(
                "this lab runs on loopback: its hosts have no network of their own that could be cut",
                hint="use --isolation namespaces",
            )
        return self.fabric

    @contextlib.contextmanager
    def _inside(self, host: str) -> Iterator[None]:
        with self.fabric.inside(host) if self.fabric else contextlib.nullcontext():
            yield

    async def _dial(self, request: say.Dial) -> socket.socket:
        host = self._host(request.host)
        with self._inside(host.name):
            line = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            async with asyncio.timeout(request.timeout_s):
                await asyncio.get_running_loop().sock_connect(line, (host.address, request.port))
        except TimeoutError:
            line.close()
            message = f"{host.name}:{request.port} did not answer within {request.timeout_s:g} s"
            raise say.NoAnswerError(message) from None
        except BaseException:
            line.close()
            raise
        return line

    async def _reachable(self, source: Host, target: Host) -> bool:
        loop = asyncio.get_running_loop()
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with self._inside(target.name):
            ear = socket.socket(socket.AF_INET, kind)
        with ear:
            with self._inside(source.name):
                mouth = socket.socket(socket.AF_INET, kind)
            with mouth:
                ear.bind((target.address, 0))
                mouth.bind((source.address, 0))
                word = secrets.token_bytes(16)
                try:
                    mouth.sendto(word, ear.getsockname())
                    async with asyncio.timeout(DATAGRAM_LIMIT_S + self._delay_s(source, target)):
                        while await loop.sock_recv(ear, 64) != word:
                            pass
                except (OSError, TimeoutError):
                    return False
                return True

    def _delay_s(self, source: Host, target: Host) -> float:
        return self.wan.slowest_s(source.region, target.region) if self.wan else 0.0

    async def _power_off(self, hosts: Sequence[str]) -> None:
        names = [self._host(name).name for name in hosts]
        self._need_fabric().unplug(names)
        self._dark.update(names)
        await self.members.kill([program for name in names for program in self.members.on_host(name, auxiliary=True)])

    def _power_on(self, hosts: Sequence[str]) -> None:
        names = [self._host(name).name for name in hosts]
        self._need_fabric().plug(names)
        self._dark.difference_update(names)
        for name in names:
            for member in self.members.on_host(name):
                self.members.start(member)

    async def _set_link(self, request: say.SetLink) -> None:
        self._need_fabric()
        assert self.wan is not None, "a fabric comes with a WAN"
        line = Line(delay_s=request.delay_s, jitter_s=request.jitter_s, loss=request.loss, cut=request.cut)
        await self.wan.set_line(request.source_site, request.target_site, line)

    # -- programs

    def _powered(self, host: str) -> Host:
        place = self._host(host)
        if host in self._dark:
            raise LabError(f"host {host} has no power", hint="power it on first")
        return place

    def _launch(self, request: say.LaunchMember) -> None:
        self._powered(request.host)
        owner = Owner(request.member, request.directory, request.host, member=True)
        number = _signal_number(request.launch.stop_signal)
        self.members.register(Program(owner, request.launch.argv, request.launch.environment, number))
        self.members.start(request.member)

    def _start(self, member: str) -> None:
        self._powered(self._member(member).owner.host)
        self.members.start(member)

    def _member(self, name: str) -> Program:
        program = self.members.program(name)
        if not program.owner.member:
            raise LabError(f"{name} is not a member of the system")
        return program

    def _processes(self, name: str) -> tuple[ProcessView, ...]:
        return self.members.views(name)

    async def _kill(self, request: say.Kill) -> tuple[int, ...]:
        self.members.program(request.member)
        if request.command:
            return await self.members.kill_topmost(request.member, request.command)
        return await self.members.kill([request.member])

    def _spawn(self, request: say.Spawn) -> int:
        self._powered(request.host)
        owner = Owner(request.name, request.directory, request.host, member=False)
        program = Program(owner, request.argv, request.environment, signal.SIGTERM)
        program.output = request.output
        self.members.register(program)
        return self.members.start(request.name)

    async def _run(self, request: say.Run) -> say.Completed:
        self._powered(request.host)
        self._runs += 1
        name = f"run-{self._runs}"
        owner = Owner(name, request.directory, request.host, member=False)
        self.members.register(Program(owner, request.argv, request.environment, signal.SIGTERM))
        try:
            return await self._run_to_end(name, request)
        finally:
            await self.members.kill([name])
            self.members.forget(name)

    async def _run_to_end(self, name: str, request: say.Run) -> say.Completed:
        stdout, stderr = Collector(say.OUTPUT_LIMIT_BYTES), Collector(say.OUTPUT_LIMIT_BYTES)
        entry = os.memfd_create(name, os.MFD_CLOEXEC)
        try:
            os.write(entry, request.input)
            os.lseek(entry, 0, os.SEEK_SET)
            self.members.start(name, stdin=entry, outputs=(stdout.writing, stderr.writing))
        finally:
            os.close(entry)
            stdout.started()
            stderr.started()
        try:
            code = await self.members.wait(name, request.timeout_s)
            if code is None:
                raise LabError(f"{request.argv[0]} did not end within {request.timeout_s:g} s", hint="it was killed")
            return say.Completed(exit_code=code, stdout=await stdout.all(), stderr=await stderr.all())
        finally:
            stdout.close()
            stderr.close()

    def _status(self) -> say.WorldStatus:
        hosts = tuple(
            say.HostStatus(
                name=host.name,
                address=host.address,
                powered=host.name not in self._dark,
                island=self.fabric.island(host.name) if self.fabric else 0,
            )
            for host in self.plan.hosts
        )
        isolation: say.Isolation = "namespaces" if self.fabric else "loopback"
        return say.WorldStatus(isolation=isolation, kept=self.kept, hosts=hosts, members=self.members.statuses())


def _signal_number(name: str) -> int:
    try:
        return signal.Signals[name]
    except KeyError:
        raise LabError(f"{name!r} is not a signal", hint="write it like SIGTERM") from None
