"""The probes as ASGI and WSGI applications, and mounted into Starlette, FastAPI and Flask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

import fastapi
import flask
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bascule.health import AsyncLeave, Check, Health
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import InputError

Ask = Callable[[str, str], httpx.Response]


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.health = Health(clock=self.clock)
        self.is_broken = False
        self.health.add("database", Check(self._ask, "dependency"), fresh_s=10.0)
        self.health.add("loop", Check(lambda: True, "process"), probes=("live",))

    def _ask(self) -> None:
        if self.is_broken:
            raise ConnectionError("postgresql://app:hunter2@db is away " + "x" * 1000)


def over_asgi(app: Any) -> Ask:
    def ask(method: str, path: str) -> httpx.Response:
        async def main() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path)

        return asyncio.run(main())

    return ask


def over_wsgi(app: Any) -> Ask:
    def ask(method: str, path: str) -> httpx.Response:
        with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://test") as client:
            return client.request(method, path)

    return ask


def plain_asgi(world: World) -> Ask:
    return over_asgi(world.health.asgi())


def plain_wsgi(world: World) -> Ask:
    return over_wsgi(world.health.wsgi())


def in_starlette(world: World) -> Ask:
    app = Starlette()
    app.mount("/health", world.health.asgi())
    return over_asgi(app)


def in_fastapi(world: World) -> Ask:
    app = fastapi.FastAPI()
    app.mount("/health", world.health.asgi())
    return over_asgi(app)


def in_flask(world: World) -> Ask:
    app = flask.Flask("shop")
    world.health.flask(app)
    return over_wsgi(app)


WAYS = [plain_asgi, plain_wsgi, in_starlette, in_fastapi, in_flask]
everywhere = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@everywhere
def test_each_probe_answers_with_every_check(way: Callable[[World], Ask]) -> None:
    world = World()
    ask = way(world)
    got = ask("GET", "/health/ready")
    assert (got.status_code, got.headers["content-type"]) == (200, "application/json")
    assert got.headers["cache-control"] == "no-store"
    check = {"status": "pass", "critical": True, "age_s": 0.0, "took_s": 0.0}
    assert got.json() == {"probe": "ready", "status": "pass", "checks": {"database": check}}
    world.clock.advance(4.0)
    assert ask("GET", "/health/ready").json()["checks"]["database"]["age_s"] == 4.0
    assert list(ask("GET", "/health/live").json()["checks"]) == ["loop"]
    assert ask("GET", "/health/startup").status_code == 200


@everywhere
def test_a_failing_dependency_is_503_for_ready_alone(way: Callable[[World], Ask]) -> None:
    world = World()
    ask = way(world)
    world.is_broken = True
    got = ask("GET", "/health/ready")
    assert (got.status_code, got.headers["cache-control"]) == (503, "no-store")
    told = got.json()
    assert (told["status"], told["reason"]) == ("fail", "failing: database")
    error = told["checks"]["database"]["error"]
    assert error.startswith("ConnectionError: postgresql://***@db is away")
    assert len(error) <= 200
    assert "hunter2" not in got.text
    assert ask("GET", "/health/live").status_code == 200
    assert ask("GET", "/health/startup").status_code == 503


@everywhere
def test_get_and_head_alone(way: Callable[[World], Ask]) -> None:
    ask = way(World())
    head = ask("HEAD", "/health/ready")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 50
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        refused = ask(method, "/health/live")
        assert refused.status_code == 405
        assert {each.strip() for each in refused.headers["allow"].split(",")} == {"GET", "HEAD"}


@everywhere
@pytest.mark.parametrize(
    "path", ["/health", "/health/alive", "/health/live/", "/health/live/x", "/live", "/", "/healthlive"]
)
def test_other_paths_are_404(way: Callable[[World], Ask], path: str) -> None:
    ask = way(World())
    got = ask("GET", path)
    # Starlette sends /health to /health/, which is nowhere as well.
    assert got.status_code == 404 or (got.status_code, path) == (307, "/health")


def test_errors_can_be_kept_inside() -> None:
    health = Health(errors=False)
    health.add("database", Check(lambda: False, "dependency"))
    got = over_asgi(health.asgi())("GET", "/health/ready")
    assert got.status_code == 503
    assert "error" not in got.json()["checks"]["database"]


def test_another_prefix_and_another_mount_point() -> None:
    world = World()
    assert over_asgi(world.health.asgi(prefix=""))("GET", "/live").status_code == 200
    assert over_wsgi(world.health.wsgi(prefix="/-"))("GET", "/-/live").status_code == 200
    app = flask.Flask("shop")
    world.health.flask(app, prefix="/probes")
    assert over_wsgi(app)("GET", "/probes/live").status_code == 200
    outer = Starlette()
    outer.mount("/a/b", world.health.asgi())
    assert over_asgi(outer)("GET", "/a/b/ready").status_code == 200
    environ: dict[str, Any] = {"SCRIPT_NAME": "/a/b", "PATH_INFO": "/ready"}
    setup_testing_defaults(environ)
    told: list[str] = []
    world.health.wsgi()(environ, lambda status, _headers, _error=None: told.append(status))  # type: ignore[arg-type] # nobody writes
    assert told == ["200 OK"]
    for wrong in ("health", "/health/", "/"):
        with pytest.raises(InputError, match="prefix"):
            world.health.asgi(prefix=wrong)


def test_the_asgi_application_may_be_the_servers_own() -> None:
    """A server that runs it alone sends it its lifespan; a websocket is turned away."""
    app = World().health.asgi()
    sent: list[str] = []

    async def main() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}, {"type": "websocket.connect"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        await app({"type": "websocket", "path": "/health/live"}, receive, send)

    asyncio.run(main())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def test_starlette_takes_the_counting_middleware() -> None:
    async def main() -> None:
        leave = AsyncLeave(Health(), drain_s=0.0, finish_s=60.0, signals=())
        arrived, go = asyncio.Event(), asyncio.Event()

        async def page(_request: Request) -> PlainTextResponse:
            arrived.set()
            await go.wait()
            return PlainTextResponse("done")

        app = Starlette(routes=[Route("/", page)], middleware=[Middleware(leave.asgi)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            asking = asyncio.create_task(client.get("/"))
            await arrived.wait()
            assert leave.in_flight.count == 1
            async with leave:
                leave.ask()
                await leave.wait_stopping()
                go.set()
            got = await asking
        assert (got.text, got.headers["connection"]) == ("done", "close")
        assert (leave.phase, leave.in_flight.count) == ("left", 0)

    asyncio.run(main())


def test_the_body_is_json_whatever_a_check_is_called() -> None:
    health = Health()
    health.add('quote " and 🦉', Check(lambda: True, "process"))
    got = over_asgi(health.asgi())("GET", "/health/ready")
    assert list(json.loads(got.content)["checks"]) == ['quote " and 🦉']
