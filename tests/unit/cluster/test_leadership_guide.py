"""What docs/cluster-leadership.md and the README show of a leadership runs."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "cluster-leadership.md"
README = Path(__file__).parents[3] / "README.md"
BLOCKS = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nightly", "writing True\n"),
        ("consumer", "handling first\nhandling second\n"),
        ("fenced", "all is well\n"),
    ],
)
def test_an_example_runs(
    name: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[name], name, "exec"), types.ModuleType("snippet").__dict__)  # noqa: S102 - the page is our own
    assert capsys.readouterr().out == expected


def test_every_example_is_run() -> None:
    assert set(BLOCKS) == {"nightly", "consumer", "fenced"}


def test_the_example_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    (shown,) = [block for block in blocks if "Leadership" in block]
    exec(compile(shown, "README", "exec"), types.ModuleType("snippet").__dict__)  # noqa: S102 - the page is our own
    assert capsys.readouterr().out.startswith("only one process is here, with token ")
