"""What drills measured, in the words of a prediction: each component's failover, and how often it worked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from bascule.availability.measured import Bounds, Measured
from bascule.cli.report_file import MOST_BYTES, read_report
from bascule.drill.calibrating import gather
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.measure.calibration import Calibrated, decode
from bascule.measure.statistics import clopper_pearson, quantile_bound, spread
from bascule.system.model import System

CONFIDENCE = 0.95


def measured(system: System, files: Sequence[Path]) -> dict[str, Measured]:
    """What these drills measured of the components of a system, by component.

    Trials count for every component whose engine is that of the member that was hit. Times are those of trials in which
    clients noticed something: the loss of a standby that nobody notices is no failover.

    Args:
        system: It; drills of a system with another name are refused.
        files: Reports of drills, their directories, or files of `bascule report calibrate`.

    Raises:
        InputError: A file is neither, or of another system, or nothing in them is of an engine of this one.
    """
    entries = [one for file in files for one in _entries(file)]
    others = sorted({one.system for one in entries} - {system.system})
    if others:
        what = f"these drills are of {', '.join(others)}, not of {system.system}"
        raise InputError(what, where="--from", hint="give reports of drills of this system")
    by_engine: dict[str, list[Calibrated]] = {}
    for one in entries:
        by_engine.setdefault(one.engine, []).append(one)
    found = {
        name: _measured(by_engine[component.engine])
        for name, component in system.components.items()
        if any(one.judged for one in by_engine.get(component.engine, ()))
    }
    if files and not found:
        hint = "give drills that hit one engine: primary-kill, host-loss, ..."
        raise InputError("nothing in these drills is of an engine of this system alone", where="--from", hint=hint)
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


def _measured(entries: Sequence[Calibrated]) -> Measured:
    judged = sum(one.judged for one in entries)
    never = sum(one.times["rto"].never for one in entries)
    samples = [value for one in entries for value in one.times["rto"].samples if value > 0]
    interval = clopper_pearson(judged - never, judged, CONFIDENCE)
    experiments = ", ".join(dict.fromkeys(one.experiment for one in entries))
    return Measured(
        trials=judged,
        failover_s=_median(samples),
        recovered=Bounds(estimate=(judged - never) / judged, low=interval.low, high=interval.high),
        source=f"measured by {judged} trials ({experiments}), {len(samples)} with an outage; {CONFIDENCE:.0%} sure",
        parts=_parts(entries, samples),
    )


def _parts(entries: Sequence[Calibrated], rtos: Sequence[float]) -> tuple[tuple[str, Duration], ...]:
    """The median detection and failover, and what they leave of the median time for the clients to come back."""
    found: list[float] = []
    for name in ("detection", "failover"):
        measure = spread([value for one in entries if name in one.times for value in one.times[name].samples])
        if measure is None:
            return ()
        found.append(measure.median)
    whole = spread(rtos)
    if whole is None or sum(found) > whole.median:
        return ()
    names = ("it was noticed", "another took over", "clients came back")
    return tuple(zip(names, map(Duration, (*found, whole.median - sum(found))), strict=True))


def _median(samples: Sequence[float]) -> Bounds | None:
    """The median of these times, between the order statistics that bound it; infinite where they are too few."""
    found = spread(samples)
    if found is None:
        return None
    high = quantile_bound(samples, 0.5, CONFIDENCE)
    low = quantile_bound([-value for value in samples], 0.5, CONFIDENCE)
    return Bounds(estimate=found.median, low=0.0 if low is None else -low, high=math.inf if high is None else high)
