"""What may be guarded, by what, and what a block in SQLite does to its transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bascule.cluster.actuators.port import Term
from bascule.cluster.fencing.guarded import FENCES_SQL, fence_sql, guarded
from bascule.kernel.errors import FenceError, InputError, LeadershipLostError


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:")) as one:
        one.execute(FENCES_SQL)
        one.execute("CREATE TABLE reports (text)")
        one.commit()
        yield one


def write(connection: sqlite3.Connection, token: int, text: str = "x") -> None:
    with guarded(token, connection, name="reports"):
        connection.execute("INSERT INTO reports VALUES (?)", (text,))


def reports(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM reports ORDER BY rowid")]


def term(token: int) -> Term:
    return Term(cluster="east", group="nightly-report", agent="a", token=token, until_s=0.0)


def test_a_greater_token_ends_the_smaller_ones(connection: sqlite3.Connection) -> None:
    write(connection, 7, "one")
    write(connection, 7, "two")
    write(connection, 9, "three")
    with pytest.raises(LeadershipLostError, match="token 7 of reports is too old: 9 has written since"):
        write(connection, 7, "late")
    assert reports(connection) == ["one", "two", "three"]
    assert not connection.in_transaction, "a refused block leaves nothing open"


def test_a_term_brings_its_name(connection: sqlite3.Connection) -> None:
    with guarded(term(3), connection) as same:
        assert same is connection
    with pytest.raises(LeadershipLostError), guarded(2, connection, name="nightly-report"):
        pytest.fail("it was let in")
    with guarded(1, connection, name="another"):
        assert connection.in_transaction
    with guarded(term(1), connection, name="a-third"):
        assert connection.in_transaction


def test_a_block_that_fails_writes_nothing(connection: sqlite3.Connection) -> None:
    def fail() -> None:
        with guarded(1, connection, name="reports"):
            connection.execute("INSERT INTO reports VALUES ('half')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert reports(connection) == []
    assert connection.execute("SELECT * FROM bascule_fences").fetchall() == [], "not even its token"


def test_it_joins_a_transaction_that_is_open(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO reports VALUES ('before')")
    write(connection, 1, "within")
    assert connection.in_transaction, "who began it ends it"
    connection.rollback()
    assert reports(connection) == []


def test_a_block_is_entered_once(connection: sqlite3.Connection) -> None:
    block = guarded(1, connection, name="reports")
    with block, pytest.raises(InputError, match="entered once"), block:
        pytest.fail("it was let in")
    with pytest.raises(InputError, match="entered once"), block:
        pytest.fail("it was let in")


def test_what_ends_its_own_transaction_is_told(connection: sqlite3.Connection) -> None:
    with pytest.raises(FenceError, match="ended its own transaction"), guarded(1, connection, name="reports"):
        connection.executescript("INSERT INTO reports VALUES ('unguarded')")


def test_rows_may_be_anything(connection: sqlite3.Connection) -> None:
    connection.row_factory = lambda _cursor, row: {"token": row}
    write(connection, 1)
    write(connection, 2)
    with pytest.raises(LeadershipLostError):
        write(connection, 1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has autocommit since Python 3.12")
@pytest.mark.parametrize("autocommit", [True, False])
def test_each_kind_of_autocommit(autocommit: bool) -> None:
    with contextlib.closing(sqlite3.connect(":memory:", autocommit=autocommit)) as connection:  # type: ignore[call-overload,unused-ignore]  # of 3.12
        connection.execute(FENCES_SQL)
        connection.execute("CREATE TABLE reports (text)")
        write(connection, 2)
        assert connection.in_transaction is not autocommit
        with pytest.raises(LeadershipLostError):
            write(connection, 1)


def test_a_missing_table_is_told() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(FenceError, match=r"bascule_fences is missing.*run FENCES_SQL"):
            write(connection, 1)
        assert not connection.in_transaction


@pytest.mark.parametrize("token", [0, -1, 2**63, True, "7", None, 1.0, term(0)])
def test_what_is_no_token(connection: sqlite3.Connection, token: object) -> None:
    with pytest.raises((InputError, AttributeError)):
        guarded(token, connection, name="reports")  # type: ignore[arg-type]  # that is what is tried


@pytest.mark.parametrize("name", ["a b", "a'b", "a:b", "a%b", "-a", "x" * 201, "\u00e9", "a\n"])
def test_what_is_no_name(connection: sqlite3.Connection, name: str) -> None:
    with pytest.raises(InputError):
        guarded(1, connection, name=name)
    with pytest.raises(InputError):
        fence_sql("reports", name)


def test_a_bare_token_needs_a_name(connection: sqlite3.Connection) -> None:
    with pytest.raises(InputError, match="needs the name"):
        guarded(1, connection)


def test_what_cannot_be_guarded() -> None:
    with pytest.raises(InputError, match=r"a builtins\.object cannot be guarded"):
        guarded(1, object(), name="reports")


def test_the_wrong_kind_of_with(connection: sqlite3.Connection) -> None:
    async def enter() -> None:
        async with guarded(1, connection, name="reports"):
            pytest.fail("it was let in")

    with pytest.raises(InputError, match="not asynchronous"):
        asyncio.run(enter())


@pytest.mark.parametrize("table", ["", "a b", 'a"b', "a.b.c", "a;b", "1a"])
def test_what_cannot_get_a_trigger(table: str) -> None:
    with pytest.raises(InputError):
        fence_sql(table, "reports")


def test_importing_it_imports_no_driver() -> None:
    """A program that only writes needs neither the drivers of others nor the agent's libraries."""
    names = "{'psycopg', 'sqlalchemy', 'msgspec', 'httpx', 'asyncio'}"
    text = f"import sys, bascule.cluster.fencing.guarded; sys.exit(str({names} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
