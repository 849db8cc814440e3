"""Tells facts in the order in which they were decided, while holding no lock that a decision needs."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bascule.kernel.facts import Bus, Fact


class Telling:
    """A queue of facts before a bus: put them in where they are decided, tell them where no lock is held.

    Invariant: facts reach the bus in the order of `put`, one at a time; who finds another thread telling leaves its
    facts to that one, so a listener that is slow, or asks the probes itself, holds up nobody else.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: deque[Fact] = deque()
        self._telling = threading.Lock()

    def put(self, fact: Fact) -> None:
        """Say that this is to be told next."""
        self._waiting.append(fact)

    def tell(self) -> None:
        """Tell what waits, unless somebody is telling already."""
        while self._waiting and self._telling.acquire(blocking=False):
            try:
                while self._waiting:
                    self._bus.publish(self._waiting.popleft())
            finally:
                self._telling.release()
