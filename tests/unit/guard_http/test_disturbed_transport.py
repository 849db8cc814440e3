"""What is injected between a client and its server is to the guard as if the server had done it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from bascule.guard import (
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Disturbances,
    Fixed,
    Guard,
    InjectError,
    InjectLatency,
    Retry,
    World,
)
from bascule.guard.http import (
    AsyncDisturbedTransport,
    AsyncGuardedTransport,
    DisturbedTransport,
    GuardedTransport,
    InjectBody,
    InjectSlowBody,
    InjectStatus,
    by_host,
)
from bascule.guard.inject.corruptions import cut
from bascule.guard.inject.policies import Injection
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError

URL = "http://api.example/things"
WAYS = ["plain", "async"]


class Network:
    """A server that answers well, a switch, and a client with or without a guard."""

    def __init__(self, dice: Iterable[float] = ()) -> None:
        self.clock = FakeClock()
        self.world = World.fake(self.clock, LoadedDice(dice))
        self.switch = Disturbances(environment={"BASCULE_INJECT": "allowed"}, world=self.world)
        self.requests: list[str] = []
        self.closed = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(str(request.url))
        return httpx.Response(200, headers={"x-served": "yes"}, content=b"good content")

    def get(self, way: str, injection: Injection, url: str = URL, guard: Guard[Any] | None = None) -> httpx.Response:
        """One request of a client of its own."""
        if way == "plain":
            sending = DisturbedTransport(injection, transport=httpx.MockTransport(self.answer), world=self.world)
            with httpx.Client(transport=sending if guard is None else GuardedTransport(guard, sending)) as client:
                return client.get(url)
        return asyncio.run(self._get_async(injection, url, guard))

    async def _get_async(self, injection: Injection, url: str, guard: Guard[Any] | None) -> httpx.Response:
        sending = AsyncDisturbedTransport(injection, transport=httpx.MockTransport(self.answer), world=self.world)
        transport = sending if guard is None else AsyncGuardedTransport(guard, sending)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get(url)


@pytest.mark.parametrize("way", WAYS)
def test_a_status_comes_in_place_of_the_request_while_the_experiment_is_on(way: str) -> None:
    network = Network()
    injection = InjectStatus(1.0, 500, headers={"retry-after": "7"}, content=b"injected", disturbances=network.switch)
    with network.switch.on("http", for_s=60.0) as experiment:
        response = network.get(way, injection)
        assert (response.status_code, response.headers["retry-after"], response.content) == (500, "7", b"injected")
        assert (network.requests, experiment.injected) == ([], {"InjectStatus": 1})
    injection = InjectStatus(1.0, disturbances=network.switch)
    assert network.get(way, injection).content == b"good content"


@pytest.mark.parametrize("way", WAYS)
def test_an_injected_status_is_repeated_and_opens_the_circuit(way: str) -> None:
    network = Network()
    guard = Guard(
        Retry(3, backoff=Fixed(0.0)), CircuitBreaker(window=Consecutive(3)), world=network.world, name="peers"
    )
    with network.switch.on("http", for_s=60.0) as experiment:
        assert network.get(way, InjectStatus(1.0, 503, disturbances=network.switch), guard=guard).status_code == 503
        assert experiment.injected == {"InjectStatus": 3}
        with pytest.raises(CircuitOpenError):
            network.get(way, InjectStatus(1.0, 503, disturbances=network.switch), guard=guard)


@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_damaged_and_the_rest_of_the_response_stays(way: str) -> None:
    network = Network()
    with network.switch.on("http", for_s=60.0):
        response = network.get(way, InjectBody(1.0, disturbances=network.switch))
        assert (response.status_code, response.headers["x-served"]) == (200, "yes")
        assert response.content == b"good cOntent"
        assert network.get(way, InjectBody(1.0, cut, disturbances=network.switch)).content == b"good c"
    assert network.get(way, InjectBody(1.0, disturbances=network.switch)).content == b"good content"


@pytest.mark.parametrize("way", WAYS)
def test_a_body_trickles_no_longer_than_the_experiment(way: str) -> None:
    network = Network()
    with network.switch.on("http", for_s=10.0):
        assert network.get(way, InjectSlowBody(1.0, 8.0, disturbances=network.switch)).content == b"good content"
        assert network.clock.monotonic_s() == 8.0
        assert network.get(way, InjectSlowBody(1.0, 8.0, disturbances=network.switch)).content == b"good content"
        assert network.clock.monotonic_s() == 10.0


@pytest.mark.parametrize("way", WAYS)
def test_errors_and_latency_come_as_those_of_the_network(way: str) -> None:
    network = Network()
    with network.switch.on("http", for_s=60.0):
        network.get(way, InjectLatency(1.0, 2.0, disturbances=network.switch))
        assert network.clock.monotonic_s() == 2.0
        with pytest.raises(httpx.ConnectError):
            network.get(way, InjectError(1.0, httpx.ConnectError, disturbances=network.switch))


@pytest.mark.parametrize("way", WAYS)
def test_one_server_alone_may_be_struck(way: str) -> None:
    network = Network()
    with network.switch.on("http", for_s=60.0, keys=["http://api.example:80"]):
        struck = InjectStatus(1.0, key=by_host, disturbances=network.switch)
        assert network.get(way, struck).status_code == 503
        spared = InjectStatus(1.0, key=by_host, disturbances=network.switch)
        assert network.get(way, spared, url="http://other.example/").status_code == 200


def test_a_body_that_is_spoilt_is_closed_with_its_response() -> None:
    network = Network()
    closed: list[str] = []

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"content"

        def close(self) -> None:
            closed.append("closed")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Body(), request=request)

    sending = httpx.MockTransport(answer)
    transport = DisturbedTransport(InjectBody(1.0, disturbances=network.switch), transport=sending, world=network.world)
    with network.switch.on("http", for_s=60.0), httpx.Client(transport=transport) as client:
        with client.stream("GET", URL):
            assert closed == []
        assert closed == ["closed"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DisturbedTransport(Retry(3)), "injects nothing"),  # type: ignore[arg-type] # which is what is tried
        (DisturbedTransport, "a guard needs a policy"),
        (lambda: InjectStatus(0.1, 700), "InjectStatus.status: 700 must be"),
        (lambda: InjectStatus(0.1, 101), "InjectStatus.status: 101 must be"),
        (lambda: InjectSlowBody(0.1, -1.0), "InjectSlowBody.pause_s"),
        (lambda: InjectBody(0.1, None), "InjectBody.corrupt"),  # type: ignore[arg-type] # which is what is tried
    ],
)
def test_what_cannot_be_is_refused(make: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()
