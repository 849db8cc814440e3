"""Sends the processes of a member one signal after the other, and knows who lived to get each."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

from bascule.chaos.endings import SignalAim, SignalDelivery, SignalName
from bascule.lab import ending_requests as end
from bascule.lab import processes
from bascule.lab.hosts import Hosts
from bascule.lab.members import Members
from bascule.lab.ownership import Key, Row, ancestors

GRACE_S = 3.0
_ENDING: frozenset[SignalName] = frozenset({"SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL"})


def number_of(name: SignalName) -> signal.Signals:
    """The number of a signal."""
    return signal.Signals[name]


class Signalling:
    """Sends signals, and remembers the last ones of each member."""

    def __init__(self, members: Members, hosts: Hosts) -> None:
        self._members = members
        self._hosts = hosts
        self._going: dict[str, Key] = {}
        self._delivered: dict[str, tuple[SignalDelivery, ...]] = {}

    async def send(self, request: end.SendSignals) -> tuple[int, ...]:
        """Send them all, with a pause between two while somebody is there to wait for; the pids that got any."""
        name = request.member
        sent: list[SignalDelivery] = []
        self._delivered[name] = ()
        for number, each in enumerate(request.signals):
            if number and self._members.trees([name]):
                await asyncio.sleep(request.pause_s)
            main = self._members.program(name).pid
            pids = tuple(row.pid for row in self._aimed(name, main, each, request.to) if _reach(row, number_of(each)))
            sent.append(SignalDelivery(signal=each, pids=pids))
        self._delivered[name] = tuple(sent)
        return tuple(dict.fromkeys(pid for each in sent for pid in each.pids))

    def _aimed(self, name: str, main: int, each: SignalName, to: SignalAim) -> list[Row]:
        """Who shall get it; a main process that may end of it is remembered."""
        rows = in_order(self._members.trees([name]), main, to)
        for row in rows:
            if row.pid == main and each in _ENDING and not processes.ignores(main, number_of(each)):
                self._going[name] = row.key
        return rows

    async def finish(self, request: end.EndSignals) -> None:
        """Wait a moment for a main process that may be going down, kill the member then, and start it."""
        name = request.member
        program = self._members.program(name)
        going = self._going.pop(name, None)
        if going is not None and going[0] == program.pid and await self._members.wait(name, GRACE_S) is None:
            await self._members.kill([name])
        self._hosts.powered(program.owner.host)
        self._members.start(name)

    async def delivered(self, request: end.Delivered) -> tuple[SignalDelivery, ...]:
        """What became of each of the last ones."""
        self._members.program(request.member)
        return self._delivered.get(request.member, ())


def in_order(tree: Mapping[int, Row], main: int, aim: SignalAim) -> list[Row]:
    """Those of a tree who shall get a signal, in the order in which they do."""
    if aim in {"main", "children"}:
        return [row for row in tree.values() if (row.pid == main) == (aim == "main")]
    depth = {pid: sum(1 for _ in ancestors(tree, pid)) for pid in tree}
    rows = sorted(tree.values(), key=lambda row: (depth[row.pid], row.start, row.pid))
    return rows[::-1] if aim == "leaves-first" else rows


def _reach(row: Row, number: signal.Signals) -> bool:
    """Send it to that very process; whether it lived."""
    try:
        held = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return False
    try:
        now = processes.row(row.pid)
        if now is None or now.key != row.key or not now.lives:
            return False
        signal.pidfd_send_signal(held, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True
