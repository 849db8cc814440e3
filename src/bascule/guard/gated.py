"""What a bulkhead and a learned limit have in common: a slot, a place in the queue, or a refusal."""

from __future__ import annotations

from typing import ClassVar, Never

from bascule.guard.deadline import time_left_s
from bascule.guard.errors import CallRefusedError
from bascule.guard.gate import Gate
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.waiting import TaskWaiter, ThreadWaiter

_TEXT = """
if not $gate.enter():
    $waiter = $queue($gate)
    try:
        $granted = ${await}$waiter.wait($limit_s())
    except BaseException:
        $gate.quit($waiter)
        raise
    if not $granted:
        $gate.quit($waiter)
        raise $refuse()
try:
    $inner
finally:
    $gate.leave()
"""


class Gated(Policy[Never]):
    """Lets so many calls through at a time. `queue` more wait, at most `wait_s` and within their deadline."""

    refused_with: ClassVar[type[CallRefusedError]]
    queue: int
    wait_s: float
    _refused: int = 0

    def weave_gate(self, loom: Loom, inner: Lines, *, before: str = "", **values: object) -> Lines:
        """A slot of `$gate` before, and back after; `values` say what that is, or `before` finds it for each call."""
        return loom.text(
            before + _TEXT.lstrip(),
            inner,
            queue=self._queue_task if loom.is_async else self._queue_thread,
            limit_s=self._limit_s,
            refuse=self._full,
            **values,
        )

    def _queue_thread(self, gate: Gate) -> ThreadWaiter:
        if self.queue:
            waiter = ThreadWaiter()
            if gate.join(waiter, self.queue):
                return waiter
        raise self._full()

    def _queue_task(self, gate: Gate) -> TaskWaiter:
        if self.queue:
            waiter = TaskWaiter()
            if gate.join(waiter, self.queue):
                return waiter
        raise self._full()

    def _limit_s(self) -> float:
        return min(self.wait_s, time_left_s(self.home.world.now_s()))

    def _full(self) -> CallRefusedError:
        self._refused += 1
        return self.refusal(self.refused_with(self.home.name))
