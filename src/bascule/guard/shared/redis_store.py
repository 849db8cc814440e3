"""A store on a real Redis (or Valkey): bounded waits, no retries, and no password in any text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.retry import Retry

from bascule.guard.checks import refuse
from bascule.guard.circuit_breaker.states import State
from bascule.guard.shared.permits import MOST, Answer, Ask
from bascule.guard.shared.records import MOST_GENERATION, MOST_OPEN_S, Exchange, Offer, Record
from bascule.guard.shared.redis_scripts import EXCHANGE, LEASE
from bascule.guard.shared.store import StoreLostError

Connect = str | Callable[[], "redis.Redis"]
Password = Callable[[], str]
_STATES = {state.value.encode(): state for state in State}


class RedisStore:
    """Both kinds of store on one Redis.

    Args:
        connect: `redis://`, `rediss://` or `unix://` URL, or a function that makes a client, such as
            `lambda: sentinel.master_for("main")`; its sockets get `timeout_s` unless they have a limit of their own.
        timeout_s: For connecting, and for each answer, in seconds.
        user: The user of Redis' access list; empty for the default one.
        password: A function that gives the password, asked at each connection, so that it may change.

    Raises:
        InputError: The URL is none, or there are two passwords. The message shows neither.
    """

    def __init__(self, connect: Connect, *, timeout_s: float, user: str = "", password: Password | None = None) -> None:
        self._timeout_s = timeout_s
        self._secrets: list[str] = []
        self._client: redis.Redis | None = None
        self._left_behind: list[redis.Redis] = []
        self._make = connect if callable(connect) else self._from_url(connect, user, password)

    def _from_url(self, url: str, user: str, password: Password | None) -> Callable[[], redis.Redis]:
        try:
            parts = urlsplit(url)
            secrets = [parts.password] if parts.password else []
        except ValueError:
            secrets, parts = [], urlsplit("")
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise refuse(self, "connect", "***", "a redis://, rediss:// or unix:// URL, or a function")
        secrets += [word.partition("=")[2] for word in parts.query.split("&") if word.startswith("password=")]
        if secrets and password is not None:
            raise refuse(self, "password", "***", "left out where the URL has one")
        self._secrets = [*secrets, *map(unquote, secrets)]
        options: dict[str, Any] = {
            "socket_timeout": self._timeout_s,
            "socket_connect_timeout": self._timeout_s,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "max_connections": 1,
        }
        if password is not None:
            options["credential_provider"] = _Asked(user, password, self._secrets)
        try:
            redis.Redis.from_url(url, **options).close()
        except Exception:  # noqa: BLE001 - whatever it says of the URL may show the password
            raise refuse(self, "connect", "***", "a URL that redis-py understands") from None
        return lambda: redis.Redis.from_url(url, **options)

    def __repr__(self) -> str:
        """Nothing of where it is: a URL may hold a password."""
        return f"<{type(self).__name__}>"

    def ping(self) -> None:
        """Answer, or raise StoreLostError."""
        self._ask(lambda client: client.ping())

    def leave(self) -> None:
        """Drop the connection; the next question makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except Exception:  # noqa: BLE001 - what goes wrong while a connection is dropped changes nothing
                return

    def forked(self) -> None:
        """Leave the connection to the parent: this process makes one of its own."""
        if self._client is not None:
            self._left_behind.append(self._client)  # kept: its end must not be said on the parent's socket
            self._client = None

    def exchange(self, offers: Sequence[Offer], keep_s: float) -> list[Exchange]:
        """Offer what one process has, and get what counts for all.

        Raises:
            StoreLostError: There is no answer, or none that is one.
        """
        words: list[str] = [str(round(keep_s * 1000))]
        for offer in offers:
            words += _words(offer)
        return [_exchange(row) for row in self._run(EXCHANGE, [offer.key for offer in offers], words)]

    def lease(self, asks: Sequence[Ask]) -> list[Answer]:
        """Charge what was spent and take permits.

        Raises:
            StoreLostError: There is no answer, or none that is one.
        """
        words: list[str] = []
        for ask in asks:
            words += [ask.terms.kind, str(ask.terms.capacity), repr(float(ask.terms.span_us))]
            words += [str(ask.spent), str(ask.want)]
        rows = self._run(LEASE, [ask.key for ask in asks], words)
        return [_answer(row, ask) for row, ask in zip(rows, asks, strict=True)]

    def _run(self, script: str, keys: list[str], words: list[str]) -> list[Any]:
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

        def run(client: redis.Redis) -> object:
            try:
                return client.evalsha(digest, len(keys), *keys, *words)
            except redis.exceptions.NoScriptError:  # a new or a restarted Redis
                return client.eval(script, len(keys), *keys, *words)

        rows = self._ask(run)
        if not isinstance(rows, list) or len(rows) != len(keys):
            raise StoreLostError("Redis answered something else than was asked")
        return rows

    def _ask(self, question: Callable[[redis.Redis], object]) -> object:
        try:
            if self._client is None:
                self._client = self._bounded(self._make())
            return question(self._client)
        except Exception as error:  # noqa: BLE001 - a client or a password that somebody else's code makes may raise it
            text = self._without_secrets(f"{type(error).__name__}: {error}")
        self.leave()
        raise StoreLostError(text)

    def _bounded(self, client: redis.Redis) -> redis.Redis:
        options = client.connection_pool.connection_kwargs
        for name in ("socket_timeout", "socket_connect_timeout"):
            if options.get(name) is None:
                options[name] = self._timeout_s
        return client

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***") if secret else text
        return text[:300]


class _Asked(CredentialProvider):
    """A password that is asked for at each connection, and kept only to strike it from texts."""

    def __init__(self, user: str, password: Password, secrets: list[str]) -> None:
        self._user = user
        self._password = password
        self._secrets = secrets

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        secret = self._password()
        self._secrets[:] = [secret]
        return (self._user, secret) if self._user else (secret,)


def _words(offer: Offer) -> list[str]:
    record = offer.record
    if record is None:
        return ["0", "closed", "0", "0", "0", "-"]
    for_ms = round(min(record.for_s, MOST_OPEN_S) * 1000)
    flags = [str(int(record.is_forced)), str(int(offer.insists))]
    return [str(record.generation), record.state.value, *flags, str(for_ms), record.process]


def _exchange(row: object) -> Exchange:
    """One circuit's answer; what is not as the script writes it counts as garbage."""
    match row:
        case [0 | 1 as garbage]:
            return Exchange(None, garbage == 1)
        case [0 | 1 as garbage, bytes(number), bytes(state), bytes(forced), bytes(process), bytes(for_ms)]:
            try:
                generation, remaining_s = int(number), int(for_ms) / 1000
            except ValueError:
                return Exchange(None, is_garbage=True)
            if state not in _STATES or not 1 <= generation <= MOST_GENERATION or len(process) > 64:
                return Exchange(None, is_garbage=True)
            for_s = min(MOST_OPEN_S, max(0.0, remaining_s))
            name = process.decode("ascii", "replace")
            return Exchange(Record(generation, _STATES[state], forced == b"1", name, for_s), garbage == 1)
    return Exchange(None, is_garbage=True)


def _answer(row: object, ask: Ask) -> Answer:
    """One rate's answer; what is not as the script writes it gives nothing, and takes nothing."""
    nothing = Answer(0, float(ask.terms.capacity), 0.0, is_garbage=True)
    match row:
        case [0 | 1 as garbage, bytes(given), bytes(left), bytes(wait)]:
            try:
                answer = Answer(int(given), float(left), int(wait) / 1e6, garbage == 1)
            except ValueError:
                return nothing
            is_possible = 0 <= answer.given <= ask.want and -MOST <= answer.left <= ask.terms.capacity
            return answer if is_possible and 0 <= answer.wait_s <= 1e15 else nothing
    return nothing
