"""The address that moves: what stands beside a member for it, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bascule.engines import binaries, entry, registry
from bascule.engines.protocols import Program, Rendering, Site
from bascule.kernel.errors import FaultError, MissingProgramError
from bascule.kernel.quantities import Duration
from bascule.system.model import Disruption, Entry, System

GOLDEN = Path(__file__).parents[2] / "golden" / "engines"
VIP = "10.88.1.8"
SiteOf = Callable[[System, str], Site]
Moving = Callable[..., System]


@pytest.fixture
def moving(system: System) -> Moving:
    """The system with its edges in one zone, found by one address."""

    def make(provider: str = "bascule", **options: object) -> System:
        edge = msgspec.structs.replace(system.components["edge"], replicas={"a": 2})
        given = Entry(
            kind="vip",
            provider="keepalived" if provider == "keepalived" else "bascule",
            store="" if provider == "keepalived" else "consensus",
            options=options,
        )
        return msgspec.structs.replace(
            system,
            components={**system.components, "edge": edge},
            workload=msgspec.structs.replace(system.workload, entry=given),
        )

    return make


def rendered(system: System, site_of: SiteOf, number: int = 0) -> Rendering:
    site = site_of(system, "edge")
    member = [each for each in site.members if each.component == "edge"][number]
    site = msgspec.structs.replace(
        site, member=member, vip=VIP, directory=site.directory.with_name(member.name), programs=programs(site)
    )
    return entry.render(site, registry.engine("haproxy"))


def programs(site: Site) -> dict[str, Program]:
    keepalived = Program(name="keepalived", path="/opt/keepalived", version="2.2.7", source="PATH")
    return {**site.programs, "keepalived": keepalived}


def findings(system: System) -> list[tuple[str, str, str]]:
    return [(found.path, found.what, found.hint) for found in registry.check_system(system)]


def golden(name: str, text: str) -> None:
    assert text == (GOLDEN / name).read_text()


def test_without_an_entry_nothing_stands_beside_a_member(system: System, site_of: SiteOf) -> None:
    rendering = entry.render(site_of(system, "edge"), registry.engine("haproxy"))
    assert rendering.companions == ()
    assert VIP not in rendering.files[0].text


def test_the_proxy_listens_at_the_address_too_on_whichever_host_it_is(moving: Moving, site_of: SiteOf) -> None:
    text = rendered(moving(), site_of).files[0].text
    assert f"    bind {VIP}:8080\n" in text
    assert "    bind 127.6.1.1:8080\n" in text


def test_keepalived_is_rendered_as_a_backup_that_takes_nothing_from_a_holder(moving: Moving, site_of: SiteOf) -> None:
    vrrp, check = rendered(moving("keepalived"), site_of).companions
    assert [each.path for each in vrrp.files] == ["keepalived.conf", "serves"]
    golden("keepalived-first.conf", vrrp.files[0].text)
    assert vrrp.launch.capabilities == ("net_admin", "net_raw")
    assert vrrp.launch.argv[:4] == ("/opt/keepalived", "--dont-fork", "--log-console", "--vrrp")
    assert "--use-file=/lab/members/edge-a-1-keepalived/keepalived.conf" in vrrp.launch.argv
    assert (vrrp.name, check.name) == ("edge-a-1-keepalived", "edge-a-1-keepalived-check")
    assert check.launch.capabilities == ()
    assert check.launch.argv[3:5] == ("/lab/members/edge-a-1-keepalived/serves", "http://127.6.1.1:8404/health")


def test_every_choice_shows_in_the_configuration(moving: Moving, site_of: SiteOf) -> None:
    system = moving(
        "keepalived",
        advert="100ms",
        router=7,
        priority=200,
        step=50,
        preempt_after="30s",
        unicast=True,
        announcements={"count": 2, "again": "3s", "refresh": "10s"},
    )
    golden("keepalived-second.conf", rendered(system, site_of, 1).companions[0].files[0].text)


@pytest.mark.parametrize("options", [{}, {"unicast": True, "preempt_after": "30s"}, {"version": 2}])
def test_keepalived_itself_accepts_the_configuration(
    moving: Moving, site_of: SiteOf, tmp_path: Path, options: dict[str, object]
) -> None:
    try:
        program = binaries.find("keepalived")
    except MissingProgramError as error:
        pytest.skip(f"keepalived: {error}")
    vrrp = rendered(moving("keepalived", **options), site_of).companions[0]
    path = tmp_path / "keepalived.conf"
    path.write_text(vrrp.files[0].text.replace("/lab/members/edge-a-1-keepalived", str(tmp_path)))
    done = subprocess.run(
        [*program.argv, "--config-test", f"--use-file={path}", f"--pid={tmp_path / 'pid'}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    told = [line for line in (done.stdout + done.stderr).splitlines() if "Unknown" in line or "nvalid" in line]
    # This machine need not have an interface of the lab's name.
    assert [line for line in told if "Unknown interface" not in line] == []


def test_the_agent_stands_for_the_address_as_long_as_its_member_serves(moving: Moving, site_of: SiteOf) -> None:
    (agent,) = rendered(moving(), site_of).companions
    (file,) = agent.files
    assert (agent.name, file.path) == ("edge-a-1-bascule", "agent.toml")
    golden("agent-first.toml", file.text)
    path = "/lab/members/edge-a-1-bascule/agent.toml"
    assert agent.launch.argv == ("/py", "-m", "bascule", "agent", "run", path)
    assert agent.launch.capabilities == ("net_admin", "net_raw")


def in_database(system: System, **options: object) -> System:
    """With the lease in the database."""
    given = Entry(kind="vip", store="database")
    database = msgspec.structs.replace(system.components["database"], options=options)
    return msgspec.structs.replace(
        system,
        components={**system.components, "database": database},
        workload=msgspec.structs.replace(system.workload, entry=given),
    )


def test_a_lease_may_be_in_the_database_and_its_password_is_in_a_secret_file(moving: Moving, site_of: SiteOf) -> None:
    system = in_database(moving())
    assert findings(system) == []
    (agent,) = rendered(system, site_of).companions
    toml, passfile = agent.files
    assert 'kind = "postgresql"' in toml.text
    assert f'passfile = "/lab/members/edge-a-1-bascule/{passfile.path}"' in toml.text
    assert (toml.secret, passfile.secret) == (False, True)
    assert "word-of-database-app" in passfile.text
    assert "word-of-database-app" not in toml.text


def test_a_database_that_may_forget_keeps_no_leases(moving: Moving) -> None:
    ((path, what, _),) = findings(in_database(moving(), replication="asynchronous"))
    assert path == "workload.entry.store"
    assert "the address has two holders" in what


def test_an_agent_that_is_not_there_is_not_ready_and_hands_nothing_over(
    moving: Moving, site_of: SiteOf, tmp_path: Path
) -> None:
    provider = entry._named("bascule")
    site = msgspec.structs.replace(site_of(moving(), "edge"), directory=tmp_path / "none")
    assert not provider.is_ready(site, 0.2)
    with pytest.raises(FaultError, match="did not hand edge over to edge-a-2"):
        provider.hand_over(site, "edge-a-2", 0.2)


def test_keepalived_is_ready_once_its_member_serves(moving: Moving, site_of: SiteOf, tmp_path: Path) -> None:
    provider = entry._named("keepalived")
    site = msgspec.structs.replace(site_of(moving("keepalived"), "edge"), directory=tmp_path)
    assert not provider.is_ready(site, 0.2)
    for text, ready in (("1\n", False), ("0\n", True), ("", False)):
        (tmp_path / "serves").write_text(text)
        assert provider.is_ready(site, 0.2) is ready
    assert not provider.hand_over(site, "edge-a-2", 0.2)


def test_the_cycle_is_that_of_the_holders_sign_of_life(moving: Moving) -> None:
    assert entry._named("bascule").cycle_s(moving()) == pytest.approx(0.5 / 3)
    assert entry._named("keepalived").cycle_s(moving("keepalived", advert="200ms")) == 0.2


@pytest.mark.parametrize("provider", ["bascule", "keepalived"])
def test_defaults_have_no_findings(moving: Moving, provider: str) -> None:
    assert findings(moving(provider)) == []


def test_only_what_listens_there_can_be_found_by_it(moving: Moving) -> None:
    system = moving()
    app = msgspec.structs.replace(system.components["app"], replicas={"a": 2})
    workload = msgspec.structs.replace(system.workload, through="app")
    changed = msgspec.structs.replace(system, components={**system.components, "app": app}, workload=workload)
    ((path, what, hint),) = findings(changed)
    assert path == "workload.through"
    assert "listen on their hosts' own addresses" in what
    assert hint == "put a component with engine: haproxy before"


@pytest.mark.parametrize(
    ("options", "path", "what"),
    [
        ({"advrt": "1s"}, "advrt", "unknown option 'advrt'"),
        ({"advert": "1"}, "advert", "'1' is not a duration"),
        ({"advert": "5ms"}, "advert", "no advert interval of 5ms"),
        ({"advert": "15ms"}, "advert", "no advert interval of 15ms"),
        ({"advert": "255s", "version": 2}, "advert", "a backup waits up to"),
        ({"advert": "100ms", "version": 2}, "advert", "VRRP 2 has no advert interval of 100ms"),
        ({"advert": "20s"}, "advert", "a backup waits up to"),
        ({"router": 256}, "router", "256 is no virtual router"),
        ({"priority": 255}, "priority", "255 is no priority"),
        ({"priority": 1}, "step", "2 members have no priorities from 1 down"),
        ({"step": 0}, "step", "2 members have no priorities"),
        ({"announcements": {"refresh": "0s"}}, "announcements.refresh", "nobody is told again where the address is"),
        ({"announcements": {"refresh": "500ms"}}, "announcements.refresh", "counts whole seconds"),
        ({"announcements": {"count": 0}}, "announcements.count", "0 frames"),
        ({"preempt_after": "1s"}, "preempt_after", "away twice for one fault"),
        ({"check": {"fall": 0}}, "check", "fall and rise count checks"),
        ({"check": {"every": "1ms"}}, "check.every", "too short"),
        ({"check": {"every": "20s"}}, "check", "found dead after up to"),
    ],
)
def test_traps_of_keepalived_are_found(moving: Moving, options: dict[str, object], path: str, what: str) -> None:
    system = moving("keepalived", **options)
    promised = {each: Disruption(rto=Duration(30), rpo=Duration(0)) for each in ("process", "host")}
    objectives = msgspec.structs.replace(system.objectives, disruptions=promised)
    ((where, told, hint),) = findings(msgspec.structs.replace(system, objectives=objectives))
    assert where == f"workload.entry.options.{path}"
    assert what in told
    assert hint


@pytest.mark.parametrize(
    ("options", "path", "what"),
    [
        ({"advert": "1s"}, "options.advert", "unknown option"),
        ({"priority": -1}, "options.priority", "priorities from -1"),
        ({"check": {"rise": 0}}, "options.check", "fall and rise count checks"),
        ({"check": {"timeout": "1ms"}}, "options.check.timeout", "too short"),
        ({"check": {"every": "20s"}}, "options.check", "found dead after up to"),
    ],
)
def test_what_an_agent_cannot_do_is_found(moving: Moving, options: dict[str, object], path: str, what: str) -> None:
    ((where, told, _),) = findings(moving(**options))
    assert where == f"workload.entry.{path}"
    assert what in told


def test_what_keepalived_says_is_understood() -> None:
    provider = entry._named("keepalived")
    lines = (GOLDEN / "keepalived-partitioned.log").read_text().splitlines()
    events = [(each.kind, each.text) for each in map(provider.event, lines) if each]
    assert events == [
        ("restarted", "keepalived 2.2.7 starts"),
        ("demoted", "it has no address of edge: FAULT"),
        ("demoted", "it has no address of edge: BACKUP"),
        ("promoted", "it took the address of edge"),
        ("noticed", "another holder of edge is heard: 10.88.1.10"),
        ("demoted", "it has no address of edge: BACKUP"),
    ]


def test_what_an_agent_says_is_understood() -> None:
    provider = entry._named("bascule")
    line = 'INFO {"fact": "BecameActive", "at_s": 3.5, "agent": "edge-a-2", "group": "edge", "token": 7, "took_s": 0.1}'
    event = provider.event(line)
    assert event is not None
    assert (event.kind, event.text) == ("promoted", "it acts for edge with token 7")


@pytest.mark.parametrize("provider", ["bascule", "keepalived"])
@pytest.mark.parametrize(
    "line",
    ["", "\x00", "}{", "{" * 100_000, '{"fact": "BecameActive"}', '{"fact": 7}', "[1]", "{}", "\udcff", "{1: 2}"],
)
def test_a_line_that_explains_nothing_is_no_event(provider: str, line: str) -> None:
    assert entry._named(provider).event(line) is None
