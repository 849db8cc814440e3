"""Asks one etcd member about itself, through its HTTP gateway."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from bascule.engines import http_over
from bascule.engines.etcd.render import CLIENT_PORT
from bascule.engines.protocols import Dial, Observation


class _Header(Struct, frozen=True):
    member_id: str = ""
    raft_term: str = "0"


class _Status(Struct, frozen=True):
    header: _Header = _Header()
    leader: str = "0"


# Made here, and not at the first answer: threads that make the same decoder at once end the process by SIGSEGV.
_decode_status = msgspec.json.Decoder(_Status).decode


def observe(dial: Dial, timeout_s: float) -> Observation:
    """Whole when it serves a linearizable read, for which it must have a leader and a quorum behind it."""
    try:
        answer = http_over.ask(
            dial, CLIENT_PORT, "/v3/maintenance/status", timeout_s=timeout_s / 2, method="POST", body=b"{}"
        )
        status = _decode_status(answer.body)
        health = http_over.ask(dial, CLIENT_PORT, "/health", timeout_s=timeout_s / 2)
    except (http_over.NoAnswerError, msgspec.DecodeError) as error:
        return Observation(up=False, detail=f"no answer: {error}")
    leads = status.leader not in {"", "0"}
    healthy = health.status == 200 and leads
    role = "leader" if status.leader == status.header.member_id else "follower" if leads else "no leader"
    return Observation(
        up=healthy,
        role="peer",
        whole=healthy,
        detail=f"{role}, term {status.header.raft_term}" if healthy else f"{role}, unhealthy",
    )
