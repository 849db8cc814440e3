"""On which dates game days are held: a rule, the hours of work, and what stands against a date. Pure.

A date is a time on the wall in one zone. One that the clocks leave out when they go forward is held as much later as
they go forward (RFC 5545, 3.3.5); one that they show twice is held once, the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from bascule.kernel.errors import InputError

EXAMPLE = "tuesday at 10:00"
MOST_DAYS = 3700
"""So far ahead dates are looked for: ten years."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = {"day": range(7), "weekday": range(5), **{name: (at,) for at, name in enumerate(DAYS)}}
_ORDINALS = {"": 0, "first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_PERIODS = {"": 1, "month": 1, "quarter": 3}
_RULE = re.compile(
    r"(?:every )?(?:(?P<ordinal>first|second|third|fourth|last) )?(?P<days>[a-z]+(?:(?:, ?| and )[a-z]+)*)"
    r"(?: of (?:the|every|each) (?P<period>month|quarter))? at (?P<at>\S+)"
)
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})(?:[ T](\S+))?")


class Rule(Struct, frozen=True, kw_only=True):
    """Which days of the calendar, and when on them.

    Attributes:
        days: Of the week, Monday is 0.
        ordinal: 1 to 4 for the first to the fourth of them in each period, -1 for the last, 0 for each.
        months: How long a period is: 1, or 3 for a quarter of a year.
    """

    days: tuple[int, ...]
    at: time
    ordinal: int = 0
    months: int = 1


class Closed(Struct, frozen=True, kw_only=True):
    """A time in which no game day begins: from `begin` until before `end`, on the wall.

    Attributes:
        yearly: Month and day; then it is that day of every year.
    """

    because: str
    begin: datetime | None = None
    end: datetime | None = None
    yearly: tuple[int, int] | None = None

    def covers(self, wall: datetime) -> bool:
        """Whether this time on the wall is within it."""
        if self.yearly is not None:
            return (wall.month, wall.day) == self.yearly
        return self.begin is not None and self.end is not None and self.begin <= wall < self.end


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that decides about dates.

    Attributes:
        zone: Of every time in it.
        not_before, not_after: Between these times of day a game day may begin; both included.
    """

    rule: Rule
    zone: tzinfo
    not_before: time = time.min
    not_after: time = time.max
    closed: tuple[Closed, ...] = ()


class Date(Struct, frozen=True, kw_only=True):
    """One date of the rule.

    Attributes:
        at_s: Seconds since the Unix epoch.
        wall: The same in the plan's zone: `2026-03-31T10:00:00+02:00`.
        moved: Why it is not at the rule's time of day; empty when it is.
        against: Why no game day is held on it; empty when one is.
    """

    at_s: float
    wall: datetime
    moved: str = ""
    against: tuple[str, ...] = ()


def parse_time(text: str) -> time:
    """A time of day: `9:30`, `17:00`.

    Raises:
        InputError: It is none.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise InputError(f"{text[:40]!r} is not a time of day", hint="write it like 10:00, from 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def parse_rule(text: str) -> Rule:
    """A rule in words: `tuesday at 10:00`, `weekday at 9:30`, `first monday of the quarter at 14:00`.

    Raises:
        InputError: It cannot be understood.
    """
    found = _RULE.fullmatch(" ".join(text.lower().split()))
    hint = f"write it like {EXAMPLE}, weekday at 9:30, or first monday of the month at 14:00"
    if found is None:
        raise InputError(f"{text[:60]!r} is not a rule for dates", hint=hint)
    ordinal, period = found["ordinal"] or "", found["period"] or ""
    if bool(period) and not ordinal:
        raise InputError(f"which of its days, every {period}?", hint=hint)
    names = re.split(r", ?| and ", found["days"])
    unknown = [name for name in names if name not in _WORDS]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not a day", hint=f"there are day, weekday, {', '.join(DAYS)}")
    days = tuple(sorted({at for name in names for at in _WORDS[name]}))
    return Rule(days=days, at=parse_time(found["at"]), ordinal=_ORDINALS[ordinal], months=_PERIODS[period])


def parse_closed(on: str, begin: str, until: str, because: str) -> Closed:
    """A blackout: the day `on` (`2026-12-25`, or `12-25` of every year), or from `begin` until `until`.

    Without a time of day, the day of `until` is within it.

    Raises:
        InputError: A date is none, or there is no end after a beginning.
    """
    if bool(on) == bool(begin) or bool(begin) != bool(until):
        raise InputError("a blackout has `on`, or `from` and `until`", hint="on: 2026-12-25")
    if on and (found := _DATE.fullmatch(on)) and not found[1] and not found[4]:
        day = _day(on, 2000, int(found[2]), int(found[3]))
        return Closed(because=because or f"every {on}", yearly=(day.month, day.day))
    first, _ = _moment(on or begin)
    last, whole = _moment(on or until)
    end = last + timedelta(days=1) if whole else last
    if end <= first:
        raise InputError(f"a blackout until {until} has no length", hint="until is after from")
    return Closed(because=because or (on or f"{begin} until {until}"), begin=first, end=end)


def _moment(text: str) -> tuple[datetime, bool]:
    """A time on the wall, and whether only its day was given."""
    found = _DATE.fullmatch(text)
    if found is None or not found[1]:
        raise InputError(f"{text[:40]!r} is not a date", hint="write it like 2026-12-24, or 2026-12-24 18:00")
    day = _day(text, int(found[1]), int(found[2]), int(found[3]))
    return datetime.combine(day, parse_time(found[4]) if found[4] else time.min), not found[4]


def _day(text: str, year: int, month: int, day: int) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise InputError(f"there is no {text}", hint="write it like 2026-12-24: year, month, day") from None
    if found.year > 9990:
        raise InputError(f"{text} is too far ahead", hint="write it like 2026-12-24")
    return found


def against(plan: Plan, at_s: float) -> tuple[str, ...]:
    """What speaks against beginning a game day at this moment, in words; empty when nothing does."""
    wall = _wall(plan, at_s).replace(tzinfo=None)
    said = [one.because for one in plan.closed if one.covers(wall)]
    if not plan.not_before <= wall.time() <= plan.not_after:
        said.append(f"outside {plan.not_before:%H:%M} to {plan.not_after:%H:%M}")
    return tuple(said)


def dates(plan: Plan, after_s: float) -> Iterator[Date]:
    """Every date after this moment, in its order, with what speaks against it; ten years of them."""
    first = _wall(plan, after_s).date() - timedelta(days=2)
    last_s = after_s
    for offset in range(MOST_DAYS):
        day = first + timedelta(days=offset)
        if not _is_meant(plan.rule, day):
            continue
        found = _date(plan, day)
        # A day that a zone leaves out altogether falls on the next one: that one is then held once.
        if found.at_s > last_s:
            last_s = found.at_s
            yield found


def between(plan: Plan, after_s: float, until_s: float) -> list[Date]:
    """Every date after the one moment until the other, which is included."""
    found: list[Date] = []
    for each in dates(plan, after_s):
        if each.at_s > until_s:
            break
        found.append(each)
    return found


def upcoming(plan: Plan, after_s: float, count: int) -> list[Date]:
    """So many dates on which a game day is held, and those between them on which none is."""
    found: list[Date] = []
    held = 0
    for each in dates(plan, after_s):
        if held == count:
            break
        found.append(each)
        held += not each.against
    while found and found[-1].against and held == count:
        found.pop()
    return found


def following(plan: Plan, after_s: float) -> Date | None:
    """The next date on which a game day is held; None when there is none within ten years."""
    return next((each for each in dates(plan, after_s) if not each.against), None)


def _wall(plan: Plan, at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC).astimezone(plan.zone)


def _date(plan: Plan, day: date) -> Date:
    meant = datetime.combine(day, plan.rule.at, plan.zone)
    at_s = meant.timestamp()
    wall = _wall(plan, at_s)
    moved = "" if wall.replace(tzinfo=None) == meant.replace(tzinfo=None) else f"no {meant:%H:%M} on {meant:%Y-%m-%d}"
    return Date(at_s=at_s, wall=wall, moved=moved, against=against(plan, at_s))


def _is_meant(rule: Rule, day: date) -> bool:
    if day.weekday() not in rule.days:
        return False
    if rule.ordinal == 0:
        return True
    return _chosen(rule, date(day.year, day.month - (day.month - 1) % rule.months, 1)) == day


@lru_cache(maxsize=1024)
def _chosen(rule: Rule, begin: date) -> date:
    """The one day of the period that begins on this day; every month has four of each day of the week."""
    days = (begin + timedelta(days=offset) for offset in range(31 * rule.months))
    final = begin.month + rule.months - 1
    meant = [one for one in days if one.year == begin.year and one.month <= final and one.weekday() in rule.days]
    at = rule.ordinal - 1 if rule.ordinal > 0 else rule.ordinal
    return meant[at]
