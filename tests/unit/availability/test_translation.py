"""Systems become structures whose unavailability can be worked out on paper."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import pytest
from described import AT_TIMES, component, system

from bascule.availability import translation
from bascule.availability.assumptions import assume
from bascule.availability.structure import Structure
from bascule.availability.trees import solving
from bascule.system.model import Entry, System

Q = 1 / 101
"""The unavailability of one replica: 100 h up, 1 h down."""


def unavailability(structure: Structure | None) -> float:
    assert structure is not None
    return solving.solve(structure, expired=lambda: False).unavailability


def of(described: System) -> float:
    return unavailability(translation.total(described, assume(described, {}, {})))


def test_one_replica_is_down_as_often_as_it_fails() -> None:
    assert of(system(component("web", "{north-a: 1}"))) == pytest.approx(Q, rel=1e-6)


def test_replicas_in_parallel_multiply() -> None:
    assert of(system(component("web", "{north-a: 1, south-a: 1}"))) == pytest.approx(Q**2, rel=1e-4)


def test_two_of_three_is_the_binomial_tail() -> None:
    two = component("web", "{north-a: 1, north-b: 1, south-a: 1}").replace("needed: 1", "needed: 2")
    assert of(system(two)) == pytest.approx(3 * Q**2 * (1 - Q) + Q**3, rel=1e-4)


def test_a_hard_need_is_in_series() -> None:
    chain = component("web", "{north-a: 1}", needs="{store: hard}") + component("store", "{north-b: 1}")
    assert of(system(chain)) == pytest.approx(1 - (1 - Q) ** 2, rel=1e-6)


def test_a_need_that_two_components_share_counts_once() -> None:
    shared = (
        component("web", "{north-a: 1}", needs="{left: hard, right: hard}")
        + component("left", "{north-a: 1}", needs="{store: hard}")
        + component("right", "{north-a: 1}", needs="{store: hard}")
        + component("store", "{north-a: 1}")
    )
    assert of(system(shared)) == pytest.approx(1 - (1 - Q) ** 4, rel=1e-6)


def test_a_soft_need_takes_nothing_down_but_something_away() -> None:
    soft = component("web", "{north-a: 1}", needs='{extra: {kind: soft, degrades: "no extras"}}') + component(
        "extra", "{north-b: 1}"
    )
    described = system(soft)
    assert of(described) == pytest.approx(Q, rel=1e-6)
    whole = translation.degraded(described, assume(described, {}, {}))
    assert unavailability(whole) == pytest.approx(1 - (1 - Q) ** 2, rel=1e-6)


def test_replicas_in_one_zone_are_lost_with_it() -> None:
    lost = 1 / 1000
    together = system(component("web", "{north-a: 2}"), zone=AT_TIMES)
    apart = system(component("web", "{north-a: 1, north-b: 1}"), zone=AT_TIMES)
    assert of(together) == pytest.approx(1 - (1 - lost) * (1 - Q**2), rel=1e-4)
    assert of(apart) == pytest.approx((1 - (1 - lost) * (1 - Q)) ** 2, rel=1e-4)


def test_zones_of_one_region_are_lost_together() -> None:
    lost = 1 / 1000
    one = system(component("web", "{north-a: 1, north-b: 1}"), region=AT_TIMES)
    assert of(one) == pytest.approx(1 - (1 - lost) * (1 - Q**2), rel=1e-4)


def test_a_common_cause_takes_all_replicas_at_once() -> None:
    beta = component("web", "{north-a: 1, south-a: 1}").replace("beta: 0%", "beta: 10%")
    own = 0.9 / 100
    own = own / (1 + own)
    common = 0.1 / 100
    common = common / (1 + common)
    assert of(system(beta)) == pytest.approx(1 - (1 - own**2) * (1 - common), rel=1e-4)


def test_a_failover_is_an_outage_as_long_as_it_takes() -> None:
    standby = component("web", "{north-a: 1, south-a: 1}").replace("failover: 0s", "failover: 36s")
    slow = of(system(standby.replace("redundancy: active", "redundancy: standby")))
    switching = 0.01 / 101  # 36 s in each 101 h
    assert slow == pytest.approx(Q**2 + switching, rel=0.03)
    assert slow > of(system(component("web", "{north-a: 1, south-a: 1}")))


def test_a_failover_that_does_not_work_lasts_until_somebody_comes() -> None:
    kept = component("web", "{north-a: 1, south-a: 1}").replace("redundancy: active", "redundancy: standby")
    uncovered = kept.replace("coverage: 100%, manual: 0s", "coverage: 90%, manual: 1h")
    extra = of(system(uncovered)) - of(system(kept))
    assert extra == pytest.approx(0.1 * 1 / 101, rel=0.03)


def test_fewer_repair_crews_than_replicas_make_it_worse() -> None:
    """Two units, one crew: A = (2 l m + m^2) / (2 l^2 + 2 l m + m^2)."""
    rate, repair = 0.01, 1.0
    crewed = component("web", "{north-a: 1, south-a: 1}").replace("beta: 0%", "beta: 0%, crews: 1")
    exact = 1 - (2 * rate * repair + repair**2) / (2 * rate**2 + 2 * rate * repair + repair**2)
    assert of(system(crewed)) == pytest.approx(exact, rel=1e-4)


def test_with_few_crews_zones_still_count() -> None:
    crewed = component("web", "{north-a: 1, north-b: 1}").replace("beta: 0%", "beta: 0%, crews: 1")
    lost = 1 / 1000
    with_zones = of(system(crewed, zone=AT_TIMES))
    assert with_zones > of(system(crewed))
    independent = (1 - (1 - lost) * (1 - Q)) ** 2
    assert independent < with_zones < 3 * independent


def test_each_region_is_asked_for_its_own_entries() -> None:
    described = system(component("web", "{north-a: 1, north-b: 1, south-a: 1}"))
    assumptions = assume(described, {}, {})
    assert unavailability(translation.in_region(described, assumptions, "north")) == pytest.approx(Q**2, rel=1e-4)
    assert unavailability(translation.in_region(described, assumptions, "south")) == pytest.approx(Q, rel=1e-4)
    assert of(described) == pytest.approx(Q**3, rel=1e-3)


def test_a_service_counts_as_available_as_the_file_says() -> None:
    needs = component("web", "{north-a: 1}", needs="{names: hard}")
    described = system(needs, rest="services: {names: {availability: 99%, mttr: 1h}}")
    assert of(described) == pytest.approx(1 - (1 - Q) * 0.99, rel=1e-6)


def test_a_long_chain_of_needs_is_no_deep_recursion() -> None:
    names = [f"c{number}" for number in range(1500)]
    chain = component("web", "{north-a: 1}", needs="{c0: hard}")
    for name, other in pairwise(names):
        chain += component(name, "{north-a: 1}", needs=f"{{{other}: hard}}", reliability="{mtbf: 300000d, mttr: 1s}")
    described = system(chain + component(names[-1], "{north-a: 1}"))
    assert math.isclose(of(described), 1 - (1 - Q) ** 2, rel_tol=1e-4)


def test_the_loss_of_a_place_that_nobody_survives_is_no_failover() -> None:
    """Both replicas stand in one zone: its loss is counted as that, and not as failovers too."""
    pair = component("web", "{north-a: 2}").replace("redundancy: active", "redundancy: standby")
    pair = pair.replace("coverage: 100%, manual: 0s", "coverage: 50%, manual: 10h")
    assert of(system(pair, zone=AT_TIMES)) - of(system(pair)) == pytest.approx(1 / 1000, rel=0.1)


def test_the_loss_of_a_place_that_others_survive_is_a_failover() -> None:
    pair = component("web", "{north-a: 1, south-a: 1}").replace("redundancy: active", "redundancy: standby")
    pair = pair.replace("coverage: 100%, manual: 0s", "coverage: 50%, manual: 10h")
    # Each zone is lost once in 1000 h and holds the serving replica half of the time: once in 1000 h in all.
    assert of(system(pair, zone=AT_TIMES)) - of(system(pair)) == pytest.approx(0.5 * 10 / 1000, rel=0.15)


def test_the_store_of_a_moving_address_is_needed() -> None:
    both = component("web", "{north-a: 2}") + component("store", "{north-b: 1}").replace("anything", "etcd")
    described = system(both).workload
    moving = msgspec.structs.replace(described, entry=Entry(kind="vip", provider="bascule", store="store"))
    assert of(msgspec.structs.replace(system(both), workload=moving)) == pytest.approx(
        1 - (1 - Q) * (1 - Q**2), rel=1e-4
    )


def test_a_region_that_cannot_carry_the_load_alone_has_no_figure() -> None:
    two = system(component("web", "{north-a: 1, north-b: 1, south-a: 1}").replace("needed: 1", "needed: 2"))
    assumptions = assume(two, {}, {})
    assert translation.in_region(two, assumptions, "north") is not None
    assert translation.in_region(two, assumptions, "south") is None
    standby = system(component("web", "{north-a: 1, south-a: 1}").replace("redundancy: active", "redundancy: standby"))
    assert translation.in_region(standby, assume(standby, {}, {}), "north") is None
