"""Luck for sessions: their words are not to be guessed, and never the same in two processes."""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom
from typing import TypeVar

T = TypeVar("T")


class Luck:
    """The machine's own randomness."""

    def __init__(self) -> None:
        self._random = SystemRandom()

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        return self._random.uniform(low, high)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return self._random.choice(items)
