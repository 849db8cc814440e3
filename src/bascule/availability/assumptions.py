"""The figures that a prediction is made from, each with where it comes from. Pure.

What the system file says counts before what drills measured, that before the engine's typical figures, and those before
what is assumed of any program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from bascule.availability import catalogue
from bascule.availability.figures import Figures
from bascule.availability.groups import Group
from bascule.availability.measured import Measured
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Share
from bascule.system.dependability import Reliability, Service
from bascule.system.model import System
from bascule.system.problems import did_you_mean

FILE = "the system file"
BETA = Share(0.05)
BETA_SOURCE = "assumption: 5% of failures hit all replicas at once (IEC 61508-6 gives 1% to 10%)"


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
    for name in system.components:
        typical = figures.get(name)
        if typical is None:
            warnings.append(f"{name}: nothing is known of the engine {system.components[name].engine!r}: assumed")
        assumed, told = _component(system, name, typical or Figures.of_any_program(), measured.get(name))
        components[name] = assumed
        listed += told
        if assumed.beta == 0 and assumed.replicas > 1:
            warnings.append(f"{name}: beta is 0: no cause ever hits two replicas at once, which is never so")
    services = {name: _service(name, service, listed, warnings) for name, service in system.services.items()}
    zone, region = (_place(system, scope, listed) for scope in ("zone", "region"))
    return Assumptions(
        components=components,
        services=services,
        zone=zone,
        region=region,
        listed=tuple(listed),
        warnings=tuple(warnings),
    )


def _component(
    system: System, name: str, typical: Figures, measured: Measured | None
) -> tuple[Assumed, list[Assumption]]:
    component = system.components[name]
    given = component.reliability or Reliability()
    count = sum(component.replicas.values())
    told: list[Assumption] = []

    def chosen(figure: str, mine: object, drilled: object = None) -> object:
        value, source = typical.typical(figure)
        if drilled is not None and measured is not None:
            value, source = drilled, measured.source
        if mine is not None:
            value, source = mine, FILE
        told.append(Assumption(of=name, figure=figure, value=str(value), source=source))
        return value

    def seconds(figure: str, mine: Duration | None, drilled: Duration | None = None) -> float:
        value = chosen(figure, mine, drilled)
        assert isinstance(value, Duration), f"{figure} is a time"  # noqa: S101 - a contract with the engines' figures
        return value.seconds

    needed = given.needed if given.needed is not None else _needed(typical, count)
    told.append(_needed_told(name, given, typical, needed, count))
    redundancy = given.redundancy or typical.redundancy
    coverage = chosen("coverage", given.coverage, measured.coverage if measured else None)
    assert isinstance(coverage, Share), "a coverage is a share"  # noqa: S101 - a contract with the engines' figures
    beta = given.beta if given.beta is not None else BETA
    told.append(Assumption(of=name, figure="beta", value=str(beta), source=FILE if given.beta else BETA_SOURCE))
    assumed = Assumed(
        name=name,
        replicas=count,
        needed=needed,
        redundancy=redundancy,
        mtbf_s=seconds("mtbf", given.mtbf),
        mttr_s=seconds("mttr", given.mttr),
        failover_s=seconds("failover", given.failover, measured.failover if measured else None),
        coverage=coverage.fraction,
        manual_s=seconds("manual", given.manual),
        beta=beta.fraction,
        crews=given.crews,
        lost_s=typical.lost.seconds if typical.lost is not None else None,
    )
    return assumed, told


def _needed(typical: Figures, count: int) -> int:
    return {"one": 1, "majority": count // 2 + 1, "all": count}[typical.needed]


def _needed_told(name: str, given: Reliability, typical: Figures, needed: int, count: int) -> Assumption:
    source = FILE if given.needed is not None else f"the engine: {typical.needed}"
    return Assumption(of=name, figure="needed", value=f"{needed} of {count}", source=source)


def _service(name: str, service: Service, listed: list[Assumption], warnings: list[str]) -> Down:
    known = catalogue.SERVICES.get(service.like)
    if service.like and known is None:
        hint = did_you_mean(service.like, catalogue.SERVICES)
        raise InputError(f"unknown service {service.like!r}", where=f"services.{name}.like", hint=hint)
    share, source, basis = service.availability, FILE, service.basis
    if share is None and known is not None:
        share, source, basis = known.availability, known.source, known.basis
    assert share is not None, "a checked service has one of both"  # noqa: S101 - the rules of system files hold it
    mttr = service.mttr or (known.mttr if known is not None else catalogue.SERVICE_MTTR)
    if basis == "sla":
        warnings.append(f"{name}: {share} is a refund threshold of its provider, not a measurement")
    label = "refund threshold (SLA)" if basis == "sla" else basis
    listed.append(Assumption(of=name, figure="availability", value=str(share), source=f"{source}; {label}"))
    listed.append(Assumption(of=name, figure="mttr", value=str(mttr), source=FILE if service.mttr else source))
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


def with_component(assumptions: Assumptions, name: str, changed: Assumed) -> Assumptions:
    """The same, but for one component."""
    return replace(assumptions, components={**assumptions.components, name: changed})


def sources(assumptions: Iterable[Assumption]) -> tuple[str, ...]:
    """Each source once, in the order in which they are first used."""
    return tuple(dict.fromkeys(one.source for one in assumptions))
