"""A proxy process with real servers behind it, and what a client does to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from bascule.chaos.proxy.client import ProxyClient
from bascule.chaos.proxy.protocol import ProxyStatus

PATIENCE_S = 20.0
BODY = bytes(range(256)) * 8


def wait_until(holds: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_s, what
        time.sleep(0.01)


class Echo:
    """A real server: says what it hears, and its end when the client has said its own; counts what it accepted."""

    def __init__(self) -> None:
        self.heard = 0
        self.ends: list[str] = []
        self._ear = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._ear.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._ear.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            try:
                while data := line.recv(1 << 16):
                    self.heard += len(data)
                    line.sendall(data)
                self.ends.append("end")
            except OSError as error:
                self.ends.append(type(error).__name__)

    def close(self) -> None:
        self._ear.shutdown(socket.SHUT_RD)
        self._ear.close()


class Answers(BaseHTTPRequestHandler):
    """`/length` with its length, `/chunked` in chunks; every request is counted by its server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests += 1  # type: ignore[attr-defined]  # the counter is ours
        self.send_response(200)
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(BODY), 1000):
                part = BODY[start : start + 1000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name for it
        del format, args


class Rig:
    """A proxy process, its client, and how to reach what it serves."""

    def __init__(self, folder: Path, *before: str) -> None:
        self.path = folder / "control"
        argv = [sys.executable, "-m", "bascule.chaos.proxy", "--socket", str(self.path), "--seed", "1", "--until-eof"]
        self.process = subprocess.Popen([*before, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        self.client = ProxyClient(self.path)

    def close(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def port(status: ProxyStatus) -> int:
    return int(status.listen.rpartition(":")[2])


def dial(status: ProxyStatus) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port(status)), timeout=PATIENCE_S)


def receive(line: socket.socket, size_bytes: int) -> bytes:
    got = b""
    while len(got) < size_bytes and (part := line.recv(size_bytes - len(got))):
        got += part
    return got


def round_trip_s(line: socket.socket, data: bytes = b"hello") -> float:
    begun_s = time.monotonic()
    line.sendall(data)
    assert receive(line, len(data)) == data
    return time.monotonic() - begun_s


def get(line: http.client.HTTPConnection, path: str = "/length") -> tuple[int, bytes]:
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read()


def acted(rig: Rig, name: str, label: str) -> tuple[int, int]:
    told = rig.client.status(name).acted[label]
    return told.connections, told.bytes


def raw(rig: Rig, text: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE_S)
        line.connect(str(rig.path))
        with contextlib.suppress(BrokenPipeError):  # it hangs up on what is too long
            line.sendall(text)
        with line.makefile("rb") as lines:
            return dict(json.loads(lines.readline()))
