"""Traps of whatever stands around a call: locks, shapes, time limits, loops, listeners."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

from benchmarks.peers.lab import (
    PATIENCE_S,
    Dependency,
    Hold,
    Lab,
    Loop,
    MissedError,
    NotOfferedError,
    Threads,
    VoidError,
    need,
    outcome,
    until,
)
from benchmarks.peers.subject import OPEN_S, Call, Decorator, Wanted


def lock_free(lab: Lab) -> str:
    """Two calls through one guard run beside each other."""
    tried = []
    for feature in ("retry", "breaker", "bulkhead", "timeout"):
        if (feature, lab.flavour) not in lab.subject.features:
            continue
        if lab.flavour == "sync" and feature in lab.subject.one_thread:
            continue
        first, second = Hold(), Hold()
        dependency = Dependency(first, second)
        call = lab.guard(feature, dependency, Wanted(limit=10, limit_s=5.0))
        futures = [lab.start(call), lab.start(call)]
        both = first.came() and second.came()
        first.release()
        second.release()
        need(both, f"{feature}: a second call waits until the first has ended")
        for future in futures:
            need(outcome(future) is None, f"{feature}: a call failed that ran beside another one")
        tried.append(feature)
    if not tried:
        raise NotOfferedError
    return f"two calls at a time: {', '.join(tried)}"


class Shapes:
    """Functions of every shape that fail `failures` times and are good from then on."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.entered = 0

    def work(self) -> str:
        """Count, and fail as often as is due."""
        self.entered += 1
        if self.entered <= self.failures:
            raise ConnectionError("down")
        return "done"

    async def work_async(self) -> str:
        """The same, awaited."""
        await asyncio.sleep(0)
        return self.work()

    def all(self) -> dict[str, Call]:
        """Each shape by its name."""

        def function() -> str:
            return self.work()

        async def coroutine() -> str:
            return await self.work_async()

        def generator() -> Iterator[str]:
            yield self.work()

        async def async_generator() -> AsyncIterator[str]:
            yield await self.work_async()

        class CallableObject:
            """A callable that is no function."""

            def __call__(self) -> str:
                return function()

        class AsyncCallableObject:
            """The same, to be awaited."""

            async def __call__(self) -> str:
                return await coroutine()

        return {
            "function": function,
            "coroutine function": coroutine,
            "generator": generator,
            "async generator": async_generator,
            "callable object": CallableObject(),
            "callable object to be awaited": AsyncCallableObject(),
            "partial": functools.partial(function),
            "partial to be awaited": functools.partial(coroutine),
            "method": self.work,
            "method to be awaited": self.work_async,
        }


async def drive(call: Call) -> object:
    """Use a decorated callable as its shape is used; what it makes is awaited or gone through."""
    made = call()
    if inspect.isasyncgen(made) or hasattr(made, "__aiter__"):
        return [item async for item in made]
    if inspect.isawaitable(made):
        return await made
    if inspect.isgenerator(made):
        return list(made)
    return made


def is_guarded(name: str, feature: str, decorator: Decorator) -> bool | None:
    """Whether a policy acts on a shape; None where it says openly that it can't."""
    shapes = Shapes(failures=1 if feature == "retry" else 1000)

    async def experiment() -> bool | None:
        try:
            call = decorator(shapes.all()[name])
        except Exception:  # noqa: BLE001 - refused, with whatever error
            return None
        told: list[str] = []
        for _ in range(1 if feature == "retry" else 6):
            try:
                told.append(str(await drive(call)))
            except Exception as error:  # noqa: BLE001 - told, with whatever error
                told.append(type(error).__name__)
        if shapes.entered == 0:
            return None
        if feature == "retry":
            return shapes.entered > 1 or (None if told != ["ConnectionError"] else False)
        return shapes.entered < 6

    return asyncio.run(experiment())


def shapes(lab: Lab) -> str:
    """A shape of callable is guarded or refused, and never left unguarded without a word."""
    if lab.flavour != ("sync" if any("sync" in key for key in lab.subject.features) else "async"):
        raise NotOfferedError  # the experiment takes both flavours at once
    silent: list[str] = []
    refused: list[str] = []
    offered = [feature for feature in ("breaker", "retry") if any(key[0] == feature for key in lab.subject.features)]
    for feature in offered:
        for name in Shapes(0).all():
            found = is_guarded(name, feature, decorator_for(lab, name, feature))
            if found is None:
                refused.append(name)
            elif not found and name not in silent:
                silent.append(name)
    if not offered:
        raise NotOfferedError
    need(not silent, f"left unguarded without a word: {', '.join(silent)}")
    openly = f"; openly refused: {', '.join(dict.fromkeys(refused))}" if refused else ""
    return f"every shape is guarded or refused{openly}"


AWAITED = ("coroutine", "async", "awaited")


def decorator_for(lab: Lab, name: str, feature: str) -> Decorator:
    """The policy as the library wants it for calls of that shape."""
    features = lab.subject.features
    kind: Any = "async" if any(word in name for word in AWAITED) else "sync"
    make = features.get((feature, kind)) or features.get((feature, "sync")) or features[feature, "async"]

    def decorate(call: Call) -> Call:
        return make(Wanted(failures=2, attempts=3))(call)

    return decorate


REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="lost")


def worker_threads(lab: Lab) -> str:
    """A time limit for blocking calls has a bound on threads, carries context, and counts what runs on."""
    make = lab.subject.workers
    if make is None or lab.flavour == "async":
        raise NotOfferedError
    faults: list[str] = []
    seen: list[str] = []
    REQUEST.set("carried")
    make(Wanted(limit_s=2.0)).decorator(lambda_named(lambda: seen.append(REQUEST.get())))()
    if seen != ["carried"]:
        faults.append("context variables are lost")
    hang = Hold()
    dependency = Dependency(otherwise=hang)
    limited = make(Wanted(limit_s=0.05, workers=2))
    call = limited.decorator(lab.function(dependency))
    for _ in range(8):
        need(lab.call(call, 3.0) is not None, "a call that hangs was good")
    if dependency.running > 2:
        faults.append(f"{dependency.running} threads hang, 2 were permitted")
    if limited.abandoned is None:
        faults.append("no gauge of calls that run on")
    else:
        gauge = limited.abandoned
        if gauge() != dependency.running:
            faults.append(f"the gauge says {gauge()}, and {dependency.running} run on")
        hang.release()
        if not until(lambda: gauge() == 0):
            faults.append(f"the gauge says {gauge()} when all have ended")
    hang.release()
    need(not faults, "; ".join(faults))
    return "2 threads, context carried, the gauge true"


def lambda_named(call: Call) -> Call:
    """A plain function around a call: some libraries ask for its name."""

    def function() -> object:
        return call()

    return function


def own_timeout(lab: Lab) -> str:
    """The guarded function's own TimeoutError comes out as it went in."""
    mine = TimeoutError("the server said so")
    error = lab.call(lab.guard("timeout", Dependency(mine), Wanted(limit_s=5.0)), 3.0)
    need(error is mine, f"it became {type(error).__name__}")
    return "it came out as it went in"


def loops(lab: Lab) -> str:
    """One guard serves several threads, or several event loops, at once."""
    places: list[Loop | Threads] = [lab.runner, Loop() if lab.flavour == "async" else Threads()]
    tried = []
    for feature, experiment in (("retry", retry_in), ("breaker", breaker_in), ("bulkhead", bulkhead_in)):
        if (feature, lab.flavour) not in lab.subject.features:
            continue
        if lab.flavour == "sync" and feature in lab.subject.one_thread:
            continue
        tried.append(experiment(lab, places))
    if not tried:
        raise NotOfferedError
    return f"{'two event loops' if lab.flavour == 'async' else 'several threads'} at once: {', '.join(tried)}"


Places = list[Loop | Threads]


def crowd(places: Places, call: Call, rounds: int = 25) -> list[BaseException | None]:
    """The errors of many calls from all places at once."""
    futures: list[Future[Any]] = [place.start(call) for _ in range(rounds) for place in places]
    return [outcome(future, 3.0) for future in futures]


def retry_in(lab: Lab, places: Places) -> str:
    """Every call fails once and is retried."""
    call = lab.guard("retry", Dependency(), Wanted())
    need(not any(crowd(places, call)), "retry: calls failed")
    dependency = Dependency(*(ConnectionError("down") for _ in range(20)))
    call = lab.guard("retry", dependency, Wanted(attempts=40, wait_s=0.001))
    errors = [error for error in crowd(places, call) if error]
    need(not errors, f"retry: {errors[0]!r}" if errors else "")
    return "retry"


def breaker_in(lab: Lab, places: Places) -> str:
    """Calls pass; then a probe runs in one place while callers come in the other, and the circuit closes."""
    dependency = Dependency()
    call = lab.guard("breaker", dependency, Wanted())
    errors = [error for error in crowd(places, call) if error]
    need(not errors, f"breaker: {errors[0]!r}" if errors else "")
    call = lab.guard("breaker", dependency, Wanted())
    lab.half_open(call, dependency)
    probe = Hold()
    dependency.steps.append(probe)
    probing = places[0].start(call)
    need(probe.came(), "breaker: no probe was let through")
    others = [places[1].start(call) for _ in range(5)]
    until(lambda: all(other.done() for other in others), 0.1)
    probe.release()
    need(outcome(probing) is None, "breaker: the probe failed")
    for other in others:
        try:
            error = outcome(other)
        except MissedError as hung:
            raise MissedError("breaker: a caller on the other loop hangs for ever") from hung
        need(not isinstance(error, RuntimeError), f"breaker: {error}")
    errors = [error for error in crowd(places, call) if error]
    need(not errors, f"breaker: {errors[0]!r} after it closed" if errors else "")
    return "breaker"


def bulkhead_in(lab: Lab, places: Places) -> str:
    """Calls wait for each other across places, and the limit is what it was when all have ended."""
    dependency = Dependency()
    call = lab.guard("bulkhead", dependency, Wanted(limit=1, queue_wait_s=5.0))
    apart = visited(places[0], places[1:], call, dependency)
    holds_one(places[1], call, dependency)
    visited(places[0], [place for place in places for _ in range(3)], call, dependency)
    holds_one(places[0], call, dependency)
    return "bulkhead, whose limit counts for each loop by itself" if apart else "bulkhead"


def visited(home: Loop | Threads, visitors: Places, call: Call, dependency: Dependency) -> bool:
    """Hold the slot in one place while calls come from others; whether any of those got in beside it."""
    hold = Hold()
    dependency.steps.append(hold)
    first = home.start(call)
    need(hold.came(), "bulkhead: the first call was refused")
    before = dependency.entered
    others = [place.start(call) for place in visitors]
    until(lambda: all(other.done() for other in others), 0.1)
    apart = dependency.entered > before
    hold.release()
    for future in (first, *others):
        try:
            error = outcome(future, 3.0)
        except MissedError as hung:
            raise MissedError("bulkhead: a caller hangs for ever") from hung
        need(error is None, f"bulkhead: {error!r}")
    return apart


def holds_one(place: Loop | Threads, call: Call, dependency: Dependency) -> None:
    """See that a slot is free, and that it is the only one."""
    hold = Hold()
    dependency.steps.append(hold)
    first = place.start(call)
    need(hold.came(), "bulkhead: no slot was free after all calls had ended")
    before = dependency.entered
    second = place.start(call)
    shared = until(lambda: dependency.entered > before, 0.1)
    hold.release()
    outcome(first)
    outcome(second)
    need(not shared, "bulkhead: after use from two places two calls share one slot")


class ListenerError(Exception):
    """What a broken listener raises."""


def listening(lab: Lab, listener: Callable[[], None]) -> list[tuple[BaseException | None, float]]:
    """The errors and times of three calls with a listener; the dependency is down for the first two."""
    down = ConnectionError("down")
    dependency = Dependency(down, down)
    call = lab.guard("listener", dependency, Wanted(listener=listener, open_s=OPEN_S))
    found = []
    for _ in range(3):
        begun_s = time.monotonic()
        found.append((lab.call(call, 5.0), time.monotonic() - begun_s))
    return found


def listener_raises(lab: Lab) -> str:
    """A listener that raises does not break the call."""
    heard = threading.Event()

    def broken() -> None:
        heard.set()
        raise ListenerError

    found = listening(lab, broken)
    if not heard.wait(PATIENCE_S):
        raise VoidError("the listener was never called")
    broke = any(isinstance(error, ListenerError) for error, _ in found)
    need(not broke, "the listener's error came out of the call")
    return "the calls ended as without it"


def listener_blocks(lab: Lab) -> str:
    """A listener that blocks does not slow the call."""
    heard = threading.Event()
    go_on = threading.Event()

    def stuck() -> None:
        if not heard.is_set():
            heard.set()
            go_on.wait(1.0)

    found = listening(lab, stuck)
    was_heard = heard.wait(PATIENCE_S)
    go_on.set()
    if not was_heard:
        raise VoidError("the listener was never called")
    longest_s = max(took_s for _, took_s in found)
    need(longest_s < 0.5, f"a call took {longest_s:.1f} s, as long as the listener")
    return "the calls took no longer"
