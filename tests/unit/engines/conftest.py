from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bascule.engines import registry
from bascule.engines.protocols import Program, Site
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system.model import (
    Availability,
    Component,
    Disruption,
    Link,
    Need,
    Objectives,
    Region,
    System,
    Workload,
)

DIRECTORY = Path("/lab/members/m")
NAMES = ("etcd", "haproxy", "redis-server")


@pytest.fixture
def programs() -> dict[str, Program]:
    found = {name: Program(name=name, path=f"/opt/{name}", version="3.5.1", source="wheel") for name in NAMES}
    found["postgres"] = Program(name="postgres", path="/opt/pg/bin/postgres", version="18.6", source="wheel")
    patroni = Program(name="patroni", path="/py", version="4.1.5", source="wheel", arguments=("-m", "patroni"))
    return {**found, "patroni": patroni, "python": Program(name="python", path="/py", version="3.11.2", source="PATH")}


@pytest.fixture
def system() -> System:
    """Two regions and a witness: everything that the engines can do to each other."""
    return System(
        system="shop",
        objectives=Objectives(
            availability=Availability(target=Share(0.999)),
            disruptions={"process": Disruption(rto=Duration(30), rpo=Duration(0))},
        ),
        regions={"paris": Region(zones=("a", "b")), "lyon": Region(zones=("c",)), "bern": Region(zones=("d",))},
        components={
            "consensus": Component(engine="etcd", replicas={"a": 1, "c": 1, "d": 1}),
            "database": Component(
                engine="postgresql", replicas={"a": 1, "b": 1, "c": 1}, needs={"consensus": Need(kind="hard")}
            ),
            "sessions": Component(engine="redis", replicas={"a": 1, "c": 1}),
            "pgproxy": Component(
                engine="haproxy",
                replicas={"a": 1, "c": 1},
                options={"listeners": {"postgresql": {"port": 5000, "to": "database", "role": "primary"}}},
            ),
            "app": Component(
                engine="service",
                replicas={"a": 1, "c": 1},
                options={
                    "command": ["${python}", "-m", "app", "--listen", "${self.address}:${self.port}"],
                    "environment": {
                        "DATABASE": "${pgproxy.postgresql}",
                        "PGPASSFILE": "${database.passfile}",
                        "SESSIONS": "${sessions.redis}",
                        "SESSIONS_PASSFILE": "${sessions.passfile}",
                    },
                },
            ),
            "edge": Component(
                engine="haproxy",
                replicas={"a": 1, "c": 1},
                options={"listeners": {"http": {"port": 8080, "mode": "http", "to": "app"}}},
            ),
        },
        links=(Link(between=("paris", "lyon"), delay=Duration(0.02)), Link(between=("outside", "lyon"))),
        workload=Workload(through="edge", rate=Rate(10)),
    )


@pytest.fixture
def site_of(programs: dict[str, Program]) -> Callable[[System, str], Site]:
    def make(system: System, component: str) -> Site:
        keys = [key for name, each in system.components.items() for key in registry.engine(each.engine).secrets(name)]
        return msgspec.structs.replace(
            registry.rehearsal(system, component),
            directory=DIRECTORY,
            secrets={key: f"word-of-{key.replace('/', '-')}" for key in keys},
            programs=programs,
            source_directory=Path("/home/me/shop"),
        )

    return make


@pytest.fixture
def with_options(system: System) -> Callable[..., System]:
    """The system, with other options for one component."""

    def make(component: str, **options: object) -> System:
        changed = msgspec.structs.replace(system.components[component], options=options)
        return msgspec.structs.replace(system, components={**system.components, component: changed})

    return make
