"""When a lab ends, however it ends, nothing of it is left; and nothing else is touched."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.errors import LabError, MachineError
from bascule.lab import mark, processes, world
from bascule.lab.client import LabClient
from bascule.lab.names import MARK
from bascule.lab.plan import LabPlan
from bascule.lab.protocol import LabRecord

pytestmark = pytest.mark.real
HOST = "app-north-a-1"
Make = Callable[..., LabClient]

OWNER = """
import sys, time
from pathlib import Path
import msgspec
from bascule.lab import world
from bascule.lab.plan import LabPlan

plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=LabPlan)
lab = world.create(Path(sys.argv[2]), plan)
daemon = "import os, time\\nif os.fork() == 0:\\n    os.setsid()\\n    os.fork()\\ntime.sleep(1000)"
lab.spawn("app-north-a-1", "family", [sys.executable, "-c", daemon])
lab.spawn("client", "load", ["sleep", "1000"])
if sys.argv[3] == "keep":
    lab.keep()
print("up", flush=True)
time.sleep(1000)
"""


class Traces:
    """Everything by which a lab would be found after its end."""

    def __init__(self, directory: Path, record: LabRecord) -> None:
        self.directory = directory
        self.record = record
        self.namespaces = {}
        for kind in ("net", "pid_for_children", "user", "mnt"):
            number = Path(f"/proc/{record.pid}/ns/{kind}").stat().st_ino
            if number != Path(f"/proc/self/ns/{kind}").stat().st_ino:
                self.namespaces[kind] = number
        self.mounts = Path("/proc/self/mountinfo").read_text()

    def left(self) -> list[str]:
        found = [f"process {pid}" for pid in mark.marked(self.record.identity)]
        keeper = processes.row(self.record.pid)
        if keeper is not None and keeper.lives and keeper.start == self.record.start:
            found.append("keeper")
        alive = [pid for pid, row in processes.table().items() if row.lives]  # a zombie awaits its parent, no more
        in_use = {_namespace(pid, kind) for pid in alive for kind in ("net", "pid", "user", "mnt")}
        found += [f"{kind} namespace" for kind, number in self.namespaces.items() if number in in_use]
        if Path("/proc/self/mountinfo").read_text() != self.mounts:
            found.append("mount")
        return found


def _namespace(process: int, kind: str) -> int:
    try:
        return Path(f"/proc/{process}/ns/{kind}").stat().st_ino
    except OSError:
        return 0


def eventually(claim: Callable[[], object], limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.01)


@contextlib.contextmanager
def owner_of(directory: Path, plan: LabPlan, end: str = "") -> Iterator[subprocess.Popen[str]]:
    path = directory.with_suffix(".plan")
    path.write_bytes(msgspec.json.encode(plan))
    argv = [sys.executable, "-c", OWNER, str(path), str(directory), end]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "up\n"
            yield owner
        finally:
            owner.kill()


def traces_of(directory: Path) -> Traces:
    record = mark.record(directory)
    assert record is not None
    traces = Traces(directory, record)
    eventually(lambda: len(list(mark.marked(record.identity))) >= 4)
    return traces


def test_a_lab_dies_with_its_owner(tmp_path: Path, small: Callable[[str], LabPlan], isolation: str) -> None:
    directory = tmp_path / "lab"
    with owner_of(directory, small(isolation)) as owner:
        traces = traces_of(directory)
        owner.kill()
        eventually(lambda: traces.left() == [])
    assert sorted(path.name for path in directory.iterdir()) == [".bascule-lab", "logs", "supervisor.log", "tmp"]
    world.destroy(directory)


def test_a_kept_lab_outlives_its_owner_and_is_joined(
    tmp_path: Path, small: Callable[[str], LabPlan], isolation: str
) -> None:
    directory = tmp_path / "lab"
    with owner_of(directory, small(isolation), "keep") as owner:
        traces = traces_of(directory)
        owner.kill()
        owner.wait()
    lab = world.attach(directory)
    assert lab.status().kept
    assert lab.run("client", ["echo", "still here"]).stdout == b"still here\n"
    lab.close()
    world.destroy(directory)
    assert traces.left() == []
    world.destroy(directory)
    with pytest.raises(LabError, match="no lab is up here"):
        world.attach(directory)


@pytest.mark.parametrize("victim", ["keeper", "supervisor"])
def test_a_lab_dies_with_its_supervisor(
    tmp_path: Path, small: Callable[[str], LabPlan], isolation: str, victim: str
) -> None:
    directory = tmp_path / "lab"
    with owner_of(directory, small(isolation), "keep"):
        traces = traces_of(directory)
        keeper = traces.record.pid
        os.kill(keeper if victim == "keeper" else child_of(keeper), signal.SIGKILL)
        eventually(lambda: traces.left() == [])
    world.destroy(directory)
    assert not (directory / "lab.json").exists()
    assert not (directory / "control.sock").exists()


def child_of(pid: int) -> int:
    (child,) = [row.pid for row in processes.table().values() if row.parent == pid]
    return child


def test_on_loopback_what_outlives_keeper_and_supervisor_is_swept(
    tmp_path: Path, small: Callable[[str], LabPlan]
) -> None:
    directory = tmp_path / "lab"
    with owner_of(directory, small("loopback"), "keep"):
        traces = traces_of(directory)
        supervisor = child_of(traces.record.pid)
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(traces.record.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
    world.destroy(directory)
    assert traces.left() == []


def test_a_lab_whose_making_is_interrupted_is_gone(
    tmp_path: Path, small: Callable[[str], LabPlan], isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.create(tmp_path / "lab", small(isolation))
    eventually(lambda: not mark.is_held(tmp_path / "lab"))
    assert not (tmp_path / "lab" / "lab.json").exists()


def test_a_lab_whose_owner_dies_while_it_is_made_is_gone(
    tmp_path: Path, small: Callable[[str], LabPlan], isolation: str
) -> None:
    path = tmp_path / "plan"
    path.write_bytes(msgspec.json.encode(small(isolation)))
    doomed = OWNER.replace(
        "lab = world.create", "world.receive = lambda _: os.kill(os.getpid(), 9)\nlab = world.create"
    )
    argv = [sys.executable, "-c", "import os" + doomed, str(path), str(tmp_path / "lab"), ""]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    assert mark.is_held(tmp_path / "lab")
    eventually(lambda: not mark.is_held(tmp_path / "lab"))
    assert not (tmp_path / "lab" / "lab.json").exists()


def test_two_labs_stand_side_by_side(make: Make, isolation: str) -> None:
    one, other = make(isolation, "one"), make(isolation, "other")
    assert one.run(HOST, ["echo", "one"]).stdout == b"one\n"
    for lab in (one, other):
        lab.spawn(HOST, "load", ["sleep", "1000"])
    if isolation == "loopback":
        assert one.plan.host(HOST).address != other.plan.host(HOST).address
    one.down()
    assert other.wait("load", 0.1) is None
    assert other.reachable(HOST, "client")


def test_a_directory_with_a_living_lab_is_refused_and_one_with_a_dead_lab_is_reused(make: Make, tmp_path: Path) -> None:
    lab = make("loopback")
    with pytest.raises(LabError, match="a lab is up here already") as refused:
        make("loopback")
    assert "bascule lab down" in refused.value.hint
    lab.spawn("client", "load", ["echo", "old"])
    assert lab.wait("load", 5) == 0
    keeper = lab.record.pid
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not mark.is_held(tmp_path / "lab"))
    again = make("loopback")
    assert list((tmp_path / "lab" / "logs").iterdir()) == []
    assert again.reachable(HOST, "client")


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path, small: Callable[[str], LabPlan]) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "precious").write_text("x")
    with pytest.raises(LabError, match="is not empty and holds no lab"):
        world.create(tmp_path, small("loopback"))
    assert (tmp_path / "logs" / "precious").read_text() == "x"
    world.destroy(tmp_path)
    assert (tmp_path / "logs" / "precious").exists()


def test_a_directory_however_deep_can_hold_a_lab(tmp_path: Path, small: Callable[[str], LabPlan]) -> None:
    directory = tmp_path / ("deep" * 20) / ("deeper" * 20) / "lab"
    lab = world.create(directory, small("loopback"))
    try:
        joined = world.attach(directory)
        assert joined.run("client", ["echo", "x"]).stdout == b"x\n"
        joined.close()
        assert directory.stat().st_mode & 0o777 == 0o700
    finally:
        lab.down()


def test_a_directory_that_cannot_be_written_is_one_clear_error(small: Callable[[str], LabPlan]) -> None:
    with pytest.raises(MachineError, match="the lab's directory cannot be used") as refused:
        world.create(Path("/proc/nowhere/lab"), small("loopback"))
    assert "--dir" in refused.value.hint


def test_a_full_disk_is_said_before_anything_starts(
    tmp_path: Path, small: Callable[[str], LabPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "FREE_BYTES", 2**60)
    with pytest.raises(MachineError, match="MiB are free"):
        world.create(tmp_path / "lab", small("loopback"))
    assert not mark.is_held(tmp_path / "lab")


def test_addresses_that_another_lab_has_are_refused(make: Make, tmp_path: Path) -> None:
    lab = make("loopback")
    with pytest.raises(MachineError, match="are in use"):
        world.create(tmp_path / "other", lab.plan)
    assert not mark.is_held(tmp_path / "other")


def test_a_plan_for_the_wrong_isolation_is_refused(tmp_path: Path, small: Callable[[str], LabPlan]) -> None:
    with pytest.raises(LabError, match="do not fit isolation"):
        world.create(tmp_path / "lab", small("loopback"), isolation="namespaces")


def test_forbidden_namespaces_are_said_and_loopback_takes_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.lab.isolation.available", lambda: "this machine forbids user namespaces to this user")
    with pytest.raises(MachineError, match="forbids user namespaces") as refused:
        world.choose_prefix("namespaces")
    assert "loopback" in refused.value.hint
    assert world.choose_prefix("auto").startswith("127.")


def test_a_lab_that_is_down_answers_with_what_to_do(make: Make) -> None:
    lab = make("loopback")
    lab.down()
    lab.down()
    with pytest.raises(LabError, match="the lab is not up"):
        lab.status()


def test_a_directory_that_holds_no_lab_is_never_purged(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(LabError, match="no lab here, nothing is removed"):
        world.purge(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_purging_ends_the_lab_and_removes_its_own_files_alone(make: Make, tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    make("loopback")
    assert world.purge(directory)
    assert not directory.exists()
    make("loopback")
    (directory / "notes.txt").write_text("mine")
    assert not world.purge(directory)
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]


def test_purging_leaves_nothing_of_disks_clocks_and_names(make: Make, tmp_path: Path) -> None:
    made = make(everything=True)
    home = tmp_path / "lab" / "members" / "app"
    home.mkdir(parents=True)
    made.launch("app-north-a-1", "app", Launch(argv=("/bin/sleep", "1000")), home)
    there = {path.name for path in (tmp_path / "lab").iterdir()}
    assert ("clocks" in there) == (made.refusal("clock") == "")
    assert ("names" in there) == (made.refusal("names") == "")
    assert world.purge(tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_who_only_asks_is_not_taken_for_a_lab(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    with (tmp_path / MARK).open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not mark.is_held(tmp_path)
        fcntl.flock(other, fcntl.LOCK_EX)
        assert mark.is_held(tmp_path)
