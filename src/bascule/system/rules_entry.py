"""What must hold of the entry: where the address may move, and who says where it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.kernel.quantities import Duration
from bascule.system.model import Entry, System
from bascule.system.problems import Finding, did_you_mean

DEFAULT_TTL = Duration(0.5)
MIN_TTL = Duration(0.1)
MAX_TTL = Duration(3600.0)
TRIPS_PER_TTL = 10
STORES = ("etcd", "postgresql")
_HERE = "workload.entry"
_SAID = (f"{_HERE}.kind", f"{_HERE}.provider")


def check(system: System) -> Iterator[Finding]:
    """Everything in the entry that contradicts itself or the system."""
    entry = system.workload.entry
    if entry is None:
        return
    if entry.kind == "members":
        yield from _means_nothing(entry, ("store", "ttl", "options"), "kind: members", "kind: vip")
        return
    yield from _place(system)
    if entry.provider == "bascule":
        yield from _store(system, entry)
    else:
        yield from _means_nothing(entry, ("store", "ttl"), f"provider: {entry.provider}", "provider: bascule")


def _means_nothing(entry: Entry, names: tuple[str, ...], said: str, instead: str) -> Iterator[Finding]:
    for name in names:
        if getattr(entry, name):
            yield Finding(
                f"{_HERE}.{name}", f"means nothing with {said}", f"remove it, or say {instead}", because=_SAID
            )


def _place(system: System) -> Iterator[Finding]:
    """An address moves within one broadcast domain, which is a zone; and it needs another host to move to."""
    through = system.workload.through
    component = system.components.get(through)
    if component is None:
        return
    zones = [zone for zone, count in component.replicas.items() if count]
    because = (*_SAID, "workload.through", f"components.{through}.replicas")
    if len(zones) > 1:
        what = f"{through} stands in {', '.join(zones)}: an address can move only within one zone"
        hint = f"put all of {through} into one zone; or say kind: members, and let clients know all of them"
        yield Finding(f"{_HERE}.kind", what, hint, because=because)
    elif sum(component.replicas.values()) == 1:
        what = f"{through} has one replica: its address could not move anywhere"
        yield Finding(f"{_HERE}.kind", what, f"give {zones[0]} 2 of them", because=because)


def _store(system: System, entry: Entry) -> Iterator[Finding]:
    at = f"{_HERE}.store"
    known = [name for name, component in system.components.items() if component.engine in STORES]
    because = (*_SAID, "components")
    if not entry.store:
        hint = f"add store: {known[0]}" if known else "add a component with engine: etcd, and name it here"
        yield Finding(at, "is missing: the lease must be kept somewhere", hint, because=because)
    elif entry.store not in system.components:
        yield Finding(at, f"unknown component {entry.store!r}", did_you_mean(entry.store, known), because=because)
    elif entry.store not in known:
        engine = system.components[entry.store].engine
        hint = f"there is {', '.join(known)}" if known else "add a component with engine: etcd"
        yield Finding(at, f"{entry.store} has engine {engine}, which keeps no leases", hint, because=because)
    else:
        yield from _ttl(system, entry)


def _ttl(system: System, entry: Entry) -> Iterator[Finding]:
    at = f"{_HERE}.ttl"
    ttl = entry.ttl if entry.ttl is not None else DEFAULT_TTL
    if not MIN_TTL <= ttl <= MAX_TTL:
        yield Finding(at, f"{ttl} is no lease", f"{MIN_TTL} to {MAX_TTL}")
        return
    if system.workload.through not in system.components:
        return
    trip_s = system.round_trip_s([system.workload.through, entry.store])
    if ttl.seconds < TRIPS_PER_TTL * trip_s:
        least = Duration(TRIPS_PER_TTL * trip_s)
        what = f"{ttl} is less than {TRIPS_PER_TTL} round trips to {entry.store}: the lease would run out by itself"
        yield Finding(at, what, f"write {least} or more", because=("links", "regions", "components"))
