"""The PostgreSQL load against a real server that waits, refuses, hangs on its standby and dies."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from bascule.engines import binaries
from bascule.kernel.errors import NotReadyError
from bascule.measure.checkers import check_epochs, check_set
from bascule.measure.final_audit import audit
from bascule.measure.ledger import Ledger
from bascule.measure.load_postgresql import PostgresqlLoad
from bascule.measure.open_loop import OpenLoop
from bascule.measure.plan import Plan, Target
from bascule.measure.records import Record, read

pytestmark = [
    pytest.mark.real,
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (package util-linux)"),
]

# PostgreSQL refuses to run as root; the first process of a process namespace takes all others with it.
AS_A_USER = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "-i", "-p", "-f", "--kill-child", "--mount-proc")


class Database:
    """A real PostgreSQL that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        initdb = [*AS_A_USER, binaries.find("initdb").path, "-D", str(folder / "data"), "-U", "app", "-A", "trust"]
        options = ["--no-sync", "--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8"]
        subprocess.run([*initdb, *options], check=True, capture_output=True)

    def start(self) -> None:
        postgres = [binaries.find("postgres").path, "-D", str(self.folder / "data"), "-p", str(self.port)]
        settings = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "dynamic_shared_memory_type=mmap",  # a killed server leaves nothing in /dev/shm
            "-c",
            "fsync=off",
            "-c",
            "max_connections=300",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*AS_A_USER, *postgres, *settings], stdout=log, stderr=log)
        until(self.answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            until(lambda: not self.answers())

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="app", dbname="postgres", connect_timeout=2, autocommit=True
        )

    def idle(self) -> bool:
        """Whether no client's statement is being carried out any more."""
        busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name LIKE 'bascule%'"
        with contextlib.closing(self.connection()) as connection:
            return connection.execute(busy.encode()).fetchone() == (0,)

    def run(self, *statements: str) -> None:
        with contextlib.closing(self.connection()) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def until(claim: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, "not within its limit"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("postgresql"))
    made.start()
    try:
        yield made
    finally:
        made.kill()


def plan_for(folder: Path, database: Database, **changes: Any) -> Plan:
    plan = Plan(
        client="outside",
        protocol="postgresql",
        targets=(Target(address="127.0.0.1", port=database.port, name="db"),),
        rate_per_s=100.0,
        deadline_s=1.0,
        records=str(folder / "records.jsonl"),
        status=str(folder / "status.json"),
        count=250,
        user="app",
        database="postgres",
        table=f"writes_{abs(hash(str(folder)))}",
        connections=5,
        ready_limit_s=15.0,
    )
    return msgspec.structs.replace(plan, **changes)


async def offered(plan: Plan, incident: Callable[[], Awaitable[None]] | None = None) -> list[Record]:
    """Offer the whole plan; the incident begins once a tenth of it has been offered."""
    ledger = Ledger(plan)
    load = PostgresqlLoad(plan, ledger)

    async def strike() -> None:
        while ledger.offered < plan.count / 10 and ledger.phase in {"connecting", "running"}:  # noqa: ASYNC110 - the ledger has no event
            await asyncio.sleep(0.01)
        if incident is not None:
            await incident()

    async with asyncio.TaskGroup() as group:
        group.create_task(strike())
        try:
            await OpenLoop(plan, load, ledger).run()
        finally:
            await load.close()
            ledger.close()
    assert ledger.in_flight == 0
    return sorted(read(Path(plan.records)), key=lambda record: record.number)


def outcomes(records: list[Record]) -> set[str]:
    return {record.outcome for record in records}


def test_each_write_returns_its_timeline_and_its_server_and_is_there_at_the_end(
    tmp_path: Path, database: Database
) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database, deadline_s=5.0)
        records = await offered(plan)
        assert outcomes(records) == {"good"}
        assert {(r.epoch, r.server, r.target) for r in records} == {(1, f"127.0.0.1:{database.port}", "db")}
        assert (await audit(plan)).copies == dict.fromkeys(range(1, 251), 1)
        later = msgspec.structs.replace(plan, number_base=241)
        assert (await audit(later)).copies == dict.fromkeys(range(241, 251), 1)

    asyncio.run(scenario())


def test_a_write_that_waited_too_long_is_undecided_and_may_be_there(tmp_path: Path, database: Database) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database)
        records = await offered(plan, held(plan, database, 1.5))
        assert {"good", "unknown"} <= outcomes(records)
        assert {r.error for r in records if r.outcome == "unknown"} == {"timed out"}
        assert {r.error for r in records if r.outcome == "failed"} <= {
            "no connection: timed out",
            "never sent: the deadline had passed",
        }
        findings = check_set(records, (await audit(plan)).copies, None)
        assert not findings.lost
        assert not findings.phantom
        assert findings.recovered_unknown, "a server does not notice that its client left while it waits for a lock"

    asyncio.run(scenario())


def held(plan: Plan, database: Database, hold_s: float) -> Callable[[], Awaitable[None]]:
    """A call that locks the plan's table for so long."""

    async def lock() -> None:
        await asyncio.to_thread(
            database.run,
            "BEGIN",
            f"LOCK TABLE {plan.table} IN ACCESS EXCLUSIVE MODE",
            f"SELECT pg_sleep({hold_s})",
            "COMMIT",
        )

    return lock


def test_a_write_that_waits_for_its_standby_is_never_taken_for_an_acknowledgement(
    tmp_path: Path, database: Database
) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database)

        async def lose_the_standby() -> None:
            await asyncio.to_thread(
                database.run, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"
            )

        try:
            records = await offered(plan, lose_the_standby)
        finally:
            database.run("SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names")
            database.run("SELECT pg_reload_conf()")
        until(database.idle)
        bad = [record for record in records if record.outcome != "good"]
        assert len(bad) > 100
        first_bad_s = min(record.due_s for record in bad)
        assert not [r for r in records if r.acknowledged and r.due_s > first_bad_s + 1], "no wait became a yes"
        assert not check_set(records, (await audit(plan)).copies, None).lost

    asyncio.run(scenario())


def test_a_server_that_takes_no_writes_refuses_them(tmp_path: Path, database: Database) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database, deadline_s=5.0)

        async def demote() -> None:
            await asyncio.to_thread(
                database.run, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
            )

        try:
            records = await offered(plan, demote)
        finally:
            database.run(
                "SET default_transaction_read_only = off",
                "ALTER SYSTEM RESET default_transaction_read_only",
                "SELECT pg_reload_conf()",
            )
        assert outcomes(records) == {"good", "failed"}
        assert all("read-only transaction" in record.error for record in records if record.outcome == "failed")
        findings = check_set(records, (await audit(plan)).copies, None)
        assert not (findings.lost | findings.recovered_unknown)

    asyncio.run(scenario())


def test_a_killed_server_loses_no_acknowledged_write_and_the_load_comes_back_by_itself(
    tmp_path: Path, database: Database
) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database, count=600)

        async def kill_and_restart() -> None:
            await asyncio.to_thread(database.kill)
            await asyncio.to_thread(database.start)

        records = await offered(plan, kill_and_restart)
        assert records[-1].outcome == "good", records[-1]
        assert any(r.error.startswith("no connection") and r.outcome == "failed" for r in records)
        findings = check_set(records, (await audit(plan)).copies, None)
        assert not (findings.lost | findings.duplicated | findings.phantom)
        assert check_epochs(records).violations == 0

    asyncio.run(scenario())


def test_retries_without_a_key_leave_duplicates_that_the_audit_shows(tmp_path: Path, database: Database) -> None:
    async def scenario() -> None:
        plan = plan_for(tmp_path, database, retries=1, deadline_s=2.0)
        records = await offered(plan, held(plan, database, 1.5))
        assert max(record.attempts for record in records) == 2
        findings = check_set(records, (await audit(plan)).copies, None)
        assert findings.duplicated
        assert not findings.lost

    asyncio.run(scenario())


def test_a_server_that_is_not_there_is_said(tmp_path: Path, database: Database) -> None:
    async def scenario() -> None:
        gone = (Target(address="127.0.0.1", port=1),)
        plan = plan_for(tmp_path, database, targets=gone, ready_limit_s=0.3)
        with pytest.raises(NotReadyError, match="audit for client outside"):
            await audit(plan)

    asyncio.run(scenario())
