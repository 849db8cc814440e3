"""HTTP/1.1 connections: one request at a time, kept alive, and every way in which they break told apart."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools
from msgspec import Struct

BODY_LIMIT_BYTES = 8 * 1024 * 1024


class Answer(Struct, kw_only=True):
    """What a server answered."""

    status: int = 0
    epoch: int = 0
    server: str = ""
    not_applied: bool = False
    body: bytes = b""


class Caller(Protocol):
    """Who sent a request, and hears what became of it: exactly one of these, once."""

    def answered(self, wire: Wire, answer: Answer) -> None:
        """The whole answer is there; the wire is free for the next request unless it is closing."""
        ...

    def cut_off(self, wire: Wire, error: str) -> None:
        """The connection ended before the whole answer was there."""
        ...


class Wire(asyncio.Protocol):
    """One connection to one target."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.idle_since_s = 0.0
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._caller: Caller | None = None
        self._answer = Answer()
        self._wants_body = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.open = True

    def send(self, request: bytes, caller: Caller, *, wants_body: bool) -> None:
        """Write a request; `caller` hears of its fate."""
        assert self._transport is not None  # noqa: S101 - sending is only asked of an open wire
        self._caller = caller
        self._wants_body = wants_body
        self._answer = Answer()
        self._transport.write(request)

    def abort(self) -> None:
        """Close at once, without a word; the caller hears nothing any more."""
        self._caller = None
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._caller is None:
            self.abort()  # an idle connection has nothing to say: a server's farewell, or nonsense
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._lost(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost(f"connection lost: {exc}" if exc else "connection closed by the server")

    def _lost(self, error: str) -> None:
        caller = self._caller
        self.abort()
        if caller is not None:
            caller.cut_off(self, error)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that tell who acknowledged."""
        lowered = name.lower()
        if lowered == b"x-epoch":
            self._answer.epoch = int(value) if value.isdigit() and len(value) < 19 else 0
        elif lowered == b"x-server":
            self._answer.server = value.decode("latin-1")
        elif lowered == b"x-not-applied":
            self._answer.not_applied = value.lower() == b"true"

    def on_body(self, body: bytes) -> None:
        """Keep the body if anyone wants it."""
        if self._wants_body:
            self._body_bytes += len(body)
            if self._body_bytes > BODY_LIMIT_BYTES:
                self._lost(f"the answer is larger than {BODY_LIMIT_BYTES} bytes")
                return
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Tell the caller, unless this was only an interim answer (RFC 9110, 15.2)."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._answer = Answer()
            return
        answer = self._answer
        answer.status = status
        answer.body = b"".join(self._body)
        self._body.clear()
        self._body_bytes = 0
        caller, self._caller = self._caller, None
        if not self._parser.should_keep_alive():
            self.open = False
            if self._transport is not None:
                self._transport.close()
        if caller is not None:
            caller.answered(self, answer)


class Wires:
    """The idle connections to one target; the one used last comes first, and one idle for too long is closed."""

    def __init__(self, place: int, address: str, port: int, idle_s: float = 2.0) -> None:
        self.place = place
        self._address = address
        self._port = port
        self._idle_s = idle_s
        self._idle: list[Wire] = []

    def take(self, now_s: float) -> Wire | None:
        """An idle connection, if there is one."""
        while self._idle:
            wire = self._idle.pop()
            if wire.open and now_s - wire.idle_since_s < self._idle_s:
                return wire
            wire.abort()
        return None

    def give(self, wire: Wire, now_s: float) -> None:
        """Take a connection back."""
        if wire.open:
            wire.idle_since_s = now_s
            self._idle.append(wire)
        while len(self._idle) > 1 and now_s - self._idle[0].idle_since_s >= self._idle_s:
            self._idle.pop(0).abort()

    async def connect(self) -> Wire:
        """A new connection.

        Raises:
            OSError: It was refused, or the network says that it cannot be.
        """
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(self.place), self._address, self._port)
        return wire

    def clear(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.pop().abort()
