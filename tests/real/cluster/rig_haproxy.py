"""A real HAProxy before two HTTP servers that say who they are."""

from __future__ import annotations

import http.server
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.real.cluster.daemons import DEADLINE_S, Daemon, free_port

from bascule.cluster.actuators import haproxy
from bascule.engines.binaries import find
from bascule.kernel.errors import MissingProgramError
from bascule.kernel.quantities import Duration

CONFIGURATION = """
global
    stats socket {directory}/admin.sock mode 600 level admin
    stats socket ipv4@127.0.0.1:{control} level admin
defaults
    mode {mode}
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend web
    bind 127.0.0.1:{port}
    default_backend web
backend web
    {cookie}
    server mine 127.0.0.1:{mine} {check} {stick} disabled
    server theirs 127.0.0.1:{theirs} {check} {stick} disabled
"""


class _Says(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.name.encode()  # type: ignore[attr-defined]  # `serving` gave it one
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the original has
        """Say nothing."""


@contextmanager
def serving(name: str) -> Iterator[int]:
    """The port of an HTTP server that answers with its name."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Says)
    server.name = name  # type: ignore[attr-defined]  # what it says
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class HaproxyRig:
    """HAProxy on a port, its runtime API at a path and at a port."""

    def __init__(self, directory: Path, *, mine: int, theirs: int, mode: str, cookie: bool, check: bool) -> None:
        try:
            program = find("haproxy")
        except MissingProgramError as error:
            pytest.skip(f"needs haproxy: {error.hint}")
        self.socket = f"{directory}/admin.sock"
        self.port, self.control = free_port(), free_port()
        configuration = directory / "haproxy.cfg"
        configuration.write_text(
            CONFIGURATION.format(
                directory=directory,
                control=self.control,
                port=self.port,
                mine=mine,
                theirs=theirs,
                mode=mode,
                check="check inter 50ms fall 1 rise 1" if check else "",
                cookie="cookie node insert" if cookie else "",
                stick="cookie x" if cookie else "",
            ).replace("theirs} cookie x", "theirs} cookie y")
        )
        self._daemon = Daemon(
            [program.path, "-db", "-f", str(configuration)], directory, self._is_ready, program.environment
        )
        self.start, self.stop = self._daemon.start, self._daemon.stop
        self.freeze, self.thaw = self._daemon.freeze, self._daemon.thaw

    def _is_ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(DEADLINE_S)
                asking.connect(self.socket)
                asking.sendall(b"show info\n")
                return bool(asking.recv(1))
        except OSError:
            return False

    def options(
        self, *, others: tuple[str, ...] = ("web/theirs",), address: str = "", drain_s: float = 0.0
    ) -> haproxy.Options:
        return haproxy.Options(
            socket=self.socket,
            servers=("web/mine",),
            others=others,
            address=address,
            drain=Duration(drain_s),
            timeout=Duration(1.0),
        )

    def actuator(self) -> haproxy.HaproxyServers:
        return haproxy.make(self.options())

    def get(self) -> str:
        """Who answers a client's request, or the status that HAProxy answers itself."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=DEADLINE_S) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            error.close()
            return str(error.code)

    def is_so(self) -> bool:
        return self.get() == "mine"


@contextmanager
def haproxy_rig(
    directory: Path, *, mode: str = "http", cookie: bool = False, check: bool = False
) -> Iterator[HaproxyRig]:
    with ExitStack() as stack:
        mine, theirs = stack.enter_context(serving("mine")), stack.enter_context(serving("theirs"))
        rig = HaproxyRig(directory, mine=mine, theirs=theirs, mode=mode, cookie=cookie, check=check)
        stack.callback(rig.stop)
        rig.start()
        yield rig
