"""Not calling what fails anyway, and finding out carefully when it is well again."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Never

from bascule.guard.checks import Kinds, callable_or_none, error_kinds, number, refuse, seconds, share, whole
from bascule.guard.circuit_breaker.circuit import Circuit, Trial
from bascule.guard.circuit_breaker.outcomes import (
    Consecutive,
    CountWindow,
    LiveOutcomes,
    Outcomes,
    Rates,
    Window,
)
from bascule.guard.circuit_breaker.states import Event, State
from bascule.guard.errors import CallRefusedError
from bascule.guard.loom import Lines, Loom
from bascule.guard.per_key import PerKey
from bascule.guard.policy import Policy
from bascule.guard.shapes import NotGuardableError


@dataclass(eq=False)
class CircuitBreaker(Policy[Never]):
    """While a dependency fails too often, calls are refused at once; then a bounded number of probes decides.

    A failure is an error under `on` and not under `ignore`, or a result that `on_result` calls one. Anything else
    that is raised (an ignored error, a refused call further in, cancellation) is neither success nor failure, resets
    no count and keeps no permit. A success never opens the circuit by itself, unless it is slow. An outcome counts
    only in the generation in which its call was admitted.

    Attributes:
        failure_rate: Opens when this share of the remembered calls failed, in (0, 1].
        slow_rate: Opens when this share of them took `slow_call_s` or longer, in (0, 1].
        slow_call_s: What a slow call is, in seconds; infinite for never.
        window: What is remembered: `CountWindow(100)`, `TimeWindow(60)` or `Consecutive(5)`, which asks for no rate.
        minimum_calls: No verdict with fewer remembered calls; at least 1, and at most the size of a count window.
        open_s: For how long it stays open, the first time.
        open_factor: Each opening that follows a failed trial lasts so many times longer, at least 1.
        open_most_s: But never longer than this.
        half_open_probes: Probes in one trial, at least 1. It closes when too few of them are left to reach a rate,
            and opens when a rate is certain.
        half_open_concurrency: Probes at a time, at least 1.
        half_open_s: A trial that is undecided for so long has failed: probes that hang wedge nothing.
        on: Exception types that count as failures, or a function that says so of an error.
        ignore: Exception types under `on` that do not count.
        on_result: Says of a result whether it is a failure.
        key: Makes a key of a call's arguments: each key has a circuit of its own.
        most_keys: Keys with a circuit of their own; further ones share one.

    Raises, when called:
        CircuitOpenError: The circuit refuses calls; `retry_after_s` says when the next probe is due.
    """

    failure_rate: float = 0.5
    _: KW_ONLY
    slow_rate: float = 1.0
    slow_call_s: float = math.inf
    window: Window = CountWindow(100)  # noqa: RUF009 - frozen, so it may be shared
    minimum_calls: int = 10
    open_s: float = 30.0
    open_factor: float = 1.0
    open_most_s: float = 300.0
    half_open_probes: int = 3
    half_open_concurrency: int = 1
    half_open_s: float = 30.0
    on: Kinds | Callable[[Exception], bool] = Exception
    ignore: Kinds = ()
    on_result: Callable[[Any], bool] | None = None
    key: Callable[..., Hashable] | None = None
    most_keys: int = 1000

    refused_block: ClassVar[str] = ""
    woven_options: ClassVar[frozenset[str]] = frozenset({"on_result", "key"})

    def __post_init__(self) -> None:
        share(self, "failure_rate")
        share(self, "slow_rate")
        if self.slow_call_s != math.inf:
            seconds(self, "slow_call_s")
        if not isinstance(self.window, Window):
            raise refuse(self, "window", self.window, "a CountWindow, a TimeWindow or Consecutive")
        whole(self, "minimum_calls", least=1)
        if isinstance(self.window, CountWindow) and self.minimum_calls > self.window.size:
            raise refuse(self, "minimum_calls", self.minimum_calls, f"at most window.size, which is {self.window.size}")
        seconds(self, "open_s")
        number(self, "open_factor", least=1.0, most=100.0)
        number(self, "open_most_s", least=self.open_s, most=1e9)
        whole(self, "half_open_probes", least=1)
        whole(self, "half_open_concurrency", least=1, most=self.half_open_probes)
        seconds(self, "half_open_s")
        error_kinds(self, "on")
        error_kinds(self, "ignore")
        callable_or_none(self, "on_result")
        callable_or_none(self, "key")
        whole(self, "most_keys", least=1)
        self._circuits = PerKey(lambda key: Circuit(self, str(key)), self.most_keys)
        self._listeners: list[Callable[[Circuit], None]] = []
        self._remembers = self.window
        self._never = self._never_failures()

    def _never_failures(self) -> tuple[type[BaseException], ...]:
        ignored = self.ignore if isinstance(self.ignore, tuple) else (self.ignore,)
        return (CallRefusedError, NotGuardableError, *ignored)

    def circuit(self, key: Hashable = "") -> Circuit:
        """The circuit of a key; without one, the only circuit of a breaker without keys."""
        return self._circuits.of(key)

    @property
    def state(self) -> State:
        """What the only circuit does with calls now; of a breaker with keys, ask `circuit(key).state`."""
        return self.circuit().state

    def force_open(self, key: Hashable = "") -> None:
        """Open now, whatever the rates; it recovers by probes as usual."""
        self.circuit(key).force(Event.FORCED_OPEN)

    def force_close(self, key: Hashable = "") -> None:
        """Close now, with nothing remembered."""
        self.circuit(key).force(Event.FORCED_CLOSED)

    def isolate(self, key: Hashable = "") -> None:
        """Refuse every call until `force_close` or `force_open`."""
        self.circuit(key).force(Event.ISOLATED)

    def when_changed(self, listener: Callable[[Circuit], None]) -> None:
        """Call `listener` with each circuit that changes its state, while it is locked: it must not wait."""
        self._listeners.append(listener)

    def changed(self, circuit: Circuit) -> None:
        """Say that a circuit changed its state by itself."""
        for listener in self._listeners:
            listener(circuit)

    def fresh_outcomes(self) -> LiveOutcomes:
        """What a circuit remembers when it closes: nothing yet."""
        return self.window.open(self.slow_call_s, self.home.world.now_s())

    def open_for_s(self, openings: int) -> float:
        """How long it stays open after so many openings without a success between them."""
        exponent = min(openings, 64) * math.log(self.open_factor)
        return min(self.open_most_s, self.open_s * math.exp(min(exponent, 50.0)))

    def verdict(self, rates: Rates) -> str:
        """Why a closed circuit must open: `failures`, `slow`, or nothing."""
        if isinstance(self.window, Consecutive):
            return "failures" if rates.failures >= self.window.failures else ""
        if rates.calls < self.minimum_calls:
            return ""
        if rates.failure_rate >= self.failure_rate:
            return "failures"
        return "slow" if rates.slow_rate >= self.slow_rate and rates.slow else ""

    def verdict_on_probes(self, trial: Trial) -> Event | None:
        """What the probes of a trial have shown so far; None while that is open."""
        probes = self.half_open_probes
        if isinstance(self.window, Consecutive):
            if trial.failures or trial.slow:
                return Event.REFUTED
            return Event.PROVED if trial.successes >= probes else None
        if trial.failures >= self.failure_rate * probes or (trial.slow and trial.slow >= self.slow_rate * probes):
            return Event.REFUTED
        left = probes - trial.successes - trial.failures
        fails = trial.failures + left >= self.failure_rate * probes
        slows = trial.slow + left >= self.slow_rate * probes
        return None if left and (fails or slows) else Event.PROVED

    def raised(self, circuit: Circuit, permit: Outcomes, error: BaseException, took_s: float, ended_s: float) -> None:
        """Take note of what a call raised."""
        if self._is_failure(error):
            circuit.failed(permit, took_s, ended_s)
        else:
            circuit.released(permit)

    def _is_failure(self, error: BaseException) -> bool:
        if not isinstance(error, Exception) or isinstance(error, self._never):
            return False
        on = self.on
        return isinstance(error, on) if isinstance(on, type | tuple) else bool(on(error))

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Admission before, the outcome after."""
        keyed = "$circuit = $of($key(*args, **kwargs))\n" if self.key is not None else ""
        wrong = (
            "if $is_failure(result):\n    $circuit.failed($permit, $ended_s - $began_s, $ended_s)\nelse:\n    "
            if self.on_result is not None
            else ""
        )
        text = (
            f"{keyed}$permit = $circuit.outcomes\nif $permit is None:\n    $permit = $circuit.admit()\n"
            "$began_s = $now_s()\n"
            "try:\n    $inner\n"
            "except BaseException as $error:\n    $ended_s = $now_s()\n"
            "    $raised($circuit, $permit, $error, $ended_s - $began_s, $ended_s)\n    raise\n"
            f"$ended_s = $now_s()\n{wrong}"
        )
        indent = "    " if wrong else ""
        text = text.removesuffix(indent) + (
            f"{indent}$asked = $permit.succeeded($ended_s - $began_s, $ended_s)\n"
            f"{indent}if $asked:\n{indent}    $circuit.settle($permit, $asked, $ended_s - $began_s, $ended_s)\n"
        )
        values: dict[str, object] = {"now_s": self.home.world.now_s, "raised": self.raised}
        if self.key is not None:
            values |= {"of": self._circuits.of, "key": self._key_of}
        else:
            values["circuit"] = self.circuit()
        if self.on_result is not None:
            values["is_failure"] = self._is_bad
        return loom.text(text, inner, **values)

    def _is_bad(self, result: object) -> bool:
        return self.on_result is not None and bool(self.on_result(result))

    def _key_of(self, *args: object, **kwargs: object) -> Hashable:
        return self.key(*args, **kwargs) if self.key is not None else ""

    def reconfigured(self) -> None:
        """Remember anew where the window, or what is slow, has changed."""
        anew = self.window != self._remembers
        self._remembers = self.window
        self._never = self._never_failures()
        for circuit in self.circuits():
            circuit.remember(self.slow_call_s, anew=anew)
        self._circuits.most = self.most_keys

    def circuits(self) -> list[Circuit]:
        """Every circuit that there is."""
        return self._circuits.all()

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows: one entry for each circuit."""
        shown: dict[str, object] = {}
        for circuit in self.circuits():
            now = circuit.snapshot()
            rates = {} if now.rates is None else {
                "calls": now.rates.calls, "failures": now.rates.failures, "slow": now.rates.slow,
            }  # fmt: skip
            shown[circuit.key] = {
                "state": now.state, "generation": now.generation, "refused": now.refused,
                "retry_after_s": now.retry_after_s, **rates,
            }  # fmt: skip
        return shown
