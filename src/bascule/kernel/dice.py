"""Luck as an argument: the dice port, seeded dice, and loaded dice for tests."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Dice(Protocol):
    """Where luck comes from."""

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`, each equally likely."""
        ...

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        ...


class SeededDice:
    """Dice that fall the same way for the same seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - simulation and sampling, not cryptography

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`, each equally likely."""
        return self._random.uniform(low, high)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely."""
        return self._random.choice(items)


class LoadedDice:
    """Dice that fall as a test says.

    Args:
        shares: Numbers in [0, 1), used up one by one; a roll is that share of its range.
    """

    def __init__(self, shares: Iterable[float]) -> None:
        self._shares = list(shares)

    def _next(self) -> float:
        if not self._shares:
            message = "these dice were loaded for fewer rolls"
            raise AssertionError(message)
        return self._shares.pop(0)

    def uniform(self, low: float, high: float) -> float:
        """The next share of the way from `low` to `high`."""
        return low + (high - low) * self._next()

    def choice(self, items: Sequence[T]) -> T:
        """The item at the next share of the sequence."""
        return items[int(self._next() * len(items))]
