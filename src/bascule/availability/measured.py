"""What drills measured of a component, in the words of a prediction. Pure."""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import replace

from bascule.kernel.quantities import Duration, Share

PRIOR_TRIALS = 20
CERTAIN = 1_000_000_000


class Bounds(Struct, frozen=True, kw_only=True):
    """An estimate between its confidence bounds."""

    estimate: float
    low: float
    high: float


class Measured(Struct, frozen=True, kw_only=True):
    """A component's failover, as drills saw it from the client's side.

    Attributes:
        trials: How many judged trials took away a member of it, and were noticed.
        failover_s: The mean time until clients were served again, between the bounds of the median that so many trials
            support (95 % sure). None when no trial came back.
        recovered: The share of trials in which clients were served again by itself, with its Clopper-Pearson bounds.
        source: Which drills, for people.
        parts: What the mean time is made of: detection, failover, and what was left for the clients; empty where the
            drills do not tell.
    """

    trials: int
    failover_s: Bounds | None
    recovered: Bounds
    source: str
    parts: tuple[tuple[str, Duration], ...] = ()

    @property
    def failover(self) -> Duration | None:
        """The mean time, which predictions take: downtime is a rate times a mean."""
        return Duration(self.failover_s.estimate) if self.failover_s is not None else None

    def coverage(self, assumed: Share) -> Share:
        """The share of failovers that work, from what was assumed and what was seen.

        The assumption counts as if it had been seen in twenty trials: the mean of a beta distribution. A few trials
        that all went well do not prove that all will, and do not say that fewer do.
        """
        good = self.recovered.estimate * self.trials
        return Share(round((good + PRIOR_TRIALS * assumed.fraction) / (self.trials + PRIOR_TRIALS), 12))

    def at(self, *, good: bool) -> Measured:
        """The same with each figure at the better, or the worse, of its bounds; a bound that is not known is left."""
        share = self.recovered.high if good else self.recovered.low
        trials = self.trials + CERTAIN  # so that the bound counts, and not the assumption
        failover = self.failover_s
        if failover is not None:
            end = failover.low if good else failover.high
            failover = Bounds(estimate=end, low=end, high=end) if 0 < end < math.inf else failover
        recovered = Bounds(estimate=share, low=share, high=share)
        return replace(self, trials=trials, failover_s=failover, recovered=recovered, parts=())
