"""Clocks that go wrong: proved by what the members themselves say the time is, and right again afterwards."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.hands import Inject, eventually, injecting

from bascule.engines.protocols import Launch
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "south-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, SOUTH = "app-north-a-1", "app-south-a-1"
MEMBER = """
import json, os, time
while True:
    with open("told.new", "w") as file:
        json.dump([time.time(), time.monotonic(), os.getpid()], file)
    os.rename("told.new", "told")
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if why := abilities.clocks_refusal():
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), wanted=Abilities(clocks=True))
    try:
        for name in (NORTH, SOUTH):
            home = directory / "members" / name
            home.mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", MEMBER)), home)
        eventually(lambda: all((directory / "members" / name / "told").exists() for name in (NORTH, SOUTH)))
        yield client
    finally:
        client.down()


def ahead(lab: LabClient, name: str) -> float:
    """How far the member's own clock is ahead of this one's; both go by the same monotonic clock."""
    wall_s, monotonic_s, _ = json.loads((lab.directory / "members" / name / "told").read_text())
    return float(wall_s - monotonic_s - (time.time() - time.monotonic()))


def shared() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("*faketime*")}  # noqa: S108 - where libfaketime keeps its own


@pytest.fixture(autouse=True, scope="module")
def nothing_stays() -> Iterator[None]:
    before = shared()
    yield
    eventually(lambda: shared() <= before)


@pytest.fixture
def inject(lab: LabClient, tmp_path: Path) -> Iterator[Callable[..., Inject]]:
    with injecting(lab, tmp_path) as start:
        yield start


@pytest.mark.parametrize("end", [Inject.end, Inject.die], ids=["at Ctrl-C", "after SIGKILL"])
def test_a_member_whose_clock_was_set_back_says_so_and_its_neighbour_does_not(
    lab: LabClient, inject: Callable[..., Inject], end: Callable[[Inject], None]
) -> None:
    assert abs(ahead(lab, NORTH)) < 0.5
    by_hand = inject("clock-step", f"member={NORTH}", "step_s=-3600")
    by_hand.acts()
    eventually(lambda: abs(ahead(lab, NORTH) + 3600) < 1)
    assert abs(ahead(lab, SOUTH)) < 0.5
    end(by_hand)
    eventually(lambda: abs(ahead(lab, NORTH)) < 0.5)


def test_a_clock_that_drifts_gets_ever_further_ahead(lab: LabClient, inject: Callable[..., Inject]) -> None:
    by_hand = inject("clock-drift", f"member={NORTH}", "rate=0.5")
    by_hand.acts()
    eventually(lambda: ahead(lab, NORTH) > 2.0)
    first = ahead(lab, NORTH)
    eventually(lambda: ahead(lab, NORTH) > first + 1.0)
    by_hand.end()
    eventually(lambda: abs(ahead(lab, NORTH)) < 0.5)


def test_a_member_that_is_started_again_meanwhile_has_the_wrong_clock_too(
    lab: LabClient, inject: Callable[..., Inject]
) -> None:
    by_hand = inject("clock-step", f"member={NORTH}", "step_s=600")
    by_hand.acts()
    lab.kill(NORTH)
    (lab.directory / "members" / NORTH / "told").unlink()
    lab.start(NORTH)
    eventually((lab.directory / "members" / NORTH / "told").exists)
    eventually(lambda: abs(ahead(lab, NORTH) - 600) < 1)
    by_hand.end()
    eventually(lambda: abs(ahead(lab, NORTH)) < 0.5)


def test_a_lab_without_clocks_says_how_to_get_them(tmp_path: Path) -> None:
    client = world.create(tmp_path / "lab", layout(SYSTEM, world.choose_prefix("loopback")), isolation="loopback")
    try:
        assert "bascule lab up --clocks" in client.refusal("clock")
    finally:
        client.down()
