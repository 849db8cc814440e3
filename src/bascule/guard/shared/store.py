"""What a shared store must be able to do: two questions, each answered in one step for all processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bascule.guard.shared.permits import Answer, Ask
from bascule.guard.shared.records import Exchange, Offer
from bascule.kernel.errors import BasculeError


class StoreLostError(BasculeError):
    """The store did not answer, or not with what was asked. Its text names no password."""


class Connected(Protocol):
    """A connection to a store. One thread at a time uses it, and no guarded call does."""

    def ping(self) -> None:
        """Answer, or raise StoreLostError."""
        ...  # pragma: no cover - a protocol has no body

    def leave(self) -> None:
        """Drop the connection; the next question makes a new one. Never raises."""
        ...  # pragma: no cover - as above


class CircuitStore(Connected, Protocol):
    """The newest state of each circuit."""

    def exchange(self, offers: Sequence[Offer], keep_s: float) -> list[Exchange]:
        """Offer what one process has, and get what counts for all, in the order of the offers.

        Raises:
            StoreLostError: There is no answer.
        """
        ...  # pragma: no cover - as above


class PermitStore(Connected, Protocol):
    """Permits that are given to one process or another, never to two."""

    def lease(self, asks: Sequence[Ask]) -> list[Answer]:
        """Charge what was spent and take permits, in the order of the asks.

        Raises:
            StoreLostError: There is no answer.
        """
        ...  # pragma: no cover - as above
