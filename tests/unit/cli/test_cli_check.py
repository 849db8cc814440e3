"""`bascule check`: exit codes, and what people and machines are told."""

import json
from pathlib import Path

import pytest

from bascule.cli.main import main
from bascule.measure.checkers import Operation
from bascule.measure.history import write_history

SOUND = [
    Operation("write", "x", 1, 0.0, 1.0),
    Operation("write", "x", 2, 2.0, 3.0),
    Operation("read", "x", 2, 4.0, 5.0),
]
STALE = [*SOUND, Operation("read", "x", 1, 6.0, 7.0)]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


@pytest.mark.parametrize(
    ("operations", "options", "exit_code"),
    [
        (SOUND, (), 0),
        (STALE, (), 1),
        (STALE, ("--max-staleness", "5s"), 0),
        (STALE, ("--max-staleness", "1s"), 1),
        (SOUND[:2], (), 2),
        ([], (), 2),
    ],
)
def test_the_exit_code_is_the_verdict(
    history: Path, operations: list[Operation], options: tuple[str, ...], exit_code: int
) -> None:
    write_history(history, operations)
    assert main(["check", str(history), *options]) == exit_code
    assert main(["check", str(history), *options, "--json"]) == exit_code


def test_people_are_told_what_was_found(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_history(history, STALE)
    main(["check", str(history)])
    told = capsys.readouterr().out
    assert "FAIL" in told
    assert "1 torn" in told
    assert "value 1 stood there" in told


def test_machines_are_told_the_same(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_history(history, STALE)
    main(["check", str(history), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "FAIL"
    assert told["objects"][0]["findings"]["torn"] == 1


@pytest.mark.parametrize("text", ["", "a: b", '{"system": 1}'])
def test_another_file_is_refused_with_the_next_step(
    history: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history.write_text(text)
    assert main(["check", str(history)]) == 2
    assert '{"history":"bascule","version":1}' in capsys.readouterr().err


def test_a_file_that_is_not_there_and_an_empty_directory_are_refused(tmp_path: Path) -> None:
    assert main(["check", str(tmp_path / "none")]) == 2
    assert main(["check", str(tmp_path)]) == 2
