"""Seeded dice repeat themselves; loaded dice fall as told."""

from __future__ import annotations

import pytest

from bascule.kernel.dice import LoadedDice, SeededDice


def test_the_same_seed_falls_the_same_way() -> None:
    first, second = SeededDice(7), SeededDice(7)
    assert [first.uniform(0, 10) for _ in range(5)] == [second.uniform(0, 10) for _ in range(5)]
    assert [first.choice("abc") for _ in range(5)] == [second.choice("abc") for _ in range(5)]
    assert first.seed == 7


def test_rolls_stay_within_their_range() -> None:
    dice = SeededDice(1)
    assert all(2 <= dice.uniform(2, 3) <= 3 for _ in range(100))
    assert {dice.choice([1, 2]) for _ in range(100)} == {1, 2}


def test_loaded_dice_fall_as_told_and_no_further() -> None:
    dice = LoadedDice([0.5, 0.0, 0.99])
    assert dice.uniform(10, 20) == 15
    assert dice.choice("abc") == "a"
    assert dice.choice("abc") == "c"
    with pytest.raises(AssertionError, match="fewer rolls"):
        dice.uniform(0, 1)
