"""What everybody's table of nines says, and what a calculator with rounded numbers gets wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from bascule.availability import nines
from bascule.availability.nines import DAY_S, MONTH_S, WEEK_S, YEAR_S, parse, percent, spoken
from bascule.kernel.errors import InputError


@pytest.mark.parametrize("text", ["99.95", "99.95%", "0.9995", " 99.95 % "])
def test_an_availability_is_read_as_people_write_it(text: str) -> None:
    assert parse(text) == Fraction(9995, 10000)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3 nines", "0.999"),
        ("1nine", "0.9"),
        ("5 NINES", "0.99999"),
        ("100", "1"),
        ("1", "1"),
        ("1%", "0.01"),
        ("0", "0"),
    ],
)
def test_nines_and_edges(text: str, meant: str) -> None:
    assert parse(text) == Fraction(meant)


@pytest.mark.parametrize(
    "text", ["", "nines", "99,95", "-1", "101", "100.0001%", "3.5 nines", "16 nines", "1e-3", "9" * 20]
)
def test_what_is_no_availability_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("availability", "window_s", "said"),
    [
        ("99.95", 30 * DAY_S, "21m36s"),
        ("99.9", 30 * DAY_S, "43m12s"),
        ("99.9", YEAR_S, "8h45m57.6s"),
        ("99.99", YEAR_S, "52m35.76s"),
        ("99.999", YEAR_S, "5m15.576s"),
        ("99", YEAR_S, "3d15h39m36s"),
        ("99.9", MONTH_S, "43m49.8s"),
        ("99.99", WEEK_S, "1m0.48s"),
        ("99.9", DAY_S, "1m26.4s"),
        ("99.9999", DAY_S, "86.4ms"),
        ("100", YEAR_S, "0s"),
        ("0", DAY_S, "1d"),
    ],
)
def test_the_downtime_that_is_left(availability: str, window_s: Fraction, said: str) -> None:
    assert spoken(nines.downtime_s(parse(availability), window_s)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (Fraction("59.9999"), "1m"),
        (Fraction(3600), "1h"),
        (Fraction("0.0000012345"), "1.23e-06s"),
        (Fraction(1, 3), "333.333ms"),
        (Fraction(90061), "1d1h1m1s"),
        (Fraction("1.5"), "1.5s"),
    ],
)
def test_times_are_said_to_the_millisecond(seconds: Fraction, said: str) -> None:
    assert spoken(seconds) == said


def test_how_many_nines() -> None:
    assert nines.nines(parse("99.95")) == pytest.approx(3.30103, abs=1e-6)
    assert nines.nines(parse("5 nines")) == pytest.approx(5, abs=1e-12)
    assert nines.nines(Fraction(1)) == math.inf
    assert nines.nines(1 - Fraction(1, 10**400)) == pytest.approx(400), "no number is too close to 1"


def test_series_parallel_and_k_of_n_are_exact() -> None:
    three_nines, other = parse("99.9"), parse("99.95")
    assert percent(nines.series(three_nines, other)) == "99.85005%"
    assert percent(nines.parallel(three_nines, three_nines)) == "99.9999%"
    assert percent(nines.k_of_n(2, 3, three_nines)) == "99.9997002%"
    assert nines.k_of_n(1, 4, other) == nines.parallel(other, other, other, other)
    assert nines.k_of_n(4, 4, other) == nines.series(other, other, other, other)


def test_k_of_n_of_a_thousand_comes_at_once_and_more_are_refused() -> None:
    assert 0 < nines.k_of_n(990, 1000, parse("99.5")) < 1
    for needed, replicas in ((1, 1001), (0, 3), (4, 3)):
        with pytest.raises(InputError, match=f"{needed} of {replicas}"):
            nines.k_of_n(needed, replicas, parse("99"))


def test_times_and_availability_are_each_others_inverse() -> None:
    assert percent(nines.of_times(Fraction(719 * 3600), Fraction(3600))) == "99.861111%"
    target = parse("99.95")
    mttr_s = nines.mttr_needed_s(target, Fraction(30 * 86400))
    assert nines.of_times(Fraction(30 * 86400), mttr_s) == target
    assert nines.mtbf_needed_s(target, mttr_s) == 30 * 86400


def test_questions_without_an_answer_are_refused() -> None:
    with pytest.raises(InputError):
        nines.of_times(Fraction(0), Fraction(0))
    with pytest.raises(InputError):
        nines.mttr_needed_s(Fraction(0), Fraction(1))
    with pytest.raises(InputError):
        nines.mtbf_needed_s(Fraction(1), Fraction(1))
    with pytest.raises(InputError):
        nines.series()
    with pytest.raises(InputError):
        nines.nines(Fraction(3, 2))


def test_percentages_show_what_is_missing() -> None:
    assert percent(Fraction(2, 3)) == "66.6667%"
    assert percent(1 - Fraction(1, 3 * 10**6)) == "99.9999666667%"
    assert percent(1 - Fraction(1, 10**30)) == "100% - 1e-28%"
    assert percent(Fraction(1)) == "100%"


def test_what_nines_cost_is_labelled_as_a_saying() -> None:
    quoted = [(percent(each.availability), each.least, each.most) for each in nines.COST_FACTORS]
    assert quoted == [("99%", 1, 1), ("99.9%", 2, 2), ("99.99%", 3, 5), ("99.999%", 10, math.inf)]
    assert {each.basis for each in nines.COST_FACTORS} == {"commonly quoted"}
