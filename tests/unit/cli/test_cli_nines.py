"""`bascule nines`: the answers of a calculator that does not round, and one line for each wrong question."""

from __future__ import annotations

import json

import pytest

from bascule.cli.main import main

Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, *words: str) -> str:
    assert main(["nines", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["99.95", "--window", "30d"], ["99.95%: 3.301 nines", "down in 30d 21m36s", "down a year 4h22m58.8s"]),
        (["3", "nines"], ["99.9%: 3 nines", "down a year 8h45m57.6s", "down a day 1m26.4s"]),
        (["3 nines"], ["99.9%: 3 nines"]),
        (["0.9995"], ["99.95%"]),
        (["100"], ["100%: no downtime at all", "down a year 0s"]),
        (["--series", "99.9", "99.95", "99.99"], ["99.840064995%: ", "all needed: 99.9%, 99.95%, 99.99%"]),
        (["--parallel", "99", "99"], ["99.99%: 4 nines (any one will do: 99%, 99%)"]),
        (["--k-of-n", "2/3", "99.9"], ["99.9997002%", "2 of 3 needed, each 99.9%"]),
        (["--mtbf", "30d", "--mttr", "1h"], ["99.861304%", "an MTBF of 30d and an MTTR of 1h"]),
        (["99.9", "--window", "500ms"], ["down in 500ms 0.0005s"]),
        (["99.99", "--mtbf", "30d"], ["mttr at most 4m19.226s"]),
        (["99.99", "--mttr", "1h"], ["mtbf at least 416d15h"]),
        (["--table"], ["99.999% 5 5m15.576s", "3-5x", "10x and more", "commonly quoted"]),
        ([], ["a year is 365.25 days"]),
        (["--table", "--window", "90d"], ["a day 90d", "21h36m"]),
    ],
)
def test_people_are_told(words: list[str], lines: list[str], capsys: Capture) -> None:
    shown = " ".join(told(capsys, *words).split())
    for line in lines:
        assert line in shown


def test_machines_are_told_in_seconds(capsys: Capture) -> None:
    found = json.loads(told(capsys, "99.95", "--window", "30d", "--json"))
    assert found == {
        "availability": "99.95%",
        "fraction": 0.9995,
        "unavailability": 0.0005,
        "nines": pytest.approx(3.30103),
        "downtime_s": {"year": 15778.8, "month": 1314.9, "week": 302.4, "day": 43.2, "30d": 1296},
        "year_days": 365.25,
    }
    assert json.loads(told(capsys, "99.99", "--mttr", "1h", "--json"))["mtbf_at_least_s"] == 9999 * 3600
    assert json.loads(told(capsys, "100", "--json"))["nines"] is None


def test_machines_are_told_the_table_and_that_its_costs_are_sayings(capsys: Capture) -> None:
    found = json.loads(told(capsys, "--table", "--json"))
    assert [row["availability"] for row in found["rows"]][:3] == ["90%", "95%", "99%"]
    assert found["costs"][-1] == {"availability": "99.999%", "least": 10, "most": None, "basis": "commonly quoted"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["99,95"], "'99,95' is not an availability (write it like 99.95"),
        (["99.95", "--table"], "several questions at once"),
        (["--series", "99", "--parallel", "99"], "several questions at once"),
        (["--series", "99", "--mtbf", "30d"], "several questions at once"),
        (["--mtbf", "30d"], "one of MTBF and MTTR is missing"),
        (["99", "--mtbf", "30d", "--mttr", "1h"], "leave nothing to ask"),
        (["100", "--mttr", "1h"], "100% cannot be met"),
        (["--k-of-n", "3", "99"], "--k-of-n: '3' is not k of n (write it like 2/3 99.9)"),
        (["--k-of-n", "4/3", "99"], "4 of 3 parts"),
        (["--k-of-n", "9999/9999", "99"], "9999 of 9999 parts"),
        (["99", "--window", "30x"], "--window: '30x' is not a duration"),
        (["99", "--window", "0"], "--window: no time at all"),
    ],
)
def test_a_wrong_question_is_one_clear_line(words: list[str], said: str, capsys: Capture) -> None:
    assert main(["nines", *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_its_help_ends_with_examples(capsys: Capture) -> None:
    assert "Examples:\n  bascule nines 99.95 --window 30d" in told(capsys, "--help")
