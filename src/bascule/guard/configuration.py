"""Guards by name, as a file or a mapping describes them, changed at run time without losing what they have learned."""

from __future__ import annotations

import builtins
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from bascule.guard.adaptive_limit import AdaptiveLimit
from bascule.guard.backoff import Exponential, Fixed
from bascule.guard.bulkhead import Bulkhead
from bascule.guard.cache import Cache
from bascule.guard.checks import shown
from bascule.guard.circuit_breaker.outcomes import Consecutive, CountWindow, TimeWindow
from bascule.guard.circuit_breaker.policy import CircuitBreaker
from bascule.guard.deadline import Deadline
from bascule.guard.fallback import Fallback
from bascule.guard.guard import Guard
from bascule.guard.hedge import Hedge
from bascule.guard.inject.disturbances import DISTURBANCES, Disturbances
from bascule.guard.inject.policies import InjectCorruption, InjectError, Injection, InjectLatency, InjectResult
from bascule.guard.limits import Aimd, Gradient2, Vegas
from bascule.guard.policy import Policy
from bascule.guard.rate_limit import RateLimit
from bascule.guard.retry import Retry
from bascule.guard.retry_budget import RetryBudget
from bascule.guard.stream import FACTS, Stream
from bascule.guard.timeout import AdaptiveTimeout, Timeout
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError

MOST_BYTES = 1024 * 1024
MOST_GUARDS = 1000
MOST_DEEP = 20
MOST_DOTS = 100
"""In one line of a file: the parser takes a minute for a key of fifty thousand parts, and longer for a longer one."""

POLICIES: dict[str, type[Policy[Any]]] = {
    "fallback": Fallback, "cache": Cache, "deadline": Deadline, "retry": Retry, "hedge": Hedge, "rate_limit": RateLimit,
    "circuit_breaker": CircuitBreaker, "adaptive_limit": AdaptiveLimit, "bulkhead": Bulkhead, "timeout": Timeout,
    "adaptive_timeout": AdaptiveTimeout, "inject_latency": InjectLatency, "inject_corruption": InjectCorruption,
    "inject_result": InjectResult, "inject_error": InjectError,
}  # fmt: skip
"""Policies by their name in a file, in the order in which they stand unless `order` says otherwise."""

PARTS: dict[str, dict[str, Callable[..., Any]]] = {
    "backoff": {"exponential": Exponential, "fixed": Fixed},
    "window": {"count": CountWindow, "time": TimeWindow, "consecutive": Consecutive},
    "algorithm": {"aimd": Aimd, "vegas": Vegas, "gradient2": Gradient2},
    "budget": {"budget": RetryBudget},
}
"""Options that are made of options themselves: their `kind` in a file, and what it makes."""
ERRORS = {"on", "ignore", "overload"}
FUNCTIONS = {"on_result", "key", "function", "provider", "mark", "corrupt"}


class Guards(Mapping[str, Guard[Any]]):
    """Guards by name.

        guards = Guards.load("guard.toml", errors={"card": CardError})
        charge = guards["payments"](charge)

    A guard is a table of policies, and a policy a table of its options:

        [payments]
        order = ["deadline", "retry", "circuit_breaker", "timeout"]   # outermost first; may be left out
        [payments.deadline]
        budget_s = 2.0
        [payments.retry]
        attempts = 3
        on = ["ConnectionError", "card"]
        backoff = {kind = "exponential", first_s = 0.1, cap_s = 2.0}

    Nothing is imported or run that the file names: errors are built-in ones or given by name in `errors`, functions are
    given in `functions`.

    Args:
        told: The tables, by the name of the guard.
        errors: Exception types that the file may name, besides the built-in ones.
        functions: Functions that the file may name, for options such as `key`.
        world: Time, luck and waiting, for every guard.
        facts: Where facts go, of every guard.
        disturbances: The switch of what the guards inject, if they inject anything.

    Raises:
        InputError: A guard cannot be made; the message says which option of which policy is wrong.
    """

    def __init__(
        self,
        told: Mapping[str, Any],
        *,
        errors: Mapping[str, type[Exception]] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        world: World = REAL,
        facts: Stream = FACTS,
        disturbances: Disturbances = DISTURBANCES,
    ) -> None:
        self._errors = dict(errors or {})
        self._functions = dict(functions or {})
        self._world = world
        self._facts = facts
        self._disturbances = disturbances
        self._path: Path | None = None
        self._updating = threading.Lock()
        self._guards = self._made(told)

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Guards:  # noqa: ANN401 - those of the constructor
        """The guards that a TOML file describes.

        Raises:
            InputError: The file cannot be read, is no TOML, or describes a guard that cannot be made.
        """
        guards = cls(read(Path(path)), **options)
        guards._path = Path(path)
        return guards

    def __getitem__(self, name: str) -> Guard[Any]:
        """The guard of this name.

        Raises:
            KeyError: There is none.
        """
        return self._guards[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._guards)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._guards)

    def reload(self) -> list[str]:
        """Read the file again and take over what changed; gives the changes, as `payments.retry.attempts: 3 -> 5`.

        Raises:
            InputError: The file cannot be taken over; then nothing was changed.
        """
        if self._path is None:
            raise InputError("these guards were not loaded from a file", hint="use update(mapping)")
        return self.update(read(self._path))

    def update(self, told: Mapping[str, Any]) -> list[str]:
        """Take over changed options, all or none; circuits, slots, budgets and latencies stay as they are.

        Guards may be added. A guard that is gone, or whose policies changed, is refused: functions are guarded by it.

        Raises:
            InputError: It cannot be taken over; then nothing was changed.
        """
        with self._updating:
            return self._update(self._made(told))

    def _update(self, fresh: dict[str, Guard[Any]]) -> list[str]:
        changes: list[tuple[str, Policy[Any], dict[str, Any]]] = []
        for name, guard in self._guards.items():
            if name not in fresh:
                raise InputError(f"{name}: this guard is gone from the description, but functions are guarded by it")
            kinds = [type(policy) for policy in guard.policies]
            if kinds != [type(policy) for policy in fresh[name].policies]:
                raise InputError(
                    f"{name}: its policies cannot be added, removed or reordered while calls run",
                    hint="change their options only, or start anew",
                )
            for old, new in zip(guard.policies, fresh[name].policies, strict=True):
                changed = {key: value for key, value in new.options().items() if not same(old.options()[key], value)}
                old.check_changes(changed)
                changes.append((name, old, changed))
        words = [
            f"{name}.{policy_name(policy)}.{key}: {shown(policy.options()[key])} -> {shown(value)}"
            for name, policy, changed in changes
            for key, value in changed.items()
        ]
        for _, policy, changed in changes:
            budget, wanted = policy.options().get("budget"), changed.get("budget")
            if isinstance(budget, RetryBudget) and isinstance(wanted, RetryBudget):
                budget.reconfigure(wanted.ratio, wanted.reserve)
                del changed["budget"]
            if changed:
                policy.reconfigure(**changed)
        self._guards = {**fresh, **self._guards}
        return words

    def _made(self, told: Mapping[str, Any]) -> dict[str, Guard[Any]]:
        given: object = told
        if not isinstance(given, Mapping):
            raise InputError("a description of guards is a table with a table for each")
        if len(told) > MOST_GUARDS:
            raise InputError(f"{len(told)} guards are described, and {MOST_GUARDS} is the most")
        if is_deeper(told, MOST_DEEP):
            raise InputError(f"a description of guards is nested {MOST_DEEP} deep at most")
        return {name: self._guard(name, table) for name, table in told.items()}

    def _guard(self, name: str, table: object) -> Guard[Any]:
        given: object = name
        if not isinstance(given, str) or not 0 < len(given) <= 100 or not given.isprintable():
            raise InputError(f"{shown(name)}: a guard's name is 1 to 100 printable characters")
        if not isinstance(table, Mapping) or not table:
            raise InputError(f"{name}: a guard is a table with a table for each policy")
        policies = [one for one in table if one != "order"]
        unknown = [one for one in policies if one not in POLICIES]
        if unknown:
            raise InputError(
                f"{name}.{shown(unknown[0])}: there is no such policy", hint=f"there are: {', '.join(POLICIES)}"
            )
        order = table.get("order", [one for one in POLICIES if one in policies])
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(policies):
            raise InputError(f"{name}.order: it must name each of {', '.join(policies)} once")
        made = [self._policy(f"{name}.{one}", POLICIES[one], table[one]) for one in order]
        try:
            return Guard(*made, name=name, world=self._world, facts=self._facts)
        except InputError as error:
            raise InputError(error.what, where=name, hint=error.hint) from error

    def _policy(self, where: str, kind: type[Policy[Any]], table: object) -> Policy[Any]:
        if not isinstance(table, Mapping):
            raise InputError(f"{where}: a policy is a table of options")
        known = options_of(kind)
        options = {
            key: self._option(f"{where}.{key}", key, value) if key in known else value for key, value in table.items()
        }
        if issubclass(kind, Injection) and "disturbances" not in table:
            options["disturbances"] = self._disturbances
        return cast("Policy[Any]", make(where, kind, options))

    def _option(self, where: str, key: str, value: object) -> object:
        if key in ERRORS:
            names = value if isinstance(value, list) else [value]
            return tuple(self._error(where, name) for name in names)
        if key == "error":
            return self._error(where, value)
        if key in FUNCTIONS:
            if not isinstance(value, str) or value not in self._functions:
                raise InputError(
                    f"{where}: {shown(value)} is no function that was given", hint="give it in functions={...}"
                )
            return self._functions[value]
        if key in PARTS and isinstance(value, Mapping):
            kinds = PARTS[key]
            options = dict(value)
            kind = options.pop("kind", next(iter(kinds)) if len(kinds) == 1 else None)
            if not isinstance(kind, str) or kind not in kinds:
                raise InputError(f"{where}.kind: {shown(kind)} must be one of {', '.join(kinds)}")
            return make(where, kinds[kind], options)
        if key == "budget" and value is False:
            return None
        return value

    def _error(self, where: str, name: object) -> type[Exception]:
        found = self._errors.get(name) or getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(found, type) and issubclass(found, Exception):
            return found
        raise InputError(
            f"{where}: there is no error {shown(name)}", hint="name a built-in one, or give it in errors={...}"
        )


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file of at most 1 MiB.

    Raises:
        InputError: It cannot be read, is too large or too deep, or is no TOML.
    """
    import tomllib  # noqa: PLC0415 - guards that are made in Python need no parser

    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    if len(raw) > MOST_BYTES:
        raise InputError(f"it is larger than {MOST_BYTES} bytes", where=str(path))
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.count(b".") > MOST_DOTS:
            raise InputError(f"a key is nested too deep, with more than {MOST_DOTS} dots", where=f"{path}:{number}")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no TOML: {error}", where=str(path)) from error


def make(where: str, kind: Callable[..., Any], options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what `kind` makes
    """`kind(**options)`, with errors that say where the options stand."""
    known = options_of(kind)
    for key in options:
        if key not in known:
            raise InputError(f"there is no option {shown(key)}", where=where, hint=f"there are: {', '.join(known)}")
    try:
        return kind(**options)
    except InputError as error:
        raise InputError(error.what, where=where, hint=error.hint) from error
    except TypeError as error:
        raise InputError(f"its options are not right: {error}", where=where) from error


def options_of(kind: Callable[..., Any]) -> list[str]:
    """The names of what `kind` can be told."""
    return list(inspect.signature(kind).parameters)


def is_deeper(told: object, most: int) -> bool:
    """Whether tables and lists are nested more than `most` deep."""
    level = [told]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return any(isinstance(one, Mapping | list) for one in level)


def same(old: object, new: object) -> bool:
    """Whether an option stayed as it was; budgets are the same when their options are."""
    if isinstance(old, RetryBudget) and isinstance(new, RetryBudget):
        return (old.ratio, old.reserve) == (new.ratio, new.reserve)
    return old == new


def policy_name(policy: Policy[Any]) -> str:
    """The policy's name in a file."""
    return next(name for name, kind in POLICIES.items() if kind is type(policy))
