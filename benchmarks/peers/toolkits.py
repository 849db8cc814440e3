"""How the libraries of several policies are used: hyx, nopanic, interlock-cb, pyresilience."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.peers.retriers import combined, hint_s
from benchmarks.peers.subject import Call, Decorator, Subject, Wanted, Workers, both


def counted(ignored: type[Exception] | None) -> Call:
    """The predicate of a breaker: which errors count as failures."""

    def counts(error: BaseException) -> bool:
        return isinstance(error, Exception) and not (ignored and isinstance(error, ignored))

    return counts


def hyx_breaker(wanted: Wanted) -> Decorator:
    """Consecutive failures; it can be told only what counts, so what is ignored is left out of that."""
    kinds = (ConnectionError,) if wanted.ignored else Exception
    breaker: Decorator = import_module("hyx.circuitbreaker").consecutive_breaker(
        exceptions=kinds, failure_threshold=wanted.failures, recovery_time_secs=wanted.open_s, recovery_threshold=1
    )
    return breaker


def hyx_retry(wanted: Wanted) -> Decorator:
    """Its attempts are those after the first; it knows types only, so `everything` is the root of all."""
    decorator: Decorator = import_module("hyx.retry").retry(
        on=BaseException if wanted.everything else Exception, attempts=wanted.attempts - 1, backoff=wanted.wait_s
    )
    return decorator


def hyx_bulkhead(wanted: Wanted) -> Decorator:
    """A queue without a limit of its own on the wait; without a queue where no wait is wanted."""
    capacity = wanted.limit if wanted.queue_wait_s == 0 else wanted.limit + 1000
    decorator: Decorator = import_module("hyx.bulkhead").bulkhead(max_concurrency=wanted.limit, max_capacity=capacity)
    return decorator


def hyx_timeout(wanted: Wanted) -> Decorator:
    """The time limit of one call."""
    decorator: Decorator = import_module("hyx.timeout").timeout(wanted.limit_s)
    return decorator


def hyx_deadline(wanted: Wanted) -> Decorator:
    """A time limit around all attempts."""
    limit: Decorator = import_module("hyx.timeout").timeout(wanted.deadline_s)
    return combined(limit, hyx_retry(wanted))


def nopanic_breaker(wanted: Wanted) -> Decorator:
    """A failure rate of one over at least so many calls, one probe."""
    breaker: Decorator = import_module("nopanic").circuit_breaker(
        failure_threshold=1.0, min_calls=wanted.failures, reset_timeout=wanted.open_s, on=counted(wanted.ignored)
    )
    return breaker


def nopanic_retry(wanted: Wanted) -> Decorator:
    """Attempts and a fixed wait."""

    def all_of_them(_: BaseException) -> bool:
        return True

    decorator: Decorator = import_module("nopanic").retry(
        wanted.attempts, on=all_of_them if wanted.everything else Exception, backoff=wanted.wait_s
    )
    return decorator


def nopanic_bulkhead(wanted: Wanted) -> Decorator:
    """So many calls at a time."""
    decorator: Decorator = import_module("nopanic").bulkhead(wanted.limit, max_wait=wanted.queue_wait_s)
    return decorator


def nopanic_timeout(wanted: Wanted) -> Decorator:
    """The time limit of one call."""
    decorator: Decorator = import_module("nopanic").timeout(wanted.limit_s)
    return decorator


def nopanic_workers(wanted: Wanted) -> Workers:
    """So many abandoned threads, and no more."""
    policy = import_module("nopanic").timeout(wanted.limit_s, max_abandoned=wanted.workers)
    return Workers(policy, lambda: int(policy.abandoned))


def nopanic_deadline(wanted: Wanted) -> Decorator:
    """Its deadline around its retry."""
    nopanic = import_module("nopanic")
    decorator: Decorator = nopanic.compose(nopanic.deadline(wanted.deadline_s), nopanic_retry(wanted))
    return decorator


def nopanic_retry_after(wanted: Wanted) -> Decorator:
    """It reads `retry_after` off the error, and has a cap for it."""
    decorator: Decorator = import_module("nopanic").retry(wanted.attempts, backoff=0.0, retry_after_cap=wanted.cap_s)
    return decorator


def nopanic_budget(wanted: Wanted) -> Decorator:
    """A share of the calls, with its floor at nothing."""
    nopanic = import_module("nopanic")
    budget = nopanic.RetryBudget(wanted.ratio, min_retries_per_sec=0.0)
    decorator: Decorator = nopanic.retry(wanted.attempts, backoff=0.0, budget=budget)
    return decorator


def nopanic_hedge(wanted: Wanted) -> Decorator:
    """One more attempt after a delay; it has no budget."""
    decorator: Decorator = import_module("nopanic").hedge(delay=wanted.hedge_after_s, max_hedges=1)
    return decorator


def nopanic_listener(wanted: Wanted) -> Decorator:
    """It has one stream of events for all."""
    tell = wanted.listener or (lambda: None)
    import_module("nopanic").subscribe(lambda _: tell())
    return nopanic_breaker(wanted)


def interlock_breaker(wanted: Wanted) -> Decorator:
    """A failure rate of one over at least so many calls, one probe."""
    interlock = import_module("interlock")
    ignored, tell = wanted.ignored, wanted.listener

    class Classifier:
        """What counts as a failure."""

        def is_failure(self, *, result: object, exception: BaseException | None) -> bool:
            del result
            return exception is not None and not (ignored and isinstance(exception, ignored))

    class Listener:
        """Told of every call."""

        def on_call(self, **_: object) -> None:
            if tell is not None:
                tell()

    breaker: Decorator = interlock.CircuitBreaker(
        name="dependency",
        config=interlock.Config(
            failure_rate_threshold=1.0,
            minimum_number_of_calls=wanted.failures,
            wait_duration_in_open=wanted.open_s,
            permitted_calls_in_half_open=1,
            max_concurrent_probes=1,
        ),
        classifier=Classifier(),
        listener=Listener() if tell else None,
    )
    return breaker


def interlock_strategy(wanted: Wanted) -> Any:  # noqa: ANN401 - the library's type is not known here
    """Its retry: tenacity's, with a cap on attempts."""
    tenacity, retries = import_module("tenacity"), import_module("interlock.integrations.tenacity")
    kinds = retries.retry_unless_open(BaseException) if wanted.everything else None
    return retries.RetryStrategy(attempts=wanted.attempts, retry=kinds, wait=tenacity.wait_fixed(wanted.wait_s))


def interlock_retry(wanted: Wanted) -> Decorator:
    """A pipeline of that alone."""
    decorator: Decorator = import_module("interlock").Pipeline(interlock_strategy(wanted))
    return decorator


def interlock_bulkhead(wanted: Wanted) -> Decorator:
    """So many calls at a time."""
    interlock = import_module("interlock")
    strategy = interlock.BulkheadStrategy(wanted.limit, max_wait=wanted.queue_wait_s)
    decorator: Decorator = interlock.Pipeline(strategy)
    return decorator


def interlock_timeout(wanted: Wanted) -> Decorator:
    """The time limit of one call."""
    interlock = import_module("interlock")
    decorator: Decorator = interlock.Pipeline(interlock.TimeoutStrategy(wanted.limit_s))
    return decorator


def interlock_workers(wanted: Wanted) -> Workers:
    """A thread for each call, without a bound and without a gauge."""
    return Workers(import_module("interlock").sync_timeout(wanted.limit_s), None)


def interlock_deadline(wanted: Wanted) -> Decorator:
    """A time limit around all attempts."""
    interlock = import_module("interlock")
    decorator: Decorator = interlock.Pipeline(interlock.TimeoutStrategy(wanted.deadline_s), interlock_strategy(wanted))
    return decorator


def pyresilience_with(**policies: object) -> Decorator:
    """One decorator for all policies."""
    decorator: Decorator = import_module("pyresilience").resilient(**policies)
    return decorator


def pyresilience_circuit(wanted: Wanted) -> object:
    """Consecutive failures; one success closes it."""
    return import_module("pyresilience").CircuitBreakerConfig(
        failure_threshold=wanted.failures,
        recovery_timeout=wanted.open_s,
        success_threshold=1,
        ignore_on=(wanted.ignored,) if wanted.ignored else (),
    )


def pyresilience_breaker(wanted: Wanted) -> Decorator:
    """The breaker alone."""
    return pyresilience_with(circuit_breaker=pyresilience_circuit(wanted))


def pyresilience_attempts(wanted: Wanted, **more: object) -> object:
    """Attempts and a fixed wait; it knows types only, so `everything` is the root of all."""
    return import_module("pyresilience").RetryConfig(
        max_attempts=wanted.attempts,
        delay=wanted.wait_s,
        backoff_factor=1.0,
        jitter=False,
        retry_on=(BaseException,) if wanted.everything else (Exception,),
        **more,
    )


def pyresilience_retry(wanted: Wanted) -> Decorator:
    """The retry alone."""
    return pyresilience_with(retry=pyresilience_attempts(wanted))


def pyresilience_bulkhead(wanted: Wanted) -> Decorator:
    """So many calls at a time."""
    config = import_module("pyresilience").BulkheadConfig(max_concurrent=wanted.limit, max_wait=wanted.queue_wait_s)
    return pyresilience_with(bulkhead=config)


def pyresilience_timeout(wanted: Wanted) -> Decorator:
    """The time limit of one call."""
    return pyresilience_with(timeout=import_module("pyresilience").TimeoutConfig(seconds=wanted.limit_s))


def pyresilience_workers(wanted: Wanted) -> Workers:
    """A pool of so many threads."""
    config = import_module("pyresilience").TimeoutConfig(seconds=wanted.limit_s, pool_size=wanted.workers)
    return Workers(pyresilience_with(timeout=config), None)


def pyresilience_deadline(wanted: Wanted) -> Decorator:
    """A time limit for all attempts together."""
    config = import_module("pyresilience").TimeoutConfig(seconds=wanted.deadline_s, per_attempt=False)
    return pyresilience_with(retry=pyresilience_attempts(wanted), timeout=config)


def pyresilience_retry_after(wanted: Wanted) -> Decorator:
    """A hook that returns the wait, clamped to its longest."""

    def told(_: int, trigger: BaseException) -> float:
        return hint_s(trigger)

    return pyresilience_with(retry=pyresilience_attempts(wanted, delay_func=told, max_delay=wanted.cap_s))


def pyresilience_budget(wanted: Wanted) -> Decorator:
    """So many retries in the bucket and so many a second; here a tenth of the thousand calls to come."""
    config = import_module("pyresilience").RetryBudgetConfig(max_retries=int(1000 * wanted.ratio), refill_rate=1.0)
    return pyresilience_with(retry=pyresilience_attempts(wanted), retry_budget=config)


def pyresilience_listener(wanted: Wanted) -> Decorator:
    """A listener of the breaker's events."""
    tell = wanted.listener or (lambda: None)
    return pyresilience_with(circuit_breaker=pyresilience_circuit(wanted), listeners=[lambda _: tell()])


HYX = Subject(
    "hyx",
    {
        ("breaker", "async"): hyx_breaker,
        ("retry", "async"): hyx_retry,
        ("bulkhead", "async"): hyx_bulkhead,
        ("timeout", "async"): hyx_timeout,
        ("deadline", "async"): hyx_deadline,
    },
)
NOPANIC = Subject(
    "nopanic",
    {
        **both("breaker", nopanic_breaker),
        **both("retry", nopanic_retry),
        **both("bulkhead", nopanic_bulkhead),
        **both("timeout", nopanic_timeout),
        **both("deadline", nopanic_deadline),
        **both("retry after", nopanic_retry_after),
        **both("budget", nopanic_budget),
        **both("listener", nopanic_listener),
        ("hedge", "async"): nopanic_hedge,
    },
    workers=nopanic_workers,
)
INTERLOCK = Subject(
    "interlock-cb",
    {
        **both("breaker", interlock_breaker),
        **both("retry", interlock_retry),
        **both("bulkhead", interlock_bulkhead),
        **both("timeout", interlock_timeout),
        **both("deadline", interlock_deadline),
        **both("listener", interlock_breaker),
    },
    workers=interlock_workers,
)
PYRESILIENCE = Subject(
    "pyresilience",
    {
        **both("breaker", pyresilience_breaker),
        **both("retry", pyresilience_retry),
        **both("bulkhead", pyresilience_bulkhead),
        **both("timeout", pyresilience_timeout),
        **both("deadline", pyresilience_deadline),
        **both("retry after", pyresilience_retry_after),
        **both("budget", pyresilience_budget),
        **both("listener", pyresilience_listener),
    },
    workers=pyresilience_workers,
)
