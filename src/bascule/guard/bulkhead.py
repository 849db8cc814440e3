"""So many calls at a time, so that one slow dependency does not take every thread and connection there is."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from bascule.guard.checks import callable_or_none, flag, refuse, seconds, whole
from bascule.guard.deadline import time_left_s
from bascule.guard.errors import BulkheadFullError, CallRefusedError, DeadlineExceededError
from bascule.guard.gate import Gate
from bascule.guard.gated import Gated
from bascule.guard.loom import Lines, Loom
from bascule.guard.per_key import PerKey
from bascule.guard.shapes import Shape
from bascule.guard.workers import IN_WORKER, OutOfTimeError, Workers, pool_of


@dataclass(eq=False)
class Bulkhead(Gated):
    """At most `limit` calls run at a time; up to `queue` more wait for their turn, first come first served.

    Threads and tasks of several event loops may share one bulkhead and its queue.

    Attributes:
        limit: Calls at a time, at least 1.
        queue: Calls that wait at most; 0 refuses at once.
        wait_s: Seconds that a call waits at most, and never beyond its deadline.
        threads: Whether plain functions run in worker threads, at most `limit` of them, instead of the caller's own.
        key: Makes a key of a call's arguments: each key has slots of its own.
        most_keys: Keys with slots of their own; further ones share one set.

    Raises, when called:
        BulkheadFullError: Every slot is taken, and no place in the queue was free or the wait was in vain.
        DeadlineExceededError, WorkersBusyError: With `threads`, the deadline passed and the call was left behind, or
            every worker thread is held by such calls.
    """

    limit: int
    _: KW_ONLY
    queue: int = 0
    wait_s: float = 1.0
    threads: bool = False
    key: Callable[..., Hashable] | None = None
    most_keys: int = 1000

    refused_with: ClassVar[type[CallRefusedError]] = BulkheadFullError
    woven_options: ClassVar[frozenset[str]] = frozenset({"key", "threads"})

    def __post_init__(self) -> None:
        whole(self, "limit", least=1)
        whole(self, "queue")
        seconds(self, "wait_s", above=False)
        flag(self, "threads")
        callable_or_none(self, "key")
        whole(self, "most_keys", least=1)
        if self.threads and self.key is not None:
            raise refuse(self, "threads", self.threads, "False where slots have keys")
        self._gates = PerKey(lambda _key: Gate(self.limit), self.most_keys)
        self.pool: Workers | None = None

    def gate(self, key: Hashable = "") -> Gate:
        """The slots of a key; without one, the only slots of a bulkhead without keys."""
        return self._gates.of(key)

    def _key_of(self, *args: object, **kwargs: object) -> Hashable:
        return self.key(*args, **kwargs) if self.key is not None else ""

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A slot before, and back after."""
        keyed = "$gate = $of($key(*args, **kwargs))\n" if self.key is not None else ""
        gate: dict[str, object] = {"gate": self.gate()}
        if self.key is not None:
            gate = {"of": self._gates.of, "key": self._key_of}
        if self.threads and loom.shape is Shape.FUNCTION:
            inner = loom.text(IN_WORKER, inner, run=self._run)
        return self.weave_gate(loom, inner, before=keyed, **gate)

    def _run(self, attempt: Callable[[], object]) -> object:
        now_s = self.home.world.now_s()
        try:
            return (self.pool or pool_of(self, self.limit)).run(attempt, time_left_s(now_s))
        except OutOfTimeError:
            self.home.tell("DeadlinePassed")
            raise DeadlineExceededError(self.home.name) from None

    def reconfigured(self) -> None:
        """Let in more, or fewer, from now on; calls that run are not ended."""
        self._gates.most = self.most_keys
        for gate in self._gates.all():
            gate.limit = self.limit
            gate.admit_waiters()
        if self.pool is not None:
            self.pool.most = self.limit

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows: the sum over all keys."""
        gates = self._gates.all()
        shown: dict[str, object] = {
            "limit": self.limit,
            "in_flight": sum(gate.in_flight for gate in gates),
            "waiting": sum(len(gate.waiters) for gate in gates),
            "refused": self._refused,
        }
        return shown if self.pool is None else {**shown, "abandoned": self.pool.abandoned}
