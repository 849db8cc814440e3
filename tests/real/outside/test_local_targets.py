"""Processes of this machine that no lab knows: broken by hand, as a stranger sees it, and whole afterwards."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.outside.outside_rig import NAMES, WAYS, ByHand, Worker, allow, bascule, eventually, state, working

pytestmark = pytest.mark.real


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with working(tmp_path / "worker") as found:
        yield found


@pytest.fixture
def rules(tmp_path: Path, worker: Worker) -> Path:
    rule = {"words": [*worker.argv[:2]], "faults": ["all"], "restart": worker.argv}
    return allow(tmp_path / "allow.yaml", rule)


@pytest.fixture
def strike(tmp_path: Path, worker: Worker, rules: Path) -> Iterator[Callable[..., ByHand]]:
    hands: list[ByHand] = []

    def begin(*words: str) -> ByHand:
        hands.append(ByHand(tmp_path / "run", *words, "--on", worker.name, "--allow", rules))
        hands[-1].acts()
        return hands[-1]

    yield begin
    for hand in hands:
        hand.end()


@pytest.fixture(params=WAYS, ids=NAMES)
def ended(request: pytest.FixtureRequest) -> Callable[[ByHand], None]:
    way: Callable[[ByHand], None] = request.param
    return way


def test_a_frozen_process_is_stopped_and_goes_on(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    hand = strike("process-freeze")
    assert state(worker.pid) == "T"
    ended(hand)
    eventually(worker.works)


def test_a_slow_process_stops_and_goes(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    hand = strike("process-slow", "share=0.2")
    for wanted in ("T", "S", "T"):
        eventually(lambda letter=wanted: state(worker.pid) == letter)  # type: ignore[misc]  # bound as it is now
    ended(hand)
    eventually(worker.works)


def test_a_process_without_descriptors_can_open_nothing(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    before = Path(f"/proc/{worker.pid}/limits").read_text()
    hand = strike("descriptors-exhausted")
    eventually(lambda: worker.said() == "Too many open files")
    ended(hand)
    eventually(lambda: worker.said() == "opened")
    assert Path(f"/proc/{worker.pid}/limits").read_text() == before


def test_a_killed_process_is_started_again_by_its_command(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    before = ignored_signals(worker.pid)
    hand = strike("process-kill")
    assert state(worker.pid) in {"Z", ""}
    ended(hand)
    eventually(lambda: len(worker.starts()) == 2)
    eventually(worker.works)
    assert ignored_signals(worker.starts()[-1]) == before
    assert bascule("chaos", "recover", hand.run)[0] == 0
    assert len(worker.starts()) == 2


def ignored_signals(pid: int) -> int:
    """The signals that a process ignores; SIGHUP apart, of which `nohup` may have told it before these tests."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("SigIgn")]
    return int(line.split()[1], 16) & ~(1 << (signal.SIGHUP - 1))


def test_a_crash_loop_kills_and_starts_until_it_ends(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    hand = strike("process-crash-loop", "up_s=0.2")
    eventually(lambda: len(worker.starts()) > 3)
    ended(hand)
    eventually(worker.works)
    assert state(worker.starts()[-1]) not in {"Z", ""}


def test_an_agent_that_is_killed_is_missed_at_once_and_the_watchdog_undoes(
    worker: Worker, strike: Callable[..., ByHand]
) -> None:
    hand = strike("process-freeze")
    hand.kill_agent()
    out, err = hand.process.communicate(timeout=60)
    assert hand.process.returncode == 2, out + err
    assert "the agent is not reached" in err
    eventually(worker.works)
    eventually(lambda: bascule("chaos", "status", hand.run)[0] == 0)


def test_a_halt_ends_it_and_undoes_it(worker: Worker, strike: Callable[..., ByHand]) -> None:
    hand = strike("process-slow", "share=0.1")
    code, told = bascule("chaos", "halt", hand.run, "--dry-run")
    assert (code, worker.name in told) == (0, True), told
    code, told = bascule("chaos", "halt", hand.run)
    while code != 0:  # on a busy machine it may take longer than the two seconds
        code, more = bascule("chaos", "halt", hand.run)
        told += more
    assert "undone: " in told
    hand.process.wait(timeout=60)
    eventually(worker.works)
    assert bascule("chaos", "status", hand.run)[0] == 0
