"""A real PostgreSQL, and a standby of it, that tests freeze, kill and promote. It dies with the test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.real.cluster.daemons import free_port, wait_until

from bascule.engines import binaries

# PostgreSQL refuses to run as root, and whatever it started must end with it: each server is the first process of a
# process namespace, under an ordinary uid of a user namespace.
AS_A_USER = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "-i", "-p", "-f", "--kill-child", "--mount-proc")
PASSWORD = "open sesame"
SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "dynamic_shared_memory_type": "mmap",  # a killed server leaves nothing in /dev/shm
    "shared_buffers": "16MB",
    "wal_retrieve_retry_interval": "100ms",
}


class PostgresqlServer:
    """One server: the superuser `app` needs no password, everybody else one of scram-sha-256."""

    def __init__(self, directory: Path, settings: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user=app connect_timeout=5"

    def initialise(self) -> None:
        made = ["--no-sync", "--username=app", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        self._run("initdb", *made, "-D", str(self.data))
        everybody = ("all", "127.0.0.1/32", "scram-sha-256")
        rules = [("local", "all", "app", "trust"), ("host", "all,replication", "app", "127.0.0.1/32", "trust")]
        lines = [" ".join(rule) for rule in [*rules, ("host", "all", *everybody)]]
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())
        (self.data / "pg_hba.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        if self._process is not None:
            return
        program = binaries.find("postgres")
        options = ["-p", str(self.port), "-c", f"unix_socket_directories={self.directory}"]
        argv = [*AS_A_USER, *program.argv, "-D", str(self.data), *options]
        with (self.directory / "log").open("ab") as log:
            environment = {**os.environ, **program.environment}
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        wait_until(self._is_up, (self.directory / "log").read_text)

    def stop(self) -> None:
        """Kill it with all that it started."""
        if self._process is not None:
            self.thaw()
            everybody = [self._process.pid, *_below(self._process.pid)]
            self._process.kill()
            self._process.wait()
            wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in everybody), "it has ended")
            # The next process namespace has other numbers: this one may be somebody else's there.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def standby(self, directory: Path, name: str) -> PostgresqlServer:
        """A copy that follows this one; it is not started yet."""
        copy = PostgresqlServer(directory)
        source = f"host=127.0.0.1 port={self.port} user=app application_name={name}"
        self._run("pg_basebackup", "-D", str(copy.data), "-d", source, "-R", "--no-sync", "-c", "fast")
        return copy

    def promote(self) -> None:
        self.sql("SELECT pg_promote()")
        wait_until(lambda: self.sql("SELECT pg_is_in_recovery()") == [(False,)], "it is promoted")

    def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def configure(self, name: str, value: str) -> None:
        """Change a setting of the running server; every new message meets it."""
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.sql(f"SHOW {name}") == [(value,)], f"{name} is {value!r}")

    def strand(self) -> None:
        """Have every commit wait for a standby that there is not.

        A session that shows the setting may still commit without waiting: the checkpointer tells that to everybody.
        """
        self.configure("synchronous_standby_names", "nobody")
        wait_until(lambda: commits_wait(self.conninfo), "commits wait")

    def _run(self, program: str, *arguments: str) -> None:
        found = binaries.find(program)
        argv = [*AS_A_USER, *found.argv, *arguments]
        environment = {**os.environ, **found.environment}
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)

    def _answers(self) -> bool:
        try:
            self.sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        return self._answers()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        for pid in _below(self._process.pid):
            with contextlib.suppress(ProcessLookupError):  # sessions come and go
                os.kill(pid, number)


def commits_wait(conninfo: str) -> bool:
    """Commit something, and see whether it waits for a standby; the wait is ended."""
    with (
        psycopg.connect(conninfo, autocommit=True) as probe,
        psycopg.connect(conninfo, autocommit=True) as other,
    ):
        probe.execute("SET synchronous_commit = on")
        commit = threading.Thread(target=probe.execute, args=(b"SELECT pg_logical_emit_message(true, 'probe', '')",))
        commit.start()
        waits = False
        cancel = b"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"
        while commit.is_alive():
            waits = bool(other.execute(cancel, [probe.info.backend_pid]).fetchall()) or waits
        return waits


def _below(pid: int) -> Iterator[int]:
    """All processes that descend from one; a parent first, and its children as they are when that was dealt with."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        yield int(child)
        yield from _below(int(child))


@contextlib.contextmanager
def running(directory: Path, settings: dict[str, str] | None = None) -> Iterator[PostgresqlServer]:
    """A new server that is up."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare (package util-linux)")
    server = PostgresqlServer(directory, settings)
    server.initialise()
    server.start()
    try:
        yield server
    finally:
        server.stop()
