"""The starter is written whole or not at all, and never over another file unless told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.kernel.errors import InputError
from bascule.system import load
from bascule.system.starter import STARTER, write


def test_the_file_that_is_written_is_a_good_one(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.yaml")
    assert load(path).system == "my-system"
    assert path.read_text(encoding="utf-8") == STARTER
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_gets_a_file_called_bascule_yaml(tmp_path: Path) -> None:
    assert write(tmp_path) == tmp_path / "bascule.yaml"


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    with pytest.raises(InputError, match="there is a file already") as refused:
        write(path)
    assert "--force" in refused.value.hint
    assert path.read_text() == "mine"
    write(path, force=True)
    assert path.read_text() == STARTER


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    link = tmp_path / "a.yaml"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="already"):
        write(link)
    assert not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_written_is_one_clear_message_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file"):
        write(tmp_path / "no" / "a.yaml")
    assert list(tmp_path.iterdir()) == []


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / "a.yaml", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]
