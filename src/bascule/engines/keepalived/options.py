"""What a system file may say about keepalived, as the provider of the entry's address. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.kernel.quantities import Duration


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is found out whether the member beside it serves; a holder whose member does not gives the address back.

    Attributes:
        every: Pause between two checks.
        timeout: How long an answer may take.
        fall: Failed checks in a row until the member counts as failed.
        rise: Good checks in a row until it counts as well again.
    """

    every: Duration = Duration(0.25)
    timeout: Duration = Duration(0.3)
    fall: int = 2
    rise: int = 1


class Announcements(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gratuitous ARP frames by which everybody learns where the address is.

    Attributes:
        count: How many follow each other when it was taken, and once more after `again`.
        again: When they are repeated.
        refresh: How often a holder repeats them as long as it is one. Without it, who learned the address from another
            holder in a partition goes on sending there after the heal.
    """

    count: int = 5
    again: Duration = Duration(5.0)
    refresh: Duration = Duration(1.0)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of keepalived. The defaults are its own, but for `announcements.refresh`, which it leaves out.

    Attributes:
        advert: How often the holder says that it lives. A backup waits for three of them and up to one more.
        version: VRRP 3 (RFC 5798), or 2, which counts whole seconds.
        router: The virtual router's number: the same on all hosts of the entry, and on no others of the zone.
        priority: Of the first member; each further one has `step` less. The highest of those that wait wins.
        step: By how much.
        preempt_after: A backup of higher priority takes the address from a holder after this time; 0s: never.
        unicast: Send to the other hosts of the entry instead of to the group 224.0.0.18.
        announcements: How everybody learns where the address is.
        check: How it is found out whether the member serves.
    """

    advert: Duration = Duration(1.0)
    version: Literal[2, 3] = 3
    router: int = 51
    priority: int = 100
    step: int = 1
    preempt_after: Duration = Duration(0.0)
    unicast: bool = False
    announcements: Announcements = Announcements()
    check: Check = Check()
