"""The unit file that is shipped: systemd itself takes it, and finds it well locked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "contrib" / "bascule-agent.service"
MOST_EXPOSURE = 2.5
"""Of 10, as `systemd-analyze security` counts; it was 2.1 when this was written."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/usr/bin/bascule", sys.executable))
    return path


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze (package systemd)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_every_line_of_it(unit: Path) -> None:
    assert analyze("verify", "--man=no", str(unit)) == ""


def test_a_line_that_systemd_does_not_know_would_be_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPriviliges"))
    assert "'NoNewPriviliges'" in analyze("verify", "--man=no", str(unit))


def test_it_is_well_locked(unit: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", str(unit))
    level = re.search(r"Overall exposure level for .*: ([0-9.]+)", said)
    assert level is not None, said
    assert float(level[1]) <= MOST_EXPOSURE, said


def test_the_guardian_is_left_to_do_its_work() -> None:
    """With `mixed` systemd would kill it in the moment in which the agent died (systemd.kill(5))."""
    assert "\nKillMode=process\n" in UNIT.read_text()
