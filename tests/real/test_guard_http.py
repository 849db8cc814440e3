"""Guarded clients and a guarded server on real sockets: httpx on one side, uvicorn on the other."""

import asyncio
import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import prometheus_client
import prometheus_client.parser
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from bascule.guard import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Deadline,
    DeadlineExceededError,
    Fixed,
    Guard,
    Retry,
    RetryBudget,
    Stream,
)
from bascule.guard.deadline import HEADER, remaining_s
from bascule.guard.hedge import Hedge
from bascule.guard.http import AsyncGuardedTransport, GuardedTransport, GuardMiddleware, by_host
from bascule.guard.http.asgi import AsgiApp, Receive, Scope, Send
from bascule.guard.world import REAL
from bascule.telemetry.prometheus import PrometheusFacts, SnapshotCollector

pytestmark = pytest.mark.real

WITHIN_S = 20.0


@contextlib.contextmanager
def serving(app: AsgiApp) -> Iterator[str]:
    """A uvicorn server on a port of its own, in a thread; gives its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(WITHIN_S)
    assert not thread.is_alive()


def until(holds: Callable[[], object]) -> None:
    ends_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < ends_s, "what was waited for did not come about"
        time.sleep(0.005)


async def respond(send: Send, status: int = 200, body: object = None, **headers: str) -> None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class Flaky:
    """Fails so many times with 503, and then answers."""

    def __init__(self, failures: int, **headers: str) -> None:
        self.failures = failures
        self.headers = headers
        self.asked = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            await respond(send, 503, "x" * 100_000, **self.headers)
        else:
            await respond(send, body=self.asked)


class Held:
    """Answers when it is released, or when its client has gone."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.in_flight = self.most = self.asked = 0

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self.lock:
            self.asked += 1
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        try:
            gone = asyncio.create_task(self._gone(receive))
            while not self.release.is_set() and not gone.done():
                await asyncio.wait([gone], timeout=0.005)
            gone.cancel()
            await respond(send)
        finally:
            with self.lock:
                self.in_flight -= 1

    @staticmethod
    async def _gone(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue


def retry(attempts: int = 3) -> Retry:
    return Retry(attempts, backoff=Fixed(0.0), budget=None)


def test_a_503_is_tried_again_when_its_server_said_so() -> None:
    waits: list[float] = []
    world = dataclasses.replace(REAL, sleep=waits.append)
    flaky = Flaky(2, retry_after="7")
    with serving(flaky) as url:
        transport = GuardedTransport(Guard(retry(), world=world, facts=Stream()))
        with httpx.Client(transport=transport) as client:
            response = client.get(url)
            assert (response.status_code, response.json()) == (200, 3)
            assert waits == [7.0, 7.0]
            flaky.asked, flaky.failures = 0, 9
            given_up = client.get(url)
            assert (given_up.status_code, given_up.headers["retry-after"]) == (503, "7")
            assert given_up.json() == "x" * 100_000
            assert client.post(url).status_code == 503
    assert flaky.asked == 4


def test_retries_need_no_second_connection() -> None:
    async def scenario(url: str) -> list[int]:
        transport = AsyncGuardedTransport(retry(5), httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=1)))
        async with httpx.AsyncClient(transport=transport) as client:
            return [response.status_code for response in await asyncio.gather(*(client.get(url) for _ in range(5)))]

    with serving(Flaky(4)) as url:
        assert asyncio.run(scenario(url)) == [200] * 5


@pytest.mark.parametrize("failures", [0, 40], ids=["answers", "failures"])
def test_hedges_give_their_connections_back(failures: int) -> None:
    limits = httpx.Limits(max_connections=2)
    hedge = Hedge(0.0, budget=RetryBudget(ratio=1.0))

    async def scenario(url: str) -> list[int]:
        transport = AsyncGuardedTransport(Guard(retry(2), hedge), httpx.AsyncHTTPTransport(limits=limits))
        async with httpx.AsyncClient(transport=transport) as client:
            return [(await client.get(url)).status_code for _ in range(20)]

    with serving(Flaky(failures)) as url:
        statuses = asyncio.run(scenario(url))
        assert set(statuses) <= {200, 503}
        assert statuses[-1] == 200 or failures
        plain = GuardedTransport(Guard(retry(2), Hedge(0.0)), httpx.HTTPTransport(limits=limits))
        with httpx.Client(transport=plain) as client:
            assert {client.get(url).status_code for _ in range(20)} <= {200, 503}


def test_the_circuit_of_one_host_opens_and_the_others_stay_closed() -> None:
    bad, good = Flaky(100), Flaky(0)
    breaker = CircuitBreaker(window=Consecutive(3), key=by_host)
    transport = GuardedTransport(Guard(breaker, name="http"))
    with serving(bad) as bad_url, serving(good) as good_url, httpx.Client(transport=transport) as client:
        assert [client.get(bad_url).status_code for _ in range(3)] == [503] * 3
        for _ in range(5):
            with pytest.raises(CircuitOpenError):
                client.get(bad_url)
            assert client.get(good_url).status_code == 200
        assert breaker.circuit(bad_url).state.value == "open"
    assert (bad.asked, good.asked) == (3, 5)


async def tell_deadline(scope: Scope, _receive: Receive, send: Send) -> None:
    header = dict(scope["headers"]).get(HEADER.encode())
    await respond(send, body={"header_ms": header and int(header), "left_s": remaining_s()})


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


def test_a_deadline_reaches_the_server_and_holds_there() -> None:
    with (
        serving(GuardMiddleware(tell_deadline, most_s=30.0)) as url,
        httpx.Client(transport=GuardedTransport(Deadline(20.0))) as client,
    ):
        told = client.get(url).json()
        assert 0 < told["header_ms"] <= 20_000
        assert 0 < told["left_s"] <= told["header_ms"] / 1000
        assert httpx.get(url, headers={HEADER: "99000"}).json()["left_s"] <= 30.0
        assert httpx.get(url).json() == {"header_ms": None, "left_s": None}


def test_the_server_answers_504_when_the_time_is_up() -> None:
    with serving(GuardMiddleware(hang)) as url:
        assert httpx.get(url, headers={HEADER: "50"}).status_code == 504
        assert httpx.get(url, headers={HEADER: "0"}).status_code == 504


def test_a_client_waits_no_longer_than_its_deadline() -> None:
    async def scenario(url: str) -> None:
        async with httpx.AsyncClient(transport=AsyncGuardedTransport(Deadline(0.1)), timeout=60.0) as client:
            with pytest.raises(DeadlineExceededError):
                await client.get(url)

    with serving(hang) as url:
        asyncio.run(scenario(url))
        with (
            httpx.Client(transport=GuardedTransport(Deadline(0.1)), timeout=60.0) as client,
            pytest.raises(DeadlineExceededError),
        ):
            client.get(url)


def test_under_load_exactly_as_many_as_the_limit_run_and_the_others_are_told_when_to_come_again() -> None:
    held = Held()
    bulkhead = Bulkhead(4)

    async def scenario(url: str) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(limits=limits, timeout=WITHIN_S) as client:
            requests = [asyncio.create_task(client.get(url)) for _ in range(40)]
            done: set[asyncio.Task[httpx.Response]] = set()
            while len(done) < 36:
                done, _ = await asyncio.wait(requests, timeout=0.01)
            assert len(done) == 36
            assert held.in_flight == bulkhead.gate().in_flight == 4
            assert (await client.get(f"{url}/health/live", headers={HEADER: "50"})).status_code == 504  # let in
            held.release.set()
            return list(await asyncio.gather(*requests))

    with serving(GuardMiddleware(held, bulkhead)) as url:
        responses = asyncio.run(scenario(url))
    refused = [response for response in responses if response.status_code == 503]
    assert len(refused) == 36
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert all(response.json()["retry_after_s"] >= 1 for response in refused)
    assert [response.status_code for response in responses].count(200) == 4
    assert held.most == 5  # the exempt one included


def test_clients_that_disconnect_leak_no_slot() -> None:
    held = Held()
    bulkhead = Bulkhead(3, queue=3, wait_s=WITHIN_S)
    with serving(GuardMiddleware(held, bulkhead)) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(3):
            sockets = [socket.create_connection((host, int(port))) for _ in range(6)]
            for connected in sockets:
                connected.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            until(lambda: bulkhead.gate().in_flight == 3 and len(bulkhead.gate().waiters) == 3)
            for connected in sockets:
                connected.close()
            until(lambda: bulkhead.gate().is_idle)
        assert (held.asked, held.most, held.in_flight) == (18, 3, 0)
        held.release.set()
        assert httpx.get(url).status_code == 200


def framework(handled: threading.Event) -> FastAPI:
    """An application of FastAPI with another middleware around the handlers, plain and async ones."""
    app = FastAPI()

    @app.get("/plain")
    def plain() -> dict[str, Any]:
        handled.wait(WITHIN_S)
        return {"left_s": remaining_s()}

    @app.get("/waited")
    async def waited() -> dict[str, Any]:
        return {"left_s": remaining_s()}

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("broken on purpose")

    async def mark(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-marked"] = "yes"
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=mark)
    return app


def test_it_is_a_middleware_of_starlette_and_fastapi() -> None:
    handled = threading.Event()
    bulkhead = Bulkhead(1)
    app = framework(handled)
    app.add_middleware(GuardMiddleware, guard=bulkhead, default_s=10.0)
    with serving(app) as url:
        try:
            response = httpx.get(f"{url}/waited")
            assert response.headers["x-marked"] == "yes"
            assert 0 < response.json()["left_s"] <= 10.0
            assert httpx.get(f"{url}/broken").status_code == 500
            assert httpx.get(f"{url}/plain", headers={HEADER: "100"}).status_code == 504
            assert httpx.get(f"{url}/waited").status_code == 503  # the thread still works, and holds its slot
        finally:
            handled.set()
        until(lambda: bulkhead.gate().is_idle)
        assert 0 < httpx.get(f"{url}/plain").json()["left_s"] <= 10.0
        until(lambda: bulkhead.gate().is_idle)


def test_what_a_guarded_client_did_is_scraped_over_http() -> None:
    registry = prometheus_client.CollectorRegistry()
    facts = Stream()
    facts.subscribe(PrometheusFacts(registry))
    guard = Guard(retry(), CircuitBreaker(window=Consecutive(2), key=by_host), name="peer", facts=facts)
    registry.register(SnapshotCollector({"peer": guard.snapshot}))
    metrics: Any = prometheus_client.make_asgi_app(registry)
    read: Any = prometheus_client.parser.text_string_to_metric_families
    with serving(Flaky(9)) as url, serving(metrics) as metrics_url:
        with httpx.Client(transport=GuardedTransport(guard)) as client, pytest.raises(CircuitOpenError):
            client.get(url)
        assert facts.flush()
        samples = [sample for family in read(httpx.get(metrics_url).text) for sample in family.samples]
    counts = {sample.labels["fact"]: sample.value for sample in samples if sample.name == "bascule_facts_total"}
    assert counts["AttemptFailed"] == 2
    assert counts["CircuitOpened"] == counts["CallRefused"] == 1
    states = {s.labels["bascule_guard_state"]: s.value for s in samples if s.name == "bascule_guard_state"}
    assert states == {"open": 1, "closed": 0, "half_open": 0, "isolated": 0}
    assert {s.labels["key"] for s in samples if s.name == "bascule_guard_state"} == {url}
