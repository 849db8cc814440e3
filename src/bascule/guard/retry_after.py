"""When a server says to ask again: the `Retry-After` field, and where errors of HTTP libraries keep it. Pure.

What a server sends is untrusted: anything but a well-formed value of bounded length is None, and a wait is never longer
than `MOST_S`. How much of it to honour is for the caller to say.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 5.6.7 (the three forms of HTTP-date); RFC 9111, section 1.2.2, for
the bound.
"""

from __future__ import annotations

import math
import re

MOST_S = float(2**31)
"""The longest wait that is ever read, in seconds: RFC 9111 has a larger number of seconds mean this one."""

_LONGEST = 64
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_SECONDS = re.compile(r"[0-9]+")
_DATES = (
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(
        r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, "
        rf"(?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"
    ),
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
_YEAR_S = 365.2425 * 86_400


def parse_retry_after(value: str, now_wall_s: float) -> float | None:
    """A wait of 0 to `MOST_S` seconds, or None where the text is neither a number of seconds nor an HTTP-date.

    A date that has passed is a wait of 0. The name of the weekday is not compared with the date.

    Args:
        value: The field's value as it was received; blanks around it do not matter.
        now_wall_s: Seconds since the Unix epoch, which dates are compared with.
    """
    if len(value) > _LONGEST:
        return None
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return min(float(text), MOST_S)
    for form in _DATES:
        if found := form.fullmatch(text):
            at_s = _epoch_s(found.groupdict(), now_wall_s)
            return None if at_s is None else min(max(at_s - now_wall_s, 0.0), MOST_S)
    return None


def retry_after_of(error: object, now_wall_s: float) -> float | None:
    """The wait that an error asks for, from 0 to `MOST_S` seconds; None if it names none. Never raises.

    Looked at in this order: a number `retry_after_s` or `retry_after` of the error; the field `Retry-After` in the
    headers of its `response` (httpx, requests); the same field in its own `headers` (urllib, aiohttp). A number that is
    negative, infinite or NaN counts as none. A text in place of a number is read as the field is.

    Args:
        error: Any object.
        now_wall_s: Seconds since the Unix epoch, which dates are compared with.
    """
    for name in ("retry_after_s", "retry_after"):
        wait_s = _wait_s(_attribute(error, name), now_wall_s)
        if wait_s is not None:
            return wait_s
    for holder in (_attribute(error, "response"), error):
        wait_s = _wait_s(_field(_attribute(holder, "headers")), now_wall_s)
        if wait_s is not None:
            return wait_s
    return None


def _attribute(holder: object, name: str) -> object:
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a property of a stranger's error may raise anything; then there is no wait to read
        return None


def _field(headers: object) -> object:
    for name in ("Retry-After", "retry-after"):  # a plain dict knows one spelling
        try:
            value = headers.get(name)  # type: ignore[attr-defined]  # whatever has no `get` ends up below
        except Exception:  # noqa: BLE001 - a stranger's mapping may raise anything; then there is no field to read
            return None
        if value is not None:
            return value
    return None


def _wait_s(value: object, now_wall_s: float) -> float | None:
    try:
        if isinstance(value, str):
            return parse_retry_after(str(value), now_wall_s)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            return float(min(value, MOST_S))
    except Exception:  # noqa: BLE001 - a stranger's subclass of a number or a text may raise anything
        return None
    return None


def _epoch_s(date: dict[str, str], now_wall_s: float) -> float | None:
    """Seconds since the Unix epoch; None where there is no such date or time of day."""
    year, month, day = int(date["year"]), _MONTHS.index(date["month"]), int(date["day"])
    hour, minute, second = int(date["hour"]), int(date["minute"]), int(date["second"])
    if len(date["year"]) == 2:
        year = _full_year(year, now_wall_s)
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month] or (month == 1 and day == 29 and not is_leap):
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        return None
    return _days(year, month, day) * 86_400.0 + hour * 3_600 + minute * 60 + second


def _full_year(two_digits: int, now_wall_s: float) -> int:
    # RFC 9110, 5.6.7: what would lie more than 50 years ahead is the latest such year in the past.
    earliest = math.floor(1970 + now_wall_s / _YEAR_S) - 49
    return earliest + (two_digits - earliest) % 100


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar; `month` counts from 0."""
    before = year - (month < 2)  # years begin with March, so that a leap day is their last
    return (
        365 * before
        + before // 4
        - before // 100
        + before // 400
        + (153 * ((month + 10) % 12) + 2) // 5
        + day
        - 719_469
    )
