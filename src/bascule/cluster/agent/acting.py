"""What a driver has done in the world, and by whom: the port between leases and what follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bascule.cluster.decisions.events import Event

Hear = Callable[[Event], None]
"""Tells the driver what happened. May be called at any time in its event loop."""


class Acting(Protocol):
    """Carries out what the decisions want done. No call blocks: each is answered by an event, now or later."""

    def promote(self, group: str, token: int, until_s: float, hear: Hear) -> None:
        """Make the group active here; answered by `Promoted` or `PromotingFailed`."""
        ...

    def extend(self, until_s: float) -> None:
        """The validity of every group that is active here ends at `until_s`."""
        ...

    def demote(self, group: str, token: int, until_s: float, why: str, hear: Hear) -> None:
        """Make the group passive here, before `until_s` if that is finite; answered by `Demoted` or `DemotingFailed`.

        What is still being promoted is given up first. May come again, with an earlier end.
        """
        ...

    def announce(self) -> None:
        """Say again to the network who holds the addresses of the active groups."""
        ...

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        """Cut a peer off for sure; answered by `Fenced`."""
        ...


class Asking(Protocol):
    """The way to the other agents, without the store."""

    def ask(self, session: str, number: int, witnesses: tuple[str, ...]) -> None:
        """Ask the witnesses whether this agent may go on; each one that confirms is an event `Confirmed`."""
        ...

    def confirm(self, peer: str, session: str, number: int) -> None:
        """Answer a peer that it may go on."""
        ...
