"""The supervisor's life: make the world, say that it is ready, serve, and end everything when it is time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from bascule.kernel.errors import BasculeError, LabError, MachineError
from bascule.lab import files, keeper, loopback
from bascule.lab import protocol as say
from bascule.lab.clocks import Clocks
from bascule.lab.control import Connection, Control
from bascule.lab.disk_control import Disks
from bascule.lab.fabric import Fabric
from bascule.lab.hosts import Hosts, Network
from bascule.lab.members import Members
from bascule.lab.names import RECORD
from bascule.lab.ownership import Owner
from bascule.lab.plan import LabPlan
from bascule.lab.ports import Ports
from bascule.lab.resolvers import Resolvers, point_here
from bascule.lab.tap_control import Taps
from bascule.lab.wan_control import WanControl
from bascule.lab.world_service import World

_log = logging.getLogger(__name__)


def supervise(
    directory: Path, isolation: say.Isolation, owner: socket.socket, setting: bytes, keeper_id: tuple[int, int]
) -> int:
    """Run the lab to its end; returns the exit code. Called once everything is set apart.

    Args:
        directory: The lab's, absolute; we stand in it.
        isolation: What was done.
        owner: The socket to the process that made the lab.
        setting: What it said: a `protocol.Setting`.
        keeper_id: The keeper's pid and start time, as seen outside.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    heard = msgspec.json.decode(setting, type=say.Setting)
    record = say.LabRecord(
        identity=heard.identity,
        pid=keeper_id[0],
        start=keeper_id[1],
        isolation=isolation,
        uid=os.getuid(),
        plan=heard.plan,
        disk_refusal=heard.disk_refusal,
        faketime=heard.faketime,
        clock_refusal=heard.clock_refusal,
        names_refusal=heard.names_refusal,
    )
    life = _Life(directory, record)
    try:
        return asyncio.run(life.live(owner))
    finally:
        if isolation == "loopback":
            keeper.kill_children()


class _Life:
    def __init__(self, directory: Path, record: say.LabRecord) -> None:
        self._directory = directory
        self._record = record
        self._over = asyncio.Event()
        self._reserved: socket.socket | None = None

    async def live(self, owner: socket.socket) -> int:
        if self._record.isolation == "loopback":  # the keeper's death is told by this signal
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        try:
            world = await self._make()
            control = Control(world.do, self._over.set)
            listener = control.listen()
            files.write_atomically(self._directory / RECORD, msgspec.json.encode(self._record), 0o600)
        except (BasculeError, OSError) as error:
            _log.exception("the lab could not be made")
            owner.sendall(say.line(say.Reply(failure=say.Failure.of(_explained(error)))))
            return 1
        tasks = [
            asyncio.ensure_future(control.accept(listener)),
            asyncio.ensure_future(self._serve_owner(owner, world)),
        ]
        await self._over.wait()
        with contextlib.suppress(BasculeError):
            await world.members.kill_all()
        for task in tasks:
            task.cancel()
        return 0

    async def _make(self) -> World:
        plan = self._record.plan
        fabric: Fabric | None = None
        if self._record.isolation == "namespaces":
            fabric = Fabric(plan)
            fabric.build()
        else:
            self._reserved = loopback.reserve(loopback.prefix_of(plan))
        members = Members(self._directory, self._record.identity, fabric.namespace if fabric else None)
        members.name_hosts(host.name for host in plan.hosts)
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, members.reap)
        network = await self._join_regions(plan, members, fabric) if fabric else None
        hosts = Hosts(plan, members, network)
        disks = Disks(members, hosts, self._directory, self._record.disk_refusal)
        clocks = Clocks(members, self._directory, self._record.faketime)
        return World(members, hosts, disks, clocks, self._resolvers(plan, fabric, members))

    def _resolvers(self, plan: LabPlan, fabric: Fabric | None, members: Members) -> Resolvers:
        if not self._record.names_refusal:
            point_here(self._directory)
        resolvers = Resolvers(plan, fabric, self._record.names_refusal)
        before = members.prepare

        def prepare(owner: Owner) -> None:
            resolvers.open(owner.host)
            before(owner)

        members.prepare = prepare
        return resolvers

    async def _join_regions(self, plan: LabPlan, members: Members, fabric: Fabric) -> Network:
        wan = WanControl(members, fabric.wan_sockets(), str(self._directory))
        await wan.shape(plan)
        return Network(fabric, wan, Taps(members, fabric, str(self._directory)), Ports(fabric))

    async def _serve_owner(self, owner: socket.socket, world: World) -> None:
        """Say that all is ready; when the owner is gone and nobody said `keep`, the lab is over."""
        try:
            owner.sendall(say.line(say.Reply()))
            await Connection(owner, world.do, self._over.set).serve()
        except ConnectionError:
            _log.info("the owner ended while its lab was made")
        finally:
            if not world.kept:
                _log.info("the owner is gone: the lab ends")
                self._over.set()


def _explained(error: Exception) -> BasculeError:
    if isinstance(error, BasculeError):
        return error
    if isinstance(error, OSError):
        return MachineError(f"the lab's network or files could not be made: {error}", hint="see supervisor.log")
    return LabError(str(error))
