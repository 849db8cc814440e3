from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.engines import registry
from bascule.engines.protocols import Site
from bascule.engines.service import references
from bascule.system.model import System

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"
SiteOf = Callable[[System, str], Site]


def test_redis_keeps_nothing_on_disk_and_asks_for_a_password(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "sessions")
    (file,) = registry.engine("redis").render(site).files
    lines = file.text.splitlines()
    assert file.secret
    assert {'save ""', "appendonly no", "maxmemory 33554432"} <= set(lines)
    assert f"requirepass {site.secrets['sessions/app']}" in lines
    assert f"bind {site.member.address}" in lines


def test_redis_options_are_read(with_options: Callable[..., System], site_of: SiteOf) -> None:
    system = with_options("sessions", maxmemory="8MiB", policy="allkeys-lru")
    text = registry.engine("redis").render(site_of(system, "sessions")).files[0].text
    assert "maxmemory 8388608\nmaxmemory-policy allkeys-lru\n" in text


def test_a_real_start_of_redis_is_understood() -> None:
    events = [registry.engine("redis").event(line) for line in (GOLDEN / "redis-started.log").read_text().splitlines()]
    assert [each.kind for each in events if each] == ["ready"]


def test_references_are_resolved_nearest_first(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "app")
    launch = registry.engine("service").render(site).launch
    assert launch.argv == ("/py", "-m", "app", "--listen", f"{site.member.address}:8000")
    proxies = site.of("pgproxy")
    assert proxies[0].zone == site.member.zone
    assert launch.environment["DATABASE"] == ",".join(f"{each.address}:5000" for each in proxies)
    assert launch.environment["PGPASSFILE"] == "/lab/members/m/secrets/database.pgpass"


def test_passwords_come_as_secret_files_of_the_consumers_own(system: System, site_of: SiteOf) -> None:
    site = site_of(system, "app")
    files = {file.path: file for file in registry.engine("service").render(site).files}
    assert files["secrets/database.pgpass"].text == f"*:*:app:app:{site.secrets['database/app']}\n"
    assert files["secrets/sessions.password"].text == f"{site.secrets['sessions/app']}\n"
    assert all(file.secret for file in files.values())


def test_a_component_not_referred_to_gives_no_password(with_options: Callable[..., System], site_of: SiteOf) -> None:
    system = with_options("app", command=["${python}"], environment={"X": "${database.user} costs $$1"})
    rendering = registry.engine("service").render(site_of(system, "app"))
    assert rendering.launch.environment == {"X": "app costs $1"}
    assert [file.path for file in rendering.files] == ["secrets/database.pgpass"]


def test_every_own_reference_is_known(with_options: Callable[..., System], site_of: SiteOf) -> None:
    words = "${self.name} ${self.zone} ${self.region} ${self.port} ${system.name} ${system.directory}"
    system = with_options("app", command=["x", words], port=9000)
    assert registry.check_system(system) == ()
    launch = registry.engine("service").render(site_of(system, "app")).launch
    assert launch.argv[1] == "app-a-1 a paris 9000 shop /home/me/shop"


@pytest.mark.parametrize(
    ("options", "path", "hint"),
    [
        ({"command": []}, "command", 'write ["${python}", "-m", "..."]'),
        ({"command": ["${databse.user}"]}, "command", "did you mean database?"),
        ({"command": ["${database.usr}"]}, "command", "did you mean database.user?"),
        ({"command": ["${self.adress}"]}, "command", "did you mean self.address?"),
        ({"command": ["x"], "environment": {"A": "$HOME"}}, "environment.A", "write $$ for a dollar"),
        ({"command": ["x"], "port": 80}, "port", "1024 to 65535"),
        ({"command": ["x"], "health": "up"}, "health", "begin it with /"),
        ({"command": ["x"], "stop_signal": "SIGFOO"}, "stop_signal", ""),
        ({}, "command", ""),
    ],
)
def test_what_a_service_cannot_be_given_is_found(
    with_options: Callable[..., System], options: dict[str, object], path: str, hint: str
) -> None:
    broken = with_options("app", **options)
    (found,) = registry.check_system(broken)
    assert found.path == f"components.app.options.{path}"
    assert found.hint.startswith(hint)


def test_references_are_found_and_expanded() -> None:
    assert references.names(["${a.b}$$${c}", "$"]) == ("a.b", "c", "$")
    assert references.expand("${a}$$${b}$", str.upper) == "A$B$"
