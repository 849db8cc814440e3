"""Writes an experiment in Chaos Toolkit's format, so that it ends with everything undone. Pure.

Source: the Chaos Toolkit's reference, "The Chaos Toolkit experiment format".
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill, PlannedFault

LAB = "${bascule_lab}"
SYSTEM = "${bascule_system}"
HOLD_S = 10.0
"""How long a fault acts for which nothing else is said."""
Activity = dict[str, Any]


def experiment(outline: Outline, *, lab: str, system: str) -> dict[str, Any]:
    """The experiment as Chaos Toolkit reads it; its rollbacks are played whatever happens.

    The lab and the system file stand in its configuration, so that `--var bascule_lab=...` names another lab.

    Args:
        outline: What is to be done.
        lab: Directory of the lab; its control makes one there if none is up, and ends it then.
        system: The system file.
    """
    return {
        "version": "1.0.0",
        "title": outline.title,
        "description": outline.description,
        "tags": ["bascule", *dict.fromkeys(each.kind for each in outline.faults)],
        "configuration": {"bascule_lab": lab, "bascule_system": system},
        "runtime": {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "default"}},
        "controls": [
            {
                "name": "bascule-leaves-nothing-behind",
                "provider": {
                    "type": "python",
                    "module": "chaosbascule.control",
                    "arguments": {"lab": LAB, "system": SYSTEM, **dict.fromkeys(outline.abilities, True)},
                },
            }
        ],
        "steady-state-hypothesis": {"title": "The system keeps its promise", "probes": _steady_state(outline)},
        "method": _method(outline),
        "rollbacks": [
            _activity("action", "undo everything", "undo", lab=LAB),
            _activity("action", "wait until every member is whole", "wait_whole", lab=LAB, limit_s=60),
        ],
    }


def _steady_state(outline: Outline) -> list[Activity]:
    probes = []
    if outline.served:
        probes.append({**_activity("probe", "a client is answered", "is_served", lab=LAB), "tolerance": True})
    if outline.whole:
        probes.append({**_activity("probe", "every member is whole", "is_whole", lab=LAB), "tolerance": True})
    if outline.faults:
        probes.append({**_activity("probe", "every fault was seen to act", "all_witnessed"), "tolerance": True})
    if outline.drills:
        kept = _provider("chaosbascule.tolerances", "promise_kept", {"value": ""})
        tolerance = {"type": "probe", "name": "the promise is kept", "provider": kept}
        probes.append({**_activity("probe", "the verdict of the drill", "verdict"), "tolerance": tolerance})
    return probes


def _method(outline: Outline) -> list[Activity]:
    if outline.drills:
        return [_drill(each) for each in outline.drills]
    if len(outline.faults) == 1 and not outline.faults[0].at_s:
        return _alone(outline.faults[0])
    return _timeline(outline)


def _drill(planned: PlannedDrill) -> Activity:
    said: dict[str, object] = {"system": SYSTEM, "lab": LAB, "experiments": list(planned.experiments)}
    said |= {"trials": planned.trials} if planned.trials != 1 else {}
    said |= {"hold": planned.hold} if planned.hold else {}
    said |= {"timelines": planned.timelines} if planned.timelines else {}
    named = f"drill: {', '.join(planned.experiments)}"
    return {**_activity("action", named, "drill", **said), **_pause(before=planned.at_s)}


def _alone(planned: PlannedFault) -> list[Activity]:
    """It acts while the steady state is looked at again; the rollbacks undo it."""
    hold_s = HOLD_S if planned.for_s is None else planned.for_s
    return [
        {**_inject(planned), **_pause(after=hold_s)},
        _activity("probe", f"{planned.kind} still acts", "fault_acts", lab=LAB, fault=planned.kind),
    ]


def _timeline(outline: Outline) -> list[Activity]:
    """Each fault in the background, at its time; the steady state is looked at after the last of them."""
    method = []
    ends_s = 0.0
    for planned in outline.faults:
        said = {} if planned.for_s is None else {"hold_s": planned.for_s}
        method.append({**_inject(planned, **said), "background": True, **_pause(before=planned.at_s)})
        ends_s = max(ends_s, planned.at_s + (HOLD_S if planned.for_s is None else planned.for_s))
    held = _activity("probe", "what acts at the end", "injected", lab=LAB)
    return [*method, {**held, **_pause(before=ends_s)}]


def _inject(planned: PlannedFault, **more: object) -> Activity:
    aim = ", ".join(_word(value) for value in planned.parameters.values())
    said = {"fault": planned.kind, "lab": LAB, "parameters": dict(planned.parameters), **more}
    return _activity("action", f"{planned.kind}: {aim}", "inject", **said)


def _activity(kind: str, name: str, function: str, /, **arguments: object) -> Activity:
    provider = _provider(f"chaosbascule.{kind}s", function, arguments)
    return {"type": kind, "name": name, "provider": provider}


def _provider(module: str, function: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    return {"type": "python", "module": module, "func": function, "arguments": dict(arguments)}


def _word(value: object) -> str:
    """A parameter's value as on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _pause(**seconds: float) -> dict[str, Any]:
    given = {when: value for when, value in seconds.items() if value}
    return {"pauses": given} if given else {}


def outline_of_experiment(name: str, about: str, planned: PlannedDrill, *, system: str) -> Outline:
    """A drill's experiment in outline: the drill judges, from the client's side."""
    return Outline(
        title=f"{system}: {name}",
        description=f"{about[:1].upper()}{about[1:]}. The verdict is drawn from what clients saw.",
        drills=(planned,),
    )


def outline_of_fault(planned: PlannedFault, does: str, seen_by: str, *, system: str) -> Outline:
    """One fault in outline: clients are to be answered while it acts."""
    words = shlex.join([planned.kind, *(f"{key}={_word(value)}" for key, value in planned.parameters.items())])
    return Outline(
        title=f"{system}: {words}",
        description=f"{does}. It is seen to act when {seen_by}; clients are to be answered while it does.",
        faults=(planned,),
    )
