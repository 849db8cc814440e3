"""What a system file may say about etcd. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.kernel.quantities import Duration, Size


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of an etcd component.

    Attributes:
        heartbeat: How often the leader speaks; None: 50 ms, or one round trip of the slowest link if that is longer.
        election_timeout: Silence after which a member stands for election; None: ten times the heartbeat.
        quota: Size of the store at which it refuses writes.
    """

    heartbeat: Duration | None = None
    election_timeout: Duration | None = None
    quota: Size = Size(64 << 20)
