"""The processes of a unit are read from its control group, also while that goes."""

from pathlib import Path

import pytest

from bascule.outside.agent import systemctl


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(systemctl, "_hierarchies", lambda: [str(tmp_path)])
    (tmp_path / "web.service" / "below").mkdir(parents=True)
    (tmp_path / "web.service" / "cgroup.procs").write_text("12\n13\n")
    (tmp_path / "web.service" / "below" / "cgroup.procs").write_text("14\n")
    return tmp_path


@pytest.mark.usefixtures("group")
def test_the_processes_of_a_group_and_of_those_below_are_found_once() -> None:
    assert systemctl.pids_of("/web.service") == [12, 13, 14]
    assert systemctl.pids_of("/other.service") is None
    assert systemctl.pids_of("/") is None


def test_a_group_that_goes_while_it_is_looked_at_has_no_processes(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Path, _pattern: str) -> list[Path]:
        raise FileNotFoundError(str(self))

    monkeypatch.setattr(Path, "glob", gone)
    (group / "web.service" / "cgroup.procs").unlink()
    assert systemctl.pids_of("/web.service") == []
