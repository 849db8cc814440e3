"""The table of fencing tokens: the texts of SQL, and the order in which they are asked.

`bascule_fences` has one row for each thing that only one may write, with the greatest token that ever wrote it. In the
writer's own transaction the row is locked *shared* while its token is ours, so the writers of one term do not wait for
each other; a greater token replaces it, for which it waits until the writers of the old term are through. From then on
every older token is refused. What was checked cannot change before the commit: the lock is held until then.

Row locks alone would do, but whoever shares one passes by whoever waits to change the row: a pool of writers of an old
term, whose transactions overlap, could keep the new term out for as long as it likes. An advisory lock is taken first,
therefore: those wait in line.

Source: M. Kleppmann, "How to do distributed locking" (2016): the storage must check the token, since no client can
know that it was not paused between its own check and its write.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import Any

from bascule.kernel.errors import FenceError, InputError, LeadershipLostError

Rows = Sequence[Sequence[Any]]
Steps = Generator[str, Rows, None]
"""Statements to carry out, each answered with its rows."""

FENCED = "ZF001"
"""The SQLSTATE with which the trigger of `fence_sql` refuses."""
FENCES_SQL = (
    "CREATE TABLE IF NOT EXISTS bascule_fences (name varchar(200) PRIMARY KEY, token bigint NOT NULL CHECK (token > 0))"
)
"""Makes the table, in PostgreSQL and in SQLite, where what it guards lies. Writers need SELECT, INSERT and UPDATE."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")
_CLASS = 0x62617364  # of the advisory locks
# The texts hold the name and the token themselves: both are checked to be harmless, and drivers differ in how
# parameters are written.
_CLAIM = (
    "INSERT INTO bascule_fences (name, token) VALUES ('<name>', <token>) ON CONFLICT (name)"
    " DO UPDATE SET token = excluded.token WHERE bascule_fences.token < excluded.token"
)
# Locks only if the row is there; and the row is read anew by the statement after it, since we may have waited.
_QUEUE = (
    "SELECT pg_advisory_xact_lock_shared(<class>, hashtext('<name>')) FROM bascule_fences"
    " WHERE name = '<name>' AND token >= <token>"
)
_QUEUE_ALONE = "SELECT pg_advisory_xact_lock(<class>, hashtext('<name>'))"
# FOR SHARE makes a transaction fail whose snapshot is older than the row: in REPEATABLE READ a plain read would not see
# that the token has grown.
_SHARE = (
    "SELECT token, set_config('bascule.token', '<name>:<token>', true) FROM bascule_fences"
    " WHERE name = '<name>' FOR SHARE"
)
_LOOK = "SELECT token FROM bascule_fences WHERE name = '<name>'"
_TRIGGER = """\
CREATE OR REPLACE FUNCTION <schema>.bascule_fence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fence$
DECLARE
    setting text := coalesce(current_setting('bascule.token', true), '');
    mine bigint;
    latest bigint;
BEGIN
    IF split_part(setting, ':', 1) <> TG_ARGV[0] THEN
        RAISE EXCEPTION 'no fencing token of % was given', TG_ARGV[0] USING ERRCODE = '<fenced>',
            HINT = format('SET LOCAL bascule.token = ''%s:<the token of your term>''', TG_ARGV[0]);
    END IF;
    mine := split_part(setting, ':', 2)::bigint;
    PERFORM pg_advisory_xact_lock_shared(<class>, hashtext(TG_ARGV[0]))
        FROM <schema>.bascule_fences WHERE name = TG_ARGV[0] AND token >= mine;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(<class>, hashtext(TG_ARGV[0]));
        INSERT INTO <schema>.bascule_fences AS there (name, token) VALUES (TG_ARGV[0], mine)
            ON CONFLICT (name) DO UPDATE SET token = excluded.token WHERE there.token < excluded.token;
    END IF;
    SELECT token INTO STRICT latest FROM <schema>.bascule_fences WHERE name = TG_ARGV[0] FOR SHARE;
    IF latest > mine THEN
        RAISE EXCEPTION 'the token % of % is too old: % has written since', mine, TG_ARGV[0], latest
            USING ERRCODE = '<fenced>';
    END IF;
    RETURN NULL;
END $fence$;
CREATE OR REPLACE TRIGGER bascule_fence BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON <table>
    FOR EACH STATEMENT EXECUTE FUNCTION <schema>.bascule_fence('<name>');
"""


def check_name(name: str) -> str:
    """The name, if it can be one.

    Raises:
        InputError: It is empty, too long, or has other characters.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name[:60]!r} cannot name a fence", hint="letters, digits and _./-, at most 200 of them")
    return name


def claim_postgresql(name: str, token: int) -> Steps:
    """Hold the fence for this token until the transaction ends. Two statements, four for the first writer of a term.

    Raises:
        LeadershipLostError: A greater token has written.
        FenceError: Somebody removed the row.
    """
    if not (yield _filled(_QUEUE, name, token)):
        yield _filled(_QUEUE_ALONE, name, token)
        yield _filled(_CLAIM + " RETURNING token", name, token)  # so that every statement has rows
    rows = yield _filled(_SHARE, name, token)
    if not rows:
        raise FenceError(f"the fence {name} was removed meanwhile", hint="let nobody delete from bascule_fences")
    _compare(name, token, int(rows[0][0]))


def claim_sqlite(name: str, token: int) -> Steps:
    """Hold the fence for this token until the transaction ends; begins with a write, which locks the file.

    Raises:
        LeadershipLostError: A greater token has written.
    """
    yield _filled(_CLAIM, name, token)
    rows = yield _filled(_LOOK, name, token)
    _compare(name, token, int(rows[0][0]))


def demand_transaction() -> Steps:
    """See that statements share a transaction, after a first one that locked a row.

    Raises:
        InputError: They do not: the lock is gone already.
    """
    rows = yield "SELECT pg_current_xact_id_if_assigned()::text"
    if rows[0][0] is None:
        raise InputError("a connection in autocommit cannot be guarded", hint="nothing would hold until the commit")


def fence_sql(table: str, name: str, schema: str = "public") -> str:
    """A trigger for PostgreSQL that refuses every write to a table without a token, or with one that is too old.

    For writers that cannot use `guarded`. Each transaction says whose term it writes in:
    `SET LOCAL bascule.token = 'nightly-report:42'`; a pool may set it for whole connections that end with the term.
    What is refused has the SQLSTATE `ZF001`. Needs PostgreSQL 14, and `FENCES_SQL` to have been run in `schema`.

    It does not bind a superuser who switches triggers off, nor what arrives by replication. A partition that is
    written to by its own name needs a trigger of its own.

    Args:
        table: The table, `name` or `schema.name`.
        name: The fence: the group's name.
        schema: Where `bascule_fences` is, and the function will be.

    Raises:
        InputError: A name cannot be one.
    """
    for word in (table, schema):
        if not _TABLE.fullmatch(word):
            raise InputError(f"{word[:80]!r} cannot be a table or a schema", hint="letters, digits and _")
    text = _TRIGGER.replace("<schema>", _quoted(schema)).replace("<table>", _quoted(table))
    return _filled(text.replace("<fenced>", FENCED), check_name(name), 0)


def _compare(name: str, token: int, there: int) -> None:
    if there > token:
        what = f"the token {token} of {name} is too old: {there} has written since"
        raise LeadershipLostError(what, hint="stop: another one is in charge now")


def _filled(text: str, name: str, token: int) -> str:
    return text.replace("<class>", str(_CLASS)).replace("<name>", name).replace("<token>", str(token))


def _quoted(table: str) -> str:
    return ".".join(f'"{part}"' for part in table.split("."))
