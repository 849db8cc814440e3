"""HTTP to a store: warm connections, bounded answers, nothing taken from the environment, and every failure sorted."""

from __future__ import annotations

import contextlib
import math
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
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file or None, password=_no_password)
        except (OSError, ValueError) as error:
            what = f"the TLS files cannot be used: {error}"
            raise StoreError(
                what, where=self.cert_file or self.ca_file, hint="PEM, the key without a password"
            ) from None
        return context


class Answer(Struct, frozen=True, kw_only=True):
    """What a server said, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """A client that connects when it is first used, and keeps its connections.

    Args:
        tls: Read when a client is made, and again after a failure to connect: certificates are renewed.
        connect_s: How long a connection may take, in seconds.
    """

    def __init__(self, tls: Tls, *, connect_s: float) -> None:
        self._tls = tls
        self._connect_s = connect_s
        self._client: httpx.AsyncClient | None = None
        self._worn: list[httpx.AsyncClient] = []

    async def ask(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The whole answer; the caller bounds the time.

        Raises:
            RefusedError: There is no connection: the request was not sent.
            DoubtError: It was sent, and what came of it is not known.
            StoreError: The TLS files cannot be used.
        """
        async with self.open(method, url, headers=headers, body=body) as response:
            return await _whole(response)

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """An answer whose body is still to be read. Failures within the block are sorted as those of `ask`."""
        client = self._ready(url)
        try:
            async with client.stream(method, url, headers=headers, content=body) as response:
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._renew(client)
            raise RefusedError(f"{_place(url)}: {_what(error)}") from None
        except (httpx.HTTPError, httpx.StreamError, ssl.SSLError) as error:
            raise DoubtError(f"{_place(url)}: {_what(error)}") from None
        except RuntimeError as error:
            # What httpx says when it was closed meanwhile by another task.
            raise DoubtError(f"{_place(url)}: {_what(error)}") from None

    async def close(self) -> None:
        """Close all connections; the next question opens new ones."""
        client, self._client = self._client, None
        for one in [*self._worn, *([client] if client else [])]:
            await one.aclose()
        self._worn.clear()

    def _ready(self, url: str) -> httpx.AsyncClient:
        if self._client is None:
            is_secret = url.startswith("https:")
            transport = httpx.AsyncHTTPTransport(
                verify=self._tls.context() if is_secret else False,
                trust_env=False,
                limits=httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=None),
                socket_options=_socket_options(self._connect_s),
            )
            timeout = httpx.Timeout(None, connect=self._connect_s, pool=self._connect_s)
            self._client = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
        return self._client

    def _renew(self, client: httpx.AsyncClient) -> None:
        """Read the TLS files anew for the next question; what goes on over the old client is left alone."""
        if (self._tls.ca_file or self._tls.cert_file) and client is self._client:
            self._worn.append(client)
            self._client = None


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
    if isinstance(error, httpx.PoolTimeout):
        return "too many calls at once"
    return text or type(error).__name__


def _no_password() -> str:
    raise ValueError("the key is locked with a password")
