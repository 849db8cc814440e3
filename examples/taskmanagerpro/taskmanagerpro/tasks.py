"""Tasks in PostgreSQL: each operation is one statement, and each write tells which server and which timeline took it.

Every write may be repeated, in any order, and means the same: so a client may try again when it got no answer.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from psycopg.rows import DictRow

from taskmanagerpro.database import Database, UndecidedError

SCHEMA = """
BEGIN;
SELECT pg_advisory_xact_lock(7460011);
CREATE TABLE IF NOT EXISTS task (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner text NOT NULL,
    title text NOT NULL,
    client text NOT NULL,
    number bigint NOT NULL,
    idempotency_key text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    completed_at timestamptz,
    deleted_at timestamptz,
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX IF NOT EXISTS task_of_owner ON task (owner, created_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS task_of_client ON task (client);
COMMIT;
"""
"""Made by whichever replica comes first; the lock makes the others wait, and an existing schema is left as it is."""

TASK = "id, title, client, number, completed_at IS NOT NULL AS done"
EVIDENCE = """
    ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int AS epoch,
    host(inet_server_addr()) || ':' || inet_server_port() AS server
"""
"""Who took this write: the WAL timeline grows with each promotion, so two servers that acknowledge at once show."""

# A repeated key is answered by an update that changes nothing, not by a look at the row: only a commit waits until the
# standbys have everything before it, and so the repeat promises as much as the first answer did.
CREATE = f"""
    INSERT INTO task (owner, title, client, number, idempotency_key) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (owner, idempotency_key) DO UPDATE SET owner = task.owner
    RETURNING id, title, client, number, {EVIDENCE}
"""  # noqa: S608 (made of constants)
COMPLETE = f"""
    UPDATE task SET completed_at = coalesce(completed_at, clock_timestamp()) WHERE id = %s AND owner = %s
    RETURNING {TASK}, {EVIDENCE}
"""  # noqa: S608 (made of constants)
DELETE = f"""
    UPDATE task SET deleted_at = coalesce(deleted_at, clock_timestamp()) WHERE id = %s AND owner = %s
    RETURNING id, true AS deleted, {EVIDENCE}
"""  # noqa: S608 (made of constants)
FIND = f"SELECT {TASK} FROM task WHERE id = %s AND owner = %s AND deleted_at IS NULL"  # noqa: S608 (made of constants)
LIST = f"""
    SELECT {TASK} FROM task WHERE owner = %s AND deleted_at IS NULL ORDER BY created_at DESC LIMIT %s
"""  # noqa: S608 (made of constants)
AUDIT = "SELECT coalesce(array_agg(number), '{}') AS numbers FROM task WHERE client = %s"
AUDIT_S = 10.0
SCHEMA_S = 10.0


class Written(NamedTuple):
    """What a write answered, and who took it: its WAL timeline and its address."""

    task: DictRow
    epoch: int
    server: str


class KeyReusedError(Exception):
    """The idempotency key already stands for another task."""


class Tasks:
    """The tasks of every user; a user sees and changes only the tasks of their own.

    Everything may raise `DatabaseUnavailableError`, and whatever writes may raise `UndecidedError`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the schema unless it is there."""
        await self._database.write(SCHEMA, within_s=SCHEMA_S)

    async def create(self, owner: str, *, title: str, client: str, number: int, key: str | None) -> Written:
        """Store a task; with a key that was used before, store nothing and give the first answer again.

        Raises:
            KeyReusedError: The key was used for a task that says something else.
        """
        written = await self._write(CREATE, owner, title, client, number, key)
        if written is None:
            raise UndecidedError("the database stored a task and did not return it")
        if (written.task["title"], written.task["client"], written.task["number"]) != (title, client, number):
            raise KeyReusedError
        return written

    async def complete(self, owner: str, task: UUID) -> Written | None:
        """Mark a task as done, even one that was deleted meanwhile; None when there never was one."""
        return await self._write(COMPLETE, task, owner)

    async def delete(self, owner: str, task: UUID) -> Written | None:
        """Hide a task from its owner; it stays in the audit. None when there never was one."""
        return await self._write(DELETE, task, owner)

    async def find(self, owner: str, task: UUID) -> DictRow | None:
        """One task, unless it was deleted or never was."""
        rows = await self._database.read(FIND, (task, owner))
        return rows[0] if rows else None

    async def newest(self, owner: str, limit: int) -> list[DictRow]:
        """At most `limit` tasks of this owner, the newest first."""
        return await self._database.read(LIST, (owner, limit))

    async def numbers(self, client: str) -> list[int]:
        """The number of every task that this client ever stored, once per stored copy, deleted ones included."""
        rows = await self._database.read(AUDIT, (client,), within_s=AUDIT_S)
        numbers: list[int] = rows[0]["numbers"]
        return numbers

    async def _write(self, statement: str, *values: object) -> Written | None:
        rows = await self._database.write(statement, values)
        if not rows:
            return None
        task = rows[0]
        return Written(task, task.pop("epoch"), task.pop("server"))
