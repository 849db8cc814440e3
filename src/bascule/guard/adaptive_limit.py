"""So many calls at a time as the dependency can take, which is learned from how long they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import ClassVar

from bascule.guard.checks import Kinds, error_kinds, refuse, seconds, whole
from bascule.guard.errors import CallRefusedError, CallTimeoutError, DeadlineExceededError, LimitReachedError
from bascule.guard.gate import Gate
from bascule.guard.gated import Gated
from bascule.guard.limits import Aimd, Gradient2, Vegas
from bascule.guard.loom import Lines, Loom

Algorithm = Aimd | Vegas | Gradient2


@dataclass(eq=False)
class AdaptiveLimit(Gated):
    """As a bulkhead, with a limit that follows what the dependency can take.

    Calls that end well teach their latency. Calls that ran out of time, and errors under `overload`, teach that it
    was too much. Other errors and cancelled calls teach nothing.

    Attributes:
        algorithm: `Aimd`, `Vegas` or `Gradient2` of `bascule.guard.limits`, with its options.
        queue: Calls that wait at most; 0 refuses at once.
        wait_s: Seconds that a call waits at most, and never beyond its deadline.
        overload: Exception types by which the dependency says that it has too much to do.

    Raises, when called:
        LimitReachedError: As many calls run as the limit admits now.
    """

    algorithm: Algorithm = field(default_factory=Vegas)
    _: KW_ONLY
    queue: int = 0
    wait_s: float = 1.0
    overload: Kinds | Callable[[Exception], bool] = (CallTimeoutError, DeadlineExceededError, TimeoutError)

    refused_with: ClassVar[type[CallRefusedError]] = LimitReachedError

    def __post_init__(self) -> None:
        if not isinstance(self.algorithm, Algorithm):
            raise refuse(self, "algorithm", self.algorithm, "Aimd(...), Vegas(...) or Gradient2(...)")
        whole(self, "queue")
        seconds(self, "wait_s", above=False)
        error_kinds(self, "overload")
        self._gate = Gate(self.algorithm.initial)
        self._estimator = self.algorithm.estimator(self._uniform)

    def _uniform(self, low: float, high: float) -> float:
        return self.home.world.uniform(low, high)

    @property
    def limit(self) -> int:
        """Calls at a time, as learned so far."""
        return self._gate.limit

    def learn(self, latency_s: float, in_flight: int, *, dropped: bool = False) -> None:
        """Take in how long a call took, or that it was dropped; `in_flight` ran when it began, itself included."""
        gate = self._gate
        limit = self._estimator.update(latency_s, in_flight, dropped)
        if limit == gate.limit:
            return
        gate.limit = limit
        self.home.tell("LimitChanged", limit=limit)
        gate.admit_waiters()

    def _raised(self, error: BaseException, latency_s: float, in_flight: int) -> None:
        overload = self.overload
        if not isinstance(error, Exception) or isinstance(error, CallRefusedError):
            return
        if isinstance(error, overload) if isinstance(overload, type | tuple) else overload(error):
            self.learn(latency_s, in_flight, dropped=True)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A slot before, a lesson after."""
        learning = loom.text(
            """
            $in_flight = $gate.in_flight
            $began_s = $now_s()
            try:
                $inner
            except BaseException as $error:
                $raised($error, $now_s() - $began_s, $in_flight)
                raise
            $learn($now_s() - $began_s, $in_flight)
            """,
            inner,
            gate=self._gate,
            now_s=self.home.world.now_s,
            raised=self._raised,
            learn=self.learn,
        )
        return self.weave_gate(loom, learning, gate=self._gate)

    def reconfigured(self) -> None:
        """Go on from the limit that was learned, within the new bounds."""
        if type(self.algorithm) is type(self._estimator.options):
            self._estimator.reconfigure(self.algorithm)
        else:
            learned = max(self.algorithm.minimum, min(self.algorithm.maximum, self._gate.limit))
            self._estimator = replace(self.algorithm, initial=learned).estimator(self._uniform)
        self._gate.limit = self._estimator.limit
        self._gate.admit_waiters()

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        gate = self._gate
        return {
            "limit": gate.limit, "in_flight": gate.in_flight, "waiting": len(gate.waiters), "refused": self._refused,
        }  # fmt: skip
