"""Facts on their way to listeners: a listener that raises or blocks can neither break nor slow a guarded call.

Telling a fact puts it into a bounded queue. One daemon thread takes facts out and hands them to the listeners, in
order. When listeners are too slow, the oldest facts are thrown away and counted (`FactsDropped`). While nobody
listens nothing is even made.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bascule.guard.facts import FactsDropped
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Bus, Fact, Listener


class Stream:
    """Carries facts from guarded calls to listeners, on a thread of its own.

    Args:
        size: The most facts that wait for slow listeners, at least 1.

    Attributes:
        is_heard: Whether anybody listens.
        dropped: How many facts were thrown away so far.
    """

    def __init__(self, size: int = 10_000) -> None:
        if size < 1:
            raise InputError(f"Stream.size: {size} must be at least 1")
        self.is_heard = False
        self.dropped = 0
        self._bus = Bus()
        self._listeners = 0
        self._queue: deque[Fact | threading.Event] = deque()
        self._size = size
        self._lock = threading.RLock()  # re-entrant: a finalizer may tell a fact while one is told
        self._work = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Let `listener` hear every fact from now on; returns the call that ends it."""
        unsubscribe = self._bus.subscribe(listener)
        with self._lock:
            self._listeners += 1
            self.is_heard = True
        over = False

        def end() -> None:
            nonlocal over
            with self._lock:
                if over:
                    return
                over = True
                self._listeners -= 1
                self.is_heard = self._listeners > 0
            unsubscribe()

        return end

    def tell(self, fact: Fact) -> None:
        """Put a fact on its way; returns at once, whatever listeners do."""
        self._put(fact)

    def flush(self, within_s: float = 5.0) -> bool:
        """Wait until what was told so far was delivered; False when that takes longer than `within_s` seconds."""
        if self._thread is None:
            return True
        passed = threading.Event()
        self._put(passed)
        return passed.wait(within_s)

    def _put(self, item: Fact | threading.Event) -> None:
        queue = self._queue
        queue.append(item)
        if len(queue) > self._size:
            with self._lock:
                while len(queue) > self._size:
                    queue.popleft()
                    self.dropped += 1
        thread = self._thread
        if thread is None or not thread.is_alive():  # not yet started, or left behind by a fork
            self._start()
        self._work.release()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._work = threading.Semaphore(len(self._queue))
            self._thread = threading.Thread(target=self._deliver, name="bascule-facts", daemon=True)
            self._thread.start()

    def _deliver(self) -> None:
        reported = 0
        while True:
            self._work.acquire()
            if not self._queue:  # what this turn was for was thrown away
                continue
            item = self._queue.popleft()
            if self.dropped > reported:
                count = self.dropped - reported
                reported += count
                self._bus.publish(FactsDropped(at_s=time.monotonic(), guard="", count=count))
            if isinstance(item, Fact):
                self._bus.publish(item)
            else:
                item.set()


FACTS = Stream()
"""The stream of every guard that is given no other."""
