"""Minimal cut sets: exact counts of what nobody could list, the likeliest ones first, and what has none."""

import itertools
import math

import pytest

from bascule.availability.structure import Basic, Event, Fixed, Node, Not, Structure, all_of, any_of, at_least
from bascule.availability.trees.cut_sets import CutSets, cut_sets, dual, path_sets
from bascule.availability.trees.solving import solve
from bascule.kernel.errors import InputError


def never() -> bool:
    return False


def tree(top: Node, **shares: float) -> Structure:
    return Structure(top, {name: Event(share) for name, share in shares.items()})


A, B, C, D = (Basic(name) for name in "ABCD")


def check(found: CutSets, expected: dict[tuple[str, ...], float]) -> None:
    """These and no others, the likeliest first."""
    sets = found.top(len(expected) + 1).sets
    assert [one.events for one in sets] == list(expected)
    assert [one.probability for one in sets] == pytest.approx(list(expected.values()), rel=1e-12)


def test_a_set_that_contains_another_is_none() -> None:
    found = cut_sets(tree(any_of(A, all_of(A, B), all_of(B, C)), A=0.1, B=0.2, C=0.3), expired=never)
    check(found, {("A",): 0.1, ("B", "C"): 0.06})
    assert found.by_order == {1: 1, 2: 1}
    assert found.single_points == ("A",)


def test_a_single_point_is_found_in_the_modules_of_modules() -> None:
    inner = any_of(B, all_of(C, D))
    assert cut_sets(tree(any_of(A, inner), A=0.1, B=0.1, C=0.1, D=0.1), expired=never).single_points == ("A", "B")
    assert cut_sets(tree(all_of(A, inner), A=0.1, B=0.1, C=0.1, D=0.1), expired=never).single_points == ()


def wide(groups: int, size: int) -> Structure:
    """All of many groups must fail, each of which fails when half of it does: astronomically many cut sets."""
    names = [[f"g{group}-{number}" for number in range(size)] for group in range(groups)]
    shares = {name: Event(0.01 + 0.001 * number) for group in names for number, name in enumerate(group)}
    return Structure(all_of(*(at_least(size // 2, *map(Basic, group)) for group in names)), shares)


def test_as_many_as_nobody_could_list_are_counted_exactly() -> None:
    found = cut_sets(wide(50, 20), expired=never)
    assert found.count == math.comb(20, 10) ** 50
    assert found.by_order == {500: found.count}
    assert found.nodes < 10_000


def test_the_likeliest_of_them_are_found_without_the_others() -> None:
    listing = cut_sets(wide(5, 20), expired=never).top(6)
    assert not listing.complete
    likeliest = math.prod(0.01 + 0.001 * number for number in range(10, 20)) ** 5
    assert listing.sets[0].probability == pytest.approx(likeliest, rel=1e-12)
    # Next are those in which one group has its 11th likeliest event instead of its 10th: one for each group.
    assert [one.probability for one in listing.sets[1:]] == pytest.approx([likeliest * 0.019 / 0.020] * 5, rel=1e-12)


def test_sets_that_never_happen_come_last_but_they_come() -> None:
    found = cut_sets(tree(any_of(all_of(A, B), C, all_of(A, D)), A=0.0, B=0.5, C=0.25, D=0.0), expired=never).top(9)
    assert [one.probability for one in found.sets] == [0.25, 0.0, 0.0]
    assert found.complete


def test_what_is_certain_has_the_empty_set_or_none() -> None:
    for top, count in ((Fixed(failed=True), 1), (Fixed(failed=False), 0)):
        found = cut_sets(tree(top), expired=never)
        assert found.count == count
        assert len(found.top(9).sets) == count
        assert found.single_points == ()
        assert found.by_order == ({0: 1} if count else {})


def test_a_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"has a NOT.*probabilities and importances"):
        cut_sets(tree(any_of(all_of(A, Not(B)), all_of(B, C)), A=0.1, B=0.1, C=0.1), expired=never)


def test_beyond_the_limits_there_is_an_error_that_says_which() -> None:
    names = [f"e{number}" for number in range(12)]
    pairs = any_of(*(all_of(Basic(one), Basic(other)) for one, other in itertools.combinations(names, 2)))
    with pytest.raises(InputError, match="allow more nodes or more time"):
        cut_sets(Structure(pairs, dict.fromkeys(names, Event(0.1))), expired=lambda: True)


def test_path_sets_are_what_keeps_it_up() -> None:
    found = path_sets(tree(any_of(A, all_of(B, C)), A=0.1, B=0.2, C=0.3), expired=never)
    check(found, {("A", "B"): 0.9 * 0.8, ("A", "C"): 0.9 * 0.7})


def test_the_dual_fails_as_likely_as_the_other_does_not() -> None:
    structure = tree(any_of(all_of(A, Not(B)), at_least(2, B, C, D)), A=0.1, B=0.2, C=0.3, D=0.4)
    total = solve(structure, expired=never).unavailability
    assert solve(dual(structure), expired=never).unavailability == pytest.approx(1 - total, rel=1e-12)
