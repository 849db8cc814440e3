"""What a probe wants of a library, and how a library tells what it offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Call = Callable[..., Any]
Decorator = Callable[[Call], Call]
Flavour = Literal["sync", "async"]
FLAVOURS: tuple[Flavour, Flavour] = ("sync", "async")
OPEN_S = 0.15
"""How long an opened circuit stays open in the experiments."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a policy shall do in an experiment; each feature reads the fields that it knows."""

    failures: int = 2
    open_s: float = OPEN_S
    ignored: type[Exception] | None = None
    listener: Callable[[], None] | None = None
    attempts: int = 3
    wait_s: float = 0.0
    everything: bool = False
    deadline_s: float = 1.0
    cap_s: float = 1.0
    ratio: float = 0.1
    limit: int = 1
    queue_wait_s: float = 0.0
    limit_s: float = 1.0
    workers: int = 2
    hedge_after_s: float = 0.01


@dataclass(frozen=True)
class Workers:
    """A time limit for blocking calls, and the gauge of those that outlived it, where there is one."""

    decorator: Decorator
    abandoned: Callable[[], int] | None


Feature = Callable[[Wanted], Decorator]
WorkerFeature = Callable[[Wanted], Workers]


def both(name: str, feature: Feature) -> dict[tuple[str, Flavour], Feature]:
    """A feature that is had in the same way for calls that block and for those that are awaited."""
    return {(name, flavour): feature for flavour in FLAVOURS}


@dataclass(frozen=True)
class Subject:
    """A library, by its features.

    Attributes:
        name: Its name in the registry.
        features: How each feature is had, by its name and whether the guarded call blocks or is awaited. The names are
            `breaker`, `retry`, `bulkhead`, `timeout`, `deadline` (around retries with waits), `retry after`, `budget`
            (of retries), `hedge` and `listener`. What is absent is not offered.
        workers: The time limit for blocking calls, if there is one.
        one_thread: What it documents as not made for several threads.
    """

    name: str
    features: dict[tuple[str, Flavour], Feature]
    workers: WorkerFeature | None = None
    one_thread: frozenset[str] = field(default_factory=frozenset)
