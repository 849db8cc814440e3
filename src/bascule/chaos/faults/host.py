"""Faults of whole hosts: a host, a zone or a region is lost. Pure."""

from __future__ import annotations

from typing import ClassVar

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


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
