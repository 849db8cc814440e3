"""Backups against what may be lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.audit.system.path import keeps_data, on_the_way, regions_of, replicas
from bascule.kernel.quantities import Duration
from bascule.system.model import Component, System

NIST = "NIST SP 800-34 Rev. 1, section 3.4.2 (backup methods)"
MONTH = Duration(31 * 86400.0)


def _kept(system: System) -> Iterator[tuple[str, Component]]:
    yield from ((name, one) for name, one in on_the_way(system) if keeps_data(one) and one.engine != "etcd")


@rule(
    "BSC-SYS-020",
    "backup-interval-above-rpo",
    severity="high",
    technology="system",
    breaks=("rpo",),
    why="Where nothing else has the data, what came after the last backup is lost. The interval is longer than "
    "what may be lost.",
    fix="Back up at least as often as the RPO says (continuous archiving), or replicate to where the loss does "
    "not reach.",
    source=f"{NIST}; PostgreSQL documentation, 25.3 Continuous Archiving",
)
def backup_interval(estate: Estate) -> Iterator[Found]:
    """A backup interval above the RPO of a loss that no replica survives."""
    system = estate.system
    for name, component in _kept(system) if system is not None else ():
        if component.backup is None or system is None:
            continue
        for scope, promise in system.objectives.disruptions.items():
            if component.backup.every > promise.rpo and not _survives(system, component, scope):
                yield Found(
                    place=estate.place(f"components.{name}.backup.every"),
                    what=f"{component.backup.every} between backups, and after the loss of a {scope} "
                    f"{promise.rpo} may be lost; no replica of {name} survives that",
                    subject=f"component {name}",
                    related=((estate.place(f"objectives.disruptions.{scope}.rpo"), "what was promised"),),
                )


def _survives(system: System, component: Component, scope: str) -> bool:
    """Whether some replica is left after the loss of any one of these."""
    if scope == "region":
        return len(regions_of(system, component)) > 1
    if scope == "zone":
        return sum(1 for count in component.replicas.values() if count) > 1
    return replicas(component) > 1


@rule(
    "BSC-SYS-021",
    "no-backup",
    severity="medium",
    technology="system",
    breaks=("rpo",),
    why="Replicas copy a mistake as faithfully as anything else: a dropped table or an encrypting intruder is on "
    "all of them at once. The file names no backup.",
    fix="Add backup: {every: 1h, off_site: true, restored_every: 30d} to the component.",
    source=f"{NIST}; CISA, Data Backup Options (3-2-1)",
)
def no_backup(estate: Estate) -> Iterator[Found]:
    """A component that keeps data, and no backup."""
    system = estate.system
    for name, component in _kept(system) if system is not None else ():
        if component.backup is None and component.engine != "redis":
            yield Found(
                place=estate.place(f"components.{name}", key=True),
                what=f"{name} keeps data, and nothing says how it is backed up",
                subject=f"component {name}",
            )


@rule(
    "BSC-SYS-022",
    "backup-in-the-region-of-its-data",
    severity="high",
    technology="system",
    breaks=("rpo",),
    why="All replicas and all backups stand in one region, and its loss has a promise. Then both are lost.",
    fix="Keep a copy in another region, and say off_site: true.",
    source="CISA, Data Backup Options (3-2-1); AWS Well-Architected Framework, REL09",
)
def backup_in_one_region(estate: Estate) -> Iterator[Found]:
    """Backups that are not off site, of data in one region, though the loss of a region has a promise."""
    system = estate.system
    if system is None or "region" not in system.objectives.disruptions:
        return
    for name, component in _kept(system):
        backup = component.backup
        if backup is not None and not backup.off_site and len(regions_of(system, component)) == 1:
            yield Found(
                place=estate.place(f"components.{name}.backup"),
                what=f"the backups of {name} are kept in the region of its only replicas",
                subject=f"component {name}",
            )


@rule(
    "BSC-SYS-023",
    "restore-never-rehearsed",
    severity="medium",
    technology="system",
    breaks=("rto", "rpo"),
    why="A backup that was never restored is a hope. How long a restore takes is known only from one.",
    fix="Restore regularly, at least each month, and say restored_every.",
    source="B. Beyer et al., Site Reliability Engineering (2016), ch. 26",
)
def never_restored(estate: Estate) -> Iterator[Found]:
    """A backup whose restore is rehearsed less than once a month, or never."""
    system = estate.system
    for name, component in _kept(system) if system is not None else ():
        backup = component.backup
        if backup is not None and (backup.restored_every is None or backup.restored_every > MONTH):
            often = "never" if backup.restored_every is None else f"every {backup.restored_every}"
            yield Found(
                place=estate.place(f"components.{name}.backup"),
                what=f"a restore of {name} is rehearsed {often}",
                subject=f"component {name}",
            )


RULES = (backup_interval, no_backup, backup_in_one_region, never_restored)
