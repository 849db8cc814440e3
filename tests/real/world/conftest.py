"""Small worlds for the tests of the lab's hosts: made in a moment, gone without a trace afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab import mark, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import LabPlan, layout
from bascule.system.model import Availability, Component, Link, Objectives, Region, System, Workload

ONE_WAY_S = 0.010
SYSTEM = System(
    system="small",
    objectives=Objectives(availability=Availability(target=Share(0.99))),
    regions={"north": Region(zones=("north-a", "north-b")), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 2, "north-b": 1, "south-a": 2})},
    workload=Workload(through="app", rate=Rate(1.0)),
    links=(Link(between=("north", "south"), delay=Duration(ONE_WAY_S)),),
)
Make = Callable[..., LabClient]


def plan_of(isolation: str) -> LabPlan:
    return layout(SYSTEM, world.choose_prefix(isolation))


def need_namespaces() -> None:
    if why := world.isolation_available():
        pytest.skip(why)


def left_behind(identity: str) -> list[str]:
    """The processes that carry a lab's mark."""
    found = []
    for pid in mark.marked(identity):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended between the two looks
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
    return found


@pytest.fixture
def small() -> Callable[[str], LabPlan]:
    """Lays the small system out for an isolation."""
    return plan_of


@pytest.fixture(params=["namespaces", "loopback"])
def isolation(request: pytest.FixtureRequest) -> str:
    if request.param == "namespaces":
        need_namespaces()
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes worlds in directories of their own; ends them all."""
    made: list[LabClient] = []

    def create(isolation: str = "namespaces", name: str = "lab", *, everything: bool = False) -> LabClient:
        if isolation == "namespaces":
            need_namespaces()
        client = world.create(
            tmp_path / name,
            plan_of(isolation),
            isolation=isolation,
            wanted=Abilities(disks=everything, clocks=everything, names=everything),
        )
        made.append(client)
        return client

    yield create
    for client in made:
        client.down()
        assert left_behind(client.record.identity) == []
