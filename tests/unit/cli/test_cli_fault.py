"""`bascule fault`, and what `bascule chaos inject` makes of its words."""

import json
from pathlib import Path

import pytest

from bascule.chaos.faults import KINDS, Partition, ProcessSlow
from bascule.chaos.faults.catalogue import parse
from bascule.cli.main import main
from bascule.kernel.errors import InputError


def test_every_kind_of_fault_is_listed_with_how_it_is_seen_and_undone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["fault"] for one in listed] == [kind.kind() for kind in KINDS]
    assert all(one["needs"] and one["does"] and one["seen_by"] and one["undone_by"] for one in listed)
    assert all(one["about"] and one["parameters"] for one in listed)
    assert main(["fault", "list"]) == 0
    text = capsys.readouterr().out
    assert all(kind.kind() in text for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_shown_with_its_parameters(kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "show", kind.kind()]) == 0  # type: ignore[attr-defined]  # a fault
    text = capsys.readouterr().out
    assert "must be given" in text
    assert "undone by" in text


def test_ranges_and_defaults_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fault", "show", "process-slow"])
    assert "share: number, 0.05 to 0.8; default 0.2" in capsys.readouterr().out


def test_words_become_a_fault() -> None:
    assert parse("process-slow", ("member=a", "share=0.5")) == ProcessSlow(member="a", share=0.5)
    assert parse("partition", ("hosts=a,b",)) == Partition(hosts=("a", "b"))


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("process-slo", (), "did you mean 'process-slow'"),
        ("process-slow", (), "member"),
        ("process-slow", ("member=a", "share=2"), "<= 0.8"),
        ("process-slow", ("member=a", "share=nan"), "share"),
        ("process-slow", ("member=a", "share=much"), "share"),
        ("process-slow", ("member",), "is not a parameter"),
        ("process-slow", ("memory=a",), "is not a parameter"),
    ],
)
def test_wrong_words_are_refused(name: str, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(name, words)
    assert told in str(refusal.value)


def test_a_dry_run_says_what_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["chaos", "inject", "process-slow", "member=a", "--lab", str(tmp_path), "--for", "5s", "--dry-run"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "let every process of a run 20% of the time only" in told
    assert "wait 5s" in told
    assert list(tmp_path.iterdir()) == []


def test_without_a_lab_nothing_is_injected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "chaos",
        "inject",
        "process-kill",
        "member=a",
        "--lab",
        str(tmp_path / "none"),
        "-o",
        str(tmp_path / "run"),
    ]
    assert main(words) == 2
    assert "no lab is up here" in capsys.readouterr().err
    assert not (tmp_path / "run" / "journal.jsonl").exists()


def test_every_command_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["list"], ["show"]):
        assert main(["fault", *words, "--help"]) == 0
        assert "Examples:\n  bascule fault" in capsys.readouterr().out
