"""Figures of a component follow from what its file says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from bascule.availability.figures import Figures
from bascule.engines import registry
from bascule.engines.protocols import Figured
from bascule.kernel.quantities import Duration
from bascule.system.model import Entry, Link, System

With = Callable[..., System]


def figures_of(system: System, name: str) -> Figures:
    engine = registry.engine(system.components[name].engine)
    assert isinstance(engine, Figured)
    return engine.figures(system, name)


def with_entry(system: System, **entry: object) -> System:
    vip = Entry(kind="vip", **entry)  # type: ignore[arg-type]  # each field has its own type
    return structs.replace(system, workload=structs.replace(system.workload, entry=vip))


@pytest.mark.parametrize("name", ["consensus", "database", "sessions", "pgproxy", "app", "edge"])
def test_every_engine_of_ours_has_figures_with_sources(system: System, name: str) -> None:
    found = figures_of(system, name)
    assert all(found.sources.values())
    assert found.failover.seconds > 0


def test_an_election_follows_from_its_timeout_and_the_links(system: System, with_options: With) -> None:
    found = figures_of(system, "consensus")
    assert found.needed == "majority"
    assert found.failover.seconds == pytest.approx(1.5 * 0.5 + 0.04)
    slower = figures_of(with_options("consensus", election_timeout="2s"), "consensus")
    assert slower.failover.seconds == pytest.approx(3.04)
    assert "2000ms" in slower.sources["failover"]


def test_a_failover_of_the_database_follows_from_its_lease_and_its_proxies(system: System, with_options: With) -> None:
    found = figures_of(system, "database")
    assert found.failover.seconds == pytest.approx(20 + 1 + 1 + 0.25)
    assert found.remark == ""
    slower = figures_of(with_options("database", ttl="30s", loop_wait="10s"), "database")
    assert slower.failover.seconds == pytest.approx(41.25)
    assert "ttl 30s + loop_wait 10s" in slower.sources["failover"]
    components = {name: each for name, each in system.components.items() if name != "pgproxy"}
    assert figures_of(structs.replace(system, components=components), "database").failover == Duration(22.0)


def test_what_asynchronous_replication_may_lose_is_said(with_options: With) -> None:
    found = figures_of(with_options("database", replication="asynchronous"), "database")
    assert "not yet received is lost" in found.remark
    assert "1MiB" in found.remark


def test_a_detour_around_a_replica_follows_from_the_checks_of_the_proxy(system: System, with_options: With) -> None:
    listeners = {"http": {"port": 8080, "mode": "http", "to": "app"}}
    assert figures_of(system, "app").failover.seconds == pytest.approx(0.25 + 2 * 0.3)
    checks = {"every": "2s", "timeout": "1s", "fall": 3}
    slower = figures_of(with_options("edge", listeners=listeners, check=checks), "app")
    assert slower.failover.seconds == pytest.approx(5)
    assert slower.sources["failover"].startswith("edge checks: 2s + 3 x 1s")


def test_the_slowest_proxy_counts_and_the_links_are_its_floor(system: System, with_options: With) -> None:
    listeners = {"app": {"port": 8081, "to": "app"}}
    two = with_options("pgproxy", listeners=listeners, check={"every": "3s", "timeout": "1s"})
    found = figures_of(two, "app")
    assert found.failover.seconds == pytest.approx(5)
    assert found.sources["failover"].startswith("pgproxy checks")
    far = structs.replace(system, links=(Link(between=("paris", "lyon"), delay=Duration(0.5)),))
    assert figures_of(far, "app").failover.seconds == pytest.approx(1.5 + 2 * 1.5), (
        "a round trip of 1 s, and half of it"
    )


def test_without_a_proxy_a_client_leaves_by_itself(system: System) -> None:
    components = {name: each for name, each in system.components.items() if name != "edge"}
    workload = structs.replace(system.workload, through="app", deadline=Duration(3.0))
    alone = structs.replace(system, components=components, workload=workload)
    assert figures_of(alone, "app").failover == Duration(3.0)
    inner = structs.replace(alone, workload=structs.replace(workload, through="pgproxy"))
    assert figures_of(inner, "app").is_assumption("failover")


def test_an_entry_moves_by_its_lease_or_by_its_adverts(system: System) -> None:
    plain = figures_of(system, "edge")
    assert (plain.redundancy, plain.failover) == ("active", system.workload.deadline)
    lease = figures_of(with_entry(system, store="consensus", ttl=Duration(2.0)), "edge")
    assert (lease.redundancy, lease.failover) == ("standby", Duration(2.5))
    adverts = figures_of(with_entry(system, provider="keepalived", options={"advert": "100ms"}), "edge")
    assert adverts.failover.seconds == pytest.approx(0.1 * (3 + 157 / 256)), "the next in line has one less"
    assert figures_of(with_entry(system, store="consensus"), "pgproxy").redundancy == "active"


def test_redis_has_no_failover_and_says_what_is_lost(system: System) -> None:
    found = figures_of(system, "sessions")
    assert found.redundancy == "active"
    assert "no replication" in found.sources["redundancy"]
    assert "sessions" in found.remark
