"""Carries out what clients ask for: finds the act for each kind of request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bascule.lab import clock_requests as ask
from bascule.lab import ending_requests as end
from bascule.lab import naming_requests as name
from bascule.lab import protocol as say
from bascule.lab.clocks import Clocks
from bascule.lab.disk_control import Disks
from bascule.lab.hosts import Hosts
from bascule.lab.members import Members
from bascule.lab.out_of_memory import OutOfMemory
from bascule.lab.programs import Programs
from bascule.lab.reboots import Reboots
from bascule.lab.request import Request
from bascule.lab.resolvers import Resolvers
from bascule.lab.signalling import Signalling
from bascule.lab.strains import Strains

_NEED_WAN = (
    say.LaunchMember,
    say.StartMember,
    say.Spawn,
    say.Run,
    say.Partition,
    say.SetLink,
    say.Reachable,
    say.Status,
)


_IN_ORDER = (
    say.LaunchMember,
    say.StartMember,
    say.StopMember,
    say.Kill,
    say.Freeze,
    say.Thaw,
    say.CrashLoop,
    say.EndCrashLoop,
    say.Slow,
    say.Hasten,
    say.LimitDescriptors,
    say.FreeDescriptors,
    say.PowerOff,
    say.PowerOn,
    say.Partition,
    say.Heal,
    say.AddTrouble,
    say.RemoveTrouble,
    end.RunOutOfMemory,
    end.RelieveMemory,
    end.SendSignals,
    end.EndSignals,
    end.Reboot,
    say.AddDiskTrouble,
    say.RemoveDiskTrouble,
    say.SettleDisks,
    say.LoseWrites,
    ask.TurnClock,
    ask.RightClock,
    name.AddDnsTrouble,
    name.RemoveDnsTrouble,
    say.ExhaustPorts,
    say.FreePorts,
)
"""Acts of which none may overtake another: the undo of a kill must find it done, though its caller died meanwhile."""


Acts = dict[type[Request], Callable[[Any], Awaitable[object]]]
"""A request's kind decides the type of its act's argument, which a table cannot express."""


def _ending_acts(memory: OutOfMemory, signalling: Signalling) -> Acts:
    return {
        end.RefuseMemory: memory.refusal,
        end.RunOutOfMemory: memory.strike,
        end.MemoryKills: memory.kills,
        end.RelieveMemory: memory.relieve,
        end.SendSignals: signalling.send,
        end.Delivered: signalling.delivered,
        end.EndSignals: signalling.finish,
    }


class World:
    """Everything that runs in a lab, and everything that can be done to it."""

    def __init__(self, members: Members, hosts: Hosts, disks: Disks, clocks: Clocks, resolvers: Resolvers) -> None:
        self.members = members
        self.hosts = hosts
        self.kept = False
        self._order = asyncio.Lock()
        programs = Programs(members, hosts, clocks)
        strains = Strains(members, hosts)
        reboots = Reboots(hosts, self._order)
        self._acts: Acts = {
            say.LaunchMember: programs.launch,
            say.StartMember: programs.start,
            say.StopMember: programs.stop,
            say.Kill: programs.kill,
            say.Freeze: programs.freeze,
            say.Thaw: programs.thaw,
            say.CrashLoop: strains.crash_loop,
            say.EndCrashLoop: strains.end_crash_loop,
            say.Slow: strains.slow,
            say.Turns: strains.turns,
            say.Hasten: strains.hasten,
            say.Descriptors: strains.descriptors,
            say.LimitDescriptors: strains.limit_descriptors,
            say.FreeDescriptors: strains.free_descriptors,
            say.Processes: programs.processes,
            say.Spawn: programs.spawn,
            say.Signal: programs.signal,
            say.Wait: programs.wait,
            say.Run: programs.run,
            say.Dial: hosts.dial,
            say.Reachable: hosts.reachable,
            say.PowerOff: hosts.power_off,
            say.PowerOn: hosts.power_on,
            say.Partition: hosts.partition,
            say.Heal: hosts.heal,
            say.AddTrouble: hosts.add_trouble,
            say.RemoveTrouble: hosts.remove_trouble,
            say.Traffic: hosts.traffic,
            say.Travel: hosts.travel,
            say.Knock: hosts.knock,
            say.Holding: hosts.holding,
            say.SetLink: hosts.set_link,
            say.Status: self._status,
            say.Memory: self._memory,
            say.Keep: self._keep,
            say.Down: self._down,
            end.Reboot: reboots.reboot,
            end.Boot: reboots.boot,
            ask.TurnClock: clocks.turn,
            ask.RightClock: clocks.right,
            ask.LookAtClock: clocks.look,
            name.AddDnsTrouble: resolvers.add,
            name.RemoveDnsTrouble: resolvers.remove,
            name.DnsCounted: resolvers.counts,
            **_ending_acts(OutOfMemory(members), Signalling(members, hosts)),
            **disks.acts(),
            say.ExhaustPorts: hosts.exhaust_ports,
            say.FreePorts: hosts.free_ports,
            say.FindsPort: hosts.finds_port,
        }

    async def do(self, request: say.Requests) -> object:
        """Carry out one request; returns its value, or a connected socket for `Dial`.

        Raises:
            LabError: It cannot be done; the message says why. A lab whose WAN is dead starts, cuts and reports nothing.
            ConnectionError: `Dial` was refused or not answered.
        """
        if isinstance(request, _NEED_WAN):
            self.hosts.check_wan()
        act = self._acts[type(request)]
        if not isinstance(request, _IN_ORDER):
            return await act(request)
        async with self._order:
            return await act(request)

    async def _status(self, _: say.Status) -> say.WorldStatus:
        return say.WorldStatus(
            isolation="namespaces" if self.hosts.network else "loopback",
            kept=self.kept,
            hosts=self.hosts.statuses(),
            members=self.members.statuses(),
        )

    async def _memory(self, _: say.Memory) -> int:
        return self.members.memory_bytes()

    async def _keep(self, _: say.Keep) -> None:
        self.kept = True

    async def _down(self, _: say.Down) -> None:
        """Answered first; the control socket then ends the lab."""
