"""Faults of processes, injected by hand into a real lab: proved by what the member itself sees, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from bascule.engines.protocols import Launch
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
MEMBER = """
import mmap, os, threading, time
with open("starts", "a") as starts:
    print(os.getpid(), file=starts)
with open("work", "wb") as file:
    file.truncate(8)
work = mmap.mmap(os.open("work", os.O_RDWR), 8)
lives = open("lives", "a", buffering=1)
kept = []
def look():
    while True:
        try:
            passing = os.open("/", os.O_RDONLY)
            time.sleep(0.02)
            os.close(passing)
            print("opened", file=lives)
        except OSError as error:
            print(error.strerror, file=lives)
        time.sleep(0.02)
threading.Thread(target=look, daemon=True).start()
done = 0
while True:
    for _ in range(1000):
        done += 1
    work[:] = done.to_bytes(8, "little")
"""


@pytest.fixture(scope="module", params=["namespaces", "loopback"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if request.param == "namespaces" and (why := world.isolation_available()):
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix(request.param)), isolation=request.param)
    try:
        for name in (NORTH, SOUTH):
            home(client, name).mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", MEMBER)), home(client, name))
        eventually(lambda: all(done(client, name) for name in (NORTH, SOUTH)))
        yield client
    finally:
        client.down()


def home(lab: LabClient, name: str) -> Path:
    return lab.directory / "members" / name


def done(lab: LabClient, name: str) -> int:
    """How much work the member has done since it was started."""
    with contextlib.suppress(FileNotFoundError):
        return int.from_bytes((home(lab, name) / "work").read_bytes(), "little")
    return 0


def starts(lab: LabClient) -> list[str]:
    return (home(lab, NORTH) / "starts").read_text().splitlines()


def said(lab: LabClient) -> str:
    """What the member was told last when it opened a file."""
    return (home(lab, NORTH) / "lives").read_text().splitlines()[-1]


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def share_of_south(lab: LabClient) -> float:
    """How much NORTH gets done while SOUTH, which nothing slows, does a fair piece of work beside it."""
    north, south = done(lab, NORTH), done(lab, SOUTH)
    eventually(lambda: done(lab, SOUTH) - south > 5_000_000)
    return (done(lab, NORTH) - north) / (done(lab, SOUTH) - south)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """A test that fails leaves no command behind."""
    yield
    for process in ByHand.started:
        with process:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
    ByHand.started.clear()


class ByHand:
    """`bascule chaos inject` in a process of its own."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, lab: LabClient, run: Path, *words: str, before: tuple[str, ...] = ()) -> None:
        argv = [
            *before,
            sys.executable,
            "-m",
            "bascule",
            "chaos",
            "inject",
            *words,
            "--lab",
            str(lab.directory),
            "-o",
            str(run),
        ]
        self.run = run
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(self.process)

    def acts(self) -> None:
        assert self.process.stderr is not None
        assert self.process.stderr.readline().startswith("It acts")

    def end(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        assert "is undone" in out

    def die(self) -> None:
        """SIGKILL to the command and to its watchdog: nobody is left who could undo anything."""
        names = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        watch = [int(name) for name in names if self._watches(name)]
        assert len(watch) == 1
        os.kill(watch[0], signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        recovered = subprocess.run(
            [sys.executable, "-m", "bascule", "chaos", "recover", str(self.run)], check=False, capture_output=True
        )
        assert recovered.returncode == 0, recovered.stdout + recovered.stderr

    def _watches(self, pid: str) -> bool:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return b"bascule.drill.watchdog" in words and str(self.run / "journal.jsonl").encode() in words
        return False


@pytest.fixture(params=[ByHand.end, ByHand.die], ids=["at Ctrl-C", "after SIGKILL"])
def ended(request: pytest.FixtureRequest) -> Callable[[ByHand], None]:
    way: Callable[[ByHand], None] = request.param
    return way


def test_a_slow_member_gets_little_done(lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]) -> None:
    hand = ByHand(lab, tmp_path / "run", "process-slow", f"member={NORTH}", "share=0.1")
    hand.acts()
    assert share_of_south(lab) < 0.6
    ended(hand)
    eventually(lambda: share_of_south(lab) > 0.6)
    assert {view.state for _ in range(50) for view in lab.processes(NORTH)} == {"running"}


def test_a_member_without_descriptors_can_open_nothing(
    lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    eventually(lambda: said(lab) == "opened")
    hand = ByHand(lab, tmp_path / "run", "descriptors-exhausted", f"member={NORTH}")
    hand.acts()
    eventually(lambda: said(lab) == "Too many open files")
    ended(hand)
    eventually(lambda: said(lab) == "opened")


def test_a_crash_loop_starts_the_member_again_and_again(
    lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    before = len(starts(lab))
    hand = ByHand(lab, tmp_path / "run", "process-crash-loop", f"member={NORTH}", "up_s=0.5")
    hand.acts()
    eventually(lambda: len(starts(lab)) > before + 3)
    ended(hand)
    lives = lab.processes(NORTH)[0].pid
    eventually(lambda: done(lab, NORTH) > 100_000)
    assert lab.processes(NORTH)[0].pid == lives


def bascule(*words: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bascule", *map(str, words)], check=False, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", [("process-slow", "share=0.1"), ("process-crash-loop",), ("process-freeze",)], ids=str
)
def test_a_halt_ends_what_breaks_things_and_undoes_it(lab: LabClient, tmp_path: Path, words: tuple[str, ...]) -> None:
    hand = ByHand(lab, tmp_path / "run", words[0], f"member={NORTH}", *words[1:])
    hand.acts()
    code, told = bascule("chaos", "halt", tmp_path / "run", "--dry-run")
    assert (code, words[0] in told) == (0, True), told
    assert hand.process.poll() is None
    code, told = bascule("chaos", "halt", tmp_path / "run")
    while code != 0:  # on a busy machine the end of the process itself may take longer than the two seconds
        code, more = bascule("chaos", "halt", tmp_path / "run")
        told += more
    assert "undone: " in told
    hand.process.wait(timeout=60)
    assert {view.state for _ in range(50) for view in lab.processes(NORTH)} == {"running"}
    eventually(lambda: done(lab, NORTH) > 100_000)
    assert bascule("chaos", "halt", tmp_path / "run") == (0, "nothing runs\n")


def test_a_halt_ends_also_what_a_script_runs_in_the_background(lab: LabClient, tmp_path: Path) -> None:
    """Such a process ignores SIGINT, and so does everything that it starts."""
    deaf = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")
    hand = ByHand(lab, tmp_path / "run", "process-slow", f"member={NORTH}", before=deaf)
    hand.acts()
    code, told = bascule("chaos", "halt", tmp_path / "run")
    while code != 0:
        code, more = bascule("chaos", "halt", tmp_path / "run")
        told += more
    assert "undone: " in told
    hand.process.wait(timeout=60)
    assert bascule("chaos", "status", tmp_path / "run")[0] == 0


def test_a_fault_that_somebody_else_undid_is_over_for_who_injected_it(lab: LabClient, tmp_path: Path) -> None:
    hand = ByHand(lab, tmp_path / "run", "process-slow", f"member={NORTH}")
    hand.acts()
    assert bascule("chaos", "recover", tmp_path / "run")[0] == 0
    hand.process.wait(timeout=60)
    assert hand.process.returncode == 0


def test_a_halt_of_one_run_leaves_another_alone(lab: LabClient, tmp_path: Path) -> None:
    hand = ByHand(lab, tmp_path / "run", "process-slow", f"member={NORTH}")
    hand.acts()
    assert bascule("chaos", "halt", tmp_path / "another") == (0, "nothing runs\n")
    assert hand.process.poll() is None
    hand.end()
