"""What a structure does when events have happened, one at a time and many at once."""

from __future__ import annotations

from itertools import combinations

import pytest

from bascule.availability.structure import (
    Basic,
    Event,
    Fixed,
    Gate,
    Node,
    Not,
    Structure,
    all_of,
    any_of,
    at_least,
    fails,
    fatal,
)

A, B, C, D = (Basic(name) for name in "abcd")
NAMES = ("a", "b", "c", "d")
TOPS: dict[str, Node] = {
    "series": any_of(A, B, C, D),
    "parallel": all_of(A, B, C, D),
    "2 of 4": at_least(2, A, B, C, D),
    "bridge": any_of(all_of(A, B), all_of(C, D), all_of(A, D, C)),
    "shared": all_of(any_of(A, B), any_of(B, C)),
    "not": any_of(all_of(A, Not(B)), C),
    "constants": any_of(all_of(A, Fixed(failed=True)), all_of(B, Fixed(failed=False))),
    "always": Gate(0, (A,)),
    "never": at_least(5, A, B, C, D),
}


@pytest.mark.parametrize("top", TOPS.values(), ids=TOPS)
def test_each_candidate_is_fatal_exactly_when_its_failure_is(top: Node) -> None:
    structure = Structure(top, {name: Event(0.1) for name in NAMES})
    for size in range(4):
        for down in map(frozenset, combinations(NAMES, size)):
            candidates = [name for name in NAMES if name not in down]
            expected = tuple(name for name in candidates if fails(structure, down | {name}))
            assert fatal(structure, down, candidates) == expected
