"""Doing without something, in a declared order, instead of failing altogether."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Never

from bascule.guard.checks import callable_or_none, refuse, seconds
from bascule.guard.circuit_breaker.policy import CircuitBreaker
from bascule.guard.circuit_breaker.states import State
from bascule.guard.errors import DegradedError
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Home, Policy
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError

Condition = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Level:
    """A service level: what it does without, when it is entered, and when it is left.

    Attributes:
        name: How it is called.
        without: The features that this level gives up, besides those of the milder levels.
        enter: Whether there is reason to enter it: a circuit, a health check, a flag.
        leave: Whether there is reason to leave it; None for when `enter` no longer holds.
        enter_after_s: The reason must have held for so long.
        leave_after_s: The reason to leave must have held for so long, so that a level does not flap.
    """

    name: str
    without: tuple[str, ...]
    enter: Condition
    leave: Condition | None = None
    enter_after_s: float = 0.0
    leave_after_s: float = 10.0

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not name or not name.isprintable():
            raise refuse(self, "name", name, "printable and not empty")
        without: object = self.without
        if not isinstance(without, tuple) or not without or not all(isinstance(one, str) for one in without):
            raise refuse(self, "without", without, "a tuple of one or more names")
        if not callable(self.enter):
            raise refuse(self, "enter", self.enter, "a function")
        callable_or_none(self, "leave")
        seconds(self, "enter_after_s", above=False)
        seconds(self, "leave_after_s", above=False)


def circuit_is_open(breaker: CircuitBreaker, key: Hashable = "") -> Condition:
    """The condition that a circuit refuses every call: it is isolated, or open and not yet due for a probe.

    Once a probe is due it no longer holds: the calls that a level gives up may be the only ones that could be probes.
    """

    def refuses() -> bool:
        now = breaker.circuit(key).snapshot()
        return now.state == State.ISOLATED.value or bool(now.retry_after_s)

    return refuses


class _Standing:
    """Whether a level is entered, and since when there is reason to change that."""

    __slots__ = ("is_entered", "since_s")

    def __init__(self) -> None:
        self.is_entered = False
        self.since_s: float | None = None


class ServiceLevels:
    """The levels of a service, from mild to severe. At a level, everything that milder levels give up is given up too.

    Conditions are looked at when somebody asks, at most every `every_s` seconds, by the one who asks; they should be
    quick. Nobody else waits for them. One that raises changes nothing, and is told as a fact.

    Args:
        levels: From mild to severe, with names of their own.
        full: How the service is called when it gives nothing up.
        every_s: How old the answer may be, in seconds.
        name: How the whole is called in facts.
        world: Time; a test gives its own.
        facts: Where its facts go.

    Raises:
        InputError: There is no level, or two have the same name or give up the same feature.
    """

    def __init__(
        self,
        *levels: Level,
        full: str = "full",
        every_s: float = 0.5,
        name: str = "service",
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        for level in levels:
            if not isinstance(level, Level):
                raise InputError(f"ServiceLevels: {level!r} is no Level")
        names = [full, *(level.name for level in levels)]
        features = [feature for level in levels for feature in level.without]
        for kind, given in (("level", names), ("feature", features)):
            twice = sorted({one for one in given if given.count(one) > 1})
            if twice:
                raise InputError(f"ServiceLevels: the {kind} {twice[0]!r} is there twice")
        if not levels:
            raise InputError("ServiceLevels: there must be at least one Level")
        self.levels = levels
        self.full = full
        self.every_s = every_s
        seconds(self, "every_s", above=False)
        self._depth_of = {feature: depth for depth, level in enumerate(levels, 1) for feature in level.without}
        self._home = Home(name, world, facts)
        self._standings = [_Standing() for _ in levels]
        self._lock = threading.RLock()
        self._next_s = float("-inf")
        self._is_looking = False
        self._depth = 0
        self._forced: int | None = None

    @property
    def features(self) -> frozenset[str]:
        """Everything that some level does without."""
        return frozenset(self._depth_of)

    @property
    def current(self) -> str:
        """The name of the level at which the service runs now."""
        depth = self.depth()
        return self.levels[depth - 1].name if depth else self.full

    def allows(self, feature: str) -> bool:
        """Whether the service has this feature now. What no level does without is always there."""
        return self.depth() < self._depth_of.get(feature, len(self.levels) + 1)

    def depth(self) -> int:
        """How many levels are given up: 0 for the full service."""
        now_s = self._home.world.now_s()
        if now_s >= self._next_s and self._may_look(now_s):
            try:
                self._look(now_s)
            finally:
                self._is_looking = False
        return self._depth

    def _may_look(self, now_s: float) -> bool:
        """Whether it is the caller who looks at the conditions. One does at a time, and no lock is held meanwhile."""
        with self._lock:
            if self._is_looking or now_s < self._next_s:
                return False
            self._next_s = now_s + self.every_s
            self._is_looking = True
            return True

    def force(self, name: str) -> None:
        """Run at this level, or at the full one, until `resume`.

        Raises:
            InputError: There is no such level.
        """
        names = [self.full, *(level.name for level in self.levels)]
        if name not in names:
            raise InputError(f"there is no level {name!r}", hint=f"there are: {', '.join(names)}")
        with self._lock:
            self._forced = names.index(name)
            self._move_to(self._forced)

    def resume(self) -> None:
        """Let the conditions decide again."""
        with self._lock:
            self._forced = None
            self._next_s = float("-inf")

    def _look(self, now_s: float) -> None:
        for level, standing in zip(self.levels, self._standings, strict=True):
            self._judge(level, standing, now_s)
        entered = [depth for depth, standing in enumerate(self._standings, 1) if standing.is_entered]
        with self._lock:
            self._move_to(max(entered, default=0) if self._forced is None else self._forced)

    def _judge(self, level: Level, standing: _Standing, now_s: float) -> None:
        try:
            if not standing.is_entered:
                has_reason, after_s = level.enter(), level.enter_after_s
            else:
                has_reason = not level.enter() if level.leave is None else level.leave()
                after_s = level.leave_after_s
        except Exception as error:  # noqa: BLE001 - whatever a condition raises, the service goes on as it was
            self._home.tell("LevelConditionFailed", level=level.name, error=type(error).__name__)
            return
        if not has_reason:
            standing.since_s = None
            return
        if standing.since_s is None:
            standing.since_s = now_s
        if now_s - standing.since_s >= after_s:
            standing.is_entered = not standing.is_entered
            standing.since_s = None

    def _move_to(self, depth: int) -> None:
        for level in self.levels[self._depth : depth]:
            self._home.tell("LevelEntered", level=level.name)
        for level in reversed(self.levels[depth : self._depth]):
            self._home.tell("LevelLeft", level=level.name)
        self._depth = depth

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {
            "level": self.current, "depth": self._depth, "forced": self._forced is not None,
            "without": [feature for feature, depth in self._depth_of.items() if depth <= self._depth],
        }  # fmt: skip


@dataclass(eq=False)
class Degrade(Policy[Never]):
    """A call that serves a feature is refused while the service does without that feature.

    Put a `Fallback` around it to give something simpler instead.

    Attributes:
        levels: The levels of the service.
        feature: What the call serves; one of the levels must do without it.

    Raises, when called:
        DegradedError: The feature is switched off now.
    """

    levels: ServiceLevels
    feature: str
    _: KW_ONLY

    refused_block: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not isinstance(self.levels, ServiceLevels):
            raise refuse(self, "levels", self.levels, "a ServiceLevels")
        if self.feature not in self.levels.features:
            raise refuse(self, "feature", self.feature, f"one of {', '.join(sorted(self.levels.features))}")
        self._refused = 0

    def check(self) -> None:
        """Let the call pass while its feature is there.

        Raises:
            DegradedError: It is switched off now.
        """
        if not self.levels.allows(self.feature):
            self._refused += 1
            raise self.refusal(DegradedError(self.home.name))

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A look before."""
        return loom.text("$check()\n$inner", inner, check=self.check)

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {**self.levels.snapshot(), "feature": self.feature, "refused": self._refused}
