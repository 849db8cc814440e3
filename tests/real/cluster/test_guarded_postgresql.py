"""Every way to guard a write to a real PostgreSQL; and a leader that is frozen in the middle of one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.postgresql_server import PostgresqlServer, running

from bascule.cluster.fencing.fences_sql import FENCED
from bascule.cluster.fencing.guarded import FENCES_SQL, fence_sql, guarded
from bascule.kernel.errors import FenceError, InputError, LeadershipLostError

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    with running(tmp_path_factory.mktemp("postgresql")) as one:
        yield one


@pytest.fixture
def place(server: PostgresqlServer) -> PostgresqlServer:
    server.sql("DROP TABLE IF EXISTS bascule_fences, reports")
    server.sql(FENCES_SQL)
    server.sql("CREATE TABLE reports (text text)")
    return server


def reports(place: PostgresqlServer) -> list[str]:
    return [row[0] for row in place.sql("SELECT text FROM reports ORDER BY text")]


def raise_the_token(place: PostgresqlServer, token: int) -> None:
    with psycopg.connect(place.conninfo) as connection, guarded(token, connection, name="reports"):
        connection.execute("INSERT INTO reports VALUES ('by the successor')")


@pytest.mark.parametrize("autocommit", [True, False])
def test_psycopg(place: PostgresqlServer, autocommit: bool) -> None:
    with psycopg.connect(place.conninfo, autocommit=autocommit, row_factory=dict_row) as connection:
        for text in ("a", "b"):
            with guarded(5, connection, name="reports") as same:
                same.execute("INSERT INTO reports VALUES (%s)", [text])
        assert reports(place) == ["a", "b"], "each block commits at its end"
        raise_the_token(place, 6)
        with (
            pytest.raises(LeadershipLostError, match="token 5 of reports is too old: 6"),
            guarded(5, connection, name="reports"),
        ):
            pytest.fail("it was let in")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with guarded(6, connection, name="reports"):
            connection.execute("INSERT INTO reports VALUES ('c')")
    assert reports(place) == ["a", "b", "by the successor", "c"]


def test_psycopg_within_a_transaction_of_the_callers(place: PostgresqlServer) -> None:
    with psycopg.connect(place.conninfo) as connection:
        connection.execute("INSERT INTO reports VALUES ('before')")
        with guarded(1, connection, name="reports"):
            connection.execute("INSERT INTO reports VALUES ('within')")
        assert reports(place) == []
        connection.rollback()
        raise_the_token(place, 2)

        def write() -> None:
            with connection.transaction():
                connection.execute("INSERT INTO reports VALUES ('before')")
                with guarded(1, connection, name="reports"):
                    pytest.fail("it was let in")

        with pytest.raises(LeadershipLostError):
            write()
    assert reports(place) == ["by the successor"]


def test_psycopg_asynchronous(place: PostgresqlServer) -> None:
    async def write() -> None:
        async with await psycopg.AsyncConnection.connect(place.conninfo, row_factory=dict_row) as connection:
            async with guarded(5, connection, name="reports") as same:
                await same.execute("INSERT INTO reports VALUES ('a')")
            await asyncio.to_thread(raise_the_token, place, 6)
            with pytest.raises(LeadershipLostError):
                async with guarded(5, connection, name="reports"):
                    pytest.fail("it was let in")
            with pytest.raises(InputError, match="asynchronous"), guarded(6, connection, name="reports"):
                pytest.fail("it was let in")

    asyncio.run(write())
    assert reports(place) == ["a", "by the successor"]


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_a_snapshot_from_before_the_successor_is_no_way_in(
    place: PostgresqlServer, level: psycopg.IsolationLevel
) -> None:
    raise_the_token(place, 1)
    with psycopg.connect(place.conninfo) as connection:
        connection.isolation_level = level
        connection.execute("SELECT count(*) FROM reports")  # takes the snapshot
        raise_the_token(place, 2)
        with pytest.raises(psycopg.errors.SerializationFailure), guarded(1, connection, name="reports"):
            pytest.fail("it was let in")


def test_a_missing_table_is_told(place: PostgresqlServer) -> None:
    place.sql("DROP TABLE bascule_fences")
    with (
        psycopg.connect(place.conninfo) as connection,
        pytest.raises(FenceError, match="bascule_fences is missing"),
        guarded(1, connection, name="reports"),
    ):
        pytest.fail("it was let in")


FROZEN = """
import sys, psycopg
from bascule.cluster.fencing.guarded import guarded
from bascule.kernel.errors import LeadershipLostError
with psycopg.connect(sys.argv[1]) as connection:
    try:
        for text in ("first", "late"):
            print("before", flush=True)
            sys.stdin.readline()
            with guarded(1, connection, name="reports"):
                print("within", flush=True)
                sys.stdin.readline()
                connection.execute("INSERT INTO reports VALUES (%s)", [text])
            print("written", flush=True)
    except (LeadershipLostError, psycopg.Error) as error:
        print(type(error).__name__, flush=True)
"""


class Leader:
    """A process that writes step by step, and can be frozen."""

    def __init__(self, conninfo: str) -> None:
        argv = [sys.executable, "-c", FROZEN, conninfo]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def freeze(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self._process.pid}/stat")
        wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", "it stands still")

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def leader(place: PostgresqlServer) -> Iterator[Leader]:
    one = Leader(f"{place.conninfo} options='-c idle_in_transaction_session_timeout=300'")
    try:
        assert one.says() == "before"
        yield one
    finally:
        one.end()


def test_a_leader_that_was_frozen_before_its_write_is_refused(place: PostgresqlServer, leader: Leader) -> None:
    leader.step()
    assert leader.says() == "within"
    leader.step()
    assert (leader.says(), leader.says()) == ("written", "before")
    leader.freeze()
    leader.step()
    raise_the_token(place, 2)
    leader.thaw()
    assert leader.says() == "LeadershipLostError"
    assert reports(place) == ["by the successor", "first"]


def test_a_leader_that_is_frozen_within_its_block_is_cut_off(place: PostgresqlServer, leader: Leader) -> None:
    leader.step()
    assert leader.says() == "within"
    leader.freeze()
    leader.step()
    raise_the_token(place, 2)  # waits until the server has ended the other's session
    leader.thaw()
    assert leader.says() == "IdleInTransactionSessionTimeout"
    assert reports(place) == ["by the successor"]


class Fenced:
    """A table that defends itself."""

    def __init__(self, place: PostgresqlServer) -> None:
        place.sql(fence_sql("reports", "reports"))
        place.sql("DROP ROLE IF EXISTS writer; CREATE ROLE writer; GRANT SELECT, INSERT, DELETE ON reports TO writer")
        self._conninfo = place.conninfo

    def write(self, setting: str, statement: str = "INSERT INTO reports VALUES ('x')") -> None:
        with psycopg.connect(self._conninfo) as connection:
            connection.execute("SET ROLE writer")
            if setting:
                connection.execute("SELECT set_config('bascule.token', %s, true)", [setting])
            connection.execute(statement.encode())

    def is_refused(self, setting: str, statement: str = "INSERT INTO reports VALUES ('x')") -> str:
        with pytest.raises(psycopg.DatabaseError) as error:
            self.write(setting, statement)
        assert error.value.sqlstate == FENCED
        return str(error.value)


def test_a_table_defends_itself(place: PostgresqlServer) -> None:
    table = Fenced(place)
    assert "no fencing token of reports was given" in table.is_refused("")
    assert "no fencing token" in table.is_refused("another:9")
    assert "no fencing token" in table.is_refused("report_:9")
    table.write("reports:3")
    table.write("reports:3")
    table.write("reports:5")
    assert "token 3 of reports is too old: 5 has written" in table.is_refused("reports:3")
    for statement in ("DELETE FROM reports", "DELETE FROM reports WHERE false"):
        table.is_refused("reports:4", statement)
    assert reports(place) == ["x"] * 3
    place.sql(fence_sql("reports", "reports"))  # once more does no harm


def test_a_name_is_no_pattern(place: PostgresqlServer) -> None:
    table = Fenced(place)
    place.sql(fence_sql("reports", "daily_reports"))
    table.is_refused("daily-reports:9")
    table.write("daily_reports:1")


def test_psycopg_in_a_pipeline(place: PostgresqlServer) -> None:
    raise_the_token(place, 5)
    with psycopg.connect(place.conninfo) as connection, connection.pipeline():
        with guarded(6, connection, name="reports"):
            connection.execute("INSERT INTO reports VALUES ('a')")
        with pytest.raises(LeadershipLostError), guarded(5, connection, name="reports"):
            pytest.fail("it was let in")
    assert reports(place) == ["a", "by the successor"]


def test_a_guarded_block_satisfies_the_trigger(place: PostgresqlServer) -> None:
    table = Fenced(place)
    raise_the_token(place, 7)
    table.is_refused("reports:6")
    with psycopg.connect(place.conninfo) as connection:
        with guarded(7, connection, name="reports"):
            connection.execute("INSERT INTO reports VALUES ('y')")
        with pytest.raises(psycopg.DatabaseError, match="no fencing token"):
            connection.execute("INSERT INTO reports VALUES ('after the block')")
    assert reports(place) == ["by the successor", "y"]


@pytest.mark.parametrize("driver", ["psycopg", "sqlite"])
def test_sqlalchemy(place: PostgresqlServer, driver: str, tmp_path: Path) -> None:
    sqlalchemy: Any = pytest.importorskip("sqlalchemy", reason="needs the Python package sqlalchemy")
    url = f"postgresql+psycopg://app@127.0.0.1:{place.port}/postgres"
    engine = sqlalchemy.create_engine(url if driver == "psycopg" else f"sqlite:///{tmp_path}/reports.db")
    insert = sqlalchemy.text("INSERT INTO reports VALUES (:text)")
    if driver == "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql(FENCES_SQL)
            connection.exec_driver_sql("CREATE TABLE reports (text text)")
    with engine.connect() as connection:
        with guarded(1, connection, name="reports"):
            connection.execute(insert, {"text": "a"})
        with connection.begin(), guarded(2, connection, name="reports"):
            connection.execute(insert, {"text": "b"})
        with pytest.raises(LeadershipLostError), guarded(1, connection, name="reports"):
            pytest.fail("it was let in")
        assert connection.execute(sqlalchemy.text("SELECT text FROM reports")).fetchall() == [("a",), ("b",)]
    if driver == "psycopg":
        with (
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
            pytest.raises(InputError, match="autocommit"),
            guarded(2, connection, name="reports"),
        ):
            pytest.fail("it was let in")
    engine.dispose()


def test_sqlalchemy_asynchronous(place: PostgresqlServer) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the Python package sqlalchemy")
    asyncio_of_it: Any = pytest.importorskip("sqlalchemy.ext.asyncio")
    pytest.importorskip("greenlet", reason="needs the Python package greenlet")

    async def write() -> None:
        engine = asyncio_of_it.create_async_engine(f"postgresql+psycopg://app@127.0.0.1:{place.port}/postgres")
        async with engine.connect() as connection:
            async with guarded(2, connection, name="reports"):
                await connection.exec_driver_sql("INSERT INTO reports VALUES ('a')")
            with pytest.raises(LeadershipLostError):
                async with guarded(1, connection, name="reports"):
                    pytest.fail("it was let in")
        await engine.dispose()

    asyncio.run(write())
    assert reports(place) == ["a"]
