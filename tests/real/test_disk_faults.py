"""Faults of disks, proved by a program that writes there: what it sees while one acts, and that it is gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.chaos.disk import DiskTrouble
from bascule.chaos.faults import AnyFault, DiskFull, DiskLostWrites, DiskReadOnly, DiskSlow, PowerLoss, SyncFailure
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.cli.main import main
from bascule.drill import watchdog
from bascule.engines.protocols import Launch
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import LabError
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, keeper, mark, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a", "north-b"))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "north-b": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
APP, OTHER = "app-north-a-1", "app-north-b-1"
WRITER = """
import errno, os, time
# One file that is open from the beginning, written and synced again and again; what became of it, as its last line.
line = os.open("work", os.O_RDWR | os.O_CREAT)
told = os.open("/dev/stdout", os.O_WRONLY)
place = 0
while True:
    begun = time.monotonic()
    try:
        step = "grow"
        os.pwrite(line, b"x" * 4096, place)
        place += 4096
        step = "sync"
        os.fsync(line)
        step, error = "", ""
    except OSError as failed:
        error = errno.errorcode[failed.errno]
    os.write(told, f"{step} {error} {time.monotonic() - begun:.3f}\\n".encode())
    if place > 1 << 20:
        os.ftruncate(line, 0)
        place = 0
    time.sleep(0.01)
"""
TRIES = """
import errno, json, mmap, os, sys, time
told = {}
def tell(name, act):
    begun = time.monotonic()
    try:
        act()
        told[name] = "ok"
    except OSError as error:
        told[name] = errno.errorcode[error.errno]
    told[name + " took"] = time.monotonic() - begun
line = os.open("kept", os.O_RDWR)
area = mmap.mmap(line, 4096)
tell("read", lambda: os.pread(os.open("kept", os.O_RDONLY | os.O_DIRECT), 0, 0))
tell("overwrite", lambda: os.pwrite(line, b"y" * 100, 0))
tell("grow", lambda: os.pwrite(line, b"z" * 100, os.fstat(line).st_size))
tell("make", lambda: os.close(os.open("made", os.O_WRONLY | os.O_CREAT)))
tell("fsync", lambda: os.fsync(line))
tell("fdatasync", lambda: os.fdatasync(line))
def mapped():
    area[0:10] = b"m" * 10
    area.flush()
tell("msync", mapped)
tell("remove", lambda: os.unlink("spare"))
tell("open to write", lambda: os.close(os.open("kept", os.O_WRONLY)))
told["room"] = os.statvfs(".").f_bavail
print(json.dumps(told))
"""
SETPRIV = "/usr/bin/setpriv"
PREPARE = "for name in kept spare; do head -c 8192 /dev/zero > $name; done; rm -f made; sync"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    with made(tmp_path_factory.mktemp("lab")) as client:
        yield client


@contextlib.contextmanager
def made(folder: Path) -> Iterator[LabClient]:
    if why := abilities.disks_refusal():
        pytest.skip(f"no disks that can fail: {why}")
    plan = layout(SYSTEM, world.choose_prefix("namespaces"))
    client = world.create(folder / "lab", plan, wanted=Abilities(disks=True))
    try:
        for name in (APP, OTHER):
            home(client, name).mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", WRITER)), home(client, name))
        yield client
    finally:
        client.down()


def home(lab: LabClient, name: str = APP) -> Path:
    return lab.directory / "members" / name


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def tries(lab: LabClient, name: str = APP) -> dict[str, object]:
    """What becomes of each kind of operation, as a program on the host sees it."""
    argv = ["/bin/sh", "-c", 'cd "$1" && exec "$2" -c "$3"', "sh", str(home(lab, name)), sys.executable, TRIES]
    done = lab.run(name, argv, timeout_s=60)
    assert done.exit_code == 0, done.stderr.decode()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def prepare(lab: LabClient, name: str = APP) -> None:
    done = lab.run(name, ["/bin/sh", "-c", f'cd "$1" && {PREPARE}', "sh", str(home(lab, name))])
    assert done.exit_code == 0, done.stderr.decode()


def said(lab: LabClient, name: str = APP) -> str:
    """The last whole line that the member said."""
    lines = (lab.directory / "logs" / f"{name}.log").read_text().splitlines()
    return lines[-1] if lines else ""


def works(lab: LabClient, name: str = APP) -> bool:
    """Whether the member, whose file has been open all the time, says that all goes well; looked for once it speaks."""
    path = lab.directory / "logs" / f"{name}.log"
    before = path.stat().st_size
    eventually(lambda: path.stat().st_size > before + 100)
    words = path.read_text().splitlines()[-1].split()
    return len(words) == 2


def disks() -> set[str]:
    """Processes that are disks, of any lab of this machine."""
    found: set[str] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found |= {entry.name} if b"bascule.lab.disk" in (entry / "cmdline").read_bytes().split(b"\0") else set()
    return found


def reference(lab: LabClient) -> PlatformRef:
    return PlatformRef(kind="lab", directory=str(lab.directory), identity=lab.record.identity)


def injection(lab: LabClient, fault: AnyFault, folder: Path) -> Injection:
    journal = Journal(folder / "journal.jsonl")
    return Injection(
        fault, lab, journal, reference=reference(lab), number=1, clock=SystemClock(), sleep=time.sleep
    )  # fmt: skip


@contextlib.contextmanager
def acting(lab: LabClient, fault: AnyFault, folder: Path) -> Iterator[None]:
    """The fault acts within the block; after it, the member works, with the file that it had open all along."""
    one = injection(lab, fault, folder)
    struck = one.strike()
    try:
        assert struck.witness.seen, struck.witness.evidence
        yield
    finally:
        one.undo()
    eventually(lambda: works(lab))
    prepare(lab)
    found = tries(lab)
    assert {found[name] for name in ("overwrite", "grow", "make", "fsync", "msync", "remove")} == {"ok"}


def test_a_full_disk_lets_nothing_grow_and_removing_makes_room(lab: LabClient, tmp_path: Path) -> None:
    prepare(lab)
    with acting(lab, DiskFull(hosts=(APP,)), tmp_path):
        eventually(lambda: "grow ENOSPC" in said(lab))
        lab.kill(APP)  # or it would take the room that is made
        found = tries(lab)
        assert (found["grow"], found["make"]) == ("ENOSPC", "ENOSPC")
        assert {found[name] for name in ("overwrite", "fsync", "msync", "remove", "open to write")} == {"ok"}
        assert found["room"] == 2, "of what was removed"
        assert tries(lab)["make"] == "ok", "there is room for a small file now"
        lab.start(APP)
        assert works(lab, OTHER)


def test_a_read_only_disk_refuses_every_change_also_of_open_files(lab: LabClient, tmp_path: Path) -> None:
    prepare(lab)
    with acting(lab, DiskReadOnly(hosts=(APP,)), tmp_path):
        argv = ["/bin/sh", "-c", f"cat {home(lab)}/kept | wc -c; echo > {home(lab)}/kept"]
        done = lab.run(APP, argv)
        assert done.stdout.split() == [b"8192"]
        assert b"Read-only file system" in done.stderr
        eventually(lambda: "grow EROFS" in said(lab))
        assert works(lab, OTHER)


def test_failing_syncs_are_told_to_fsync_fdatasync_and_msync(lab: LabClient, tmp_path: Path) -> None:
    prepare(lab)
    with acting(lab, SyncFailure(hosts=(APP,)), tmp_path):
        found = tries(lab)
        assert [found[name] for name in ("fsync", "fdatasync", "msync")] == ["EIO"] * 3
        assert {found[name] for name in ("overwrite", "grow", "make")} == {"ok"}
        eventually(lambda: "sync EIO" in said(lab))
        assert works(lab, OTHER)


def test_a_slow_disk_takes_its_time_for_each_operation(lab: LabClient, tmp_path: Path) -> None:
    prepare(lab)
    with acting(lab, DiskSlow(hosts=(APP,), delay_s=0.3), tmp_path):
        found = tries(lab)
        for name in ("overwrite", "grow", "fsync", "msync"):
            assert found[name] == "ok"
            assert float(str(found[f"{name} took"])) >= 0.3
        eventually(lambda: float(said(lab).split()[-1]) >= 0.6)
        assert works(lab, OTHER)


def test_a_narrow_disk_moves_so_many_bytes_a_second(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, DiskSlow(hosts=(APP,), delay_s=0.001, rate_bytes_per_s=1e5), tmp_path):
        argv = ["/bin/sh", "-c", f"head -c 100000 /dev/zero > {home(lab)}/spare"]
        begun_s = time.monotonic()
        assert lab.run(APP, argv).exit_code == 0
        assert time.monotonic() - begun_s >= 0.9


def put(lab: LabClient, name: str, text: str, *, sync: bool) -> None:
    script = (
        "import os, sys\nline = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\nos.write(line, sys.argv[2].encode())\n"
        "if sys.argv[3] == 'True':\n    os.fsync(line)"
    )
    done = lab.run(APP, [sys.executable, "-c", script, str(home(lab) / name), text, str(sync)])
    assert done.exit_code == 0, done.stderr.decode()


def content(lab: LabClient, name: str) -> str:
    done = lab.run(APP, ["cat", str(home(lab) / name)])
    assert done.exit_code == 0, done.stderr.decode()
    return done.stdout.decode()


def test_what_was_synced_outlives_a_loss_of_power_and_what_was_not_does_not(lab: LabClient, tmp_path: Path) -> None:
    put(lab, "A", "a" * 10_000, sync=True)
    put(lab, "B", "b" * 10_000, sync=False)
    put(lab, "C", "c" * 10_000, sync=True)
    put(lab, "C", "d" * 5_000, sync=False)
    assert content(lab, "B") == "b" * 10_000, "while the power is on, nobody can tell"
    with acting(lab, DiskLostWrites(hosts=(APP,)), tmp_path):
        assert lab.processes(APP) == ()
        assert works(lab, OTHER)
        lost = lab.writes_lost(APP)
        assert lost is not None
        assert lost.size_bytes >= 15_000
    assert content(lab, "A") == "a" * 10_000
    assert content(lab, "B") == ""
    assert content(lab, "C") == "c" * 10_000


EVERY_WAY = """
import mmap, os, sys, time
os.chdir(sys.argv[1])
def put(name, flags=0):
    line = os.open(name, os.O_RDWR | os.O_CREAT | flags)
    os.write(line, b"x" * 5000)
    return line
for name, sync in (("fsync", os.fsync), ("fdatasync", os.fdatasync)):
    sync(put("kept-by-" + name))
for name in ("O_SYNC", "O_DSYNC"):
    os.close(put("kept-by-" + name, getattr(os, name)))
put("kept-by-another")
os.fsync(os.open("kept-by-another", os.O_RDONLY))
put("kept-before-rename")
os.fsync(os.open("kept-before-rename", os.O_RDONLY))
os.rename("kept-before-rename", "kept-by-name")
os.close(put("lost-written"))
put("lost-in-use")
os.close(put("lost-before-rename"))
os.rename("lost-before-rename", "lost-by-name")
os.fsync(os.open(".", os.O_RDONLY))
areas = []
for name in ("kept-by-msync", "lost-mapped"):
    line = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(line, b"o" * 5000)
    os.fsync(line)
    areas.append(mmap.mmap(line, 5000))
    areas[-1][:] = b"x" * 5000
areas[0].flush()
print("written", flush=True)
time.sleep(1000)
"""


def test_every_way_to_sync_counts_and_nothing_else_does(lab: LabClient, tmp_path: Path) -> None:
    output = tmp_path / "told"
    lab.spawn(APP, "every-way", [sys.executable, "-c", EVERY_WAY, str(home(lab))], output=output)
    eventually(lambda: output.exists() and "written" in output.read_text())
    with acting(lab, DiskLostWrites(hosts=(APP,)), tmp_path):
        pass
    found = {path.name: path.read_bytes() for path in home(lab).glob("*-*")}
    kept = {name: data for name, data in found.items() if name.startswith("kept-")}
    assert kept == dict.fromkeys(
        [f"kept-by-{way}" for way in ("fsync", "fdatasync", "O_SYNC", "O_DSYNC", "another", "name", "msync")],
        b"x" * 5000,
    )
    lost = {name: data for name, data in found.items() if name.startswith("lost-")}
    assert lost == {"lost-written": b"", "lost-in-use": b"", "lost-by-name": b"", "lost-mapped": b"o" * 5000}


def test_mutant_a_plain_loss_of_power_loses_nothing_that_was_written(lab: LabClient, tmp_path: Path) -> None:
    put(lab, "plain", "b" * 10_000, sync=False)
    with acting(lab, PowerLoss(hosts=(APP,)), tmp_path):
        assert lab.writes_lost(APP) is None
    assert content(lab, "plain") == "b" * 10_000


def test_what_nobody_undid_is_undone_by_hand(lab: LabClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after SIGKILL of everything that injected it; a second recovery finds nothing to do."""
    joined: list[LabClient] = []

    def attach(given: PlatformRef) -> LabClient | None:
        found = watchdog.attach(given)
        assert isinstance(found, LabClient)
        joined.append(found)
        return found

    monkeypatch.setattr("bascule.cli.chaos.attach", attach)
    prepare(lab)
    assert injection(lab, DiskFull(hosts=(APP,)), tmp_path).strike().witness.seen
    assert tries(lab)["grow"] == "ENOSPC"
    assert main(["chaos", "recover", str(tmp_path)]) == 0
    assert main(["chaos", "recover", str(tmp_path)]) == 0
    prepare(lab)
    assert tries(lab)["grow"] == "ok"
    eventually(lambda: works(lab))
    for client in joined:
        client.close()


def test_a_member_that_waits_for_a_slow_disk_can_be_killed_at_once(lab: LabClient) -> None:
    crawl = DiskTrouble(kind="slow", delay_s=0.5, rate_bytes_per_s=10.0)
    lab.add_disk_trouble(APP, crawl)
    try:
        eventually(lambda: (counts := lab.disk_counts(APP, crawl)) and counts.hit)
        lab.kill(APP)
        assert lab.processes(APP) == ()
    finally:
        lab.remove_disk_trouble(APP, crawl)
    lab.start(APP)
    eventually(lambda: works(lab))


def the_disk_of(lab: LabClient, name: str) -> int:
    """Its pid, seen from here."""
    for pid in mark.marked(lab.record.identity):
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"BASCULE_MEMBER=disk-{name}".encode() in words:
            return pid
    raise AssertionError(f"{name} has no disk")


def test_a_disk_that_dies_fails_everything_and_the_undo_puts_a_new_one_there(lab: LabClient, tmp_path: Path) -> None:
    put(lab, "synced", "a" * 100, sync=True)
    one = injection(lab, DiskSlow(hosts=(APP,), delay_s=0.2), tmp_path)
    assert one.strike().witness.seen
    os.kill(the_disk_of(lab, APP), signal.SIGKILL)
    eventually(lambda: "ENOTCONN" in said(lab) or "ECONNABORTED" in said(lab))
    with pytest.raises(LabError, match="does not obey"):
        lab.disk_counts(APP, DiskSlow(hosts=(APP,), delay_s=0.2).trouble())
    one.undo()
    one.undo()
    eventually(lambda: works(lab))
    assert content(lab, "synced") == "a" * 100
    assert works(lab, OTHER)


def test_a_disk_that_died_is_new_when_its_member_starts_again(lab: LabClient) -> None:
    os.kill(the_disk_of(lab, APP), signal.SIGKILL)
    eventually(lambda: "ENOTCONN" in said(lab) or "ECONNABORTED" in said(lab))
    lab.kill(APP)
    lab.start(APP)
    eventually(lambda: works(lab))


def test_a_disk_that_hangs_is_new_when_its_member_starts_again(lab: LabClient) -> None:
    lab.kill(APP)
    os.kill(the_disk_of(lab, APP), signal.SIGSTOP)
    lab.start(APP)
    eventually(lambda: works(lab))
    assert works(lab, OTHER)


@pytest.mark.alone
@pytest.mark.parametrize("how", ["down", "keeper", "supervisor", "owner"])
def test_nothing_of_a_lab_stays_whatever_its_disks_are_at(tmp_path: Path, how: str) -> None:
    before = disks()
    with made(tmp_path) as lab:
        assert works(lab, OTHER)
        lab.add_disk_trouble(APP, DiskTrouble(kind="slow", delay_s=2.0, rate_bytes_per_s=10.0))
        lab.add_disk_trouble(OTHER, DiskTrouble(kind="full"))
        eventually(lambda: "ENOSPC" in said(lab, OTHER))
        assert len(disks() - before) == 2
        if how == "keeper":
            mark.kill_keeper(lab.record)
        elif how == "supervisor":
            os.kill(next(iter(keeper.descendants(lab.record.pid))), signal.SIGKILL)
        elif how == "owner":
            lab._owner.close() if lab._owner else None  # as when the process ends that made it
        else:
            lab.down()
        eventually(lambda: not list(mark.marked(lab.record.identity)), 10)
        assert not disks() - before
        assert "bascule-disk" not in Path("/proc/self/mountinfo").read_text()
        assert (home(lab) / "work").is_file(), "its data is where it was"


def test_a_lab_without_disks_says_how_to_have_them_and_one_on_loopback_why_it_has_none(tmp_path: Path) -> None:
    fault = DiskFull(hosts=(APP,))
    for isolation, why in (("namespaces", "--disks"), ("loopback", "this machine's own files")):
        if isolation == "namespaces" and world.isolation_available():
            continue
        plan = layout(SYSTEM, world.choose_prefix(isolation))
        wanted = Abilities(disks=isolation == "loopback")
        client = world.create(tmp_path / isolation, plan, isolation=isolation, wanted=wanted)
        try:
            assert why in client.refusal("disk")
            with pytest.raises(LabError, match="no disks that can fail"):
                client.try_disk(APP)
            with pytest.raises(LabError):
                client.lose_writes((APP,))
            assert fault.kind() == "disk-full"
        finally:
            client.down()


def test_the_command_refuses_disks_where_there_can_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "examples" / "taskmanagerpro" / "bascule.yaml"
    words = ["lab", "up", str(example), "--dir", str(tmp_path / "lab"), "--disks", "--isolation", "loopback"]
    assert main(words) == 2
    assert "this machine's own files" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "lab").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
def test_a_user_to_whom_the_door_is_closed_is_told_so() -> None:
    if Path("/dev/fuse").stat().st_mode & 0o007:
        pytest.skip("/dev/fuse is open to everybody here")
    source = Path(world.__file__).parents[2]
    readable = ["/usr/bin/python3", "-c", "import sys; print(open(sys.argv[1]).read(1))", str(Path(world.__file__))]
    if subprocess.run([SETPRIV, "--reuid=65533", *readable], capture_output=True, check=False).returncode:
        pytest.skip("another user cannot read the sources here")
    argv = [SETPRIV, "--reuid=65533", "--clear-groups", "/usr/bin/python3", "-m", "bascule.lab.disk_mount"]
    tried = subprocess.run(argv, env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=False)
    assert tried.returncode == 1
    assert "/dev/fuse is closed to this user" in tried.stdout
