"""What may be said of the store on PostgreSQL, and the SQL that it consists of; needs no driver."""

from __future__ import annotations

import math
import re
from typing import Literal

from msgspec import Struct

from bascule.cluster.stores.port import KEY_LIMIT, VALUE_LIMIT_BYTES
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

DEFAULT_PORT = 5432
READ_LIMIT = 10_000
_MAKING = 0x62617363  # "basc": the class of the advisory lock
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_HOST = re.compile(r"(?P<host>/[^\0,]+|\[[0-9A-Fa-f:.%\w]+\]|[^\s\0,:/\[\]]+)(:(?P<port>[0-9]{1,5}))?")


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="postgresql"):
    """Which server, which table, and what is asked of both.

    Attributes:
        hosts: All servers of which one may be the primary, in any order: `db1`, `db1:5433`, `[fd00::1]:5432`, or the
            directory of a Unix socket, `/run/postgresql` or `/run/postgresql:5433`. Standbys are passed over.
        database: The database's name.
        user: The role. Give it a `CONNECTION LIMIT` of eight for each agent, and see `schema` for its privileges.
        passfile: A file in the form of `.pgpass`, readable by this user alone; where it is empty, libpq's own.
        table: Where the registers lie; made when it is absent. A name in lower case, or `schema.name`; at most 63
            characters. It is the name of the notices' channel too.
        tls: As libpq's `sslmode`; only `verify-full` knows that it talks to the right server.
        ca_file: Certificates that are trusted, for `verify-ca` and `verify-full`; where it is empty, libpq's own.
        watch: How changes are heard of. `listen` has a second connection, on which the server tells them at once.
            `poll` asks every `interval`: for a pgbouncer in transaction mode, through which nothing can be listened to.
        interval: Of `poll`: 10 ms to 60 s.
        replication: Whether a server without synchronous standbys will do. `any` takes it as it is, and `promises`
            tells what that means. `synchronous` refuses to read and to write while `synchronous_standby_names` is
            empty, also where Patroni has emptied it because no standby was left.
    """

    hosts: tuple[str, ...]
    database: str = "bascule"
    user: str = "bascule"
    passfile: str = ""
    table: str = "bascule_leases"
    tls: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    ca_file: str = ""
    watch: Literal["listen", "poll"] = "listen"
    interval: Duration = Duration(0.2)
    replication: Literal["any", "synchronous"] = "any"


class Address(Struct, frozen=True, kw_only=True):
    """One server: its host (or its socket's directory) and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As a person writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def check(options: Options, timeout_s: float) -> tuple[Address, ...]:
    """The addresses of options that are possible.

    Raises:
        InputError: An option or the limit is impossible.
    """
    if not 1 <= len(options.hosts) <= 16:
        raise InputError(f"{len(options.hosts)} hosts are impossible", where="hosts", hint="name 1 to 16")
    addresses = tuple(_address(text) for text in options.hosts)
    if not _IDENTIFIER.fullmatch(options.table) or len(options.table) > 63:
        hint = "lower-case letters, digits and _, at most 63; a schema may stand before it"
        raise InputError(f"{options.table[:80]!r} cannot be a table", where="table", hint=hint)
    for name in ("database", "user", "passfile", "ca_file"):
        value: str = getattr(options, name)
        if "\0" in value or (not value and name in {"database", "user"}):
            raise InputError(f"{value[:80]!r} is impossible", where=name)
    if not 0.01 <= options.interval.seconds <= 60:
        raise InputError(f"an interval of {options.interval} is impossible", where="interval", hint="10ms to 60s")
    if not 0 < timeout_s < math.inf:
        raise InputError(f"a time limit of {timeout_s} s is impossible", where="timeout_s")
    return addresses


def _address(text: str) -> Address:
    match = _HOST.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if not match or not 0 < port < 65536:
        raise InputError(f"{text[:80]!r} is not a host", where="hosts", hint="write it like db1:5432 or [fd00::1]:5432")
    return Address(host=match["host"].strip("[]"), port=port)


def quoted(table: str) -> str:
    """The table's name as an identifier of SQL."""
    return ".".join(f'"{part}"' for part in table.split("."))


def schema(options: Options) -> str:
    """What makes the table, for an operator who does not let the agents make it: run it once, as the table's owner.

    The revisions begin at the milliseconds since 1970: a table that replaces a lost one begins above all revisions
    that the lost one gave, so a fencing token does not come again.
    """
    user = '"' + options.user.replace('"', '""') + '"'
    grant = f"GRANT SELECT, INSERT, UPDATE ON {quoted(options.table)} TO {user};"
    return f"BEGIN;\n{_filled(_CREATE, options)}\n{grant}\nCOMMIT;\n"


_CREATE = """\
CREATE TABLE <table> (
    key text COLLATE "C" PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND <key_limit>),
    value bytea NOT NULL CHECK (octet_length(value) <= <value_limit>),
    revision bigint GENERATED ALWAYS AS IDENTITY,
    written_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
) WITH (fillfactor = 50);
COMMENT ON COLUMN <table>.written_at IS 'For people; nothing is decided by it.';
SELECT pg_catalog.setval(
    pg_catalog.pg_get_serial_sequence('<table>', 'revision'),
    (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint
);"""
# Of agents that start together one makes the table; the others wait for the lock, and find it.
_MAKE = """\
<limits>
SELECT pg_catalog.pg_advisory_xact_lock(<making>, pg_catalog.hashtext('<table>'));
DO $make$ BEGIN
    IF pg_catalog.to_regclass('<table>') IS NULL THEN
        <create>
    END IF;
END $make$"""
_LIMITS = """\
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = <statement>;
SET LOCAL lock_timeout = <lock>;
SET LOCAL synchronous_commit = 'on';"""
# A reader may see what was committed here and is not yet on a standby: after a restart, or after a wait for the standby
# was cancelled. A commit of its own comes back only when all before it is there too.
_BARRIER = """\
SELECT CASE WHEN pg_catalog.current_setting('synchronous_standby_names') <> ''
    THEN pg_catalog.pg_logical_emit_message(true, 'bascule', '') END"""
_READ = """\
<limits>
SELECT key, value, revision FROM <table> WHERE pg_catalog.starts_with(key, %(prefix)s) ORDER BY key
    LIMIT <read_limit>;
<barrier>"""
_READ_KEYS = """\
<limits>
SELECT key, value, revision FROM <table> WHERE key = ANY(%(keys)s) ORDER BY revision;
<barrier>"""
_REVISIONS = """\
<limits>
SELECT key, revision FROM <table> WHERE pg_catalog.starts_with(key, %(prefix)s) LIMIT <read_limit>"""
_UPDATE = """\
<limits>
UPDATE <table> SET value = %(value)s, revision = DEFAULT, written_at = pg_catalog.clock_timestamp()
    WHERE key = %(key)s AND revision = %(expected)s RETURNING revision, pg_catalog.pg_notify('<channel>', key)"""
_INSERT = """\
<limits>
INSERT INTO <table> (key, value) VALUES (%(key)s, %(value)s)
    ON CONFLICT (key) DO NOTHING RETURNING revision, pg_catalog.pg_notify('<channel>', key)"""
_PROMISES = """\
SELECT pg_catalog.current_setting('fsync'), pg_catalog.current_setting('full_page_writes'),
    pg_catalog.current_setting('synchronous_standby_names')"""


class Statements:
    """The messages that are sent, each one transaction: the server carries it out whole even if we are gone by then.

    The settings are `SET LOCAL` within the message, and not the connection's: behind a pgbouncer they would become
    those of others. Parameters are merged in by the driver, since a message of several statements can have none.

    Args:
        options: Name the table.
        timeout_s: Of a call, in seconds.
    """

    def __init__(self, options: Options, timeout_s: float) -> None:
        limit_ms = min(max(2, math.ceil(timeout_s * 1000)), 2**31 - 1)
        limits = _LIMITS.replace("<statement>", str(limit_ms)).replace("<lock>", str(limit_ms * 3 // 4))

        def filled(text: str) -> str:
            return _filled(text.replace("<limits>", limits), options)

        self.is_made = filled("SELECT pg_catalog.to_regclass('<table>') IS NOT NULL")
        self.make = filled(_MAKE)
        self.read = filled(_READ)
        self.read_keys = filled(_READ_KEYS)
        self.revisions = filled(_REVISIONS)
        self.update = filled(_UPDATE)
        self.insert = filled(_INSERT)
        self.listen = filled('LISTEN "<channel>"')
        self.standbys = "SELECT pg_catalog.current_setting('synchronous_standby_names')"
        self.promises = _PROMISES


def _filled(text: str, options: Options) -> str:
    """With numbers of ours, and with the table's name, which `check` found to be one: it cannot hold a quote."""
    words = {
        "<create>": _CREATE.replace("SELECT pg_catalog.setval(", "PERFORM pg_catalog.setval("),
        "<barrier>": _BARRIER,
        "<table>": quoted(options.table),
        "<channel>": options.table,
        "<making>": str(_MAKING),
        "<key_limit>": str(KEY_LIMIT),
        "<value_limit>": str(VALUE_LIMIT_BYTES),
        "<read_limit>": str(READ_LIMIT + 1),
    }
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text
