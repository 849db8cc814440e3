"""Counts the requests that are being answered, for ASGI and WSGI; on demand it abandons those that can be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from bascule.health.answer import Answer
from bascule.health.asgi import AsgiApp, Message, Receive, Scope, Send, answer_with

if TYPE_CHECKING:
    import asyncio
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_WORDS = b'{"error": "this process ends, and your request was not finished in time"}\n'
ABANDONED = Answer(
    status=503,
    headers=(("Content-Type", "application/json"), ("Content-Length", str(len(_WORDS))), ("Retry-After", "1")),
    body=_WORDS,
)
CLOSE = (b"connection", b"close")


class InFlight:
    """How many requests are being answered.

    Invariant: a request is counted from before the application sees it until its last byte was handed to the server,
    however it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._tasks: set[tuple[asyncio.Task[object], asyncio.AbstractEventLoop]] = set()
        self._abandoned: set[asyncio.Task[object]] = set()
        self._idle: Callable[[], None] = _nothing
        self.is_leaving = False

    @property
    def count(self) -> int:
        """Requests that are being answered now."""
        return self._count

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call this whenever the last request has ended."""
        self._idle = call

    def began(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def ended(self) -> None:
        """One less."""
        with self._lock:
            self._count -= 1
            is_idle = self._count == 0
        if is_idle:
            self._idle()

    def abandon(self) -> int:
        """Cancel every ASGI request; those of threads cannot be. Returns how many requests were in flight."""
        with self._lock:
            tasks = tuple(self._tasks)
            self._abandoned.update(task for task, _ in tasks)
            count = self._count
        for task, loop in tasks:
            loop.call_soon_threadsafe(task.cancel)
        return count

    def asgi(self, app: AsgiApp) -> AsgiApp:
        """The same application, counted; once the process leaves, answers ask HTTP/1 clients to connect anew."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            await self._serve(app, scope, receive, send)

        return counted

    def wsgi(self, app: WSGIApplication) -> WSGIApplication:
        """The same application, counted until the server has closed what it returned."""

        def counted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self.began()
            try:
                answer = app(environ, start_response)
            except BaseException:
                self.ended()
                raise
            return _Counted(answer, self)

        return counted

    async def _serve(self, app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        import asyncio  # noqa: PLC0415 - who has no event loop does not pay for it

        task = asyncio.current_task()
        assert task is not None, "an ASGI server calls applications from a task"  # noqa: S101 - a server that breaks this is no ASGI server
        entry = (task, asyncio.get_running_loop())
        speaks_http1 = scope["type"] == "http" and scope.get("http_version", "1.1").startswith("1")
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start" and speaks_http1 and self.is_leaving:
                message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
            await send(message)

        with self._lock:
            self._tasks.add(entry)
        self.began()
        try:
            await app(scope, receive, sending)
        except asyncio.CancelledError:
            if task not in self._abandoned or started or scope["type"] != "http":
                raise
            task.uncancel()
            await answer_with(ABANDONED, scope["method"], send, *([CLOSE] if speaks_http1 else []))
        finally:
            with self._lock:
                self._tasks.discard(entry)
                self._abandoned.discard(task)
            self.ended()


class _Counted:
    """A WSGI answer that says when the server has done with it."""

    def __init__(self, answer: Iterable[bytes], in_flight: InFlight) -> None:
        self._answer = answer
        self._in_flight = in_flight
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Called by the server, once, when it has sent everything or given up (PEP 3333)."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._in_flight.ended()


def _nothing() -> None:
    """Nobody waits for it to be idle."""
