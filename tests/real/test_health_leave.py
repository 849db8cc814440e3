"""Real servers that get real signals: what is in flight is answered, proxies are told in time, and it ends."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

DEADLINE_S = 30.0
HEAD = """
import asyncio, socketserver, sys, threading
from bascule.health import AsyncLeave, Check, Health, Leave

def tell(*words):
    print(*words, flush=True)

health = Health()
health.bus.subscribe(lambda fact: tell("fact", type(fact).__name__))
health.add("database", Check(lambda: True, "dependency"), fresh_s=0)
DRAIN_S, FINISH_S, PORT = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
"""
UVICORN_APP = """
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

async def slow(request):
    tell("slow began")
    await leave.wait_stopping()
    return PlainTextResponse("done")

async def endless(request):
    tell("endless began")
    await asyncio.Event().wait()

async def blocks(request):
    tell("blocks began")
    threading.Event().wait()

async def close_pool():
    tell("pool closed")

leave = AsyncLeave(health, drain_s=DRAIN_S, finish_s=FINISH_S)
leave.closer("log", lambda: tell("log closed"))
leave.closer("pool", close_pool)
routes = [Route("/slow", slow), Route("/endless", endless), Route("/blocks", blocks), Mount("/health", health.asgi())]
"""
UVICORN = (
    HEAD
    + UVICORN_APP
    + """
import uvicorn
server = uvicorn.Server(uvicorn.Config(leave.asgi(Starlette(routes=routes)), port=PORT, log_level="warning"))
leave.uvicorn(server)

async def main():
    async with leave:
        await server.serve()

asyncio.run(main())
tell("the end")
"""
)
LIFESPAN = (
    HEAD.replace("float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])", "2.0, 20.0, 0")
    + UVICORN_APP
    + """
@asynccontextmanager
async def lifespan(app):
    async with leave:
        yield

app = leave.asgi(Starlette(routes=routes, lifespan=lifespan))
"""
)
FLASK = (
    HEAD
    + """
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
import flask

app = flask.Flask("shop")
health.flask(app)

@app.get("/slow")
def slow():
    tell("slow began")
    leave.stopping.wait(60)
    return "done"

@app.get("/endless")
def endless():
    tell("endless began")
    threading.Event().wait()

class Quiet(WSGIRequestHandler):
    def log_message(self, *words):
        pass

class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

server = Server(("127.0.0.1", PORT), Quiet)
leave = Leave(health, drain_s=DRAIN_S, finish_s=FINISH_S, stop=server.shutdown)
leave.closer("log", lambda: tell("log closed"))
leave.closer("pool", lambda: tell("pool closed"))
server.set_app(leave.wsgi(app))
with leave:
    server.serve_forever(poll_interval=0.05)
tell("the end")
"""
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.02)


class Service:
    """A program under test, and its clients."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._log = directory / "log"
        self._clients = ThreadPoolExecutor(4)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, program: str, *, drain_s: float = 2.0, finish_s: float = 20.0) -> None:
        (self._directory / "program.py").write_text(program)
        self._spawn([sys.executable, "program.py", str(drain_s), str(finish_s), str(self.port)])

    def start_by_command(self, program: str) -> None:
        (self._directory / "program.py").write_text(program)
        self._spawn(
            [sys.executable, "-m", "uvicorn", "program:app", "--port", str(self.port), "--log-level", "warning"]
        )

    def _spawn(self, argv: list[str]) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=self._directory, env={**os.environ}, stdout=log, stderr=log)
        wait_for(self._is_ready, "it is ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return self.status("ready") == 200

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            got = connection.getresponse()
            got.body = got.read()  # type: ignore[attr-defined] # kept beside its status and headers
            return got
        finally:
            connection.close()

    def status(self, probe: str) -> int:
        try:
            return self.get(f"/health/{probe}").status
        except (OSError, http.client.HTTPException):
            return 0

    def begin(self, what: str) -> Future[http.client.HTTPResponse]:
        """A request that is being answered when this returns."""
        asked = self._clients.submit(self.get, f"/{what}")
        wait_for(lambda: f"{what} began" in self.log, "the request arrived")
        return asked

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(DEADLINE_S)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._clients.shutdown()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        yield service
    finally:
        service.stop()


def drains_and_answers(service: Service) -> http.client.HTTPResponse:
    asked = service.begin("slow")
    service.send(signal.SIGTERM)
    wait_for(lambda: service.status("ready") == 503, "not ready, and still answering")
    assert (service.status("live"), service.status("startup")) == (200, 200)
    assert not asked.done(), "the drain is not over"
    got = asked.result(DEADLINE_S)
    assert (got.status, got.body) == (200, b"done")  # type: ignore[attr-defined] # see `get`
    return got


ORDER = ["fact LeaveBegan", "fact AcceptingStopped", "pool closed", "log closed", "fact Left"]


def in_order(log: str) -> list[str]:
    return [line for line in log.splitlines() if line in ORDER]


def test_uvicorn_answers_what_is_in_flight_and_ends_with_0(service: Service) -> None:
    service.start(UVICORN)
    got = drains_and_answers(service)
    assert got.headers["connection"] == "close"
    assert service.wait() == 0
    assert in_order(service.log) == ORDER
    assert service.log.endswith("the end\n")
    assert "Traceback" not in service.log


def test_flask_in_threads_answers_what_is_in_flight_and_ends_with_0(service: Service) -> None:
    service.start(FLASK)
    drains_and_answers(service)
    assert service.wait() == 0
    assert in_order(service.log) == ORDER
    assert service.log.endswith("the end\n")
    assert "Traceback" not in service.log


def test_uvicorns_own_command_needs_nothing_but_the_lifespan(service: Service) -> None:
    service.start_by_command(LIFESPAN)
    drains_and_answers(service)
    # uvicorn hands the signal on when it has ended in peace; that is its own convention.
    assert service.wait() == -signal.SIGTERM
    assert in_order(service.log) == ORDER
    assert "Traceback" not in service.log


@pytest.mark.parametrize("program", [UVICORN, FLASK], ids=["uvicorn", "flask"])
def test_a_request_that_does_not_end_is_abandoned_at_the_deadline(service: Service, program: str) -> None:
    service.start(program, drain_s=0.0, finish_s=0.5)
    asked = service.begin("endless")
    service.send(signal.SIGTERM)
    assert service.wait() == 0
    assert "fact InFlightAbandoned" in service.log
    assert in_order(service.log) == ORDER
    if program == UVICORN:
        got = asked.result(DEADLINE_S)
        assert (got.status, got.headers["retry-after"]) == (503, "1")
    else:
        assert isinstance(asked.exception(DEADLINE_S), http.client.HTTPException | OSError)


@pytest.mark.parametrize("program", [UVICORN, FLASK], ids=["uvicorn", "flask"])
def test_a_second_signal_ends_it_at_once(service: Service, program: str) -> None:
    service.start(program, drain_s=600.0)
    asked = service.begin("endless")
    service.send(signal.SIGTERM)
    wait_for(lambda: service.status("ready") == 503, "the first signal was heard")
    service.send(signal.SIGTERM)
    assert service.wait() == -signal.SIGTERM
    assert "fact LeaveForced" in service.log
    assert "pool closed" not in service.log
    assert isinstance(asked.exception(DEADLINE_S), http.client.HTTPException | OSError)


def test_a_second_signal_ends_even_an_event_loop_that_stands_still(service: Service) -> None:
    service.start(UVICORN, drain_s=600.0)
    asked = service.begin("blocks")
    service.send(signal.SIGINT)
    service.send(signal.SIGTERM)
    assert service.wait() == -signal.SIGTERM
    assert isinstance(asked.exception(DEADLINE_S), http.client.HTTPException | OSError)
