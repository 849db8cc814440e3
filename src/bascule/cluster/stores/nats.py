"""Leases in a key-value bucket of NATS JetStream (server 2.11 or later): a publication that expects a sequence.

A swap is a publication with `Nats-Expected-Last-Subject-Sequence`, acknowledged once a quorum of the bucket's replicas
has it. Its revision is the stream's sequence, which grows with every write of the bucket; a bucket that is made here
begins at the milliseconds since 1970, so that one that replaces a lost one begins above all revisions of the lost one.

A read is linearizable, which no get of NATS is by itself: a direct get may be answered by a replica that lags, and even
the get of the leader by one that does not know yet that it was deposed. So a read first publishes a barrier into the
bucket, which only a quorum can acknowledge, and then gets all last messages in one direct get, the barrier's among
them. An answer without this barrier, or a later one, comes from a replica that lags, and is asked for again. A read
costs one write.

What NATS does not promise by default: that what is acknowledged is on the disks. It syncs every two minutes; when the
machines of a quorum lose power together, acknowledged leases are lost. Set `sync_interval: always` on the servers.

Source: NATS documentation, "Key/Value Store" (reads are not guaranteed to see one's own writes); ADR-31; nats-server
pull request 6970 (an outdated leader may answer); Jepsen, "NATS 2.12.1".
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from bascule.cluster.stores import nats_messages as messages
from bascule.cluster.stores.nats_link import Connection, Found, Link, Login, header_texts
from bascule.cluster.stores.nats_subjects import Subjects, is_bucket
from bascule.cluster.stores.port import Entry, check_limits
from bascule.cluster.stores.race import DoubtError, RefusedError, Servers
from bascule.cluster.stores.secret_files import read_secret
from bascule.cluster.stores.web import Tls
from bascule.kernel.errors import InputError, StoreError

MOST_SERVERS = 16
HEARTBEAT_S = 1.0
PAUSE_S = 0.005


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="nats"):
    """Which servers, and which bucket.

    Attributes:
        servers: `nats://10.0.0.1:4222` or `tls://...`: 1 to 16, in the order in which they are asked.
        bucket: The bucket's name: letters, digits, `_` and `-`, at most 64.
        replicas: On how many servers it lies: 1, 3 or 5. One that has fewer is refused.
        create: Whether it is made when it is absent.
        user: Who logs in; empty where nobody does.
        password_file: A file with the password, which others cannot read.
        token_file: A file with a token instead.
        ca_file: Certificates (PEM) that are trusted, for TLS; where it is empty, those of the machine.
        cert_file: This agent's certificate (PEM), where the servers demand one.
        key_file: Its key (PEM).
    """

    servers: tuple[str, ...]
    bucket: str = "bascule"
    replicas: int = 3
    create: bool = False
    user: str = ""
    password_file: str = ""
    token_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


def make(options: Options, timeout_s: float = 1.0) -> NatsStore:
    """A store in that bucket; the first call connects.

    Args:
        options: Where it is.
        timeout_s: The time limit of every call, in seconds, however many servers are asked.

    Raises:
        InputError: An option or the limit is impossible, or a secret cannot be read.
    """
    if not 1 <= len(options.servers) <= MOST_SERVERS:
        raise InputError(f"{len(options.servers)} servers are impossible", where="servers", hint="name 1 to 16")
    for url in options.servers:
        _check_url(url)
    if not is_bucket(options.bucket):
        hint = "letters, digits, _ and -, at most 64"
        raise InputError(f"{options.bucket[:80]!r} cannot be a bucket", where="bucket", hint=hint)
    if options.replicas not in {1, 3, 5}:
        raise InputError(f"{options.replicas} replicas are impossible", where="replicas", hint="1, 3 or 5")
    if bool(options.user) != bool(options.password_file):
        raise InputError("a user needs a password_file, and the other way round", where="user")
    if bool(options.cert_file) != bool(options.key_file):
        raise InputError("a cert_file needs a key_file, and the other way round", where="cert_file")
    if options.user and options.token_file:
        raise InputError("there is a user and a token_file", where="token_file", hint="name one of them")
    if not 0 < timeout_s < math.inf:
        raise InputError(f"a time limit of {timeout_s} s is impossible", where="timeout_s")
    login = Login(
        user=options.user,
        password=read_secret(options.password_file, for_whom="password_file") if options.password_file else "",
        token=read_secret(options.token_file, for_whom="token_file") if options.token_file else "",
    )
    return NatsStore(options, login, timeout_s)


class NatsStore:
    """Registers in a bucket; see the module for what its answers are worth.

    Args:
        options: Where they are.
        login: Who logs in.
        timeout_s: The time limit of every call, in seconds.
    """

    def __init__(self, options: Options, login: Login, timeout_s: float) -> None:
        self._options = options
        self._subjects = Subjects(options.bucket)
        self.name = f"nats at {', '.join(url.partition('://')[2] for url in options.servers)}"[:199]
        secrets = [login.password, login.token]
        self._servers = Servers(self.name, len(options.servers), timeout_s=timeout_s, secrets=secrets)
        tls = Tls(ca_file=options.ca_file, cert_file=options.cert_file, key_file=options.key_file)
        limit_s = timeout_s if len(options.servers) == 1 else self._servers.pause_s
        self._links = [Link(url, login, tls, limit_s=limit_s, prepare=self._find_bucket) for url in options.servers]

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment.

        Raises:
            StoreError: No server answered in time, or JetStream refused.
        """

        async def ask(number: int) -> list[Found]:
            return await self._current(await self._links[number].ready(), self._subjects.under(prefix))

        found = await self._servers.ask(ask, may_repeat=True) or []
        entries = (self._entry(one) for one in found if not one.is_marker)
        return tuple(sorted((one for one in entries if one and one.key.startswith(prefix)), key=lambda one: one.key))

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected`.

        One that is to be made is not tried anew when in doubt: were it made, removed by somebody, and then made by the
        first try after all, it would have come back from the dead.

        Raises:
            InputError: The key or the value breaks a limit.
            StoreError: No server answered in time, or JetStream refused; it may have been written, or may still be.
        """
        check_limits(key, value)
        if not 0 <= expected < 2**63:
            return None
        subject = self._subjects.of(key)

        async def ask(number: int) -> int | None:
            connection = await self._links[number].ready()
            revision = await _published(connection, subject, value, expected)
            if revision is None and expected == 0:
                marker = await self._marker(connection, subject)
                return await _published(connection, subject, value, marker) if marker else None
            return revision

        return await self._servers.ask(ask, may_repeat=expected != 0)

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on, through a consumer of its own.

        Raises:
            StoreError: The connection or the consumer was lost, or it was silent for three heartbeats.
        """
        reasons: list[str] = []
        for number in self._servers.order():
            try:
                async with asyncio.timeout(self._servers.pause_s):
                    connection = await self._links[number].ready()
                break
            except (RefusedError, StoreError, TimeoutError) as error:
                reasons.append(str(error))
        else:
            raise self._servers.error("; ".join(reasons))
        try:
            async with connection.heard() as (inbox, news):
                await self._consume(connection, inbox, prefix)
                async for entry in self._deliveries(news):
                    if entry.key.startswith(prefix):
                        yield entry
        except (RefusedError, DoubtError, StoreError, TimeoutError) as error:
            raise self._servers.error(error if str(error) else "the watch fell silent") from None

    async def close(self) -> None:
        """Let go of connections; once more does no harm."""
        for link in self._links:
            await link.close()

    async def _current(self, connection: Connection, subjects: str) -> list[Found]:
        """The last messages, at a moment after this was called."""
        stream, barrier = self._subjects.stream, self._subjects.barrier
        least = await _published(connection, barrier, b"", None) or math.inf
        pause_s = PAUSE_S
        while True:
            found = await connection.last(stream, [subjects] if subjects == self._subjects.all else [subjects, barrier])
            if any(one.subject == barrier and one.sequence >= least for one in found):
                return found
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 20 * PAUSE_S)

    async def _marker(self, connection: Connection, subject: str) -> int:
        """The sequence of what says that a key was removed; 0 where the last word is none."""
        found = await self._current(connection, subject)
        return next((one.sequence for one in found if one.subject == subject and one.is_marker), 0)

    def _entry(self, one: Found) -> Entry | None:
        key = self._subjects.key(one.subject)
        return None if key is None else Entry(key=key, value=one.value, revision=one.sequence)

    async def _find_bucket(self, connection: Connection) -> None:
        """Make sure of the bucket, on each new connection.

        Raises:
            StoreError: There is none, or it is not safe for leases.
        """
        stream = self._subjects.stream
        reply = await connection.request(f"$JS.API.STREAM.INFO.{stream}", b"")
        if reply.error and reply.error.err_code == messages.NO_STREAM and self._options.create:
            body = messages.bucket(
                stream, self._subjects.all, replicas=self._options.replicas, first=round(time.time() * 1000)
            )
            reply = await connection.request(f"$JS.API.STREAM.CREATE.{stream}", body)
            if reply.error and reply.error.err_code == messages.STREAM_EXISTS:
                reply = await connection.request(f"$JS.API.STREAM.INFO.{stream}", b"")
        if reply.error:
            raise messages.refuse(reply.error, f"the bucket {self._options.bucket}")
        messages.check_bucket(reply.config or messages.Config(), self._options.bucket, self._options.replicas)

    async def _consume(self, connection: Connection, inbox: str, prefix: str) -> None:
        """Have what is written delivered into the inbox."""
        name = f"bascule-{inbox.rpartition('.')[2]}"
        subjects = self._subjects.under(prefix)
        config = messages.consumer(name, subjects, inbox=inbox, heartbeat_s=HEARTBEAT_S)
        body = msgspec.json.encode({"stream_name": self._subjects.stream, "config": config})
        subject = f"$JS.API.CONSUMER.CREATE.{self._subjects.stream}.{name}.{subjects}"
        async with asyncio.timeout(self._servers.timeout_s):
            reply = await connection.request(subject, body)
        if reply.error:
            raise messages.refuse(reply.error, "the watch")

    async def _deliveries(self, news: asyncio.Queue[Msg | None]) -> AsyncIterator[Entry]:
        """What a consumer delivers, as long as nothing is missing.

        Raises:
            DoubtError: Something is, or the connection was lost.
            TimeoutError: Not even heartbeats come any more.
        """
        delivered = 0
        while True:
            async with asyncio.timeout(3 * HEARTBEAT_S):
                message = await news.get()
            if message is None:
                raise DoubtError("the watch was lost with its connection")
            headers = header_texts(message)
            if headers.get("Status") == "100":
                if int(headers.get("Nats-Last-Consumer", delivered)) != delivered:
                    raise DoubtError("the watch missed something")
                continue
            ticket = messages.ticket(message.reply)
            if ticket is None or ticket.delivered != delivered + 1:
                raise DoubtError(f"the watch missed something: {headers.get('Description', '')}")
            delivered = ticket.delivered
            entry = self._entry(
                Found(subject=message.subject, sequence=ticket.sequence, value=message.data, is_marker=False)
            )
            if entry and not messages.is_marker(headers):
                yield entry


async def _published(connection: Connection, subject: str, value: bytes, expected: int | None) -> int | None:
    """The sequence of a message; None if another one than expected was there.

    Raises:
        RefusedError, DoubtError, StoreError: As of a request; or JetStream refused.
    """
    headers = None if expected is None else {messages.EXPECTED: str(expected)}
    reply = await connection.request(subject, value, headers)
    if reply.error is None and reply.seq > 0:
        return reply.seq
    if reply.error and reply.error.err_code in messages.OTHER_REVISION:
        return None
    if reply.error and reply.error.code >= 500:
        raise DoubtError(f"{connection.place}: {reply.error.description}")
    raise StoreError(f"{connection.place}: {reply.error.description if reply.error else 'an empty answer'}")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"nats", "tls"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise InputError("a server's URL is malformed", where="servers") from None
    if "@" in url:
        raise InputError("a URL may not hold a password", where="servers", hint="name a password_file or a token_file")
    if not is_usable or parts.path.strip("/") or parts.query or parts.fragment or not url.isprintable():
        raise InputError(f"{url[:80]!r} is not a server", where="servers", hint="write it like nats://10.0.0.1:4222")
