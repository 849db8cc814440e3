"""The switch of everything that is injected: experiments by name, each with a time at which it ends by itself."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import number, refuse
from bascule.guard.inject import permission
from bascule.guard.inject.permission import InjectionRefusedError
from bascule.guard.policy import Home
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError

if TYPE_CHECKING:
    from types import TracebackType

CONTROL_FILE = "BASCULE_INJECT_FILE"
LOOK_S = 0.5
MOST_S = 3600.0
"""Nothing is switched on for longer in one go; who wants more renews it, and shows by that to be alive."""


class Watched(Protocol):
    """Where somebody outside switches experiments on and off."""

    def look(self, disturbances: Disturbances) -> None:
        """Take over what is said there now; never raises for what somebody wrote."""
        ...


class Count(Stepped):
    """How often something happened; no count is lost, and none waits for another."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        super().__init__()
        self.value = 0

    @atomic
    def add(self) -> None:
        """It happened once more."""
        self.value += 1


class Experiment:
    """One experiment that is switched on: off at the end of its block, by `off()`, or when its time is up.

    Attributes:
        name: Which injections strike: those of the guard of this name, or those that name the experiment.
        rate: The share of calls, in place of that of each injection; None to leave it.
        keys: Only calls with one of these keys, as text; None for every call.
        for_s: How long it lasts from when it was switched on, or renewed.
        ends_s: When it ends by itself, on the clock of the world.
    """

    def __init__(
        self, owner: Disturbances, name: str, for_s: float, keys: Collection[object] | None, rate: float | None
    ) -> None:
        if not 0 < len(name) <= 100 or not name.isprintable():
            raise refuse(self, "name", name, "1 to 100 printable characters")
        if isinstance(keys, str):
            raise refuse(self, "keys", keys, "a list of keys, or None")
        self.name = name
        self.rate = rate
        if rate is not None:
            rate_of(self)
        self.keys = None if keys is None else frozenset(str(key) for key in keys)
        self._counts: dict[str, Count] = {}
        self._owner = owner
        self.for_s = for_s
        number(self, "for_s", above=True, most=MOST_S)
        self.ends_s = owner.now_s() + for_s

    @property
    def injected(self) -> dict[str, int]:
        """How many faults it injected so far, by the kind of the injection. This is the witness."""
        return {kind: count.value for kind, count in sorted(self._counts.items())}

    @property
    def is_on(self) -> bool:
        """Whether calls may be struck now."""
        return self._owner.has(self) and self.left_s() > 0.0

    def left_s(self) -> float:
        """Seconds until it ends by itself; 0 or less when it did."""
        return self.ends_s - self._owner.now_s()

    def renew(self, for_s: float | None = None) -> None:
        """Let it last for so many seconds from now, by default as many as at first.

        Raises:
            InputError: It is off already, or that is too long.
            InjectionRefusedError: This process may no longer inject.
        """
        self._owner.prolong(self, self.for_s if for_s is None else for_s)

    def off(self) -> None:
        """Switch it off now; does nothing when it is off."""
        self._owner.end(self, "switched off")

    def covers(self, key: object) -> bool:
        """Whether a call with this key may be struck. A call without a key is, unless there are keys to match."""
        return self.keys is None or (key is not None and str(key) in self.keys)

    def count(self, kind: str) -> None:
        """Take note of one fault that was injected."""
        (self._counts.get(kind) or self._counts.setdefault(kind, Count())).add()

    def __enter__(self) -> Self:
        """The experiment, which was switched on when it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch it off."""
        self.off()


class Disturbances:
    """Switches experiments on and off, if this process may inject at all; everything is off at first.

        with DISTURBANCES.on("prices", for_s=60.0) as experiment:
            ...
        assert experiment.injected == {"InjectError": 12}

    A process may inject that was started with `BASCULE_INJECT=allowed`, unless a variable such as `ENVIRONMENT` says
    production. There it must have been started with `BASCULE_INJECT_IN_PRODUCTION` set to the name of the service too.

    With `BASCULE_INJECT_FILE` an operator switches from outside: see `bascule.guard.inject.control_file`.

    Args:
        service: The name of the service; by default what `BASCULE_SERVICE` or `OTEL_SERVICE_NAME` says.
        environment: Variables by name; by default those of the process, as they are now.
        markers: Variables that say where the process runs.
        world: Time; a test gives its own.
        facts: Where its facts go.

    Attributes:
        is_armed: Whether calls must ask which experiments run. False at first, and then an injection costs next to
            nothing.
    """

    def __init__(
        self,
        *,
        service: str = "",
        environment: Mapping[str, str] | None = None,
        markers: Collection[str] = permission.MARKERS,
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        self._now = os.environ if environment is None else environment
        self._started = permission.told(self._now, (*markers, CONTROL_FILE))
        self._service = service or permission.service_of(self._started)
        self._markers = tuple(markers)
        self._home = Home(self._service or "service", world, facts)
        self._lock = threading.RLock()  # re-entrant: a finalizer may switch off while something is switched on
        self._running: dict[str, tuple[Experiment, ...]] = {}
        self._file: Watched | None = None
        self._next_look_s = -math.inf
        path = self._started.get(CONTROL_FILE, "")
        if path and permission.is_opted_in(self._started):  # in production it is looked at, and what it says refused
            self._watch(path)
        self.is_armed = self._file is not None

    def _watch(self, path: str) -> None:
        from bascule.guard.inject.control_file import ControlFile  # noqa: PLC0415 - few processes have one

        self._file = ControlFile(Path(path))

    def now_s(self) -> float:
        """The clock on which experiments end."""
        return self._home.world.now_s()

    def wall_s(self) -> float:
        """Seconds since the Unix epoch."""
        return self._home.world.wall_s()

    def check(self) -> None:
        """Let this process inject if it may.

        Raises:
            InjectionRefusedError: It may not; the message says why, and what would let it.
        """
        permission.check(self._started, self._now, self._service, self._markers)

    @property
    def is_permitted(self) -> bool:
        """Whether this process may inject."""
        try:
            self.check()
        except InjectionRefusedError:
            return False
        return True

    def on(
        self, name: str, *, for_s: float, keys: Collection[object] | None = None, rate: float | None = None
    ) -> Experiment:
        """Switch an experiment on at once, for so many seconds at most; as a block, until the end of the block.

        Args:
            name: The name of a guard, or what injections call their `experiment`.
            for_s: Seconds until it ends by itself, at most 3600; `renew()` makes it last.
            keys: Only calls with one of these keys, compared as text; for injections with a `key` alone.
            rate: A share of calls in [0, 1], in place of that of each injection.

        Raises:
            InjectionRefusedError: This process may not inject; nothing was switched on.
            InputError: An option is impossible.
        """
        self.check()
        return self.begin(Experiment(self, name, for_s, keys, rate))

    def begin(self, experiment: Experiment) -> Experiment:
        """Let an experiment run beside the others; for `on` and the control file, which have asked for permission."""
        with self._lock:
            self._running[experiment.name] = (*self._running.get(experiment.name, ()), experiment)
            self.is_armed = True
        self._home.tell("ExperimentSwitchedOn", experiment=experiment.name, for_s=experiment.for_s)
        return experiment

    def prolong(self, experiment: Experiment, for_s: float) -> None:
        """Let an experiment that is on end so many seconds from now; as `Experiment.renew`."""
        self.check()
        ends_s = Experiment(self, experiment.name, for_s, None, None).ends_s
        with self._lock:
            if not experiment.is_on:
                raise InputError(f"the experiment {experiment.name!r} is off already", hint="switch it on again")
            experiment.for_s, experiment.ends_s = for_s, ends_s

    def off(self, name: str | None = None) -> None:
        """Switch off every experiment of this name, or all there are."""
        for experiment in self.running():
            if name is None or experiment.name == name:
                experiment.off()

    def end(self, experiment: Experiment, reason: str) -> None:
        """Let an experiment run no longer; does nothing when it does not."""
        with self._lock:
            if not self.has(experiment):
                return
            rest = tuple(one for one in self._running[experiment.name] if one is not experiment)
            if rest:
                self._running[experiment.name] = rest
            else:
                del self._running[experiment.name]
            self.is_armed = bool(self._running) or self._file is not None
        count = sum(experiment.injected.values())
        self._home.tell("ExperimentSwitchedOff", experiment=experiment.name, reason=reason, injected=count)

    def refused(self, name: str, why: str) -> None:
        """Tell that somebody outside asked for what may not be."""
        self._home.tell("ExperimentRefused", experiment=name, reason=why)

    def has(self, experiment: Experiment) -> bool:
        """Whether it was begun and not ended."""
        return experiment in self._running.get(experiment.name, ())

    def running(self) -> list[Experiment]:
        """Every experiment that is on now."""
        self._look()
        with self._lock:
            begun = [one for several in self._running.values() for one in several]
        return [one for one in begun if not self._is_over(one)]

    def find(self, name: str, key: object) -> Experiment | None:
        """The experiment that may strike a call of this name and key; None if there is none."""
        self._look()
        for experiment in self._running.get(name, ()):
            if not self._is_over(experiment) and experiment.covers(key):
                return experiment
        return None

    def _is_over(self, experiment: Experiment) -> bool:
        if experiment.left_s() > 0.0:
            return False
        with self._lock:
            is_over = experiment.left_s() <= 0.0  # it may have been renewed in this very moment
            if is_over:
                self.end(experiment, "expired")
        return is_over

    def _look(self) -> None:
        """Let one caller look at the control file, at most every half second; nobody waits for it."""
        if self._file is None or self.now_s() < self._next_look_s or not self._lock.acquire(blocking=False):
            return
        try:
            if self.now_s() >= self._next_look_s:
                self._next_look_s = self.now_s() + LOOK_S
                self._file.look(self)
        finally:
            self._lock.release()

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows: whether this process may inject, and what runs."""
        return {
            "permitted": self.is_permitted,
            "running": [
                {"experiment": one.name, "left_s": one.left_s(), "injected": one.injected}
                for one in self.running()
            ],
        }  # fmt: skip


def rate_of(owner: object) -> None:
    """Hold the field `rate` to be a share of calls in [0, 1]."""
    rate: object = getattr(owner, "rate", None)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 <= rate <= 1.0:
        raise refuse(owner, "rate", rate, "a share of calls from 0 to 1")


DISTURBANCES = Disturbances()
"""The switch of every injection that is given no other; its environment is the one of its import."""
