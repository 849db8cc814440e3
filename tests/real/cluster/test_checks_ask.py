"""Checks get their answers from real servers, programs and ports, and an answer within their time from hostile ones."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import DEADLINE_S, need, wait_until
from tests.real.cluster.rig_command import has_children, is_alive, number
from tests.real.cluster.speaking import Speak, page, says, speaking, without_end

from bascule.cluster.checks import command, http, tcp
from bascule.cluster.checks.port import Check, Health
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real
SOON = Duration(0.3)
PATIENT = Duration(20.0)


def ask(check: Check) -> Health:
    return asyncio.run(asyncio.wait_for(check.check(), DEADLINE_S))


def asks(speak: Speak, **options: Any) -> Health:
    with speaking(speak) as server:
        return ask(http.make(http.Options(url=f"http://127.0.0.1:{server.port}/ready?x=1", **options)))


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_page_that_answers_well_is_well(status: int) -> None:
    assert asks(page(status), timeout=PATIENT) == Health(ok=True)


@pytest.mark.parametrize("status", [300, 302, 400, 401, 404, 500, 503])
def test_any_other_status_is_not(status: int) -> None:
    answer = asks(page(status, b"", "Location: /elsewhere"), timeout=PATIENT)
    assert answer == Health(ok=False, why=f"status {status}")


def silent(connection: socket.socket, _: bytes) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    "speak",
    [
        silent,
        says(b"HTTP/1.1 2"),
        says(b""),
        says(b"\xff\xfe\x00" * 1000 + b"\r\n\r\n"),
        says(b"HTTP/1.1 200\r\nContent-Length: x\r\n\r\n"),
        says(b"HTTP/1.1 999999 x\r\n\r\n"),
        without_end(b"HTTP/1.1 200 x\r\n", b"x-header: and more\r\n"),
        without_end(b"HTTP/1.1 200 x\r\nx: ", b"y" * 1000),
    ],
    ids=["silent", "half", "closes", "garbage", "no-length", "no-status", "headers", "header"],
)
def test_what_is_no_answer_is_not_well_within_its_time(speak: Speak) -> None:
    answer = asks(speak, timeout=SOON)
    assert not answer.ok
    assert answer.why
    assert len(answer.why) <= 300


def test_a_body_without_end_is_not_read() -> None:
    assert asks(without_end(b"HTTP/1.1 200 x\r\n\r\n", b"y" * 1000), timeout=PATIENT).ok


def test_a_body_that_would_unpack_to_very_much_is_not_unpacked() -> None:
    body = gzip.compress(b"x" * 10_000_000)
    assert asks(page(200, body, "Content-Encoding: gzip"), timeout=PATIENT).ok


def test_nothing_of_the_environment_and_no_password_gets_into_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with speaking(page(200)) as server:
        options = http.Options(url=f"http://127.0.0.1:{server.port}/ready", host="web.example", timeout=PATIENT)
        assert ask(http.make(options)).ok
        (asked,) = server.asked
    assert asked.startswith(b"GET /ready HTTP/1.1\r\n")
    assert b"\r\nHost: web.example\r\n" in asked
    assert b"authorization" not in asked.lower()


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate for that name, signed by itself, and its key."""
    openssl = need("openssl", "openssl")
    argv = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    argv += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    argv += ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run(argv, check=True, capture_output=True, timeout=DEADLINE_S)
    return directory / "cert.pem", directory / "key.pem"


@pytest.mark.parametrize(
    ("host", "trusts", "is_well"),
    [("web.example", True, True), ("other.example", True, False), ("web.example", False, False)],
)
def test_a_certificate_is_asked_for_by_name(tmp_path: Path, host: str, *, trusts: bool, is_well: bool) -> None:
    cert, key = certificate(tmp_path, "web.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    with context.wrap_socket(connection, server_side=True) as secret:
                        secret.recv(65536)
                        secret.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    return  # the client did not trust us

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        ca_file = str(cert) if trusts else ""
        answer = ask(http.make(http.Options(url=url, host=host, ca_file=ca_file, timeout=PATIENT)))
        thread.join(DEADLINE_S)
    assert answer.ok == is_well, answer
    assert is_well or "certificate" in answer.why.lower()


def test_a_port_that_takes_connections_is_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = tcp.Options(address=f"127.0.0.1:{server.getsockname()[1]}", timeout=PATIENT)
        assert ask(tcp.make(options)) == Health(ok=True)


def test_a_port_without_a_server_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = ask(tcp.make(tcp.Options(address=f"127.0.0.1:{port}", timeout=PATIENT)))
    assert not answer.ok
    assert answer.why


def test_a_port_that_takes_no_more_connections_is_not_well_in_time() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = []
        for _ in range(4):  # they fill the queue, which nobody empties
            one = socket.socket()
            one.settimeout(0)
            one.connect_ex(address)
            waiting.append(one)
        answer = ask(tcp.make(tcp.Options(address=f"127.0.0.1:{address[1]}", timeout=SOON)))
        for one in waiting:
            one.close()
    assert answer == Health(ok=False, why="no connection within 0.3 s")


def test_a_connection_that_found_itself_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux a connection from a port to itself is taken; a check must not believe in it."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        host, port = own.getsockname()
        own.settimeout(0)
        connect = asyncio.open_connection

        async def from_that_port(*_: Any) -> Any:
            await asyncio.get_running_loop().sock_connect(own, (host, port))
            return await connect(sock=own)

        monkeypatch.setattr(asyncio, "open_connection", from_that_port)
        answer = ask(tcp.make(tcp.Options(address=f"{host}:{port}", timeout=PATIENT)))
    assert answer == Health(ok=False, why="nobody listens there")


def runs(script: str, *, timeout: Duration = PATIENT, prints_lag: bool = False) -> Health:
    argv = ("sh", "-c", script)
    answer = ask(command.make(command.Options(command=argv, timeout=timeout, prints_lag=prints_lag)))
    assert not has_children()
    return answer


def test_a_command_says_by_its_exit_code_how_it_is() -> None:
    assert runs("exit 0") == Health(ok=True)
    assert runs("echo no space left >&2; exit 3") == Health(ok=False, why="exit code 3: no space left")
    assert runs("kill -9 $$") == Health(ok=False, why="it was ended by signal 9")


def test_a_command_that_cannot_be_run_is_not_well() -> None:
    answer = ask(command.make(command.Options(command=("/nowhere/it",))))
    assert answer == Health(ok=False, why="it cannot be run: No such file or directory")


@pytest.mark.parametrize(("prints", "lag_bytes"), [("echo 0", 0), ("echo 16777216", 16777216), ("printf ' 7\n\n'", 7)])
def test_a_command_may_print_how_far_it_is_behind(prints: str, lag_bytes: int) -> None:
    assert runs(prints, prints_lag=True) == Health(ok=True, lag_bytes=lag_bytes)


@pytest.mark.parametrize(
    "prints",
    [
        "true",
        "echo -1",
        "echo 1.5",
        "echo 1e3",
        "echo 5 MB",
        "echo ٣",
        "printf '1\n2'",
        "yes 1 | head -c 100000",
        "echo 9999999999999999999",
    ],
)
def test_what_is_no_number_of_bytes_is_not_well(prints: str) -> None:
    answer = runs(prints, prints_lag=True)
    assert not answer.ok
    assert answer.lag_bytes is None
    assert "no number of bytes" in answer.why
    assert len(answer.why) < 200


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    answer = runs(f"trap '' TERM; sleep 1000 & echo $! > {tmp_path}/child; wait; wait; wait", timeout=SOON)
    assert answer == Health(ok=False, why="it did not end in time")
    child = number(tmp_path / "child")
    wait_until(lambda: not is_alive(child), "its child lives")


def test_a_check_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    argv = ("sh", "-c", f"echo $$ > {tmp_path}/up; exec sleep 1000")

    async def scenario() -> None:
        task = asyncio.create_task(command.make(command.Options(command=argv, timeout=PATIENT)).check())
        await asyncio.to_thread(number, tmp_path / "up")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert not has_children()
    with pytest.raises(ProcessLookupError):
        os.kill(number(tmp_path / "up"), signal.SIGCONT)
