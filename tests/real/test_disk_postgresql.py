"""A real PostgreSQL on a disk that fails: what it says, what it keeps, and what it loses where it does not sync."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bascule.chaos.faults import AnyFault, DiskFull, DiskLostWrites, DiskReadOnly, DiskSlow, SyncFailure
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.engines import binaries
from bascule.engines.protocols import Launch
from bascule.kernel.clock import SystemClock
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.lab.protocol import Completed
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SYSTEM = System(
    system="one",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",))},
    components={"db": Component(engine="service", replicas={"north-a": 1})},
    workload=Workload(through="db", rate=Rate(1.0)),
)
DB = "db-north-a-1"
TRY_S = 60.0


class Server:
    """PostgreSQL as the only member of a lab with disks."""

    def __init__(self, lab: LabClient, *, fsync: bool) -> None:
        self.lab = lab
        self._psql = binaries.find("psql")
        initdb, postgres = binaries.find("initdb"), binaries.find("postgres")
        home = lab.directory / "members" / DB
        home.mkdir(parents=True)
        # The disk comes with the first start, so the cluster is made beneath it, and is all on the disk then.
        made = [*initdb.argv, "-D", str(home / "data"), "-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C"]
        done = lab.run(DB, [*made, *locale], environment=initdb.environment)
        assert done.exit_code == 0, done.stderr
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
            "checkpoint_timeout": "1h",
            "restart_after_crash": "off",
        }
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        argv = (*postgres.argv, "-D", str(home / "data"), *given)
        lab.launch(DB, DB, Launch(argv=argv, environment=dict(postgres.environment)), home)
        self.eventually(lambda: self.ask("select 1").exit_code == 0)

    def ask(self, *statements: str) -> Completed:
        argv: Sequence[str] = [*self._psql.argv, "-h", "127.0.0.1", "-U", "app", "-d", "postgres", "-qAtX"]
        given = [word for one in statements for word in ("-c", one)]
        return self.lab.run(DB, [*argv, *given], environment=self._psql.environment, timeout_s=TRY_S)

    def rows(self) -> list[int]:
        done = self.ask("select number from told order by number")
        assert done.exit_code == 0, done.stderr
        return [int(line) for line in done.stdout.split()]

    def eventually(self, claim: Callable[[], object], limit_s: float = 30.0) -> None:
        deadline_s = time.monotonic() + limit_s
        while not claim():
            assert time.monotonic() < deadline_s, f"not within {limit_s} s"
            time.sleep(0.05)


@contextlib.contextmanager
def server(folder: Path, *, fsync: bool = True) -> Iterator[Server]:
    if why := abilities.disks_refusal():
        pytest.skip(f"no disks that can fail: {why}")
    lab = world.create(folder / "lab", layout(SYSTEM, world.choose_prefix("namespaces")), wanted=Abilities(disks=True))
    try:
        yield Server(lab, fsync=fsync)
    finally:
        lab.down()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as one:
        yield one


def injection(lab: LabClient, fault: AnyFault, folder: Path) -> Injection:
    reference = PlatformRef(kind="lab", directory=str(lab.directory), identity=lab.record.identity)
    journal = Journal(folder / "journal.jsonl")
    return Injection(
        fault, lab, journal, reference=reference, number=1, clock=SystemClock(), sleep=time.sleep
    )  # fmt: skip


@contextlib.contextmanager
def acting(lab: LabClient, fault: AnyFault, folder: Path) -> Iterator[None]:
    one = injection(lab, fault, folder)
    struck = one.strike()
    try:
        assert struck.witness.seen, struck.witness.evidence
        yield
    finally:
        one.undo()


def acknowledged(database: Server, numbers: range) -> None:
    for number in numbers:
        done = database.ask(f"insert into told select {number}")
        assert done.exit_code == 0, done.stderr


FILL = "insert into told select generate_series(1000, 400000)"


def test_a_full_disk_is_told_and_room_lets_it_go_on(database: Server, tmp_path: Path) -> None:
    database.ask("create table told (number int)", "insert into told values (1)")
    with acting(database.lab, DiskFull(hosts=(DB,)), tmp_path):
        done = database.ask(FILL)
        assert done.exit_code != 0
        assert b"No space left on device" in done.stderr + logged(database)
        assert 1 in database.rows() if alive(database) else True
    if not alive(database):  # it panics where even its log of transactions has no room
        database.lab.start(DB)
    database.eventually(lambda: database.ask("select 1").exit_code == 0)
    assert database.rows() == [1]
    acknowledged(database, range(2, 4))
    assert database.rows() == [1, 2, 3]


def alive(database: Server) -> bool:
    return bool(database.lab.processes(DB))


def logged(database: Server) -> bytes:
    return (database.lab.directory / "logs" / f"{DB}.log").read_bytes()


def test_a_read_only_disk_is_told_at_the_next_commit(database: Server, tmp_path: Path) -> None:
    database.ask("create table told (number int)", "insert into told values (1)")
    with acting(database.lab, DiskReadOnly(hosts=(DB,)), tmp_path):
        assert database.ask("insert into told values (2)").exit_code != 0
        database.eventually(lambda: b"Read-only file system" in logged(database))
    recovered(database)
    assert 1 in database.rows()


def recovered(database: Server) -> None:
    """It may have panicked, and be on its way down still."""
    deadline_s = time.monotonic() + 30
    while database.ask("insert into told values (100)").exit_code != 0:
        assert time.monotonic() < deadline_s, logged(database)[-2000:]
        database.lab.start(DB)
        time.sleep(0.1)


def test_a_sync_that_fails_makes_it_panic_and_what_it_had_acknowledged_is_there(
    database: Server, tmp_path: Path
) -> None:
    database.ask("create table told (number int)")
    acknowledged(database, range(1, 4))
    with acting(database.lab, SyncFailure(hosts=(DB,)), tmp_path):
        assert database.ask("insert into told values (4)").exit_code != 0
        database.eventually(lambda: b"PANIC" in logged(database))
        assert b"Input/output error" in logged(database)
    recovered(database)
    assert set(database.rows()) >= {1, 2, 3}


def test_a_slow_disk_makes_each_commit_wait(database: Server, tmp_path: Path) -> None:
    database.ask("create table told (number int)")
    with acting(database.lab, DiskSlow(hosts=(DB,), delay_s=0.2), tmp_path):
        begun_s = time.monotonic()
        acknowledged(database, range(1, 2))
        assert time.monotonic() - begun_s >= 0.4, "its write and its sync"
    assert database.rows() == [1]


def lose_power(database: Server, folder: Path) -> tuple[str, ...]:
    one = injection(database.lab, DiskLostWrites(hosts=(DB,)), folder)
    struck = one.strike()
    assert struck.witness.seen, struck.witness.evidence
    assert not alive(database)
    one.undo()
    return struck.witness.evidence


def test_every_acknowledged_commit_outlives_the_loss_of_what_was_not_synced(database: Server, tmp_path: Path) -> None:
    database.ask("create table told (number int)")
    acknowledged(database, range(1, 21))
    evidence = lose_power(database, tmp_path)
    assert any("lost" in line and " 0 bytes" not in line for line in evidence), (
        "tables are not synced before a checkpoint"
    )
    database.eventually(lambda: database.ask("select 1").exit_code == 0)
    assert database.rows() == list(range(1, 21))


def test_mutant_a_database_that_does_not_sync_loses_what_it_acknowledged(tmp_path: Path) -> None:
    with server(tmp_path, fsync=False) as database:
        database.ask("create table told (number int)")
        database.lab.settle_disks()  # as after half a minute: the table is on the disk
        acknowledged(database, range(1, 21))
        assert database.rows() == list(range(1, 21))
        lose_power(database, tmp_path)
        database.eventually(lambda: not alive(database) or database.ask("select 1").exit_code == 0)
        kept = database.rows() if alive(database) else []
        assert kept != list(range(1, 21)), "acknowledged, and gone"
