"""The ready-made checks against a real PostgreSQL and a real Redis, which are stopped, frozen and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from bascule.engines import binaries
from bascule.health import Check, Health, checks

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (package util-linux)"),
]

# PostgreSQL refuses to run as root, and whatever it started must end with it: each server is the first process of a
# process namespace, under an ordinary uid of a user namespace.
AS_A_USER = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "-i", "-p", "-f", "--kill-child", "--mount-proc")
PASSWORD = "open sesame"
DEADLINE_S = 30.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.05)


def error_of(check: Check) -> str:
    health = Health()
    health.add("it", check, timeout_s=20)
    assert health.ask("live").is_ok, "whatever becomes of a dependency"
    return health.ask("ready").checks[0].error


class Server:
    """A real server with whatever it started."""

    def __init__(self, argv: list[str], environment: dict[str, str], port: int, log: Path) -> None:
        self.port = port
        with log.open("wb") as out:
            env = {**os.environ, **environment}
            self._process = subprocess.Popen([*AS_A_USER, *argv], stdout=out, stderr=out, env=env)

    def inside(self) -> int:
        """The server's own process, seen from here."""
        pid = self._process.pid
        wait_for(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split(), "it runs")
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def kill(self) -> None:
        if self._process.returncode is not None:
            return
        inside = self.inside()
        self._process.kill()
        self._process.wait()
        wait_for(lambda: not Path(f"/proc/{inside}/exe").exists(), "the server has ended")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    program, port = binaries.find("redis-server"), free_port()
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        PASSWORD,
        "--dir",
        str(tmp_path),
    ]
    server = Server([*program.argv, *options], dict(program.environment), port, tmp_path / "redis.log")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Server]:
    initdb, postgres, port = binaries.find("initdb"), binaries.find("postgres"), free_port()
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    made = [
        "--no-sync",
        "--username=app",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
    ]
    argv = [*AS_A_USER, *initdb.argv, *made, "-D", str(tmp_path / "data")]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **initdb.environment})
    settings = [
        "fsync=off",
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={tmp_path}",
        "dynamic_shared_memory_type=mmap",  # a killed server leaves nothing in /dev/shm
        "shared_buffers=16MB",
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    argv = [*postgres.argv, "-D", str(tmp_path / "data"), "-p", str(port), *options]
    server = Server(argv, dict(postgres.environment), port, tmp_path / "postgresql.log")
    try:
        yield server
    finally:
        server.kill()


def test_redis(redis: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    check = checks.redis("127.0.0.1", redis.port, password=file)
    wait_for(lambda: error_of(check) == "", "redis answers PING")
    assert error_of(checks.redis("127.0.0.1", redis.port, user="default", password=lambda: PASSWORD)) == ""
    assert "NOAUTH" in error_of(checks.redis("127.0.0.1", redis.port))
    wrong = error_of(checks.redis("127.0.0.1", redis.port, password=lambda: "not the password"))
    assert "WRONGPASS" in wrong
    assert "not the password" not in wrong
    inside = redis.inside()
    os.kill(inside, signal.SIGSTOP)
    assert "TimeoutError" in error_of(checks.redis("127.0.0.1", redis.port, password=file, timeout_s=0.2))
    os.kill(inside, signal.SIGCONT)
    assert error_of(check) == ""
    redis.kill()
    wait_for(lambda: "ConnectionRefusedError" in error_of(check), "its port is closed")


def test_postgresql(postgresql: Server, tmp_path: Path) -> None:
    check = checks.postgresql("127.0.0.1", postgresql.port)
    wait_for(lambda: error_of(check) == "", "PostgreSQL accepts connections")
    assert error_of(checks.postgresql(str(tmp_path), postgresql.port)) == "", "over its socket as well"
    conninfo = f"host=127.0.0.1 port={postgresql.port} dbname=postgres user=app password='{PASSWORD}' connect_timeout=2"

    def connect() -> psycopg.Connection:
        return psycopg.connect(conninfo, autocommit=True)

    query, writable = checks.postgresql_query(connect), checks.postgresql_query(connect, writable=True)
    assert (error_of(query), error_of(writable)) == ("", "")
    with connect() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
    wait_for(lambda: "it takes no writes" in error_of(writable), "it is read-only")
    assert error_of(query) == ""
    with connect() as connection:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        wait_for(lambda: connection.execute(sessions).fetchone() == (1,), "no check leaves a session behind")
    inside = postgresql.inside()
    os.kill(inside, signal.SIGSTOP)
    assert "TimeoutError" in error_of(checks.postgresql("127.0.0.1", postgresql.port, timeout_s=0.2))
    os.kill(inside, signal.SIGCONT)
    assert error_of(check) == ""
    postgresql.kill()
    wait_for(lambda: "ConnectionRefusedError" in error_of(check), "its port is closed")
    wrong = error_of(query)
    assert "connection failed" in wrong
    assert PASSWORD not in wrong


def test_a_wrong_password_is_not_told(postgresql: Server) -> None:
    wait_for(lambda: error_of(checks.postgresql("127.0.0.1", postgresql.port)) == "", "PostgreSQL accepts connections")
    conninfo = f"postgresql://app:not-it@127.0.0.1:{postgresql.port}/postgres"
    wrong = error_of(checks.postgresql_query(lambda: psycopg.connect(conninfo)))
    assert "password authentication failed" in wrong
    assert "not-it" not in wrong


def test_a_database_that_starts_up_is_not_ready(postgresql: Server) -> None:
    """Asked from the first moment on, it never passes before a query would."""
    check = checks.postgresql("127.0.0.1", postgresql.port)
    seen: list[str] = []

    def passes() -> bool:
        seen.append(error_of(check))
        return seen[-1] == ""

    wait_for(passes, "PostgreSQL accepts connections")
    conninfo = f"host=127.0.0.1 port={postgresql.port} dbname=postgres user=app password='{PASSWORD}'"
    assert error_of(checks.postgresql_query(lambda: psycopg.connect(conninfo))) == ""
    for error in seen[:-1]:
        assert "ConnectionRefusedError" in error or "starting up" in error
