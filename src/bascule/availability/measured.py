"""What drills measured of a component, in the words of a prediction. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.kernel.quantities import Duration, Share


class Bounds(Struct, frozen=True, kw_only=True):
    """An estimate between its confidence bounds."""

    estimate: float
    low: float
    high: float


class Measured(Struct, frozen=True, kw_only=True):
    """A component's failover, as drills saw it from the client's side.

    Attributes:
        trials: How many judged trials broke a member of it.
        failover_s: The time until clients were served again: the median, between the bounds of the median that so many
            trials support (95 % sure; infinite where they support none). None when no trial came back.
        recovered: The share of trials in which clients were served again by itself, with its Clopper-Pearson bounds.
        source: Which drills, for people.
        parts: What the median time is made of: detection, failover, and what was left for the clients; empty where the
            drills do not tell.
    """

    trials: int
    failover_s: Bounds | None
    recovered: Bounds
    source: str
    parts: tuple[tuple[str, Duration], ...] = ()

    @property
    def failover(self) -> Duration | None:
        """The median time, which predictions take."""
        return Duration(self.failover_s.estimate) if self.failover_s is not None else None

    @property
    def coverage(self) -> Share:
        """The share that predictions take: the lower bound.

        That nothing failed in a few trials does not prove that all failovers work.

        Source: Clopper and Pearson (1934).
        """
        return Share(self.recovered.low)
