"""Hosts that lose their power and get it back by themselves. It lives in the supervisor, and ends with the lab."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from bascule.chaos.endings import HostBoot
from bascule.kernel.errors import BasculeError
from bascule.lab import ending_requests as end
from bascule.lab import protocol as say
from bascule.lab.hosts import Hosts

_log = logging.getLogger(__name__)


class Reboots:
    """Takes power and gives it back, unless somebody else has taken or given it meanwhile: that is the last word.

    Args:
        hosts: The lab's.
        order: Held by each act that none may overtake; a host that comes back takes its turn as well.
    """

    def __init__(self, hosts: Hosts, order: asyncio.Lock) -> None:
        self._hosts = hosts
        self._order = order
        self._returning: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def reboot(self, request: end.Reboot) -> None:
        """Take the power, and give it back later."""
        await self._hosts.power_off(say.PowerOff(hosts=request.hosts))
        outages = {name: self._hosts.outages(name) for name in request.hosts}
        self._returning |= outages
        task = asyncio.ensure_future(self._return(outages, request.down_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return(self, outages: Mapping[str, int], down_s: float) -> None:
        """End these outages, those that are still the last of their hosts."""
        await asyncio.sleep(down_s)
        async with self._order:
            names = tuple(name for name, number in outages.items() if self._lasts(name, number))
            try:
                await self._hosts.power_on(say.PowerOn(hosts=names))
            except (BasculeError, OSError):
                _log.exception("%s did not come back whole; the undo of the fault tries again", ", ".join(names))

    def _lasts(self, name: str, outage: int | None) -> bool:
        return not self._hosts.is_powered(name) and self._hosts.outages(name) == outage

    async def boot(self, request: end.Boot) -> HostBoot:
        """Of which start a host lives, or will."""
        name = self._hosts.host(request.host).name
        return HostBoot(
            number=self._hosts.boots(name),
            powered=self._hosts.is_powered(name),
            returning=self._lasts(name, self._returning.get(name)),
        )
