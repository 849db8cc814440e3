"""What a system file may say about Redis. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.kernel.quantities import Size

Policy = Literal["noeviction", "allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu", "volatile-ttl"]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a Redis component: a session store, in memory alone.

    Attributes:
        maxmemory: How much it holds before `policy` decides.
        policy: What goes when it is full.
    """

    maxmemory: Size = Size(32 << 20)
    policy: Policy = "volatile-ttl"
