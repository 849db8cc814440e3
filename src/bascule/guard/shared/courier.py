"""The one thread that talks to a store, so that no guarded call does.

It takes a turn every so often while there is something to do, at once when it is woken for something urgent, and more
and more rarely while the store is away. That the store was lost, and that it was found again, is told once each.
After a fork the child gets a courier of its own; it begins with the first occasion, or at once where it ran before. A
fork waits for a turn to end, since a child would keep what the thread was at as it was: locks that nobody releases, and
modules that nobody ever imports to their end.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from typing import Protocol

from bascule.guard.facts import GuardFact, SharedStateFound, SharedStateLost
from bascule.guard.policy import Home
from bascule.guard.shared.store import StoreLostError

MOST_BACKOFF_S = 5.0
FORK_WAITS_S = 2.0
"""How long a fork waits for turns to end, at most."""
LATE, SOON, END = 0, 1, 2
"""What a courier is woken for: its next turn is soon enough; at once; to end."""


class Rounds(Protocol):
    """What a courier carries."""

    def turn(self, *, must_ask: bool) -> bool:
        """Talk to the store; whether there will be something to do next time without being woken.

        Args:
            must_ask: Ask it in any case, to see whether it is there again.

        Raises:
            StoreLostError: It does not answer.
        """
        ...  # pragma: no cover - a protocol has no body

    def leave(self) -> None:
        """Drop the connection. Never raises."""
        ...  # pragma: no cover - as above

    def forked(self) -> None:
        """Begin anew in a child process. Takes no lock."""
        ...  # pragma: no cover - as above


class Courier:
    """Takes turns on a thread of its own, from the first time that it is woken until it is closed.

    Attributes:
        is_lost: Whether the store did not answer last time.
        is_closed: Whether it has ended for good.
    """

    def __init__(self, home: Home, rounds: Rounds, refresh_s: float) -> None:
        self.is_lost = False
        self.is_closed = False
        self._home = home
        self._rounds = rounds
        self._refresh_s = refresh_s
        self._failures = 0
        self._why: SimpleQueue[int] = SimpleQueue()  # it may be put into from a finalizer, at any time
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._turning = threading.RLock()  # re-entrant: what makes a client, or a password, may fork
        _COURIERS.add(self)

    def wake(self, why: int = LATE) -> None:
        """Make sure that there will be a turn; returns at once."""
        if not self.is_closed:
            self._why.put(why)
            self.ensure()

    def ensure(self) -> None:
        """Start the thread where there is none: nobody has needed it yet, or there was none to be had."""
        if self._thread is None:
            self._start()

    def close(self, within_s: float = 2.0) -> bool:
        """End the thread and the connection; False when it has not ended within so many seconds. Idempotent."""
        self.is_closed = True
        thread = self._thread
        if thread is None:
            return True
        self._why.put(END)
        if thread is not threading.current_thread():
            thread.join(within_s)
        return not thread.is_alive()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread, or this one within a finalizer, is at it
        try:
            if self._thread is None and not self.is_closed:
                thread = threading.Thread(target=self._run, name=f"bascule-shared-{self._home.name}", daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError as error:  # no thread to be had, or the interpreter is ending: each decides alone
            self._lost(f"no thread: {error}")
        finally:
            self._starting.release()

    def _run(self) -> None:
        now_s = self._home.world.now_s
        why = self._why
        while True:
            began_s = now_s()
            is_busy = self.take_turn()
            due_s = began_s + self._pause_s() if is_busy or self.is_lost else math.inf
            while (left_s := due_s - now_s()) > 0:
                try:
                    reason = why.get(timeout=min(left_s, threading.TIMEOUT_MAX))
                except Empty:
                    break
                if reason == END:
                    self._rounds.leave()
                    return
                if not self.is_lost:
                    due_s = min(due_s, began_s + self._refresh_s / (20 if reason == SOON else 1))

    def _pause_s(self) -> float:
        uniform = self._home.world.uniform
        if not self.is_lost:  # jitter: processes that began together do not ask together
            return self._refresh_s * uniform(0.9, 1.0)
        longest_s: float = min(max(MOST_BACKOFF_S, self._refresh_s), self._refresh_s * 2 ** min(self._failures, 16))
        return longest_s * uniform(0.5, 1.0)

    def take_turn(self) -> bool:
        """One turn: the store is asked once. Never raises; whether the next turn has something to do."""
        with self._turning:
            return not self.is_closed and self._take_turn()

    def _take_turn(self) -> bool:
        try:
            is_busy = self._rounds.turn(must_ask=self.is_lost)
        except StoreLostError as error:
            self._lost(str(error))
        except Exception as error:  # noqa: BLE001 - a key that cannot be written, for one, must not end the thread
            self._lost(f"{type(error).__name__} in the courier")
        else:
            if self.is_lost:
                self._found()
            return is_busy
        return True

    def _lost(self, error: str) -> None:
        self._failures += 1
        if not self.is_lost:
            self.is_lost = True
            self.tell(SharedStateLost, error=error)

    def _found(self) -> None:
        self._failures = 0
        self.is_lost = False
        self.tell(SharedStateFound)

    def tell(self, kind: type[GuardFact], /, **values: object) -> None:
        """Tell a fact under the store's name."""
        self._home.tell(kind, **values)

    def hold(self, within_s: float) -> bool:
        """Let no turn begin until `go_on`; False when one has not ended within so many seconds."""
        return self._turning.acquire(timeout=max(0.0, within_s))

    def go_on(self) -> None:
        """Let turns begin again."""
        self._turning.release()

    def forked(self) -> None:
        """Begin anew in a child process, where the thread does not exist."""
        had_one = self._thread is not None and not self.is_closed
        self._why = SimpleQueue()
        self._thread = None
        self._starting = threading.Lock()
        self._turning = threading.RLock()
        self._failures = 0
        self._rounds.forked()
        if had_one:
            self._start()


_COURIERS: weakref.WeakSet[Courier] = weakref.WeakSet()


class _Held(threading.local):
    """The couriers that wait while this thread forks."""

    def __init__(self) -> None:
        self.couriers: list[Courier] = []


_HELD = _Held()


def _before_fork() -> None:
    until_s = time.monotonic() + FORK_WAITS_S
    _HELD.couriers = [courier for courier in list(_COURIERS) if courier.hold(until_s - time.monotonic())]


def _in_parent() -> None:
    held, _HELD.couriers = _HELD.couriers, []
    for courier in held:
        courier.go_on()


def _in_child() -> None:
    _HELD.couriers = []
    for courier in list(_COURIERS):
        courier.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
