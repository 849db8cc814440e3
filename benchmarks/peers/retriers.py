"""How the libraries that retry, and do nothing else, are used: tenacity and stamina.

They are imported by name when they are needed, since they are in the peers' environment alone.
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.peers.subject import Call, Decorator, Subject, Wanted, both


def hint_s(error: BaseException) -> float:
    """The seconds that a server asked to wait for, as a hook reads them off the error."""
    return float(getattr(error, "retry_after", 0.0))


def tenacity_retry(wanted: Wanted) -> Decorator:
    """Attempts and a fixed wait; `everything` is its predicate that says yes to all."""
    tenacity = import_module("tenacity")
    kinds = tenacity.retry_if_exception(lambda _: True) if wanted.everything else tenacity.retry_if_exception_type()
    decorator: Decorator = tenacity.retry(
        stop=tenacity.stop_after_attempt(wanted.attempts),
        wait=tenacity.wait_fixed(wanted.wait_s),
        retry=kinds,
        reraise=True,
    )
    return decorator


def tenacity_deadline(wanted: Wanted) -> Decorator:
    """`stop_before_delay` is the stricter of its two limits, and made for this."""
    tenacity = import_module("tenacity")
    stop = tenacity.stop_before_delay(wanted.deadline_s) | tenacity.stop_after_attempt(wanted.attempts)
    decorator: Decorator = tenacity.retry(stop=stop, wait=tenacity.wait_fixed(wanted.wait_s), reraise=True)
    return decorator


def tenacity_retry_after(wanted: Wanted) -> Decorator:
    """`wait_exception`, as its docstring shows it for this header; no wait of its own can cap it."""
    tenacity = import_module("tenacity")
    stop = tenacity.stop_after_attempt(wanted.attempts)
    decorator: Decorator = tenacity.retry(stop=stop, wait=tenacity.wait_exception(hint_s), reraise=True)
    return decorator


def tenacity_listener(wanted: Wanted) -> Decorator:
    """`before_sleep`, which is where its documentation has one log."""
    tenacity = import_module("tenacity")
    tell = wanted.listener or (lambda: None)
    stop = tenacity.stop_after_attempt(wanted.attempts)
    decorator: Decorator = tenacity.retry(stop=stop, before_sleep=lambda _: tell(), reraise=True)
    return decorator


def stamina_retry(wanted: Wanted) -> Decorator:
    """Attempts and a wait that neither grows nor jitters; `everything` is a hook that says yes to all."""
    stamina = import_module("stamina")

    def all_of_them(_: Exception) -> bool:
        return True

    decorator: Decorator = stamina.retry(
        on=all_of_them if wanted.everything else Exception,
        attempts=wanted.attempts,
        timeout=None,
        wait_initial=wanted.wait_s,
        wait_jitter=0.0,
        wait_exp_base=1,
    )
    return decorator


def stamina_deadline(wanted: Wanted) -> Decorator:
    """`timeout`: the maximum total time for all retries."""
    stamina = import_module("stamina")
    decorator: Decorator = stamina.retry(
        on=Exception,
        attempts=wanted.attempts,
        timeout=wanted.deadline_s,
        wait_initial=wanted.wait_s,
        wait_jitter=0.0,
        wait_exp_base=1,
    )
    return decorator


def stamina_retry_after(wanted: Wanted) -> Decorator:
    """A hook that returns the wait, as its documentation has it for this header; `wait_max` does not apply to it."""
    stamina = import_module("stamina")
    decorator: Decorator = stamina.retry(on=hint_s, attempts=wanted.attempts, timeout=None, wait_max=wanted.cap_s)
    return decorator


def stamina_listener(wanted: Wanted) -> Decorator:
    """A retry hook."""
    instrumentation = import_module("stamina.instrumentation")
    tell = wanted.listener or (lambda: None)

    def hook(_: object) -> None:
        tell()

    instrumentation.set_on_retry_hooks([hook])
    return stamina_retry(wanted)


def combined(outer: Decorator, inner: Decorator) -> Decorator:
    """One decorator around the other."""

    def decorate(call: Call) -> Call:
        return outer(inner(call))

    return decorate


TENACITY = Subject(
    "tenacity",
    {
        **both("retry", tenacity_retry),
        **both("deadline", tenacity_deadline),
        **both("retry after", tenacity_retry_after),
        **both("listener", tenacity_listener),
    },
)
STAMINA = Subject(
    "stamina",
    {
        **both("retry", stamina_retry),
        **both("deadline", stamina_deadline),
        **both("retry after", stamina_retry_after),
        **both("listener", stamina_listener),
    },
)
