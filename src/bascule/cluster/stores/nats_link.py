"""One connection to one NATS server: made when it is needed, given up when it is stale, and every failure sorted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from bascule.cluster.stores import nats_messages as messages
from bascule.cluster.stores.nats_messages import Reply
from bascule.cluster.stores.race import DoubtError, RefusedError
from bascule.cluster.stores.web import Tls
from bascule.kernel.errors import StoreError

T = TypeVar("T")
CLOSE_LIMIT_S = 1.0
PING_S = 1
"""How often a connection is probed; it is given up when four probes in a row are not answered."""
FOREVER_S = 1e6
"""What nats-py is given where the caller bounds the time."""


class Login(Struct, frozen=True, kw_only=True):
    """Who logs in, and by what."""

    user: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        """Nothing of what is secret."""
        return f"<login of {self.user or 'a token or nobody'}>"


class Found(Struct, frozen=True, kw_only=True):
    """The last message of a subject."""

    subject: str
    sequence: int
    value: bytes
    is_marker: bool


class Connection:
    """What can be asked while it stands; it is never made anew: nats-py would send later what was given up long ago."""

    def __init__(self, client: Client, place: str) -> None:
        self.place = place
        self.client = client
        self.is_lost = False
        self.last_word = "the connection was lost"
        self._waiting: set[asyncio.Future[Msg]] = set()
        self._ears: set[asyncio.Queue[Msg | None]] = set()

    def lose(self) -> None:
        """Whoever waits hears that it is lost."""
        self.is_lost = True
        self._tell_all()

    def hear(self, error: Exception) -> None:
        """What the server, or nats-py, says unasked. Of a permission it is not said who lacks it: all are told."""
        self.last_word = str(error) or type(error).__name__
        if "ermissions" in self.last_word:
            self._tell_all()

    def _tell_all(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(DoubtError(f"{self.place}: {self.last_word}"))
        for ear in self._ears:
            ear.put_nowait(None)

    async def request(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        """The answer of JetStream; the caller bounds the time.

        Raises:
            RefusedError: Nobody is there to answer; nothing was done.
            DoubtError: The connection was lost meanwhile.
        """
        asked = asyncio.ensure_future(self.client.request(subject, body, timeout=FOREVER_S, headers=headers))
        self._waiting.add(told := asyncio.get_running_loop().create_future())
        try:
            await asyncio.wait([asked, told], return_when=asyncio.FIRST_COMPLETED)
            message = await _sorted(asked, self.place) if asked.done() else await told
            return messages.decode(message.data)
        finally:
            asked.cancel()
            told.cancel()
            self._waiting.discard(told)

    async def last(self, stream: str, filters: list[str]) -> list[Found]:
        """The last message of every subject that matches, as they were together at one moment on some replica.

        Raises:
            RefusedError: Nobody is there to answer.
            DoubtError: The connection was lost meanwhile.
            StoreError: There are too many.
        """
        found: list[Found] = []
        left: list[int] = []
        async with self.heard() as (inbox, news):
            body = msgspec.json.encode({"multi_last": filters})
            await _sorted(self.client.publish(f"$JS.API.DIRECT.GET.{stream}", body, reply=inbox), self.place)
            while (message := await news.get()) is not None:
                headers = header_texts(message)
                status = headers.get("Status", "")
                if not status:
                    found.append(_found(message, headers))
                    left.append(messages.number(headers, "Nats-Num-Pending"))
                elif status == "204" and not messages.number(headers, "Nats-Num-Pending"):
                    if left != list(range(len(found) - 1, -1, -1)):
                        raise RefusedError(f"{self.place}: a part of the answer was lost")
                    return found
                elif status in {"204", "413"}:
                    raise StoreError("there are more registers than one answer takes", hint="one bucket per cluster")
                elif status == "404" and not found:
                    return []
                else:
                    raise RefusedError(f"{self.place}: {status} {headers.get('Description', '')}")
        raise DoubtError(f"{self.place}: {self.last_word}")

    @contextlib.asynccontextmanager
    async def heard(self) -> AsyncGenerator[tuple[str, asyncio.Queue[Msg | None]]]:
        """An inbox and what comes into it: messages, and None once the connection is lost."""
        news: asyncio.Queue[Msg | None] = asyncio.Queue()
        inbox = self.client.new_inbox()

        async def hear(message: Msg) -> None:
            news.put_nowait(message)

        subscription = await _sorted(self.client.subscribe(inbox, cb=hear), self.place)
        self._ears.add(news)
        if self.is_lost:
            news.put_nowait(None)
        try:
            yield inbox, news
        finally:
            self._ears.discard(news)
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()


class Link:
    """The way to one server, which has one connection at a time.

    Args:
        url: `nats://host:port` or `tls://host:port`.
        login: Who logs in.
        tls: For `tls`, and where the server demands it; read anew for each connection.
        limit_s: How long connecting may take, in seconds.
        prepare: What is done on each new connection before anything else.
    """

    def __init__(
        self,
        url: str,
        login: Login,
        tls: Tls,
        *,
        limit_s: float,
        prepare: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.place = url.partition("://")[2]
        self._url = url
        self._login = login
        self._tls = tls
        self._limit_s = limit_s
        self._prepare = prepare
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def ready(self) -> Connection:
        """A connection that stands, as far as is known.

        Raises:
            RefusedError: There is none in time.
            StoreError: What is to be prepared is refused.
        """
        async with self._turn:
            if self._connection is None or self._connection.is_lost:
                try:
                    async with asyncio.timeout(self._limit_s):
                        self._connection = await self._connected()
                except TimeoutError:
                    raise RefusedError(f"{self.place}: no connection in time") from None
                except DoubtError as error:
                    raise RefusedError(str(error)) from None  # what prepares may be done twice
            return self._connection

    async def close(self) -> None:
        """Let go of the connection, without waiting long for a server that is silent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._part(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _connected(self) -> Connection:
        client = Client()
        connection = Connection(client, self.place)

        async def hear(error: Exception) -> None:
            connection.hear(error)

        async def lose() -> None:
            connection.lose()

        try:
            await client.connect(
                [self._url],
                name="bascule",
                error_cb=hear,
                closed_cb=lose,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=self._limit_s,  # type: ignore[arg-type]  # it is passed on to asyncio as it is
                ping_interval=PING_S,
                max_outstanding_pings=3,
                user=self._login.user or None,
                password=self._login.password or None,
                token=self._login.token or None,
                tls=self._context(),
            )
            await self._prepare(connection)
        except BaseException as error:
            self._part(connection)
            if not isinstance(error, Exception) or isinstance(error, StoreError | RefusedError | DoubtError):
                raise
            # Whatever nats-py makes of what a server says first: nothing was asked yet.
            raise self._refused(str(error) or type(error).__name__) from None
        return connection

    def _context(self) -> ssl.SSLContext | None:
        return self._tls.context() if self._url.startswith("tls:") or self._tls != Tls() else None

    def _refused(self, text: str) -> RefusedError:
        """Why there is no connection; each server has its own list of users, so another one may let us in."""
        if "uthorization" in text or "uthentication" in text:
            return RefusedError(f"{self.place}: the user, the password or the token is refused: {text}")
        return RefusedError(f"{self.place}: {text}")

    def _part(self, connection: Connection) -> None:
        """Close it by the way: nats-py waits for what a silent server will not take."""
        connection.lose()
        task = asyncio.ensure_future(_closed(connection.client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def header_texts(message: Msg) -> Mapping[str, str]:
    """A message's headers; names are plain texts."""
    return {str(getattr(name, "value", name)): str(text) for name, text in (message.headers or {}).items()}


def _found(message: Msg, headers: Mapping[str, str]) -> Found:
    return Found(
        subject=headers.get("Nats-Subject", ""),
        sequence=messages.number(headers, "Nats-Sequence"),
        value=message.data,
        is_marker=messages.is_marker(headers),
    )


async def _sorted(answer: Awaitable[T], place: str) -> T:
    """What comes of it, or what its failure means."""
    try:
        return await answer
    except nats.errors.NoRespondersError:
        raise RefusedError(f"{place}: JetStream has nobody in charge of the bucket, or is off") from None
    except (nats.errors.Error, OSError) as error:
        raise DoubtError(f"{place}: {str(error) or type(error).__name__}") from None


async def _closed(client: Client) -> None:
    try:
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await client.close()
    except Exception:  # noqa: BLE001 - whatever nats-py makes of a connection that was never whole
        return
