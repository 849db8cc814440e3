"""When the watchdog must undo: a lease that the drill renews. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Event = Literal["renewed", "goodbye", "silence", "tick", "repaired", "failed"]
Effect = Literal["undo", "end"]


class Lease(Struct, frozen=True, kw_only=True):
    """How long the watchdog still trusts the drill.

    Attributes:
        until_s: CLOCK_MONOTONIC seconds; when it is over without a renewal, the drill counts as dead.
        ttl_s: What a renewal adds to the present.
        undoing: It has counted the drill as dead, for good: a late renewal changes nothing.
        attempts_left: How often undoing is tried again.
    """

    until_s: float
    ttl_s: float
    undoing: bool = False
    attempts_left: int = 20


def step(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    """What an event changes, and what is to be done about it.

    Events: `renewed` by the drill; `goodbye`, it undid everything itself; `silence`, its end of the pipe closed;
    `tick`, time passed; `repaired` and `failed`, how an undoing went.
    """
    if event == "repaired" or (event == "goodbye" and not lease.undoing):
        return lease, "end"
    if event == "failed":
        left = Lease(
            until_s=lease.until_s, ttl_s=lease.ttl_s, undoing=True, attempts_left=max(0, lease.attempts_left - 1)
        )
        return left, "undo" if left.attempts_left else "end"
    if lease.undoing:
        return lease, None
    if event == "renewed" and now_s <= lease.until_s:
        return Lease(until_s=now_s + lease.ttl_s, ttl_s=lease.ttl_s, attempts_left=lease.attempts_left), None
    if event == "silence" or now_s > lease.until_s:
        dead = Lease(until_s=lease.until_s, ttl_s=lease.ttl_s, undoing=True, attempts_left=lease.attempts_left)
        return dead, "undo"
    return lease, None
