"""When a basic event is down: an alternating renewal process in its steady state. Pure.

Up times are exponential, down times exponential or lognormal. Sources: Cox, "Renewal Theory" (1962), section 5 for the
first interval of a process in equilibrium, section 7 for alternating ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bascule.availability.simulation.intervals import NEVER, Keys, Times, always, end_key, from_times
from bascule.availability.structure import Event

_FOREVER_S = 1e30


@dataclass(frozen=True, slots=True)
class Renewal:
    """The outages of one basic event, which are in steady state from the first moment on.

    Attributes:
        unavailability: The share of time in which it is down.
        mean_up_s: The mean time between two outages, in seconds.
        mean_down_s: The mean length of an outage, in seconds.
        shape: The standard deviation of the logarithm of an outage's length; None where lengths are exponential.
    """

    unavailability: float
    mean_up_s: float
    mean_down_s: float
    shape: float | None = None

    @classmethod
    def of(cls, event: Event, shape: float | None) -> Renewal:
        """The process of an event."""
        return cls(event.unavailability, event.mean_up_s, event.mean_down_s, shape)

    @property
    def is_moving(self) -> bool:
        """Whether it is up at times, and down at times; what fails once in 1e22 years does not."""
        return 0 < self.unavailability < 1 and self.mean_up_s < _FOREVER_S

    @property
    def edges_per_s(self) -> float:
        """How often it changes its state."""
        return 2 / (self.mean_up_s + self.mean_down_s) if self.is_moving else 0.0

    def outages(self, span_s: float, dice: np.random.Generator) -> Keys:
        """When it is down in [0, span)."""
        if not self.is_moving:
            return always(span_s) if self.unavailability >= 1 else NEVER
        times = self._first_cycles(span_s, dice)
        np.cumsum(times, out=times)
        while times[-1] < span_s:
            times = np.concatenate((times, times[-1] + np.cumsum(self._cycles(span_s - times[-1], dice))))
        inside = int(np.searchsorted(times, np.int64(end_key(span_s) - 1).view(np.float64)))
        if inside % 2:
            times[inside] = span_s
            inside += 1
        return from_times(times[:inside])

    def _first_cycles(self, span_s: float, dice: np.random.Generator) -> Times:
        cycles = self._cycles(span_s, dice)
        if dice.random() < self.unavailability:
            cycles[0] = 0.0
            cycles[1] = self._rest_of_outage(dice)
        return cycles

    def _rest_of_outage(self, dice: np.random.Generator) -> float:
        # A moment hits long outages in proportion to their length, and any part of them alike.
        if self.shape is None:
            return float(dice.exponential(self.mean_down_s))
        return float(dice.random() * dice.lognormal(self._location + self.shape**2, self.shape))

    def _cycles(self, span_s: float, dice: np.random.Generator) -> Times:
        """Up and down times in turn, which most likely fill the span."""
        expected = span_s / (self.mean_up_s + self.mean_down_s)
        count = int(expected + 5 * math.sqrt(expected)) + 4
        if self.shape is None:
            lengths = dice.standard_exponential(2 * count)
            lengths[1::2] *= self.mean_down_s
        else:
            lengths = np.empty(2 * count)
            lengths[0::2] = dice.standard_exponential(count)
            lengths[1::2] = dice.lognormal(self._location, self.shape, count)
        lengths[0::2] *= self.mean_up_s
        return lengths

    @property
    def _location(self) -> float:
        return math.log(self.mean_down_s) - (self.shape or 0.0) ** 2 / 2
