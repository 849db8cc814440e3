"""What is said to etcd's HTTP gateway and what it answers, as far as registers need it.

Source: etcd 3.5, `rpc.proto` and `rpctypes/error.go`; the gateway writes bytes as Base64 and 64-bit numbers as text.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

from bascule.cluster.stores.foreign import is_key
from bascule.cluster.stores.port import Entry
from bascule.cluster.stores.race import DoubtError, RefusedError
from bascule.cluster.stores.web import Answer
from bascule.kernel.errors import StoreError

T = TypeVar("T")


class TokenError(Exception):
    """The token is none any more: expired, or its server was restarted."""


class Pair(Struct):
    """A key as etcd has it."""

    key: bytes = b""
    value: bytes = b""
    mod_revision: int = 0


class Found(Struct):
    """The answer to a range request."""

    kvs: list[Pair] = []


class Header(Struct, frozen=True):
    """At which revision of the whole store."""

    revision: int = 0


class Swapped(Struct):
    """The answer to a transaction."""

    header: Header = Header()
    succeeded: bool = False


class Token(Struct):
    """The answer to a login."""

    token: str = ""


class Refusal(Struct):
    """How the gateway says no; `code` is gRPC's."""

    code: int = 0
    message: str = ""
    error: str | dict[str, object] = ""


class Event(Struct):
    """One change; `type` is left out for a write."""

    type: str = "PUT"
    kv: Pair = msgspec.field(default_factory=Pair)


class News(Struct):
    """One message of a watch."""

    created: bool = False
    canceled: bool = False
    cancel_reason: str = ""
    compact_revision: int = 0
    events: list[Event] = []


class Line(Struct):
    """One line of a watch: a message, or the error that ends it."""

    result: News | None = None
    error: Refusal | None = None


def decode(body: bytes, kind: type[T]) -> T:
    """The answer as what it should be.

    Raises:
        DoubtError: It is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DoubtError(f"this is not an answer of etcd: {error}") from None


def entries(pairs: list[Pair]) -> Iterator[Entry]:
    """The registers among what is there."""
    for pair in pairs:
        key = pair.key.decode("utf-8", "replace")
        if is_key(key):
            yield Entry(key=key, value=pair.value, revision=pair.mod_revision)


def span(prefix: str) -> dict[str, str]:
    """All keys that begin like this; with an empty prefix all there are."""
    if not prefix:
        return {"key": text(b"\0"), "range_end": text(b"\0")}
    first = prefix.encode()
    return {"key": text(first), "range_end": text(first[:-1] + bytes([first[-1] + 1]))}


def swap(key: str, value: bytes, expected: int) -> dict[str, object]:
    """A transaction that writes only over that revision; 0 is what etcd says of a key that is not there."""
    name = text(key.encode())
    compare = {"target": "MOD", "result": "EQUAL", "key": name, "mod_revision": str(expected)}
    return {"compare": [compare], "success": [{"request_put": {"key": name, "value": text(value)}}]}


def text(data: bytes) -> str:
    """Bytes as the gateway wants them."""
    return base64.b64encode(data).decode()


def sort_out(answer: Answer, place: str) -> bytes:
    """The body of a good answer.

    Raises:
        TokenError: Log in anew; nothing was done.
        RefusedError: Nothing was done here; another member may do it.
        DoubtError: It may have been done.
        StoreError: No member will do it.
    """
    if answer.status == 200:
        return answer.body
    try:
        said = msgspec.json.decode(answer.body, type=Refusal, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if answer.status == 404:
            raise RefusedError(f"{place}: nothing is served at /v3: is this etcd 3.4 or later?") from None
        raise DoubtError(f"{place}: HTTP {answer.status}") from None
    message = said.message or str(said.error)
    sort_refusal(said.code, message, place)
    raise DoubtError(f"{place}: {message or answer.status}")


def sort_refusal(code: int, message: str, place: str) -> None:
    """Raise what a refusal means, as `sort_out` does; what is not known raises nothing."""
    if code == 16 or "invalid auth token" in message or "auth: revision in header is old" in message:
        raise TokenError(message)
    if "user name is empty" in message:
        hint = "set user and password_file"
        raise StoreError("etcd demands authentication", where=place, hint=hint)
    if "authentication failed" in message or "authentication is not enabled" in message:
        raise StoreError(f"the user or the password is refused: {message}", where=place)
    if code == 7:
        raise StoreError(message, where=place, hint="grant the user's role readwrite on the cluster's prefix")
    if "database space exceeded" in message:
        raise StoreError(message, where=place, hint="compact, defragment, then disarm the alarm: etcdctl alarm disarm")
    if "no leader" in message or "too many requests" in message:
        raise RefusedError(f"{place}: {message}")
