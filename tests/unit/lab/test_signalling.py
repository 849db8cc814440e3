"""Who of a tree gets a signal, and in which order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from bascule.chaos.endings import SignalAim
from bascule.lab import processes
from bascule.lab.ownership import Row
from bascule.lab.signalling import _reach, in_order

TREE = {
    row.pid: row
    for row in (
        Row(30, "worker", "S", 20, 10, 7),
        Row(20, "postgres", "S", 10, 10, 5),
        Row(10, "keeper", "S", 1, 10, 3),
        Row(21, "daemon", "S", 1, 21, 6),
    )
}


@pytest.mark.parametrize(
    ("aim", "pids"),
    [
        ("main", [10]),
        ("children", [30, 20, 21]),
        ("main-first", [10, 21, 20, 30]),
        ("leaves-first", [30, 20, 21, 10]),
    ],
)
def test_the_order(aim: SignalAim, pids: list[int]) -> None:
    assert [row.pid for row in in_order(TREE, 10, aim)] == pids


def test_a_member_whose_main_process_is_gone_has_no_main_to_reach() -> None:
    assert in_order(TREE, 0, "main") == []


def test_a_process_that_is_another_by_now_is_not_reached() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as child:
        row = processes.row(child.pid)
        assert row is not None
        earlier = Row(row.pid, row.command, row.state, row.parent, row.session, row.start - 1)
        assert not _reach(earlier, signal.SIGKILL)
        assert child.poll() is None
        assert _reach(row, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not _reach(row, signal.SIGTERM)
