"""The circuit breaker against a slow and obvious model, over any sequence of overlapping calls, times and orders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.guard import CircuitBreaker, CircuitOpenError, Consecutive, CountWindow, Guard, TimeWindow, World
from bascule.guard.circuit_breaker.circuit import Circuit
from bascule.guard.circuit_breaker.outcomes import Window
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice

OPEN_S, TRIAL_S, SLOW_S = 8.0, 4.0, 2.0
IGNORED = KeyError


@dataclass
class Call:
    """A call that is under way: when it began, and what it was admitted under."""

    began_s: float
    era: int
    is_probe: bool


@dataclass
class Model:
    """What a circuit breaker is, with every outcome kept for ever and every number counted anew each time."""

    window: Window
    failure_rate: float
    slow_rate: float
    minimum: int
    probes: int
    at_a_time: int
    now_s: float = 0.0
    state: str = "closed"
    era: int = 0
    since_s: float = 0.0
    until_s: float = math.inf
    outcomes: list[tuple[float, bool, bool]] = field(default_factory=list)
    admitted: int = 0
    running: int = 0
    probed: list[tuple[bool, bool]] = field(default_factory=list)

    def enter(self, state: str, until_s: float = math.inf) -> None:
        self.state, self.until_s, self.since_s = state, until_s, self.now_s
        self.era += 1
        self.outcomes, self.probed, self.admitted, self.running = [], [], 0, 0

    def begin(self) -> Call | None:
        if self.state == "open" and self.now_s >= self.until_s:
            self.enter("half_open", self.now_s + TRIAL_S)
        if self.state == "half_open" and self.now_s >= self.until_s:
            self.enter("open", self.now_s + OPEN_S)
        if self.state == "closed":
            return Call(self.now_s, self.era, is_probe=False)
        if self.state == "half_open" and self.running < self.at_a_time and self.admitted < self.probes:
            self.admitted += 1
            self.running += 1
            return Call(self.now_s, self.era, is_probe=True)
        return None

    def end(self, call: Call, outcome: str) -> None:
        if call.era != self.era:
            return
        failed = outcome == "failure"
        slow = self.now_s - call.began_s >= SLOW_S
        if call.is_probe:
            self.running -= 1
            if outcome == "nothing":
                self.admitted -= 1
            elif self.now_s >= self.until_s:
                self.enter("open", self.now_s + OPEN_S)
            else:
                self.probed.append((failed, slow))
                self.judge_probes()
        elif outcome != "nothing":
            self.outcomes.append((self.now_s, failed, slow))
            if (failed or slow) and self.is_bad():
                self.enter("open", self.now_s + OPEN_S)

    def remembered(self) -> list[tuple[float, bool, bool]]:
        if isinstance(self.window, CountWindow):
            return self.outcomes[-self.window.size :]
        if isinstance(self.window, TimeWindow):
            length_s = self.window.window_s / self.window.buckets
            this = math.floor((self.now_s - self.since_s) / length_s)
            oldest = this - self.window.buckets + 1
            return [one for one in self.outcomes if math.floor((one[0] - self.since_s) / length_s) >= oldest]
        row: list[tuple[float, bool, bool]] = []
        for one in self.outcomes:
            row = [*row, one] if one[1] or one[2] else []
        return row

    def is_bad(self) -> bool:
        calls = self.remembered()
        if isinstance(self.window, Consecutive):
            return len(calls) >= self.window.failures
        if len(calls) < self.minimum:
            return False
        failures = sum(failed for _, failed, _ in calls)
        slow = sum(was_slow for _, _, was_slow in calls)
        return failures / len(calls) >= self.failure_rate or slow / len(calls) >= self.slow_rate

    def could_still_be(self, rate: float, bad: int) -> bool:
        return bad + self.probes - len(self.probed) >= rate * self.probes

    def judge_probes(self) -> None:
        failures, slow = sum(failed for failed, _ in self.probed), sum(was_slow for _, was_slow in self.probed)
        if isinstance(self.window, Consecutive):
            refuted, proved = failures + slow > 0, len(self.probed) >= self.probes
        else:
            refuted = failures >= self.failure_rate * self.probes or slow >= self.slow_rate * self.probes
            proved = len(self.probed) >= self.probes or not (
                self.could_still_be(self.failure_rate, failures) or self.could_still_be(self.slow_rate, slow)
            )
        if refuted:
            self.enter("open", self.now_s + OPEN_S)
        elif proved:
            self.enter("closed")


class Real:
    """The breaker itself, with calls that end when they are told to."""

    def __init__(self, breaker: CircuitBreaker, clock: FakeClock) -> None:
        self.breaker = breaker
        self.guarded = Guard(breaker, world=World.fake(clock, LoadedDice([])))(self.call)

    def call(self) -> Iterator[None]:
        outcome = yield
        if outcome == "failure":
            raise ConnectionError
        if outcome == "nothing":
            raise IGNORED

    def begin(self) -> Any:
        running = self.guarded()
        try:
            next(running)
        except CircuitOpenError:
            return None
        return running

    def end(self, running: Any, outcome: str) -> None:
        with pytest.raises((StopIteration, ConnectionError, IGNORED)):
            running.send(outcome)


WINDOWS = st.one_of(
    st.builds(CountWindow, st.integers(1, 6)),
    st.builds(TimeWindow, st.just(8.0), st.sampled_from([1, 2, 4, 8])),
    st.builds(Consecutive, st.integers(1, 3)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.just(0), st.just("")),
        st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(["success", "failure", "failure", "nothing"])),
        st.tuples(st.just("advance"), st.integers(1, 20), st.just("")),
        st.tuples(st.just("operator"), st.just(0), st.sampled_from(["force_open", "force_close", "isolate"])),
    ),
    max_size=60,
)


def run(
    window: Window, rates: tuple[float, float], minimum: int, probes: tuple[int, int], steps: list[tuple[str, int, str]]
) -> None:
    """Drive both through the same steps, and compare what they admit and how they stand after each."""
    if isinstance(window, CountWindow):
        minimum = min(minimum, window.size)
    clock = FakeClock()
    at_a_time = min(probes)
    model = Model(window, rates[0], rates[1], minimum, max(probes), at_a_time)
    breaker = CircuitBreaker(
        rates[0], slow_rate=rates[1], slow_call_s=SLOW_S, window=window, minimum_calls=minimum, open_s=OPEN_S,
        half_open_probes=max(probes), half_open_concurrency=at_a_time, half_open_s=TRIAL_S, ignore=IGNORED,
    )  # fmt: skip
    real = Real(breaker, clock)
    calls: list[tuple[Call, Any]] = []
    for step, number, word in steps:
        if step == "begin":
            expected, seen = model.begin(), real.begin()
            assert (expected is None) == (seen is None), "one admits what the other refuses"
            if expected is not None:
                calls.append((expected, seen))
        elif step == "end" and calls:
            call, running = calls.pop(number % len(calls))
            model.end(call, word)
            real.end(running, word)
        elif step == "advance":
            model.now_s += number / 2
            clock.advance(number / 2)
        elif step == "operator":
            state = {"force_open": "open", "force_close": "closed", "isolate": "isolated"}[word]
            model.enter(state, model.now_s + OPEN_S if state == "open" else math.inf)
            getattr(breaker, word)()
        assert breaker.state.value == model.state
    for _, running in calls:
        running.close()


PROBES = st.tuples(st.integers(1, 4), st.integers(1, 4))
RATES = st.tuples(st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from([0.5, 1.0]))


@settings(max_examples=400, deadline=None)
@given(window=WINDOWS, rates=RATES, minimum=st.integers(1, 5), probes=PROBES, steps=STEPS)
def test_the_breaker_does_what_the_model_does(
    window: Window, rates: tuple[float, float], minimum: int, probes: tuple[int, int], steps: list[tuple[str, int, str]]
) -> None:
    run(window, rates, minimum, probes, steps)


def test_a_breaker_that_counts_late_outcomes_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [("begin", 0, ""), ("operator", 0, "force_open"), ("operator", 0, "force_close"), ("end", 0, "failure")]
    run(Consecutive(1), (0.5, 1.0), 1, (1, 1), steps)

    def count_for_whoever_is_closed_now(self: Circuit, _permit: object, took_s: float, ended_s: float) -> None:
        outcomes = self.outcomes
        assert outcomes is not None
        self.settle(outcomes, outcomes.failed(took_s, ended_s), took_s, ended_s, failed=True)

    monkeypatch.setattr(Circuit, "failed", count_for_whoever_is_closed_now)
    with pytest.raises(AssertionError):
        run(Consecutive(1), (0.5, 1.0), 1, (1, 1), steps)


def test_a_breaker_whose_probes_are_not_bounded_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [("operator", 0, "force_open"), ("advance", 20, ""), ("begin", 0, ""), ("begin", 0, "")]
    run(Consecutive(1), (0.5, 1.0), 1, (1, 1), steps)
    admit = Circuit.admit

    def admit_all(self: Circuit) -> Any:
        if self._trial is not None:
            self._trial.running = self._trial.admitted = 0
        return admit(self)

    monkeypatch.setattr(Circuit, "admit", admit_all)
    with pytest.raises(AssertionError):
        run(Consecutive(1), (0.5, 1.0), 1, (1, 1), steps)
