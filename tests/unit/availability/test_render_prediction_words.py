from __future__ import annotations

import math

import pytest
from msgspec.structs import replace
from prediction_sample import minimal, prediction, weight

from bascule.availability.prediction import Recovery
from bascule.availability.render.words import (
    clean,
    count_text,
    duration_text,
    expected_text,
    factor_text,
    gain_text,
    is_kept,
    listed,
    money_text,
    nines_text,
    part_name,
    percent_text,
    period_words,
    probability_text,
    rpo_text,
    rto_text,
    share_text,
    short,
    target_text,
    verdict_text,
)
from bascule.availability.uptime import uptime


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"), (2e-7, "less than 1 µs"), (4e-5, "40 µs"), (0.32, "320 ms"), (0.9996, "1 s"), (1.5, "1.5 s"),
        (9.96, "10 s"), (42.4, "42 s"), (59.7, "1 min"), (263, "4 min 23 s"), (3599.6, "1 h"), (22080, "6 h 8 min"),
        (86399, "1 d"), (3 * 86400 + 7200, "3 d 2 h"), (365.25 * 86400, "365 d 6 h"), (math.inf, "never"),
        (-312.0, "\N{MINUS SIGN}5 min 12 s"),
    ],
)  # fmt: skip
def test_a_time_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert duration_text(seconds) == said


@pytest.mark.parametrize(
    ("unavailability", "target", "said"),
    [
        (0.0007, None, "99.93 %"), (0.00071, None, "99.929 %"), (0.0, None, "100 %"), (1.0, None, "0 %"),
        (0.2, None, "80 %"), (1e-9, None, "99.9999999 %"), (1e-15, None, "> 99.999999999999 %"),
        (0.000500004, 0.9995, "99.9499996 %"), (0.000499996, 0.9995, "99.95 %"),
        (0.00049, 0.9995, "99.951 %"), (0.0005, 0.9995, "99.95 %"),
    ],
)  # fmt: skip
def test_an_availability_is_never_rounded_to_the_other_side(
    unavailability: float, target: float | None, said: str
) -> None:
    assert percent_text(unavailability, target) == said


def test_a_target_keeps_the_digits_that_were_given() -> None:
    assert [target_text(one) for one in (0.9995, 0.99, 0.999999, 0.5)] == ["99.95 %", "99 %", "99.9999 %", "50 %"]


def test_shares_and_probabilities_are_never_all_or_nothing_where_they_are_not() -> None:
    assert [share_text(one) for one in (0, 1e-6, 0.0004, 0.032, 0.0996, 0.613, 0.996, 1)] == [
        "0 %", "< 0.01 %", "0.04 %", "3.2 %", "10 %", "61 %", "> 99 %", "100 %",
    ]  # fmt: skip
    assert [probability_text(one) for one in (0, 3.1e-7, 0.0049, 0.792, 0.99999, 1)] == [
        "0 %", "3.1 \N{MULTIPLICATION SIGN} 10⁻⁷", "0.49 %", "79.2 %", "> 99.9 %", "100 %",
    ]  # fmt: skip


def test_factors_money_and_counts() -> None:
    assert [factor_text(one) for one in (1.0412, 12.53, 2310.4, math.inf)] == ["1.04", "12.5", "2,310", "infinite"]
    assert [gain_text(one) for one in (0.0001, 1.35)] == ["less than 0.01 times", "1.35 times"]
    assert [money_text(one, "EUR") for one in (12_300.4, 0.5, 0)] == ["EUR 12,300", "EUR 0.50", "EUR 0"]
    assert [count_text(1, "zone"), count_text(1204, "zone")] == ["1 zone", "1,204 zones"]
    assert [listed(("a", "b", "c"), 2), listed(("a",), 2), listed((), 2)] == ["a, b and 1 more", "a", ""]


def test_the_verdict_is_one_sentence_for_an_operator() -> None:
    assert verdict_text(prediction()) == (
        "99.93 % expected, 99.95 % promised: about 6 h 8 min down a year; the promise would be missed."
    )
    assert verdict_text(minimal(0.0)) == "100 % expected, 99 % promised: never down; the promise would be kept."


def test_what_lies_between_bounds_is_told_with_both() -> None:
    between = minimal(0.012, 0.008, meets=None)
    assert expected_text(between.uptime, between.target) == "98.8 to 99.2 %"
    assert verdict_text(between) == (
        "98.8 to 99.2 % expected, 99 % promised: about 2 d 22 h to 4 d 9 h down a year; "
        "the bounds leave open whether the promise would be kept."
    )


def test_nines_are_rounded_down() -> None:
    assert nines_text(uptime(0.00011)) == "3.9 nines"
    assert nines_text(uptime(0.001)) == "3.0 nines"
    assert nines_text(uptime(0.0)) == "never down"


def test_a_place_has_its_kind_before_its_name_and_once() -> None:
    assert part_name(weight("zone paris-a", "zone", 0.1)) == "zone paris-a"
    assert part_name(weight("paris-a", "zone", 0.1)) == "zone paris-a"
    assert part_name(weight("database", "component", 0.1)) == "database"


def test_a_missed_promise_is_never_shown_as_the_same_time() -> None:
    base = prediction().recovery[0]
    late = replace(base, rto_s=30.004, lost_s=30.002, promised_rpo_s=30.0)
    assert rto_text(late) == "30.004 s, 30 s promised"
    assert rpo_text(late) == "up to 30.002 s, 30 s promised"


def test_no_promise_no_time_and_nothing_known_are_said() -> None:
    open_end = Recovery(scope="host", worst="one web", rto_s=0.0, parts=(), lost_s=None, lost_because="")
    assert rto_text(open_end) == "none, nothing promised"
    assert rpo_text(open_end) == "not known, nothing promised"
    assert rpo_text(replace(open_end, lost_s=0.0, promised_rpo_s=5.0)) == "nothing, 5 s promised"


def test_a_change_that_reaches_the_target_to_the_last_digit_keeps_it() -> None:
    assert is_kept(uptime(1 - 0.9995), 0.9995)
    assert is_kept(uptime(0.0005), 0.9995)
    assert not is_kept(uptime(0.00050001), 0.9995)


def test_windows_that_are_no_months_are_not_called_so() -> None:
    day_s = 86400.0
    assert period_words(30 * day_s) == period_words(30.4375 * day_s) == ("month", "months")
    assert period_words(7 * day_s) == ("span of 7 d", "spans of 7 d")
    assert period_words(90 * day_s)[1] == "spans of 90 d"


def test_control_characters_do_not_come_through() -> None:
    assert clean("a\x1b[31mb\x00\u202ec\nd") == "abc d"
    assert short("abcdefgh", 5) == "abcd…"
