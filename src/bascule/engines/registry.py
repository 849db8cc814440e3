"""Which engines there are, and what a system file asks of them that they cannot do."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from bascule.availability.figures import Figures
from bascule.engines import decoding, entry
from bascule.engines.protocols import Engine, Figured, Finding, Member, Site
from bascule.kernel.errors import InputError
from bascule.system.model import Component, System

GROUP = "bascule.engines"
_OURS: Mapping[str, str] = {
    name: f"bascule.engines.{name}:engine" for name in ("etcd", "postgresql", "haproxy", "redis", "service")
}


@lru_cache(maxsize=1)
def _addresses() -> Mapping[str, str]:
    """Where each engine's instance is: ours, then those that other packages bring under other names."""
    theirs = {point.name: point.value for point in metadata.entry_points(group=GROUP)}
    return {**theirs, **_OURS}


def names() -> tuple[str, ...]:
    """Every engine's name: ours first, then those of other packages."""
    known = _addresses()
    return (*_OURS, *sorted(set(known) - set(_OURS)))


@lru_cache(maxsize=64)
def engine(name: str) -> Engine:
    """The engine of this name.

    Raises:
        InputError: There is none, or another package's cannot be loaded.
    """
    address = _addresses().get(name)
    if address is None:
        raise InputError(f"unknown engine {name!r}", hint=decoding.closest(name, names()))
    module, _, attribute = address.partition(":")
    try:
        found: Engine = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"the engine {name!r} cannot be loaded: {error}", where=address) from error
    return found


def rehearsal(system: System, name: str) -> Site:
    """A site with made-up addresses, as good as a real one to find out which names an engine exports. Pure."""
    members = tuple(
        Member(
            component=each,
            name=f"{each}-{zone}-{index}",
            address=f"127.{component_number}.{zone_number}.{index}",
            zone=zone,
            region=system.region_of(zone),
            index=index,
        )
        for component_number, (each, described) in enumerate(system.components.items(), 1)
        for zone_number, (zone, count) in enumerate(described.replicas.items(), 1)
        for index in range(1, count + 1)
    )
    mine = next((member for member in members if member.component == name), None)
    nobody = Member(component=name, name=name, address="127.0.0.1", zone="", region="", index=0)
    return Site(
        system=system,
        component=system.components[name],
        member=mine or nobody,
        directory=Path("/nowhere"),
        members=members,
        secrets={},
        programs={},
    )


def figures(system: System) -> dict[str, Figures]:
    """What is typical of each component whose engine knows it, by component; others are left out."""
    known = set(names())
    found: dict[str, Figures] = {}
    for name, component in system.components.items():
        theirs: object = engine(component.engine) if component.engine in known else None
        if isinstance(theirs, Figured):
            found[name] = theirs.figures(system, name)
    return found


def check_system(system: System) -> tuple[Finding, ...]:
    """Everything that the engines find wrong in a system whose parts are consistent, in the file's order; never raises.

    A component's own checks run only once all engines and options can be read: they look at each other.
    """
    findings: list[Finding] = []
    for name, component in system.components.items():
        findings += _check_options(name, component)
    if not findings:
        for name, component in system.components.items():
            findings += engine(component.engine).check(system, name)
        findings += entry.check(system, engine)
    return tuple(findings)


def _check_options(name: str, component: Component) -> list[Finding]:
    try:
        kind = engine(component.engine).options
    except InputError as error:
        return [Finding(path=f"components.{name}.engine", what=error.what, hint=error.hint)]
    return decoding.decode(component.options, kind, f"components.{name}.options")[1]
