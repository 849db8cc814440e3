"""Faults of whole hosts: a host, a zone or a region is lost, for good or for a time. Pure."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.endings import HostBoot
from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


class PowerLoss(Fault, frozen=True, kw_only=True, tag="power-loss"):
    """Hosts are lost at once: their wires are cut, then everything on them is killed. One host, a zone, a region."""

    NEEDS: ClassVar = frozenset({"process", "host", "restart"})
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
        doomed = self._running(platform)
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

    def _running(self, platform: Platform) -> tuple[int, ...]:
        """The pids of everything on these hosts."""
        members = [member for host in self.hosts for member in platform.members(host)]
        return tuple(process.pid for member in members for process in platform.processes(member))

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


class HostReboot(PowerLoss, frozen=True, kw_only=True, tag="host-reboot"):
    """Hosts are lost at once and come back by themselves, as after a power cut: one, a zone, or a region."""

    DOES: ClassVar = "cuts the hosts' wires, SIGKILL to everything on them, and brings all of it up again after a time"
    SEEN_BY: ClassVar = "no process that ran there lives, and each host is away and about to return, or is up anew"
    UNDONE_BY: ClassVar = "coming back by itself, or bringing the hosts up at once"

    down_s: Annotated[float, Meta(ge=0.5, le=600.0)] = 10.0

    def steps(self) -> tuple[str, ...]:
        """One step a host."""
        return tuple(f"cut the power of {host}, and give it back after {self.down_s:g} s" for host in self.hosts)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Power off, for a time; what ran there counts as hit."""
        doomed = self._running(platform)
        platform.reboot(self.hosts, self.down_s)
        return doomed

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Something ran there, nothing of that lives; each host is away for now, or has been."""
        outside, reached = self._reached(platform)
        boots = {host: platform.boot(host) for host in self.hosts}
        left = len(set(self._running(platform)).intersection(hit))
        away = [host for host, boot in boots.items() if boot.returning and not boot.powered and host not in reached]
        back = [host for host, boot in boots.items() if boot.powered and boot.number > 1]
        return Witness(
            seen=bool(hit) and bool(outside) and not left and bool(boots) and len(away) + len(back) == len(boots),
            evidence=(
                f"{len(hit)} processes were hit; {left} of them live",
                f"{outside or 'nobody'} reaches {len(reached)} of {len(self.hosts)} hosts",
                *(f"{host} {_told(boot)}" for host, boot in boots.items()),
            ),
        )

    def undone(self, platform: Platform) -> Witness:
        """Every host is up and reached, and every member runs."""
        boots = [platform.boot(host) for host in self.hosts]
        waiting = sum(not boot.powered for boot in boots)
        whole = super().undone(platform)
        return Witness(seen=whole.seen and not waiting, evidence=(*whole.evidence, f"{waiting} hosts have no power"))


def _told(boot: HostBoot) -> str:
    if boot.powered:
        return f"is up, for the {boot.number}. time"
    return "is away and comes back by itself" if boot.returning else "is away"
