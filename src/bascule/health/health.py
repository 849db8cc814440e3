"""The registry of checks, and the three questions that probes ask: live, ready, started."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from bascule.health.check import PROBES, READY, Check, LooksAt, Outcome, Probe, Registration, refuse
from bascule.health.facts import BecameNotReady, BecameReady, LivenessLost, LivenessRegained, StartupPassed
from bascule.health.report import Report, asked_by, judge
from bascule.health.running import Run, Watched
from bascule.health.telling import Telling
from bascule.kernel.clock import Clock, SystemClock
from bascule.kernel.facts import Bus, Fact

if TYPE_CHECKING:
    from bascule.health.asgi import AsgiProbes
    from bascule.health.flask import FlaskApp
    from bascule.health.wsgi import WsgiProbes

F = TypeVar("F", bound=Callable[[], Any])
LEAVING = "leaving"


def _says_what_it_looks_at(check: object) -> bool:
    return isinstance(check, Check)


class Health:
    """Says whether this process is alive, ready and started; a failing dependency never makes it less than alive.

    Args:
        clock: Where time comes from; the machine's own clock unless a test injects one.
        bus: Hears every fact.
        errors: Whether the texts of errors are shown to whoever asks a probe.
    """

    def __init__(self, *, clock: Clock | None = None, bus: Bus | None = None, errors: bool = True) -> None:
        self.clock: Clock = clock or SystemClock()
        self.bus = bus or Bus()
        self._telling = Telling(self.bus)
        self.errors = errors
        self._watched: dict[str, Watched] = {}
        self._lock = threading.Lock()
        self._told: dict[Probe, bool] = {"live": True, "ready": False, "startup": False}
        self._leaving = ""

    @property
    def is_started(self) -> bool:
        """Whether the process has been ready for work once."""
        return self._told["startup"]

    @property
    def is_leaving(self) -> bool:
        """Whether the process is about to end, and therefore not ready whatever the checks say."""
        return bool(self._leaving)

    def add(
        self,
        name: str,
        check: Check,
        *,
        probes: tuple[Probe, ...] = READY,
        critical: bool = True,
        timeout_s: float = 1.0,
        fresh_s: float = 1.0,
    ) -> None:
        """Register a check.

        Args:
            name: What it is called in every answer.
            check: One of `bascule.health.checks`, or `Check(function, looks_at=...)`.
            probes: Who asks it: `live`, `ready`, `startup`.
            critical: Whether the probe turns red with it; else the probe says `warn`, and the process stays ready.
            timeout_s: After so long without an answer it counts as hung.
            fresh_s: An answer younger than this is told again instead of asking again.

        Raises:
            InputError: A value is impossible, the name is taken, or `live` is to ask a dependency.
        """
        if not _says_what_it_looks_at(check):
            hint = "write Check(function, looks_at='process') or looks_at='dependency'"
            raise refuse("Health.add.check", check, "be a Check that says what it looks at", hint)
        registration = Registration(
            name=name, check=check, probes=probes, critical=critical, timeout_s=timeout_s, fresh_s=fresh_s
        )
        with self._lock:
            if name in self._watched:
                raise refuse("Health.add.name", name, "be a name that no other check has")
            self._watched = {**self._watched, name: Watched(registration, self.clock, self._telling)}

    def check(
        self,
        name: str,
        *,
        looks_at: LooksAt,
        probes: tuple[Probe, ...] = READY,
        critical: bool = True,
        timeout_s: float = 1.0,
        fresh_s: float = 1.0,
    ) -> Callable[[F], F]:
        """Register the decorated function or coroutine function as a check; the arguments are those of `add`."""

        def register(function: F) -> F:
            check = Check(function, looks_at)
            self.add(name, check, probes=probes, critical=critical, timeout_s=timeout_s, fresh_s=fresh_s)
            return function

        return register

    def ask(self, probe: Probe) -> Report:
        """The answer to a probe, for threads: takes no longer than the longest timeout of its checks.

        Raises:
            InputError: There is no such probe.
        """
        asked, settled = self._asked(probe)
        if settled is not None:
            return settled
        runs = [(watched, watched.begin(None)) for watched in asked]
        for watched, run in runs:
            if run is not None:
                run.waiting.wait(watched.left_s(run))
        return self._judge(probe, runs)

    async def ask_async(self, probe: Probe) -> Report:
        """The answer to a probe, for tasks: takes no longer than the longest timeout of its checks.

        Raises:
            InputError: There is no such probe.
        """
        import asyncio  # noqa: PLC0415 - who has no event loop does not pay for it

        asked, settled = self._asked(probe)
        if settled is not None:
            return settled
        loop = asyncio.get_running_loop()
        runs = [(watched, watched.begin(loop)) for watched in asked]
        for watched, run in runs:
            if run is not None:
                await run.waiting.wait_async(watched.left_s(run))
        return self._judge(probe, runs)

    def begin_leaving(self, reason: str) -> None:
        """Be not ready from now on, whatever the checks say; liveness and startup stay as they are."""
        with self._lock:
            if self._leaving:
                return
            self._leaving = f"{LEAVING}: {reason}"
        self._tell("ready", is_ok=False, reason=self._leaving)

    def begin_serving(self) -> None:
        """Be as ready as the checks say: a leave that is entered begins with it."""
        self._leaving = ""

    def snapshot(self) -> dict[str, Any]:
        """What is known now, without asking any check."""
        last = {name: watched.last for name, watched in self._watched.items()}
        return {
            "alive": self._told["live"],
            "ready": self._told["ready"],
            "started": self.is_started,
            "leaving": self.is_leaving,
            "checks": {name: None if each is None else not each.error for name, each in last.items()},
        }

    def asgi(self, prefix: str = "/health") -> AsgiProbes:
        """An ASGI application: `/health/live`, `/health/ready`, `/health/startup`; mounted, the last word alone."""
        from bascule.health.asgi import AsgiProbes  # noqa: PLC0415 - who has no ASGI server does not pay for it

        return AsgiProbes(self, prefix)

    def wsgi(self, prefix: str = "/health") -> WsgiProbes:
        """A WSGI application: `/health/live`, `/health/ready`, `/health/startup`; mounted, the last word alone."""
        from bascule.health.wsgi import WsgiProbes  # noqa: PLC0415 - who has no WSGI server does not pay for it

        return WsgiProbes(self, prefix)

    def flask(self, app: FlaskApp, prefix: str = "/health") -> None:
        """Give a Flask application the three paths."""
        from bascule.health.flask import mount  # noqa: PLC0415 - who has no Flask does not pay for it

        mount(self, app, prefix)

    def _asked(self, probe: Probe) -> tuple[list[Watched], Report | None]:
        """The checks to ask; or the answer, when none needs asking."""
        if probe not in PROBES:
            raise refuse("Health.ask.probe", probe, f"be one of {', '.join(PROBES)}")
        if probe == "ready" and self._leaving:
            return [], Report(probe=probe, status="fail", reason=self._leaving)
        if probe == "startup" and self.is_started:
            return [], Report(probe=probe, status="pass", reason="was ready for work once")
        watched = self._watched
        names = asked_by(probe, (each.registration for each in watched.values()), started=self.is_started)
        return [watched[each.name] for each in names], None

    def _judge(self, probe: Probe, runs: list[tuple[Watched, Run | None]]) -> Report:
        outcomes: list[tuple[Registration, Outcome]] = [(each.registration, each.outcome(run)) for each, run in runs]
        report = judge(probe, outcomes, self.clock.monotonic_s())
        if probe == "live":
            self._tell("live", is_ok=report.is_ok, reason=report.reason)
            return report
        if report.is_ok and not self._leaving:
            self._tell("startup", is_ok=True, reason="")
        if probe == "ready":
            if self._leaving:  # it began while the checks ran
                return Report(probe=probe, status="fail", reason=self._leaving)
            self._tell("ready", is_ok=report.is_ok, reason=report.reason)
        return report

    def _tell(self, probe: Probe, *, is_ok: bool, reason: str) -> None:
        at_s = self.clock.monotonic_s()
        with self._lock:
            if self._told[probe] == is_ok or (probe == "ready" and is_ok and self._leaving):
                return
            self._told[probe] = is_ok
            self._telling.put(_change(probe, is_ok=is_ok, at_s=at_s, reason=reason))
        self._telling.tell()


def _change(probe: Probe, *, is_ok: bool, at_s: float, reason: str) -> Fact:
    if probe == "live":
        return LivenessRegained(at_s=at_s) if is_ok else LivenessLost(at_s=at_s, reason=reason)
    if probe == "startup":
        return StartupPassed(at_s=at_s)
    return BecameReady(at_s=at_s) if is_ok else BecameNotReady(at_s=at_s, reason=reason)
