"""One circuit: closed, open, half-open or isolated, and the probes that lead back.

Who is admitted holds a permit: the outcomes of a closed circuit, or a probe of a half-open one. The outcome goes to
the permit. When the circuit has moved on since, the permit is one that nobody looks at any more.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bascule.guard.circuit_breaker.outcomes import JUDGE, TURN, LiveOutcomes, Outcomes, Rates
from bascule.guard.circuit_breaker.states import BY_OPERATOR, TRANSITIONS, Event, State
from bascule.guard.errors import CircuitOpenError

if TYPE_CHECKING:
    from bascule.guard.circuit_breaker.policy import CircuitBreaker


class Trial:
    """One half-open phase: how many probes were let through, and how they went."""

    __slots__ = ("admitted", "failures", "running", "slow", "successes", "until_s")

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s
        self.admitted = 0
        self.running = 0
        self.successes = 0
        self.failures = 0
        self.slow = 0


class Probe:
    """The permit of a call that tests whether the dependency is well again. Its outcome counts once."""

    __slots__ = ("is_over", "trial")

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.is_over = False

    def turn(self, now_s: float) -> None:
        """Nothing: a probe is one call."""

    def succeeded(self, took_s: float, ended_s: float) -> int:
        """The circuit judges each probe."""
        del took_s, ended_s
        return JUDGE

    def failed(self, took_s: float, ended_s: float) -> int:
        """The circuit judges each probe."""
        del took_s, ended_s
        return JUDGE


@dataclass(frozen=True, slots=True)
class CircuitSnapshot:
    """What a circuit is doing.

    Attributes:
        state: `closed`, `open`, `half_open` or `isolated`.
        generation: How often it has changed its state.
        rates: How the calls went that it remembers; of a closed circuit alone.
        refused: Calls refused so far.
        retry_after_s: When the next probe is admitted, in seconds from now; None when that is not known.
        is_forced: Whether an operator of this process has put it into this state.
    """

    state: str
    generation: int
    rates: Rates | None
    refused: int
    retry_after_s: float | None
    is_forced: bool = False


class Circuit:
    """The state machine of one dependency.

    Attributes:
        outcomes: While closed, where the outcome of a call admitted now goes; None in every other state.
        state: What it does with calls now.
        generation: Grows by one with each change of state.
    """

    __slots__ = (
        "_breaker", "_home", "_lock", "_now_s", "_openings", "_trial", "_until_s",
        "generation", "is_forced", "key", "outcomes", "refused", "state",
    )  # fmt: skip

    def __init__(self, breaker: CircuitBreaker, key: str = "") -> None:
        self._breaker = breaker
        self._home = breaker.home
        self._now_s = breaker.home.world.now_s
        self._lock = threading.RLock()  # re-entrant: a finalizer may end another call while this one is judged
        self._trial: Trial | None = None
        self._until_s = -math.inf  # until then every call is refused
        self._openings = 0
        self.key = key
        self.generation = 0
        self.refused = 0
        self.is_forced = False
        self.state = State.CLOSED
        self.outcomes: LiveOutcomes | None = breaker.fresh_outcomes()

    def admit(self) -> Outcomes:
        """The permit for a call, once a look at `outcomes` has shown that the circuit is not closed.

        Raises:
            CircuitOpenError: It is open, isolated, or has all the probes that it needs.
        """
        now_s = self._now_s()
        if now_s < self._until_s:
            home = self._home
            self.refused += 1
            if home.facts.is_heard:
                home.tell("CallRefused", policy="CircuitBreaker")
            raise CircuitOpenError(home.name, self._until_s - now_s)
        with self._lock:
            return self._admit_or_probe(now_s)

    def _admit_or_probe(self, now_s: float) -> Outcomes:
        if self.outcomes is not None:
            return self.outcomes
        if self.state is State.OPEN and now_s >= self._until_s:
            self._move(Event.WAITED, now_s)
        trial = self._trial
        if trial is not None and now_s >= trial.until_s:
            self._move(Event.HUNG, now_s)
            trial = None
        options = self._breaker
        if (
            trial is None
            or trial.running >= options.half_open_concurrency
            or trial.admitted >= options.half_open_probes
        ):
            self.refused += 1
            self._home.tell("CallRefused", policy="CircuitBreaker")
            raise CircuitOpenError(self._home.name, max(0.0, self._until_s - now_s) or None)
        trial.admitted += 1
        trial.running += 1
        return Probe(trial)

    def settle(self, permit: Outcomes, asked: int, took_s: float, ended_s: float, *, failed: bool = False) -> None:
        """Do what recording an outcome asked for.

        Args:
            permit: What the call was admitted under, and where its outcome was recorded.
            asked: What that answered: JUDGE or TURN.
            took_s: How long the call took.
            ended_s: When it ended.
            failed: Whether it failed.
        """
        if isinstance(permit, Probe):
            self._probed(permit, took_s, ended_s, failed=failed)
            return
        while asked == TURN:
            with self._lock:
                permit.turn(ended_s)
            asked = permit.failed(took_s, ended_s) if failed else permit.succeeded(took_s, ended_s)
        if asked == JUDGE:
            self._judge(permit, ended_s)

    def failed(self, permit: Outcomes, took_s: float, ended_s: float) -> None:
        """Record a failure."""
        self.settle(permit, permit.failed(took_s, ended_s), took_s, ended_s, failed=True)

    def released(self, permit: Outcomes) -> None:
        """Hand a permit back without an outcome: cancelled, refused further in, or raised what does not count."""
        if isinstance(permit, Probe):
            with self._lock:
                if self._end(permit):
                    permit.trial.admitted -= 1

    def _judge(self, permit: Outcomes, now_s: float) -> None:
        """Open the circuit if what it remembers says so, and if the call belongs to this generation."""
        with self._lock:
            outcomes = self.outcomes
            if outcomes is None or outcomes is not permit:
                return
            reason = self._breaker.verdict(outcomes.rates(now_s))
            if reason:
                self._move(Event.TRIPPED, now_s, reason)

    def _end(self, probe: Probe) -> bool:
        if probe.is_over:
            return False
        probe.is_over = True
        probe.trial.running -= 1
        return probe.trial is self._trial

    def _probed(self, probe: Probe, took_s: float, now_s: float, *, failed: bool) -> None:
        with self._lock:
            if not self._end(probe):
                return
            trial = probe.trial
            if now_s >= trial.until_s:
                self._move(Event.HUNG, now_s)
                return
            trial.slow += took_s >= self._breaker.slow_call_s
            trial.failures += failed
            trial.successes += not failed
            event = self._breaker.verdict_on_probes(trial)
            if event is not None:
                self._move(event, now_s)

    def force(self, event: Event) -> None:
        """Do what an operator says, at once."""
        with self._lock:
            self._move(event, self._now_s())

    def adopt(self, state: State, generation: int, open_for_s: float) -> bool:
        """Follow another process; False when this circuit is as new or newer.

        Args:
            state: What the other one decided.
            generation: Its number; a larger one is followed, and the same one where its state has the larger rank.
            open_for_s: How long it stays open.
        """
        with self._lock:
            if (generation, state.rank) <= (self.generation, self.state.rank):
                return False
            now_s = self._now_s()
            self._enter(state, now_s, "shared", open_for_s)
            self.generation = generation
            self.is_forced = False
            return True

    def renumber(self, known: int, generation: int) -> bool:
        """Count the state that was numbered `known` as a later one; False when it has changed since."""
        with self._lock:
            if self.generation != known or generation < known:
                return False
            self.generation = generation
            return True

    def _move(self, event: Event, now_s: float, reason: str = "") -> None:
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return
        if event is Event.PROVED or event is Event.FORCED_CLOSED:
            self._openings = 0
        self.generation += 1
        self.is_forced = event in BY_OPERATOR
        open_s = self._breaker.open_for_s(self._openings) if state is State.OPEN else math.inf
        if state is State.OPEN:
            self._openings += 1
        self._enter(state, now_s, reason or _REASONS.get(event, ""), open_s)
        self._breaker.changed(self)

    def _enter(self, state: State, now_s: float, reason: str, open_s: float) -> None:
        breaker = self._breaker
        self.outcomes = None
        self._trial = None
        self._until_s = -math.inf
        self.state = state
        if state is State.CLOSED:
            self.outcomes = breaker.fresh_outcomes()
            self._home.tell("CircuitClosed", key=self.key, reason=reason)
        elif state is State.HALF_OPEN:
            self._trial = Trial(now_s + breaker.half_open_s)
            self._home.tell("CircuitHalfOpened", key=self.key)
        else:
            self._until_s = now_s + open_s
            self._home.tell("CircuitOpened", key=self.key, reason=reason, open_s=open_s)

    def trial_s(self) -> float:
        """For how much longer its probes may take, in seconds; 0 when it is not half-open."""
        with self._lock:
            return 0.0 if self._trial is None else max(0.0, self._trial.until_s - self._now_s())

    def longest_open_s(self) -> float:
        """For how long it stays open at most, in seconds."""
        return self._breaker.open_most_s

    def remember(self, slow_s: float, *, anew: bool) -> None:
        """Take over what is slow from now on, and begin anew where another kind of memory is asked for."""
        with self._lock:
            if self.outcomes is not None:
                if anew:
                    self.outcomes = self._breaker.fresh_outcomes()
                self.outcomes.slow_s = slow_s

    @property
    def is_idle(self) -> bool:
        """Whether it can be forgotten: closed, with nothing bad remembered."""
        outcomes = self.outcomes
        if outcomes is None:
            return False
        rates = outcomes.rates(self._now_s())
        return rates.failures == 0 and rates.slow == 0

    def snapshot(self) -> CircuitSnapshot:
        """What it is doing now."""
        with self._lock:
            now_s = self._now_s()
            rates = self.outcomes.rates(now_s) if self.outcomes is not None else None
            waits = self.state is State.OPEN
            retry_after_s = max(0.0, self._until_s - now_s) if waits else None
            return CircuitSnapshot(
                self.state.value, self.generation, rates, self.refused, retry_after_s, self.is_forced
            )


_REASONS = {
    Event.REFUTED: "probes",
    Event.HUNG: "probes_hung",
    Event.PROVED: "probes",
    Event.FORCED_OPEN: "forced",
    Event.FORCED_CLOSED: "forced",
    Event.ISOLATED: "isolated",
}
