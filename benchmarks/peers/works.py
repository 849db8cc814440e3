"""The works of the benchmark: what is measured, and how each library is set up for it.

Every policy has its library's own defaults but for what the work is about: three attempts, ten at a time, one second. A
library that has no bulkhead does without one in the stack, which can only make it faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import reduce
from importlib import import_module
from typing import Any

from benchmarks.peers.subject import Call, Decorator, Flavour

from bascule.guard import Bulkhead, CircuitBreaker, Guard, InjectError, Retry, Timeout

Make = Callable[[], Decorator]
LONG_S = 36_000.0
"""So long stays open what shall stay open for the whole run."""


def answer() -> int:
    """The bare call."""
    return 1


async def answer_async() -> int:
    """The bare call that is awaited."""
    return 1


def stacked(*decorators: Decorator) -> Decorator:
    """Several decorators as one, outermost first."""

    def decorate(call: Call) -> Call:
        return reduce(lambda inner, outer: outer(inner), reversed(decorators), call)

    return decorate


def policy(module: str, kind: str, /, *values: Any, **options: Any) -> Decorator:  # noqa: ANN401 - passed on to a peer
    """A policy of a peer."""
    made: Decorator = getattr(import_module(module), kind)(*values, **options)
    return made


def tenacity_retry() -> Decorator:
    """Three attempts."""
    return policy("tenacity", "retry", stop=import_module("tenacity").stop_after_attempt(3), reraise=True)


def stamina_retry() -> Decorator:
    """Three attempts."""
    return policy("stamina", "retry", on=Exception, attempts=3)


def nopanic_stack(*more: Decorator) -> Decorator:
    """Its own way to stack."""
    nopanic = import_module("nopanic")
    return policy("nopanic", "compose", nopanic.retry(3), nopanic.circuit_breaker(), nopanic.bulkhead(10), *more)


def interlock_with(*strategies: Any) -> Decorator:  # noqa: ANN401 - the library's type is not known here
    """A pipeline."""
    return policy("interlock", "Pipeline", *strategies)


def interlock_retry() -> Any:  # noqa: ANN401 - the library's type is not known here
    """Three attempts, by tenacity."""
    return import_module("interlock.integrations.tenacity").RetryStrategy(attempts=3)


def interlock_stack(*more: Any) -> Decorator:  # noqa: ANN401 - the library's type is not known here
    """Its own way to stack."""
    interlock = import_module("interlock")
    circuit = interlock.CircuitBreakerStrategy(interlock.CircuitBreaker(name="dependency"))
    return interlock_with(interlock_retry(), circuit, interlock.BulkheadStrategy(10), *more)


def pyresilience_with(**configs: tuple[str, dict[str, object]]) -> Decorator:
    """Its decorator, with the named configurations."""
    library = import_module("pyresilience")
    made = {name: getattr(library, kind)(**options) for name, (kind, options) in configs.items()}
    return policy("pyresilience", "resilient", **made)


PYRESILIENCE_STACK: dict[str, tuple[str, dict[str, object]]] = {
    "retry": ("RetryConfig", {}),
    "circuit_breaker": ("CircuitBreakerConfig", {}),
    "bulkhead": ("BulkheadConfig", {"max_concurrent": 10}),
}
LIMITED: dict[str, tuple[str, dict[str, object]]] = {"timeout": ("TimeoutConfig", {"seconds": 1.0})}


def within_a_second(call: Call) -> Call:
    """What one writes by hand around a call that is awaited."""

    async def limited() -> object:
        async with asyncio.timeout(1.0):
            return await call()

    return limited


RETRY: dict[str, Make] = {
    "bascule": lambda: Retry(3),
    "tenacity": tenacity_retry,
    "stamina": stamina_retry,
    "nopanic": lambda: policy("nopanic", "retry", 3),
    "interlock-cb": lambda: interlock_with(interlock_retry()),
    "pyresilience": lambda: pyresilience_with(retry=("RetryConfig", {})),
}
BREAKER: dict[str, Make] = {
    "bascule": lambda: CircuitBreaker(open_s=LONG_S, open_most_s=LONG_S),
    "pybreaker": lambda: policy("pybreaker", "CircuitBreaker", reset_timeout=LONG_S),
    "circuitbreaker": lambda: policy("circuitbreaker", "CircuitBreaker", recovery_timeout=LONG_S),
    "purgatory": lambda: import_module("purgatory").SyncCircuitBreakerFactory(default_ttl=LONG_S)("dependency"),
    "fluxgate": lambda: policy("fluxgate", "CircuitBreaker", retry=import_module("fluxgate.retries").Never()),
    "nopanic": lambda: policy("nopanic", "circuit_breaker", reset_timeout=LONG_S),
    "interlock-cb": lambda: policy(
        "interlock", "CircuitBreaker", name="d", config=import_module("interlock").Config(wait_duration_in_open=LONG_S)
    ),
    "pyresilience": lambda: pyresilience_with(
        circuit_breaker=("CircuitBreakerConfig", {"recovery_timeout": LONG_S}),
    ),
}
ASYNC_RETRY: dict[str, Make] = {
    **RETRY,
    "hyx": lambda: policy("hyx.retry", "retry", attempts=2),
}
ASYNC_BREAKER: dict[str, Make] = {
    **{name: make for name, make in BREAKER.items() if name != "pybreaker"},
    "purgatory": lambda: import_module("purgatory").AsyncCircuitBreakerFactory(default_ttl=LONG_S)("dependency"),
    "fluxgate": lambda: policy("fluxgate", "AsyncCircuitBreaker", retry=import_module("fluxgate.retries").Never()),
    "hyx": lambda: policy("hyx.circuitbreaker", "consecutive_breaker", recovery_time_secs=LONG_S),
    "aiobreaker": lambda: policy("aiobreaker", "CircuitBreaker", timeout_duration=timedelta(seconds=LONG_S)),
}
STACK: dict[str, Make] = {
    "bascule": lambda: Guard(Retry(3), CircuitBreaker(), Bulkhead(10)),
    "nopanic": nopanic_stack,
    "interlock-cb": interlock_stack,
    "pyresilience": lambda: pyresilience_with(**PYRESILIENCE_STACK),
    "tenacity + pybreaker": lambda: stacked(tenacity_retry(), BREAKER["pybreaker"]()),
    "stamina + circuitbreaker": lambda: stacked(stamina_retry(), BREAKER["circuitbreaker"]()),
}
ASYNC_STACK: dict[str, Make] = {
    "bascule": lambda: Guard(Retry(3), CircuitBreaker(), Bulkhead(10), Timeout(1.0)),
    "nopanic": lambda: nopanic_stack(policy("nopanic", "timeout", 1.0)),
    "interlock-cb": lambda: interlock_stack(import_module("interlock").TimeoutStrategy(1.0)),
    "pyresilience": lambda: pyresilience_with(**PYRESILIENCE_STACK, **LIMITED),
    "hyx": lambda: stacked(
        ASYNC_RETRY["hyx"](),
        ASYNC_BREAKER["hyx"](),
        policy("hyx.bulkhead", "bulkhead", 10, 10),
        policy("hyx.timeout", "timeout", 1.0),
    ),
    "tenacity + aiobreaker + asyncio.timeout": lambda: stacked(
        tenacity_retry(), ASYNC_BREAKER["aiobreaker"](), within_a_second
    ),
    "stamina + circuitbreaker + asyncio.timeout": lambda: stacked(
        stamina_retry(), ASYNC_BREAKER["circuitbreaker"](), within_a_second
    ),
}
ASYNC_TIMEOUT: dict[str, Make] = {
    "bascule": lambda: Timeout(1.0),
    "nopanic": lambda: policy("nopanic", "timeout", 1.0),
    "interlock-cb": lambda: interlock_with(import_module("interlock").TimeoutStrategy(1.0)),
    "pyresilience": lambda: pyresilience_with(**LIMITED),
    "hyx": lambda: policy("hyx.timeout", "timeout", 1.0),
}
BULKHEAD: dict[str, Make] = {
    "bascule": lambda: Bulkhead(1),
    "nopanic": lambda: policy("nopanic", "bulkhead", 1, max_wait=0.0),
    "interlock-cb": lambda: interlock_with(import_module("interlock").BulkheadStrategy(1)),
    "pyresilience": lambda: pyresilience_with(bulkhead=("BulkheadConfig", {"max_concurrent": 1})),
}
INJECTION: dict[str, Make] = {"bascule": lambda: Guard(Bulkhead(1), InjectError(0.1))}
ASYNC_BULKHEAD: dict[str, Make] = {**BULKHEAD, "hyx": lambda: policy("hyx.bulkhead", "bulkhead", 1, 1)}


def plain(make: Make) -> Call:
    """The bare call, guarded."""
    return make()(answer)


async def plain_async(make: Make) -> Call:
    """The same, awaited."""
    return make()(answer_async)


def refusing(make: Make) -> Call:
    """A call that an open circuit refuses; what it raises is caught."""
    entered = 0

    def fail() -> None:
        nonlocal entered
        entered += 1
        raise ConnectionError

    call = make()(fail)

    def refused() -> None:
        with contextlib.suppress(Exception):
            call()

    open_up = refused
    for _ in range(200):
        open_up()
    before = entered
    refused()
    if entered != before:
        raise RuntimeError("the circuit is not open")

    def measured() -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - each library has an error of its own
            return

    return measured


async def refusing_async(make: Make) -> Call:
    """The same, awaited."""
    entered = 0

    async def fail() -> None:
        nonlocal entered
        entered += 1
        raise ConnectionError

    call = make()(fail)

    async def measured() -> None:
        try:
            await call()
        except Exception:  # noqa: BLE001 - each library has an error of its own
            return

    for _ in range(200):
        await measured()
    before = entered
    await measured()
    if entered != before:
        raise RuntimeError("the circuit is not open")
    return measured


def full(make: Make) -> Call:
    """A call that a full bulkhead refuses; the slot is held by a thread until the process ends."""
    inside = threading.Event()

    def hold() -> None:
        inside.set()
        threading.Event().wait()

    call = make()(hold)
    threading.Thread(target=call, daemon=True).start()
    if not inside.wait(5):
        raise RuntimeError("the slot was not taken")

    def measured() -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - each library has an error of its own
            return

    return measured


HOLDERS: set[asyncio.Task[Any]] = set()


async def full_async(make: Make) -> Call:
    """The same, awaited."""
    inside = asyncio.Event()

    async def hold() -> None:
        inside.set()
        await asyncio.Event().wait()

    call = make()(hold)
    HOLDERS.add(asyncio.ensure_future(call()))
    await asyncio.wait_for(inside.wait(), 5)

    async def measured() -> None:
        try:
            await call()
        except Exception:  # noqa: BLE001 - each library has an error of its own
            return

    return measured


def with_lock() -> Call:
    """A lock taken and given back."""
    lock = threading.Lock()

    def measured() -> None:
        with lock:
            pass

    return measured


def with_semaphore() -> Call:
    """A semaphore taken and given back."""
    semaphore = threading.BoundedSemaphore(10)

    def measured() -> None:
        with semaphore:
            pass

    return measured


def raising() -> Call:
    """An error raised and caught: the least that a refusal can cost."""

    def refuse() -> None:
        raise ConnectionError

    def measured() -> None:
        try:
            refuse()
        except ConnectionError:
            return

    return measured


async def with_timeout() -> Call:
    """A time limit set and taken back."""

    async def measured() -> None:
        async with asyncio.timeout(1.0):  # noqa: ASYNC100 - setting it is what is measured
            pass

    return measured


Setup = Callable[[], Any]
"""Makes what is measured, or for what is awaited a coroutine that makes it."""

SYNC_BARE, ASYNC_BARE = "bare call, sync", "bare call, async"
SCALE = "standard library"
WORKS: dict[str, tuple[Flavour, dict[str, Make], Callable[[Make], Any]]] = {
    "retry, sync": ("sync", RETRY, plain),
    "retry, async": ("async", ASYNC_RETRY, plain_async),
    "breaker, sync": ("sync", BREAKER, plain),
    "breaker, async": ("async", ASYNC_BREAKER, plain_async),
    "bulkhead, sync": ("sync", BULKHEAD, plain),
    "bulkhead, async": ("async", ASYNC_BULKHEAD, plain_async),
    "bulkhead + injection policy, off, sync": ("sync", INJECTION, plain),
    "bulkhead + injection policy, off, async": ("async", INJECTION, plain_async),
    "timeout, async": ("async", ASYNC_TIMEOUT, plain_async),
    "retry + breaker + bulkhead, sync": ("sync", STACK, plain),
    "retry + breaker + bulkhead + timeout, async": ("async", ASYNC_STACK, plain_async),
    "refused by an open circuit, sync": ("sync", BREAKER, refusing),
    "refused by an open circuit, async": ("async", ASYNC_BREAKER, refusing_async),
    "refused by a full bulkhead, sync": ("sync", BULKHEAD, full),
    "refused by a full bulkhead, async": ("async", ASYNC_BULKHEAD, full_async),
}
SCALES: dict[str, tuple[Flavour, Setup]] = {
    "threading.Lock": ("sync", with_lock),
    "threading.BoundedSemaphore": ("sync", with_semaphore),
    "raise and except": ("sync", raising),
    "asyncio.timeout": ("async", with_timeout),
}
