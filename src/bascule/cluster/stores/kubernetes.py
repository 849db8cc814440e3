"""Leases in Lease objects of Kubernetes, one for each key: a replacement that names the version which it replaces.

A swap is a PUT with the `resourceVersion` and the `uid` of what was read; the API server writes it through a quorum of
its etcd, or answers 409. Versions are opaque, so the revision is a counter of our own in an annotation, raised under
the same comparison. Of an object that is made anew the counter begins at the server's milliseconds since 1970: above
all revisions of one that was removed before, unless the servers' clocks were set back in between.

A read is one list without `resourceVersion`: the most recent state, confirmed by a quorum, of one moment. A renewal is
one PUT as long as nobody else wrote; a GET is added where the object is not known yet, or was changed.

The API server has no time limit of ours, is restarted in upgrades, and throttles (429): a ttl below ten seconds asks
for false alarms.

Source: Kubernetes, "API Concepts" (resource versions; watch, 410 Gone), "API Priority and Fairness"; KEP-2340;
`pkg/registry/coordination/lease/strategy.go` (a PUT may make an object: hence the `uid`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from bascule.cluster.stores import kubernetes_objects as objects
from bascule.cluster.stores.kubernetes_access import Access, Options, Token, resolve
from bascule.cluster.stores.kubernetes_objects import Event, Lease, LeaseList, Status
from bascule.cluster.stores.port import Entry, check_limits
from bascule.cluster.stores.race import DoubtError, RefusedError, Servers
from bascule.cluster.stores.web import Answer, Web, lines
from bascule.kernel.errors import InputError, StoreError

__all__ = ["KubernetesStore", "Options", "make"]

T = TypeVar("T")
MOST_TRIES = 5
LEAST_PAUSE_S = 0.05
WATCH_S = 300
"""After which the server ends a watch, which then goes on where it was."""
SILENCE_S = 30


def make(options: Options, timeout_s: float = 1.0) -> KubernetesStore:
    """A store in that namespace; the first call connects.

    Args:
        options: Where it is.
        timeout_s: The time limit of every call, in seconds.

    Raises:
        InputError: An option or the limit is impossible, or is left out and this is no pod.
    """
    if not 0 < timeout_s < math.inf:
        raise InputError(f"a time limit of {timeout_s} s is impossible", where="timeout_s")
    return KubernetesStore(resolve(options), timeout_s)


class _GoneError(Exception):
    """The server does not know any more what happened since that version."""


class KubernetesStore:
    """Registers in one namespace; see the module for what its answers are worth.

    Args:
        access: How the API server is reached.
        timeout_s: The time limit of every call, in seconds.
    """

    def __init__(self, access: Access, timeout_s: float) -> None:
        self._place = urlsplit(access.url).netloc
        self._path = f"{access.url}/apis/coordination.k8s.io/v1/namespaces/{access.namespace}/leases"
        self.name = f"kubernetes at {self._place}, namespace {access.namespace}"[:199]
        secrets: list[str] = []
        self._token = Token(access.token_file, secrets)
        self._servers = Servers(self.name, 1, timeout_s=timeout_s, secrets=secrets)
        self._web = Web(access.tls, connect_s=timeout_s, limit_s=timeout_s)
        self._known: dict[str, Lease] = {}
        self._server_s = 0.0

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment.

        Raises:
            StoreError: The API server did not answer in time, or refused.
        """

        async def ask(_: int) -> LeaseList:
            return await self._list(prefix)

        listed = await self._servers.ask(ask, may_repeat=True) or LeaseList()
        found = (self._learn(lease) for lease in listed.items)
        return tuple(sorted((one for one in found if one and one.key.startswith(prefix)), key=lambda one: one.key))

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected`.

        Raises:
            InputError: The key or the value breaks a limit; a Lease holds less than other stores do.
            StoreError: The API server did not answer in time, or refused; it may have been written, or may still be.
        """
        check_limits(key, value)
        objects.check_value(key, value)

        async def ask(_: int) -> int | None:
            return await (self._replace(key, value, expected) if expected else self._create(key, value))

        return await self._servers.ask(ask, may_repeat=False)

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on.

        Where the server has forgotten what happened meanwhile (410), all registers are listed, and those that are new
        are told.

        Raises:
            StoreError: The connection was lost, or the API server refused.
        """
        told: dict[str, int] = {}
        try:
            async with contextlib.aclosing(self._changes(prefix, told)) as changes:
                async for lease in changes:
                    entry = objects.entry(lease)
                    if entry and entry.key.startswith(prefix) and told.get(entry.key) != entry.revision:
                        told[entry.key] = entry.revision
                        yield entry
        except (RefusedError, DoubtError, StoreError, TimeoutError) as error:
            raise self._servers.error(error if str(error) else "no answer in time") from None

    async def close(self) -> None:
        """Let go of connections; once more does no harm."""
        await self._web.close()

    async def _changes(self, prefix: str, told: dict[str, int]) -> AsyncGenerator[Lease]:
        """Objects as they change; all of them where it is not known which did."""
        listed = await self._list_in_time(prefix)
        told |= {entry.key: entry.revision for lease in listed.items if (entry := objects.entry(lease))}
        version = listed.metadata.resource_version
        while True:
            try:
                async with self._watched(prefix, version) as events:
                    async for event in events:
                        lease = _json(bytes(event.object), Lease)
                        version = lease.metadata.resource_version or version
                        if event.type in {"ADDED", "MODIFIED"}:
                            yield lease
            except _GoneError:
                listed = await self._list_in_time(prefix)
                version = listed.metadata.resource_version
                for lease in listed.items:
                    yield lease
            await asyncio.sleep(LEAST_PAUSE_S)  # a server that ends every watch at once is not asked without end

    async def _list_in_time(self, prefix: str) -> LeaseList:
        async with asyncio.timeout(self._servers.timeout_s):
            return await self._list(prefix)

    async def _list(self, prefix: str) -> LeaseList:
        answer = await self._ask("GET", f"{self._path}?labelSelector={quote(objects.selector(prefix))}")
        listed = _decoded(answer, LeaseList)
        if listed.metadata.continue_:
            raise StoreError("the API server gave only a part of the list")
        return listed

    async def _create(self, key: str, value: bytes) -> int | None:
        last = self._known.get(key)
        there = await self._get(key)  # this also tells the server's time
        if there is not None and objects.entry(there) is not None:
            return None
        seen = objects.entry(last) if last else None
        revision = max(self._begin(), seen.revision + 1 if seen else 1)
        answer = await self._ask("POST", self._path, objects.document(key, value, revision, _now(), None), {409})
        if answer.status != 409:
            self._learn(_decoded(answer, Lease))
            return revision
        there = await self._get(key)
        if there is not None and objects.entry(there) is None:
            name = objects.name_of(key)
            raise StoreError(f"the Lease {name} is there but is no register", hint=f"kubectl delete lease {name}")
        return None

    async def _replace(self, key: str, value: bytes, expected: int) -> int | None:
        lease = self._known.get(key)
        for _ in range(MOST_TRIES):
            there = objects.entry(lease) if lease else None
            if lease is None or there is None or there.revision != expected:
                lease = await self._get(key)
                there = objects.entry(lease) if lease else None
                if lease is None or there is None or there.revision != expected:
                    return None
            body = objects.document(key, value, expected + 1, _now(), lease)
            answer = await self._ask("PUT", f"{self._path}/{objects.name_of(key)}", body, {404, 409})
            if answer.status < 300:
                self._learn(_decoded(answer, Lease))
                return expected + 1
            lease = None  # somebody else wrote: the value, or merely a label
        raise RefusedError(f"{self._place}: others change the Lease {objects.name_of(key)} again and again")

    async def _get(self, key: str) -> Lease | None:
        answer = await self._ask("GET", f"{self._path}/{objects.name_of(key)}", allowed={404})
        if answer.status == 404:
            return None
        lease = _decoded(answer, Lease)
        self._learn(lease)
        return lease

    def _learn(self, lease: Lease) -> Entry | None:
        """Keep what the next swap replaces; an older answer that comes late does no harm: its version is refused."""
        entry = objects.entry(lease)
        if entry:
            self._known[entry.key] = lease
        return entry

    def _begin(self) -> int:
        """The first revision of an object: the server's time, to which this machine's own adds the fraction."""
        return round(1000 * min(max(time.time(), self._server_s), self._server_s + 0.999))

    async def _ask(
        self, method: str, url: str, body: bytes | None = None, allowed: frozenset[int] | set[int] = frozenset()
    ) -> Answer:
        """A good answer, or one whose status is allowed; waits where the server asks for it, and the limit admits it.

        Raises:
            RefusedError: Nothing was done.
            DoubtError: It may have been done.
            StoreError: It will not be done.
        """
        is_refused = False
        while True:
            token = self._token.text(anew=is_refused)
            answer = await self._web.ask(method, url, headers=_headers(token, body), body=body)
            self._note_time(answer)
            if answer.status < 300 or answer.status in allowed:
                return answer
            if answer.status == 429:
                await asyncio.sleep(_pause_s(answer))
                continue
            if answer.status == 401 and token and not is_refused:
                is_refused = True
                continue
            self._refuse(answer.status, answer.body)

    def _refuse(self, status: int, body: bytes) -> NoReturn:
        """Raise what a refusal means."""
        try:
            message = msgspec.json.decode(body, type=Status).message
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = ""
        text = f"{self._place}: HTTP {status} {message}".strip()
        if status == 401:
            raise StoreError(f"the token or the certificate is refused: {text}")
        if status == 403:
            raise StoreError(text, hint="grant get, list, watch, create and update on leases in that namespace")
        if status == 410:
            raise _GoneError
        if status >= 500:
            raise DoubtError(text)
        raise StoreError(text)

    @contextlib.asynccontextmanager
    async def _watched(self, prefix: str, version: str) -> AsyncGenerator[AsyncIterator[Event]]:
        """What happens after that version, until the server ends the watch in order."""
        query = f"labelSelector={quote(objects.selector(prefix))}&watch=1&allowWatchBookmarks=true"
        url = f"{self._path}?{query}&timeoutSeconds={WATCH_S}&resourceVersion={quote(version)}"
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(self._servers.timeout_s):
                opened = self._web.open("GET", url, headers=_headers(self._token.text(), None))
                response = await stack.enter_async_context(opened)
                if response.status_code != 200:
                    self._refuse(response.status_code, await response.aread())
            yield self._events(lines(response))

    async def _events(self, told: AsyncIterator[bytes]) -> AsyncIterator[Event]:
        while True:
            async with asyncio.timeout(WATCH_S + SILENCE_S):  # the server ends it sooner, unless it is frozen
                line = await anext(told, None)
            if line is None:
                return
            if line.strip():
                event = _json(line, Event)
                if event.type == "ERROR":
                    self._refuse(_json(bytes(event.object), Status).code, bytes(event.object))
                yield event

    def _note_time(self, answer: Answer) -> None:
        try:
            self._server_s = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except (ValueError, OverflowError):
            self._server_s = self._server_s or time.time()


def _headers(token: str, body: bytes | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _pause_s(answer: Answer) -> float:
    """How long the server asks us to stay away."""
    text = answer.headers.get("retry-after", "1")
    return max(float(text), LEAST_PAUSE_S) if text.isascii() and text.isdigit() and len(text) < 6 else 1.0


def _json(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DoubtError(f"this is not an answer of Kubernetes: {error}") from None


def _decoded(answer: Answer, kind: type[T]) -> T:
    return _json(answer.body, kind)


def _now() -> datetime:
    return datetime.now(tz=UTC)
