"""`bascule chaos export` and `import`: files, refusals and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bascule.cli.main import main

NOTES = Path(__file__).parents[2] / "real" / "ecosystem" / "notes.yaml"
FREEZE = ["chaos", "export", "process-freeze", "member=notes-north-a-1", "--system", str(NOTES)]


def test_without_a_file_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(FREEZE) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["configuration"]["bascule_lab"] == ".bascule/notes"


def test_it_comes_back_as_an_experiment_of_the_system(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending in ("json", "yaml"):
        theirs, ours = tmp_path / f"theirs.{ending}", tmp_path / "ours.yaml"
        assert main([*FREEZE, "--for", "3s", "-o", str(theirs)]) == 0
        assert main(["chaos", "import", str(theirs), "-s", str(NOTES), "--name", "freeze", "-o", str(ours)]) == 0
        capsys.readouterr()
        assert main(["drill", str(NOTES), "--experiments", str(ours), "-e", "freeze", "--dry-run"]) == 0
        assert "process-freeze" in capsys.readouterr().out


def test_what_is_left_is_said_and_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FREEZE, "-o", str(tmp_path / "it.json")]) == 0
    document = json.loads((tmp_path / "it.json").read_text())
    name = "evil \x1b[2J"
    document["method"].append({"type": "action", "name": name, "provider": {"type": "process", "path": "rm"}})
    (tmp_path / "it.json").write_text(json.dumps(document))
    capsys.readouterr()
    assert main(["chaos", "import", str(tmp_path / "it.json")]) == 1
    told = capsys.readouterr().out
    assert "# NOT carried over: method[2]: " in told
    assert "\x1b" not in told
    assert main(["chaos", "import", str(tmp_path / "it.json"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["left"][0]["where"] == "method[2]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["chaos", "export", "proces-freeze", "--system", str(NOTES)], "did you mean 'process-freeze'"),
        ([*FREEZE, "sytem=x"], "is not a parameter"),
        ([*FREEZE, "-o", "it.txt"], "end it with"),
        ([*FREEZE, "-o", "/nowhere/it.json"], "cannot be written"),
        (["chaos", "export", "primary-kill", "--system", str(NOTES)], "primary"),
        (["chaos", "export", "entry-kill", "member=x", "--system", str(NOTES)], "no parameters"),
        (["chaos", "export", "entry-kill", "--trials", "0", "--system", str(NOTES)], "number of trials"),
        (["chaos", "import", "nowhere.json"], "no such file"),
        (["chaos", "import", __file__], "end it with"),
        (["chaos", "import", str(NOTES)], "nothing of it is a fault"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_a_member_that_the_system_does_not_have_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*FREEZE[:3], "member=nobody", *FREEZE[4:]]
    assert main([*words, "-o", str(tmp_path / "it.json")]) == 0
    assert main(["chaos", "import", str(tmp_path / "it.json"), "-s", str(NOTES)]) == 2
    assert "nobody" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (["disk-full", "hosts=notes-north-a-1"], {"disks": True}),
        (["clock-step", "member=notes-north-a-1", "step_s=60"], {"clocks": True}),
        (["dns-failure", "hosts=notes-north-a-1", "how=nxdomain"], {"names": True}),
        (["process-freeze", "member=notes-north-a-1"], {}),
    ],
)
def test_a_fault_asks_for_a_lab_that_can_have_it(
    fault: list[str], asked: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chaos", "export", *fault, "--system", str(NOTES)]) == 0
    control = json.loads(capsys.readouterr().out)["controls"][0]
    given = control["provider"]["arguments"]
    assert {key: value for key, value in given.items() if key not in {"lab", "system"}} == asked
