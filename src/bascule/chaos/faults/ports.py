"""Faults of a host's ports: none is left for outgoing connections. Pure."""

from __future__ import annotations

from typing import ClassVar

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform


class PortExhaustion(Fault, frozen=True, kw_only=True, tag="ports-exhausted"):
    """No program on a host can open a further outgoing TCP connection: EADDRNOTAVAIL."""

    NEEDS: ClassVar = frozenset({"network"})
    DOES: ClassVar = "narrows the host's range of local ports to a few, and takes these"
    SEEN_BY: ClassVar = "the kernel finds no local port for a connection tried from the host"
    UNDONE_BY: ClassVar = "giving the host the range that it had"

    host: str

    def steps(self) -> tuple[str, ...]:
        """One range."""
        return (f"leave {self.host} no local port for outgoing connections",)

    def ready(self, platform: Platform) -> Witness:
        """A connection from the host finds a port."""
        return self._look(platform, able=True)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Take its ports; no process is hit."""
        platform.exhaust_ports(self.host)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - no process is hit
        """A connection from the host finds none."""
        return self._look(platform, able=False)

    def undo(self, platform: Platform) -> None:
        """Give them back."""
        platform.free_ports(self.host)

    def undone(self, platform: Platform) -> Witness:
        """A connection from the host finds a port again."""
        return self._look(platform, able=True)

    def _look(self, platform: Platform, *, able: bool) -> Witness:
        found = platform.finds_port(self.host)
        what = "a" if found else "no"
        return Witness(seen=found == able, evidence=(f"a connection from {self.host} finds {what} local port",))
