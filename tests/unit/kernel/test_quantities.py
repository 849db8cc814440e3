"""Quantities read what a person writes, print the same way, and keep their units apart."""

from __future__ import annotations

import math

import pytest

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share, Size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("5min", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        (" 30 s ", 30.0),
        ("30d", 2592000.0),
        ("2w", 1209600.0),
        ("100us", 1e-4),
        ("100µs", 1e-4),
        ("7ns", 7e-9),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert Duration.parse(text) == Duration(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "30", "s", "-1s", "1e3s", "30 parsec", "1,5s", "30S", "٣s", "1h30", "1234567890123456789s 1s", "1.5.5s 1s"],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration") as refused:
        Duration.parse(text)
    assert "30s" in refused.value.hint


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (0.3, "300ms"),
        (1.5, "1.5s"),
        (90.0, "90s"),
        (5400.0, "90m"),
        (7200.0, "2h"),
        (2592000.0, "30d"),
        (1e-4, "100us"),
        (1.5e-6, "1500ns"),
        (1e-15, "0.000001ns"),
    ],
)
def test_a_duration_is_printed_as_a_person_writes_it(seconds: float, text: str) -> None:
    assert str(Duration(seconds)) == text


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
def test_no_duration_is_negative_or_endless(seconds: float) -> None:
    with pytest.raises(ValueError, match="a duration cannot be"):
        Duration(seconds)


def test_durations_add_scale_and_compare() -> None:
    assert Duration(1.0) + Duration(0.5) == Duration(1.5)
    assert Duration(2.0) * 3 == Duration(6.0)
    assert Duration(1.0) < Duration(2.0)


def test_quantities_of_different_kinds_do_not_mix() -> None:
    with pytest.raises(TypeError):
        assert Duration(1.0) < Rate(1.0)  # type: ignore[operator]  # that is the point
    assert Duration(1.0) != Rate(1.0)  # type: ignore[comparison-overlap]  # that is the point


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("99.95%", 0.9995), ("0.9995", 0.9995), ("100%", 1.0), ("1", 1.0), ("0%", 0.0), ("0.1 %", 0.001)],
)
def test_a_share_is_read(text: str, fraction: float) -> None:
    assert Share.parse(text) == Share(fraction)


@pytest.mark.parametrize("text", ["99.95", "101%", "-1%", "", "much", "1.5", "50 s"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Share.parse(text)


def test_a_share_keeps_its_digits() -> None:
    assert str(Share.parse("99.95%")) == "99.95%"
    assert str(Share.parse("99.9999%")) == "99.9999%"
    with pytest.raises(ValueError, match="a share cannot be"):
        Share(1.1)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0B", 0),
        ("512B", 512),
        ("100MB", 10**8),
        ("16MiB", 2**24),
        ("1.5KiB", 1536),
        ("2.3kB", 2300),
        ("4.35MB", 4350000),
    ],
)
def test_a_size_is_read_exactly(text: str, size_bytes: int) -> None:
    assert Size.parse(text) == Size(size_bytes)


def test_large_sizes_lose_nothing() -> None:
    assert Size.parse("9007199254740.993kB").bytes == 9007199254740993


@pytest.mark.parametrize("text", ["16", "0.5B", "16Mib", "16 megabytes", "-1B", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Size.parse(text)


def test_sizes_print_in_the_largest_unit_that_divides_them() -> None:
    assert [str(Size(n)) for n in (0, 513, 2**24, 10**8)] == ["0B", "513B", "16MiB", "100MB"]
    assert Size(1) + Size(2) == Size(3)


@pytest.mark.parametrize(
    ("text", "per_s"),
    [("200/s", 200.0), ("30/min", 0.5), ("30/m", 0.5), ("10/h", 10 / 3600), ("0.5/s", 0.5), ("0/s", 0.0)],
)
def test_a_rate_is_read(text: str, per_s: float) -> None:
    assert Rate.parse(text) == Rate(per_s)


@pytest.mark.parametrize("text", ["200", "/s", "-5/s", "5/week", "5 per second"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a rate"):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(200.0), "200/s"),
        (Rate(0.5), "30/min"),
        (Rate(0.0), "0/s"),
        (Rate(100.25), "6015/min"),
        (Rate(0.5 / 86400), "0.5/d"),
    ],
)
def test_a_rate_is_printed_as_a_person_writes_it(rate: Rate, text: str) -> None:
    assert str(rate) == text
