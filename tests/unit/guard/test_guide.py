"""What docs/guard.md shows runs, and what it calls refused is refused with the words that it shows."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest

from bascule.kernel.errors import BasculeError

PAGE = Path(__file__).parents[3] / "docs" / "guard.md"
BLOCKS = re.findall(r"^```(\w+)( refused)?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PYTHON = [(bool(refused), code) for language, refused, code in BLOCKS if language == "python"]


def test_the_guide_has_snippets() -> None:
    assert sum(refused for refused, _ in PYTHON) == 3
    assert len(PYTHON) > 8


@pytest.mark.parametrize(("refused", "code"), PYTHON, ids=range(len(PYTHON)))
def test_a_snippet_does_what_it_says(refused: bool, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tomls,) = [code for language, _, code in BLOCKS if language == "toml"]
    (tmp_path / "guard.toml").write_text(tomls)
    module = types.ModuleType("snippet")
    compiled = compile(code, "snippet", "exec")
    if not refused:
        exec(compiled, module.__dict__)  # noqa: S102 - the page is our own
        return
    with pytest.raises(BasculeError) as error:
        exec(compiled, module.__dict__)  # noqa: S102 - the page is our own
    (told,) = re.findall(r"^# \w+: (.*)$", code, re.MULTILINE)
    assert str(error.value).partition(" (")[0] == told
