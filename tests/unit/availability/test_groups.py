"""Groups of replicas against closed forms of the textbooks; the number of digits is that of the machine."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from bascule.availability.groups import MOST_REPLICAS, Group, independence_error, solve, whole_chain
from bascule.availability.markov import steady_state
from bascule.kernel.errors import InputError

FAILS, MENDS = 1 / (30 * 86400.0), 1 / 3600.0
RHO = FAILS / MENDS
PAIR = Group(replicas=2, needed=1, mtbf_s=1 / FAILS, mttr_s=1 / MENDS)
EXACTLY = 1e-12


def test_one_replica_alone_is_down_mttr_of_mtbf_and_mttr() -> None:
    found = solve(replace(PAIR, replicas=1))
    assert found.own.unavailability == pytest.approx(RHO / (1 + RHO), rel=EXACTLY)
    assert found.own.frequency_per_s == pytest.approx(1 / (1 / FAILS + 1 / MENDS), rel=EXACTLY)
    assert found.own.mean_s == pytest.approx(3600, rel=EXACTLY)
    assert found.total == found.own.unavailability


def test_a_pair_with_one_crew() -> None:
    """Trivedi, 2nd ed., ch. 8: A = (2 lambda mu + mu^2) / (2 lambda^2 + 2 lambda mu + mu^2)."""
    found = solve(replace(PAIR, crews=1))
    whole = 2 * FAILS**2 + 2 * FAILS * MENDS + MENDS**2
    assert 1 - found.own.unavailability == pytest.approx((2 * FAILS * MENDS + MENDS**2) / whole, rel=EXACTLY)
    assert found.own.unavailability == pytest.approx(2 * FAILS**2 / whole, rel=EXACTLY)
    assert found.own.mean_s == pytest.approx(1 / MENDS, rel=EXACTLY), "one crew ends the outage alone"


@pytest.mark.parametrize("crews", [0, 2, 7])
def test_a_pair_with_a_crew_for_each_fails_independently(crews: int) -> None:
    """Independent units in parallel: U = (lambda / (lambda + mu))^2; the outage ends with the first repair of two."""
    found = solve(replace(PAIR, crews=crews))
    assert found.own.unavailability == pytest.approx((FAILS / (FAILS + MENDS)) ** 2, rel=EXACTLY)
    assert found.own.mean_s == pytest.approx(1 / (2 * MENDS), rel=EXACTLY)


def test_a_cold_standby_with_one_crew() -> None:
    """Trivedi, 2nd ed., ch. 8: states 2, 1, 0, with lambda from each: U = rho^2 / (1 + rho + rho^2)."""
    cold = solve(replace(PAIR, redundancy="standby", dormancy=0.0, crews=1))
    assert cold.own.unavailability == pytest.approx(RHO**2 / (1 + RHO + RHO**2), rel=EXACTLY)
    hot = solve(replace(PAIR, redundancy="standby", crews=1))
    assert hot.own == solve(replace(PAIR, crews=1)).own, "a hot standby fails as often as if it served"
    warm = solve(replace(PAIR, redundancy="standby", dormancy=0.5, crews=1))
    assert warm.own.unavailability == pytest.approx(1.5 * RHO**2 / (1 + 1.5 * RHO + 1.5 * RHO**2), rel=EXACTLY)


def test_two_of_three_with_one_crew() -> None:
    """Birth-death with rates 3, 2, 1 lambda and mu: weights 1, 3 rho, 6 rho^2, 6 rho^3."""
    found = solve(Group(replicas=3, needed=2, mtbf_s=1 / FAILS, mttr_s=1 / MENDS, crews=1))
    weights = [1, 3 * RHO, 6 * RHO**2, 6 * RHO**3]
    assert found.down_counts == pytest.approx([each / sum(weights) for each in weights], rel=EXACTLY)
    assert found.own.unavailability == pytest.approx(sum(weights[2:]) / sum(weights), rel=EXACTLY)
    assert found.own.frequency_per_s == pytest.approx(2 * FAILS * weights[1] / sum(weights), rel=EXACTLY)


@pytest.mark.parametrize(("replicas", "crews"), [(1, 1), (4, 1), (6, 2), (9, 4), (12, 12)])
def test_machine_repair_with_any_number_of_crews(replicas: int, crews: int) -> None:
    """The machine-repairman model: C(n, j) rho^j up to c down; beyond, times j! / (c! c^(j - c)).

    Source: L. Kleinrock, "Queueing Systems", vol. 1, Wiley, 1975, ch. 3; Trivedi, 2nd ed., ch. 8.
    """
    rho = 0.3
    weights = [
        math.comb(replicas, j)
        * rho**j
        * (1 if j <= crews else math.factorial(j) / (math.factorial(crews) * crews ** (j - crews)))
        for j in range(replicas + 1)
    ]
    found = solve(Group(replicas=replicas, needed=1, mtbf_s=100.0, mttr_s=30.0, crews=crews))
    assert found.down_counts == pytest.approx([each / sum(weights) for each in weights], rel=EXACTLY)


@pytest.mark.parametrize(("replicas", "needed"), [(3, 2), (5, 3), (8, 8), (20, 17)])
def test_k_of_n_with_a_crew_for_each_is_the_tail_of_a_binomial(replicas: int, needed: int) -> None:
    down = RHO / (1 + RHO)
    tail = math.fsum(
        math.comb(replicas, j) * down**j * (1 - down) ** (replicas - j)
        for j in range(replicas - needed + 1, replicas + 1)
    )
    found = solve(Group(replicas=replicas, needed=needed, mtbf_s=1 / FAILS, mttr_s=1 / MENDS))
    assert found.own.unavailability == pytest.approx(tail, rel=1e-11)


def test_a_common_cause_takes_its_share_of_all_failures_once_for_the_whole_group() -> None:
    """Beta factor (NUREG/CR-4780; IEC 61508-6, annex D): own rate (1 - beta) lambda each, beta lambda for all."""
    found = solve(replace(PAIR, beta=0.1))
    assert found.common_cause.frequency_per_s == pytest.approx(1 / (1 / (0.1 * FAILS) + 3600), rel=EXACTLY)
    assert found.common_cause.unavailability == pytest.approx(0.1 * RHO / (1 + 0.1 * RHO), rel=EXACTLY)
    assert found.common_cause.mean_s == 3600
    own = 0.9 * RHO / (1 + 0.9 * RHO)
    assert found.own.unavailability == pytest.approx(own**2, rel=EXACTLY)
    assert found.common_cause.unavailability > 50 * found.own.unavailability, "which is why it is asked for"


def test_of_standbys_the_serving_one_alone_calls_for_a_failover() -> None:
    group = replace(PAIR, redundancy="standby", failover_s=20, coverage=0.9, manual_s=1800)
    found = solve(group)
    both_up = 1 / (1 + RHO) ** 2
    assert found.switching.frequency_per_s == pytest.approx(0.9 * FAILS * both_up, rel=1e-4)
    assert found.switching.unavailability == pytest.approx(0.9 * FAILS * both_up * 20, rel=1e-4)
    assert found.uncovered.frequency_per_s == pytest.approx(0.1 * FAILS * both_up, rel=1e-4)
    assert found.uncovered.unavailability == pytest.approx(0.1 * FAILS * both_up * 1800, rel=1e-4)
    assert (found.switching.mean_s, found.uncovered.mean_s) == (20, 1800)


def test_where_all_serve_each_failure_loses_the_share_of_one() -> None:
    group = replace(PAIR, replicas=4, failover_s=2, coverage=0.9, manual_s=600)
    found = solve(group)
    assert found.switching.frequency_per_s == pytest.approx(0.9 * 4 * FAILS, rel=0.01)
    assert found.switching.unavailability == pytest.approx(0.9 * FAILS * 2, rel=0.01), "4 as often, a quarter each"
    assert found.uncovered.unavailability == pytest.approx(0.1 * FAILS * 600, rel=0.01)


def test_who_is_needed_calls_for_no_failover() -> None:
    found = solve(replace(PAIR, needed=2, failover_s=20, coverage=0.5, manual_s=1800))
    assert found.switching.frequency_per_s == found.uncovered.frequency_per_s == 0
    assert found.switching.mean_s == 0
    assert found.total == pytest.approx(found.own.unavailability, rel=EXACTLY)


def test_an_instant_failover_is_counted_and_costs_nothing() -> None:
    found = solve(replace(PAIR, redundancy="standby"))
    assert found.switching.frequency_per_s > 0
    assert found.switching.unavailability == 0
    assert found.total == pytest.approx(found.own.unavailability, rel=EXACTLY)


def test_only_common_causes() -> None:
    found = solve(replace(PAIR, beta=1.0))
    assert found.down_counts == (1.0, 0.0, 0.0)
    assert found.own.unavailability == found.switching.frequency_per_s == 0
    assert found.total == pytest.approx(RHO / (1 + RHO), rel=EXACTLY)


def test_a_warm_pair_with_every_cause_is_the_chain_that_one_draws_by_hand() -> None:
    """Seven states and the common cause: 0, 1 or 2 down, in service, in a failover, or with a person at it."""
    mtbf_s, mttr_s, failover_s, manual_s, coverage, beta, warm = 4000.0, 50.0, 2.0, 30.0, 0.9, 0.1, 0.4
    own, shared, mends, ends, told = (1 - beta) / mtbf_s, beta / mtbf_s, 1 / mttr_s, 1 / failover_s, 1 / manual_s
    chain = {
        "0": {"1 switching": own * coverage, "1 manual": own * (1 - coverage), "1": own * warm},
        "1": {"0": mends, "2": own},
        "2": {"1": mends},
        "0 switching": {"0": ends, "1 switching": own * (1 + warm)},
        "1 switching": {"1": ends, "0 switching": mends, "2 switching": own},
        "2 switching": {"2": ends, "1 switching": mends},
        "0 manual": {"0": told, "1 manual": own * (1 + warm)},
        "1 manual": {"1": told, "0 manual": mends, "2 manual": own},
        "2 manual": {"2": told, "1 manual": mends},
        "all": {"0": mends},
    }
    chain = {name: {**targets, **({"all": shared} if name != "all" else {})} for name, targets in chain.items()}
    long_run = steady_state(chain)
    group = Group(
        replicas=2,
        needed=1,
        mtbf_s=mtbf_s,
        mttr_s=mttr_s,
        redundancy="standby",
        failover_s=failover_s,
        coverage=coverage,
        manual_s=manual_s,
        beta=beta,
        crews=1,
        dormancy=warm,
    )
    assert solve(group).total == pytest.approx(1 - long_run["0"] - long_run["1"], rel=1e-11)


def test_three_that_all_serve_lose_a_third_while_they_lead_around_one() -> None:
    group = Group(replicas=3, needed=2, mtbf_s=1000.0, mttr_s=20.0, failover_s=5.0)
    fails, mends, ends = 1 / 1000, 1 / 20, 1 / 5
    chain = {
        (0, "well"): {(1, "detour"): 3 * fails},
        (1, "well"): {(0, "well"): mends, (2, "well"): 2 * fails},
        (2, "well"): {(1, "well"): 2 * mends, (3, "well"): fails},
        (3, "well"): {(2, "well"): 3 * mends},
        (0, "detour"): {(0, "well"): ends, (1, "detour"): 3 * fails},
        (1, "detour"): {(1, "well"): ends, (0, "detour"): mends, (2, "detour"): 2 * fails},
        (2, "detour"): {(2, "well"): ends, (1, "detour"): 2 * mends, (3, "detour"): fails},
        (3, "detour"): {(3, "well"): ends, (2, "detour"): 3 * mends},
    }
    long_run = steady_state(chain)
    lost = sum(
        share * (1 if down > 1 else 1 / 3 if mode == "detour" else 0) for (down, mode), share in long_run.items()
    )
    assert solve(group).total == pytest.approx(lost, rel=1e-11)


@pytest.mark.parametrize("redundancy", ["standby", "active"])
@pytest.mark.parametrize(("replicas", "needed"), [(2, 1), (3, 2), (5, 3), (7, 7)])
def test_the_parts_add_up_to_the_whole_but_for_their_meetings(redundancy: str, replicas: int, needed: int) -> None:
    group = Group(
        replicas=replicas,
        needed=needed,
        mtbf_s=90 * 86400,
        mttr_s=1800,
        redundancy="standby" if redundancy == "standby" else "active",
        failover_s=20,
        coverage=0.95,
        manual_s=3600,
        beta=0.05,
        crews=1,
    )
    found = solve(group)
    assert independence_error(group) < 0.03
    assert abs(found.parts - found.total) <= independence_error(group) * found.total
    assert found.parts != found.total


def test_the_largest_group_can_be_solved_and_a_larger_one_is_refused() -> None:
    group = replace(PAIR, replicas=MOST_REPLICAS, needed=600, failover_s=1, coverage=0.9, manual_s=60, beta=0.01)
    assert len(whole_chain(group)) <= 2000
    found = solve(group)
    assert found.parts == pytest.approx(found.total, rel=0.1)
    with pytest.raises(InputError, match="replicas 661"):
        solve(replace(group, replicas=MOST_REPLICAS + 1))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"replicas": 0}, "replicas 0"),
        ({"needed": 3}, "needed 3"),
        ({"needed": 0}, "needed 0"),
        ({"mtbf_s": 0.0}, "mtbf_s 0"),
        ({"mtbf_s": math.inf}, "mtbf_s inf"),
        ({"mttr_s": 0.0}, "mttr_s 0"),
        ({"mttr_s": math.nan}, "mttr_s nan"),
        ({"failover_s": -1.0}, "failover_s -1"),
        ({"manual_s": math.inf}, "manual_s inf"),
        ({"coverage": 1.1}, "coverage 1.1"),
        ({"beta": -0.1}, "beta -0.1"),
        ({"dormancy": 2.0}, "dormancy 2"),
        ({"crews": -1}, "crews -1"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        solve(replace(PAIR, **wrong))
