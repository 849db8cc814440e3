"""`Retry-After` as servers send it, and as errors of HTTP libraries carry it."""

from __future__ import annotations

import email.message
import io
import math
import urllib.error
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.guard.retry_after import MOST_S, parse_retry_after, retry_after_of

NOW_S = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
IN_TWO_MINUTES = "Tue, 14 Nov 2023 22:15:20 GMT"


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("0", 0.0), ("120", 120.0), ("007", 7.0), (" 5\t", 5.0), ("2147483648", MOST_S), ("9" * 60, MOST_S)],
)
def test_a_number_of_seconds_is_that_wait_up_to_the_longest(value: str, wait_s: float) -> None:
    assert parse_retry_after(value, NOW_S) == wait_s


@pytest.mark.parametrize(
    "value",
    [
        IN_TWO_MINUTES,
        "Tuesday, 14-Nov-23 22:15:20 GMT",
        "Tue Nov 14 22:15:20 2023",
        "Mon, 14 Nov 2023 22:15:20 GMT",  # the weekday is wrong, the date is not
    ],
)
def test_each_form_of_a_date_is_the_time_until_then(value: str) -> None:
    assert parse_retry_after(value, NOW_S) == 120.0


def test_the_example_dates_of_the_standard_are_one_instant() -> None:
    dates = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    assert [parse_retry_after(date, 784_111_777.0 - 3) for date in dates] == [3.0, 3.0, 3.0]


def test_a_date_that_has_passed_means_now() -> None:
    assert parse_retry_after("Tue, 14 Nov 2023 22:13:19 GMT", NOW_S) == 0.0
    assert parse_retry_after("Thu, 01 Jan 1970 00:00:00 GMT", NOW_S) == 0.0


def test_a_date_thousands_of_years_ahead_is_the_longest_wait() -> None:
    assert parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", NOW_S) == MOST_S


def test_a_leap_day_and_a_leap_second_are_dates() -> None:
    assert parse_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_700.0) == 100.0
    assert parse_retry_after("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_700.0) == 100.0


def test_two_digits_of_a_year_are_at_most_fifty_years_ahead() -> None:
    year_s = 365.2425 * 86_400
    ahead = parse_retry_after("Sunday, 01-Jan-73 00:00:00 GMT", NOW_S)
    assert ahead is not None
    assert ahead == pytest.approx(49.13 * year_s, rel=0.001)
    assert parse_retry_after("Sunday, 01-Jan-74 00:00:00 GMT", NOW_S) == 0.0  # 1974
    in_2099_s = 129 * year_s + 100 * 86_400
    assert parse_retry_after("Sunday, 01-Jan-05 00:00:00 GMT", in_2099_s) == pytest.approx(5.73 * year_s, rel=0.01)


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "-1", "+1", "1.5", "1e3", "1_000", "0x10", "nan", "inf", "soon", "5 s", "5\n", "5,6", "\x00", "9" * 65,
        "١٢", "１２０", "²",  # noqa: RUF001 - digits of other scripts are what is tested
        "Tue, 14 Nov 2023 22:15:20", "Tue, 14 Nov 2023 22:15:20 +0100", "Tue, 14 Nov 2023 22:15:20 EST",
        "Tue, 30 Feb 2023 22:15:20 GMT", "Wed, 29 Feb 2023 22:15:20 GMT", "Tue, 00 Nov 2023 22:15:20 GMT",
        "Tue, 29 Feb 2100 00:00:00 GMT", "Tue, 14 Nov 2023 24:15:20 GMT", "Tue, 14 Nov 2023 22:60:20 GMT",
        "Tue, 14 Nov 2023 22:15:61 GMT", "Tue, 14 Nox 2023 22:15:20 GMT", "Tue, 1４ Nov 2023 22:15:20 GMT",  # noqa: RUF001 - as above
        "2023-11-14T22:15:20Z",
    ],
)  # fmt: skip
def test_anything_else_is_no_wait_at_all(value: str) -> None:
    assert parse_retry_after(value, NOW_S) is None


class Carrier(Exception):  # noqa: N818 - it stands for any error
    def __init__(self, **attributes: Any) -> None:
        super().__init__("failed")
        self.__dict__.update(attributes)


@pytest.mark.parametrize("name", ["retry_after_s", "retry_after"])
@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (3, 3.0), (0.25, 0.25), (0, 0.0), ("7", 7.0), (10**400, MOST_S), (1e300, MOST_S),
        (-1, None), (math.nan, None), (math.inf, None), (True, None), (None, None), ([5], None), (b"5", None),
    ],
)  # fmt: skip
def test_an_error_may_carry_the_wait_itself(name: str, value: object, wait_s: float | None) -> None:
    assert retry_after_of(Carrier(**{name: value}), NOW_S) == wait_s


def test_an_error_may_carry_a_response_with_headers() -> None:
    response = SimpleNamespace(headers={"Retry-After": "120"})
    assert retry_after_of(Carrier(response=response), NOW_S) == 120.0
    assert retry_after_of(Carrier(response=SimpleNamespace(headers={"retry-after": IN_TWO_MINUTES})), NOW_S) == 120.0


def test_an_error_may_have_headers_of_its_own() -> None:
    assert retry_after_of(Carrier(headers={"Retry-After": "4"}), NOW_S) == 4.0
    assert retry_after_of(Carrier(headers=None), NOW_S) is None


def test_the_error_of_urllib_is_understood() -> None:
    headers = email.message.Message()
    headers["retry-after"] = IN_TWO_MINUTES
    with urllib.error.HTTPError("http://host", 503, "busy", headers, io.BytesIO()) as error:
        assert retry_after_of(error, NOW_S) == 120.0


def test_the_error_of_httpx_is_understood() -> None:
    httpx = pytest.importorskip("httpx")
    request = httpx.Request("GET", "http://host")
    response = httpx.Response(429, headers={"Retry-After": "9"}, request=request)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    assert retry_after_of(caught.value, NOW_S) == 9.0


def test_what_cannot_be_read_does_not_hide_what_can() -> None:
    headers = {"Retry-After": "6"}
    assert retry_after_of(Carrier(retry_after=-1, headers=headers), NOW_S) == 6.0
    assert (
        retry_after_of(Carrier(response=SimpleNamespace(headers={"Retry-After": "soon"}), headers=headers), NOW_S)
        == 6.0
    )
    assert retry_after_of(Carrier(response=None, headers=headers), NOW_S) == 6.0


def test_the_errors_own_number_goes_before_its_headers() -> None:
    assert retry_after_of(Carrier(retry_after_s=1.0, headers={"Retry-After": "6"}), NOW_S) == 1.0


class Malicious:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class MaliciousNumber(float):
    def __le__(self, other: object) -> bool:
        raise RuntimeError

    def __ge__(self, other: object) -> bool:
        raise RuntimeError


class MaliciousText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


class MaliciousHeaders:
    def get(self, name: str) -> Any:
        raise KeyError(name)


def test_no_object_makes_it_raise() -> None:
    strangers: list[object] = [
        Malicious(),
        None,
        5,
        object(),
        Carrier(response=Malicious()),
        Carrier(response=SimpleNamespace(headers=Malicious())),
        Carrier(headers=MaliciousHeaders()),
        Carrier(retry_after=MaliciousNumber(5)),
        Carrier(retry_after=MaliciousText("5")),
        Carrier(headers=SimpleNamespace(get=5)),
        Carrier(headers=["Retry-After"]),
        Carrier(headers={"Retry-After": b"5"}),
    ]
    assert [retry_after_of(error, NOW_S) for error in strangers] == [None] * len(strangers)
