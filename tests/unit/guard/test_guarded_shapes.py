"""Every kind of callable is guarded as what it is, or refused with the reason: none goes silently unguarded."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
import traceback
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from calling import count, count_async

from bascule.guard import (
    AdaptiveLimit,
    AdaptiveTimeout,
    Bulkhead,
    Cache,
    CircuitBreaker,
    Consecutive,
    Deadline,
    Degrade,
    Fallback,
    Guard,
    Hedge,
    Level,
    NotGuardableError,
    Policy,
    RateLimit,
    Retry,
    ServiceLevels,
    Timeout,
)
from bascule.guard.backoff import Fixed

PATIENCE_S = 30.0
LEVELS = ServiceLevels(Level("low", ("x",), lambda: False))
MAKE: dict[str, Callable[[], Policy[Any]]] = {
    "Degrade": lambda: Degrade(LEVELS, "x"),
    "Fallback": lambda: Fallback(value=None),
    "Cache": lambda: Cache(0.0, key=lambda *_, **__: 1),
    "Deadline": lambda: Deadline(PATIENCE_S),
    "Retry": lambda: Retry(2, backoff=Fixed(0.0)),
    "Hedge": lambda: Hedge(PATIENCE_S),
    "RateLimit": lambda: RateLimit(1000),
    "CircuitBreaker": lambda: CircuitBreaker(window=Consecutive(1)),
    "AdaptiveLimit": AdaptiveLimit,
    "Bulkhead": lambda: Bulkhead(2),
    "Timeout": lambda: Timeout(PATIENCE_S),
    "AdaptiveTimeout": lambda: AdaptiveTimeout(most_s=PATIENCE_S, minimum_calls=1),
}
STREAMED = ["Degrade", "Retry", "RateLimit", "CircuitBreaker", "AdaptiveLimit", "Bulkhead"]
NOT_STREAMED = ["Fallback", "Cache", "Deadline", "Hedge", "Timeout", "AdaptiveTimeout"]


def guard(*names: str) -> Guard[Any]:
    return Guard(*(MAKE[name]() for name in names))


def chain() -> tuple[Guard[Any], Bulkhead, CircuitBreaker]:
    """A chain that every shape can have, and the two policies by which it is seen."""
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(window=Consecutive(1))
    return Guard(MAKE["Degrade"](), Retry(1), RateLimit(1000), breaker, bulkhead), bulkhead, breaker


def in_flight(bulkhead: Bulkhead) -> object:
    return bulkhead.snapshot()["in_flight"]


def add(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> int:
    """Add."""
    return a + b + sum(rest) + c + sum(more.values())


async def add_async(a: int, /, b: int = 2, *, c: int = 3) -> int:
    """Add."""
    await asyncio.sleep(0)
    return a + b + c


class Service:
    """What has calls of every shape."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def plain(self, value: int) -> int:
        self.seen.append(value)
        return value

    async def coroutine(self, value: int) -> int:
        self.seen.append(value)
        return value

    def stream(self, most: int) -> Iterator[int]:
        yield from range(most)

    async def stream_async(self, most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    def __call__(self, value: int) -> int:
        return self.plain(value)


class AsyncCallable:
    """An object that is called as a coroutine function is."""

    async def __call__(self, value: int) -> int:
        """Give it back."""
        return value


async def items(stream: Any) -> list[Any]:
    return [item async for item in stream]


@pytest.mark.parametrize("name", sorted(MAKE))
def test_a_function_and_a_coroutine_function_are_guarded_by_every_policy(name: str) -> None:
    one = guard(name)
    assert one(add)(1, 2, 3, c=4, d=5) == 15
    assert one.call(add, 1, b=1) == 5
    assert asyncio.run(one(add_async)(1, b=5)) == 9
    assert asyncio.run(one.call(add_async, 1)) == 6
    policy = MAKE[name]()
    assert policy(add)(1) == 6
    assert policy.call(add, 1) == 6
    assert asyncio.run(policy(add_async)(1)) == 6


@pytest.mark.parametrize("inner", sorted(MAKE))
@pytest.mark.parametrize("outer", sorted(MAKE))
def test_policies_are_woven_around_each_other(outer: str, inner: str) -> None:
    guarded, guarded_async = MAKE[outer]()(MAKE[inner]()(add)), MAKE[outer]()(MAKE[inner]()(add_async))
    assert guarded(1) == 6
    assert asyncio.run(guarded_async(1)) == 6


@pytest.mark.parametrize("limit", ["Bulkhead", "AdaptiveLimit"])
@pytest.mark.parametrize("timeout", ["Timeout", "AdaptiveTimeout"])
def test_the_longest_chains_guard_functions_and_coroutine_functions(limit: str, timeout: str) -> None:
    one = guard(
        "Degrade", "Fallback", "Cache", "Deadline", "Retry", "Hedge", "RateLimit", "CircuitBreaker", limit, timeout
    )
    assert one(add)(1, 2, 3) == 9
    assert asyncio.run(one(add_async)(1)) == 6
    assert one.call(lambda: None) is None


@pytest.mark.parametrize("name", STREAMED)
def test_streams_and_blocks_are_guarded_by_policies_that_can(name: str) -> None:
    one = guard(name)
    assert list(one(count)(3)) == [0, 1, 2]
    assert asyncio.run(items(one(count_async)(3))) == [0, 1, 2]
    if name != "Retry":
        with one.block():
            pass


@pytest.mark.parametrize("name", NOT_STREAMED)
def test_what_cannot_be_guarded_is_refused_at_decoration_with_the_reason(name: str) -> None:
    for shape, call in [("generator function", count), ("async generator function", count_async)]:
        for one in (guard(name), MAKE[name](), guard(name, "Bulkhead")):
            with pytest.raises(NotGuardableError, match=f"{name} cannot guard a {shape}: .*; "):
                one(call)
            with pytest.raises(NotGuardableError, match=f"{name} cannot guard a {shape}: "):
                one.call(call, 1)
    assert issubclass(NotGuardableError, TypeError)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (5, "5 cannot be called"),
        (None, "None cannot be called"),
        (functools.partialmethod(add, 1), "cannot be called"),
        (Service, "the class Service would become a function"),
        (functools.partial(Service), "the class Service would become a function"),
        (property(add), "a property cannot be guarded"),
        (count(3), "cannot be called"),
    ],
    ids=["number", "None", "partialmethod", "class", "partial of a class", "property", "generator"],
)
def test_what_is_no_function_is_refused_with_what_to_do(call: Any, words: str) -> None:
    one, _, _ = chain()
    with pytest.raises(NotGuardableError, match=words):
        one(call)


def lazy_coroutine() -> Any:
    return add_async(1)


def lazy_generator() -> Any:
    return count(1)


def lazy_async_generator() -> Any:
    return count_async(1)


class Awaitable:
    """Something that is awaited and is no coroutine."""

    def __await__(self) -> Generator[None, None, int]:
        yield
        return 5


@contextmanager
def managed(value: int = 5) -> Iterator[int]:
    """Manage."""
    yield value


@asynccontextmanager
async def managed_async(value: int = 5) -> AsyncIterator[int]:
    """Manage."""
    yield value


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lazy_coroutine, "coroutine"),
        (lazy_generator, "generator"),
        (lazy_async_generator, "async_generator"),
        (Awaitable, "Awaitable"),
        (managed, "_GeneratorContextManager"),
        (managed_async, "_AsyncGeneratorContextManager"),
    ],
)
def test_a_plain_function_that_returns_work_is_noticed_at_the_call(call: Callable[[], Any], kind: str) -> None:
    one, bulkhead, _ = chain()

    def plain() -> Any:
        return call()

    for _ in range(3):
        with pytest.raises(NotGuardableError, match=rf"plain is a plain function that returned a {kind}, whose work"):
            one.call(plain)
    assert in_flight(bulkhead) == 0


@pytest.mark.parametrize("name", sorted(MAKE))
def test_no_policy_takes_that_for_an_error_of_the_call(name: str) -> None:
    calls: list[int] = []

    def plain() -> Any:
        calls.append(1)
        return add_async(1)

    policies: list[Policy[Any]] = [MAKE[name](), MAKE[name]()]
    policies[1].reconfigure(**({"on": lambda _: True} if name in {"Retry", "Fallback", "CircuitBreaker"} else {}))
    for policy in policies:
        for _ in range(2):
            with pytest.raises(NotGuardableError, match="whose work would go unguarded"):
                policy.call(plain)
    assert len(calls) == 4, "it was not tried again, nor refused"


def as_it_is(result: object) -> object:
    return result


def test_results_that_are_no_work_are_given_as_they_are() -> None:
    one, _, _ = chain()
    results = [None, 1, "x", [1], {1: 2}, object(), Service(), iter([1]), range(3), Service, add, ValueError()]
    guarded = one(as_it_is)
    for result in results * 2:
        assert guarded(result) is result


def test_metadata_is_that_of_what_is_guarded() -> None:
    one, _, _ = chain()
    calls: list[Any] = [add, add_async, count, count_async, Service().plain, Service.coroutine]
    for call in calls:
        guarded: Any = one(call)
        assert guarded.__name__ == call.__name__
        assert guarded.__qualname__ == call.__qualname__
        assert guarded.__doc__ == call.__doc__
        assert guarded.__module__ == call.__module__
        assert guarded.__wrapped__ == call
        assert inspect.signature(guarded) == inspect.signature(call)
        assert inspect.unwrap(guarded) == call


def test_a_guarded_callable_is_of_the_same_kind() -> None:
    one, _, _ = chain()
    kinds = [inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction]
    calls: list[Any] = [add, add_async, count, count_async]
    for call in calls:
        assert [kind(one(call)) for kind in kinds] == [kind(call) for kind in kinds]
    assert inspect.iscoroutinefunction(one(AsyncCallable()))
    assert inspect.iscoroutinefunction(one(functools.partial(add_async, 1)))


def test_attributes_of_a_function_are_kept() -> None:
    def marked() -> int:
        return 5

    marked.mark = ["x"]  # type: ignore[attr-defined] # a framework does so
    guarded: Any = chain()[0](marked)
    assert guarded.mark == ["x"]
    guarded.mark = []
    assert marked.mark == ["x"]  # type: ignore[attr-defined] # as above


def test_a_callable_object_and_a_partial_are_guarded_as_what_they_call() -> None:
    one, _, _ = chain()
    service = Service()
    assert one(service)(7) == 7
    assert asyncio.run(one(AsyncCallable())(7)) == 7
    assert one(functools.partial(add, 1, c=0))(5) == 6
    assert asyncio.run(one(functools.partial(add_async, 1, c=0))(5)) == 6
    assert list(one(functools.partial(functools.partial(count), 3))()) == [0, 1, 2]
    assert asyncio.run(items(one(functools.partial(count_async, 3))())) == [0, 1, 2]
    assert one(len)("four") == 4
    assert one("x".join)(["a", "b"]) == "axb"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="such marks came with 3.12")
def test_what_is_marked_as_a_coroutine_function_is_guarded_as_one() -> None:
    class Marked:
        def __call__(self) -> Any:
            return add_async(1)

    mark = inspect.markcoroutinefunction  # type: ignore[attr-defined, unused-ignore] # mypy looks at 3.11
    one, bulkhead, _ = chain()
    calls: list[Any] = [mark(Marked()), mark(lambda: add_async(1))]
    for call in calls:
        guarded: Any = one(call)
        assert inspect.iscoroutinefunction(guarded)
        assert asyncio.run(guarded()) == 6
    assert in_flight(bulkhead) == 0


def test_methods_are_guarded_in_the_class_and_on_the_object() -> None:
    one, _, _ = chain()

    class Guarded(Service):
        plain = one(Service.plain)
        coroutine = one(Service.coroutine)
        stream = one(Service.stream)
        stream_async = one(Service.stream_async)

    made = Guarded()
    assert made.plain(1) == 1
    assert asyncio.run(made.coroutine(2)) == 2
    assert list(made.stream(3)) == [0, 1, 2]
    assert asyncio.run(items(made.stream_async(3))) == [0, 1, 2]
    assert made.seen == [1, 2]
    bound = one(Service().coroutine)
    assert asyncio.run(bound(3)) == 3


def test_class_methods_and_static_methods_are_guarded_in_either_order() -> None:
    one, bulkhead, _ = chain()

    class Guarded:
        @one
        @classmethod
        def outside(cls, value: int) -> tuple[str, int]:
            return cls.__name__, value

        @classmethod
        @one
        def inside(cls) -> tuple[str, object]:
            return cls.__name__, in_flight(bulkhead)

        @one
        @staticmethod
        async def static_outside() -> object:
            return in_flight(bulkhead)

        @staticmethod
        @one
        async def static_inside() -> object:
            return in_flight(bulkhead)

    made: Any = Guarded
    for place in (made, made()):
        assert place.outside(5) == ("Guarded", 5)
        assert place.inside() == ("Guarded", 1)
        assert asyncio.run(place.static_outside()) == 1
        assert asyncio.run(place.static_inside()) == 1


def test_tracebacks_show_the_woven_text() -> None:
    one, _, _ = chain()

    def fails() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside") as raised:
        one.call(fails)
    text = "".join(traceback.format_exception(raised.value))
    assert "<bascule guard Degrade > Retry > RateLimit > CircuitBreaker > Bulkhead, function" in text
    assert "result = call(*args, **kwargs)" in text


def test_arguments_named_as_in_the_woven_text_are_the_calls_own() -> None:
    one = guard("Fallback", "Retry", "CircuitBreaker", "Bulkhead")
    names = ["call", "args", "kwargs", "result", "started", "self", "gate_1", "weave", "guarded"]
    given = dict.fromkeys(names, 1)
    assert one(dict.fromkeys)(given) == dict.fromkeys(names)
    assert one(lambda **kwargs: kwargs)(**given) == given
    assert one.call(lambda **kwargs: kwargs, **given) == given


def test_one_guard_serves_several_threads_and_event_loops_at_once() -> None:
    bulkhead = Bulkhead(3, queue=1000, wait_s=PATIENCE_S)
    one = Guard(Deadline(PATIENCE_S), Retry(3, backoff=Fixed(0.0)), CircuitBreaker(), bulkhead, Timeout(PATIENCE_S))
    start, lock, done = threading.Barrier(6), threading.Lock(), [0]

    @one
    async def coroutine() -> None:
        await asyncio.sleep(0)
        with lock:
            done[0] += 1

    @one
    def plain() -> None:
        with lock:
            done[0] += 1

    async def many() -> None:
        await asyncio.gather(*(coroutine() for _ in range(50)))

    def loops() -> None:
        start.wait(PATIENCE_S)
        for _ in range(2):
            asyncio.run(many())

    def threads() -> None:
        start.wait(PATIENCE_S)
        for _ in range(50):
            plain()

    workers = [threading.Thread(target=work) for work in [loops] * 3 + [threads] * 3]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
        assert not worker.is_alive()
    assert done == [3 * 2 * 50 + 3 * 50]
    assert in_flight(bulkhead) == 0


def test_a_coroutine_of_the_old_kind_cannot_be_awaited_unguarded() -> None:
    @types.coroutine
    def old() -> Generator[None, None, int]:
        yield
        return 5

    one, _, _ = chain()

    async def main() -> int:
        return await one(old)()

    with pytest.raises(TypeError):
        asyncio.run(main())
