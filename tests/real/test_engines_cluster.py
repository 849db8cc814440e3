"""The engines' renderings, run for real: a small cluster is whole, takes writes through its proxy, and fails over."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from bascule.engines import binaries, registry
from bascule.engines.protocols import Dial, Member, Observation, Promotable, Roled
from bascule.kernel.errors import FaultError
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab.lab import Lab, running
from bascule.system.model import Availability, Component, Disruption, Need, Objectives, Region, System, Workload

pytestmark = pytest.mark.real

SYSTEM = System(
    system="engines",
    objectives=Objectives(
        availability=Availability(target=Share(0.99)),
        disruptions={"process": Disruption(rto=Duration(30), rpo=Duration(0))},
    ),
    regions={"one": Region(zones=("a", "b"))},
    components={
        "consensus": Component(engine="etcd", replicas={"a": 1}),
        "database": Component(engine="postgresql", replicas={"a": 1, "b": 1}, needs={"consensus": Need()}),
        "sessions": Component(engine="redis", replicas={"a": 1}),
        "web": Component(
            engine="service",
            replicas={"a": 1},
            options={
                "command": ["${python}", "-m", "http.server", "--bind", "${self.address}", "${self.port}"],
                "health": "/",
            },
        ),
        "proxy": Component(
            engine="haproxy",
            replicas={"b": 1},
            options={
                "listeners": {
                    "postgresql": {"port": 5000, "to": "database", "role": "primary"},
                    "http": {"port": 8080, "mode": "http", "to": "web"},
                }
            },
            needs={"database": Need()},
        ),
    },
    workload=Workload(through="proxy", rate=Rate(1)),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("engines")
    with running(SYSTEM, directory / "lab", source=directory / "system.yaml") as up:
        yield up


def until(fetch: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline_s = time.monotonic() + limit_s
    while not fetch():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.05)


def database(lab: Lab) -> dict[str, Observation]:
    return lab.observe({"database"})["database"]


def primary(lab: Lab) -> Member:
    (name,) = (name for name, seen in database(lab).items() if seen.role == "primary")
    return lab.member(name)


def test_every_member_is_whole_and_says_so(lab: Lab) -> None:
    assert lab.is_whole()
    assert {seen.epoch for seen in database(lab).values()} == {1}
    proxy = next(iter(lab.observe({"proxy"})["proxy"].values()))
    assert proxy.detail == f"postgresql: {primary(lab).name}; http: web-a-1"


def sql(lab: Lab, statement: str) -> str:
    """Run by a client outside, through the proxy, as the application's role."""
    (proxy,) = lab.members("proxy")
    where = f"host={proxy.address} port=5000 user=app dbname=app sslmode=disable connect_timeout=2"
    program = binaries.find("psql")
    done = lab.world.run(
        "client",
        [*program.argv, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, where],
        environment={**program.environment, "PGPASSWORD": lab.secrets["database/app"], "LC_ALL": "C.UTF-8"},
        timeout_s=10,
    )
    return done.stdout.decode() if done.exit_code == 0 else f"failed: {done.stderr.decode()}"


def logged(lab: Lab, member: str) -> list[tuple[str, str]]:
    """The events in what a member has logged so far."""
    engine = lab.engines[lab.member(member).component]
    text = "".join(path.read_text(errors="replace") for path in sorted((lab.directory / "logs").glob(f"{member}*")))
    events = [engine.event(line) for line in text.splitlines()]
    return [(each.kind, each.text) for each in events if each]


def test_a_write_through_the_proxy_survives_the_loss_of_the_main_process(lab: Lab) -> None:
    assert sql(lab, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (41)") == "CREATE TABLE\nINSERT 0 1\n"
    engine = registry.engine("postgresql")
    assert isinstance(engine, Roled)
    before = primary(lab)
    assert lab.world.kill(before.name, command=engine.main_command)
    until(lambda: "INSERT 0 1" in sql(lab, "INSERT INTO kept VALUES (42)"), 40, "no write after the failover")
    until(lab.is_whole, 60, "never whole again")
    assert primary(lab).name != before.name, "a standby takes over at once: primary_start_timeout is 0"
    assert {seen.epoch for seen in database(lab).values()} == {2}
    assert sql(lab, "SELECT min(n) FROM kept") == "41\n"
    assert ("noticed", "found its PostgreSQL dead") in logged(lab, before.name)
    assert ("promoted", "opens timeline 2") in logged(lab, primary(lab).name)
    (proxy,) = lab.members("proxy")
    assert "server_up" in {kind for kind, _ in logged(lab, proxy.name)}


def test_the_primary_is_moved_on_purpose(lab: Lab) -> None:
    engine = registry.engine("postgresql")
    assert isinstance(engine, Promotable)
    before = primary(lab)
    (target,) = (member for member in lab.members("database") if member != before)
    with pytest.raises(FaultError, match="leader name does not match"):
        engine.switchover(patient(lab, before), primary=target.name, target=before.name, timeout_s=10)
    engine.switchover(patient(lab, before), primary=before.name, target=target.name, timeout_s=30)
    until(lambda: [m.role for m in database(lab).values()].count("primary") == 1, 30, "no primary")
    assert primary(lab) == target
    until(lab.is_whole, 60, "never whole again")


def patient(lab: Lab, member: Member) -> Dial:
    """A connection on which only `switchover` itself sets limits."""

    def connect(port: int) -> socket.socket:
        return lab.world.dial(member.name, port, timeout_s=2)

    return connect
