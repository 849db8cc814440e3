"""Writes an experiment in outline as a file of experiments, for `bascule drill --experiments`. Pure."""

from __future__ import annotations

import re

from bascule.drill.chaos_toolkit.importing import Imported
from bascule.drill.chaos_toolkit.outline import PlannedFault
from bascule.kernel.quantities import Duration

LONGEST_NAME = 31


def experiments(found: Imported, name: str) -> dict[str, object]:
    """The file's content; empty when it holds no fault, but drills alone.

    Nothing kept Chaos Toolkit from hitting the last healthy member, so nothing does here.
    """
    if not found.outline.faults:
        return {}
    written: dict[str, object] = {"title": found.outline.title}
    if found.outline.description:
        written["about"] = found.outline.description
    if found.command:
        written["steady"] = {"probe": {"command": list(found.command)}}
    written["timeline"] = [_step(each) for each in found.outline.faults]
    written["blast"] = {"last": True}
    return {"experiments": {name: written}}


def name_of(title: str) -> str:
    """A name for the experiment that a system file allows, made from its title."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return re.sub(r"^[^a-z]+", "", words)[:LONGEST_NAME].rstrip("-") or "imported"


def commands(found: Imported, system: str) -> tuple[tuple[str, ...], ...]:
    """The command of each drill that the experiment ran."""
    return tuple(
        (
            *("bascule", "drill", system),
            *(word for name in each.experiments for word in ("--experiment", name)),
            *(("--trials", str(each.trials)) if each.trials != 1 else ()),
            *(("--for", each.hold) if each.hold else ()),
            *(("--experiments", each.timelines) if each.timelines else ()),
        )
        for each in found.outline.drills
    )


def _step(fault: PlannedFault) -> dict[str, object]:
    """One line of the timeline: who is hit stands in `on`, all else in `with`."""
    settings = dict(fault.parameters)
    target = settings.pop("member", None)
    hosts = settings.get("hosts")
    if target is None and isinstance(hosts, list) and hosts:
        target = hosts[0]
        if len(hosts) == 1:
            del settings["hosts"]
    step: dict[str, object] = {"at": str(Duration(fault.at_s))} if fault.at_s else {}
    step |= {"fault": fault.kind}
    step |= {"on": {"member": target}} if target is not None else {}
    step |= {"with": settings} if settings else {}
    return step | ({"for": str(Duration(fault.for_s))} if fault.for_s is not None else {})
