"""One question over HTTP, asked on a connection of its own, and answered within its time, with a bounded answer."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from bascule.kernel.errors import InputError

ANSWER_LIMIT_BYTES = 1 << 20


class UnansweredError(Exception):
    """There was no answer, or none that can be used; the text says why, in a few words."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a server said; the body is empty where nobody wanted to read it."""

    status: int
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


def check_url(text: str, *, where: str, has_path: bool = True) -> str:
    """The URL, if a question to it ends within its time.

    Args:
        text: The URL.
        where: The option that has it.
        has_path: It may have a path and a query; otherwise the slash at its end is cut off.

    Raises:
        InputError: It is none, holds a password, or names a host that had to be looked up first: nobody can limit how
            long that takes, and the threads that wait for it would pile up.
    """
    hint = "write it like http://127.0.0.1:8008"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InputError(f"{text[:80]!r} is no URL", where=where, hint=hint) from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise InputError("a URL may not hold a password", where=where, hint="name a file that holds it")
    if parts.scheme not in {"http", "https"} or not host or port == 0 or parts.fragment or not text.isprintable():
        raise InputError(f"{text[:80]!r} is no URL that can be asked", where=where, hint=hint)
    if " " in text or (not has_path and (parts.path not in {"", "/"} or parts.query)):
        raise InputError(f"{text[:80]!r} has more than a server's address", where=where, hint=hint)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise InputError(
            f"{host[:80]!r} is no IP address", where=where, hint=f"{hint}; its name goes elsewhere"
        ) from None
    return text if has_path else text.rstrip("/")


class Questions:
    """Asks servers, without a proxy, without redirects, without anything of the environment.

    Args:
        timeout_s: Limit of one question, from the connection to the end of the answer.
        host: The name that the server is asked for, and that its certificate must have; empty: the URL's address.
        ca_file: PEM of whom to trust; empty: whom the machine trusts.
        user, password: Sent with each question unless `user` is empty.
    """

    def __init__(
        self, *, timeout_s: float, host: str = "", ca_file: str = "", user: str = "", password: str = ""
    ) -> None:
        self._timeout_s = timeout_s
        self._host = host
        self._ca_file = ca_file
        self._auth = httpx.BasicAuth(user, password) if user else None
        self._context: ssl.SSLContext | None = None

    async def ask(self, method: str, url: str, *, body: bytes | None = None, reads: bool = True) -> Answer:
        """The answer.

        Raises:
            UnansweredError: There was none in time, or it is too long.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(method, url, body, reads=reads)
        except TimeoutError:
            raise UnansweredError(f"no answer within {self._timeout_s:g} s") from None
        except UnansweredError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library makes of what it got, it was no answer
            self._context = None
            raise UnansweredError(str(error)[:200] or type(error).__name__) from None

    async def _ask(self, method: str, url: str, body: bytes | None, *, reads: bool) -> Answer:
        verify = self._trust() if url.startswith("https:") else False
        headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "bascule"}
        headers |= {"Host": self._host} if self._host else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        extensions = {"sni_hostname": self._host} if self._host else {}
        transport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)
        async with (
            httpx.AsyncClient(transport=transport, timeout=None, trust_env=False, auth=self._auth) as client,  # noqa: S113 - the caller's limit holds for all of it
            client.stream(method, url, headers=headers, content=body, extensions=extensions) as response,
        ):
            return Answer(status=response.status_code, body=await _whole(response) if reads else b"")

    def _trust(self) -> ssl.SSLContext:
        """Read once, and again after a failure: certificates are renewed."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file or None)
        return self._context


async def _whole(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > ANSWER_LIMIT_BYTES:
            raise UnansweredError("the answer is longer than 1 MiB")
    return bytes(body)
