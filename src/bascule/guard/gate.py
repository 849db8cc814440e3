"""So many at a time, and the others in a queue: what a bulkhead and a learned limit have in common."""

from __future__ import annotations

import threading
from collections import deque

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.waiting import Waiter


class Gate(Stepped):
    """Admits at most `limit` calls at a time; hands freed slots to waiters in the order in which they came.

    Invariant: `in_flight` slots are held by admitted calls, and a newcomer never overtakes a waiter.

    Attributes:
        limit: The most calls at a time. May be changed while calls run; they are not ended.
        in_flight: How many run now.
    """

    __slots__ = ("_granting", "in_flight", "limit", "waiters")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.in_flight = 0
        self.waiters: deque[Waiter] = deque()
        self._granting = threading.RLock()  # re-entrant: a finalizer may end a call while one is handed on

    @atomic
    def enter(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.in_flight >= self.limit or self.waiters:
            return False
        self.in_flight += 1
        return True

    @atomic
    def _take(self) -> bool:
        if self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        return True

    @atomic
    def _give(self) -> bool:
        """Hand a slot back; True when somebody waits for it."""
        self.in_flight -= 1
        if self.waiters:  # noqa: SIM103 - bool() would be a call, and a step calls nothing
            return True
        return False

    def _is_free(self) -> bool:
        return not self.waiters and self.in_flight < self.limit

    @property
    def is_idle(self) -> bool:
        """Whether nobody holds a slot or waits for one."""
        return self.in_flight == 0 and not self.waiters

    def leave(self) -> None:
        """Hand a slot back, and to the next waiter if there is one."""
        if self._give():
            self.admit_waiters()

    def join(self, waiter: Waiter, most: int) -> bool:
        """Queue up behind fewer than `most` others, else False. Who joins is granted a slot, or must `quit`."""
        try:
            with self._granting:
                if len(self.waiters) >= most and not self._is_free():
                    return False
                self.waiters.append(waiter)
                self.admit_waiters()  # a slot may have come free between the look and the queueing
        except BaseException:  # Ctrl-C, in the main thread
            self.quit(waiter)
            raise
        return True

    def quit(self, waiter: Waiter) -> None:
        """Leave the queue, or hand the slot back if it was granted meanwhile."""
        if not waiter.abandon():
            self.leave()
            return
        with self._granting:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
        self.admit_waiters()

    def admit_waiters(self) -> None:
        """Give free slots to those who wait, the longest wait first."""
        with self._granting:
            while self.waiters and self._take():
                if not self._hand_over():
                    self._give()

    def _hand_over(self) -> bool:
        while self.waiters:
            if self.waiters.popleft().grant():
                return True
        return False
