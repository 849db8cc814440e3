"""A request counts until its last byte, and one that is abandoned is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from bascule.health.in_flight import InFlight

Messages = list[dict[str, Any]]


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


def serve(in_flight: InFlight, app: Any, scope: dict[str, Any], sent: Messages) -> asyncio.Task[None]:
    async def send(message: Any) -> None:
        sent.append(message)

    async def one() -> None:
        await in_flight.asgi(app)(scope, receive, send)

    return asyncio.create_task(one())


HTTP = {"type": "http", "method": "GET", "http_version": "1.1"}


def test_a_request_counts_while_it_is_answered_however_it_ends() -> None:
    async def main() -> None:
        idle: list[int] = []
        in_flight = InFlight()
        in_flight.when_idle(lambda: idle.append(in_flight.count))

        async def fails(_scope: Any, _receive: Any, _send: Any) -> None:
            assert in_flight.count == 1
            raise LookupError("the application's own")

        task = serve(in_flight, fails, HTTP, [])
        await asyncio.wait({task})
        assert isinstance(task.exception(), LookupError)
        assert (in_flight.count, idle) == (0, [0])

    asyncio.run(main())


def test_an_abandoned_request_is_answered_with_503_unless_its_answer_began() -> None:
    async def main() -> None:
        in_flight, silent, begun = InFlight(), Messages(), Messages()
        in_flight.is_leaving = True

        async def hangs(_scope: Any, _receive: Any, _send: Any) -> None:
            await asyncio.Event().wait()

        async def streams(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
            await asyncio.Event().wait()

        tasks = {serve(in_flight, hangs, HTTP, silent), serve(in_flight, streams, HTTP, begun)}
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert in_flight.abandon() == 2
        await asyncio.wait(tasks)
        assert [each["type"] for each in silent] == ["http.response.start", "http.response.body"]
        assert silent[0]["status"] == 503
        headers = dict(silent[0]["headers"])
        assert headers[b"connection"] == b"close"
        assert int(headers[b"content-length"]) == len(silent[1]["body"])
        assert begun[0]["headers"] == [(b"a", b"b"), (b"connection", b"close")]
        assert len(begun) == 1
        assert in_flight.count == 0

    asyncio.run(main())


def test_a_cancellation_of_somebody_else_passes_through() -> None:
    async def main() -> None:
        in_flight, sent = InFlight(), Messages()

        async def hangs(_scope: Any, _receive: Any, _send: Any) -> None:
            await asyncio.Event().wait()

        task = serve(in_flight, hangs, HTTP, sent)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert (task.cancelled(), sent, in_flight.count) == (True, [], 0)

    asyncio.run(main())


@pytest.mark.parametrize("scope", [{**HTTP, "http_version": "2"}, {"type": "websocket"}])
def test_only_http_1_knows_connection_close(scope: dict[str, Any]) -> None:
    async def main() -> None:
        in_flight, sent = InFlight(), Messages()
        in_flight.is_leaving = True

        async def answers(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        await serve(in_flight, answers, scope, sent)
        assert sent[0]["headers"] == []

    asyncio.run(main())


def test_the_lifespan_is_no_request() -> None:
    async def main() -> None:
        in_flight = InFlight()

        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            assert in_flight.count == 0

        await serve(in_flight, app, {"type": "lifespan"}, [])

    asyncio.run(main())


class Answer:
    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    def close(self) -> None:
        self.closed += 1


def test_a_wsgi_request_counts_until_the_server_closes_its_answer() -> None:
    in_flight, answer, idle = InFlight(), Answer(), list[int]()
    in_flight.when_idle(lambda: idle.append(1))

    def app(_environ: Any, _start: Any) -> Iterable[bytes]:
        assert in_flight.count == 1
        return answer

    given: Any = in_flight.wsgi(app)({}, lambda *_: lambda _: None)
    assert list(given) == [b"one", b"two"]
    assert (in_flight.count, idle) == (1, [])
    given.close()
    given.close()
    assert (in_flight.count, answer.closed, idle) == (0, 1, [1])


def test_a_wsgi_application_that_raises_is_not_in_flight() -> None:
    in_flight = InFlight()

    def app(_environ: Any, _start: Any) -> Iterable[bytes]:
        raise LookupError("the application's own")

    with pytest.raises(LookupError):
        in_flight.wsgi(app)({}, lambda *_: lambda _: None)
    assert in_flight.count == 0
