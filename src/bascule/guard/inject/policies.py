"""Policies that stand for a dependency that errs: they inject nothing until an experiment of their name is on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Never

from bascule.guard.checks import callable_or_none, flag, number, refuse
from bascule.guard.errors import InjectedError
from bascule.guard.fallback import MISSING
from bascule.guard.inject.disturbances import DISTURBANCES, MOST_S, Count, Disturbances, Experiment, rate_of
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.shapes import Shape, shape_of
from bascule.kernel.errors import InputError

_STREAM = "its items are its result; guard the call that opens it"
_STREAMS: Mapping[Shape, str] = {Shape.GENERATOR: _STREAM, Shape.ASYNC_GENERATOR: _STREAM}
_BLOCK = "a block has no result; guard a function"
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@dataclass(eq=False)
class Injection(Policy[Never]):
    """A fault that calls have in common with their dependency, while an experiment is on; otherwise nothing at all.

    It is woven right around the call itself, inside of every other policy: they meet it as they would meet the fault of
    a dependency. It does not change the type of what it guards: callers are written as if there were no faults.

    Attributes:
        rate: The share of calls that are struck, in [0, 1].
        experiment: The name by which it is switched on; empty for the name of its guard.
        key: Makes a key of a call's arguments, so that an experiment can strike some callers alone.
        disturbances: The switch.
    """

    rate: float
    _: KW_ONLY
    experiment: str = ""
    key: Callable[..., object] | None = None
    disturbances: Disturbances = field(default=DISTURBANCES, repr=False)

    replaces_call: ClassVar[bool] = True

    def __post_init__(self) -> None:
        rate_of(self)
        given: object = self.experiment
        if not isinstance(given, str) or len(given) > 100 or not given.isprintable():
            raise refuse(self, "experiment", given, "at most 100 printable characters")
        callable_or_none(self, "key")
        if not isinstance(self.disturbances, Disturbances):
            raise refuse(self, "disturbances", self.disturbances, "a Disturbances")
        self._injected = Count()
        self.check_fault()

    def check_fault(self) -> None:
        """Hold the options that only this kind has to what can be."""

    def order_name(self) -> str:
        """Every kind of injection stands where the others may."""
        return "Injection"

    def strike(self, args: Args, kwargs: Kwargs) -> Experiment | None:
        """The experiment that strikes this call, counted and told; None for a call that is spared."""
        key = None if self.key is None else self.key(*args, **kwargs)
        experiment = self.disturbances.find(self.experiment or self.home.name, key)
        if experiment is None:
            return None
        rate = self.rate if experiment.rate is None else experiment.rate
        if rate < 1.0 and self.home.world.uniform(0.0, 1.0) >= rate:
            return None
        kind = type(self).__name__
        experiment.count(kind)
        self._injected.add()
        self.home.tell("FaultInjectedInCall", policy=kind, experiment=experiment.name)
        return experiment

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Nothing: it is woven right around the call."""
        return inner

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows. `injected`: how many faults, since the policy was made."""
        return {"experiment": self.experiment or self.home.name, "rate": self.rate, "injected": self._injected.value}


@dataclass(eq=False)
class InjectError(Injection):
    """A call raises an error instead of being made, or after it was made, so that its answer is lost.

    Attributes:
        error: An exception type, which is given a few words, or a function of the call's arguments that makes one.
        after: Whether the call is made first: what it did is done, and the caller does not know.
    """

    error: Callable[..., Exception] = InjectedError
    _: KW_ONLY
    after: bool = False

    woven_options: ClassVar[frozenset[str]] = frozenset({"after"})

    def check_fault(self) -> None:
        """Hold the error to be one that may be raised."""
        flag(self, "after")
        given: object = self.error
        if not callable(given) or (isinstance(given, type) and not issubclass(given, Exception)):
            raise refuse(self, "error", given, "an exception type under Exception, or a function that makes one")

    def fail(self, args: Args, kwargs: Kwargs) -> None:
        """Raise the error, if this call is struck."""
        experiment = self.strike(args, kwargs)
        if experiment is None:
            return
        make: Any = self.error
        is_type = isinstance(make, type)
        error = make(f"injected by the experiment {experiment.name!r}") if is_type else make(*args, **kwargs)
        if not isinstance(error, Exception):
            raise InputError(f"InjectError.error: it made {error!r}, which is no exception")
        raise error

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """A look before the call, or after it."""
        look = "if $switch.is_armed:\n    $fail(args, kwargs)\n"
        text = f"$inner\n{look}" if self.after else f"{look}$inner\n"
        return loom.text(text, inner, switch=self.disturbances, fail=self.fail)


@dataclass(eq=False)
class InjectLatency(Injection):
    """A call is held up before it is made, for no longer than its experiment lasts.

    Attributes:
        delay_s: Seconds, at most 3600.
        jitter_s: Up to so many more, each length equally likely.
    """

    delay_s: float = 1.0
    jitter_s: float = 0.0

    def check_fault(self) -> None:
        """Hold both to be times."""
        number(self, "delay_s", most=MOST_S)
        number(self, "jitter_s", most=MOST_S)

    def wait_s(self, args: Args, kwargs: Kwargs) -> float:
        """Seconds that this call is held up."""
        experiment = self.strike(args, kwargs)
        if experiment is None:
            return 0.0
        more_s = self.home.world.uniform(0.0, self.jitter_s) if self.jitter_s else 0.0
        return max(0.0, min(self.delay_s + more_s, experiment.left_s()))

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """A wait before the call."""
        world = self.home.world
        return loom.text(
            "if $switch.is_armed:\n    $wait = $wait_s(args, kwargs)\n"
            "    if $wait > 0.0:\n        ${await}$sleep($wait)\n$inner",
            inner,
            switch=self.disturbances,
            wait_s=self.wait_s,
            sleep=world.sleep_async if loom.is_async else world.sleep,
        )


@dataclass(eq=False)
class InjectResult(Injection):
    """A call is not made and gives a wrong answer: a `value`, or what a `function` makes of its arguments.

    Attributes:
        value: This.
        function: A plain function of the call's arguments; for coroutine functions too.
    """

    value: object = MISSING
    _: KW_ONLY
    function: Callable[..., object] | None = None

    refused_shapes = _STREAMS
    refused_block: ClassVar[str] = _BLOCK

    def check_fault(self) -> None:
        """Hold exactly one answer to be given."""
        plain_or_none(self, "function")
        if (self.value is MISSING) == (self.function is None):
            raise InputError("InjectResult: give a value or a function, one of them")

    def answer(self, args: Args, kwargs: Kwargs) -> object:
        """The wrong answer."""
        return self.value if self.function is None else self.function(*args, **kwargs)

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """Another answer in place of the call."""
        return loom.text(
            "if $switch.is_armed and $strike(args, kwargs) is not None:\n    result = $answer(args, kwargs)\n"
            "else:\n    $inner",
            inner,
            switch=self.disturbances,
            strike=self.strike,
            answer=self.answer,
        )


@dataclass(eq=False)
class InjectCorruption(Injection):
    """A call is made, and its result is damaged on the way back.

    Attributes:
        corrupt: A plain function that makes a damaged result of a good one; `bascule.guard.inject.corruptions` has
            some.
    """

    corrupt: Callable[[Any], object] = MISSING

    refused_shapes = _STREAMS
    refused_block: ClassVar[str] = _BLOCK

    def check_fault(self) -> None:
        """Hold the corruption to be a plain function."""
        if self.corrupt is MISSING or self.corrupt is None:
            raise refuse(self, "corrupt", self.corrupt, "a function of the result")
        plain_or_none(self, "corrupt")

    def damaged(self, result: object) -> object:
        """The result as the caller gets it."""
        return self.corrupt(result)

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """A look after the call."""
        return loom.text(
            "$inner\nif $switch.is_armed and $strike(args, kwargs) is not None:\n    result = $damaged(result)",
            inner,
            switch=self.disturbances,
            strike=self.strike,
            damaged=self.damaged,
        )


def plain_or_none(owner: object, name: str) -> None:
    """Hold a field to be a function that is not awaited or read, or None."""
    callable_or_none(owner, name)
    given: Any = getattr(owner, name)
    if given is not None and not isinstance(given, type) and shape_of(given) is not Shape.FUNCTION:
        raise refuse(owner, name, given, "a plain function")
