"""The file behind the store on SQLite: opened with care, written durably, and never taken for another one.

Why a rollback journal, and not a write-ahead log: every SQLite before 3.51.3 can damage a file in WAL mode when two
connections write and checkpoint at the same moment (the "WAL-reset bug"), and which SQLite a Python brings is not
ours to choose. Swaps are rare, so the syncs that WAL saves do not count; and one file is easier to keep, to restrict
and to look at than three. `journal_mode=TRUNCATE` with `synchronous=EXTRA` syncs the journal's end as well: otherwise
a journal that comes back after a power failure would undo a swap that was acknowledged.

Sources: SQLite's documentation: "PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA data_version", "Write-Ahead
Logging" section 11, "How To Corrupt An SQLite Database File" sections 2.2 (a file closed behind SQLite's back loses
the process's locks), 2.4 and 2.5 (files that were unlinked or have two names).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bascule.cluster.stores.file_systems import is_shared, kind_of, real
from bascule.cluster.stores.port import KEY_LIMIT, VALUE_LIMIT_BYTES, Entry
from bascule.kernel.errors import StoreError

APPLICATION_ID = 0x62617363  # "basc"
READ_LIMIT = 10_000
_FORMAT = 1
_SETTINGS = (
    "PRAGMA synchronous = EXTRA",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA mmap_size = 0",  # a file that somebody cuts short is an error then, and no SIGBUS
)
_LEASES = f"""\
CREATE TABLE leases (
    key TEXT PRIMARY KEY CHECK (length(key) BETWEEN 1 AND {KEY_LIMIT}),
    value BLOB NOT NULL CHECK (typeof(value) = 'blob' AND length(value) <= {VALUE_LIMIT_BYTES}),
    revision INTEGER NOT NULL
) WITHOUT ROWID"""
_TABLES = (
    "CREATE TABLE revisions (one INTEGER PRIMARY KEY CHECK (one = 1), latest INTEGER NOT NULL)",
    _LEASES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {_FORMAT}",
)
_DAMAGED = (
    "stop all agents of this machine, move the file and its -journal away, and start them again: a new file is made,"
    " and its revisions go on above the old ones"
)
_SAYINGS = {
    sqlite3.SQLITE_BUSY: ("another process held its lock for too long", "a process that is frozen? fuser -v shows who"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("the file is not a SQLite database, or is damaged", _DAMAGED),
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; nothing is lost"),
    sqlite3.SQLITE_READONLY: ("the file cannot be written", "it and its directory must be writable for this user"),
    sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", "it and its directory must be writable for this user"),
    sqlite3.SQLITE_IOERR: ("the disk failed", "see the kernel's log"),
}
# Between the making of a file and its opening by SQLite no other thread of this process may open it: closing the
# descriptor that made it would drop the other's locks.
_OPENING = threading.Lock()


class LeaseFile:
    """One connection to the file. Every method blocks, for at most about twice `busy_s`; all on one thread.

    Args:
        path: Where it lies; made if it is absent, with mode 0600.
        busy_s: How long a call waits for the lock of another connection, in seconds.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    def read(self, prefix: str, after: int = 0) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix` and whose revision is above `after`, sorted by key.

        Raises:
            StoreError: They cannot be read, or are not what a store may hold.
        """
        with self._open() as connection:
            rows = connection.execute(
                "SELECT key, value, revision FROM leases WHERE substr(key, 1, ?) = ? AND revision > ?"
                " ORDER BY key LIMIT ?",
                (len(prefix), prefix, after, READ_LIMIT + 1),
            ).fetchall()
        if len(rows) > READ_LIMIT:
            raise StoreError(f"more than {READ_LIMIT} registers below {prefix!r}", where=str(self._path))
        return tuple(self._entry(row) for row in rows)

    def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected`; the new revision is on the disk when this returns.

        Raises:
            StoreError: It is not known whether it is written.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT revision FROM leases WHERE key = ?", (key,)).fetchone()
            if (row[0] if row else 0) != expected:
                connection.execute("ROLLBACK")
                return None
            connection.execute("UPDATE revisions SET latest = latest + 1")
            revision = _latest(connection)
            connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (key, value, revision))
            connection.execute("COMMIT")
        return revision

    def version(self) -> int:
        """A number that is another one once a different connection has written. Costs microseconds.

        Raises:
            StoreError: It cannot be read.
        """
        with self._open() as connection:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def latest(self) -> int:
        """The revision of the latest write of any register.

        Raises:
            StoreError: It cannot be read.
        """
        with self._open() as connection:
            return _latest(connection)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, opened if need be, and dropped after any failure: what a failed one holds is not known.

        Asks before and after whether the path still names the file that is open: what is written into a file that
        was removed or replaced, nobody else would ever see.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._check_identity()
            yield self._connection
            self._check_identity()
        except sqlite3.Error as error:
            self.close()
            raise self._told(error) from error
        except OSError as error:
            self.close()
            raise StoreError(error.strerror or str(error), where=str(self._path)) from error
        except BaseException:
            self.close()
            raise

    def _check_identity(self) -> None:
        try:
            there = _identity(self._path.stat())
        except FileNotFoundError:
            there = (0, 0)
        if there != self._identity:
            what = "the file was removed or replaced while it was in use"
            raise StoreError(what, where=str(self._path), hint="leave it alone while agents run")

    def _connect(self) -> sqlite3.Connection:
        path = real(self._path)
        kind = kind_of(path)
        if is_shared(kind):
            hint = "put it on a disk of this machine; agents of several machines need another kind of store"
            raise StoreError(f"it lies on {kind}, where locks do not hold", where=str(path), hint=hint)
        with _OPENING:
            _make(path)
            status = path.stat()
            self._check_status(status)
            connection = sqlite3.connect(
                f"file:{quote(os.fsencode(path))}?mode=rw",
                uri=True,
                timeout=self._busy_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=16,
            )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._identity = _identity(status)
        return connection

    def _check_status(self, status: os.stat_result) -> None:
        where, directory = str(self._path), real(self._path).parent
        if directory.stat().st_mode & stat.S_IWOTH:
            hint = "put it into a directory of its own"
            raise StoreError("anybody may put a journal beside the file", where=where, hint=hint)
        if not stat.S_ISREG(status.st_mode):
            raise StoreError("it is not a file", where=where)
        if status.st_nlink > 1:
            raise StoreError("the file has a second name, under which its journal would be missed", where=where)
        if status.st_mode & stat.S_IRWXO:
            raise StoreError("the file is open to every user of this machine", where=where, hint="chmod 600")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for setting in _SETTINGS:
            connection.execute(setting)
        if not _format(connection):
            connection.execute("BEGIN IMMEDIATE")
            if not _format(connection):
                self._make_tables(connection)
            connection.execute("COMMIT")
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        if owner != APPLICATION_ID or _format(connection) != _FORMAT:
            hint = "name another file; one of a newer version of bascule needs that version"
            raise StoreError("the file belongs to another program or version", where=str(self._path), hint=hint)
        (mode,) = connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
        if mode != "truncate":
            hint = f"while no agent runs: sqlite3 {self._path} 'PRAGMA journal_mode=delete'"
            raise StoreError(
                f"the file's journal mode is {mode} and cannot be changed", where=str(self._path), hint=hint
            )

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            raise StoreError("the file is another program's database", where=str(self._path), hint="name another file")
        for statement in _TABLES:
            connection.execute(statement)
        # Milliseconds since 1970: a file that replaces a lost one begins above all revisions that the lost one gave,
        # as long as those were fewer than a thousand per second; so a fencing token does not come again.
        connection.execute("INSERT INTO revisions VALUES (1, ?)", (time.time_ns() // 1_000_000,))

    def _entry(self, row: tuple[object, ...]) -> Entry:
        match row:
            case (str(key), bytes(value), int(revision)):
                return Entry(key=key, value=value, revision=revision)
        raise StoreError("a row is not what a store may hold", where=str(self._path), hint=_DAMAGED)

    def _told(self, error: sqlite3.Error) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what, hint = _SAYINGS.get(code, (str(error) or type(error).__name__, ""))
        return StoreError(what, where=str(self._path), hint=hint)


def _make(path: Path) -> None:
    """An empty file that only this user may open, if there is none; its name is on the disk when this returns."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _format(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def _latest(connection: sqlite3.Connection) -> int:
    (latest,) = connection.execute("SELECT latest FROM revisions").fetchone()
    return int(latest)
