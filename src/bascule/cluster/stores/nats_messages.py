"""What is said to JetStream and what it answers, as far as registers need it.

Source: NATS ADR-31 (direct get of many subjects), ADR-8 (markers of a deletion), ADR-17 and ADR-9 (ordered delivery and
heartbeats), `server/errors.json` (codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from bascule.cluster.stores.race import DoubtError, RefusedError
from bascule.kernel.errors import StoreError

T = TypeVar("T")
OTHER_REVISION = frozenset({10071, 10164})
NO_STREAM = 10059
STREAM_EXISTS = 10058
EXPECTED = "Nats-Expected-Last-Subject-Sequence"


class Problem(Struct, frozen=True):
    """What went wrong."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Config(Struct, frozen=True):
    """What a bucket is made with, as far as it matters to leases."""

    max_age: int = 0
    max_msgs: int = -1
    max_bytes: int = -1
    discard: str = "old"
    num_replicas: int = 1
    allow_direct: bool = False
    persist_mode: str = ""


class Reply(Struct, frozen=True):
    """An answer of the API, or of a publication."""

    error: Problem | None = None
    seq: int = 0
    config: Config | None = None


class Ticket(Struct, frozen=True, kw_only=True):
    """Where a message of a consumer stands: in the stream, and among what was delivered."""

    sequence: int
    delivered: int


def decode(data: bytes) -> Reply:
    """The answer.

    Raises:
        DoubtError: It is something else.
    """
    try:
        return msgspec.json.decode(data, type=Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DoubtError(f"this is not an answer of JetStream: {error}") from None


def refuse(problem: Problem, what: str) -> Exception:
    """What a refusal of the API means: whether another server may do it, or none will."""
    text = f"{what}: {problem.description or problem.code}"
    if problem.err_code == NO_STREAM:
        return StoreError(text, hint="make the bucket, or set create = true")
    if problem.code == 503:
        return RefusedError(text)
    return StoreError(text)


def bucket(stream: str, subjects: str, *, replicas: int, first: int) -> bytes:
    """A bucket that keeps the last value of each key and forgets none of them.

    Args:
        stream: Its name.
        subjects: All of its subjects.
        replicas: On how many servers.
        first: The first revision.
    """
    return msgspec.json.encode(
        {
            "name": stream,
            "subjects": [subjects],
            "max_msgs_per_subject": 1,
            "storage": "file",
            "num_replicas": replicas,
            "discard": "new",
            "deny_delete": True,
            "allow_rollup_hdrs": True,
            "allow_direct": True,
            "first_seq": first,
        }
    )


def check_bucket(config: Config, name: str, replicas: int) -> None:
    """Refuse a bucket in which leases would not be safe.

    Raises:
        StoreError: It forgets, or has fewer replicas than it should.
    """
    what = ""
    if config.max_age:
        what = "it forgets what was not written for a while (max_age)"
    elif config.discard != "new" and (config.max_msgs > 0 or config.max_bytes > 0):
        what = "it forgets the oldest when it is full (discard = old)"
    elif config.num_replicas < replicas:
        what = f"it has {config.num_replicas} replicas, not {replicas}"
    elif not config.allow_direct:
        what = "it cannot be read directly (allow_direct)"
    elif config.persist_mode == "async":
        what = "it acknowledges before it writes (persist_mode = async)"
    if what:
        raise StoreError(f"the bucket {name} is not safe for leases: {what}", hint="nats stream edit")


def consumer(name: str, subjects: str, *, inbox: str, heartbeat_s: float) -> dict[str, object]:
    """A push consumer of what is written from now on, which lives as long as somebody listens."""
    return {
        "name": name,
        "deliver_subject": inbox,
        "deliver_policy": "new",
        "ack_policy": "none",
        "filter_subject": subjects,
        "idle_heartbeat": round(heartbeat_s * 1e9),
        "max_deliver": 1,
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": 30_000_000_000,
    }


def ticket(reply: str) -> Ticket | None:
    """Where a message stands, by the subject on which it would be acknowledged; None if that is none."""
    parts = reply.split(".")
    # With a domain and an account there are two parts more in front, and maybe a random one at the end.
    sequence, delivered = (parts[7:9] if len(parts) >= 11 else parts[5:7]) if len(parts) >= 9 else ("", "")
    if not sequence.isdigit() or not delivered.isdigit() or parts[:2] != ["$JS", "ACK"]:
        return None
    return Ticket(sequence=int(sequence), delivered=int(delivered))


def is_marker(headers: Mapping[str, str]) -> bool:
    """Whether the message says that the key was removed."""
    return headers.get("KV-Operation", "PUT") != "PUT" or "Nats-Marker-Reason" in headers


def number(headers: Mapping[str, str], name: str) -> int:
    """A number in a header.

    Raises:
        DoubtError: There is none.
    """
    text = headers.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise DoubtError(f"the header {name} is not a number: {text[:40]!r}")
    return int(text)
