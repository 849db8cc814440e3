"""Thousands of bad days in simulated time: nobody acts beside somebody else, and after the last fault somebody acts."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.sim.leases.faults import OPERATORS_FROM, live
from tests.sim.leases.mutants import MUTANTS
from tests.sim.leases.parts import Mutation, ViolationError

SEEDS = int(os.environ.get("BASCULE_SIM_SEEDS", "500"))
AT_ONCE = 50
KEPT = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "lease_seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
MOST_FOR_A_MUTANT = 120
FIRST = [*range(0, SEEDS, AT_ONCE), *range(OPERATORS_FROM, OPERATORS_FROM + SEEDS // 2, AT_ONCE)]


@pytest.mark.parametrize("first", FIRST)
def test_nobody_acts_beside_somebody_else_and_somebody_acts_in_the_end(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        try:
            live(seed)
        except ViolationError as violation:
            raise AssertionError(f"python -m tests.sim.leases {seed}: {violation}") from violation


@pytest.mark.parametrize("seed", KEPT)
def test_a_seed_that_once_broke_something_does_so_no_more(seed: int) -> None:
    live(seed)


def test_a_seed_gives_the_same_world_again() -> None:
    first, second = live(7), live(7)
    assert first.trace == second.trace
    assert len(first.trace) > 50
    assert live(8).trace != first.trace


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Callable[[], AbstractContextManager[Mutation]]) -> None:
    for seed in (*KEPT, *range(MOST_FOR_A_MUTANT), *range(OPERATORS_FROM, OPERATORS_FROM + MOST_FOR_A_MUTANT)):
        try:
            with mutant() as mutation:
                live(seed, mutation)
        except ViolationError:
            return
    raise AssertionError(f"{mutant.__doc__} Nobody noticed.")
