"""What is marked as one step is one: its bytecode neither calls nor loops, so nothing can come between."""

from __future__ import annotations

import dis
import importlib
import pkgutil
import threading
from collections.abc import Callable
from typing import Any

import pytest

import bascule.guard
from bascule.guard import atomic
from bascule.guard.circuit_breaker.outcomes import CountWindow
from bascule.guard.gate import Gate

WITH_OTHER_PACKAGES = ("bascule.guard.http", "bascule.guard.shared")
for found in pkgutil.walk_packages(bascule.guard.__path__, "bascule.guard."):
    if not found.name.startswith(WITH_OTHER_PACKAGES):
        importlib.import_module(found.name)

CUTS = ("CALL", "PRECALL", "FOR_ITER", "JUMP_BACKWARD", "POP_JUMP_BACKWARD", "SEND", "YIELD", "IMPORT", "BEFORE_WITH")


def cuts(method: Callable[..., Any]) -> list[str]:
    """Where another thread could come in between."""
    return [one.opname for one in dis.get_instructions(method) if one.opname.startswith(CUTS)]


@pytest.mark.parametrize("method", atomic.STEPS, ids=lambda method: method.__qualname__)
def test_a_step_calls_nothing_and_does_not_loop(method: Callable[..., Any]) -> None:
    assert cuts(method) == []


def test_the_steps_are_found() -> None:
    names = {method.__qualname__ for method in atomic.STEPS}
    assert {"Gate.enter", "LastOutcomes.succeeded", "RetryBudget.withdraw", "Waiter.abandon"} <= names


def test_a_call_a_loop_and_a_with_block_would_be_noticed() -> None:
    def calls(things: list[int]) -> int:
        return len(things)

    def loops(things: list[int]) -> int:
        total = 0
        for one in things:
            total += one
        return total

    def locks(lock: threading.Lock) -> int:
        with lock:
            return 1

    assert cuts(calls)
    assert cuts(loops)
    assert cuts(locks)


def in_threads(work: Callable[[], None], threads: int = 4) -> None:
    start = threading.Barrier(threads)

    def run() -> None:
        start.wait()
        work()

    several = [threading.Thread(target=run) for _ in range(threads)]
    for one in several:
        one.start()
    for one in several:
        one.join()


def test_no_slot_is_lost_or_doubled_by_threads() -> None:
    gate = Gate(3)
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(20_000):
            if gate.enter():
                most = max(most, gate.in_flight)
                gate.leave()

    in_threads(work)
    assert most <= 3
    assert gate.in_flight == 0


def test_no_outcome_is_lost_by_threads() -> None:
    window = CountWindow(100_000).open(1.0, 0.0)

    def work() -> None:
        for _ in range(10_000):
            window.failed(0.1, 0.0)
            window.succeeded(2.0, 0.0)

    in_threads(work)
    rates = window.rates(0.0)
    assert (rates.calls, rates.failures, rates.slow) == (80_000, 40_000, 40_000)
