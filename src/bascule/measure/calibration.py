"""What drills measured of a system, as a file that a prediction can take instead of assumptions. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure.statistics import quantile_bounds

FORMAT = 1
MOST_BYTES = 16 * 2**20
MOST_TIMES = 20_000
"""Trials times measures in one file: to check more would take longer than anybody waits."""


class Times(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The times of one measure, in seconds, over all judged trials of an experiment.

    Attributes:
        samples: Finite ones, in the order of the trials.
        never: How many trials ended before it came: longer than any sample.
        unmeasured: How many judged trials do not have it.
        bounds: Upper bounds of quantiles (95 % sure) that so many trials support; those that are never are left out.
    """

    samples: tuple[float, ...]
    never: int = 0
    unmeasured: int = 0
    bounds: dict[str, float] = {}


class Calibrated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One experiment on one system, as one version measured it on one machine.

    Attributes:
        engine: Of the members that were hit; empty when the report does not tell.
        judged: Trials that were PASS or FAIL; only these give times.
        undetermined: Trials that ran and were not judged.
    """

    system: str
    engine: str
    experiment: str
    judged: int
    undetermined: int
    times: dict[str, Times]
    version: str = ""
    kernel: str = ""
    platform: str = ""
    programs: dict[str, str] = {}


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that was measured, one entry for each system, engine, experiment and machine."""

    measured: tuple[Calibrated, ...]
    format: int = FORMAT


def times(values: Sequence[float | None]) -> Times:
    """The times of these trials: infinite never came, None was not measured; nothing is left out."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    finite = tuple(value for value in known if math.isfinite(value))
    bounds = {name: bound for name, bound in quantile_bounds(known).items() if math.isfinite(bound)}
    return Times(samples=finite, never=len(known) - len(finite), unmeasured=len(values) - len(known), bounds=bounds)


def encode(calibration: Calibration) -> bytes:
    """The file's text, which `decode` reads again."""
    return msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n"


def decode(text: bytes) -> Calibration:
    """The calibration in this text, whole and consistent.

    Raises:
        InputError: It is none, of another format, too large, or its numbers contradict each other.
    """
    hint = "give the file that a calibration wrote"
    if len(text) > MOST_BYTES:
        raise InputError(f"larger than {MOST_BYTES >> 20} MiB: this is no calibration", hint=hint)
    try:
        found = msgspec.json.decode(text, type=Calibration)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"not a calibration: {error}", hint=hint) from error
    if found.format != FORMAT:
        raise InputError(f"format {found.format}, not {FORMAT}", hint="read it with the bascule that wrote it")
    for index, one in enumerate(found.measured):
        if one.judged < 0 or one.undetermined < 0:
            raise InputError("a number of trials is negative", where=f"measured[{index}]", hint=hint)
    if sum(one.judged * len(one.times) for one in found.measured) > MOST_TIMES:
        raise InputError(f"more than {MOST_TIMES} times", hint="calibrate from fewer drills")
    for index, one in enumerate(found.measured):
        for name, each in one.times.items():
            _check(each, one.judged, f"measured[{index}].times.{name}")
    return found


def _check(each: Times, judged: int, where: str) -> None:
    hint = "the file was changed or is damaged: write it again from the drills"
    if min(each.never, each.unmeasured, *each.samples, 0) < 0:
        raise InputError("a time or a count is negative", where=where, hint=hint)
    if len(each.samples) + each.never + each.unmeasured != judged:
        raise InputError(f"the samples are not of {judged} judged trials", where=where, hint=hint)
    if each.bounds != times([*each.samples, *[math.inf] * each.never]).bounds:
        raise InputError("the bounds do not follow from the samples", where=where, hint=hint)
