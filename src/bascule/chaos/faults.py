"""The faults: what each needs of its platform, does, is witnessed by, and how it is undone.

A fault is data: it can be written into the journal before it acts, and undone by another process from there.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

from msgspec import Struct

from bascule.chaos.platform import Platform
from bascule.kernel.errors import FaultError


class Witness(Struct, frozen=True, kw_only=True):
    """Whether something was seen, and what was looked at."""

    seen: bool
    evidence: tuple[str, ...]


class Fault(Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    """Something that can be done to a system, seen to act, and undone. Every call is idempotent and bounded in time."""

    NEEDS: ClassVar[frozenset[str]] = frozenset()
    DOES: ClassVar[str] = ""
    SEEN_BY: ClassVar[str] = ""
    UNDONE_BY: ClassVar[str] = ""

    @classmethod
    def kind(cls) -> str:
        """Its name in the journal and for people."""
        return str(cls.__struct_config__.tag)

    def steps(self) -> tuple[str, ...]:
        """What would be done, in words, for a dry run."""
        return ()

    def ready(self, platform: Platform) -> Witness:
        """Whether its effect could be told from the present state: a host that is cut off already cannot be lost."""
        raise AssertionError(platform)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Do it. Returns the pids that were hit, where there are any."""
        raise AssertionError(platform)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Whether it acts now."""
        raise AssertionError(platform, hit)

    def undo(self, platform: Platform) -> None:
        """Take it back."""
        raise AssertionError(platform)

    def undone(self, platform: Platform) -> Witness:
        """Whether nothing of it is left."""
        raise AssertionError(platform)


class ProcessKill(Fault, frozen=True, kw_only=True, tag="process-kill"):
    """SIGKILL to every process of a member; it stays down until the undo."""

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "SIGKILL to every process of the member"
    SEEN_BY: ClassVar = "processes were hit, and none of the member's lives"
    UNDONE_BY: ClassVar = "starting the member again"

    member: str

    def steps(self) -> tuple[str, ...]:
        """One kill."""
        return (f"kill -9 every process of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs."""
        return _runs(platform, self.member)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Kill the whole tree."""
        return platform.kill(self.member)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Something was hit, and nothing lives."""
        alive = platform.processes(self.member)
        return Witness(
            seen=bool(hit) and not alive,
            evidence=(f"{len(hit)} processes of {self.member} were hit", f"{len(alive)} of them live"),
        )

    def undo(self, platform: Platform) -> None:
        """Start the member again."""
        platform.start(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return _runs(platform, self.member)


class MainProcessKill(Fault, frozen=True, kw_only=True, tag="process-kill-main"):
    """SIGKILL to the process that does the work, alone; its keeper, if it has one, may start it again."""

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "SIGKILL to the member's main process alone"
    SEEN_BY: ClassVar = "the process was hit, and is gone"
    UNDONE_BY: ClassVar = "its keeper; if the whole member is down, starting it again"

    member: str
    command: str

    def steps(self) -> tuple[str, ...]:
        """One kill."""
        return (f"kill -9 the topmost {self.command} of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member has a process of that command."""
        commands = {process.command for process in platform.processes(self.member)}
        told = f"{self.member} runs {', '.join(sorted(commands)) or 'nothing'}"
        return Witness(seen=self.command in commands, evidence=(f"{told}; {self.command!r} is aimed at",))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Kill the topmost process of that command.

        Raises:
            FaultError: No command is named; to a platform that means the whole tree.
        """
        if not self.command:
            raise FaultError(f"{self.member} has no main process that is known by name", hint="kill it whole instead")
        return platform.kill(self.member, command=self.command)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """It was hit, and its pid is gone."""
        alive = {process.pid for process in platform.processes(self.member)}
        left = [pid for pid in hit if pid in alive]
        return Witness(
            seen=bool(hit) and not left,
            evidence=(f"{len(hit)} processes {self.command} of {self.member} were hit", f"{len(left)} of them live"),
        )

    def undo(self, platform: Platform) -> None:
        """Start the member if its keeper is down too."""
        platform.start(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return _runs(platform, self.member)


class ProcessFreeze(Fault, frozen=True, kw_only=True, tag="process-freeze"):
    """SIGSTOP to every process of a member: connections stay open, nobody answers."""

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "SIGSTOP to every process of the member"
    SEEN_BY: ClassVar = "every thread of every process of the member is stopped"
    UNDONE_BY: ClassVar = "SIGCONT"

    member: str

    def steps(self) -> tuple[str, ...]:
        """One freeze."""
        return (f"stop every process of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs, and nothing of it is frozen."""
        states = [process.state for process in platform.processes(self.member)]
        told = f"{states.count('frozen')} of {len(states)} processes of {self.member} are frozen"
        return Witness(seen=bool(states) and "frozen" not in states, evidence=(told,))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Stop the whole tree."""
        return platform.freeze(self.member)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """All are frozen."""
        states = [process.state for process in platform.processes(self.member)]
        frozen = states.count("frozen")
        return Witness(
            seen=bool(hit) and bool(states) and frozen == len(states),
            evidence=(f"{frozen} of {len(states)} processes of {self.member} are frozen",),
        )

    def undo(self, platform: Platform) -> None:
        """Let them go on."""
        platform.thaw(self.member)

    def undone(self, platform: Platform) -> Witness:
        """None is frozen."""
        frozen = [process.pid for process in platform.processes(self.member) if process.state == "frozen"]
        return Witness(seen=not frozen, evidence=(f"{len(frozen)} processes of {self.member} are frozen",))


class PowerLoss(Fault, frozen=True, kw_only=True, tag="power-loss"):
    """Hosts are lost at once: their wires are cut, then everything on them is killed. One host, a zone, a region."""

    NEEDS: ClassVar = frozenset({"process", "host"})
    DOES: ClassVar = "cuts the hosts' wires, then SIGKILL to everything on them"
    SEEN_BY: ClassVar = "no process of theirs lives, and no datagram from a host that stands reaches them"
    UNDONE_BY: ClassVar = "plugging the wires in and starting what ran there"

    hosts: tuple[str, ...]

    def steps(self) -> tuple[str, ...]:
        """One step a host."""
        return tuple(f"cut the power of {host}" for host in self.hosts)

    def ready(self, platform: Platform) -> Witness:
        """Every host is reached from one that stands."""
        outside, reached = self._reached(platform)
        told = f"{outside or 'nobody'} reaches {len(reached)} of {len(self.hosts)} hosts"
        return Witness(seen=bool(reached) and len(reached) == len(self.hosts), evidence=(told,))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Power off; what ran there counts as hit."""
        members = [member for host in self.hosts for member in platform.members(host)]
        doomed = tuple(process.pid for member in members for process in platform.processes(member))
        platform.power_off(self.hosts)
        return doomed

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Something ran there, nothing of it lives, and no host is reached from one that stands."""
        down, alive = self._members(platform)
        outside, reached = self._reached(platform)
        return Witness(
            seen=bool(hit) and bool(down) and not alive and bool(outside) and not reached,
            evidence=(
                f"{len(hit)} processes were hit; {len(alive)} of their {len(alive) + len(down)} members live",
                f"{outside or 'nobody'} reaches {len(reached)} of {len(self.hosts)} hosts",
            ),
        )

    def undo(self, platform: Platform) -> None:
        """Power on."""
        platform.power_on(self.hosts)

    def undone(self, platform: Platform) -> Witness:
        """Every member runs again, and every host is reached."""
        down, _ = self._members(platform)
        outside, reached = self._reached(platform)
        return Witness(
            seen=not down and (not outside or len(reached) == len(self.hosts)),
            evidence=(
                f"{len(down)} members are down",
                f"{outside or 'nobody'} reaches {len(reached)} of {len(self.hosts)} hosts",
            ),
        )

    def _members(self, platform: Platform) -> tuple[list[str], list[str]]:
        """The members of these hosts that are down, and those that live."""
        down: list[str] = []
        alive: list[str] = []
        for host in self.hosts:
            for member in platform.members(host):
                (alive if platform.processes(member) else down).append(member)
        return down, alive

    def _reached(self, platform: Platform) -> tuple[str, list[str]]:
        """A host that stands, if there is one, and which of the lost hosts it reaches."""
        outside = next((host for host in platform.hosts() if host not in self.hosts), "")
        return outside, [host for host in self.hosts if outside and platform.reachable(outside, host)]


class Partition(Fault, frozen=True, kw_only=True, tag="partition"):
    """A set of hosts is cut off from all others; inside each side all flows; packets vanish without an answer."""

    NEEDS: ClassVar = frozenset({"network"})
    DOES: ClassVar = "drops every packet between these hosts and all others"
    SEEN_BY: ClassVar = "no datagram crosses in either direction, while datagrams inside still arrive"
    UNDONE_BY: ClassVar = "letting packets through again"

    hosts: tuple[str, ...]

    def steps(self) -> tuple[str, ...]:
        """One cut."""
        return (f"cut {', '.join(self.hosts)} off from all other hosts",)

    def ready(self, platform: Platform) -> Witness:
        """Everything crosses, and flows inside each side."""
        outside = self._outside(platform)
        crossed, tried = self._crossing(platform, outside)
        return Witness(
            seen=crossed == tried > 0 and self._flows(platform, outside),
            evidence=(f"{crossed} of {tried} datagrams crossed",),
        )

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Cut."""
        platform.partition(self.hosts)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - packets, not pids, are hit
        """Nothing crosses; inside each side, everything flows."""
        outside = self._outside(platform)
        crossed, tried = self._crossing(platform, outside)
        flows = self._flows(platform, outside)
        return Witness(
            seen=tried > 0 and crossed == 0 and flows,
            evidence=(
                f"{crossed} of {tried} datagrams crossed",
                f"inside each side they {'still' if flows else 'do not'} arrive",
            ),
        )

    def undo(self, platform: Platform) -> None:
        """Heal."""
        platform.heal()

    def undone(self, platform: Platform) -> Witness:
        """Everything crosses again."""
        crossed, tried = self._crossing(platform, self._outside(platform))
        return Witness(seen=crossed == tried, evidence=(f"{crossed} of {tried} datagrams crossed",))

    def _outside(self, platform: Platform) -> list[str]:
        return [host for host in platform.hosts() if host not in self.hosts]

    def _crossing(self, platform: Platform, outside: list[str]) -> tuple[int, int]:
        """How many datagrams crossed, of how many: each host inside with one outside, each time another, both ways."""
        pairs = list(zip(self.hosts, itertools.cycle(outside), strict=False))
        if len(self.hosts) == 1:
            pairs += [(self.hosts[0], other) for other in outside[1:2]]
        both = [*pairs, *((outer, inner) for inner, outer in pairs)]
        return sum(platform.reachable(source, target) for source, target in both), len(both)

    def _flows(self, platform: Platform, outside: list[str]) -> bool:
        sides = (self.hosts, outside)
        return all(platform.reachable(side[0], side[1]) for side in sides if len(side) > 1)


def _runs(platform: Platform, member: str) -> Witness:
    alive = platform.processes(member)
    return Witness(seen=bool(alive), evidence=(f"{len(alive)} processes of {member} live",))


AnyFault = ProcessKill | MainProcessKill | ProcessFreeze | PowerLoss | Partition
KINDS: tuple[type[Fault], ...] = (ProcessKill, MainProcessKill, ProcessFreeze, PowerLoss, Partition)
