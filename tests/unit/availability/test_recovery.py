"""Recoveries are sums of named parts along the needs, and lose what replication and backups lose."""

from __future__ import annotations

import pytest
from described import AT_TIMES, component, system
from msgspec import structs

from bascule.availability.assumptions import assume
from bascule.availability.figures import TYPICAL, Figures
from bascule.availability.prediction import Part, Recovery
from bascule.availability.recovery import recoveries
from bascule.kernel.quantities import Duration
from bascule.system.model import System

ALL = "{process: {rto: 10s, rpo: 0s}, zone: {rto: 10s, rpo: 1m}, region: {rto: 10s, rpo: 1m}}"


def standby(failover: str) -> str:
    return f"{{mtbf: 100h, mttr: 1h, redundancy: standby, failover: {failover}, coverage: 100%, manual: 0s, beta: 0%}}"


def losing(seconds: float) -> Figures:
    return structs.replace(TYPICAL, lost=Duration(seconds))


def of(described: System, figures: dict[str, Figures] | None = None) -> dict[str, Recovery]:
    assumptions = assume(described, figures or {}, {})
    return {one.scope: one for one in recoveries(described, assumptions, {})}


def chain(store: str = "{north-a: 1, south-a: 1}") -> System:
    return system(
        component("web", "{north-a: 1, south-a: 1}", reliability=standby("1s"), needs="{store: hard}")
        + component("store", store, reliability=standby("5s"), needs="{votes: hard}")
        + component("votes", "{north-a: 1, south-a: 1}", reliability=standby("2s")),
        zone=AT_TIMES,
        disruptions=ALL,
    )


def test_the_loss_of_one_process_takes_as_long_as_the_slowest_failover() -> None:
    told = of(chain())["process"]
    assert (told.worst, told.rto_s) == ("one store", 5.0)
    assert told.parts == (Part(name="store: the others take over", seconds=5.0),)
    assert told.meets_rto is True


def test_after_a_zone_what_is_needed_recovers_first() -> None:
    told = of(chain())["zone"]
    assert [part.name.split(":")[0] for part in told.parts] == ["votes", "store", "web"]
    assert told.rto_s == pytest.approx(8.0)


def test_of_two_needs_the_slower_one_counts() -> None:
    both = system(
        component("web", "{north-a: 1, south-a: 1}", reliability=standby("0s"), needs="{one: hard, other: hard}")
        + component("one", "{north-a: 1, south-a: 1}", reliability=standby("3s"))
        + component("other", "{north-a: 1, south-a: 1}", reliability=standby("7s"))
    )
    assert of(both)["zone"].rto_s == pytest.approx(7.0)


def test_without_a_replica_elsewhere_the_place_must_come_back() -> None:
    told = of(chain(store="{north-a: 2}"))["zone"]
    assert told.worst == "zone north-a"
    assert "store: until the zone is back" in [part.name for part in told.parts]
    assert told.meets_rto is False


def test_a_single_replica_is_repaired() -> None:
    told = of(chain(store="{north-a: 1}"))["process"]
    assert told.parts == (Part(name="store: repair, for too few replicas are left", seconds=3600.0),)


def test_a_backup_elsewhere_is_restored_when_that_is_sooner_and_loses_what_came_after_it() -> None:
    backed = system(
        component("web", "{north-a: 1, north-b: 1}", more="    backup: {every: 30m, restore: 10m, off_site: true}\n"),
        region="{mtbf: 1000h, mttr: 4h}",
        disruptions=ALL,
    )
    told = of(backed)["region"]
    assert told.parts == (Part(name="web: restored from its backup", seconds=600.0),)
    assert told.lost_s == 1800.0
    assert told.meets_rpo is False


def test_what_a_failover_loses_comes_from_the_engine() -> None:
    figures = {"store": losing(2.0), "web": losing(0.0)}
    figures["votes"] = figures["web"]
    told = of(chain(), figures)
    assert told["process"].lost_s == 2.0
    assert told["process"].meets_rpo is False
    assert told["zone"].meets_rpo is True


def test_what_no_engine_tells_is_not_known() -> None:
    told = of(chain())["process"]
    assert told.lost_s is None
    assert told.meets_rpo is None


def test_several_components_wait_for_one_place_together() -> None:
    alone = system(
        component("web", "{north-a: 2}", needs="{store: hard}") + component("store", "{north-a: 2}"),
        zone=AT_TIMES,
        disruptions=ALL,
    )
    assert of(alone)["zone"].rto_s == 3600.0


def test_a_known_loss_counts_beside_one_that_is_not_known() -> None:
    told = of(chain(), {"store": losing(2.0), "votes": losing(0.0)})["zone"]
    assert told.lost_s == 2.0
    assert told.lost_because.startswith("at least")


def test_the_only_disk_may_go_with_its_host() -> None:
    only = system(component("web", "{north-a: 1}", reliability=standby("1s")), disruptions=ALL)
    assert of(only)["host"].lost_s is None
    assert of(only)["process"].lost_s == 0.0
    backed = component("web", "{north-a: 1}", reliability=standby("1s"), more="    backup: {every: 1d}\n")
    assert of(system(backed, disruptions=ALL))["host"].lost_s == 86400.0
