"""Leases in PostgreSQL over TLS, which a pgbouncer before it talks: the server from the wheels has none of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs
from tests.real.cluster.authority import Authority
from tests.real.cluster.daemons import Daemon, free_port, need
from tests.real.cluster.postgresql_server import PASSWORD, PostgresqlServer, running

from bascule.cluster.stores.postgresql import Options, make
from bascule.kernel.errors import StoreError

pytestmark = pytest.mark.real
KEY = "bascule/test/a"


class Front:
    """What the store connects to: it takes the role `app` over TLS alone, by password."""

    def __init__(self, directory: Path, server: PostgresqlServer) -> None:
        self._directory = directory
        self._authority = Authority(directory)
        self._port = free_port()
        (directory / "users").write_text(f'"app" "{PASSWORD}"\n')
        (directory / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {directory}/users\npool_mode = session\n"
            f"client_tls_sslmode = require\nclient_tls_cert_file = {directory}/server.pem\n"
            f"client_tls_key_file = {directory}/server-key.pem\n"
        )
        passwords = directory / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(f"*:*:*:app:{PASSWORD}\n")
        self.options = Options(
            hosts=(f"127.0.0.1:{self._port}",),
            database="postgres",
            user="app",
            passfile=str(passwords),
            tls="verify-full",
            ca_file=self._authority.ca_file,
        )
        as_a_user = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
        program = need("pgbouncer", "pgbouncer")
        self.daemon = Daemon((*as_a_user, program, f"{directory}/pgbouncer.ini"), directory, self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(
                host="127.0.0.1", port=self._port, user="app", password=PASSWORD, dbname="postgres", sslmode="require"
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self, *, days: int = 1) -> None:
        """Serve, with a certificate that is good for so many days."""
        self._authority.issue("server", days=days)
        self.daemon.start()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    with running(tmp_path_factory.mktemp("postgresql")) as one:
        yield one


@pytest.fixture
def front(server: PostgresqlServer, tmp_path: Path) -> Iterator[Front]:
    server.sql("DROP TABLE IF EXISTS bascule_leases")
    one = Front(tmp_path, server)
    try:
        yield one
    finally:
        one.daemon.stop()


def swap(options: Options, value: bytes) -> int | None:
    """Write over whatever is there."""

    async def body() -> int | None:
        store = make(options, 10)
        try:
            found = await store.read(KEY)
            return await store.swap(KEY, value, found[0].revision if found else 0)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(body(), 60))


def test_the_right_server_is_talked_to(front: Front) -> None:
    front.start()
    first = swap(front.options, b"1") or 0
    assert (swap(front.options, b"2") or 0) > first > 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tls": "disable"}, "SSL required"),
        ({"ca_file": "another authority"}, "certificate verify failed"),
        ({"ca_file": "absent"}, "does not exist"),
        ({"hosts": "localhost"}, "does not match host name"),
    ],
)
def test_another_one_is_refused_with_the_reason(
    front: Front, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    front.start()
    (tmp_path / "other").mkdir()
    meant: dict[str, dict[str, Any]] = {
        "another authority": {"ca_file": Authority(tmp_path / "other").ca_file},
        "absent": {"ca_file": str(tmp_path / "absent.pem")},
        "localhost": {"hosts": (front.options.hosts[0].replace("127.0.0.1", "localhost"),)},
    }
    (word,) = changes.values()
    with pytest.raises(StoreError, match=told) as error:
        swap(structs.replace(front.options, **meant.get(word, changes)), b"2")
    assert PASSWORD not in str(error.value)


def test_an_expired_certificate_is_told_and_a_new_one_taken(front: Front) -> None:
    front.start(days=-1)
    with pytest.raises(StoreError, match="certificate verify failed") as told:  # libpq says no more
        swap(front.options, b"3")
    assert "expired" in told.value.hint
    front.daemon.stop()
    front.start()
    assert swap(front.options, b"4")
