"""Sifting: the diagram gets smaller, and what its nodes mean stays."""

import itertools
import random

import pytest

from bascule.availability.trees.diagram import Diagrams
from bascule.availability.trees.sifting import Sifting


def never() -> bool:
    return False


def pairs(count: int) -> tuple[Diagrams, int]:
    """An OR of pairs, all firsts decided on before all seconds: the order that makes it largest."""
    made = Diagrams(range(2 * count), 1_000_000, never)
    whole = 0
    for number in range(count):
        whole = made.join(whole, made.meet(made.variable(number), made.variable(number + count)))
    return made, whole


def meaning(sifting: Sifting, root: int, count: int) -> list[int]:
    """What the root leads to in every state."""
    order, level, low, high = sifting.order, sifting.variable, sifting.low, sifting.high
    assert sorted(order) == list(range(count))
    found = []
    for state in itertools.product((False, True), repeat=count):
        node = root
        while node > 1:
            node = high[node] if state[level[node]] else low[node]
        found.append(node)
    return found


def sifting_of(made: Diagrams, root: int) -> tuple[Sifting, int]:
    diagram = made.finished(root)
    return (
        Sifting(list(diagram.order), list(diagram.level), list(diagram.low), list(diagram.high), [diagram.root]),
        diagram.root,
    )


def test_pairs_that_belong_together_are_brought_together() -> None:
    made, whole = pairs(6)
    sifting, _ = sifting_of(made, whole)
    before = sifting.size
    sifting.sift(never)
    assert before == 2 ** (6 + 1) - 2
    assert sifting.size == 2 * 6
    assert all(abs(sifting.order.index(number) - sifting.order.index(number + 6)) == 1 for number in range(6))


@pytest.mark.parametrize("seed", range(5))
def test_swaps_at_random_change_no_meaning_and_keep_the_count(seed: int) -> None:
    made, whole = pairs(4)
    whole = made.choose(made.variable(seed), whole, made.join(made.variable(7 - seed), made.variable(3)))
    sifting, root = sifting_of(made, whole)

    before = meaning(sifting, root, 8)
    dice = random.Random(seed)  # noqa: S311 - luck that repeats
    for _ in range(60):
        sifting.swap(dice.randrange(7))
        reached = {root}
        stack = [root]
        while stack:
            node = stack.pop()
            for way in (sifting.low[node], sifting.high[node]):
                if way > 1 and way not in reached:
                    reached.add(way)
                    stack.append(way)
            places = [
                sifting.order.index(sifting.variable[one]) for one in (sifting.low[node], sifting.high[node]) if one > 1
            ]
            assert all(place > sifting.order.index(sifting.variable[node]) for place in places)
        assert sifting.size == len(reached)
    assert meaning(sifting, root, 8) == before


def test_it_stops_when_time_is_up() -> None:
    made, whole = pairs(5)
    sifting, _ = sifting_of(made, whole)
    before = sifting.size
    sifting.sift(lambda: True)
    assert sifting.size == before
