"""Whatever a server does and whatever a guard is made of, no response is left open but the one that the caller gets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from bascule.guard import Bulkhead, CallRefusedError, CircuitBreaker, Consecutive, Fixed, Guard, Policy, Retry, Timeout
from bascule.guard.fallback import Fallback
from bascule.guard.hedge import Hedge
from bascule.guard.http import AsyncGuardedTransport, GuardedTransport

Answer = tuple[int, int]
"""A status, or 0 for a connection that breaks; and how many turns of the event loop it takes."""

ANSWERS = st.lists(st.tuples(st.sampled_from([0, 200, 404, 429, 503]), st.integers(0, 6)), min_size=1, max_size=8)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        assert not self.is_closed
        yield self.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        try:
            await asyncio.sleep(0)  # a moment in which the call may be cancelled
        finally:
            self.is_closed = True


class Server(httpx.BaseTransport, httpx.AsyncBaseTransport):
    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked = 0
        self.bodies: list[Body] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return self.answer(self.answers[(self.asked - 1) % len(self.answers)][0], request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        status, turns = self.answers[(self.asked - 1) % len(self.answers)]
        for _ in range(turns):
            await asyncio.sleep(0)
        return self.answer(status, request)

    def answer(self, status: int, request: httpx.Request) -> httpx.Response:
        if status == 0:
            raise httpx.ReadError("broken", request=request)
        self.bodies.append(Body(f"{status} number {len(self.bodies)}".encode()))
        return httpx.Response(status, stream=self.bodies[-1])


@st.composite
def guards(draw: st.DrawFn) -> Guard[Any]:
    policies: list[Policy[Any]] = []
    if draw(st.booleans()):
        policies.append(Fallback(function=lambda _: httpx.Response(299, text="instead")))
    if draw(st.booleans()):
        wanted = draw(st.sampled_from([None, lambda response: response.status_code == 404]))
        policies.append(Retry(draw(st.integers(1, 4)), backoff=Fixed(0.0), budget=None, on_result=wanted))
    if draw(st.booleans()):
        policies.append(Hedge(0.0, most=draw(st.integers(1, 3))))
    if draw(st.booleans()):
        policies.append(CircuitBreaker(window=Consecutive(draw(st.integers(1, 3)))))
    policies.append(draw(st.sampled_from([Bulkhead(10), Timeout(30.0)])))
    return Guard(*policies)


def check(server: Server, response: httpx.Response | None, content: bytes) -> None:
    still_open = [body for body in server.bodies if not body.is_closed]
    assert not still_open
    if response is not None and response.status_code != 299:
        assert content in [body.content for body in server.bodies]
        assert content.startswith(str(response.status_code).encode())


@given(answers=ANSWERS, guard=guards(), read_body=st.booleans(), calls=st.integers(1, 3))
def test_on_asyncio(answers: list[Answer], guard: Guard[Any], read_body: bool, calls: int) -> None:
    server = Server(answers)

    async def scenario() -> None:
        transport = AsyncGuardedTransport(guard, server, read_body=read_body)
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(calls):
                response, content = None, b""
                with contextlib.suppress(httpx.ReadError, CallRefusedError):
                    response = await client.get("http://server/")
                    content = response.content
                check(server, response, content)

    asyncio.run(scenario())


@given(answers=ANSWERS, guard=guards(), read_body=st.booleans(), turns=st.integers(0, 12))
def test_on_asyncio_when_it_is_cancelled(answers: list[Answer], guard: Guard[Any], read_body: bool, turns: int) -> None:
    server = Server(answers)

    async def scenario() -> None:
        transport = AsyncGuardedTransport(guard, server, read_body=read_body)
        call = asyncio.ensure_future(transport.handle_async_request(httpx.Request("GET", "http://server/")))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        if not call.cancelled() and call.exception() is None:
            await call.result().aclose()
        check(server, None, b"")

    asyncio.run(scenario())


def is_race(guard: Guard[Any]) -> bool:
    return any(isinstance(policy, Hedge) for policy in guard.chain())


@given(answers=ANSWERS, guard=guards().filter(lambda guard: not is_race(guard)), read_body=st.booleans())
def test_in_threads(answers: list[Answer], guard: Guard[Any], read_body: bool) -> None:
    server = Server(answers)
    response, content = None, b""
    transport = GuardedTransport(guard, server, read_body=read_body)
    with contextlib.suppress(httpx.ReadError, CallRefusedError), httpx.Client(transport=transport) as client:
        response = client.get("http://server/")
        content = response.content
    check(server, response, content)
