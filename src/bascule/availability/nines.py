"""The arithmetic of availability: nines, downtime, series, parallel, budgets; exact, as people type decimals. Pure.

Availability is a `Fraction` in [0, 1]: 99.95 % of 30 days leaves 21m36s, and not 21m35.99s. A year is 365.25 days, a
month is a twelfth of it. Formulas: R. E. Barlow, F. Proschan, "Statistical Theory of Reliability and Life Testing",
Holt, Rinehart and Winston, 1975, ch. 2 (series, parallel and k of n independent parts).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from bascule.kernel.errors import InputError

DAY_S = Fraction(86400)
WEEK_S = 7 * DAY_S
YEAR_S = Fraction("365.25") * DAY_S
MONTH_S = YEAR_S / 12
WINDOWS_S = MappingProxyType({"year": YEAR_S, "month": MONTH_S, "week": WEEK_S, "day": DAY_S})
"""The windows that everybody asks for, by name."""

MOST_PARTS = 1000
MOST_NINES = 15
USUAL = tuple(
    Fraction(each) / 100 for each in ("90", "95", "99", "99.5", "99.9", "99.95", "99.99", "99.995", "99.999", "99.9999")
)
"""The availabilities of the usual table."""

_NUMBER = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,18})?)\s*(?P<unit>%|nines?|)", re.IGNORECASE)
_HINT = "write it like 99.95, 99.95%, 0.9995 or '3 nines'"


@dataclass(frozen=True, slots=True)
class CostFactor:
    """What an availability is said to cost, as a multiple of what 99 % costs.

    Attributes:
        least: The multiple, or its lower end.
        most: Its upper end; infinite where the saying is "and more".
        basis: Where it comes from: `commonly quoted` is a saying of the trade and no measurement.
    """

    availability: Fraction
    least: float
    most: float
    basis: str = "commonly quoted"


COST_FACTORS = (
    CostFactor(Fraction("0.99"), 1, 1),
    CostFactor(Fraction("0.999"), 2, 2),
    CostFactor(Fraction("0.9999"), 3, 5),
    CostFactor(Fraction("0.99999"), 10, math.inf),
)
"""The multiples that are quoted most; what a system really costs is in its own bills."""


def parse(text: str) -> Fraction:
    """The availability that a person wrote, with no digit lost: `99.95`, `99.95%`, `0.9995` or `3 nines`.

    A number without a unit is a percentage if it is above 1, else a share of 1.

    Raises:
        InputError: It is none, or above 100 %.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} is not an availability", hint=_HINT)
    number, unit = Fraction(match["number"]), match["unit"].lower()
    if unit.startswith("nine"):
        if number.denominator != 1:
            raise InputError(f"{text!r} is not a whole number of nines", hint="write it as a percentage: 99.95%")
        return of_nines(int(number))
    share = number / 100 if unit == "%" or number > 1 else number
    if share > 1:
        raise InputError(f"{text!r} is above 100%", hint=_HINT)
    return share


def of_nines(count: int) -> Fraction:
    """The availability of this many nines: 3 is 99.9 %.

    Raises:
        InputError: Not 0 to 15 of them.
    """
    if not 0 <= count <= MOST_NINES:
        raise InputError(f"{count} nines", hint=f"0 to {MOST_NINES}")
    return 1 - Fraction(1, 10**count)


def nines(availability: Fraction) -> float:
    """How many nines it has: -log10(1 - A), so 3.3 for 99.95 %; infinite for 100 %, and right for the tiniest rest."""
    rest = 1 - _checked(availability)
    return math.log10(rest.denominator) - math.log10(rest.numerator) if rest else math.inf


def downtime_s(availability: Fraction, window_s: Fraction) -> Fraction:
    """How long it may be down within a window: the error budget of that window, if it is what was promised."""
    return (1 - _checked(availability)) * window_s


def series(*parts: Fraction) -> Fraction:
    """The availability where all parts are needed, and each is up or down independently of the others: the product.

    Raises:
        InputError: No part, or too many; or one is outside 0 to 1.
    """
    return math.prod(_parts(parts), start=Fraction(1))


def parallel(*parts: Fraction) -> Fraction:
    """The availability where any one part will do, each independent of the others: 1 - product of (1 - A).

    Raises:
        InputError: No part, or too many; or one is outside 0 to 1.
    """
    return 1 - math.prod((1 - part for part in _parts(parts)), start=Fraction(1))


def k_of_n(needed: int, replicas: int, part: Fraction) -> Fraction:
    """The availability where `needed` of so many equal, independent parts must be up: the tail of a binomial.

    Raises:
        InputError: Not 1 <= needed <= replicas <= 1000, or the part is outside 0 to 1.
    """
    if not 1 <= needed <= replicas <= MOST_PARTS:
        raise InputError(f"{needed} of {replicas} parts", hint=f"1 <= k <= n <= {MOST_PARTS}, like 2/3")
    up, scale = _checked(part).numerator, part.denominator
    counts = range(needed, replicas + 1)
    ways = (math.comb(replicas, count) * up**count * (scale - up) ** (replicas - count) for count in counts)
    return Fraction(sum(ways), scale**replicas)


def of_times(mtbf_s: Fraction, mttr_s: Fraction) -> Fraction:
    """MTBF / (MTBF + MTTR): the time between failures is counted from a repair to the next failure.

    Raises:
        InputError: One is negative, or both are 0.
    """
    if mtbf_s < 0 or mttr_s < 0 or not mtbf_s + mttr_s:
        raise InputError("no availability follows from these times", hint="an MTBF and an MTTR, like 30d and 1h")
    return mtbf_s / (mtbf_s + mttr_s)


def mttr_needed_s(target: Fraction, mtbf_s: Fraction) -> Fraction:
    """The longest mean time to repair with which failures this far apart still meet the target.

    Raises:
        InputError: The target is 0: any will do.
    """
    if not _checked(target):
        raise InputError("an availability of 0 asks for nothing", hint=_HINT)
    return mtbf_s * (1 - target) / target


def mtbf_needed_s(target: Fraction, mttr_s: Fraction) -> Fraction:
    """The shortest mean time between failures with which repairs this long still meet the target.

    Raises:
        InputError: The target is 100 %: no time is long enough.
    """
    if _checked(target) == 1:
        raise InputError("100% cannot be met by what fails", hint="ask for less, like 99.99%")
    return mttr_s * target / (1 - target)


def percent(availability: Fraction) -> str:
    """In percent, with every digit if there are at most 18, else with six digits of what is missing: `99.9997%`.

    So close to 1 that nobody counts the digits, it is written as what is missing: `100% - 1e-28%`.
    """
    value = 100 * _checked(availability)
    exact = _decimal(value, 18)
    if Fraction(exact) == value:
        return f"{exact}%"
    missing = 100 - value
    if missing < Fraction(1, 10**12):
        return f"100% - {float(missing):.3g}%"
    return f"{_decimal(value, max(4, 5 - math.floor(math.log10(missing))))}%"


def spoken(seconds: Fraction) -> str:
    """A time as people say it, to the millisecond: `21m36s`, `8h45m57.6s`, `86.4ms`; below that, three digits."""
    if seconds < 1:
        if not seconds or seconds >= Fraction(1, 1000):
            return f"{_decimal(seconds * 1000, 3)}ms" if seconds else "0s"
        return f"{float(seconds):.3g}s"
    rest = Fraction(round(seconds * 1000), 1000)
    words = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        count, rest = divmod(rest, size)
        words += f"{count}{unit}" if count else ""
    return words + (f"{_decimal(rest, 3)}s" if rest or not words else "")


def _decimal(value: Fraction, digits: int) -> str:
    """Rounded to so many decimals, without trailing zeros."""
    whole, rest = divmod(round(value * 10**digits), 10**digits)
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


def _checked(availability: Fraction) -> Fraction:
    if not 0 <= availability <= 1:
        raise InputError(f"{float(availability):g} is not an availability", hint=_HINT)
    return availability


def _parts(parts: tuple[Fraction, ...]) -> list[Fraction]:
    if not 1 <= len(parts) <= MOST_PARTS:
        raise InputError(f"{len(parts)} parts", hint=f"1 to {MOST_PARTS}")
    return [_checked(part) for part in parts]
