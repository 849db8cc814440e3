"""Hosts that lose their power and get it back by themselves. It lives in the supervisor, and ends with the lab."""

from __future__ import annotations

import asyncio
import logging

from bascule.chaos.endings import HostBoot
from bascule.kernel.errors import BasculeError
from bascule.lab import ending_requests as end
from bascule.lab import protocol as say
from bascule.lab.hosts import Hosts

_log = logging.getLogger(__name__)


class Reboots:
    """Takes and gives power; whoever takes or gives it by hand meanwhile has the last word.

    Args:
        hosts: The lab's.
        order: Held by each act that none may overtake; a host that comes back takes its turn as well.
    """

    def __init__(self, hosts: Hosts, order: asyncio.Lock) -> None:
        self._hosts = hosts
        self._order = order
        self._returning: dict[str, end.Reboot] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _keep_away(self, hosts: tuple[str, ...]) -> None:
        for name in hosts:
            self._returning.pop(name, None)

    async def power_off(self, request: say.PowerOff) -> None:
        """Take the power; a host that was to come back does not."""
        await self._hosts.power_off(request)
        self._keep_away(request.hosts)

    async def power_on(self, request: say.PowerOn) -> None:
        """Give the power, now."""
        self._keep_away(request.hosts)
        await self._hosts.power_on(request)

    async def reboot(self, request: end.Reboot) -> None:
        """Take the power, and give it back later."""
        await self._hosts.power_off(say.PowerOff(hosts=request.hosts))
        self._returning.update(dict.fromkeys(request.hosts, request))
        task = asyncio.ensure_future(self._return(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return(self, request: end.Reboot) -> None:
        await asyncio.sleep(request.down_s)
        async with self._order:
            names = tuple(name for name in request.hosts if self._returning.get(name) is request)
            self._keep_away(names)
            try:
                await self._hosts.power_on(say.PowerOn(hosts=names))
            except (BasculeError, OSError):
                _log.exception("%s did not come back whole; the undo of the fault tries again", ", ".join(names))

    async def boot(self, request: end.Boot) -> HostBoot:
        """Of which start a host lives, or will."""
        name = self._hosts.host(request.host).name
        return HostBoot(
            number=self._hosts.boots(name), powered=self._hosts.is_powered(name), returning=name in self._returning
        )
