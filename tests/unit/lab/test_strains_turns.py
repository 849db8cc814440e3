"""A member's turn is counted when its main process was seen to stop, and to go on: never because a signal was sent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.lab import strains
from bascule.lab.strains import Strains


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("/bin/sleep", "1000"), start_new_session=True) as process:
        yield process
        process.kill()


def kept(process: subprocess.Popen[bytes]) -> Strains:
    """The strains of one member, which is this process."""
    members = SimpleNamespace(program=lambda _: process, trees=lambda _: {process.pid: None})
    made = Strains(cast("Any", members), cast("Any", None))
    made._counts["it"] = 0
    return made


def turned(hands: Strains, monkeypatch: pytest.MonkeyPatch, *, heard: int = 0, over: Callable[[int], bool]) -> int:
    """How many turns were counted until it is over, which is asked at each stop with the number of stops before it.

    Args:
        hands: Who makes the turns.
        monkeypatch: Of the test.
        heard: The one signal that reaches the process; when that is a stop, it has all the time it wants to stop.
        over: Told how many stops there were.
    """
    stops = 0
    tell = strains._tell

    def telling(pids: tuple[int, ...], number: int) -> None:
        nonlocal stops
        if number == signal.SIGSTOP:
            if over(stops):
                raise _OverError
            stops += 1
        if heard in {number, _ALL}:
            tell(pids, number)
        if heard == number == signal.SIGSTOP:
            os.waitid(os.P_PID, pids[0], os.WSTOPPED | os.WNOWAIT)

    monkeypatch.setattr(strains, "_tell", telling)
    with pytest.raises(_OverError):
        asyncio.run(hands._turns("it", 0.5))
    return hands._counts["it"]


class _OverError(Exception):
    """No more turns."""


_ALL = -1


def test_a_member_that_stops_and_goes_on_is_counted(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = kept(sleeper)
    assert turned(hands, monkeypatch, heard=_ALL, over=lambda _: hands._counts["it"] > 0) == 1


def test_a_signal_that_does_not_reach_it_is_no_turn(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strains, "_STOP_LIMIT_S", 0.0)
    assert turned(kept(sleeper), monkeypatch, over=lambda stops: stops == 3) == 0


def test_a_member_that_does_not_go_on_is_not_counted(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert turned(kept(sleeper), monkeypatch, heard=signal.SIGSTOP, over=lambda stops: stops == 3) == 0
