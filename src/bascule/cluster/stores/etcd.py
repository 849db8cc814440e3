"""Leases in etcd 3.4 and later, over its HTTP gateway: a compare-and-swap on `mod_revision`, and never etcd's leases.

Why none of etcd's leases: they have a granularity of a second, are extended as a whole when etcd's leader changes, and
so are taken over three to five times later than a key that its holder rewrites and that each rival judges by a
monotonic clock of its own.

A swap is a transaction through Raft, and a read is linearizable: confirmed by a quorum. Both carry `hasleader`, so that
a member without a leader refuses at once instead of keeping the question.

Of a swap that is in doubt, the same swap is tried at another member: the comparison lets at most one of them through.
Only if the second finds another revision there, is it not known whether the first was the one that wrote it.

Source: etcd 3.5, "API guarantees"; "gRPC gateway" (headers `Grpc-Metadata-*` are passed on); `metadatafields.go`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from bascule.cluster.stores import etcd_messages as messages
from bascule.cluster.stores.etcd_messages import TokenError
from bascule.cluster.stores.port import Entry, check_limits
from bascule.cluster.stores.race import DoubtError, RefusedError, Servers
from bascule.cluster.stores.secret_files import read_secret
from bascule.cluster.stores.web import Tls, Web, check_url, lines
from bascule.kernel.errors import InputError, StoreError

T = TypeVar("T")
MOST_ENDPOINTS = 16


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="etcd"):
    """Which members, and how they are asked.

    Attributes:
        endpoints: Client URLs of the members, `https://10.0.0.1:2379`: 1 to 16, in the order in which they are asked.
        ca_file: Certificates (PEM) that are trusted; where it is empty, those of the machine.
        cert_file: This agent's certificate (PEM), where the members demand one. It does not log in: etcd's gateway
            takes no user from a certificate.
        key_file: Its key (PEM).
        user: Who logs in; empty where etcd has no authentication.
        password_file: A file with the password, which others cannot read.
    """

    endpoints: tuple[str, ...]
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    user: str = ""
    password_file: str = ""


def make(options: Options, timeout_s: float = 1.0) -> EtcdStore:
    """A store on those members; the first call connects.

    Args:
        options: Where they are.
        timeout_s: The time limit of every call, in seconds, however many members are asked.

    Raises:
        InputError: An option or the limit is impossible, or the password cannot be read.
    """
    if not 1 <= len(options.endpoints) <= MOST_ENDPOINTS:
        raise InputError(f"{len(options.endpoints)} endpoints are impossible", where="endpoints", hint="name 1 to 16")
    if bool(options.user) != bool(options.password_file):
        raise InputError("a user needs a password_file, and the other way round", where="user")
    if bool(options.cert_file) != bool(options.key_file):
        raise InputError("a cert_file needs a key_file, and the other way round", where="cert_file")
    if not 0 < timeout_s < math.inf:
        raise InputError(f"a time limit of {timeout_s} s is impossible", where="timeout_s")
    urls = tuple(check_url(url, where="endpoints") for url in options.endpoints)
    password = read_secret(options.password_file, for_whom="password_file") if options.password_file else ""
    tls = Tls(ca_file=options.ca_file, cert_file=options.cert_file, key_file=options.key_file)
    return EtcdStore(urls, tls, user=options.user, password=password, timeout_s=timeout_s)


class EtcdStore:
    """Registers in etcd; revisions are `mod_revision`, which counts all writes of the store and never comes again.

    Args:
        urls: The members.
        tls: For `https`.
        user: Who logs in; nobody where it is empty.
        password: The user's.
        timeout_s: The time limit of every call, in seconds.
    """

    def __init__(self, urls: tuple[str, ...], tls: Tls, *, user: str, password: str, timeout_s: float) -> None:
        self._urls = urls
        self._user = user
        self._password = password
        self.name = f"etcd at {', '.join(urlsplit(url).netloc for url in urls)}"[:199]
        self._secrets = [password]
        self._members = Servers(self.name, len(urls), timeout_s=timeout_s, secrets=self._secrets)
        self._web = Web(tls, connect_s=self._members.pause_s, limit_s=timeout_s)
        self._token = ""

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment.

        Raises:
            StoreError: No member answered in time, or etcd refused.
        """
        body = msgspec.json.encode(messages.span(prefix))

        async def ask(number: int) -> messages.Found:
            return messages.decode(await self._ask(number, "/v3/kv/range", body), messages.Found)

        found = await self._members.ask(ask, may_repeat=True)
        return tuple(messages.entries(found.kvs)) if found else ()

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected`.

        One that is to be made is not tried anew when in doubt: were it made, removed by somebody, and then made by the
        first try after all, it would have come back from the dead.

        Raises:
            InputError: The key or the value breaks a limit.
            StoreError: No member answered in time, or etcd refused; it may have been written, or may still be.
        """
        check_limits(key, value)
        if not 0 <= expected < 2**63:
            return None
        body = msgspec.json.encode(messages.swap(key, value, expected))

        async def ask(number: int) -> int | None:
            swapped = messages.decode(await self._ask(number, "/v3/kv/txn", body), messages.Swapped)
            return swapped.header.revision if swapped.succeeded else None

        return await self._members.ask(ask, may_repeat=expected != 0)

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on, told by one member.

        Raises:
            StoreError: The connection was lost, or the member lost its leader.
        """
        try:
            async with self._begun(prefix) as news:
                async for line in news:
                    for event in _good(line).events:
                        if event.type == "PUT":
                            for entry in messages.entries([event.kv]):
                                yield entry
        except (RefusedError, DoubtError, TokenError, StoreError) as error:
            raise self._members.error(error) from None
        raise self._members.error("the watch ended")

    async def close(self) -> None:
        """Let go of connections; once more does no harm."""
        await self._web.close()

    async def _ask(self, number: int, path: str, body: bytes) -> bytes:
        """One member's answer, after a login where one is needed."""
        place = urlsplit(self._urls[number]).netloc
        for is_last in (False, True):
            token = self._token or await self._log_in(number)
            try:
                answer = await self._web.ask("POST", self._urls[number] + path, headers=_headers(token), body=body)
                return messages.sort_out(answer, place)
            except TokenError as error:
                self._forget(token)
                if is_last or not self._user:
                    raise RefusedError(f"{place}: the token is refused: {error}") from None
        raise AssertionError("the second try ends it")

    async def _log_in(self, number: int) -> str:
        """A token, good for every member; empty where nobody logs in."""
        if not self._user:
            return ""
        url = self._urls[number]
        body = msgspec.json.encode({"name": self._user, "password": self._password})
        try:
            answer = await self._web.ask("POST", f"{url}/v3/auth/authenticate", headers=_headers(""), body=body)
            self._token = messages.decode(messages.sort_out(answer, urlsplit(url).netloc), messages.Token).token
            self._secrets[1:] = [self._token]
        except (DoubtError, TokenError) as error:
            raise RefusedError(f"login: {error}") from None  # a login in doubt leaves none about the question
        return self._token

    def _forget(self, token: str) -> None:
        if self._token == token:
            self._token = ""

    @contextlib.asynccontextmanager
    async def _begun(self, prefix: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The lines of a watch that a member has confirmed.

        Raises:
            StoreError, RefusedError, DoubtError: None did within the time limit.
        """
        request = msgspec.json.encode({"create_request": messages.span(prefix)})
        reasons: list[str] = []
        tries = [number for number in self._members.order() for _ in range(2 if self._user else 1)]
        async with contextlib.AsyncExitStack() as stack:
            for number in tries:
                try:
                    async with asyncio.timeout(self._members.timeout_s if len(tries) == 1 else self._members.pause_s):
                        news = await self._open_watch(number, request, stack)
                except (RefusedError, DoubtError, TokenError, TimeoutError) as error:
                    reasons.append(str(error) or f"{urlsplit(self._urls[number]).netloc}: no answer")
                    await stack.aclose()
                else:
                    yield news
                    return
        raise RefusedError("; ".join(reasons))

    async def _open_watch(self, number: int, request: bytes, stack: contextlib.AsyncExitStack) -> AsyncIterator[bytes]:
        token = self._token or await self._log_in(number)
        place = urlsplit(self._urls[number]).netloc
        opened = self._web.open("POST", f"{self._urls[number]}/v3/watch", headers=_headers(token), body=request)
        response = await stack.enter_async_context(opened)
        if response.status_code != 200:
            self._forget(token)
            raise RefusedError(f"{place}: the watch is refused with HTTP {response.status_code}")
        news = lines(response)
        async for line in news:
            try:
                _good(line)
            except (RefusedError, DoubtError, TokenError):
                self._forget(token)  # etcd 3.5 tells a stale token as `permission denied`
                raise
            return news
        raise RefusedError(f"{place}: the watch ended before it began")


def _headers(token: str) -> Mapping[str, str]:
    headers = {"Content-Type": "application/json", "Grpc-Metadata-hasleader": "true"}
    return {**headers, "Authorization": token} if token else headers


def _good(line: bytes) -> messages.News:
    """The message of a watch that goes on.

    Raises:
        RefusedError: It does not.
    """
    read: Any = messages.decode(line, messages.Line)
    if read.error is not None:
        raise RefusedError(f"the watch ended: {read.error.message or read.error.error}")
    if read.result is None or read.result.canceled:
        reason = read.result.cancel_reason if read.result else line[:200].decode("utf-8", "replace")
        raise RefusedError(f"the watch was ended by etcd: {reason or 'compacted'}")
    news: messages.News = read.result
    return news
