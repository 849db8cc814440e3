"""What is sent to a collector, and how each of its answers is told."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bascule.kernel.errors import InputError, MachineError
from bascule.telemetry.otlp_http import send_traces

Received = list[tuple[str, str, bytes]]


@contextmanager
def collector(status: int = 200, body: bytes = b"{}", **headers: str) -> Iterator[tuple[str, Received]]:
    """A receiver that answers so, and what it got: path, content type, body."""
    received: Received = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.append((self.path, self.headers["Content-Type"], self.rfile.read(length)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def trickling() -> Iterator[str]:
    """A server that sends one byte of its head now and then, and never ends."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                while not ended.wait(0.02):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("end", ["", "/", "/v1/traces"])
def test_it_arrives_whole_as_json_at_the_traces_path(end: str) -> None:
    document = json.dumps({"resourceSpans": ["x" * 100_000]}).encode()
    with collector() as (url, received):
        assert send_traces(url + end, document) == f"{url}/v1/traces"
    assert received == [("/v1/traces", "application/json", document)]


def test_a_path_before_it_is_kept() -> None:
    with collector() as (url, received):
        send_traces(f"{url}/otlp", b"{}")
    assert received[0][0] == "/otlp/v1/traces"


@pytest.mark.parametrize(
    "body", [b"", b'{"partialSuccess":{}}', b'{"partialSuccess":{"rejectedSpans":"0"}}', b"[" * 9999]
)
def test_what_the_collector_took_is_a_success(body: bytes) -> None:
    with collector(body=body) as (url, _):
        send_traces(url, b"{}")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, b'{"code":3,"message":"no such\\u001b[31m field"}', r"answered 400: no such \[31m field \(is this"),
        (404, b"not here", "answered 404: not here"),
        (503, b"", r"answered 503: nothing more \(it may take it later\)"),
        (429, b"\xff" * 9_000, "answered 429: .{150,300}$"),
        (302, b"", "answered 302"),
        (200, b'{"partialSuccess":{"rejectedSpans":"7","errorMessage":"too old"}}', "refused 7 spans: too old"),
    ],
)
def test_what_it_did_not_take_is_told_in_one_line(status: int, body: bytes, told: str) -> None:
    with (
        collector(status, body, Location="http://127.0.0.1:1/") as (url, received),
        pytest.raises(MachineError) as error,
    ):
        send_traces(url, b"{}")
    assert len(received) == 1
    assert "\n" not in str(error.value)
    assert re.search(told, str(error.value))


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MachineError, match="not reached"):
        send_traces(f"http://127.0.0.1:{port}", b"{}")


def test_who_never_answers_is_left_after_the_time_limit() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(MachineError, match=r"no answer within 0\.2 s"),
    ):
        send_traces(f"http://127.0.0.1:{silent.getsockname()[1]}", b"{}", timeout_s=0.2)


def test_who_answers_a_byte_at_a_time_is_left_too() -> None:
    with trickling() as url, pytest.raises(MachineError, match=r"within 0\.2 s"):
        send_traces(url, b"{}", timeout_s=0.2)


@pytest.mark.parametrize(
    "endpoint",
    ["", "127.0.0.1:4318", "ftp://x", "http://", "http://x:99999", "http://[::1", "http://x/?a=b", "http://x/\r\nA: b"],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InputError, match="no endpoint"):
        send_traces(endpoint, b"{}")


def test_a_password_in_an_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as error:
        send_traces("http://me:hunter2@127.0.0.1:4318", b"{}")
    assert "hunter2" not in str(error.value)
