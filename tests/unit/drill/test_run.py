"""Where a drill may write."""

from pathlib import Path

import pytest

from bascule.drill import run
from bascule.kernel.errors import InputError, MachineError


def test_a_directory_with_an_earlier_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / run.FACTS).write_text("{}")
    with pytest.raises(InputError, match="holds an earlier run") as refused:
        run._make(tmp_path)
    assert "--output" in refused.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [run.FACTS]


def test_a_new_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    run._make(tmp_path / "runs" / "one")
    assert (tmp_path / "runs" / "one").is_dir()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be made"):
        run._make(tmp_path / "file" / "run")
