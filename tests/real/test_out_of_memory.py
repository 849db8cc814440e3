"""The OOM killer strikes a member of a real lab: seen in the kernel's own groups from outside, and nothing stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.quantities import Rate, Share
from bascule.lab import memory_group, world
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(why := memory_group.refusal(f"bascule-test-{os.getpid()}")), reason=why),
]
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH = "app-north-a-1"
MEMBER = """
import os, signal, time
with open("starts", "a") as starts:
    print("main", file=starts)
while True:
    child = os.fork()
    if not child:
        ballast = bytearray(50 << 20)
        with open("hogs", "a") as hogs:
            print("hog", file=hogs)
        time.sleep(1000)
    pid, status = os.wait()
    with open("ends", "a") as ends:
        print(os.WTERMSIG(status), file=ends)
"""


@pytest.fixture(params=["namespaces", "loopback"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LabClient]:
    if request.param == "namespaces" and (why := world.isolation_available()):
        pytest.skip(why)
    directory = tmp_path / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix(request.param)), isolation=request.param)
    try:
        home(client).mkdir(parents=True)
        client.launch(NORTH, NORTH, Launch(argv=(sys.executable, "-c", MEMBER)), home(client))
        eventually(lambda: lines(client, "hogs"))
        yield client
    finally:
        client.down()
        world.destroy(directory)  # where keeper and supervisor were killed, the children of a member are left
        assert groups(client) == []


def home(lab: LabClient) -> Path:
    return lab.directory / "members" / NORTH


def lines(lab: LabClient, name: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return (home(lab) / name).read_text().splitlines()
    return []


def groups(lab: LabClient) -> list[Path]:
    """The kernel's own view of the lab's groups."""
    name = f"bascule-{lab.record.identity}-*"
    return [path for each in memory_group.hierarchies() for path in each.mount.rglob(name)]


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def bascule(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bascule", *map(str, words)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


class ByHand:
    """`bascule chaos inject process-out-of-memory` in a process of its own, once it acts."""

    def __init__(self, lab: LabClient, run: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", "process-out-of-memory", f"member={NORTH}", *words]
        self.run = run
        self.process = subprocess.Popen(
            [*argv, "--lab", str(lab.directory), "-o", str(run)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        assert told.startswith("It acts"), told

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        assert "is undone" in out

    def kill(self) -> None:
        """SIGKILL to the command and its watchdog; the command is stopped before, so that it undoes nothing."""
        self.process.send_signal(signal.SIGSTOP)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"bascule.drill.watchdog" in words and str(self.run / "journal.jsonl").encode() in words:
                    os.kill(int(path.parent.name), signal.SIGKILL)
        self.process.kill()
        self.process.communicate()


def recovered(run: Path) -> None:
    done = bascule("chaos", "recover", run)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_largest_process_is_struck_and_its_keeper_lives_on(lab: LabClient, tmp_path: Path) -> None:
    main = lab.processes(NORTH)[0].pid
    hand = ByHand(lab, tmp_path / "run")
    (group,) = groups(lab)
    assert "oom_kill 0" not in (group / "memory.oom_control").read_text().splitlines()
    assert (group / "cgroup.procs").read_text() == ""
    eventually(lambda: lines(lab, "ends") == [str(signal.SIGKILL.value)])
    eventually(lambda: len(lines(lab, "hogs")) == 2)
    hand.end()
    assert groups(lab) == []
    assert lab.processes(NORTH)[0].pid == main
    assert lines(lab, "starts") == ["main"]


def test_a_main_process_that_was_struck_is_started_by_the_undo_after_sigkill(lab: LabClient, tmp_path: Path) -> None:
    main = lab.processes(NORTH)[0]
    hand = ByHand(lab, tmp_path / "run", f"command={main.command}")
    eventually(lambda: main.pid not in {view.pid for view in lab.processes(NORTH)})
    assert len(groups(lab)) == 1
    hand.kill()
    recovered(tmp_path / "run")
    assert groups(lab) == []
    eventually(lambda: lines(lab, "starts") == ["main", "main"])


def test_the_group_goes_with_the_lab(lab: LabClient, tmp_path: Path) -> None:
    ByHand(lab, tmp_path / "run").kill()
    assert len(groups(lab)) == 1
    lab.down()
    assert groups(lab) == []


def test_when_everything_is_killed_recover_removes_the_group(lab: LabClient, tmp_path: Path) -> None:
    hand = ByHand(lab, tmp_path / "run")
    hand.kill()
    everything(lab)
    (group,) = groups(lab)
    assert group.exists()
    recovered(tmp_path / "run")
    assert groups(lab) == []


def test_when_everything_is_killed_lab_down_removes_the_group(lab: LabClient, tmp_path: Path) -> None:
    ByHand(lab, tmp_path / "run").kill()
    everything(lab)
    assert len(groups(lab)) == 1
    done = bascule("lab", "down", "--dir", lab.directory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert groups(lab) == []


def everything(lab: LabClient) -> None:
    """SIGKILL to the keeper and to the supervisor at the same moment."""
    pids = [lab.record.pid, *children(lab.record.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(state(pid) in {"", "Z"} for pid in pids))


def children(parent: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


@pytest.mark.skipif(os.getuid() != 0, reason="becomes an ordinary user, which only root can")
def test_an_ordinary_user_is_told_why_not() -> None:
    code = (
        "import os; from bascule.lab import memory_group; "
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); print(memory_group.refusal('bascule-test-nobody'))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert "no control group can be made: Permission denied" in done.stdout, done.stderr
