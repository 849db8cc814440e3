from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # Patroni's own reader, shipped without types

from bascule.engines import registry
from bascule.engines.postgresql import render
from bascule.engines.protocols import Program, Rendering, Site
from bascule.kernel.quantities import Duration
from bascule.system.model import Disruption, System

SiteOf = Callable[[System, str], Site]


def patroni_yml(rendering: Rendering) -> dict[str, Any]:
    """As Patroni itself reads it."""
    (text,) = (file.text for file in rendering.files if file.path == render.CONFIGURATION)
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def rendered(site: Site) -> dict[str, Any]:
    return patroni_yml(registry.engine("postgresql").render(site))


def test_patroni_reads_exactly_what_was_meant(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "database")
    options = registry.engine("postgresql").options()
    assert rendered(site) == render.document(site, options)  # type: ignore[arg-type]  # of this engine
    assert rendered(site)["bootstrap"]["dcs"]["postgresql"]["parameters"]["jit"] == "off", "text, not false"


def test_the_lease_satisfies_patronis_rule(system: System, site_of: SiteOf) -> None:
    shared = rendered(site_of(system, "database"))["bootstrap"]["dcs"]
    assert (shared["ttl"], shared["loop_wait"], shared["retry_timeout"]) == (20, 1, 3)
    assert shared["ttl"] >= shared["loop_wait"] + 2 * shared["retry_timeout"]


def test_an_rpo_of_zero_makes_every_standby_synchronous(system: System, site_of: SiteOf) -> None:
    shared = rendered(site_of(system, "database"))["bootstrap"]["dcs"]
    assert shared["synchronous_mode"] is True
    assert shared["synchronous_mode_strict"] is False
    assert shared["synchronous_node_count"] == 2


def test_another_rpo_leaves_it_asynchronous(system: System, site_of: SiteOf) -> None:
    some = {"process": Disruption(rto=Duration(30), rpo=Duration(5))}
    system = msgspec.structs.replace(system, objectives=msgspec.structs.replace(system.objectives, disruptions=some))
    document = rendered(site_of(system, "database"))
    assert document["bootstrap"]["dcs"]["synchronous_mode"] is False
    assert "synchronous_node_count" not in document["bootstrap"]["dcs"]
    assert document["tags"] == {render.SYNCHRONOUS_TAG: False}


@pytest.mark.parametrize(("replication", "mode"), [("synchronous", True), ("asynchronous", False)])
def test_the_option_overrides_the_promise(
    with_options: Callable[..., System], site_of: SiteOf, replication: str, *, mode: bool
) -> None:
    system = with_options("database", replication=replication)
    assert registry.check_system(system) == ()
    assert rendered(site_of(system, "database"))["bootstrap"]["dcs"]["synchronous_mode"] is mode


def test_fewer_synchronous_standbys_may_be_asked_for(with_options: Callable[..., System], site_of: SiteOf) -> None:
    document = rendered(site_of(with_options("database", synchronous_nodes=1), "database"))
    assert document["bootstrap"]["dcs"]["synchronous_node_count"] == 1


def test_it_is_reached_by_tcp_on_its_own_address_alone(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "database")
    document = rendered(site)
    own = document["postgresql"]
    assert own["parameters"] == {"unix_socket_directories": ""}
    assert own["listen"] == f"{site.member.address}:5432"
    assert own["use_unix_socket"] is False
    assert document["restapi"]["listen"] == f"{site.member.address}:8008"


def test_only_the_labs_network_gets_in_and_the_superuser_only_from_its_own_host(
    system: System, site_of: SiteOf
) -> None:
    site = site_of(system, "database")
    member = msgspec.structs.replace(site.member, address="10.88.3.12")
    document = rendered(msgspec.structs.replace(site, member=member))
    assert document["postgresql"]["pg_hba"] == [
        "host all postgres 10.88.3.12/32 scram-sha-256",
        "host replication replicator 10.88.0.0/16 scram-sha-256",
        "host postgres rewinder 10.88.0.0/16 scram-sha-256",
        "host app app 10.88.0.0/16 scram-sha-256",
    ]
    assert document["restapi"]["allowlist"] == ["10.88.3.12/32"]


def test_the_store_is_asked_nearest_first(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "database")
    access = rendered(site)["etcd3"]
    assert access["hosts"] == [f"http://{member.address}:2379" for member in site.of("consensus")]
    assert access["url"] == access["hosts"][0]  # with hosts alone, Patroni takes any of them


def test_a_frozen_peer_is_given_up_within_seconds_and_promotion_never_waits(system: System, site_of: SiteOf) -> None:
    parameters = rendered(site_of(system, "database"))["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert parameters["wal_retrieve_retry_interval"] == "100ms"
    assert parameters["wal_sender_timeout"] == parameters["wal_receiver_timeout"] == "3000ms"


def test_parameters_of_ones_own_win(with_options: Callable[..., System], site_of: SiteOf) -> None:
    system = with_options("database", parameters={"work_mem": "8MB", "jit": "on"}, shared_buffers="64MiB")
    parameters = rendered(site_of(system, "database"))["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert (parameters["work_mem"], parameters["jit"], parameters["shared_buffers"]) == ("8MB", "on", "65536kB")


def test_an_older_postgresql_gets_no_setting_that_it_does_not_know(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "database")
    old = Program(name="postgres", path="/usr/lib/postgresql/15/bin/postgres", version="15.7", source="PATH")
    document = rendered(msgspec.structs.replace(site, programs={**site.programs, "postgres": old}))
    assert {"locale-provider": "builtin"} not in document["bootstrap"]["initdb"]
    assert "io_method" not in document["bootstrap"]["dcs"]["postgresql"]["parameters"]
    assert document["postgresql"]["bin_dir"] == "/usr/lib/postgresql/15/bin"


def test_the_applications_role_is_made_without_its_password_on_a_command_line(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "database")
    rendering = registry.engine("postgresql").render(site)
    document = patroni_yml(rendering)
    assert site.secrets["database/app"] not in document["bootstrap"]["post_bootstrap"]
    (sql,) = (file for file in rendering.files if file.path == render.APPLICATION_SQL)
    assert sql.secret
    assert site.secrets["database/app"] in sql.text


def test_a_quote_in_a_password_stays_inside_it() -> None:
    text = render.application_sql("a'b", registry.engine("postgresql").options())  # type: ignore[arg-type]  # of this engine
    assert "PASSWORD 'a''b'" in text


@pytest.mark.parametrize(
    ("options", "key", "hint"),
    [
        ({"ttl": "10s"}, "ttl", "write 20s or more"),
        ({"ttl": "20.5s"}, "ttl", "round it up"),
        ({"loop_wait": "500ms"}, "loop_wait", "write 1s or more"),
        ({"retry_timeout": "1s"}, "retry_timeout", "write 3s or more"),
        ({"retry_timeout": "10s"}, "ttl", "write 21s or more"),
        ({"synchronous_nodes": 3}, "synchronous_nodes", "0 means all"),
        ({"standby_timeout": "100ms"}, "standby_timeout", "write 1s or more"),
        ({"user": "my app"}, "user", "letters, digits, _"),
        ({"user": "replicator"}, "user", "take another"),
        ({"parameters": {"port": 99}}, "parameters.port", "leave it out"),
    ],
)
def test_what_patroni_would_silently_change_is_found(
    with_options: Callable[..., System], options: dict[str, object], key: str, hint: str
) -> None:
    (found,) = registry.check_system(with_options("database", **options))
    assert (found.path, found.hint) == (f"components.database.options.{key}", hint)


def test_patroni_needs_a_store(system: System) -> None:
    system.components["database"].needs.clear()
    (found,) = registry.check_system(system)
    assert found.path == "components.database.needs"
    assert "consensus" in found.hint
