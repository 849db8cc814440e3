"""What a check is, and which probes may ask it. Pure."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Literal, get_args

from bascule.kernel.errors import InputError

Probe = Literal["live", "ready", "startup"]
LooksAt = Literal["process", "dependency"]
Answer = bool | None
Function = Callable[[], Answer] | Callable[[], Awaitable[Answer]]
PROBES: tuple[Probe, ...] = get_args(Probe)
READY: tuple[Probe, ...] = ("ready",)
MOST_CHARACTERS = 64


def refuse(field_name: str, value: object, rule: str, hint: str = "") -> InputError:
    """The error for a value that cannot be used: it names the field, the value and the rule."""
    return InputError(f"{field_name}: {value!r} must {rule}", hint=hint)


def check_seconds(field_name: str, value: object, *, zero: bool = False) -> None:
    """Refuse what is no finite number of seconds above zero, or of at least zero.

    Raises:
        InputError: It is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not (value > 0 or (zero and value == 0)):  # type: ignore[operator] # a number, by the line above
        raise refuse(field_name, value, f"be a finite number of seconds {'of at least' if zero else 'above'} 0")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS and value.isprintable()


def _are_probes(value: object) -> bool:
    return (
        isinstance(value, tuple | list | set | frozenset) and len(value) > 0 and all(each in PROBES for each in value)
    )


@dataclass(frozen=True, slots=True)
class Check:
    """A question with the answer yes (`None` or `True`) or no (`False`, or it raises), and what it looks at.

    Attributes:
        run: Asks it; a function, which may block, or a coroutine function.
        looks_at: `process`: a restart of this process would mend it. `dependency`: it would not (another program, the
            network, a disk). Only what looks at the process may be asked for liveness.
    """

    run: Function
    looks_at: LooksAt

    def __post_init__(self) -> None:
        if not callable(self.run):
            raise refuse("Check.run", self.run, "be a function or a coroutine function")
        if self.looks_at not in get_args(LooksAt):
            hint = "'process': a restart would mend it; 'dependency': it asks another program, the network or a disk"
            raise refuse("Check.looks_at", self.looks_at, "be 'process' or 'dependency'", hint)

    @property
    def is_async(self) -> bool:
        """Whether it must be awaited."""
        return iscoroutinefunction(self.run) or iscoroutinefunction(getattr(self.run, "__call__", None))  # noqa: B004 - not asked whether it is callable, but whether its call is a coroutine


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A check, and how it is asked.

    Attributes:
        name: What it is called in every answer; at most 64 characters.
        check: The check.
        probes: Who asks it.
        critical: Whether a probe turns red with it; if not, the probe says `warn` and stays green.
        timeout_s: After so long without an answer it counts as hung.
        fresh_s: An answer younger than this is told again instead of asking again.
    """

    name: str
    check: Check
    probes: tuple[Probe, ...] = READY
    critical: bool = True
    timeout_s: float = 1.0
    fresh_s: float = 1.0

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise refuse("Health.add.name", self.name, f"be 1 to {MOST_CHARACTERS} printable characters")
        if not _are_probes(self.probes):
            raise refuse("Health.add.probes", self.probes, f"be one or more of {', '.join(PROBES)}, as a tuple")
        if self.critical not in {True, False}:
            raise refuse("Health.add.critical", self.critical, "be True or False")
        check_seconds("Health.add.timeout_s", self.timeout_s)
        check_seconds("Health.add.fresh_s", self.fresh_s, zero=True)
        if "live" in self.probes and self.check.looks_at != "process":
            raise InputError(
                f"Health.add.probes: 'live' must not ask {self.name!r}, which looks at a {self.check.looks_at}",
                hint="a restart would not mend it, and would take the process from those it still serves: use 'ready'",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a check went: at which second it was known, how long it took, and why it failed (empty: it passed)."""

    at_s: float
    took_s: float
    error: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether the check passed."""
        return not self.error


def hung_outcome(started_s: float, now_s: float, timeout_s: float) -> Outcome:
    """A check that gave no answer in its time."""
    took_s = max(timeout_s, now_s - started_s)
    return Outcome(at_s=now_s, took_s=took_s, error=f"hung: no answer for {took_s:.1f} s (limit {timeout_s:g} s)")


def is_fresh(last: Outcome | None, fresh_s: float, now_s: float) -> bool:
    """Whether the last answer is young enough to be told again."""
    return last is not None and now_s - last.at_s < fresh_s
