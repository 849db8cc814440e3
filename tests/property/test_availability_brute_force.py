"""The solver of fault trees against the counting of all states: random structures, coherent ones and others."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.availability.structure import Basic, Event, Fixed, Gate, Node, Not, Structure
from bascule.availability.trees.bounds import bounded
from bascule.availability.trees.cut_sets import cut_sets, path_sets
from bascule.availability.trees.importance import Importance, importances
from bascule.availability.trees.modules import whole
from bascule.availability.trees.network import flat
from bascule.availability.trees.solving import solve

Draw = Callable[[st.SearchStrategy[Any]], Any]
# No shares so small that products of them have no digits left.
SHARES = st.one_of(st.floats(1e-6, 1), st.sampled_from([0.0, 1.0, 1e-12, 0.5, 1 - 1e-9]))


@st.composite
def structures(draw: Draw, *, coherent: bool = True, most: int = 8) -> Structure:
    """Gates over events and other gates, in most of which each child may matter; all of them are below the top."""
    names = [f"e{number}" for number in range(draw(st.integers(1, most)))]
    nodes: list[Node] = [Basic(name) for name in names]
    if draw(st.integers(0, 4)) == 0:
        nodes.append(Fixed(draw(st.booleans())))
    unused = list(nodes)
    for _ in range(draw(st.integers(1, 9))):
        children = draw(st.lists(st.sampled_from(nodes), min_size=2, max_size=4))
        if not coherent and draw(st.integers(0, 4)) == 0:
            made: Node = Not(children[0])
        elif draw(st.integers(0, 9)) == 0:
            made = Gate(draw(st.integers(0, len(children) + 1)), tuple(children))
        else:
            made = Gate(draw(st.integers(1, len(children))), tuple(children))
        unused = [node for node in unused if node not in children]
        unused.append(made)
        nodes.append(made)
    top = Gate(draw(st.integers(1, min(2, len(unused)))), tuple(unused))
    events = {name: Event(draw(SHARES), part=draw(st.sampled_from(["a", "b", ""]))) for name in names}
    return Structure(top, events)


def fails(node: Node, state: dict[str, bool]) -> bool:
    if isinstance(node, Fixed):
        return node.failed
    if isinstance(node, Basic):
        return state[node.name]
    if isinstance(node, Not):
        return not fails(node.child, state)
    return sum(fails(child, state) for child in node.children) >= node.least


def states(structure: Structure, fixed: dict[str, bool]) -> float:
    """The probability of failure with some events fixed, all states counted."""
    free = [name for name in structure.events if name not in fixed]
    total = 0.0
    for values in itertools.product((False, True), repeat=len(free)):
        state = {**dict(zip(free, values, strict=True)), **fixed}
        if fails(structure.top, state):
            weight = 1.0
            for name in free:
                share = structure.events[name].unavailability
                weight *= share if state[name] else 1 - share
            total += weight
    return total


def never() -> bool:
    return False


def always() -> bool:
    return True


@pytest.mark.parametrize("engine", ["own", "oxidd"])
@given(structure=structures(coherent=False))
@settings(max_examples=60, deadline=None)
def test_the_probability_and_every_birnbaum_importance_are_those_of_all_states_counted(
    engine: Any, structure: Structure
) -> None:
    solution = solve(structure, expired=never, engine=engine)
    assert solution.method == ("bdd" if engine == "own" else "oxidd")
    assert solution.unavailability == pytest.approx(states(structure, {}), rel=1e-9, abs=0)
    assert solution.lower == solution.upper == solution.unavailability
    for name, share in solution.birnbaum.items():
        with_it, without = states(structure, {name: True}), states(structure, {name: False})
        assert share == pytest.approx(with_it - without, rel=1e-9, abs=1e-14)
    assert set(solution.birnbaum) <= set(structure.events)


@given(structure=structures(coherent=False), nodes=st.integers(1, 12), is_late=st.booleans())
@settings(max_examples=60, deadline=None)
def test_bounds_contain_the_truth_however_tight_the_limits(structure: Structure, nodes: int, is_late: bool) -> None:
    solution = solve(structure, expired=always if is_late else never, most_nodes=nodes)
    truth = states(structure, {})
    assert solution.lower * (1 - 1e-13) <= truth <= solution.upper * (1 + 1e-13)
    assert 0 <= solution.lower <= solution.unavailability <= solution.upper <= 1


@given(structure=structures(coherent=False), cases=st.integers(1, 6), width=st.sampled_from([0.0, 0.1]))
@settings(max_examples=150, deadline=None)
def test_bounds_contain_the_truth_however_few_cases_are_told_apart(
    structure: Structure, cases: int, width: float
) -> None:
    network = flat(structure)
    if network.top < 0:
        return
    module = whole(network)
    shares = [structure.events[network.events[one]].unavailability for one in module.inputs]
    inputs = [(max(0.0, share - width), min(1.0, share + width)) for share in shares]
    low, high = bounded(module, inputs, expired=always, most_cases=cases)
    assert 0 <= low <= high <= 1
    assert low * (1 - 1e-13) <= states(structure, {}) <= high * (1 + 1e-13)


def sets_that_bring_it_down(structure: Structure) -> set[frozenset[str]]:
    """The minimal ones, by trying all sets, smaller ones first."""
    names = sorted(structure.events)
    found: set[frozenset[str]] = set()
    for size in range(len(names) + 1):
        for chosen in map(frozenset, itertools.combinations(names, size)):
            if not any(one <= chosen for one in found) and fails(
                structure.top, {name: name in chosen for name in names}
            ):
                found.add(chosen)
    return found


def sets_that_keep_it_up(structure: Structure) -> set[frozenset[str]]:
    names = sorted(structure.events)
    found: set[frozenset[str]] = set()
    for size in range(len(names) + 1):
        for chosen in map(frozenset, itertools.combinations(names, size)):
            up = not fails(structure.top, {name: name not in chosen for name in names})
            if up and not any(one <= chosen for one in found):
                found.add(chosen)
    return found


@given(structure=structures(most=11))
@settings(max_examples=60, deadline=None)
def test_the_minimal_cut_and_path_sets_are_those_found_by_trying_all(structure: Structure) -> None:
    for expected, found in (
        (sets_that_bring_it_down(structure), cut_sets(structure, expired=never)),
        (sets_that_keep_it_up(structure), path_sets(structure, expired=never)),
    ):
        listing = found.top(10_000)
        assert {frozenset(one.events) for one in listing.sets} == expected
        assert len(listing.sets) == found.count == len(expected)
        assert listing.complete
        assert found.by_order == {
            order: sum(len(one) == order for one in expected) for order in {len(one) for one in expected}
        }
        chances = [one.probability for one in listing.sets]
        assert chances == sorted(chances, reverse=True)
        assert {(name,) for name in found.single_points} == {tuple(one) for one in expected if len(one) == 1}


@given(structure=structures(most=11), number=st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_the_likeliest_cut_sets_are_the_first_of_all_of_them(structure: Structure, number: int) -> None:
    found = cut_sets(structure, expired=never)
    every, some = found.top(10_000), found.top(number)
    assert [one.probability for one in some.sets] == pytest.approx(
        [one.probability for one in every.sets[:number]], rel=1e-9, abs=0
    )
    assert some.complete == (found.count <= number)


def ratio(above: float, below: float, of_nothing: float) -> float:
    return above / below if below else float("inf") if above > 0 else of_nothing


def check(one: Importance, structure: Structure, group: set[str], total: float) -> None:
    failed, perfect = (states(structure, dict.fromkeys(group, value)) for value in (True, False))
    assert one.failed == pytest.approx(failed, rel=1e-9, abs=0)
    assert one.perfect == pytest.approx(perfect, rel=1e-9, abs=0)
    assert one.birnbaum == pytest.approx(failed - perfect, rel=1e-9, abs=1e-14)
    assert one.improvement == pytest.approx(total - perfect, rel=1e-9, abs=1e-14)
    assert one.risk_achievement == pytest.approx(ratio(failed, total, 1.0), rel=1e-9)
    assert one.risk_reduction == pytest.approx(ratio(total, perfect, 1.0), rel=1e-9)
    if total > 1e-4:
        assert one.criticality == pytest.approx((total - perfect) / total, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("engine", ["own", "oxidd"])
@given(structure=structures(coherent=False, most=7))
@settings(max_examples=50, deadline=None)
def test_every_importance_of_events_and_parts_is_that_of_all_states_counted(engine: Any, structure: Structure) -> None:
    found = importances(structure, expired=never, engine=engine)
    total = states(structure, {})
    for one in found.events:
        check(one, structure, {one.name}, total)
    known = {one.name for one in found.events}
    parts = {event.part for name, event in structure.events.items() if name in known} - {""}
    assert {one.name for one in found.parts} == parts
    for one in found.parts:
        check(one, structure, {name for name in known if structure.events[name].part == one.name}, total)


@given(structure=structures(most=8))
@settings(max_examples=50, deadline=None)
def test_fussell_vesely_is_the_union_of_the_cut_sets_with_the_event_over_all(structure: Structure) -> None:
    found = importances(structure, expired=never)
    assert found.fussell_vesely == "exact"
    total = states(structure, {})
    cuts = sets_that_bring_it_down(structure)
    known = {one.name for one in found.events}
    groups = {one.name: {one.name} for one in found.events} | {
        one.name: {name for name in known if structure.events[name].part == one.name} for one in found.parts
    }
    for one in (*found.events, *found.parts):
        hit = [cut for cut in cuts if cut & groups[one.name]]
        union = Gate(1, tuple(Gate(len(cut), tuple(Basic(name) for name in cut)) for cut in hit))
        expected = states(Structure(union, structure.events), {})
        assert one.fussell_vesely == pytest.approx(ratio(expected, total, 0.0), rel=1e-9, abs=0)


@given(structure=structures(most=8))
@settings(max_examples=50, deadline=None)
def test_sums_over_cut_sets_are_those_over_the_list_of_them(structure: Structure) -> None:
    found = cut_sets(structure, expired=never)
    every = found.top(10_000).sets
    for name, total in found.containing().items():
        assert total == pytest.approx(sum(one.probability for one in every if name in one.events), rel=1e-9, abs=0)
    part = {name for name, event in structure.events.items() if event.part == "a"}
    (total,) = found.hitting([part])
    assert total == pytest.approx(sum(one.probability for one in every if part & set(one.events)), rel=1e-9, abs=0)
