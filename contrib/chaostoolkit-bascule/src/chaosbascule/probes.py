"""What can be asked of a system that runs in a lab, of the faults in it, and of a drill's verdict."""

import math
from pathlib import Path

from bascule.drill.render_json import from_json
from bascule.drill.report import Report
from bascule.kernel.errors import InputError
from chaosbascule import course

__all__ = [
    "all_witnessed",
    "fault_acts",
    "injected",
    "is_served",
    "is_whole",
    "measure",
    "members",
    "primary",
    "verdict",
]


def is_served(lab: str) -> bool:
    """Whether a client of the system is answered now, within the deadline of its workload, wherever clients may ask.

    Args:
        lab: Directory of a lab that is up.
    """
    return course.present().lab(lab).is_served()


def is_whole(lab: str) -> bool:
    """Whether every member is up and fully part of its component: redundancy is complete.

    Args:
        lab: Directory of a lab that is up.
    """
    return course.present().lab(lab).is_whole()


def primary(lab: str, component: str = "") -> str:
    """Name of the member that is primary; empty when nobody is.

    Args:
        lab: Directory of a lab that is up.
        component: Default: the first one in which anybody is primary.
    """
    return course.present().lab(lab).primary(component)


def members(lab: str) -> dict[str, str]:
    """What every member is now: `whole`, `up` or `down`, by its name.

    Args:
        lab: Directory of a lab that is up.
    """
    seen = course.present().lab(lab).observe()
    return {name: "whole" if one.up and one.whole else "up" if one.up else "down" for name, one in seen.items()}


def fault_acts(lab: str, fault: str = "") -> bool:
    """Whether a fault that this experiment injected acts still: it was seen to, and nobody has undone it.

    Args:
        lab: Directory of the lab.
        fault: Its kind. Default: any.
    """
    return bool(injected(lab, fault))


def injected(lab: str, fault: str = "") -> list[str]:
    """The kinds of the faults that this experiment injected and nobody has undone.

    Args:
        lab: Directory of the lab.
        fault: Only of this kind.
    """
    now = course.present()
    path = Path(lab).absolute()
    known = now.labs.get(path)
    if known is None:
        return []
    mine = [one for one in now.attempts if one.lab == path and one.number and fault in {"", one.kind}]
    return [one.kind for one in mine if known.is_acting(one.number)]


def all_witnessed() -> bool:
    """Whether every fault that this experiment was to inject was seen to act; true as long as there was none.

    Chaos Toolkit goes on when an action fails. With this in the steady state, an experiment whose fault never acted
    does not end as if the system had withstood it.
    """
    return course.present().all_witnessed()


def verdict(run: str = "") -> str:
    """The verdict of a drill: PASS, FAIL, INVALID (the evidence does not suffice) or ABORTED.

    Args:
        run: Directory of a saved drill. Default: the last one that this experiment ran: `NOT RUN` before it,
            `RUNNING` while it runs in the background.
    """
    return _saved(run).outcome if run else course.present().outcome


def measure(name: str, run: str = "", experiment: str = "") -> float:
    """What a drill measured, the worst of its trials: `rto`, `availability_requests`, `incident_p99`, ...

    Args:
        name: As in report.json.
        run: Directory of a saved drill. Default: the last one that this experiment ran.
        experiment: Only of this experiment.
    """
    report = _saved(run) if run else course.present().report
    if report is None:
        raise InputError("no drill has been judged yet", hint="run one first, or name a saved one")
    trials = [one for one in report.trials if one.experiment != "control" and experiment in {"", one.experiment}]
    told = [each for trial in trials for each in trial.verdict.measures if each.name == name]
    values = [each.value for each in told if each.value is not None]
    if not values:
        known = sorted({each.name for trial in trials for each in trial.verdict.measures})
        raise InputError(f"no trial has a measure {name!r}", hint=f"there are {', '.join(known) or 'none'}")
    worst = min(values) if name in {"availability_requests", "goodput"} else max(values)
    if not math.isfinite(worst):
        raise InputError(f"{name} never came to an end", hint="the system was not served again")
    return float(worst)


def _saved(run: str) -> Report:
    path = Path(run) / "report.json"
    if not path.is_file():
        raise InputError("there is no report", where=str(path), hint="give a drill's directory")
    return from_json(path.read_bytes())
