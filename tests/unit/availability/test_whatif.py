"""Single changes are such as a system file could say."""

from __future__ import annotations

from described import component, system
from msgspec.structs import replace

from bascule.availability.assumptions import assume
from bascule.availability.whatif import variants
from bascule.system import rules
from bascule.system.model import Entry


def test_where_an_address_moves_in_one_zone_the_entry_stays_there() -> None:
    described = system(
        component("web", "{north-a: 2}") + component("store", "{north-a: 1, north-b: 1, south-a: 1}")
    ).components
    described = {**described, "store": replace(described["store"], engine="etcd")}
    plain = replace(system(component("web", "{north-a: 2}")), components=described)
    moving = replace(plain, workload=replace(plain.workload, entry=Entry(kind="vip", store="store")))
    assert not list(rules.check(moving))
    changes = list(variants(moving, assume(moving, {}, {}), ()))
    assert changes
    assert {tuple(one.system.components["web"].replicas) for one in changes} == {("north-a",)}
    freely = list(variants(plain, assume(plain, {}, {}), ()))
    assert any(set(one.system.components["web"].replicas) > {"north-a"} for one in freely)


def test_what_matters_most_is_changed_first_after_places() -> None:
    described = system(component("web", "{north-a: 1}", needs="{store: hard}") + component("store", "{north-b: 1}"))
    told = [one.change for one in variants(described, assume(described, {}, {}), ("store", "web"))]
    first = {name: next(place for place, one in enumerate(told) if one.startswith(name)) for name in ("store:", "web:")}
    assert told[0].startswith("one more zone")
    assert first["store:"] < first["web:"]


def test_changes_are_told_in_few_digits_whatever_drills_measured() -> None:
    measured = "{mtbf: 100h, mttr: 1h, failover: 20374836us, coverage: 95.2380952381%, beta: 1%}"
    described = system(component("web", "{north-a: 1, south-a: 1}", reliability=measured))
    told = [one.change for one in variants(described, assume(described, {}, {}), ())]
    assert "web: failover in 10.187s instead of 20.375s" in told
    assert "web: half as many failovers that do not work (97.619% instead of 95.2381%)" in told
