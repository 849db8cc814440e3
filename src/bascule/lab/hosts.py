"""What can be done to hosts and lines: power, partitions, links, and ways in that no fault can close."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket

from msgspec import Struct

from bascule.chaos.platform import Knock
from bascule.chaos.traffic import TrafficCounts
from bascule.kernel.errors import LabError
from bascule.lab import addresses
from bascule.lab import protocol as say
from bascule.lab.fabric import Fabric
from bascule.lab.members import Members
from bascule.lab.plan import Host, LabPlan
from bascule.lab.ports import Ports, can_connect
from bascule.lab.tap_control import Taps
from bascule.lab.travel import travels
from bascule.lab.wan_control import WanControl
from bascule.lab.wan_schedule import Line

DATAGRAM_LIMIT_S = 0.1


class Network(Struct, frozen=True):
    """The network of a lab in namespaces: the fabric, the WAN that joins its regions, their taps, and local ports."""

    fabric: Fabric
    wan: WanControl
    taps: Taps
    ports: Ports


class Hosts:
    """The hosts of a lab and the lines between them.

    Args:
        plan: Where each stands.
        members: What runs on them.
        network: None on loopback, where there is nothing to cut.
    """

    def __init__(self, plan: LabPlan, members: Members, network: Network | None) -> None:
        self.plan = plan
        self.network = network
        self._members = members
        self._hosts = {host.name: host for host in plan.hosts}
        self._dark: set[str] = set()
        self._boots = dict.fromkeys(self._hosts, 1)
        self._outages = dict.fromkeys(self._hosts, 0)

    def host(self, name: str) -> Host:
        """The host of this name.

        Raises:
            LabError: There is none.
        """
        if name not in self._hosts:
            raise LabError(f"no host is called {name!r}", hint=f"there are {', '.join(self._hosts)}")
        return self._hosts[name]

    def powered(self, name: str) -> Host:
        """The host of this name, if it has power.

        Raises:
            LabError: There is none, or it has no power.
        """
        host = self.host(name)
        if name in self._dark:
            raise LabError(f"host {name} has no power", hint="power it on first")
        return host

    def is_powered(self, name: str) -> bool:
        """Whether a host has power."""
        return name not in self._dark

    def boots(self, name: str) -> int:
        """How often a host was started."""
        return self._boots[name]

    def outages(self, name: str) -> int:
        """How often somebody took a host's power."""
        return self._outages[name]

    def check_wan(self) -> None:
        """Do nothing while regions can reach each other.

        Raises:
            LabError: The WAN is dead.
        """
        if self.network is not None:
            self.network.wan.check()

    def _need_network(self) -> Network:
        if self.network is None:
            raise LabError(
                "this lab runs on loopback: its hosts have no network of their own that could be cut",
                hint="use --isolation namespaces",
            )
        return self.network

    def _socket(self, host: Host, kind: int) -> socket.socket:
        """A socket that stands in the host's own network, whatever becomes of its wire."""
        inside = self.network.fabric.inside(host.name) if self.network else contextlib.nullcontext()
        with inside:
            return socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    async def dial(self, request: say.Dial) -> socket.socket:
        """A connection to a port of the host, made inside it.

        Raises:
            ConnectionError: Refused, or not answered in time.
        """
        host = self.host(request.host)
        line = self._socket(host, socket.SOCK_STREAM)
        try:
            if self.network is not None and self.network.ports.are_taken(host.name):
                self._bind(line, host)
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

    async def reachable(self, request: say.Reachable) -> bool:
        """Whether a datagram gets through in time."""
        source, target = self.host(request.source), self.host(request.target)
        with self._socket(target, socket.SOCK_DGRAM) as ear, self._socket(source, socket.SOCK_DGRAM) as mouth:
            ear.bind((target.address, 0))
            mouth.bind((source.address, 0))
            delay_s = self.network.wan.slowest_s(source.region, target.region) if self.network else 0.0
            word = secrets.token_bytes(16)
            try:
                async with asyncio.timeout(DATAGRAM_LIMIT_S + delay_s):
                    mouth.sendto(word, ear.getsockname())
                    await _hear(ear, word)
            except (OSError, TimeoutError):
                return False
            return True

    async def power_off(self, request: say.PowerOff) -> None:
        """Cut the wires, then kill whatever runs on the hosts."""
        names = [self.host(name).name for name in request.hosts]
        self._need_network().fabric.unplug(names)
        self._dark.update(names)
        for name in names:
            self._outages[name] += 1
        programs = [program for name in names for program in self._members.on_host(name, auxiliary=True)]
        await self._members.kill(programs)

    async def power_on(self, request: say.PowerOn) -> None:
        """Join the wires, to networks as new as after a boot, then start the hosts' members, as they were launched."""
        names = [self.host(name).name for name in request.hosts]
        network = self._need_network()
        for name in names:
            await network.taps.clear(name)
        fabric = network.fabric
        renewed = [name for name in names if name in self._dark]
        fabric.replug(renewed)
        for name in renewed:
            network.ports.forget(name)
        self._members.name_hosts(host.name for host in self.plan.hosts)
        for name in self._dark.intersection(names):
            self._boots[name] += 1
        self._dark.difference_update(names)
        for member in self._members.on_hosts(names):
            self._members.start(member)

    async def partition(self, request: say.Partition) -> None:
        """Cut these hosts off from all others."""
        self._need_network().fabric.partition(frozenset(self.host(name).name for name in request.hosts))

    async def heal(self, _: say.Heal) -> None:
        """Undo every partition."""
        if self.network is not None:
            self.network.fabric.heal()

    async def add_trouble(self, request: say.AddTrouble) -> None:
        """Bring trouble to a host's wire."""
        await self._need_network().taps.add(self.powered(request.host).name, request.trouble)

    async def remove_trouble(self, request: say.RemoveTrouble) -> None:
        """Take a trouble away from a host's wire."""
        await self._need_network().taps.remove(self.host(request.host).name, request.trouble)

    async def traffic(self, request: say.Traffic) -> TrafficCounts | None:
        """What a trouble did so far."""
        return await self._need_network().taps.counts(self.host(request.host).name, request.trouble)

    async def travel(self, request: say.Travel) -> tuple[float | None, ...]:
        """How long each of some datagrams takes; None for one that did not come within the limit."""
        source, target = self.host(request.source), self.host(request.target)
        with self._socket(target, socket.SOCK_DGRAM) as ear, self._socket(source, socket.SOCK_DGRAM) as mouth:
            ear.bind((target.address, 0))
            try:
                mouth.bind((source.address, request.port))
            except OSError:
                return (None,) * request.count  # somebody has that port
            return await travels(mouth, ear, request.count, request.limit_s)

    async def knock(self, request: say.Knock) -> Knock:
        """What becomes of a connection."""
        source, target = self.host(request.source), self.host(request.target)
        with self._socket(source, socket.SOCK_STREAM) as line:
            self._bind(line, source)
            try:
                async with asyncio.timeout(request.limit_s):
                    await asyncio.get_running_loop().sock_connect(line, (target.address, request.port))
            except ConnectionError:
                return "refused"
            except (OSError, TimeoutError):
                return "silent"
            return "connected"

    def _bind(self, line: socket.socket, host: Host) -> None:
        """Bind a line of the lab's own to the host's address, also where its programs find no port."""
        if self.network is None:
            line.bind((host.address, 0))
        else:
            self.network.ports.bind(line, host.name, host.address)

    async def exhaust_ports(self, request: say.ExhaustPorts) -> None:
        """Leave a host no local port for outgoing connections."""
        self._need_network().ports.exhaust(self.powered(request.host).name)

    async def free_ports(self, request: say.FreePorts) -> None:
        """Give a host its local ports back."""
        self._need_network().ports.free(self.host(request.host).name)

    async def finds_port(self, request: say.FindsPort) -> bool:
        """Whether a connection from a host finds a local port."""
        host = self.host(request.host)
        with self._socket(host, socket.SOCK_STREAM) as line:
            return can_connect(line, host.address)

    async def holding(self, _: say.Holding) -> tuple[say.EntryHost, ...]:
        """Who has the address that moves, all at one moment.

        Looked at twice in a row: who had it both times had it together with every other one that had it both times.
        """
        vip = self.plan.vip
        if vip is None or self.network is None:
            return ()
        lit = [name for name in vip.hosts if name not in self._dark]
        looks = [{name for name in lit if vip.address in self._addresses(name)} for _ in range(2)]
        return tuple(
            say.EntryHost(
                host=name,
                holds=all(name in look for look in looks),
                whole=name in lit and all(self._members.program(each).is_up for each in self._members.on_host(name)),
            )
            for name in vip.hosts
        )

    def _addresses(self, host: str) -> frozenset[str]:
        with self._socket(self.host(host), socket.SOCK_DGRAM) as line:
            return addresses.of_network(line)

    async def set_link(self, request: say.SetLink) -> None:
        """Shape one direction between two sites."""
        line = Line(delay_s=request.delay_s, jitter_s=request.jitter_s, loss=request.loss, cut=request.cut)
        await self._need_network().wan.set_line(request.source_site, request.target_site, line)

    def statuses(self) -> tuple[say.HostStatus, ...]:
        """How every host is now."""
        return tuple(
            say.HostStatus(
                name=host.name,
                address=host.address,
                powered=host.name not in self._dark,
                island=self.network.fabric.island(host.name) if self.network else 0,
            )
            for host in self.plan.hosts
        )


async def _hear(ear: socket.socket, word: bytes) -> None:
    while await asyncio.get_running_loop().sock_recv(ear, 64) != word:
        pass
