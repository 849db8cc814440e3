"""The ready-made checks against small servers of the test's own: what they send, what they take for an answer."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bascule.health import Check, Health, checks
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import InputError

Serve = Callable[[socket.socket], None]


@contextmanager
def server(*serve: Serve) -> Iterator[int]:
    """A server that treats its first, second, ... connection so; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def work() -> None:
            for each in serve:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(20)
                    each(connection)

        thread = threading.Thread(target=work)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()


def says(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        data = connection.recv(4096)
        if heard is not None:
            heard.append(data)
        connection.sendall(answer)

    return serve


def drips(connection: socket.socket) -> None:
    """A byte now and then, for ever: each one alone is in time."""
    connection.recv(4096)
    connection.settimeout(0.01)
    while True:
        try:
            connection.sendall(b"x")
            if connection.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return


def error_of(check: Check) -> str:
    """What the check says; the runner's own limit is far away, so the check's own is what bounds it."""
    health = Health()
    health.add("it", check, timeout_s=20)
    return health.ask("ready").checks[0].error


def pg_error(code: str, message: str) -> bytes:
    fields = f"SFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", 4 + len(fields)) + fields


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"R" + struct.pack("!ii", 8, 5), ""),
        (pg_error("28000", "role does not exist"), ""),
        (pg_error("53300", "too many clients"), ""),
        (
            pg_error("57P03", "the database system is starting up"),
            "ConnectionError: the database system is starting up",
        ),
        (b"E" + struct.pack("!i", 2**30), "is not PostgreSQL"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not PostgreSQL"),
        (b"", "the connection was closed before an answer"),
        (b"E", "the connection was closed before an answer"),
    ],
)
def test_postgresql_is_asked_as_pg_isready_does(answer: bytes, error: str) -> None:
    heard: list[bytes] = []
    with server(says(answer, heard)) as port:
        said = error_of(checks.postgresql("127.0.0.1", port, user="probe", database="shop"))
    assert (said == "") if error == "" else error in said
    length, version = struct.unpack("!ii", heard[0][:8])
    assert (length, version) == (len(heard[0]), 196608)
    assert heard[0][8:].split(b"\0")[:4] == [b"user", b"probe", b"database", b"shop"]


class Connection:
    def __init__(self, row: object = None, error: Exception | None = None) -> None:
        self.row, self.error, self.statements, self.closed = row, error, list[str](), list[str]()

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.closed.append("connection")


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, operation: str, /) -> None:
        self._connection.statements.append(operation)
        if self._connection.error:
            raise self._connection.error

    def fetchone(self) -> object:
        return self._connection.row

    def close(self) -> None:
        self._connection.closed.append("cursor")


@pytest.mark.parametrize(
    ("connection", "writable", "statement", "error"),
    [
        (Connection((1,)), False, "SELECT 1", ""),
        (Connection(("off",)), True, "SHOW transaction_read_only", ""),
        (Connection(("on",)), True, "SHOW transaction_read_only", "it takes no writes"),
        (Connection(error=OSError("gone")), False, "SELECT 1", "OSError: gone"),
    ],
)
def test_a_query_runs_over_a_connection_that_is_always_closed(
    connection: Connection, *, writable: bool, statement: str, error: str
) -> None:
    said = error_of(checks.postgresql_query(lambda: connection, writable=writable))
    assert (said == "") if error == "" else error in said
    assert (connection.statements, connection.closed) == ([statement], ["cursor", "connection"])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"+PONG\r\n", ""),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING Redis is loading"),
        (b"-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required."),
        (b"x" * 20_000, "a line is longer than 8192 bytes"),
        (b"+PON", "the connection was closed before an answer"),
    ],
)
def test_redis_is_asked_for_a_pong(answer: bytes, error: str) -> None:
    heard: list[bytes] = []
    with server(says(answer, heard)) as port:
        said = error_of(checks.redis("127.0.0.1", port))
    assert (said == "") if error == "" else error in said
    assert heard == [b"*1\r\n$4\r\nPING\r\n"]


def test_redis_gets_its_password_and_nobody_sees_it(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hünter 2\n")
    heard: list[bytes] = []

    def both(connection: socket.socket) -> None:
        for answer in (b"+OK\r\n", b"+PONG\r\n"):
            heard.append(connection.recv(4096))
            connection.sendall(answer)

    with server(both) as port:
        assert error_of(checks.redis("127.0.0.1", port, user="probe", password=file)) == ""
    assert heard[0] == "*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$9\r\nhünter 2\r\n".encode()
    with server(says("-ERR hünter 2 is wrong\r\n".encode())) as port:
        assert (
            error_of(checks.redis("127.0.0.1", port, password=lambda: "hünter 2"))
            == "ConnectionError: ERR *** is wrong"
        )
    with pytest.raises(InputError, match=r"redis\.password") as refused:
        checks.redis("127.0.0.1", password="hunter2")  # type: ignore[arg-type] # that is what is tested
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 200\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "it answers with status 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "it answers with status 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP/1"),
        (b"HTTP/1.1 2x0\r\n", "does not speak HTTP/1"),
    ],
)
def test_http_looks_at_the_status_alone_and_follows_nobody(answer: bytes, error: str) -> None:
    heard: list[bytes] = []
    with server(says(answer, heard)) as port:
        said = error_of(checks.http(f"http://127.0.0.1:{port}/ready?deep=1"))
        host = f"Host: 127.0.0.1:{port}".encode()
    assert (said == "") if error == "" else error in said
    assert heard[0].startswith(b"GET /ready?deep=1 HTTP/1.1\r\n")
    assert host in heard[0]
    assert heard[0].endswith(b"Connection: close\r\n\r\n")


def test_http_counts_as_good_what_the_user_says() -> None:
    with server(says(b"HTTP/1.1 401 Unauthorized\r\n\r\n")) as port:
        assert error_of(checks.http(f"http://127.0.0.1:{port}", good={200, 401})) == ""


def test_https_does_not_trust_just_anybody() -> None:
    with server(says(b"no TLS at all")) as port:
        assert "SSLError" in error_of(checks.http(f"https://127.0.0.1:{port}/"))


def makers(port: int) -> list[Check]:
    return [
        checks.postgresql("127.0.0.1", port, timeout_s=0.1),
        checks.redis("127.0.0.1", port, timeout_s=0.1),
        checks.http(f"http://127.0.0.1:{port}", timeout_s=0.1),
    ]


@pytest.mark.parametrize("number", [1, 2])
def test_a_server_that_drips_does_not_outlast_the_deadline(number: int) -> None:
    with server(drips) as port:
        assert "TimeoutError" in error_of(makers(port)[number])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_silent_server_and_a_closed_port_fail(number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "TimeoutError" in error_of(makers(port)[number])
    assert "ConnectionRefusedError" in error_of(makers(port)[number])


def test_a_name_that_nobody_has_fails() -> None:
    assert "gaierror" in error_of(checks.redis("no-such-host.invalid", timeout_s=5))


def test_the_disk_has_room_or_not(tmp_path: Path) -> None:
    assert error_of(checks.disk_free(tmp_path, least_bytes=1)) == ""
    assert "are wanted" in error_of(checks.disk_free(tmp_path, least_bytes=2**60))
    assert "are wanted" in error_of(checks.disk_free(tmp_path, least_share=0.999_999))
    assert "FileNotFoundError" in error_of(checks.disk_free(tmp_path / "nowhere", least_bytes=1))


def test_an_event_loop_that_comes_round_passes_and_one_that_stands_still_does_not() -> None:
    free = threading.Event()

    async def main() -> None:
        check = checks.event_loop(limit_s=20)
        health = Health()
        health.add("loop", check, probes=("live",), timeout_s=30, fresh_s=0)
        assert (await health.ask_async("live")).is_ok
        strict = Health()
        strict.add("loop", checks.event_loop(limit_s=0.05), probes=("live",), timeout_s=30, fresh_s=0)
        asked: list[str] = []

        def ask() -> None:
            asked.append(strict.ask("live").checks[0].error)
            free.set()

        asking = threading.Thread(target=ask)
        asking.start()
        free.wait(20)  # the loop stands still, for as long as the check needs to see it
        asking.join(20)
        assert asked == ["TimeoutError: the event loop has not come round within 0.05 s"]

    asyncio.run(main())
    with pytest.raises(InputError, match="be a running event loop"):
        checks.event_loop()


def test_a_loop_that_is_closed_fails() -> None:
    loop = asyncio.new_event_loop()
    check = checks.event_loop(loop=loop)
    loop.close()
    assert "closed" in error_of(check)


def test_a_heartbeat_tells_of_a_thread_that_hangs_or_has_ended() -> None:
    clock = FakeClock()
    heartbeat = checks.Heartbeat(5.0, clock=clock)
    check = heartbeat.check()
    assert error_of(check) == ""
    clock.advance(5.1)
    assert error_of(check) == "TimeoutError: silent for 5.1 s (limit 5 s)"
    heartbeat.beat()
    assert error_of(check) == ""
    with heartbeat.resting():
        clock.advance(3600)
        assert error_of(check) == "", "who waits for work may be silent"
    assert error_of(check) == "", "the limit begins anew with the work"
    clock.advance(5.1)
    assert "silent" in error_of(check)
    thread = threading.Thread(target=heartbeat.beat, name="worker-1")
    thread.start()
    thread.join(10)
    assert error_of(check) == "RuntimeError: the thread 'worker-1' has ended"


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: checks.postgresql(""), r"postgresql\.host: '' must be"),
    (lambda: checks.postgresql("a", 0), r"postgresql\.port: 0 must be a whole number from 1 to 65535"),
    (lambda: checks.postgresql("a", timeout_s=0), r"postgresql\.timeout_s: 0 must be"),
    (lambda: checks.postgresql("a", user="a\0b"), r"postgresql\.user: .* must be a name without a zero byte"),
    (lambda: checks.postgresql_query(None), r"postgresql_query\.connect: None must be"),  # type: ignore[arg-type] # that is what is tested
    (lambda: checks.redis("a", 65536), r"redis\.port: 65536 must be"),
    (lambda: checks.redis("a", user="a"), r"redis\.user: 'a' must come with a password"),
    (lambda: checks.http("ftp://a/"), r"http\.url: 'ftp://a/' must be like"),
    (lambda: checks.http("http:///a"), r"http\.url: .* must be like"),
    (lambda: checks.http("http://a:99999/"), r"http\.url: .* must have a port"),
    (lambda: checks.http("http://a/ b"), r"http\.url: .* must be printable ASCII without blanks"),
    (lambda: checks.http("http://a/\r\nX: y"), r"http\.url: .* must be printable"),
    (lambda: checks.disk_free("/"), r"disk_free\.least_bytes: 0 must be above 0"),
    (lambda: checks.disk_free("/", least_bytes=-1), r"disk_free\.least_bytes: -1 must be"),
    (lambda: checks.disk_free("/", least_share=1), r"disk_free\.least_share: 1 must be"),
    (lambda: checks.event_loop(limit_s=0), r"event_loop\.limit_s: 0 must be"),
    (lambda: checks.Heartbeat(-1), r"Heartbeat\.limit_s: -1 must be"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_a_bad_value_is_named_with_its_field_and_its_rule(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_password_in_an_address_is_refused_without_being_shown() -> None:
    with pytest.raises(InputError, match="no user and no password") as refused:
        checks.http("http://app:hunter2@host/")
    assert "hunter2" not in str(refused.value)
