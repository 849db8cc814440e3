"""Which of several equal servers to ask: the nearest first, and none that has just failed. Pure."""

from __future__ import annotations

from taskmanagerpro.settings import Address


class Nearest:
    """Addresses in order of distance; one that failed is left alone for a while: its silence costs one call."""

    def __init__(self, addresses: tuple[Address, ...], *, rest_s: float) -> None:
        self.addresses = addresses
        self._rest_s = rest_s
        self._resting_until_s: dict[Address, float] = {}

    def to_ask(self, now_s: float) -> tuple[Address, ...]:
        """The addresses worth asking now, nearest first; empty while all of them rest."""
        return tuple(a for a in self.addresses if self._resting_until_s.get(a, now_s) <= now_s)

    def failed(self, address: Address, now_s: float) -> None:
        """Leave this address alone for the resting time."""
        self._resting_until_s[address] = now_s + self._rest_s

    def answered(self, address: Address) -> None:
        """This address works: stop its rest."""
        self._resting_until_s.pop(address, None)
