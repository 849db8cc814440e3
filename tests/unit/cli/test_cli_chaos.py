from __future__ import annotations

import json
from pathlib import Path

import pytest

from bascule.chaos.fake_platform import FakeHost, FakePlatform
from bascule.chaos.faults import Partition, ProcessKill
from bascule.chaos.journal import Entry, Journal, PlatformRef, State
from bascule.cli import chaos as command
from bascule.cli.main import main
from bascule.kernel.errors import LabError

REFERENCE = PlatformRef(kind="lab", directory="/nowhere")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    hosts = tuple(FakeHost(name=name, zone=name, region="r", commands=("postgres",)) for name in ("db-1", "db-2"))
    made = FakePlatform(hosts)
    monkeypatch.setattr(command, "attach", lambda _: made)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A drill's directory with a kill that acts and a partition that was undone."""
    journal = Journal(tmp_path / "journal.jsonl")
    kill, cut = ProcessKill(member="db-1"), Partition(hosts=("db-1",))
    told: list[tuple[int, State, ProcessKill | Partition]] = [
        (1, "planned", cut),
        (1, "undone", cut),
        (2, "active", kill),
    ]
    for number, state, fault in told:
        journal.write(Entry(id=number, state=state, fault=fault, platform=REFERENCE, at_s=1.0))
    return tmp_path


def output(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_status_says_what_is_still_injected(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chaos", "status", str(run)]) == 1
    assert (
        output(capsys) == "process-kill: kill -9 every process of db-1: active; undone by starting the member again\n"
    )
    assert main(["chaos", "status", str(run), "--json"]) == 1
    told = json.loads(output(capsys))
    assert [(one["id"], one["fault"], one["aim"]) for one in told["pending"]] == [
        (2, "process-kill", {"member": "db-1"})
    ]
    assert told["problems"] == []


def test_recover_undoes_it_once_and_says_so(
    run: Path, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.kill("db-1")
    assert main(["chaos", "recover", str(run)]) == 0
    assert output(capsys) == "process-kill (kill -9 every process of db-1): undone\n"
    assert platform.whole()
    assert main(["chaos", "recover", str(run)]) == 0
    assert output(capsys) == f"{run}: nothing is injected\n"
    assert main(["chaos", "status", str(run)]) == 0


def test_a_dry_run_does_nothing(run: Path, platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.kill("db-1")
    assert main(["chaos", "recover", str(run), "--dry-run"]) == 1
    assert "process-kill" in output(capsys)
    assert not platform.whole()
    assert len(Journal(run / "journal.jsonl").pending()) == 1


def test_what_cannot_be_undone_is_said_and_is_exit_code_1(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(_: PlatformRef) -> FakePlatform:
        raise LabError("this lab belongs to another user")

    monkeypatch.setattr(command, "attach", closed)
    assert main(["chaos", "recover", str(run), "--json"]) == 1
    (one,) = json.loads(output(capsys))["recovered"]
    assert one == {
        "fault": "process-kill",
        "aim": {"member": "db-1"},
        "how": "still there",
        "error": "this lab belongs to another user",
    }


def test_a_line_that_cannot_be_read_is_told_and_never_passes_for_nothing(
    run: Path, platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    with (run / "journal.jsonl").open("ab") as stream:
        stream.write(b"garbage\n")
    for words in (["status", str(run)], ["recover", str(run)], ["status", str(run)]):
        assert main(["chaos", *words]) == 1
        assert f"{run}/journal.jsonl:4: not an entry of a journal" in output(capsys)
    assert platform.whole()


def test_a_drill_that_injected_nothing_has_nothing_to_undo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.watchdog.log").touch()
    assert main(["chaos", "status", str(tmp_path)]) == 0
    assert main(["chaos", "recover", str(tmp_path)]) == 0
    assert "nothing is injected" in output(capsys)


@pytest.mark.parametrize("words", [["status"], ["recover"], ["recover", "--dry-run"]])
def test_a_directory_where_no_drill_ran_is_an_error_and_not_an_all_clear(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (tmp_path, tmp_path / "missing"):
        assert main(["chaos", *words, str(wrong)]) == 2
        assert "no drill ran here" in capsys.readouterr().err


def test_every_command_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["inject"], ["status"], ["recover"]):
        assert main(["chaos", *words, "--help"]) == 0
        assert "Examples:\n  bascule " in output(capsys)
