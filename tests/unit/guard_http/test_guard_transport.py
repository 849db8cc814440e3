"""Guarded transports against a server that is a function: what is sent, how often, and where the responses go."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from bascule.guard import (
    Bulkhead,
    CallTimeoutError,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Deadline,
    DeadlineExceededError,
    Fixed,
    Guard,
    Policy,
    Retry,
    Stream,
    Timeout,
    World,
)
from bascule.guard.cache import Cache
from bascule.guard.deadline import ENDS_S
from bascule.guard.fallback import Fallback
from bascule.guard.hedge import Hedge
from bascule.guard.http import AsyncGuardedTransport, FailedStatusError, GuardedTransport, by_host
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError

URL = "http://api.example/things"
DEADLINE = "x-envoy-expected-rq-timeout-ms"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, and whether it was read and closed."""

    def __init__(self, content: bytes, error: Exception | None = None) -> None:
        self.content = content
        self.error = error
        self.is_read = False
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self.is_read = True
        yield self.content
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


Answer = int | Exception | httpx.Response | Callable[[httpx.Request], httpx.Response]


class Server(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives answers one after the other, the last one for ever; remembers what it was asked and what it gave."""

    def __init__(self, *answers: Answer, headers: dict[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.headers = headers or {}
        self.requests: list[httpx.Request] = []
        self.bodies: list[Body] = []
        self.is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        if callable(answer):
            return answer(request)
        return self.respond(answer)

    def respond(self, status: int, error: Exception | None = None) -> httpx.Response:
        self.bodies.append(Body(f"body {len(self.bodies) + 1}".encode(), error))
        return httpx.Response(status, headers=self.headers, stream=self.bodies[-1])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def fetch_plain(
    server: Server, guard: Guard[Any] | Policy[Any], method: str = "GET", *, options: Any = None, **request: Any
) -> httpx.Response:
    with httpx.Client(transport=GuardedTransport(guard, server, **(options or {}))) as client:
        return client.request(method, URL, **request)


def fetch_async(
    server: Server, guard: Guard[Any] | Policy[Any], method: str = "GET", *, options: Any = None, **request: Any
) -> httpx.Response:
    async def fetch() -> httpx.Response:
        async with httpx.AsyncClient(transport=AsyncGuardedTransport(guard, server, **(options or {}))) as client:
            return await client.request(method, URL, **request)

    return asyncio.run(fetch())


Fetch = Callable[..., httpx.Response]


@pytest.fixture(params=[fetch_plain, fetch_async], ids=["plain", "async"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    made: Fetch = request.param
    return made


def retry(attempts: int = 3, **options: Any) -> Retry:
    return Retry(attempts, backoff=Fixed(0.0), budget=None, **options)


def test_a_failed_status_is_tried_again_and_its_response_closed_unread(fetch: Fetch) -> None:
    server = Server(503, 502, 200)
    response = fetch(server, retry())
    assert (response.status_code, response.content) == (200, b"body 3")
    assert [body.is_read for body in server.bodies] == [False, False, True]
    assert all(body.closed for body in server.bodies)
    assert server.is_closed


def test_when_the_guard_gives_up_the_caller_gets_the_last_response(fetch: Fetch) -> None:
    server = Server(503)
    response = fetch(server, retry())
    assert (response.status_code, response.content) == (503, b"body 3")
    assert [body.is_read for body in server.bodies] == [False, False, True]
    assert response.request.url == URL
    assert response.elapsed.total_seconds() >= 0


def test_the_last_error_is_raised_even_after_a_failed_status(fetch: Fetch) -> None:
    server = Server(503, httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError):
        fetch(server, retry(2))
    assert server.bodies[0].closed
    assert not server.bodies[0].is_read


def test_other_statuses_pass_and_which_ones_fail_can_be_told(fetch: Fetch) -> None:
    server = Server(500, 200)
    assert fetch(server, retry()).status_code == 500
    server = Server(500, 200)
    assert fetch(server, retry(), options={"failure_statuses": {500}}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_idempotent_methods_are_repeated(fetch: Fetch, method: str) -> None:
    server = Server(503, 200)
    assert fetch(server, retry(), method).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "PURGE"])
def test_other_methods_are_sent_once(fetch: Fetch, method: str) -> None:
    server = Server(503, 200)
    assert fetch(server, retry(), method).status_code == 503
    assert len(server.requests) == 1


def test_an_idempotency_key_lets_any_method_be_repeated_with_its_body(fetch: Fetch) -> None:
    server = Server(503, 200)
    response = fetch(server, retry(), "POST", headers={"idempotency-key": "7"}, json={"a": 1})
    assert response.status_code == 200
    assert [request.read() for request in server.requests] == [b'{"a":1}'] * 2


def test_who_says_so_has_any_request_repeated(fetch: Fetch) -> None:
    server = Server(503, 200)
    assert fetch(server, retry(), "POST", options={"may_repeat": lambda _: True}).status_code == 200


def test_a_streamed_body_is_sent_once_whatever_the_method() -> None:
    def body() -> Iterator[bytes]:
        yield b"once"

    server = Server(503, 200)
    assert fetch_plain(server, retry(), "PUT", content=body()).status_code == 503
    server = Server(503, 200)
    assert fetch_plain(server, retry(), "PUT", files={"f": b"content"}).status_code == 503


def test_a_streamed_body_that_was_loaded_is_repeated() -> None:
    server = Server(503, 200)
    with httpx.Client(transport=GuardedTransport(retry(), server)) as client:
        request = client.build_request("PUT", URL, content=iter([b"on", b"ce"]))
        request.read()
        assert client.send(request).status_code == 200
    assert [sent.read() for sent in server.requests] == [b"once", b"once"]


def test_what_is_not_repeated_passes_the_other_policies_all_the_same(fetch: Fetch) -> None:
    breaker = CircuitBreaker(window=Consecutive(2))
    guard = Guard(retry(2), breaker, name="api")
    assert fetch(Server(503), guard, "POST").status_code == 503
    assert fetch(Server(503), guard, "POST").status_code == 503
    with pytest.raises(CircuitOpenError):
        fetch(Server(200), guard, "POST")
    with pytest.raises(CircuitOpenError):
        fetch(Server(200), guard, "GET")


def test_retry_after_is_waited_for() -> None:
    clock = FakeClock()
    guard = Guard(retry(), world=World.fake(clock, SeededDice(1)), facts=Stream())
    fetch_plain(Server(503, 200, headers={"Retry-After": "7"}), guard)
    assert clock.monotonic_s() == 7.0


def test_each_host_has_a_circuit_of_its_own() -> None:
    breaker = CircuitBreaker(window=Consecutive(1), key=by_host)
    server = Server(lambda request: httpx.Response(503 if request.url.host == "bad" else 200))
    with httpx.Client(transport=GuardedTransport(breaker, server)) as client:
        assert client.get("http://bad/").status_code == 503
        with pytest.raises(CircuitOpenError):
            client.get("http://bad/")
        assert client.get("http://good/").status_code == 200
        assert client.get("http://bad:81/").status_code == 503
    assert set(breaker.snapshot()) == {"http://bad:80", "http://good:80", "http://bad:81"}


def test_policies_can_name_failed_statuses(fetch: Fetch) -> None:
    server = Server(503, httpx.ConnectError("refused"), 200)
    assert fetch(server, retry(on=httpx.HTTPError)).status_code == 200
    server = Server(503, httpx.ConnectError("refused"), 200)
    with pytest.raises(httpx.ConnectError):
        fetch(server, retry(on=FailedStatusError))


def test_a_refusal_by_the_guard_passes_as_it_is(fetch: Fetch) -> None:
    breaker = CircuitBreaker()
    breaker.isolate()
    with pytest.raises(CircuitOpenError):
        fetch(Server(200), breaker)


def test_the_deadline_goes_out_as_a_header_and_bounds_the_waits_of_httpx(fetch: Fetch) -> None:
    server = Server(503, 200)
    fetch(server, Guard(Deadline(2.0), retry()), timeout=httpx.Timeout(5.0, connect=0.5, pool=None))
    for sent in server.requests:
        assert 0 < int(sent.headers[DEADLINE]) <= 2000
        bounds = sent.extensions["timeout"]
        assert bounds["connect"] == 0.5
        assert all(0 < bounds[name] <= 2.0 for name in ("read", "write", "pool"))


def test_the_callers_request_stays_as_it_was(fetch: Fetch) -> None:
    response = fetch(Server(200), Deadline(2.0), timeout=5.0)
    assert DEADLINE not in response.request.headers
    assert response.request.extensions["timeout"]["read"] == 5.0


def test_without_a_deadline_or_when_told_nothing_goes_out(fetch: Fetch) -> None:
    server = Server(200)
    fetch(server, retry())
    fetch(server, Deadline(2.0), options={"export_deadline": False})
    assert all(DEADLINE not in sent.headers for sent in server.requests)


def test_a_timeout_of_httpx_that_the_deadline_made_is_the_deadlines(fetch: Fetch) -> None:
    def hang(request: httpx.Request) -> httpx.Response:
        ENDS_S.set(0.0)  # by now the time is up
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(DeadlineExceededError) as raised:
        fetch(Server(hang), Guard(Deadline(5.0), Bulkhead(1), name="api"))
    assert isinstance(raised.value.__cause__, httpx.ReadTimeout)
    with pytest.raises(httpx.ReadTimeout):
        fetch(Server(httpx.ReadTimeout("slow")), Deadline(5.0))


def test_nothing_is_sent_when_no_time_is_left() -> None:
    server = Server(200)
    token = ENDS_S.set(0.0)
    try:
        with pytest.raises(DeadlineExceededError):
            fetch_plain(server, Bulkhead(1))
    finally:
        ENDS_S.reset(token)
    assert server.requests == []


def test_a_body_is_read_inside_of_the_guard_when_told(fetch: Fetch) -> None:
    server = Server(
        lambda _: server.respond(200, httpx.ReadError("reset") if not server.bodies else None), headers={"x": "1"}
    )
    response = fetch(server, retry(), options={"read_body": True})
    assert (response.content, response.headers["x"]) == (b"body 2", "1")
    assert [body.closed for body in server.bodies] == [1, 1]


def test_a_body_that_breaks_is_the_readers_otherwise(fetch: Fetch) -> None:
    server = Server(lambda _: server.respond(200, httpx.ReadError("reset")))
    with pytest.raises(httpx.ReadError):
        fetch(server, retry())
    assert len(server.requests) == 1


def test_a_fallback_may_give_a_response_and_nothing_else(fetch: Fetch) -> None:
    server = Server(503)
    made = Fallback(function=lambda _: httpx.Response(200, text="instead"))
    assert fetch(server, Guard(made, retry())).text == "instead"
    assert all(body.closed and not body.is_read for body in server.bodies)
    with pytest.raises(InputError, match="str"):
        fetch(server, Fallback(function=lambda _: "text"))


@pytest.mark.parametrize(
    "policy", [Cache(1.0), Fallback(value=httpx.Response(200)), Fallback(stale_s=60.0)], ids=["cache", "value", "stale"]
)
def test_what_would_share_a_response_is_refused(policy: Policy[Any]) -> None:
    for transport in (GuardedTransport, AsyncGuardedTransport):
        with pytest.raises(InputError, match="one response to several callers"):
            transport(policy)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="is no guard"):
        GuardedTransport("guard")  # type: ignore[arg-type]  # a mistake on purpose
    with pytest.raises(InputError, match="failure_statuses: 42 must be"):
        GuardedTransport(Retry(), failure_statuses=[42])


def test_of_an_async_race_all_but_the_winners_response_are_closed() -> None:
    """Both attempts answer in the same turn of the loop: one of two good responses has to go."""
    both = asyncio.Event()

    class Racing(Server):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = self.handle_request(request)
            if len(self.requests) == 2:
                both.set()
            await both.wait()
            return response

    server = Racing(200)
    assert fetch_async(server, Hedge(0.0)).status_code == 200
    assert len(server.bodies) == 2
    assert all(body.closed for body in server.bodies)
    assert sum(body.is_read for body in server.bodies) == 1


def test_a_call_that_is_cancelled_while_it_closes_the_losers_closes_the_winner_too() -> None:
    closing = asyncio.Event()

    class SlowToClose(Body):
        async def aclose(self) -> None:
            self.closed += 1
            closing.set()
            await asyncio.Event().wait()

    class Racing(Server):
        together = asyncio.Barrier(3)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            self.bodies.append(SlowToClose(b""))
            response = httpx.Response(200, stream=self.bodies[-1])
            await self.together.wait()
            return response

    server = Racing()

    async def scenario() -> None:
        transport = AsyncGuardedTransport(Hedge(0.0, most=2), server)
        call = asyncio.create_task(transport.handle_async_request(httpx.Request("GET", URL)))
        while [body.closed for body in server.bodies] != [1, 1, 1]:
            await closing.wait()
            closing.clear()
            call.cancel()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()

    asyncio.run(scenario())


def test_failures_in_a_race_hold_no_connection_while_others_are_made(fetch: Fetch) -> None:
    held: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        held.append(sum(not body.closed for body in server.bodies))
        return server.respond(503)

    server = Server(answer)
    assert fetch(server, Guard(retry(3), Hedge(60.0))).content == b"body 3"
    assert held == [0, 0, 0]


def test_of_a_race_that_all_lose_the_given_response_is_still_open(fetch: Fetch) -> None:
    server = Server(503)
    response = fetch(server, Guard(retry(2), Hedge(0.0)))
    assert response.status_code == 503
    assert response.content
    assert all(body.closed for body in server.bodies)


def test_a_response_that_comes_after_its_timeout_is_closed_by_its_thread() -> None:
    release = threading.Event()
    closed = threading.Event()

    class LateBody(Body):
        def close(self) -> None:
            closed.set()

    def answer(_: httpx.Request) -> httpx.Response:
        assert release.wait(10)
        return httpx.Response(200, stream=LateBody(b"late"))

    with pytest.raises(CallTimeoutError):
        fetch_plain(Server(answer), Timeout(0.01))
    release.set()
    assert closed.wait(10)


def test_cancelling_closes_what_came_and_frees_the_slot() -> None:
    bulkhead = Bulkhead(1)
    asked = asyncio.Event()

    def answer(_: httpx.Request) -> httpx.Response:
        asked.set()
        return server.respond(503)

    server = Server(answer)

    async def scenario() -> None:
        guard = Guard(Retry(2, backoff=Fixed(60.0), budget=None), bulkhead)
        transport = AsyncGuardedTransport(guard, server)
        task = asyncio.create_task(transport.handle_async_request(httpx.Request("GET", URL)))
        await asked.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(scenario())
    assert server.bodies[0].closed == 1
    assert bulkhead.gate().in_flight == 0


def test_a_response_whose_connection_breaks_while_it_is_thrown_away_breaks_nothing(fetch: Fetch) -> None:
    class Broken(Body):
        def close(self) -> None:
            raise httpx.ReadError("gone")

        async def aclose(self) -> None:
            raise httpx.ReadError("gone")

    server = Server(lambda _: httpx.Response(503, stream=Broken(b"")), 200)
    assert fetch(server, retry()).status_code == 200
