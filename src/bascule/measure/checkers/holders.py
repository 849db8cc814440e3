"""Whether the entry's address ever stood on two hosts at once. Pure. It sorts: O(n log n)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Holding(Struct, frozen=True, kw_only=True):
    """Which hosts had the entry's address when they were looked at; several only if all of them had it at once."""

    at_s: float
    hosts: tuple[str, ...]


class HolderFindings(Struct, frozen=True, kw_only=True):
    """Whether the entry's address ever stood on two hosts at once.

    Attributes:
        together_s: For how long, from each look that saw several to the next look; the last one counts for itself.
        looks: How many saw several.
        first_s: When the first one did; None when none did.
        hosts: All that were seen together with another one.
    """

    together_s: float = 0.0
    looks: int = 0
    first_s: float | None = None
    hosts: tuple[str, ...] = ()


def check_holders(holdings: Iterable[Holding]) -> HolderFindings:
    """Find the times in which the address had several holders, from looks in any order."""
    ordered = sorted(holdings, key=lambda one: one.at_s)
    together = [place for place, one in enumerate(ordered) if len(one.hosts) > 1]
    return HolderFindings(
        together_s=sum(ordered[min(place + 1, len(ordered) - 1)].at_s - ordered[place].at_s for place in together),
        looks=len(together),
        first_s=ordered[together[0]].at_s if together else None,
        hosts=tuple(sorted({host for place in together for host in ordered[place].hosts})),
    )
