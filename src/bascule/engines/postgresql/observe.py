"""Asks one Patroni about its PostgreSQL, and moves the primary role, through its REST API."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field, structs

from bascule.engines import http_over
from bascule.engines.postgresql.render import REST_PORT, SYNCHRONOUS_TAG
from bascule.engines.protocols import Dial, Observation, Role
from bascule.kernel.errors import FaultError

LAG_BOUND_BYTES = 1 << 20


class _Wal(Struct, frozen=True):
    location: int | None = None
    received_location: int | None = None
    replayed_location: int | None = None


class _Named(Struct, frozen=True):
    name: str = ""
    role: str = ""


class _Cluster(Struct, frozen=True):
    members: tuple[_Named, ...] = ()


class _Status(Struct, frozen=True):
    state: str = "unknown"
    role: str = "unknown"
    timeline: int | None = None
    replication_state: str | None = None
    latest_end_lsn: int | None = None
    sync_standby: bool = False
    cluster_unlocked: bool = False
    xlog: _Wal = _Wal()
    patroni: _Named = _Named()
    tags: dict[str, Any] = field(default_factory=dict)


# Made here, and not at the first answer: threads that make the same decoder at once end the process by SIGSEGV.
_decode_status = msgspec.json.Decoder(_Status).decode
_decode_cluster = msgspec.json.Decoder(_Cluster).decode


def _lag_bytes(status: _Status) -> int | None:
    replayed = status.xlog.replayed_location
    newest = max(status.latest_end_lsn or 0, status.xlog.received_location or 0)
    return max(0, newest - replayed) if replayed is not None and newest else None


def _primary(status: _Status, epoch: int) -> Observation:
    whole = not status.cluster_unlocked
    detail = f"primary, timeline {epoch}" + ("" if whole else ", nobody holds the lease")
    return Observation(up=True, role="primary", epoch=epoch, whole=whole, lag_bytes=0, detail=detail)


def _replica(status: _Status, epoch: int) -> Observation:
    streaming = status.replication_state == "streaming"
    lag_bytes = _lag_bytes(status)
    must_be_synchronous = bool(status.tags.get(SYNCHRONOUS_TAG))
    joined = status.sync_standby or not must_be_synchronous
    words = [status.replication_state or "not replicating", f"timeline {epoch}"]
    if must_be_synchronous:
        words.append("synchronous" if status.sync_standby else "not synchronous yet")
    return Observation(
        up=True,
        role="replica",
        epoch=epoch,
        whole=streaming and joined and lag_bytes is not None and lag_bytes <= LAG_BOUND_BYTES,
        lag_bytes=lag_bytes,
        detail=", ".join(words),
    )


def judge(body: bytes) -> Observation:
    """What an answer of GET /patroni says.

    A primary is whole while the lease is held. A standby is whole when it streams, is not far behind, and, where
    commits wait for standbys, is one of those that Patroni may promote.
    """
    try:
        status = _decode_status(body)
    except msgspec.DecodeError as error:
        return Observation(up=False, detail=f"an answer that is not Patroni's: {error}")
    epoch = status.timeline or 0
    role: Role = "primary" if status.role in {"primary", "master"} else "replica"
    if status.state != "running":
        return Observation(up=False, role="unknown", epoch=epoch, detail=f"PostgreSQL: {status.state}")
    return _primary(status, epoch) if role == "primary" else _replica(status, epoch)


def observe(dial: Dial, timeout_s: float) -> Observation:
    """The role, timeline and replication of one member, as its own Patroni sees it."""
    try:
        answer = http_over.ask(dial, REST_PORT, "/patroni", timeout_s=timeout_s)
    except http_over.NoAnswerError as error:
        return Observation(up=False, detail=f"no answer: {error}")
    seen = judge(answer.body)
    if seen.role == "replica" and not seen.whole and _is_synchronous_now(answer.body, dial, timeout_s):
        return structs.replace(seen, whole=True, detail=f"streaming, timeline {seen.epoch}, synchronous")
    return seen


def _is_synchronous_now(body: bytes, dial: Dial, timeout_s: float) -> bool:
    """Whether a streaming standby that does not know it yet is on the store's list of synchronous standbys.

    A Patroni learns that of itself at its next look at the store, a second or more later; GET /cluster asks the store.
    """
    status = _decode_status(body)
    streams = status.state == "running" and status.replication_state == "streaming"
    if not streams or not status.tags.get(SYNCHRONOUS_TAG) or (_lag_bytes(status) or 0) > LAG_BOUND_BYTES:
        return False
    try:
        answer = http_over.ask(dial, REST_PORT, "/cluster", timeout_s=timeout_s)
        cluster = _decode_cluster(answer.body)
    except (http_over.NoAnswerError, msgspec.DecodeError):
        return False
    return any(each.name == status.patroni.name and each.role == "sync_standby" for each in cluster.members)


def switchover(dial: Dial, *, primary: str, target: str, timeout_s: float) -> None:
    """Hand the primary role over, and return once Patroni says that it is done.

    Raises:
        FaultError: It refused, or did not answer in time.
    """
    body = msgspec.json.encode({"leader": primary, "candidate": target})
    try:
        answer = http_over.ask(dial, REST_PORT, "/switchover", timeout_s=timeout_s, method="POST", body=body)
    except http_over.NoAnswerError as error:
        raise FaultError(f"the switchover from {primary} to {target} got no answer: {error}") from error
    if answer.status != 200:
        words = answer.body.decode("utf-8", "replace").strip()
        raise FaultError(f"Patroni refused the switchover from {primary} to {target}: {words}")
