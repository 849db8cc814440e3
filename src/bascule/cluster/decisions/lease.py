"""How long a lease holds: the arithmetic on which everything rests. Pure.

Let every clock run at a speed within 1 - e and 1 + e of true time. The holder sends a renewal at `sent_s` of its clock;
it reaches the store later, and a rival sees it later still. The rival waits `ttl` of its own clock from then: at least
`ttl / (1 + e)` of true time. The holder acts for `ttl * (1 - e) / (1 + e)` of its own clock from `sent_s`: at most
`ttl / (1 + e)` of true time. So the holder's end comes first, whatever the network and the store did in between.

Source: C. Gray, D. Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache consistency"
(SOSP 1989), section 5, on clocks that drift; M. Kleppmann, "How to do distributed locking" (2016), on fencing tokens.
"""

from __future__ import annotations

from msgspec import Struct

from bascule.kernel.errors import InputError

LEAST_TTL_S = 0.1
MOST_TTL_S = 3600.0


class Timing(Struct, frozen=True, kw_only=True):
    """The times of an agent's leases, in seconds.

    Attributes:
        ttl_s: How long rivals wait, between 0.1 and 3600.
        drift: By how much the speed of any clock may differ from true time, as a share.
        stop_s: What is kept free before the validity ends, for stopping.
    """

    ttl_s: float = 3.0
    drift: float = 0.02
    stop_s: float = 0.3

    @property
    def valid_s(self) -> float:
        """How long the holder may act, from before it sent the renewal."""
        return self.ttl_s * (1 - self.drift) / (1 + self.drift)

    @property
    def renew_s(self) -> float:
        """Time between two renewals: one may be lost."""
        return self.ttl_s / 3

    @property
    def stagger_s(self) -> float:
        """By how much a candidate waits for each one before it."""
        return min(1.0, max(0.05, self.ttl_s / 5))

    def valid_until_s(self, sent_s: float) -> float:
        """When the validity ends that a renewal sent at `sent_s` gives."""
        return sent_s + self.valid_s

    def stop_at_s(self, sent_s: float) -> float:
        """When the holder must begin to stop."""
        return self.valid_until_s(sent_s) - self.stop_s


def check(timing: Timing) -> Timing:
    """The times, if they leave room for a renewal that is lost.

    Raises:
        InputError: They do not; the message says what would.
    """
    if not LEAST_TTL_S <= timing.ttl_s <= MOST_TTL_S:
        raise InputError(f"a ttl of {timing.ttl_s:g} s is out of range", hint=f"{LEAST_TTL_S:g} s to {MOST_TTL_S:g} s")
    if not 0 <= timing.drift <= 0.2:
        raise InputError(f"a drift of {timing.drift:g} is out of range", hint="0 to 0.2, like 0.02 for 2%")
    spare_s = timing.valid_s - timing.stop_s - timing.renew_s
    if timing.stop_s <= 0 or spare_s <= timing.ttl_s / 10:
        most_s = timing.valid_s - timing.renew_s - timing.ttl_s / 10
        raise InputError(
            f"with a ttl of {timing.ttl_s:g} s, {timing.stop_s:g} s for stopping leave no room for a lost renewal",
            hint=f"stop: above 0 s, at most {most_s:.3f} s; or a longer ttl",
        )
    return timing
