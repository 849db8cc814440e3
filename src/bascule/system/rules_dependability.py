"""What must hold of the figures that predictions are made from. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.kernel.quantities import Duration
from bascule.system.dependability import Reliability, Service
from bascule.system.model import Component, System
from bascule.system.problems import Finding, did_you_mean

MOST = Duration(1_000 * 365.25 * 86400.0)
_MTBF_HINT = "a mean time between failures, like 180d"
_MTTR_HINT = "a mean time to repair, like 1h"


def check(system: System) -> Iterator[Finding]:
    """Everything in these figures that contradicts itself or the system."""
    for name, component in system.components.items():
        yield from _component(f"components.{name}", component)
    for name, service in system.services.items():
        yield from _service(system, name, service)
    for scope, outage in system.outages.items():
        here = f"outages.{scope}"
        yield from _time(f"{here}.mtbf", outage.mtbf, _MTBF_HINT)
        yield from _time(f"{here}.mttr", outage.mttr, _MTTR_HINT)
        if outage.mttr >= outage.mtbf:
            yield Finding(f"{here}.mttr", f"{outage.mttr} is not shorter than the time between two", _MTTR_HINT)
    for name in system.costs.replicas if system.costs is not None else ():
        if name not in system.components:
            hint = did_you_mean(name, system.components)
            yield Finding(f"costs.replicas.{name}", f"unknown component {name!r}", hint, because=("components",))


def _component(here: str, component: Component) -> Iterator[Finding]:
    if component.reliability is not None:
        yield from _reliability(f"{here}.reliability", component, component.reliability)
    if component.backup is not None and component.backup.every.seconds <= 0:
        yield Finding(f"{here}.backup.every", "no backup takes no time", "write it like 24h")
    for other, need in component.needs.items():
        if need.timeout is not None and need.timeout.seconds <= 0:
            yield Finding(f"{here}.needs.{other}.timeout", "no call takes no time", "like 500ms")


def _reliability(here: str, component: Component, given: Reliability) -> Iterator[Finding]:
    for name, hint in (("mtbf", _MTBF_HINT), ("mttr", _MTTR_HINT)):
        value: Duration | None = getattr(given, name)
        if value is not None:
            yield from _time(f"{here}.{name}", value, hint)
    for name, hint in (("failover", "like 30s"), ("manual", "like 30m")):
        value = getattr(given, name)
        if value is not None and value > MOST:
            yield Finding(f"{here}.{name}", f"{value} is too long", hint)
    if given.beta is not None and given.beta.fraction >= 1:
        yield Finding(f"{here}.beta", "then every failure hits all replicas", "below 100%, like 5%")
    count = sum(component.replicas.values())
    if given.needed is not None and given.needed > count:
        what = f"{given.needed} replicas are needed, and there are {count}"
        yield Finding(f"{here}.needed", what, f"at most {count}", because=(here.replace("reliability", "replicas"),))


def _service(system: System, name: str, service: Service) -> Iterator[Finding]:
    here = f"services.{name}"
    if name in system.components:
        yield Finding(here, f"there is a component called {name!r}", "give the service another name")
    if not service.like and service.availability is None:
        hint = "availability: 99.95%, or like: a name that `bascule predict --services` lists"
        yield Finding(here, "nothing says how available it is", hint)
    if service.availability is not None and service.availability.fraction <= 0:
        yield Finding(f"{here}.availability", "it would never be there", "write it like 99.95%")
    if service.mttr is not None:
        yield from _time(f"{here}.mttr", service.mttr, _MTTR_HINT)


def _time(at: str, value: Duration, hint: str) -> Iterator[Finding]:
    if not 0 < value.seconds <= MOST.seconds:
        yield Finding(at, f"{value} cannot be", hint)
