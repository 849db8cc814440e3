"""A turn is counted when the main process was seen to stop, and to go on: never because a signal was sent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.outside.agent import holding
from bascule.outside.agent.holding import Holding
from bascule.outside.agent.notes import Note, Touched
from bascule.outside.agent.table import Key, Row, row, send
from bascule.outside.agent.targets import Target


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("/bin/sleep", "1000"), start_new_session=True) as process:
        yield process
        process.kill()


def held(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Holding:
    """A process in the hands of an agent, which writes nothing down and does not wait for the first stop."""
    monkeypatch.setattr(holding, "_STOP_LIMIT_S", 0.0)

    def rows() -> list[Row]:
        found = row(process.pid)
        return [] if found is None else [found]

    touched = Touched()
    note = SimpleNamespace(of=lambda _: touched, save=lambda: None)
    return Holding(cast("Note", note), {"it": cast("Target", SimpleNamespace(rows=rows))})


def turned(hands: Holding, look: Callable[[], Any] = lambda: None) -> int:
    """How many of three turns were counted; `look` is called while each of them lasts."""
    looks = iter(range(6))

    def wait(_: float) -> bool:
        look()
        return next(looks) >= 5

    hands._counts["it"] = 0
    hands._turns("it", 0.5, wait)
    return hands._counts["it"]


def until_stopped(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def test_a_process_that_stops_and_goes_on_is_counted(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = held(sleeper, monkeypatch)
    monkeypatch.setattr(holding, "_STOP_LIMIT_S", 30.0)  # the first stop is waited for, however busy the machine is
    hands._counts["it"] = 0
    hands._turns("it", 0.5, lambda _: hands._counts["it"] > 0)  # until one is counted


def test_a_signal_that_does_not_reach_it_is_no_turn(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = held(sleeper, monkeypatch)
    monkeypatch.setattr(holding, "send", lambda _key, _number: True)
    assert turned(hands) == 0


def test_a_process_that_does_not_go_on_is_not_counted(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_alone(key: Key, number: int) -> bool:
        return number != signal.SIGSTOP or send(key, number)

    hands = held(sleeper, monkeypatch)
    monkeypatch.setattr(holding, "send", stop_alone)
    assert turned(hands, lambda: until_stopped(sleeper.pid)) == 0


def test_who_was_stopped_by_somebody_else_is_neither_counted_nor_let_go(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    until_stopped(sleeper.pid)
    assert turned(held(sleeper, monkeypatch)) == 0
    found = row(sleeper.pid)
    assert found is not None
    assert found.state == "T"
