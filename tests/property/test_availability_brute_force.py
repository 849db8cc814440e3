"""The solver of fault trees against the counting of all states: random structures, coherent ones and others."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.availability.solving import solve
from bascule.availability.structure import Basic, Event, Fixed, Gate, Node, Not, Structure

Draw = Callable[[st.SearchStrategy[Any]], Any]
SHARES = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-12, 1e-6, 0.5, 1 - 1e-9]))


@st.composite
def structures(draw: Draw, *, coherent: bool = True, most: int = 8) -> Structure:
    names = [f"e{number}" for number in range(draw(st.integers(1, most)))]
    nodes: list[Node] = [Basic(name) for name in names]
    if draw(st.booleans()):
        nodes.append(Fixed(draw(st.booleans())))
    for _ in range(draw(st.integers(0, 9))):
        children = draw(st.lists(st.sampled_from(nodes), min_size=0, max_size=5))
        if not coherent and children and draw(st.integers(0, 3)) == 0:
            nodes.append(Not(children[0]))
        else:
            nodes.append(Gate(draw(st.integers(0, len(children) + 1)), tuple(children)))
    events = {name: Event(draw(SHARES), part=draw(st.sampled_from(["a", "b", ""]))) for name in names}
    return Structure(nodes[-1], events)


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
@settings(max_examples=150, deadline=None)
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
@settings(max_examples=300, deadline=None)
def test_bounds_contain_the_truth_however_tight_the_limits(structure: Structure, nodes: int, is_late: bool) -> None:
    solution = solve(structure, expired=always if is_late else never, most_nodes=nodes)
    truth = states(structure, {})
    assert solution.lower * (1 - 1e-13) <= truth <= solution.upper * (1 + 1e-13)
    assert 0 <= solution.lower <= solution.unavailability <= solution.upper <= 1
