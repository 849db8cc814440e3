"""What drills measured, in the words of a prediction: each component's failover, and how often it worked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from bascule.availability.measured import Bounds, Measured
from bascule.cli.report_file import MOST_BYTES, read_report
from bascule.drill.calibrating import gather
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.measure.calibration import Calibrated, decode
from bascule.measure.statistics import clopper_pearson, quantile_bound
from bascule.system.model import System

CONFIDENCE = 0.95
LOSSES = ("-kill", "-loss", "-freeze", "-reboot")
"""How experiments are called that take members away; in others the fault itself lasts, and nobody takes over."""


def measured(system: System, files: Sequence[Path]) -> dict[str, Measured]:
    """What these drills measured of the components of a system, by component.

    Only trials count in which a member of one engine was taken away and clients noticed: the loss of a standby that
    nobody notices is no failover. An engine that several components have tells of none of them.

    Args:
        system: It; drills of a system with another name are refused.
        files: Reports of drills, their directories, or files of `bascule report calibrate`.

    Raises:
        InputError: A file is neither, or of another system, or given twice, or nothing in them is of a failover here.
    """
    entries = [one for file in files for one in _entries(file)]
    others = sorted({one.system for one in entries} - {system.system})
    if others:
        what = f"these drills are of {', '.join(others)}, not of {system.system}"
        raise InputError(what, where="--from", hint="give reports of drills of this system")
    if any(one in entries[:place] for place, one in enumerate(entries)):
        raise InputError("the same drill was given twice", where="--from", hint="give each report once")
    engines = Counter(component.engine for component in system.components.values())
    found: dict[str, Measured] = {}
    for name, component in system.components.items():
        mine = [one for one in entries if one.engine == component.engine and one.experiment.endswith(LOSSES)]
        known = _measured(mine) if engines[component.engine] == 1 else None
        if known is not None:
            found[name] = known
    if files and not found:
        hint = "give drills that take away members of an engine that one component has: primary-kill, host-loss, ..."
        raise InputError("no failover of a component of this system is in these drills", where="--from", hint=hint)
    return found


def _entries(file: Path) -> Iterable[Calibrated]:
    if file.is_dir():
        return gather([read_report(file)]).measured
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file), hint="give a report.json") from error
    if b'"measured"' in text[:4096] and b'"trials"' not in text[:4096]:
        return decode(text).measured
    return gather([read_report(file)]).measured


def _measured(entries: Sequence[Calibrated]) -> Measured | None:
    """What these trials tell of a failover; None when not one was noticed."""
    never = sum(one.times["rto"].never for one in entries)
    samples = [value for one in entries for value in one.times["rto"].samples if value > 0]
    trials = len(samples) + never
    if not trials:
        return None
    counted = "1 trial" if trials == 1 else f"{trials} trials"
    interval = clopper_pearson(len(samples), trials, CONFIDENCE)
    experiments = ", ".join(dict.fromkeys(one.experiment for one in entries))
    return Measured(
        trials=trials,
        failover_s=_mean(samples),
        recovered=Bounds(estimate=len(samples) / trials, low=interval.low, high=interval.high),
        source=f"measured by {counted} ({experiments}) that clients noticed; bounds {CONFIDENCE:.0%} sure",
        parts=_parts(entries, samples),
    )


def _parts(entries: Sequence[Calibrated], rtos: Sequence[float]) -> tuple[tuple[str, Duration], ...]:
    """The mean detection and failover, and what they leave of the mean time for the clients to come back."""
    found: list[float] = []
    for name in ("detection", "failover"):
        values = [value for one in entries if name in one.times for value in one.times[name].samples]
        if not values:
            return ()
        found.append(fmean(values))
    if not rtos or sum(found) > fmean(rtos):
        return ()
    names = ("it was noticed", "another took over", "clients came back")
    return tuple(zip(names, map(Duration, (*found, fmean(rtos) - sum(found))), strict=True))


def _mean(samples: Sequence[float]) -> Bounds | None:
    """The mean of these times, between what bounds their median; infinite where they are too few for that."""
    if not samples:
        return None
    high = quantile_bound(samples, 0.5, CONFIDENCE)
    low = quantile_bound([-value for value in samples], 0.5, CONFIDENCE)
    return Bounds(estimate=fmean(samples), low=0.0 if low is None else -low, high=math.inf if high is None else high)
