"""The supervisor's side of names: a resolver for each host, which tells the truth unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from bascule.chaos.naming import DnsCounts, DnsTrouble
from bascule.kernel.errors import LabError
from bascule.lab import naming_requests as ask
from bascule.lab import syscalls
from bascule.lab.fabric import Fabric
from bascule.lab.names import RESOLVING
from bascule.lab.plan import LabPlan

if TYPE_CHECKING:
    from bascule.lab.dns_answers import Question

HERE = "127.0.0.1"
PORT = 53
MOST_TROUBLES = 16
MOST_BYTES = 4096
LINE_LIMIT_S = 5.0
RESOLV_CONF = f"nameserver {HERE}\nsearch lab\noptions timeout:1 attempts:1\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
_log = logging.getLogger(__name__)


class _Met(Struct, kw_only=True):
    """A trouble, and what it did."""

    trouble: DnsTrouble
    asked: int = 0
    hit: int = 0


class _Desk(Struct, kw_only=True):
    """One host's resolver: what is wrong with it, and the network in which it stands."""

    network: int = 0
    troubles: list[_Met] = field(default_factory=list)
    ears: list[socket.socket] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


def book_of(plan: LabPlan) -> dict[str, tuple[str, ...]]:
    """Every name that the lab knows: hosts, and components with the addresses of all their members."""
    found: dict[str, list[str]] = {}
    for host in plan.hosts:
        found.setdefault(host.name.lower(), []).append(host.address)
    for member in plan.members:
        found.setdefault(member.component.lower(), []).append(member.address)
    return {name: tuple(addresses) for name, addresses in found.items()}


def point_here(directory: Path) -> None:
    """Let every program of this mount namespace ask the resolver of its own host.

    Raises:
        OSError: The machine forbids it.
    """
    place = directory / RESOLVING
    place.mkdir(mode=0o755, exist_ok=True)
    for target, text in (("/etc/resolv.conf", RESOLV_CONF), ("/etc/nsswitch.conf", NSSWITCH)):
        source = place / Path(target).name
        source.write_text(text)
        real = Path(os.path.realpath(target))
        if not real.exists():
            real.parent.mkdir(parents=True, exist_ok=True)  # below the lab's own /run, where the link leads
            real.touch()
        syscalls.mount(str(source), str(real), "none", syscalls.MS_BIND)


class Resolvers:
    """The resolvers of a lab's hosts.

    Args:
        plan: Which hosts there are.
        fabric: Their networks; None on loopback.
        refusal: Why there are none; empty when there are.
    """

    def __init__(self, plan: LabPlan, fabric: Fabric | None, refusal: str) -> None:
        self._fabric = fabric
        self._refusal = refusal
        self._book = book_of(plan)
        self._desks = {host.name: _Desk() for host in plan.hosts}
        self._lines: set[asyncio.Task[None]] = set()
        if not refusal:
            for host in self._desks:
                self.open(host)

    def open(self, host: str) -> None:
        """Have a resolver in the host's network, new after each loss of power; what stands on none needs none."""
        if self._refusal or self._fabric is None or host not in self._desks:
            return
        desk = self._desks[host]
        network = os.fstat(self._fabric.namespace(host)).st_ino
        if desk.network == network:
            return
        for task in desk.tasks:
            task.cancel()
        for ear in desk.ears:
            ear.close()
        with self._fabric.inside(host):
            desk.ears = [_ear(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        desk.network = network
        desk.tasks = [
            asyncio.ensure_future(self._hear(desk, desk.ears[0])),
            asyncio.ensure_future(self._accept(desk, desk.ears[1])),
        ]

    async def add(self, request: ask.AddDnsTrouble) -> None:
        """One trouble more."""
        desk = self._desk(request.host)
        if len(desk.troubles) >= MOST_TROUBLES:
            raise LabError(f"the names of {request.host} have {MOST_TROUBLES} troubles already")
        if all(one.trouble != request.trouble for one in desk.troubles):
            desk.troubles.append(_Met(trouble=request.trouble))

    async def remove(self, request: ask.RemoveDnsTrouble) -> None:
        """One trouble less."""
        desk = self._desk(request.host)
        desk.troubles = [one for one in desk.troubles if one.trouble != request.trouble]

    async def counts(self, request: ask.DnsCounted) -> DnsCounts | None:
        """What it did."""
        found = (one for one in self._desk(request.host).troubles if one.trouble == request.trouble)
        return next((DnsCounts(asked=one.asked, hit=one.hit) for one in found), None)

    def _desk(self, host: str) -> _Desk:
        if host not in self._desks:
            raise LabError(f"no host is called {host!r}")
        if self._refusal:
            raise LabError(self._refusal)
        return self._desks[host]

    async def _hear(self, desk: _Desk, ear: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, asker = await loop.sock_recvfrom(ear, MOST_BYTES)
            reply = self._answer(desk, data)
            if reply is not None:
                with contextlib.suppress(OSError):  # whoever asked has gone
                    await loop.sock_sendto(ear, reply, asker)

    async def _accept(self, desk: _Desk, ear: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            line, _ = await loop.sock_accept(ear)
            task = asyncio.ensure_future(self._talk(desk, line))
            self._lines.add(task)
            task.add_done_callback(self._lines.discard)

    async def _talk(self, desk: _Desk, line: socket.socket) -> None:
        """One question over TCP, each message behind its length (RFC 1035, 4.2.2)."""
        with (
            line,
            contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError),
        ):  # the asker is gone or silent
            async with asyncio.timeout(LINE_LIMIT_S):
                reader, writer = await asyncio.open_connection(sock=line.dup())
                try:
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    reply = self._answer(desk, await reader.readexactly(size))
                    if reply is not None:
                        writer.write(struct.pack("!H", len(reply)) + reply)
                        await writer.drain()
                finally:
                    writer.close()

    def _answer(self, desk: _Desk, data: bytes) -> bytes | None:
        from bascule.lab import dns_answers  # noqa: PLC0415 - a lab without names needs no dnspython

        question: Question | None = dns_answers.read(data)
        if question is None:
            return None
        for one in desk.troubles:
            one.asked += 1
        met = dns_answers.trouble_of(question, [one.trouble for one in desk.troubles])
        for one in desk.troubles:
            one.hit += one.trouble == met
        return dns_answers.answer(question, self._book, met.how if met else None)


def _ear(kind: int) -> socket.socket:
    ear = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ear.bind((HERE, PORT))
    if kind == socket.SOCK_STREAM:
        ear.listen(16)
    return ear


def refusal(wanted: bool, kind: str) -> str:
    """Why a lab of this kind has no resolvers; empty when it has."""
    if not wanted:
        return "it was brought up without names: bascule lab up --names"
    if kind != "namespaces":
        return "on loopback all hosts ask this machine's own resolver"
    try:
        import dns.message  # noqa: F401, PLC0415 - only whether it is there
    except ImportError:
        return "dnspython is not installed: pip install dnspython"
    return ""
