"""Fixtures: a proxy process, an echo behind it, and a web server behind it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.real.proxy.proxy_rig import PATIENCE_S, Answers, Echo, Rig, port

from bascule.chaos.proxy.protocol import ProxyStatus


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxied(rig: Rig, echo: Echo) -> ProxyStatus:
    return rig.client.create("echo", echo.address)


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.requests = 0  # type: ignore[attr-defined]  # the counter is ours
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browsed(rig: Rig, web: ThreadingHTTPServer) -> Iterator[http.client.HTTPConnection]:
    status = rig.client.create("web", f"127.0.0.1:{web.server_port}", protocol="http")
    line = http.client.HTTPConnection("127.0.0.1", port(status), timeout=PATIENCE_S)
    yield line
    line.close()
