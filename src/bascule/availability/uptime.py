"""An unavailability in the ways in which people ask for it. Pure."""

from __future__ import annotations

import math

from bascule.availability.prediction import YEAR_S, Uptime


def uptime(unavailability: float, lower: float | None = None) -> Uptime:
    """Everything that follows from a share of time without service.

    Args:
        unavailability: In [0, 1]; the upper bound where it is not exact.
        lower: The lower bound; without it, the unavailability is exact.
    """
    exact = lower is None or lower == unavailability
    return Uptime(
        availability=1 - unavailability,
        unavailability=unavailability,
        lower=unavailability if lower is None else lower,
        exact=exact,
        nines=math.inf if unavailability <= 0 else max(0.0, -math.log10(unavailability)),
        per_year_s=unavailability * YEAR_S,
        per_month_s=unavailability * YEAR_S / 12,
        per_week_s=unavailability * 7 * 86400.0,
    )
