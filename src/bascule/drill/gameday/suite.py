"""The file of a game day: which experiments are run on what, when, and where it is remembered.

::

    system: bascule.yaml
    experiments: [primary-kill, host-loss]
    trials: 3
    calendar:
      every: tuesday at 10:00
      zone: Europe/Paris
      not_before: 09:00
      not_after: 17:00
      blackout:
        - {on: 12-25, because: Christmas}
        - {from: 2026-12-18, until: 2027-01-04, because: change freeze}
    history: gameday.sqlite
    keep: 20
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from bascule.drill.gameday.calendar import Closed, Plan, parse_closed, parse_rule, parse_time
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.system import Finding, load_as

LEAST_LATE_S = 60.0


class Blackout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When no game day begins.

    Attributes:
        on: One day: `2026-12-25`, or `12-25` of every year.
        begin: `from` this day or time; with `until`.
        until: Until this time, or to the end of this day.
        because: Shown where a date falls out.
    """

    on: str = ""
    begin: str = field(default="", name="from")
    until: str = ""
    because: str = ""


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When game days are held.

    Attributes:
        every: The rule: `tuesday at 10:00`, `first monday of the month at 14:00`.
        zone: Of all times here: `Europe/Paris`, `UTC`.
        not_before, not_after: The hours in which one may begin.
        late: One that could not begin for so long is missed.
        blackout: When none is held.
    """

    every: str
    zone: str
    not_before: str = "00:00"
    not_after: str = "23:59"
    late: Duration = Duration(3600.0)
    blackout: tuple[Blackout, ...] = ()


class SuiteFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A game day's file as it is written.

    Attributes:
        system: The system file; relative to this file.
        experiments: Names, as `bascule drill --experiment` takes them.
        trials: How often each.
        history: The SQLite file; relative to this file. Default: this file's name with `.sqlite`.
        keep: So many directories of runs are kept; what the history says of older ones stays.
    """

    system: str
    experiments: Annotated[tuple[str, ...], Meta(min_length=1)]
    calendar: Calendar
    trials: Annotated[int, Meta(ge=1, le=1000)] = 1
    history: str = ""
    keep: Annotated[int, Meta(ge=1, le=100000)] = 20


class Suite(Struct, frozen=True, kw_only=True):
    """A game day's file, checked, with its paths made out.

    Attributes:
        runs: The directory below which each run gets one.
    """

    file: Path
    system: Path
    experiments: tuple[str, ...]
    trials: int
    plan: Plan
    zone: str
    late_s: float
    history: Path
    runs: Path
    keep: int


def load_suite(path: Path) -> Suite:
    """Read the file of a game day.

    Raises:
        SystemFileError: With every problem of the file, each at its place.
        InputError: The file cannot be read at all.
    """
    read = load_as(path, SuiteFile, lambda found: _findings(found, path))
    history = _beside(path, read.history) if read.history else path.with_suffix(".sqlite")
    return Suite(
        file=path,
        system=_beside(path, read.system),
        experiments=read.experiments,
        trials=read.trials,
        plan=_plan(read.calendar),
        zone=read.calendar.zone,
        late_s=read.calendar.late.seconds,
        history=history,
        runs=history.with_name(f"{history.stem}-runs"),
        keep=read.keep,
    )


def _beside(file: Path, name: str) -> Path:
    try:
        path = file.parent / Path(name).expanduser()
    except RuntimeError:
        raise InputError(f"nobody is called {name[:40]!r} here", hint="write the path out") from None
    if path.name in {"", ".", ".."} or path == file.parent:
        raise InputError("is no file's name", hint="write it like gameday.sqlite")
    return path


def _plan(calendar: Calendar) -> Plan:
    return Plan(
        rule=parse_rule(calendar.every),
        zone=_zone(calendar.zone),
        not_before=parse_time(calendar.not_before),
        not_after=parse_time(calendar.not_after).replace(second=59, microsecond=999_999),
        closed=tuple(_closed(one) for one in calendar.blackout),
    )


def _closed(one: Blackout) -> Closed:
    return parse_closed(one.on, one.begin, one.until, one.because)


def _zone(name: str) -> ZoneInfo:
    hint = "write it like Europe/Paris or UTC; the zones come from the system's package tzdata"
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"there is no time zone {name[:40]!r}", hint=hint) from None


def _findings(found: SuiteFile, file: Path) -> Iterator[Finding]:
    """What is wrong with the values, each at its path."""
    calendar = found.calendar
    tried: list[tuple[str, Callable[[], object]]] = [
        ("system", lambda: _beside(file, found.system)),
        ("history", lambda: _beside(file, found.history or "history")),
        ("calendar.every", lambda: parse_rule(calendar.every)),
        ("calendar.zone", lambda: _zone(calendar.zone)),
        ("calendar.not_before", lambda: parse_time(calendar.not_before)),
        ("calendar.not_after", lambda: parse_time(calendar.not_after)),
    ]
    for at, one in enumerate(calendar.blackout):
        tried.append((f"calendar.blackout[{at}]", lambda one=one: _closed(one)))  # type: ignore[misc]  # binds this one
    wrong = [Finding(path, said.what, said.hint) for path, attempt in tried if (said := _refused(attempt))]
    yield from wrong
    if not any(one.path.startswith("calendar") for one in wrong):
        yield from _hours(calendar)
    for at, name in enumerate(found.experiments):
        if name in found.experiments[:at]:
            yield Finding(f"experiments[{at}]", "is named twice", "`trials` repeats every experiment")


def _hours(calendar: Calendar) -> Iterator[Finding]:
    plan = _plan(calendar)
    because = ("calendar.not_before", "calendar.not_after")
    if calendar.late.seconds < LEAST_LATE_S:
        hint = "what asks whether a date has come does so every few minutes"
        yield Finding("calendar.late", f"{calendar.late} is less than a minute", hint)
    if plan.not_after < plan.not_before:
        yield Finding("calendar.not_after", "is before not_before", "the hours are those of one day", because)
    elif not plan.not_before <= plan.rule.at <= plan.not_after:
        hint = "no game day would ever be held: move it, or the hours"
        yield Finding("calendar.every", f"{plan.rule.at:%H:%M} is outside the hours", hint, because)


def _refused(attempt: Callable[[], object]) -> InputError | None:
    try:
        attempt()
    except InputError as error:
        return error
    return None
