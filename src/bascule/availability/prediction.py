"""A prediction: everything that its terminal, HTML and JSON forms show. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.availability.assumptions import Assumption
from bascule.availability.simulation.months import Months
from bascule.availability.strategies import Choice

YEAR_S = 365.25 * 86400.0
YEAR_TOLD = "a year of 365.25 days, a month a twelfth of it"


class Uptime(Struct, frozen=True, kw_only=True):
    """An availability, told in the ways in which people ask for it.

    Attributes:
        unavailability: The long-run share of time without service: exact, or the upper bound when `exact` is false.
        lower: The lower bound of the unavailability; the same where it is exact.
        nines: -log10 of the unavailability; infinite where it is never down.
        per_year_s, per_month_s, per_week_s: Expected downtime.
    """

    availability: float
    unavailability: float
    lower: float
    exact: bool
    nines: float
    per_year_s: float
    per_month_s: float
    per_week_s: float


class RegionUptime(Struct, frozen=True, kw_only=True):
    """What clients see who arrive at one region's entries alone."""

    region: str
    uptime: Uptime


class Weight(Struct, frozen=True, kw_only=True):
    """How much one part matters: a component, a service, a zone or a region, all of its events together.

    Attributes:
        birnbaum: P(system fails | part failed) - P(system fails | part perfect).
        criticality: (Q - Q with the part perfect) / Q: the share of the unavailability that goes without it.
        fussell_vesely: The probability that all of some minimal cut set with one of its events has failed, over Q; None
            where the cut sets cannot be had.
        raw: Risk achievement worth: Q with the part failed / Q.
        rrw: Risk reduction worth: Q / Q with the part perfect; infinite where nothing is left.
        potential_s: Improvement potential: downtime per year that a perfect part would save.
    """

    part: str
    kind: str
    birnbaum: float
    criticality: float
    fussell_vesely: float | None
    raw: float
    rrw: float
    potential_s: float


class CutSet(Struct, frozen=True, kw_only=True):
    """Events that together, and none less, take the system down."""

    events: tuple[str, ...]
    probability: float
    share: float


class CutSets(Struct, frozen=True, kw_only=True):
    """The minimal cut sets.

    Attributes:
        count: How many there are; None when they could not be counted in time.
        by_order: How many have 1, 2, 3 ... events.
        shown: The likeliest ones, these alone when there are more.
    """

    count: int | None
    by_order: dict[int, int]
    shown: tuple[CutSet, ...]


class Survival(Struct, frozen=True, kw_only=True):
    """What is left when a place is lost.

    Attributes:
        lost: Zones or regions, together.
        survives: Whether the system still serves, with the needed capacity.
        broken: The components that fail because of it.
        uptime: Its availability for as long as the place stays lost.
        next_points: What takes it down then, if it fails as well, alone.
        margins: By component: replicas left, and needed.
    """

    lost: tuple[str, ...]
    scope: Literal["zone", "region"]
    survives: bool
    broken: tuple[str, ...]
    uptime: Uptime
    next_points: tuple[str, ...]
    margins: dict[str, tuple[int, int]]


class Part(Struct, frozen=True, kw_only=True):
    """One named part of a time."""

    name: str
    seconds: float


class Recovery(Struct, frozen=True, kw_only=True):
    """What the loss of one process, host, zone or region does, against what was promised.

    Attributes:
        worst: The place or replica whose loss takes longest.
        rto_s: The sum of `parts`: how long clients are not served. 0: nobody notices.
        parts: In the order in which they pass.
        lost_s: How much acknowledged work is lost, in seconds; None: it is not known.
        lost_because: Where that comes from.
        promised_rto_s, promised_rpo_s: None without a promise for this scope.
    """

    scope: str
    worst: str
    rto_s: float
    parts: tuple[Part, ...]
    lost_s: float | None
    lost_because: str
    promised_rto_s: float | None = None
    promised_rpo_s: float | None = None

    @property
    def meets_rto(self) -> bool | None:
        """Whether the promise would be kept; None without one."""
        return None if self.promised_rto_s is None else self.rto_s <= self.promised_rto_s

    @property
    def meets_rpo(self) -> bool | None:
        """Whether the promise would be kept; None without one, or where the loss is not known."""
        if self.promised_rpo_s is None or self.lost_s is None:
            return None
        return self.lost_s <= self.promised_rpo_s


class Change(Struct, frozen=True, kw_only=True):
    """One single change of the system, and what comes of it.

    Attributes:
        saved_s: Downtime per year that it saves; negative where it makes things worse.
        cost_per_year: What it costs, where costs are given.
        gain_per_cost: Saved downtime cost per cost of the change; None without both.
    """

    change: str
    kind: str
    uptime: Uptime
    saved_s: float
    cost_per_year: float | None = None
    gain_per_cost: float | None = None


class Money(Struct, frozen=True, kw_only=True):
    """What downtime costs."""

    currency: str
    per_minute: float
    per_year: float


class Measurement(Struct, frozen=True, kw_only=True):
    """A figure that drills measured, beside what was assumed before."""

    of: str
    figure: str
    assumed: str
    measured: str
    bounds: str
    source: str
    used: bool


class Calibration(Struct, frozen=True, kw_only=True):
    """What measurements change.

    Attributes:
        without: The availability without them.
        best, worst: With each measured figure at the better, and at the worse of its bounds.
    """

    without: Uptime
    best: Uptime
    worst: Uptime


class Prediction(Struct, frozen=True, kw_only=True):
    """How available a system can be.

    Attributes:
        method: How the structure was solved, for people.
        full: With everything that users can have: soft needs count too. None where there are no soft needs.
        meets: Whether the expected availability is at least the target; None when its bounds leave it open.
        single_points: Parts that take the system down alone, whose failure no replica covers.
        window_probability: The probability of keeping the objective in one window, with its 95 % interval.
        not_reached: Components that the load does not need.
        changes: The best first.
        untried: Changes for which there was no time.
    """

    system: str
    uptime: Uptime
    full: Uptime | None
    method: str
    target: float
    window_s: float
    budget_s: float
    meets: bool | None
    regions: tuple[RegionUptime, ...]
    weights: tuple[Weight, ...]
    single_points: tuple[str, ...]
    cut_sets: CutSets
    survival: tuple[Survival, ...]
    recovery: tuple[Recovery, ...]
    changes: tuple[Change, ...]
    untried: int
    strategies: tuple[Choice, ...]
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...] = ()
    not_reached: tuple[str, ...] = ()
    measured: tuple[Measurement, ...] = ()
    currency: str = ""
    money: Money | None = None
    calibration: Calibration | None = None
    months: Months | None = None
    window_probability: tuple[float, float, float] | None = None
    year: str = YEAR_TOLD
