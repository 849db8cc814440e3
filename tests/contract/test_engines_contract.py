"""What every engine must hold to, ours and other people's."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from bascule.engines import registry
from bascule.engines.protocols import Dial, Engine, Program, Promotable, Roled, Site
from bascule.kernel.errors import FaultError
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system.model import Availability, Component, Disruption, Need, Objectives, Region, System, Workload

DIRECTORY = Path("/lab/members/me")
COMPONENTS = {
    "etcd": Component(engine="etcd", replicas={"a": 1, "b": 2}),
    "postgresql": Component(engine="postgresql", replicas={"a": 1, "b": 1}, needs={"etcd": Need()}),
    "redis": Component(engine="redis", replicas={"a": 1}),
    "haproxy": Component(
        engine="haproxy",
        replicas={"a": 1},
        options={
            "listeners": {
                "sql": {"port": 5000, "to": "postgresql", "role": "primary"},
                "web": {"port": 8080, "mode": "http", "to": "service"},
            }
        },
    ),
    "service": Component(
        engine="service",
        replicas={"a": 1, "b": 1},
        options={
            "command": ["${python}", "${postgresql.user}", "${postgresql.passfile}", "${redis.passfile}"],
            "environment": {"SQL": "${haproxy.sql}", "LEASES": "${etcd.endpoints}"},
        },
    ),
}
SYSTEM = System(
    system="contract",
    objectives=Objectives(
        availability=Availability(target=Share(0.99)),
        disruptions={"zone": Disruption(rto=Duration(30), rpo=Duration(0))},
    ),
    regions={"one": Region(zones=("a",)), "two": Region(zones=("b",))},
    components=COMPONENTS,
    workload=Workload(through="haproxy", rate=Rate(1)),
)
SECRETS = {key: f"secret-of-{key}" for name in COMPONENTS for key in registry.engine(name).secrets(name)}


def site(name: str) -> Site:
    found = {
        each: Program(name=each, path=f"/opt/{each}", version="9.1", source="wheel")
        for component in COMPONENTS
        for each in registry.engine(component).programs()
    }
    return msgspec.structs.replace(
        registry.rehearsal(SYSTEM, name), directory=DIRECTORY, secrets=SECRETS, programs=found
    )


@pytest.fixture(params=sorted(COMPONENTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(name: str) -> Engine:
    return registry.engine(name)


def test_every_engine_of_ours_is_tried_here() -> None:
    assert set(COMPONENTS) == {"etcd", "postgresql", "haproxy", "redis", "service"}


def test_the_system_is_a_good_one() -> None:
    assert registry.check_system(SYSTEM) == ()


def test_it_says_what_it_is(name: str, engine: Engine) -> None:
    assert engine.name == name
    assert engine.summary
    assert issubclass(engine.options, msgspec.Struct)
    assert engine.options.__struct_config__.frozen
    assert (engine.options.__doc__ or "").strip()


def test_rendering_is_a_function_of_the_site(name: str, engine: Engine) -> None:
    first, second = engine.render(site(name)), engine.render(site(name))
    assert first == second
    assert first.summary
    assert not DIRECTORY.exists(), "rendering writes nothing"


def test_files_are_relative_and_stay_inside(name: str, engine: Engine) -> None:
    for file in engine.render(site(name)).files:
        path = PurePosixPath(file.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert file.text.endswith("\n")


def test_secrets_are_in_secret_files_alone(name: str, engine: Engine) -> None:
    rendering = engine.render(site(name))
    spoken = [*rendering.launch.argv, *rendering.launch.environment.values(), rendering.summary]
    spoken += [file.text for file in rendering.files if not file.secret]
    exported = [value for other in COMPONENTS for value in registry.engine(other).exports(site(name), other).values()]
    for word in SECRETS.values():
        assert not any(word in text for text in [*spoken, *exported])


def test_every_secret_belongs_to_its_component(name: str, engine: Engine) -> None:
    assert all(key.startswith(f"{name}/") for key in engine.secrets(name))
    assert all(key.startswith("other/") for key in engine.secrets("other"))


def test_ports_have_names_and_the_clients_one_is_first(name: str, engine: Engine) -> None:
    ports = engine.ports(COMPONENTS[name])
    assert ports
    assert all(1024 <= port <= 65535 for port in ports.values())
    assert len(set(ports.values())) == len(ports)


def test_every_port_is_exported_nearest_first(name: str, engine: Engine) -> None:
    for consumer in COMPONENTS:
        where = site(consumer)
        exports = engine.exports(where, name)
        for port, number in engine.ports(COMPONENTS[name]).items():
            assert exports[port] == ",".join(f"{member.address}:{number}" for member in where.of(name))


def test_exported_files_are_among_the_credentials(name: str, engine: Engine) -> None:
    where = site("service")
    written = {str(where.directory / file.path) for file in engine.credentials(where, name)}
    named = {value for value in engine.exports(where, name).values() if value.startswith(str(where.directory))}
    assert named == written
    assert all(file.secret for file in engine.credentials(where, name))


def test_the_health_check_asks_a_port_of_its_own(name: str, engine: Engine) -> None:
    check = engine.health(COMPONENTS[name], "any")
    assert check.port in engine.ports(COMPONENTS[name]).values()
    assert check.path == "" or check.path.startswith("/")


def test_only_an_engine_with_roles_has_a_main_process_and_can_be_switched(engine: Engine) -> None:
    assert isinstance(engine, Roled) == isinstance(engine, Promotable) == (engine.name == "postgresql")


@pytest.mark.parametrize("line", ["", "\x00", "}{", "a" * 100_000, "2026-11-23 INFO: no action", "\udcff"])
def test_a_line_that_explains_nothing_is_no_event(engine: Engine, line: str) -> None:
    assert engine.event(line) is None


def refusing(_: int) -> socket.socket:
    raise ConnectionRefusedError("refused")


def unreachable(_: int) -> socket.socket:
    raise TimeoutError("timed out")


@contextmanager
def pairs(answer: bytes) -> Iterator[Dial]:
    """Connections to a peer that has said `answer` already, and says no more."""
    kept: list[socket.socket] = []

    def dial(_: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.sendall(answer)
        kept.append(theirs)
        return ours

    yield dial
    for each in kept:
        each.close()


def test_a_dead_member_is_an_observation(name: str, engine: Engine) -> None:
    for dial in (refusing, unreachable):
        seen = engine.observe(dial, 0.2, COMPONENTS[name])
        assert not seen.up
        assert not seen.whole
        assert seen.detail


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x00\xff\r\n",
        b"-ERR no\r\n",
    ],
    ids=["silence", "half", "endless", "noise", "redis"],
)
def test_a_member_that_talks_nonsense_or_not_at_all_neither_raises_nor_hangs(
    name: str, engine: Engine, answer: bytes
) -> None:
    started_s = time.monotonic()
    with pairs(answer) as dial:
        seen = engine.observe(dial, 0.1, COMPONENTS[name])
    assert not seen.up
    assert time.monotonic() - started_s < 5, "a hang, not a matter of speed"


def test_a_refused_switchover_is_a_fault_error() -> None:
    engine = registry.engine("postgresql")
    assert isinstance(engine, Promotable)
    with pytest.raises(FaultError, match="got no answer"):
        engine.switchover(refusing, primary="a", target="b", timeout_s=0.1)
    with pairs(b"HTTP/1.0 412 No\r\nContent-Length: 3\r\n\r\nno!") as dial, pytest.raises(FaultError, match="no!"):
        engine.switchover(dial, primary="a", target="b", timeout_s=1)
