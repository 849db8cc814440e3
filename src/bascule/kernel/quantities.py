"""Quantities with their unit in the type: durations, shares, sizes and rates.

Each parses what a person writes (`30s`, `99.95%`, `16MiB`, `200/s`), prints the same way, compares and adds
only with its own kind, and exposes its number under a name that says the unit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from bascule.kernel.errors import InputError

_NUMBER_AND_UNIT = re.compile(r"\s*(?P<number>[0-9]{1,15}(?:\.[0-9]{1,12})?)\s*(?P<unit>[A-Za-zµ%/]*)\s*")
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_RATES = {
    "/s": Fraction(1),
    "/m": Fraction(1, 60),
    "/min": Fraction(1, 60),
    "/h": Fraction(1, 3600),
    "/d": Fraction(1, 86400),
}
_COMPOUND = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,12})?\s*[a-zµ]+\s*){2,6}")
_PART = re.compile(r"([0-9.]+)\s*([a-zµ]+)")


def _refuse(kind: str, text: object, example: str) -> InputError:
    return InputError(f"{text!r} is not a {kind}", hint=f"write it like {example}")


def _number_and_unit(text: str) -> tuple[Fraction, str] | None:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    return (Fraction(match["number"]), match["unit"]) if match else None


def _check(kind: str, value: float, most: float = math.inf) -> None:
    """Refuse what no quantity can be, wherever it was computed."""
    if not 0 <= value <= most or math.isinf(value):
        message = f"a {kind} cannot be {value}"
        raise ValueError(message)


def _trim(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time: finite and not negative."""

    seconds: float
    EXAMPLE: ClassVar[str] = "250ms, 30s, 5m, 1h30m or 30d"

    def __post_init__(self) -> None:
        _check("duration", self.seconds)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `250ms`, `30s`, `5m`, `1h30m` or `30d`; a bare `0` needs no unit.

        Raises:
            InputError: The text has no known unit, or is not a number.
        """
        if text.strip() == "0":
            return cls(0.0)
        if _COMPOUND.fullmatch(text.strip()):
            parts = _PART.findall(text)
            if all(unit in _SECONDS for _, unit in parts):
                return cls(float(sum(Fraction(number) * _SECONDS[unit] for number, unit in parts)))
        parsed = _number_and_unit(text)
        if parsed is None or parsed[1] not in _SECONDS:
            raise _refuse("duration", text, cls.EXAMPLE)
        return cls(float(parsed[0] * _SECONDS[parsed[1]]))

    def __str__(self) -> str:
        """In the largest unit in which it is a whole number, else in seconds or below: `30d`, `90m`, `1.5s`, `250ms`.

        Rounded to the sixth decimal.
        """
        if self.seconds == 0:
            return "0s"
        for unit in ("d", "h", "m", "s", "ms", "us"):
            value = self.seconds / float(_SECONDS[unit])
            exact = abs(value - round(value)) < 1e-9
            if value >= 1 and (exact or unit in {"s", "ms"}):
                return f"{_trim(value)}{unit}"
        return f"{_trim(self.seconds / 1e-9)}ns"

    def __add__(self, other: Duration) -> Duration:
        """The sum of two durations."""
        return Duration(self.seconds + other.seconds)

    def __mul__(self, factor: float) -> Duration:
        """This duration, `factor` times."""
        return Duration(self.seconds * factor)


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """A part of a whole, in [0, 1]."""

    fraction: float
    EXAMPLE: ClassVar[str] = "99.95% or 0.9995"

    def __post_init__(self) -> None:
        _check("share", self.fraction, 1.0)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `99.95%` or `0.9995`.

        Raises:
            InputError: Not a number, or outside 0 to 100 %.
        """
        parsed = _number_and_unit(text)
        if parsed is None or parsed[1] not in {"%", ""}:
            raise _refuse("share", text, cls.EXAMPLE)
        fraction = parsed[0] / 100 if parsed[1] == "%" else parsed[0]
        if not 0 <= fraction <= 1:
            raise InputError(f"{text!r} is outside 0% to 100%", hint=f"write it like {cls.EXAMPLE}")
        return cls(round(float(fraction), 12))

    def __str__(self) -> str:
        """In percent, with every digit that was given: `99.95%`."""
        return f"{self.fraction * 100:.10f}".rstrip("0").rstrip(".") + "%"


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """An amount of data, in whole bytes."""

    bytes: int
    EXAMPLE: ClassVar[str] = "512B, 100MB or 16MiB"

    def __post_init__(self) -> None:
        _check("size", self.bytes)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `512B`, `100MB` (powers of ten) or `16MiB` (powers of two).

        Raises:
            InputError: The text has no known unit, or is not a whole number of bytes.
        """
        parsed = _number_and_unit(text)
        if parsed is None or parsed[1] not in _BYTES or (parsed[0] * _BYTES[parsed[1]]).denominator != 1:
            raise _refuse("size", text, cls.EXAMPLE)
        return cls(int(parsed[0] * _BYTES[parsed[1]]))

    def __str__(self) -> str:
        """In the largest unit that divides it: `16MiB`, `100MB`, `513B`."""
        for unit in sorted(_BYTES, key=lambda name: -_BYTES[name]):
            if self.bytes >= _BYTES[unit] and self.bytes % _BYTES[unit] == 0:
                return f"{self.bytes // _BYTES[unit]}{unit}"
        return "0B"

    def __add__(self, other: Size) -> Size:
        """The sum of two sizes."""
        return Size(self.bytes + other.bytes)


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """How often something happens, per second: finite and not negative."""

    per_s: float
    EXAMPLE: ClassVar[str] = "200/s or 30/min"

    def __post_init__(self) -> None:
        _check("rate", self.per_s)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `200/s`, `30/min` or `10/h`.

        Raises:
            InputError: The text has no known unit, or is not a number.
        """
        parsed = _number_and_unit(text)
        if parsed is None or parsed[1] not in _RATES:
            raise _refuse("rate", text, cls.EXAMPLE)
        return cls(float(parsed[0] * _RATES[parsed[1]]))

    def __str__(self) -> str:
        """Per second, minute, hour or day: the first in which it is a whole number, else with six decimals at most."""
        values = {unit: self.per_s / float(_RATES[unit]) for unit in ("/s", "/min", "/h", "/d")}
        for unit, value in values.items():
            if value >= 1 and math.isclose(value, round(value), rel_tol=1e-12):
                return f"{round(value)}{unit}"
        for unit, value in values.items():
            if abs(value - round(value, 6)) <= 1e-9 * value:
                return f"{_trim(value)}{unit}"
        return f"{_trim(self.per_s)}/s" if self.per_s >= 1 else f"{_trim(values['/d'])}/d"


Quantity = Duration | Share | Size | Rate
