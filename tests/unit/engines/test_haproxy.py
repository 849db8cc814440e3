from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bascule.engines import binaries, registry
from bascule.engines.haproxy import observe
from bascule.engines.protocols import Site
from bascule.system.model import System

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"
SiteOf = Callable[[System, str], Site]


def section(text: str, name: str) -> list[str]:
    (found,) = (part for part in text.split("\nlisten ") if part.startswith(f"{name}\n"))
    return [line.strip() for line in found.splitlines()[1:]]


def rendered(site: Site) -> str:
    (file,) = registry.engine("haproxy").render(site).files
    return file.text


def test_the_way_to_the_primary_asks_patroni_and_cuts_what_is_left(system: System, site_of: SiteOf) -> None:
    text = rendered(site_of(system, "pgproxy"))
    lines = section(text, "postgresql")
    assert "http-check send meth GET uri /primary ver HTTP/1.1 hdr Host member" in lines
    assert "http-check expect status 200" in lines
    servers = [line for line in lines if line.startswith("server ")]
    assert len(servers) == 3
    assert all(":5432 check port 8008" in line and "backup" not in line for line in servers)
    assert "on-marked-down shutdown-sessions" in text
    assert "inter 250ms" in text
    assert "fall 2 rise 1" in text


def test_requests_stay_in_the_region_while_somebody_there_serves(system: System, site_of: SiteOf) -> None:
    lines = section(rendered(site_of(system, "edge")), "http")
    near, far = (line for line in lines if line.startswith("server "))
    assert near.startswith("server app-a-1 ")
    assert not near.endswith("backup")
    assert far.startswith("server app-c-1 ")
    assert far.endswith("backup")
    assert "http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host member" in lines


def test_only_what_changes_nothing_is_sent_again(system: System, site_of: SiteOf) -> None:
    lines = section(rendered(site_of(system, "edge")), "http")
    assert "retry-on conn-failure empty-response" in lines
    assert "http-request disable-l7-retry unless METH_GET" in lines


def test_haproxy_itself_accepts_every_configuration(system: System, site_of: SiteOf, tmp_path: Path) -> None:
    program = binaries.find("haproxy")
    plain = {"listeners": {"sessions": {"port": 6000, "to": "sessions"}, "reads": {"port": 6001, "to": "database"}}}
    plain["listeners"]["reads"]["role"] = "replica"
    more = msgspec.structs.replace(system.components["edge"], options=plain)
    system = msgspec.structs.replace(system, components={**system.components, "more": more})
    for component in ("pgproxy", "edge", "more"):
        path = tmp_path / f"{component}.cfg"
        path.write_text(rendered(site_of(system, component)))
        done = subprocess.run(
            [*program.argv, "-c", "-f", str(path)],
            env=program.environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "[WARNING]" not in done.stderr


def test_ports_are_the_listeners_in_the_files_order_then_statistics(system: System) -> None:
    ports = registry.engine("haproxy").ports(system.components["edge"])
    assert list(ports.items()) == [("http", 8080), ("stats", 8404)]


@pytest.mark.parametrize(
    ("options", "path", "hint"),
    [
        ({"listeners": {}}, "listeners", "name at least one"),
        ({"listeners": {"http": {"port": 8080, "to": "ap"}}}, "listeners.http.to", "did you mean app?"),
        ({"listeners": {"http": {"port": 8080, "to": "edge"}}}, "listeners.http.to", "name another component"),
        (
            {"listeners": {"http": {"port": 8080, "to": "app", "role": "primary"}}},
            "listeners.http.role",
            "leave role out",
        ),
        ({"listeners": {"http": {"port": 8404, "to": "app"}}}, "listeners.http.port", "give each its own"),
        (
            {"listeners": {"stats": {"port": 8080, "to": "app"}}},
            "listeners.stats",
            "letters, digits, _, -; not stats",
        ),
        ({"listeners": {"http": {"port": 80, "to": "app"}}}, "", "1024 to 65535"),
        (
            {"listeners": {"http": {"port": 8080, "to": "app", "health": "up"}}},
            "listeners.http.health",
            "begin it with /, without spaces",
        ),
        (
            {"listeners": {"http": {"port": 8080, "to": "app", "health": "/up\n    bind *:9999"}}},
            "listeners.http.health",
            "begin it with /, without spaces",
        ),
        ({"listeners": {"http": {"port": 8080, "to": "app"}}, "check": {"fall": 0}}, "check", "write 1 or more"),
    ],
)
def test_listeners_that_cannot_work_are_found(
    with_options: Callable[..., System], options: dict[str, object], path: str, hint: str
) -> None:
    (found,) = registry.check_system(with_options("edge", **options))
    assert (found.path, found.hint) == (f"components.edge.options{'.' if path else ''}{path}", hint)


HEADER = "# pxname,svname,status,check_status\n"


def test_a_proxy_is_whole_when_every_listener_has_a_server() -> None:
    rows = "pg,a-1,UP,L7OK\npg,b-1,DOWN,L7STS\npg,BACKEND,UP,\nhttp,x,no check,\nstats,FRONTEND,OPEN,\n"
    seen = observe.judge(HEADER + rows)
    assert (seen.up, seen.whole, seen.detail) == (True, True, "pg: a-1; http: x")


def test_a_server_not_checked_yet_does_not_count() -> None:
    seen = observe.judge(HEADER + "pg,a-1,UP,INI\npg,b-1,DOWN,L4CON\n")
    assert (seen.up, seen.whole, seen.detail) == (True, False, "pg: no server")


@pytest.mark.parametrize("text", ["", "<html>", HEADER])
def test_no_statistics_means_down(text: str) -> None:
    assert not observe.judge(text).up


def test_a_real_move_of_the_primary_is_understood() -> None:
    engine = registry.engine("haproxy")
    lines = (GOLDEN / "haproxy-primary-moved.log").read_text().splitlines()
    events = [(each.kind, each.text) for each in map(engine.event, lines) if each]
    assert events[-3:] == [
        ("server_up", "postgresql: database-b-1 is up (Layer7 check passed)"),
        ("server_down", "postgresql: database-b-1 is down (Layer7 wrong status)"),
        ("server_up", "postgresql: database-a-1 is up (Layer7 check passed)"),
    ]
    assert len(events) == 6
