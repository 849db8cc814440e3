"""What can happen to the frames of a host's wire, and how often it did. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Direction = Literal["in", "out", "both"]
Protocol = Literal["all", "arp", "icmp", "tcp", "udp", "vrrp"]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=60.0)]


class Trouble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frames of a host are in trouble, and in which. Everything else passes untouched.

    Attributes:
        direction: Frames that come `in` to the host, that go `out` of it, or both.
        peers: Only those from (`in`) or to (`out`) these addresses; none means all. ARP goes by the addresses that it
            asks with and for.
        protocol: Only these; `arp` is no IP.
        port: Only TCP or UDP from or to this port; 0 means all.
        delay_s: They come later, one way.
        jitter_s: They come later by up to this much more, each by another time; order is kept.
        loss: This share vanishes; 1 is a cut.
        duplicate: This share comes twice.
        reorder: This share comes behind those that were sent after it.
        corrupt: In this share one bit is wrong.
        rate_bytes_per_s: No more than that passes, what comes faster waits; 0 means no bound.
        answer: What a TCP segment is answered with instead of being carried: `reset`, each one, to both ends; `refuse`,
            each that opens a connection, to the one who sent it.
    """

    direction: Direction = "both"
    peers: tuple[str, ...] = ()
    protocol: Protocol = "all"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    delay_s: Seconds = 0.0
    jitter_s: Seconds = 0.0
    loss: Share = 0.0
    duplicate: Share = 0.0
    reorder: Share = 0.0
    corrupt: Share = 0.0
    rate_bytes_per_s: Annotated[float, Meta(ge=0.0)] = 0.0
    answer: Literal["", "reset", "refuse"] = ""


class TrafficCounts(Struct, frozen=True, kw_only=True):
    """How many frames a trouble met, and what became of them; a frame may count for several."""

    met: int = 0
    delayed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    answered: int = 0
