"""Whatever is wrong with a command line or a command: one message, the right exit code, no traceback."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.cli import main as module
from bascule.cli import system
from bascule.cli.examples import in_docstring
from bascule.cli.main import COMMANDS, main
from bascule.kernel.errors import AbortedError, FaultError

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_alone_it_lists_its_commands_and_first_steps(words: list[str], capsys: Capture) -> None:
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert "Examples:\n  bascule init" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sytem"], "bascule: unknown command 'sytem' (did you mean 'system'?)"),
        (["system", "chek"], "bascule: system: unknown command 'chek' (did you mean 'check'?)"),
        (["system", "check"], "bascule: system check: parameter FILE requires an argument"),
        (
            ["system", "check", "a", "b"],
            "bascule: system check: Unused Tokens: ['b'] (see bascule system check --help)",
        ),
        (["system", "check", "a", "--jsn"], "bascule: system check: Unknown option: "),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(words: list[str], said: str, capsys: Capture) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(said)
    assert shown.err.count("\n") == 1


def test_a_wrong_command_line_is_told_to_machines_too(capsys: Capture) -> None:
    assert main(["sytem", "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "unknown command 'sytem'",
        "where": "",
        "hint": "did you mean 'system'?",
        "exit_code": 2,
    }


@pytest.mark.parametrize("words", [["init"], ["system"], ["system", "check"], ["system", "show"], ["system", "schema"]])
def test_every_help_ends_with_examples(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    assert f"Examples:\n  bascule {' '.join(words)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (FaultError("the wire is cut", where="paris-a", hint="wait"), 2, "bascule: paris-a: the wire is cut (wait)\n"),
        (AbortedError("the disk is full"), 3, "bascule: the disk is full\n"),
        (KeyboardInterrupt(), 3, "bascule: stopped\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "bascule: /x/y: No space left on device\n"),
        (
            ModuleNotFoundError("no", name="pyroute2"),
            2,
            "bascule: the Python package pyroute2 is missing (install basc",
        ),
        (
            ZeroDivisionError("oh"),
            2,
            "bascule: a fault of bascule itself: ZeroDivisionError: oh (the same command with",
        ),
    ],
)
def test_every_error_becomes_one_message_and_its_exit_code(
    error: BaseException, exit_code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(module, "_run", _raiser(error))
    assert main(["system", "schema"]) == exit_code
    assert capsys.readouterr().err.startswith(said)


def _raiser(error: BaseException) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise error

    return fail


def test_ctrl_c_inside_a_command_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "write", _raiser(KeyboardInterrupt()))
    assert main(["init", str(tmp_path / "a.yaml")]) == 3
    assert capsys.readouterr().err == "bascule: stopped\n"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such file"):
        main(["system", "check", str(tmp_path / "no.yaml"), "--debug"])
    monkeypatch.setattr(module, "_run", _raiser(ZeroDivisionError("oh")))
    with pytest.raises(ZeroDivisionError):
        main(["--debug"])


def test_words_after_two_dashes_are_left_alone(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    seen: list[list[str]] = []

    def run(words: list[str], *, wants_help: bool) -> int:
        seen.append(words)
        assert not wants_help
        raise FaultError("no")

    monkeypatch.setattr(module, "_run", run)
    assert main(["lab", "exec", "client", "--", "ls", "--debug", "--json", "--help"]) == 2
    assert seen == [["lab", "exec", "client", "--", "ls", "--debug", "--json", "--help"]]
    assert capsys.readouterr().out == ""


def test_a_commands_own_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_run", lambda *_, **__: 1)
    assert main(["drill"]) == 1


def test_examples_are_the_lines_of_their_section() -> None:
    assert in_docstring(
        "Do it.\n\n    Examples:\n        bascule a\n        bascule b\n\n    Args:\n        x: y\n"
    ) == [
        "bascule a",
        "bascule b",
    ]
    assert in_docstring(None) == []


def test_a_hostile_name_reaches_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    name = "\x1b]0;pwn\x07\nbascule: all is well.yaml"
    assert main(["audit", name]) == 2
    assert main(["system", "check", name]) == 2
    Path(name).write_text("system: 1\nnonsense: 2\n", encoding="utf-8")
    assert main(["system", "check", name]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 4, "each problem of a system file has a line of its own"
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("bascule: all is well") for line in lines)
    assert all("\\x1b]0;pwn\\x07\\nbascule: all is well" in line for line in lines if ".yaml" in line)
