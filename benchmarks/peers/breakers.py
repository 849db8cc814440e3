"""How the libraries that are circuit breakers are used: pybreaker, circuitbreaker, purgatory, fluxgate, aiobreaker."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from benchmarks.peers.subject import Decorator, Subject, Wanted, both


def pybreaker_breaker(wanted: Wanted) -> Decorator:
    """Consecutive failures; what is excluded is named."""
    pybreaker = import_module("pybreaker")
    tell = wanted.listener

    class Listener(pybreaker.CircuitBreakerListener):  # type: ignore[misc, name-defined]  # known at run time alone
        """Told of failures and of changes."""

        def failure(self, *_: object) -> None:
            if tell is not None:
                tell()

    breaker: Decorator = pybreaker.CircuitBreaker(
        fail_max=wanted.failures,
        reset_timeout=wanted.open_s,
        exclude=[wanted.ignored] if wanted.ignored else None,
        listeners=[Listener()] if tell else None,
    )
    return breaker


def circuitbreaker_breaker(wanted: Wanted) -> Decorator:
    """Consecutive failures; what is expected is told by a predicate."""
    circuitbreaker = import_module("circuitbreaker")
    ignored = wanted.ignored

    def counts(kind: type[BaseException], _: BaseException) -> bool:
        return issubclass(kind, Exception) and not (ignored and issubclass(kind, ignored))

    breaker: Decorator = circuitbreaker.CircuitBreaker(
        failure_threshold=wanted.failures, recovery_timeout=wanted.open_s, expected_exception=counts
    )
    return breaker


def purgatory_factory(wanted: Wanted, kind: str) -> Decorator:
    """Consecutive failures; what is excluded is named."""
    purgatory = import_module("purgatory")
    factory = getattr(purgatory, kind)(
        default_threshold=wanted.failures,
        default_ttl=wanted.open_s,
        exclude=[wanted.ignored] if wanted.ignored else None,
    )
    tell = wanted.listener
    if tell is not None:

        def hook(*_: object) -> None:
            tell()

        factory.add_listener(hook)
    decorator: Decorator = factory("dependency")
    return decorator


def purgatory_breaker(wanted: Wanted) -> Decorator:
    """For calls that block."""
    return purgatory_factory(wanted, "SyncCircuitBreakerFactory")


def purgatory_async_breaker(wanted: Wanted) -> Decorator:
    """For calls that are awaited."""
    return purgatory_factory(wanted, "AsyncCircuitBreakerFactory")


def fluxgate_options(wanted: Wanted) -> dict[str, object]:
    """Consecutive failures; probes are all let through by `permit`, since the other permits are dice."""
    permits, retries, trackers, trippers = (
        import_module(f"fluxgate.{name}") for name in ("permits", "retries", "trackers", "trippers")
    )
    tell = wanted.listener
    tracker = ~trackers.TypeOf(wanted.ignored) if wanted.ignored else trackers.All()
    return {
        "tracker": tracker,
        "tripper": trippers.FailureStreak(wanted.failures)
        | (trippers.HalfOpened() & trippers.FailureRate(0.5) & trippers.MinRequests(1)),
        "retry": retries.Cooldown(wanted.open_s),
        "permit": permits.All(),
        "listeners": [lambda _: tell()] if tell else [],
    }


def fluxgate_breaker(wanted: Wanted) -> Decorator:
    """For calls that block; documented as not thread-safe."""
    breaker: Decorator = import_module("fluxgate").CircuitBreaker(**fluxgate_options(wanted))
    return breaker


def fluxgate_async_breaker(wanted: Wanted) -> Decorator:
    """For calls that are awaited, one probe at a time."""
    breaker: Decorator = import_module("fluxgate").AsyncCircuitBreaker(
        **fluxgate_options(wanted), max_half_open_calls=1
    )
    return breaker


def aiobreaker_breaker(wanted: Wanted) -> Decorator:
    """Consecutive failures; what is excluded is named."""
    aiobreaker = import_module("aiobreaker")
    tell = wanted.listener

    class Listener(aiobreaker.CircuitBreakerListener):  # type: ignore[misc, name-defined]  # known at run time alone
        """Told of failures and of changes."""

        def failure(self, *_: object) -> None:
            if tell is not None:
                tell()

    breaker: Decorator = aiobreaker.CircuitBreaker(
        fail_max=wanted.failures,
        timeout_duration=timedelta(seconds=wanted.open_s),
        exclude=[wanted.ignored] if wanted.ignored else None,
        listeners=[Listener()] if tell else None,
    )
    return breaker


PYBREAKER = Subject("pybreaker", {("breaker", "sync"): pybreaker_breaker, ("listener", "sync"): pybreaker_breaker})
CIRCUITBREAKER = Subject("circuitbreaker", both("breaker", circuitbreaker_breaker))
PURGATORY = Subject(
    "purgatory",
    {
        ("breaker", "sync"): purgatory_breaker,
        ("breaker", "async"): purgatory_async_breaker,
        ("listener", "sync"): purgatory_breaker,
        ("listener", "async"): purgatory_async_breaker,
    },
)
FLUXGATE = Subject(
    "fluxgate",
    {
        ("breaker", "sync"): fluxgate_breaker,
        ("breaker", "async"): fluxgate_async_breaker,
        ("listener", "sync"): fluxgate_breaker,
        ("listener", "async"): fluxgate_async_breaker,
    },
    one_thread=frozenset({"breaker"}),
)
AIOBREAKER = Subject(
    "aiobreaker", {("breaker", "async"): aiobreaker_breaker, ("listener", "async"): aiobreaker_breaker}
)
