"""Sessions, kept outside the processes: in every Redis at once, so that neither a replica nor a Redis takes them along.

When no Redis answers, a replica still knows the sessions that it has seen lately: who is signed in works on.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from taskmanagerpro.nearest import Nearest
from taskmanagerpro.settings import Address

ANSWER_S = 0.1
REST_S = 1.0
SESSION_S = 3600
FRESH_S = 1.0
REMEMBERED_S = 300.0
REMEMBERED = 10_000


class SessionsUnavailableError(Exception):
    """No Redis answers: nobody can sign in, and a session that this replica never saw might be made up."""


def key_of(token: str) -> str:
    """The name under which a session is stored; who can read the store still learns no token."""
    return "session:" + hashlib.sha256(token.encode()).hexdigest()


class Remembered:
    """Users by session, for a bounded time and a bounded number of sessions."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def put(self, key: str, user: str, now_s: float) -> None:
        """This session was seen now; the one seen longest ago makes room."""
        self._seen[key] = (user, now_s)
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def get(self, key: str, now_s: float, within_s: float) -> str | None:
        """The user of this session, if it was seen within the last so many seconds."""
        user, seen_s = self._seen.get(key, ("", float("-inf")))
        return user if now_s - seen_s < within_s else None


class Sessions:
    """Who is signed in, asked of the nearest Redis that answers."""

    def __init__(self, hosts: tuple[Address, ...], password: str) -> None:
        self._nearest = Nearest(hosts, rest_s=REST_S)
        self._remembered = Remembered()
        self._stores = {
            (host, port): Redis(
                host=host,
                port=port,
                password=password or None,
                socket_timeout=ANSWER_S,
                socket_connect_timeout=ANSWER_S,
                retry=Retry(NoBackoff(), 0),  # the next Redis is the retry
                decode_responses=True,
                protocol=2,
            )
            for host, port in hosts
        }

    async def open(self, user: str) -> str:
        """A new token for this user, known to every Redis that answers.

        Raises:
            SessionsUnavailableError: None does.
        """
        token = secrets.token_urlsafe(24)
        key = key_of(token)
        asked = self._nearest.to_ask(time.monotonic())
        if not any(await asyncio.gather(*(self._store(address, key, user) for address in asked))):
            raise SessionsUnavailableError("no session store answers")
        self._remembered.put(key, user, time.monotonic())
        return token

    async def user_of(self, token: str) -> str | None:
        """Who holds this token; None when no store that answers knows it. A busy session costs a question a second.

        Raises:
            SessionsUnavailableError: No store answers, and this replica has not seen the token lately.
        """
        key = key_of(token)
        if (user := self._remembered.get(key, time.monotonic(), FRESH_S)) is not None:
            return user
        unknown_to: list[Address] = []
        for address in self._nearest.to_ask(time.monotonic()):
            try:
                found = await self._stores[address].get(key)
            except (RedisError, OSError):
                self._nearest.failed(address, time.monotonic())
                continue
            if isinstance(found, str):
                self._remembered.put(key, found, time.monotonic())
                for other in unknown_to:  # it was down when the session began, or has restarted empty
                    await self._store(other, key, found)
                return found
            unknown_to.append(address)
        if unknown_to:
            return None
        if (user := self._remembered.get(key, time.monotonic(), REMEMBERED_S)) is None:
            raise SessionsUnavailableError("no session store answers")
        return user

    async def close(self) -> None:
        """Close every connection."""
        for store in self._stores.values():
            await store.aclose()

    async def _store(self, address: Address, key: str, user: str) -> bool:
        try:
            await self._stores[address].set(key, user, ex=SESSION_S)
        except (RedisError, OSError):
            self._nearest.failed(address, time.monotonic())
            return False
        return True
