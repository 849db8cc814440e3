"""HTTP to a store: warm connections, bounded answers, nothing taken from the environment, and every failure sorted."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from bascule.cluster.stores.race import DoubtError, RefusedError
from bascule.kernel.errors import InputError, StoreError

ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
MOST_CONNECTIONS = 64
MOST_IDLE = 8
MOST_LIMITS = 3


class Tls(Struct, frozen=True, kw_only=True):
    """Files of PEM; empty where there is none.

    Attributes:
        ca_file: Whom to trust; where it is empty, whom the machine trusts.
        cert_file: Our own certificate.
        key_file: Its key.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def context(self) -> ssl.SSLContext:
        """As the files are now.

        Raises:
            StoreError: A file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
            self._load(context)
        except (OSError, ValueError) as error:
            what, place = f"the TLS files cannot be used: {error}", self.cert_file or self.ca_file
            raise StoreError(what, where=place, hint="PEM, and the key without a password") from None
        return context

    def reload(self, context: ssl.SSLContext) -> None:
        """Have new connections use the files as they are now; files that cannot be used change nothing."""
        try:
            if self.ca_file:
                context.load_verify_locations(self.ca_file)
            self._load(context)
        except (OSError, ValueError):
            return  # they are being replaced: what was read before stays in use, and a failure tells of it

    def stamp(self) -> tuple[float, ...]:
        """Differs once a file was replaced."""
        stamps: list[float] = []
        for path in filter(None, (self.ca_file, self.cert_file, self.key_file)):
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(path)  # noqa: PTH116 - the path stays the text that it is
                stamps += [status.st_mtime, status.st_ino]
        return tuple(stamps)

    def _load(self, context: ssl.SSLContext) -> None:
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None, password=_no_password)


class Answer(Struct, frozen=True, kw_only=True):
    """What a server said, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """A client that connects when it is first used, and keeps its connections.

    Args:
        tls: Read when it is first needed, and again after a failure once a file was replaced: certificates are renewed.
        connect_s: How long a connection may take, in seconds.
        limit_s: How long a server may be silent, in seconds, where the caller does not wait any more.
    """

    def __init__(self, tls: Tls, *, connect_s: float, limit_s: float) -> None:
        self._tls = tls
        self._connect_s = connect_s
        self._limit_s = limit_s
        self._client: httpx.AsyncClient | None = None
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[float, ...] = ()
        self._under_way: set[asyncio.Task[Answer]] = set()

    async def ask(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The whole answer; the caller bounds the time.

        A question whose caller is cancelled is left to end by itself: httpcore loses a connection for good when it is
        cancelled between connecting and sending, and after some dozens of them it has none left.

        Raises:
            RefusedError: There is no connection: the request was not sent.
            DoubtError: It was sent, and what came of it is not known.
            StoreError: The TLS files cannot be used.
        """
        if self._client is None:
            self._client = self._made(url)
        task = asyncio.ensure_future(self._answer(self._client, method, url, headers=headers, body=body))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """An answer without end, on a connection of its own, which ends with the block.

        Raises:
            RefusedError, DoubtError, StoreError: As `ask`; failures within the block as well.
        """
        client = self._made(url)
        try:
            client.timeout = httpx.Timeout(None, connect=self._connect_s)
            async with self._sorted(url), client.stream(method, url, headers=headers, content=body) as response:
                yield response
        finally:
            await client.aclose()

    async def close(self) -> None:
        """Close all connections but those of `open`; the next question opens new ones."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _answer(
        self, client: httpx.AsyncClient, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        async with (
            asyncio.timeout(MOST_LIMITS * self._limit_s),
            self._sorted(url),
            client.stream(method, url, headers=headers, content=body) as response,
        ):
            return await _whole(response)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # maybe nobody asks for it any more

    @contextlib.asynccontextmanager
    async def _sorted(self, url: str) -> AsyncGenerator[None]:
        """What failures of httpx mean."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._renew()
            raise RefusedError(f"{_place(url)}: {_what(error)}") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            self._renew()  # with TLS 1.3 a server refuses our certificate only after the first request
            raise DoubtError(f"{_place(url)}: {_what(error)}") from None
        except RuntimeError as error:
            # What httpx says when it was closed meanwhile by another task.
            raise DoubtError(f"{_place(url)}: {_what(error)}") from None

    def _made(self, url: str) -> httpx.AsyncClient:
        if self._context is None and url.startswith("https:"):
            self._context, self._stamp = self._tls.context(), self._tls.stamp()
        limits = httpx.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_IDLE, keepalive_expiry=None
        )
        transport = httpx.AsyncHTTPTransport(
            verify=self._context or False,
            trust_env=False,
            limits=limits,
            socket_options=_socket_options(self._connect_s),
        )
        # A compressed answer would be bounded only after it was unpacked.
        headers = {"Accept-Encoding": "identity", "User-Agent": "bascule"}
        timeout = httpx.Timeout(self._limit_s, connect=self._connect_s)
        return httpx.AsyncClient(transport=transport, timeout=timeout, headers=headers, trust_env=False)

    def _renew(self) -> None:
        """Use new TLS files for new connections; those that stand go on."""
        if self._context is not None and (stamp := self._tls.stamp()) != self._stamp:
            self._stamp = stamp
            self._tls.reload(self._context)


async def lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """The lines of a stream as they come, each bounded.

    Raises:
        DoubtError: A line is too long.
    """
    rest = bytearray()
    async for piece in response.aiter_bytes():
        rest += piece
        if b"\n" in piece:
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in whole:
                yield line
        if len(rest) > ANSWER_LIMIT_BYTES:
            raise DoubtError("a line of the stream is too long")


def check_url(text: str, *, where: str) -> str:
    """The URL without a slash at its end.

    Raises:
        InputError: It is none that a server can be asked at, or it holds a password.
    """
    hint = "write it like https://10.0.0.1:2379"
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
        parts = urlsplit("")
    if parts.username or parts.password or "@" in text:
        raise InputError("a URL may not hold a password", where=where, hint="name a file that holds it")
    if not is_usable or parts.query or parts.fragment or parts.path not in {"", "/"} or not text.isprintable():
        raise InputError(f"{text[:80]!r} is not the URL of a server", where=where, hint=hint)
    return text.rstrip("/")


async def _whole(response: httpx.Response) -> Answer:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > ANSWER_LIMIT_BYTES:
            raise DoubtError(f"{_place(str(response.url))}: the answer is too large")
    return Answer(status=response.status_code, headers=response.headers, body=bytes(body))


def _socket_options(connect_s: float) -> list[tuple[int, int, int]]:
    """A peer that is gone without a word ends the connection, a watch's as well."""
    idle_s = max(1, math.ceil(connect_s))
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, idle_s),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]


def _place(url: str) -> str:
    return urlsplit(url).netloc


def _what(error: Exception) -> str:
    """What went wrong; httpx says nothing in some of its errors."""
    text = str(error)
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return "no answer in time"
    if isinstance(error, httpx.PoolTimeout):
        return "too many calls at once"
    return text or type(error).__name__


def _no_password() -> str:
    raise ValueError("the key is locked with a password")
