"""The public types hold under mypy and under pyright, and a wrong one is noticed by both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
CHECKERS = {
    "mypy": ["mypy", "--strict", "--warn-unused-ignores", "--no-incremental", "--cache-dir=/dev/null"],
    "pyright": ["basedpyright", "--level", "error", "--pythonpath", sys.executable],
}
WRONG = """
from typing import assert_type
from bascule.guard import Fallback, Retry

@Retry(3)
def plain(a: int) -> float:
    return a

@Fallback(None)
def maybe(a: int) -> float:
    return a

assert_type(plain(1), str)
assert_type(maybe(1), float)
"""


def check(checker: str, path: Path) -> tuple[int, str]:
    argv = CHECKERS[checker]
    done = subprocess.run([BIN / argv[0], *argv[1:], path], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("path", sorted(HERE.glob("guard_*.py")), ids=lambda path: path.stem)
def test_the_types_are_exact(checker: str, path: Path) -> None:
    code, said = check(checker, path)
    assert code == 0, said


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_wrong_type_is_noticed(checker: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong_types.py"
    path.write_text(WRONG)
    code, said = check(checker, path)
    assert code == 1, said
    assert said.count("assert_type") >= 2 or said.count("Expression is of type") >= 2, said
