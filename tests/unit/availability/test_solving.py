"""How likely a system is down: values of textbooks, small ones to the last digit, and what happens at the limits."""

import math
import sys
from collections.abc import Callable

import pytest

from bascule.availability.structure import Basic, Event, Fixed, Gate, Node, Not, Structure, all_of, any_of, at_least
from bascule.availability.trees.solving import Engine, exactly, solve
from bascule.kernel.errors import InputError, MissingProgramError

ENGINES: tuple[Engine, ...] = ("own", "oxidd")
A, B, C, D, E = (Basic(name) for name in "ABCDE")


def never() -> bool:
    return False


def after(calls: int) -> Callable[[], bool]:
    """Time that is up when it was asked for this often."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def tree(top: Node, **shares: float) -> Structure:
    return Structure(top, {name: Event(share) for name, share in shares.items()})


def answer(top: Node, engine: Engine = "own", **shares: float) -> float:
    solution = solve(tree(top, **shares), expired=never, engine=engine)
    assert solution.lower == solution.upper == solution.unavailability
    return solution.unavailability


@pytest.mark.parametrize("engine", ENGINES)
def test_a_series_is_down_when_one_is_and_a_parallel_when_all_are(engine: Engine) -> None:
    assert answer(any_of(A, B, C), engine, A=0.1, B=0.2, C=0.3) == pytest.approx(0.496, rel=1e-12)
    assert answer(all_of(A, B, C), engine, A=0.1, B=0.2, C=0.3) == pytest.approx(0.006, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("least", "count"), [(2, 3), (3, 5), (5, 9), (40, 100)])
def test_k_of_n_is_the_binomial_sum(engine: Engine, least: int, count: int) -> None:
    share = 0.07
    expected = math.fsum(
        math.comb(count, failed) * share**failed * (1 - share) ** (count - failed) for failed in range(least, count + 1)
    )
    events = {f"e{number}": Event(share) for number in range(count)}
    structure = Structure(at_least(least, *map(Basic, events)), events)
    solution = solve(structure, expired=never, engine=engine)
    assert solution.unavailability == pytest.approx(expected, rel=1e-12)
    assert solution.nodes == least * (count - least + 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bridge_of_equal_components(engine: Engine) -> None:
    """With the share q of each: 2q^2 + 2q^3 - 5q^4 + 2q^5 (Barlow and Proschan 1975, chapter 1)."""
    bridge = any_of(all_of(A, B), all_of(D, E), all_of(A, C, E), all_of(D, C, B))
    for q in (0.5, 0.1, 1e-3, 1e-6):
        expected = 2 * q**2 + 2 * q**3 - 5 * q**4 + 2 * q**5
        assert answer(bridge, engine, A=q, B=q, C=q, D=q, E=q) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_birnbaum_in_a_bridge_is_the_difference_that_each_component_makes(engine: Engine) -> None:
    bridge = any_of(all_of(A, B), all_of(D, E), all_of(A, C, E), all_of(D, C, B))
    shares = {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.4, "E": 0.5}
    found = solve(tree(bridge, **shares), expired=never, engine=engine).birnbaum
    for name in shares:
        failed, perfect = (
            solve(tree(bridge, **{**shares, name: share}), expired=never).unavailability for share in (1.0, 0.0)
        )
        assert found[name] == pytest.approx(failed - perfect, rel=1e-12)
    # By hand: the cross link matters where A and E fail, but neither B nor D; or D and B, but neither A nor E.
    assert found["C"] == pytest.approx(0.1 * 0.5 * 0.8 * 0.6 + 0.4 * 0.2 * 0.9 * 0.5, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_shared_is_counted_once(engine: Engine) -> None:
    """Two replicas on one host: they are down together when it is."""
    host = any_of(A)
    both = all_of(any_of(B, host), any_of(C, host))
    assert answer(both, engine, A=0.01, B=0.1, C=0.1) == pytest.approx(0.01 + 0.99 * 0.01, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_small_unavailabilities_keep_nine_digits_and_more(engine: Engine) -> None:
    names = "ABCD"
    assert answer(all_of(A, B, C, D), engine, **dict.fromkeys(names, 1e-3)) == pytest.approx(1e-12, rel=1e-13)
    assert answer(at_least(3, A, B, C, D), engine, **dict.fromkeys(names, 1e-6)) == pytest.approx(
        4e-18 * (1 - 1e-6) + 1e-24, rel=1e-13
    )
    # An event that does not fail is as likely as 1, and one that nearly must leaves its complement as accurate.
    assert answer(Not(any_of(A, B)), engine, A=1 - 1e-8, B=1 - 1e-4) == pytest.approx(1e-12, rel=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_certain_needs_no_diagram(engine: Engine) -> None:
    for top, expected in ((Fixed(failed=True), 1.0), (Fixed(failed=False), 0.0), (any_of(), 0.0), (all_of(), 1.0)):
        solution = solve(tree(top), expired=never, engine=engine)
        assert (solution.unavailability, solution.nodes, solution.birnbaum) == (expected, 0, {})
    assert answer(any_of(A, Fixed(failed=True)), engine, A=0.5) == 1.0
    assert answer(any_of(A, all_of(B, Fixed(failed=False))), engine, A=0.25, B=0.5) == 0.25
    assert answer(at_least(3, A, A, B), engine, A=0.25, B=0.5) == pytest.approx(0.125)
    assert answer(at_least(2, A, A, B), engine, A=0.25, B=0.5) == pytest.approx(0.25)


def test_what_cannot_matter_any_more_has_no_importance() -> None:
    solution = solve(tree(any_of(A, all_of(B, Fixed(failed=False))), A=0.25, B=0.5), expired=never)
    assert solution.birnbaum == {"A": 1.0, "B": 0.0}


@pytest.mark.parametrize("engine", ENGINES)
def test_birnbaum_goes_through_modules_by_the_chain_rule(engine: Engine) -> None:
    left, right = all_of(A, B), at_least(2, C, D, E)
    shares = {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.4, "E": 0.5}
    solution = solve(tree(any_of(left, right), **shares), expired=never, engine=engine)
    majority = 0.3 * 0.4 * 0.5 + 0.7 * 0.4 * 0.5 + 0.3 * 0.6 * 0.5 + 0.3 * 0.4 * 0.5
    assert solution.birnbaum["A"] == pytest.approx(0.2 * (1 - majority), rel=1e-12)
    assert solution.birnbaum["C"] == pytest.approx((1 - 0.02) * (0.4 * 0.5 + 0.6 * 0.5), rel=1e-12)
    assert solution.unavailability == pytest.approx(1 - 0.98 * (1 - majority), rel=1e-12)


def test_birnbaum_goes_through_modules_of_modules() -> None:
    solution = solve(tree(any_of(A, all_of(B, any_of(C, D))), A=0.1, B=0.2, C=0.3, D=0.4), expired=never)
    assert solution.birnbaum["C"] == pytest.approx(0.9 * 0.2 * 0.6, rel=1e-12)


def deep(levels: int) -> Structure:
    """A ladder, each rung of which shares an event with the next: no modules, and far deeper than Python's stack."""
    events = {f"e{number}": Event(0.5) for number in range(levels + 1)}
    basics = [Basic(name) for name in events]
    top: Node = basics[0]
    for number in range(levels):
        either = any_of(basics[number], basics[number + 1])
        top = (
            all_of(either, any_of(top, basics[number + 1]))
            if number % 2
            else any_of(top, all_of(either, basics[number]))
        )
    return Structure(top, events)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_depth_overflows_a_stack(engine: Engine) -> None:
    structure = deep(4 * sys.getrecursionlimit())
    solution = solve(structure, expired=never, engine=engine)
    assert 0 < solution.unavailability < 1
    assert solution.method != "bounds"


def knot(size: int = 12) -> Structure:
    events = {f"e{number}": Event(0.05 + number / 1000) for number in range(size)}
    layer: list[Node] = [Basic(name) for name in events]
    for _ in range(3):
        layer = [
            at_least(2, *(layer[(number * 5 + step) % len(layer)] for step in (0, 2, 7)))
            for number in range(len(layer))
        ]
    return Structure(at_least(3, *layer[:7]), events)


def test_without_room_for_a_diagram_there_are_bounds_and_more_time_brings_them_closer() -> None:
    exact = solve(knot(), expired=never).unavailability
    gaps = []
    for calls in (0, 1000):
        solution = solve(knot(), expired=after(calls), most_nodes=10)
        assert solution.method == "bounds"
        assert solution.birnbaum == {}
        assert solution.solved is None
        assert solution.lower <= exact <= solution.upper
        assert solution.unavailability == pytest.approx((solution.lower + solution.upper) / 2)
        gaps.append(solution.upper - solution.lower)
    assert gaps[1] < gaps[0] < 1


def test_when_time_is_up_from_the_start_there_are_bounds_all_the_same() -> None:
    exact = solve(knot(14), expired=never)
    solution = solve(knot(14), expired=lambda: True)
    assert solution.method == "bounds"
    assert solution.lower <= exact.unavailability <= solution.upper


def test_an_order_is_improved_where_both_that_were_found_are_too_large() -> None:
    """Pairs that belong together, met in the worst order: 2^n nodes, or 2n where pairs are together."""
    count = 13
    firsts = [Basic(f"a{number}") for number in range(count)]
    seconds = [Basic(f"b{number}") for number in range(count)]
    pairs = [all_of(first, second) for first, second in zip(firsts, seconds, strict=True)]
    events = {one.name: Event(0.1) for one in (*firsts, *seconds)}
    structure = Structure(at_least(2, any_of(*firsts), any_of(*seconds), any_of(*pairs)), events)
    small = solve(structure, expired=never, most_nodes=60_000)
    assert small.method == "bdd"
    # All pairs are below the ORs: at least two fail when both ORs do, as a pair that fails makes both fail.
    assert small.unavailability == pytest.approx((1 - 0.9**count) ** 2, rel=1e-12)


def test_what_needs_diagrams_says_so_where_there_are_only_bounds() -> None:
    with pytest.raises(InputError, match=r"too large .*\(allow more nodes or more time\)"):
        exactly(knot(), expired=never, most_nodes=10)


def test_an_event_that_is_not_known_or_has_no_share_is_refused() -> None:
    with pytest.raises(InputError, match="'B' has no unavailability"):
        solve(tree(any_of(A, B), A=0.1), expired=never)
    with pytest.raises(InputError, match=r"'A' is 1\.5"):
        solve(tree(A, A=1.5), expired=never)
    with pytest.raises(InputError, match="'A' is nan"):
        solve(tree(A, A=math.nan), expired=never)


def test_a_gate_below_itself_is_refused() -> None:
    gate = Gate(1, (A,))
    object.__setattr__(gate, "children", (A, all_of(B, gate)))
    with pytest.raises(InputError, match="below itself"):
        solve(tree(gate, A=0.1, B=0.1), expired=never)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oxidd.bdd", None)
    with pytest.raises(MissingProgramError, match=r"install bascule\[oxidd\]"):
        solve(tree(any_of(A, B), A=0.1, B=0.1), expired=never, engine="oxidd")


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_give_bounds_at_their_limits(engine: Engine) -> None:
    structure = knot(14)
    solution = solve(structure, expired=lambda: True, engine=engine)
    assert solution.method == "bounds"
    assert 0 <= solution.lower < solution.upper < 1


def test_gates_that_say_the_same_are_one() -> None:
    """A service that needs others, which need others again: one OR, however often it is said."""
    services: list[Node] = []
    names = [f"e{number}" for number in range(40)]
    for name in names:
        services.append(any_of(Basic(name), *services))
    solution = solve(Structure(services[-1], dict.fromkeys(names, Event(0.01))), expired=never)
    assert solution.unavailability == pytest.approx(-math.expm1(40 * math.log1p(-0.01)), rel=1e-12)
    assert solution.nodes == 40
