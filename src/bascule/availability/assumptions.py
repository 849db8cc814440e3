"""The figures that a prediction is made from, each with where it comes from. Pure.

What the system file says counts before what drills measured, that before the engine's typical figures, and those before
what is assumed of any program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from bascule.availability import catalogue
from bascule.availability.figures import TYPICAL, Figures
from bascule.availability.groups import Group
from bascule.availability.measured import Measured
from bascule.kernel.quantities import Duration, Share
from bascule.system.dependability import Reliability, Service
from bascule.system.model import System

FILE = "the system file"
SERVICE_MTTR = Duration(3600.0)
PLACES: tuple[Literal["zone", "region"], ...] = ("zone", "region")


class Assumed(Struct, frozen=True, kw_only=True):
    """What is assumed of one component.

    Attributes:
        replicas: How many there are in all.
        needed: How many of them carry the whole load.
        lost_s: How much acknowledged work a failover may lose, in seconds; None where that is not known.
    """

    name: str
    replicas: int
    needed: int
    redundancy: Literal["active", "standby"]
    mtbf_s: float
    mttr_s: float
    failover_s: float
    coverage: float
    manual_s: float
    beta: float
    crews: int
    lost_s: float | None = None

    def group(self, replicas: int, *, mtbf_s: float | None = None) -> Group:
        """So many of its replicas as a repairable group."""
        return Group(
            replicas=replicas,
            needed=min(self.needed, replicas),
            mtbf_s=self.mtbf_s if mtbf_s is None else mtbf_s,
            mttr_s=self.mttr_s,
            redundancy=self.redundancy,
            failover_s=self.failover_s,
            coverage=self.coverage,
            manual_s=self.manual_s,
            beta=self.beta if replicas > 1 else 0.0,
            crews=self.crews,
        )


class Down(Struct, frozen=True, kw_only=True):
    """How often something that is not replicated is down, and for how long: a zone, a region, a service."""

    mtbf_s: float
    mttr_s: float

    @property
    def unavailability(self) -> float:
        """The share of time in which it is down, for an `mtbf_s` from one failure to the next."""
        return self.mttr_s / self.mtbf_s


class Assumption(Struct, frozen=True, kw_only=True):
    """One figure, as people read it, and where it comes from.

    Attributes:
        of: A component, a service, `zone`, or `region`.
        figure: `mtbf`, `failover`, ...
        value: With its unit.
    """

    of: str
    figure: str
    value: str
    source: str


class Assumptions(Struct, frozen=True, kw_only=True):
    """Everything that a prediction assumes."""

    components: dict[str, Assumed]
    services: dict[str, Down]
    zone: Down
    region: Down
    listed: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()


def assume(system: System, figures: Mapping[str, Figures], measured: Mapping[str, Measured]) -> Assumptions:
    """The figures of every component, service, zone and region.

    Args:
        system: A checked one.
        figures: The typical figures of each component's engine; what is missing there is assumed.
        measured: What drills measured, by component.

    Raises:
        InputError: A service is like one that the catalogue does not have.
    """
    listed: list[Assumption] = []
    warnings: list[str] = []
    components: dict[str, Assumed] = {}
    for name, component in system.components.items():
        if name not in figures:
            warnings.append(f"{name}: nothing is known of the engine {component.engine!r}: its figures are assumptions")
        typical = figures.get(name, TYPICAL)
        chosen = _Chosen(name, component.reliability or Reliability(), typical, measured.get(name))
        components[name] = chosen.assumed(sum(component.replicas.values()))
        listed += chosen.listed
        if typical.remark:
            warnings.append(f"{name}: {typical.remark}")
        if components[name].beta == 0 and components[name].replicas > 1:
            warnings.append(f"{name}: beta is 0: no cause would ever hit two replicas at once, which is never so")
    services = {name: _service(name, service, listed, warnings) for name, service in system.services.items()}
    zone, region = (_place(system, scope, listed) for scope in PLACES)
    return Assumptions(
        components=components,
        services=services,
        zone=zone,
        region=region,
        listed=tuple(listed),
        warnings=tuple(warnings),
    )


class _Chosen:
    """The figures of one component, each from whoever counts most, with a note of who that was."""

    def __init__(self, name: str, given: Reliability, typical: Figures, measured: Measured | None) -> None:
        self.name = name
        self.given = given
        self.typical = typical
        self.measured = measured
        self.listed: list[Assumption] = []

    def _source(self, figure: str) -> tuple[object, str]:
        mine = getattr(self.given, figure)
        if mine is not None:
            return mine, FILE
        drilled = self._drilled(figure)
        if drilled is not None and self.measured is not None:
            return drilled, self.measured.source
        return getattr(self.typical, figure), self.typical.sources[figure]

    def _drilled(self, figure: str) -> Duration | Share | None:
        if self.measured is None:
            return None
        if figure == "coverage":
            return self.measured.coverage(self.typical.coverage)
        return self.measured.failover if figure == "failover" else None

    def _note(self, figure: str, value: object, source: str) -> None:
        self.listed.append(Assumption(of=self.name, figure=figure, value=str(value), source=source))

    def _seconds(self, figure: str) -> float:
        value, source = self._source(figure)
        assert isinstance(value, Duration), f"{figure} is a time"  # noqa: S101 - both structs have the same fields
        self._note(figure, value, source)
        return value.seconds

    def _fraction(self, figure: str) -> float:
        value, source = self._source(figure)
        assert isinstance(value, Share), f"{figure} is a share"  # noqa: S101 - both structs have the same fields
        self._note(figure, value, source)
        return value.fraction

    def assumed(self, replicas: int) -> Assumed:
        """All of them, for so many replicas."""
        typical = self.typical.needed_of(replicas)
        needed = typical if self.given.needed is None else self.given.needed
        source = self.typical.sources["needed"] if self.given.needed is None else FILE
        self._note("needed", f"{needed} of {replicas}", source)
        mine = self.given.redundancy
        self._note("redundancy", mine or self.typical.redundancy, FILE if mine else self.typical.sources["redundancy"])
        if self.given.crews:
            self._note("crews", self.given.crews, FILE)
        return Assumed(
            name=self.name,
            replicas=replicas,
            needed=needed,
            redundancy=self.given.redundancy or self.typical.redundancy,
            mtbf_s=self._seconds("mtbf"),
            mttr_s=self._seconds("mttr"),
            failover_s=self._seconds("failover"),
            coverage=self._fraction("coverage"),
            manual_s=self._seconds("manual"),
            beta=self._fraction("beta"),
            crews=self.given.crews,
            lost_s=self.typical.lost.seconds if self.typical.lost is not None else None,
        )


def _service(name: str, service: Service, listed: list[Assumption], warnings: list[str]) -> Down:
    known = catalogue.service(service.like) if service.like else None
    share, told, basis = service.availability, FILE, service.basis
    if share is None and known is not None:
        share, told, basis = known.predicted, known.label, known.basis
    assert share is not None, "a checked service has one of both"  # noqa: S101 - the rules of system files hold it
    mttr = service.mttr or (known.mttr if known is not None else SERVICE_MTTR)
    if basis == "sla":
        label = (
            known.label
            if known is not None and service.availability is None
            else f"{share} (an SLA: a refund threshold, not a measurement)"
        )
        warnings.insert(0, f"{name}: {label}")
    listed.append(Assumption(of=name, figure="availability", value=str(share), source=f"{told} ({basis})"))
    source = FILE if service.mttr is not None else "assumption: an hour" if known is None else known.mttr_source
    listed.append(Assumption(of=name, figure="mttr", value=str(mttr), source=source))
    down = 1 - share.fraction
    return Down(mtbf_s=mttr.seconds / down if down > 0 else float("inf"), mttr_s=mttr.seconds)


def _place(system: System, scope: Literal["zone", "region"], listed: list[Assumption]) -> Down:
    given = system.outages.get(scope)
    typical = catalogue.OUTAGES[scope]
    mtbf, mttr = (given.mtbf, given.mttr) if given is not None else (typical.mtbf, typical.mttr)
    source = FILE if given is not None else typical.source
    listed.append(Assumption(of=scope, figure="mtbf", value=str(mtbf), source=source))
    listed.append(Assumption(of=scope, figure="mttr", value=str(mttr), source=source))
    return Down(mtbf_s=mtbf.seconds, mttr_s=mttr.seconds)
