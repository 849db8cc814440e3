"""A drill that is killed in the middle of a fault leaves a healed lab; by hand the same can be done, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.chaos.faults import AnyFault, Partition, PowerLoss, ProcessFreeze, ProcessKill
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.cli.main import main
from bascule.drill import watchdog
from bascule.engines.protocols import Launch
from bascule.kernel.clock import SystemClock
from bascule.kernel.quantities import Rate, Share
from bascule.lab import world
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "south-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, SOUTH = "app-north-a-1", "app-south-a-1"
DRILL = """
import sys, time
from pathlib import Path
import msgspec
from bascule.chaos.faults import AnyFault
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.drill import watchdog
from bascule.kernel.clock import SystemClock
from bascule.lab import world

directory, run = Path(sys.argv[1]), Path(sys.argv[2])
journal = Journal(run / "journal.jsonl")
watch = watchdog.start(journal.path, directory)
lab = world.attach(directory)
injection = Injection(
    msgspec.json.decode(sys.argv[3], type=AnyFault), lab, journal, number=1, clock=SystemClock(), sleep=time.sleep,
    reference=PlatformRef(kind="lab", directory=str(directory), identity=lab.record.identity),
)
print(injection.strike().witness.seen, flush=True)
while True:
    time.sleep(0.05)
    watch.renew()
"""


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def start(lab: LabClient) -> None:
    for name in (NORTH, SOUTH):
        home = lab.directory / "members" / name
        home.mkdir(parents=True, exist_ok=True)
        lab.launch(name, name, Launch(argv=("sleep", "1000")), home)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabClient]:
    if why := world.isolation_available():
        pytest.skip(why)
    client = world.create(tmp_path / "lab", layout(SYSTEM, world.choose_prefix("namespaces")), isolation="namespaces")
    try:
        start(client)
        yield client
    finally:
        client.down()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def whole(lab: LabClient) -> bool:
    views = [view for name in (NORTH, SOUTH) for view in lab.processes(name)]
    up = [view.state for view in views] == ["running"] * 2
    return up and lab.reachable(NORTH, SOUTH) and lab.reachable("client", NORTH)


def left_injected(lab: LabClient, run: Path, fault: AnyFault) -> None:
    """A fault that acts, and whose drill is gone without a watchdog."""
    reference = PlatformRef(kind="lab", directory=str(lab.directory), identity=lab.record.identity)
    struck = Injection(
        fault,
        lab,
        Journal(run / "journal.jsonl"),
        reference=reference,
        number=1,
        clock=SystemClock(),
        sleep=time.sleep,
    ).strike()
    assert struck.witness.seen, struck.witness.evidence
    assert not whole(lab)


@pytest.mark.parametrize(
    "fault",
    [
        '{"fault": "partition", "hosts": ["app-north-a-1", "probe-north-a"]}',
        '{"fault": "power-loss", "hosts": ["app-north-a-1", "probe-north-a"]}',
        '{"fault": "process-freeze", "member": "app-north-a-1"}',
    ],
)
def test_a_drill_that_is_killed_leaves_a_healed_lab(lab: LabClient, run: Path, fault: str) -> None:
    argv = [sys.executable, "-c", DRILL, str(lab.directory), str(run), fault]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as drill:
        try:
            assert drill.stdout is not None
            assert drill.stdout.readline() == "True\n"
            assert not whole(lab)
            drill.kill()
            eventually(lambda: whole(lab))
            eventually(lambda: Journal(run / "journal.jsonl").pending() == ())
        finally:
            drill.kill()
    assert main(["chaos", "recover", str(run)]) == 0
    assert whole(lab)


@pytest.mark.parametrize(
    "fault",
    [
        ProcessKill(member=NORTH),
        ProcessFreeze(member=NORTH),
        PowerLoss(hosts=(NORTH,)),
        Partition(hosts=(NORTH, "probe-north-a")),
    ],
    ids=str,
)
def test_what_nobody_undid_is_undone_by_hand(
    lab: LabClient, run: Path, fault: AnyFault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    joined: list[LabClient] = []

    def attach(reference: PlatformRef) -> LabClient | None:
        found = watchdog.attach(reference)
        assert isinstance(found, LabClient)
        joined.append(found)
        return found

    monkeypatch.setattr("bascule.cli.chaos.attach", attach)
    left_injected(lab, run, fault)
    assert main(["chaos", "status", str(run)]) == 1
    assert main(["chaos", "recover", str(run), "--dry-run"]) == 1
    assert not whole(lab)
    capsys.readouterr()
    assert main(["chaos", "recover", str(run), "--json"]) == 0
    assert [one["how"] for one in json.loads(capsys.readouterr().out)["recovered"]] == ["undone"]
    assert whole(lab)
    assert main(["chaos", "recover", str(run)]) == 0
    assert main(["chaos", "status", str(run)]) == 0
    for client in joined:
        client.close()


def test_another_lab_in_the_same_place_is_left_alone(lab: LabClient, run: Path) -> None:
    left_injected(lab, run, ProcessKill(member=NORTH))
    lab.down()
    again = world.create(lab.directory, lab.plan, isolation="namespaces")
    try:
        start(again)
        again.kill(SOUTH)
        again.kill(NORTH)
        assert main(["chaos", "recover", str(run)]) == 0
        assert again.processes(NORTH) == (), "it was not this lab's member that the drill killed"
    finally:
        again.down()


def test_a_lab_that_is_gone_took_its_faults_with_it(
    lab: LabClient, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left_injected(lab, run, Partition(hosts=(NORTH,)))
    lab.down()
    assert main(["chaos", "recover", str(run)]) == 0
    assert "the platform is gone" in capsys.readouterr().out
