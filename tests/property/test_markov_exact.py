"""Long runs against exact fractions: the same chain, solved by Gaussian elimination without any rounding."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bascule.availability.groups import Group, independence_error, lost, solve, whole_chain
from bascule.availability.markov import Rates, State, dense, steady_state

RATE = st.one_of(st.just(0.0), st.floats(1e-9, 1e3))


def exact(chain: Rates[State]) -> dict[State, Fraction]:
    """pi Q = 0 with the last equation replaced by: they add up to 1."""
    states = list(chain)
    size = len(states)
    rows = [[Fraction(0)] * size + [Fraction(0)] for _ in states]
    for column, source in enumerate(states):
        for target, rate in chain[source].items():
            rows[states.index(target)][column] += Fraction(rate)
            rows[column][column] -= Fraction(rate)
    rows[-1] = [Fraction(1)] * (size + 1)
    for pivot in range(size):
        best = next(row for row in range(pivot, size) if rows[row][pivot])
        rows[pivot], rows[best] = rows[best], rows[pivot]
        rows[pivot] = [each / rows[pivot][pivot] for each in rows[pivot]]
        for row in range(size):
            if row != pivot and rows[row][pivot]:
                factor = rows[row][pivot]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[pivot], strict=True)]
    return {state: rows[index][-1] for index, state in enumerate(states)}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7).flatmap(lambda n: st.lists(st.lists(RATE, min_size=n, max_size=n), min_size=n, max_size=n)))
def test_each_probability_has_thirteen_right_digits(rows: list[list[float]]) -> None:
    for number, row in enumerate(rows):  # a ring through all states makes it irreducible
        row[(number + 1) % len(rows)] += 1e-6
    chain = dense(rows)
    truth = exact(chain)
    for state, share in steady_state(chain).items():
        assert abs(Fraction(share) - truth[state]) <= truth[state] * Fraction(1, 10**13)


groups = st.builds(
    Group,
    replicas=st.integers(1, 4),
    needed=st.just(1),
    mtbf_s=st.floats(1e5, 1e8),
    mttr_s=st.floats(1, 1e5),
    redundancy=st.sampled_from(["active", "standby"]),
    failover_s=st.one_of(st.just(0.0), st.floats(0.01, 100)),
    coverage=st.one_of(st.just(1.0), st.floats(0, 1)),
    manual_s=st.one_of(st.just(0.0), st.floats(1, 1e4)),
    beta=st.one_of(st.just(0.0), st.floats(1e-6, 1)),
    crews=st.integers(0, 4),
    dormancy=st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(groups, st.integers(1, 4))
def test_the_whole_chain_of_a_group_is_solved_exactly(group: Group, needed: int) -> None:
    group = replace(group, needed=min(needed, group.replicas))
    truth = sum(Fraction(lost(group, place)) * share for place, share in exact(whole_chain(group)).items())
    assert abs(Fraction(solve(group).total) - truth) <= truth * Fraction(1, 10**12)


@settings(max_examples=300, deadline=None)
@given(groups, st.integers(1, 60), st.floats(0, 1))
def test_the_parts_add_up_to_the_whole_within_what_independence_costs(group: Group, replicas: int, load: float) -> None:
    group = replace(group, replicas=replicas, needed=max(1, round(load * replicas)))
    found = solve(group)
    error = independence_error(group)
    if error < 1:
        assert abs(found.parts - found.total) <= error * max(found.parts, found.total)
    assert 0 <= found.total <= 1 + 1e-12
    assert abs(sum(found.down_counts) - 1) < 1e-12
