"""Facts on their way to listeners: a listener that raises or blocks can neither break nor slow a guarded call.

Telling a fact puts it into a bounded queue. One daemon thread takes facts out and hands them to the listeners, in
order. When listeners are too slow, the oldest facts are thrown away and counted (`FactsDropped`). While nobody
listens nothing is even made.
"""

from __future__ import annotations

import functools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import ModuleType

from bascule.kernel.errors import InputError
from bascule.kernel.facts import Bus, Fact, Listener


class Stream:
    """Carries facts from guarded calls to listeners, on a thread of its own.

    A forked child delivers what is told in the child; what was told before is delivered by the parent alone.

    Args:
        size: The most facts that wait for slow listeners, at least 1.

    Attributes:
        is_heard: Whether anybody listens.
        dropped: How many facts were thrown away so far.
    """

    def __init__(self, size: int = 10_000) -> None:
        given: object = size
        if isinstance(given, bool) or not isinstance(given, int) or size < 1:
            raise InputError(f"Stream.size: {size!r} must be a whole number of at least 1")
        self.is_heard = False
        self.dropped = 0
        self._bus = Bus()
        self._listeners = 0
        self._size = size
        self.begin()
        _streams.add(self)

    def begin(self) -> None:
        """Begin with nothing on its way, as in a forked child; listeners stay."""
        self._queue: deque[Fact | threading.Event] = deque()
        self._lock = threading.RLock()  # re-entrant: a finalizer may tell a fact while one is told
        self._work = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Let `listener` hear every fact from now on; returns the call that ends it."""
        unsubscribe = self._bus.subscribe(_harmless(listener))
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
        queue = self._queue
        queue.append(fact)
        if len(queue) > self._size:
            self._drop()
        self._wake()

    def flush(self, within_s: float = 5.0) -> bool:
        """Wait until what was told so far was delivered; False when that takes longer than `within_s` seconds.

        A listener cannot wait for its own end: there it is False at once.
        """
        if not self._queue and self._thread is None:
            return True
        if threading.current_thread() is self._thread:
            return False
        passed = threading.Event()
        self._queue.append(passed)
        self._wake()
        return passed.wait(within_s)

    def _drop(self) -> None:
        """Throw the oldest facts away until there is room; who waits in `flush` goes on waiting."""
        queue, flushes = self._queue, list[threading.Event]()
        with self._lock:
            try:
                while len(queue) > self._size:
                    item = queue.popleft()
                    if isinstance(item, Fact):
                        self.dropped += 1
                    else:
                        flushes.append(item)
            except IndexError:
                pass  # the listeners were quicker
            queue.extendleft(reversed(flushes))
            self._work.release(len(flushes) + 1)  # a turn may have found nothing meanwhile

    def _wake(self) -> None:
        thread = self._thread
        if thread is None or not thread.is_alive():
            self._start()
        self._work.release()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._work = threading.Semaphore(len(self._queue))
            self._thread = threading.Thread(target=self._deliver, name="bascule-facts", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                return  # too many threads, or the program is ending: facts wait for the next attempt

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
                self._bus.publish(facts_module().FactsDropped(at_s=time.monotonic(), guard="", count=count))
            if isinstance(item, Fact):
                self._bus.publish(item)
            else:
                item.set()


def _harmless(listener: Listener) -> Listener:
    """The listener, whose `sys.exit()` is an error as any other: it is the delivering thread that would end."""

    @functools.wraps(listener, updated=())
    def hear(fact: Fact) -> None:
        try:
            listener(fact)
        except Exception:
            raise
        except BaseException as error:
            raise RuntimeError(f"it raised {type(error).__name__}") from error

    hear.__qualname__ = getattr(listener, "__qualname__", type(listener).__qualname__)
    return hear


def _forked() -> None:
    """In a forked child: the threads stayed behind, and a lock that one of them held would stay locked."""
    for stream in tuple(_streams):
        stream.begin()


_streams: weakref.WeakSet[Stream] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def facts_module() -> ModuleType:
    """`bascule.guard.facts`, imported when the first listener subscribes."""
    from bascule.guard import facts  # noqa: PLC0415 - its classes take a tenth of the time in which the room is imported

    return facts


FACTS = Stream()
"""The stream of every guard that is given no other."""
