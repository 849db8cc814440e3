"""The game days of a suite in one SQLite file: each run and its trials are written together, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

import msgspec

from bascule.drill.gameday.days import Day, State
from bascule.drill.gameday.due import Past
from bascule.kernel.errors import InputError, MachineError

APPLICATION_ID = 0x42534744
"""`BSGD`: what SQLite's header says of a file that is a history."""

SCHEMA_VERSION = 1
_BUSY_S = 10.0
_NOT_THE_FILES_FAULT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_SCHEMA = (
    """
    CREATE TABLE day (
        number INTEGER PRIMARY KEY,
        identity TEXT UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'interrupted', 'failed')),
        planned_s REAL,
        started_s REAL NOT NULL,
        ended_s REAL,
        outcome TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        machine TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '',
        directory TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE trial (
        day INTEGER NOT NULL REFERENCES day (number) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        experiment TEXT NOT NULL,
        outcome TEXT NOT NULL,
        rto_s REAL,
        promised_s REAL,
        reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (day, position)
    )
    """,
    "CREATE TABLE missed (planned_s REAL PRIMARY KEY, told_s REAL NOT NULL)",
    "CREATE TABLE looked (only INTEGER PRIMARY KEY CHECK (only = 1), at_s REAL NOT NULL)",
)
_DAY = "number, identity, state, planned_s, started_s, ended_s, outcome, version, machine, system, directory, error"
_TRIAL = "experiment, outcome, rto_s, promised_s, reason"


class History:
    """A history that is open; close it, or use it with `with`.

    Args:
        path: The file.
        make: Make it if it is not there.

    Raises:
        InputError: The file is something else, damaged, or from a newer bascule.
        MachineError: It cannot be made or opened.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        self.path = path
        if not make and not path.exists():
            raise InputError("there is no history yet", where=str(path), hint="`bascule gameday run FILE` begins one")
        with _told(path):
            self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def __enter__(self) -> Self:
        """The history."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA foreign_keys = ON")
        application, version = self._number("application_id"), self._number("user_version")
        has_tables = bool(self._database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone())
        if (has_tables or application) and application != APPLICATION_ID:
            raise InputError("this is no history of game days", where=str(self.path), hint="name another file")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"written by a newer bascule (its form is {version}, this one knows {SCHEMA_VERSION})",
                where=str(self.path),
                hint="use that bascule, or name another file",
            )
        damage = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)
        if not has_tables:
            self._make()

    def _make(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            # Another command may have made it since this one looked.
            if self._number("application_id") == APPLICATION_ID:
                return
            for statement in _SCHEMA:
                self._database.execute(statement)
            self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _number(self, pragma: str) -> int:
        return int(self._database.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or none of it; what goes wrong is an error with the file's name."""
        with _told(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def past(self) -> Past:
        """What is known of dates."""
        with _told(self.path):
            looked = self._database.execute("SELECT at_s FROM looked").fetchone()
            held = self._database.execute("SELECT planned_s FROM day WHERE planned_s IS NOT NULL").fetchall()
            told = self._database.execute("SELECT planned_s FROM missed").fetchall()
        return Past(
            since_s=looked[0] if looked else None,
            held=frozenset(at_s for (at_s,) in held),
            told=frozenset(at_s for (at_s,) in told),
        )

    def look(self, seen_until_s: float, missed: tuple[float, ...] = ()) -> None:
        """Remember until when it was asked what is due, and the dates that were told to be missed."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO looked VALUES (1, ?)", (seen_until_s,))
            self._database.executemany(
                "INSERT OR IGNORE INTO missed VALUES (?, ?)", [(one, seen_until_s) for one in missed]
            )

    def begin(self, started_s: float, directory: str, *, planned_s: float | None, version: str) -> int:
        """Remember that a game day begins; its number. It counts as interrupted if nobody says how it ended."""
        with self._transaction():
            return self._insert(
                Day(state="running", started_s=started_s, planned_s=planned_s, directory=directory, version=version)
            )

    def finish(self, number: int, held: Day) -> None:
        """Remember how a game day ended, with all its trials."""
        with self._transaction():
            self._update(number, held)

    def end(self, number: int, state: State, error: str, ended_s: float) -> None:
        """Remember that a game day left no report, and why."""
        with self._transaction():
            statement = "UPDATE day SET state = ?, error = ?, ended_s = ? WHERE number = ?"
            self._database.execute(statement, (state, error, ended_s, number))

    def settle(self) -> list[Day]:
        """Count as interrupted what nobody ended; only for who holds the lock: then nothing runs. Says which."""
        died = [one for one in self.days() if one.state == "running"]
        with self._transaction():
            error = "killed, or the machine went down"
            statement = "UPDATE day SET state = 'interrupted', error = ? WHERE state = 'running'"
            self._database.execute(statement, (error,))
        return died

    def add(self, held: Day) -> bool:
        """Remember an earlier drill, once: False when it is there already.

        A game day that was interrupted before its report was remembered gets it now.
        """
        with self._transaction():
            known = "SELECT 1 FROM day WHERE identity = ?"
            if self._database.execute(known, (held.identity,)).fetchone():
                return False
            open_end = "SELECT number FROM day WHERE directory = ? AND identity IS NULL AND state != 'running'"
            found = self._database.execute(open_end, (held.directory,)).fetchone()
            self._update(found[0] if found else self._insert(held), held)
        return True

    def days(self) -> tuple[Day, ...]:
        """Every game day in the order of their time, with its trials."""
        with _told(self.path):
            self._database.execute("BEGIN")
            try:
                rows = self._database.execute(f"SELECT {_DAY} FROM day ORDER BY started_s, number").fetchall()  # noqa: S608 - columns of this file
                trials = self._database.execute(f"SELECT day, {_TRIAL} FROM trial ORDER BY day, position").fetchall()  # noqa: S608 - columns of this file
            finally:
                self._database.execute("COMMIT")
            lines: dict[int, list[tuple[object, ...]]] = {}
            for number, *line in trials:
                lines.setdefault(number, []).append(tuple(line))
            return tuple(_day(row, lines.get(row[0], [])) for row in rows)

    def missed(self) -> tuple[float, ...]:
        """Every date that was told to be missed and was not held since."""
        query = (
            "SELECT planned_s FROM missed WHERE planned_s NOT IN (SELECT planned_s FROM day WHERE planned_s NOT NULL)"
        )
        with _told(self.path):
            return tuple(row[0] for row in self._database.execute(f"{query} ORDER BY planned_s"))

    def _insert(self, held: Day) -> int:
        statement = "INSERT INTO day (state, planned_s, started_s, directory, version) VALUES (?, ?, ?, ?, ?)"
        values = (held.state, held.planned_s, held.started_s, held.directory, held.version)
        number = self._database.execute(statement, values).lastrowid
        assert number is not None, "an insert has a row"  # noqa: S101 - SQLite promises it
        return number

    def _update(self, number: int, held: Day) -> None:
        assert held.state in get_args(State)  # noqa: S101 - the table would refuse it too
        columns = "identity, state, started_s, ended_s, outcome, version, machine, system, directory, error"
        places = ", ".join(f"{one} = ?" for one in columns.split(", "))
        head = (held.identity or None, held.state, held.started_s, held.ended_s, held.outcome, held.version)
        values = (*head, held.machine, held.system, held.directory, held.error, number)
        self._database.execute(f"UPDATE day SET {places} WHERE number = ?", values)  # noqa: S608 - columns of this file
        self._database.execute("DELETE FROM trial WHERE day = ?", (number,))
        self._database.executemany(
            "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (number, position, one.experiment, one.outcome, one.rto_s, one.promised_s, one.reason)
                for position, one in enumerate(held.trials)
            ],
        )


def _day(row: tuple[object, ...], trials: list[tuple[object, ...]]) -> Day:
    """A row with its trials.

    Raises:
        sqlite3.DatabaseError: They are not what was written: SQLite takes any value in any column.
    """
    values = dict(zip(_DAY.split(", "), row, strict=True))
    lines = [dict(zip(_TRIAL.split(", "), each, strict=True)) for each in trials]
    try:
        return msgspec.convert({**values, "identity": values["identity"] or "", "trials": lines}, Day)
    except msgspec.ValidationError as error:
        raise sqlite3.DatabaseError(str(error)) from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite says, as an error for the user."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        # The low byte is the kind of trouble; the rest is its detail.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_THE_FILES_FAULT:
            hint = "free the disk, see that you may write there, or name another file as `history`"
            raise MachineError(f"the history cannot be used: {error}", where=str(path), hint=hint) from error
        hint = "put it aside; `bascule gameday add FILE RUN...` fills a new one from the runs' directories"
        # SQLite quotes what it cannot read, and what it quotes need not be text.
        what = "its text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(f"the history is damaged: {what}", where=str(path), hint=hint) from error
