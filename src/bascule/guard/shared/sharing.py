"""What sharing circuits and sharing rates have in common: a store, and the thread that talks to it until closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from bascule.guard.shared.courier import Courier
from bascule.guard.shared.store import CircuitStore, PermitStore


class Sharing:
    """Something shared over a store, to be closed when it is not needed any more."""

    _store: CircuitStore | PermitStore
    _courier: Courier

    def leave(self) -> None:
        """Drop the connection."""
        self._store.leave()

    def _store_forked(self) -> None:
        forked: Callable[[], None] = getattr(self._store, "forked", self._store.leave)
        forked()

    def close(self, within_s: float = 2.0) -> bool:
        """End the thread: each process decides alone then. False when it still waits for an answer."""
        return self._courier.close(within_s)

    def __enter__(self) -> Self:
        """Give it out; it is closed at the end of the block."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End the thread."""
        self.close()
