"""Faults of the network between hosts. Pure."""

from __future__ import annotations

import itertools
from typing import ClassVar

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


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
