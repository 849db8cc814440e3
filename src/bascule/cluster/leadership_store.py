"""The store that a text names: for an application that has no file for its agent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from bascule.cluster.stores.port import Store
from bascule.kernel.errors import InputError

EXAMPLES = "sqlite:///var/lib/app/leases.db, etcd://10.0.0.1:2379,10.0.0.2:2379 or postgresql://user@host/database"


def open_store(where: str | Path, timeout_s: float) -> Store:
    """The store that is named; it connects when it is first used.

    Args:
        where: A path is a SQLite file. A text is one of `sqlite:///PATH`, `etcd://HOST:PORT,...` (`etcds://` with TLS
            and the machine's certificates), `postgresql://USER@HOST:PORT,.../DATABASE`. Whatever else a store can do
            is said by its `Options`: make it, and give it instead.
        timeout_s: How long one call may take.

    Raises:
        InputError: It names none, or a password stands in it.
    """
    if isinstance(where, Path):
        return _sqlite(where, timeout_s)
    scheme, separator, rest = where.partition("://")
    if not separator:
        raise InputError(f"{where.rpartition('@')[2][:60]!r} names no store", hint=f"write it like {EXAMPLES}")
    if scheme == "sqlite":
        if not rest.startswith("/"):
            raise InputError("the path of a SQLite file must be absolute here", hint="sqlite:///var/lib/app/leases.db")
        return _sqlite(Path(unquote(rest)), timeout_s)
    if scheme in {"etcd", "etcds"}:
        return _etcd(rest, "https" if scheme == "etcds" else "http", timeout_s)
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(where, timeout_s)
    raise InputError(f"no store is called {scheme[:30]!r}", hint=f"write it like {EXAMPLES}")


def _sqlite(path: Path, timeout_s: float) -> Store:
    from bascule.cluster.stores import sqlite  # noqa: PLC0415 - only the store that is named is imported

    return sqlite.make(sqlite.Options(path=str(path.absolute())), timeout_s)


def _etcd(hosts: str, scheme: str, timeout_s: float) -> Store:
    from bascule.cluster.stores import etcd  # noqa: PLC0415 - only the store that is named is imported

    if "@" in hosts:
        raise InputError("a user or a password stands in the address of etcd", hint="etcd.Options with password_file")
    endpoints = tuple(f"{scheme}://{host}" for host in hosts.rstrip("/").split(",") if host)
    return etcd.make(etcd.Options(endpoints=endpoints), timeout_s)


def _postgresql(where: str, timeout_s: float) -> Store:
    parts = urlsplit(where)
    user, _, hosts = parts.netloc.rpartition("@")
    if ":" in user:
        raise InputError("a password stands in the address of PostgreSQL", hint="a passfile: PGPASSFILE, or ~/.pgpass")
    if parts.query or parts.fragment:
        raise InputError("parameters stand in the address of PostgreSQL", hint="make the store: postgresql.Options")
    from bascule.cluster.stores import postgresql  # noqa: PLC0415 - only the store that is named is imported
    from bascule.cluster.stores.postgresql_options import Options  # noqa: PLC0415 - only the store that is named is imported

    named = Options(hosts=tuple(host for host in hosts.split(",") if host))
    options = Options(
        hosts=named.hosts,
        user=unquote(user) or named.user,
        database=unquote(parts.path.strip("/")) or named.database,
    )
    return postgresql.make(options, timeout_s)
