"""The thread that talks to a store: when it takes its turns, and that it begins, ends and forks as it should."""

from __future__ import annotations

import dis
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from bascule.guard import Stream
from bascule.guard.atomic import STEPS
from bascule.guard.facts import SharedStateFound, SharedStateLost
from bascule.guard.policy import Home
from bascule.guard.shared import circuits, courier, leases, rates  # noqa: F401 - their steps are read below
from bascule.guard.shared.courier import LATE, SOON, Courier
from bascule.guard.shared.store import StoreLostError
from bascule.kernel.facts import Fact

DEADLINE_S = 20.0


class Counting:
    """Rounds that count their turns, and fail or wait as they are told."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.turns = threading.Semaphore(0)
        self.is_busy = False
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.has_left = threading.Event()
        self.forks = 0

    def turn(self, *, must_ask: bool) -> bool:
        del must_ask
        self.has_begun.set()
        self.go_on.wait(DEADLINE_S)
        self.turns.release()
        if self.error is not None:
            raise self.error
        return self.is_busy

    def leave(self) -> None:
        self.has_left.set()

    def forked(self) -> None:
        self.forks += 1

    def took(self, turns: int = 1) -> bool:
        return all(self.turns.acquire(timeout=DEADLINE_S) for _ in range(turns))


@pytest.fixture
def rounds() -> Counting:
    return Counting()


@pytest.fixture
def facts() -> Stream:
    return Stream()


@pytest.fixture
def make(rounds: Counting, facts: Stream) -> Iterator[Callable[[float], Courier]]:
    made: list[Courier] = []

    def one(refresh_s: float) -> Courier:
        made.append(Courier(Home("it", facts=facts), rounds, refresh_s))
        return made[-1]

    yield one
    rounds.go_on.set()
    assert all(one.close(DEADLINE_S) for one in made)


Make = Callable[[float], Courier]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "bascule-shared-it"]


def test_there_is_no_thread_before_there_is_something_to_do(make: Make) -> None:
    make(0.01)
    assert threads() == []


def test_it_takes_turns_while_there_is_something_to_do(make: Make, rounds: Counting) -> None:
    rounds.is_busy = True
    make(0.001).wake()
    assert rounds.took(20)
    assert threads() == ["bascule-shared-it"]


@pytest.mark.parametrize("why", [LATE, SOON])
def test_it_rests_while_there_is_nothing_to_do_until_it_is_woken(make: Make, rounds: Counting, why: int) -> None:
    it = make(0.001)
    for _ in range(5):
        it.wake(why)
        assert rounds.took()


def test_what_is_urgent_does_not_wait_for_the_next_refresh(make: Make, rounds: Counting) -> None:
    it = make(4.0)  # a twentieth of it is the least between two turns
    it.wake(SOON)
    for _ in range(3):
        assert rounds.took()
        it.wake(SOON)
    assert rounds.took()


def test_waking_never_waits_for_a_turn_that_hangs(make: Make, rounds: Counting) -> None:
    rounds.go_on.clear()
    it = make(0.01)
    for _ in range(1000):
        it.wake(SOON)
    assert not rounds.turns.acquire(blocking=False)  # all of that was within one turn, which has not ended


def test_it_ends_when_it_is_closed_and_stays_ended(make: Make, rounds: Counting) -> None:
    it = make(0.001)
    it.wake()
    assert rounds.took()
    assert it.close(DEADLINE_S)
    assert rounds.has_left.is_set()
    it.wake()
    assert threads() == []
    assert it.close()


def test_closing_does_not_wait_for_a_hanging_store_for_longer_than_it_may(make: Make, rounds: Counting) -> None:
    rounds.go_on.clear()
    it = make(0.001)
    it.wake()
    assert not it.close(within_s=0.01)
    rounds.go_on.set()
    assert it.close(DEADLINE_S)


def heard(facts: Stream) -> list[Fact]:
    told: list[Fact] = []
    facts.subscribe(told.append)
    return told


@pytest.mark.parametrize("error", [StoreLostError("away"), ZeroDivisionError("a mistake of ours")])
def test_lost_and_found_are_told_once_each(make: Make, rounds: Counting, facts: Stream, error: Exception) -> None:
    told = heard(facts)
    it = make(0.001)
    for _ in range(2):
        rounds.error = error
        it.wake()
        assert rounds.took(4)
        assert it.is_lost
        rounds.error = None
        while it.is_lost:
            assert rounds.took()
    assert facts.flush()
    assert [type(fact) for fact in told] == [SharedStateLost, SharedStateFound] * 2


def test_pauses_grow_while_the_store_is_away_and_are_bounded(rounds: Counting, facts: Stream) -> None:
    it = Courier(Home("it", facts=facts), rounds, 0.5)
    rounds.error = StoreLostError("away")
    pauses = []
    for _ in range(12):
        it.take_turn()
        pauses.append(it._pause_s())
    assert 0.5 <= pauses[0] <= 1.0
    assert all(2.5 <= pause_s <= 5.0 for pause_s in pauses[4:])
    rounds.error = None
    it.take_turn()
    assert it._pause_s() <= 0.5


def test_without_a_thread_to_be_had_each_decides_alone(
    make: Make, rounds: Counting, facts: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    told = heard(facts)
    it = make(0.001)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        it.wake()
    assert it.is_lost
    it.ensure()
    assert rounds.took()
    assert facts.flush()
    assert isinstance(told[0], SharedStateLost)


FORKED = """
import os, sys, threading
from bascule.guard.policy import Home
from bascule.guard.shared.courier import Courier

class Rounds:
    forks = 0
    turned = threading.Event()
    def turn(self, *, must_ask): self.turned.set(); return True
    def leave(self): pass
    def forked(self): self.forks += 1; self.turned = threading.Event()

rounds, idle = Rounds(), Rounds()
it, other = Courier(Home("it"), rounds, 0.001), Courier(Home("other"), idle, 0.001)
it.wake()
assert rounds.turned.wait(20)
child = os.fork()
if not child:
    fine = rounds.turned.wait(20) and rounds.forks == idle.forks == 1 and other._thread is None and it.close(20)
    os._exit(0 if fine else 1)
status = os.waitpid(child, 0)[1]
assert it.close(20)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_gets_a_courier_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_fork_waits_for_a_turn_to_end_and_not_for_ever(
    make: Make, rounds: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds.go_on.clear()
    it = make(0.001)
    it.wake()
    assert rounds.has_begun.wait(DEADLINE_S)
    monkeypatch.setattr(courier, "FORK_WAITS_S", 0.01)
    courier._before_fork()  # the turn hangs
    assert it not in courier._HELD.couriers
    courier._in_parent()
    rounds.go_on.set()
    assert rounds.took()
    monkeypatch.setattr(courier, "FORK_WAITS_S", DEADLINE_S)
    courier._before_fork()
    assert it in courier._HELD.couriers
    while rounds.turns.acquire(blocking=False):
        continue  # turns that had ended before
    it.wake(SOON)
    assert not rounds.turns.acquire(timeout=0.05)  # nothing is begun while there is a fork
    courier._in_parent()
    assert rounds.took()


CUTS = ("CALL", "PRECALL", "FOR_ITER", "JUMP_BACKWARD", "POP_JUMP_BACKWARD", "SEND", "YIELD", "IMPORT", "BEFORE_WITH")


@pytest.mark.parametrize(
    "method", [one for one in STEPS if one.__module__ == leases.__name__], ids=lambda one: str(one.__qualname__)
)
def test_a_step_calls_nothing_and_does_not_loop(method: Callable[..., object]) -> None:
    assert [one.opname for one in dis.get_instructions(method) if one.opname.startswith(CUTS)] == []
