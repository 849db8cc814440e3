"""From a system and its figures to everything that can be said of its availability. Pure.

Each question has its own time limit, so that a system which cannot be solved in time has bounds, or fewer answers, and
every answer that is missing is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bascule.availability import survival, translation, whatif
from bascule.availability.assumptions import Assumptions, assume
from bascule.availability.figures import Figures
from bascule.availability.measured import Bounds, Measured
from bascule.availability.prediction import (
    YEAR_S,
    Calibration,
    Change,
    CutSet,
    CutSets,
    Measurement,
    Money,
    Part,
    Prediction,
    RegionUptime,
    Survival,
    Uptime,
    Weight,
)
from bascule.availability.recovery import Parts, length_s, recoveries
from bascule.availability.simulation.months import Months
from bascule.availability.simulation.simulating import simulate
from bascule.availability.strategies import Choice, choose
from bascule.availability.structure import Structure, fatal
from bascule.availability.trees import importance, solving
from bascule.availability.trees.cut_sets import of_solved
from bascule.availability.uptime import uptime
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.system.model import System
from bascule.system.reach import reached
from bascule.system.scenario import Scope

Expired = Callable[[], bool]
MINUTES_PER_YEAR = 525_960
MOST_SHOWN = 20
MEANS_NOTHING = 1e-15
"""A change that saves a smaller share of time than this is none: it is the noise of the arithmetic."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prediction is asked for.

    Attributes:
        allow: Gives a time limit in seconds: the answer says whether it is over. Here, because decisions know no clock.
        limit_s: How long each question may take: solving, changes, simulation.
        months: How many months are simulated; 0 for none.
        shown: How many cut sets and changes are listed.
        engine: Which library solves the structure.
        on_progress: Told the share of the simulation that is done.
    """

    allow: Callable[[float], Expired]
    limit_s: float = 10.0
    months: int = 0
    seed: int = 1
    shown: int = MOST_SHOWN
    engine: solving.Engine = "own"
    on_progress: Callable[[float], None] | None = None


@dataclass(slots=True)
class Predicting:
    """One system being predicted."""

    system: System
    figures: Mapping[str, Figures]
    measured: Mapping[str, Measured]
    asked: Asked
    assumptions: Assumptions = field(init=False)
    structure: Structure = field(init=False)
    solution: solving.Solution = field(init=False)

    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.assumptions = assume(self.system, self.figures, self.measured)
        self.structure = translation.total(self.system, self.assumptions)
        self.solution = self._solve(self.structure)

    def _solve(self, structure: Structure) -> solving.Solution:
        return solving.solve(structure, expired=self.asked.allow(self.asked.limit_s), engine=self.asked.engine)

    def _uptime(self, structure: Structure) -> Uptime:
        solved = self._solve(structure)
        return uptime(solved.upper, solved.lower)

    def whole(self) -> Prediction:
        """The prediction."""
        objective = self.system.objectives.availability
        expected = uptime(self.solution.upper, self.solution.lower)
        budget = 1 - objective.target.fraction
        months = self._months()
        weights, covering = self._weights()
        places, left_out = self._survival()
        if left_out:
            self.notes.append(f"{left_out} losses of places, pairs of zones first, were left out: too many, or no time")
        changes, untried = self._changes(expected, [one.part for one in weights])
        budget_s = budget * objective.window.seconds
        return Prediction(
            system=self.system.system,
            uptime=expected,
            full=self._full(),
            method=f"{self._method()}{covering}",
            target=objective.target.fraction,
            window_s=objective.window.seconds,
            budget_s=budget_s,
            meets=meets(expected, budget),
            regions=tuple(self._regions()),
            weights=weights,
            single_points=self._single_points(),
            cut_sets=self._cut_sets(),
            survival=places,
            recovery=recoveries(self.system, self.assumptions, self._failovers()),
            changes=changes,
            untried=untried,
            strategies=self._strategies(),
            assumptions=self.assumptions.listed,
            warnings=(*self.notes, *self.assumptions.warnings),
            not_reached=self._not_reached(),
            measured=self._measured(),
            currency=self.system.costs.currency if self.system.costs is not None else "",
            money=self._money(expected),
            calibration=self._calibration(),
            months=months,
            window_probability=months.probability_within(budget_s) if months is not None else None,
        )

    def _full(self) -> Uptime | None:
        """Soft needs count too: what users have when nothing at all is missing."""
        soft = any(
            need.kind == "soft"
            for name in reached(self.system)
            if name in self.system.components
            for need in self.system.components[name].needs.values()
        )
        return self._uptime(translation.degraded(self.system, self.assumptions)) if soft else None

    def _method(self) -> str:
        solved = self.solution
        if solved.method == "bounds":
            return f"rigorous bounds: the structure could not be solved exactly within {self.asked.limit_s:g} s"
        return f"exact, by a binary decision diagram ({solved.method}, {solved.nodes} nodes)"

    def _regions(self) -> list[RegionUptime]:
        entry = self.system.components[self.system.workload.through]
        serving = dict.fromkeys(self.system.region_of(zone) for zone, count in entry.replicas.items() if count)
        asked = ((name, translation.in_region(self.system, self.assumptions, name)) for name in serving)
        return [RegionUptime(region=name, uptime=self._uptime(one)) for name, one in asked if one is not None]

    def _weights(self) -> tuple[tuple[Weight, ...], str]:
        """The importance of each part, the largest improvement first, and how Fussell-Vesely was had."""
        if self.solution.solved is None:
            self.notes.append("importances and minimal cut sets are not known, for only bounds of the availability are")
            return (), ""
        kinds = {event.part: event.kind for event in self.structure.events.values()}
        found = importance.of(self.solution.solved, self.structure.events, expired=self.asked.allow(self.asked.limit_s))
        weights = [
            Weight(
                part=one.name,
                kind=kinds[one.name] if kinds[one.name] in {"zone", "region", "service"} else "component",
                birnbaum=one.birnbaum,
                criticality=one.criticality,
                fussell_vesely=one.fussell_vesely,
                raw=one.risk_achievement,
                rrw=one.risk_reduction,
                potential_s=one.improvement * YEAR_S,
            )
            for one in found.parts
        ]
        told = {
            "exact": "; Fussell-Vesely exact",
            "rare-event": "; Fussell-Vesely by the rare-event approximation, which may be too high",
            "none": "; Fussell-Vesely not known",
        }
        ordered = tuple(sorted(weights, key=lambda one: (-one.potential_s, one.part)))
        return ordered, told[found.fussell_vesely]

    def _single_points(self) -> tuple[str, ...]:
        """What takes the system down alone; failovers and common causes are no things that could be doubled."""
        return fatal(self.structure, frozenset(), survival.things(self.structure))

    def _cut_sets(self) -> CutSets:
        """The minimal cut sets; none where the structure could not be solved, or they cannot be held."""
        if self.solution.solved is None:
            return CutSets(count=None, by_order={}, shown=())
        try:
            found = of_solved(self.solution.solved, expired=self.asked.allow(self.asked.limit_s))
        except InputError as error:
            self.notes.append(f"minimal cut sets are not known: {error.what}")
            return CutSets(count=None, by_order={}, shown=())
        total = self.solution.unavailability
        shown = tuple(
            CutSet(events=one.events, probability=one.probability, share=one.probability / total if total else 0.0)
            for one in found.top(self.asked.shown).sets
        )
        return CutSets(count=found.count, by_order=found.by_order, shown=shown)

    def _survival(self) -> tuple[tuple[Survival, ...], int]:
        needed = {name: one.needed for name, one in self.assumptions.components.items()}
        return survival.survivals(self.system, self.structure, needed, self.asked.allow(self.asked.limit_s))

    def _failovers(self) -> Parts:
        """What each failover is made of, where its engine knows and no other figure counts before its own."""
        found: dict[str, tuple[Part, ...]] = {}
        known = [(name, one.parts) for name, one in self.figures.items()]
        for name, parts in (*known, *((name, one.parts) for name, one in self.measured.items())):
            told = tuple(Part(name=f"{name}: {what}", seconds=time.seconds) for what, time in parts)
            if told and math.isclose(length_s(told), self.assumptions.components[name].failover_s):
                found[name] = told
        return found

    def _changes(self, expected: Uptime, order: Sequence[str]) -> tuple[tuple[Change, ...], int]:
        """What each single change saves, the best first; and for how many there was no time."""
        expired = self.asked.allow(self.asked.limit_s)
        found: list[Change] = []
        untried = 0
        per_minute = self._per_minute()
        for variant in whatif.variants(self.system, self.assumptions, order):
            if expired():
                untried += 1
                continue
            after = self._after(variant)
            if after is None:
                untried += 1
                continue
            saved_s = expected.per_year_s - after.per_year_s
            gain = None
            if per_minute is not None and variant.cost_per_year:
                gain = saved_s / 60 * per_minute / variant.cost_per_year
            if abs(saved_s) > MEANS_NOTHING * YEAR_S:
                found.append(
                    Change(
                        change=variant.change,
                        kind=variant.kind,
                        uptime=after,
                        saved_s=saved_s,
                        cost_per_year=variant.cost_per_year,
                        gain_per_cost=gain,
                    )
                )
        return tuple(sorted(found, key=lambda one: -one.saved_s)), untried

    def _after(self, variant: whatif.Variant) -> Uptime | None:
        """What a change would give; None where it cannot be solved."""
        try:
            changed = assume(variant.system, self.figures, self.measured)
            return self._uptime(translation.total(variant.system, changed))
        except InputError:
            return None

    def _months(self) -> Months | None:
        if not self.asked.months:
            return None
        try:
            return simulate(
                self.structure,
                months=self.asked.months,
                month_s=self.system.objectives.availability.window.seconds,
                seed=self.asked.seed,
                expired=self.asked.allow(self.asked.limit_s),
                on_progress=self.asked.on_progress,
            )
        except InputError as error:
            self.notes.append(f"no months were simulated: {error.what}")
            return None

    def _strategies(self) -> tuple[Choice, ...]:
        """What would meet the RTO and RPO that are promised for the largest loss that has a promise."""
        promised = self.system.objectives.disruptions
        scopes: tuple[Scope, ...] = ("region", "zone")
        scope = next((one for one in scopes if one in promised), None)
        if scope is None:
            return ()
        costs = self.system.costs
        yearly = costs.infrastructure_per_year if costs is not None else None
        return choose(promised[scope].rto, promised[scope].rpo, yearly)

    def _not_reached(self) -> tuple[str, ...]:
        served = set(reached(self.system))
        return tuple(name for name in self.system.components if name not in served)

    def _measured(self) -> tuple[Measurement, ...]:
        """Each measured figure beside what would have been taken without it, and whether it was taken."""
        without = assume(self.system, self.figures, {})
        found: list[Measurement] = []
        for name, one in self.measured.items():
            before, after = without.components[name], self.assumptions.components[name]
            if one.failover_s is not None:
                found.append(
                    Measurement(
                        of=name,
                        figure="failover",
                        assumed=str(Duration(before.failover_s)),
                        measured=str(Duration(round(one.failover_s.estimate, 3))),
                        bounds=_bounds(one.failover_s),
                        source=one.source,
                        used=after.failover_s != before.failover_s,
                    )
                )
            found.append(
                Measurement(
                    of=name,
                    figure="coverage",
                    assumed=f"{before.coverage:.4%}",
                    measured=f"{one.recovered.estimate:.4%}",
                    bounds=f"{one.recovered.low:.2%} to {one.recovered.high:.2%}; {after.coverage:.4%} is taken",
                    source=one.source,
                    used=after.coverage != before.coverage,
                )
            )
        return tuple(found)

    def _calibration(self) -> Calibration | None:
        """The availability without what drills measured, and at the bounds of it; None without drills."""
        if not self.measured:
            return None
        ends = [{name: one.at(good=good) for name, one in self.measured.items()} for good in (True, False)]
        told = [
            self._uptime(translation.total(self.system, assume(self.system, self.figures, measured)))
            for measured in ({}, *ends)
        ]
        return Calibration(without=told[0], best=told[1], worst=told[2])

    def _per_minute(self) -> float | None:
        costs = self.system.costs
        if costs is None:
            return None
        if costs.downtime_per_minute is not None:
            return costs.downtime_per_minute
        return costs.revenue_per_year / MINUTES_PER_YEAR * costs.impact if costs.revenue_per_year is not None else None

    def _money(self, expected: Uptime) -> Money | None:
        per_minute = self._per_minute()
        if per_minute is None or self.system.costs is None:
            return None
        yearly = per_minute * expected.per_year_s / 60
        return Money(currency=self.system.costs.currency, per_minute=per_minute, per_year=yearly)


def _bounds(measured: Bounds) -> str:
    """Between which times the median is, as far as so many trials tell."""
    if measured.low <= 0 and not math.isfinite(measured.high):
        return "too few trials for any"
    low = f"{measured.low:.3g} s" if measured.low > 0 else "not known"
    high = f"{measured.high:.3g} s" if math.isfinite(measured.high) else "not known"
    return f"{low} to {high}"


def meets(expected: Uptime, budget: float) -> bool | None:
    """Whether the expected availability is at least the target; None when its bounds lie on both sides."""
    if expected.unavailability <= budget:
        return True
    return False if expected.lower > budget else None


def predict(
    system: System, figures: Mapping[str, Figures], measured: Mapping[str, Measured], asked: Asked
) -> Prediction:
    """Everything that can be said of a system's availability.

    Args:
        system: A checked one.
        figures: The typical figures of its components, from their engines.
        measured: What drills measured, by component.
        asked: How long it may take, and what it should contain.

    Raises:
        InputError: A service is like one that the catalogue does not have, or a figure is out of its range.
    """
    return Predicting(system, figures, measured, asked).whole()
