"""Streams, blocks and what manages a context are guarded from their beginning to their end."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from calling import count, count_async

from bascule.guard import (
    AdaptiveTimeout,
    Bulkhead,
    BulkheadFullError,
    Cache,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Deadline,
    Fallback,
    Guard,
    Hedge,
    NotGuardableError,
    Policy,
    RateLimit,
    Retry,
    Timeout,
)
from bascule.guard.backoff import Fixed

PATIENCE_S = 30.0
MAKE: dict[str, Callable[[], Policy[Any]]] = {
    "Fallback": lambda: Fallback(value=None),
    "Cache": lambda: Cache(0.0),
    "Retry": Retry,
    "Hedge": Hedge,
    "Timeout": lambda: Timeout(PATIENCE_S),
    "AdaptiveTimeout": lambda: AdaptiveTimeout(most_s=PATIENCE_S),
}


def guard(*names: str) -> Guard[Any]:
    return Guard(*(MAKE[name]() for name in names))


def chain() -> tuple[Guard[Any], Bulkhead, CircuitBreaker]:
    """A chain that every shape can have, and the two policies by which it is seen."""
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(window=Consecutive(1))
    return Guard(RateLimit(1000), breaker, bulkhead), bulkhead, breaker


def in_flight(bulkhead: Bulkhead) -> object:
    return bulkhead.snapshot()["in_flight"]


@contextmanager
def managed(value: int = 5) -> Iterator[int]:
    """Manage."""
    yield value


@asynccontextmanager
async def managed_async(value: int = 5) -> AsyncIterator[int]:
    """Manage."""
    yield value


class Pool:
    """What hands something out for the length of a block."""

    @contextmanager
    def connection(self) -> Iterator[str]:
        """Connect."""
        yield "connection"

    @asynccontextmanager
    async def connection_async(self) -> AsyncIterator[str]:
        """Connect."""
        yield "connection"


def test_functions_that_manage_a_context_are_guarded_for_the_length_of_the_block() -> None:
    one, bulkhead, breaker = chain()
    inside: Any = inspect.unwrap(managed)
    manages: list[Any] = [one(managed), contextmanager(one(inside))]
    for manage in manages:
        with manage(7) as value:
            assert (value, in_flight(bulkhead)) == (7, 1)
        assert in_flight(bulkhead) == 0
    guarded: Any = one(managed)
    assert inspect.signature(guarded) == inspect.signature(managed)
    assert guarded.__doc__ == "Manage."
    with pytest.raises(ZeroDivisionError), guarded():
        _ = 1 // 0
    assert breaker.state.value == "open"
    with pytest.raises(CircuitOpenError), guarded():
        pytest.fail("the block was entered")


def test_coroutines_that_manage_a_context_are_guarded_for_the_length_of_the_block() -> None:
    one, bulkhead, breaker = chain()
    guarded: Any = one(managed_async)

    async def main() -> None:
        async with guarded(7) as value:
            assert (value, in_flight(bulkhead)) == (7, 1)
        assert in_flight(bulkhead) == 0
        with pytest.raises(ZeroDivisionError):
            async with guarded():
                _ = 1 // 0
        with pytest.raises(CircuitOpenError):
            await guarded().__aenter__()

    asyncio.run(main())
    assert breaker.state.value == "open"


def test_methods_that_manage_a_context_are_guarded_for_the_length_of_the_block() -> None:
    one, bulkhead, _ = chain()
    pool = Pool()
    guarded, guarded_async = one(pool.connection), one(pool.connection_async)

    async def main() -> object:
        async with guarded_async() as connection:
            assert connection == "connection"
            return in_flight(bulkhead)

    with guarded() as connection:
        assert (connection, in_flight(bulkhead)) == ("connection", 1)
    assert asyncio.run(main()) == 1
    assert in_flight(bulkhead) == 0


@pytest.mark.parametrize(
    "call",
    [managed, managed_async, Pool().connection, Pool().connection_async, functools.partial(managed, 5)],
    ids=["function", "coroutine", "method", "coroutine method", "partial"],
)
def test_one_call_of_a_function_that_manages_a_context_is_refused(call: Callable[[], Any]) -> None:
    one, bulkhead, _ = chain()
    with pytest.raises(NotGuardableError, match="whose work would go unguarded"):
        one.call(call)
    assert in_flight(bulkhead) == 0


def test_a_guarded_generator_takes_what_is_sent_and_thrown_and_returns_its_value() -> None:
    one, bulkhead, _ = chain()
    stream = one(count)(4)
    assert (next(stream), in_flight(bulkhead)) == (0, 1)
    assert [stream.send(5), stream.throw(KeyError("x")), next(stream)] == [1, 2, 3]
    with pytest.raises(StopIteration) as stopped:
        stream.send(1)
    assert stopped.value.value == "total 106"
    assert in_flight(bulkhead) == 0

    def delegates() -> Generator[object, int, None]:
        value = yield from one(count)(2)
        yield value

    assert list(delegates()) == [0, 1, "total 0"]


def test_a_guarded_generator_passes_on_errors_and_its_end() -> None:
    one, bulkhead, breaker = chain()
    closed: list[str] = []

    @one
    def stream() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append("closed")

    first: Any = stream()
    next(first)
    first.close()
    dropped: Any = stream()
    next(dropped)
    del dropped
    assert (closed, in_flight(bulkhead), breaker.state.value) == (["closed", "closed"], 0, "closed")
    thrown: Any = stream()
    next(thrown)
    with pytest.raises(ValueError, match="thrown"):
        thrown.throw(ValueError("thrown"))
    assert (len(closed), in_flight(bulkhead), breaker.state.value) == (3, 0, "open")
    with pytest.raises(StopIteration):
        next(thrown)


def test_a_generator_that_ignores_its_end_is_told_off_as_ever() -> None:
    one, bulkhead, _ = chain()

    @one
    def stubborn() -> Iterator[int]:
        while True:
            try:
                yield 1
            except GeneratorExit:
                yield 2
                return

    stream: Any = stubborn()
    next(stream)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        stream.close()
    assert in_flight(bulkhead) == 0


def test_a_generator_is_not_begun_before_it_is_read() -> None:
    one, bulkhead, _ = chain()
    streams = [one(count)(3) for _ in range(5)]
    assert in_flight(bulkhead) == 0
    assert [list(stream) for stream in streams] == [[0, 1, 2]] * 5


def test_a_guarded_async_generator_takes_what_is_sent_and_thrown() -> None:
    one, bulkhead, _ = chain()

    async def main() -> None:
        stream = one(count_async)(3)
        assert (await anext(stream), in_flight(bulkhead)) == (0, 1)
        assert await stream.asend(50) == 50
        assert await anext(stream) == 1
        assert await stream.athrow(KeyError("x")) == 100
        assert await anext(stream) == 2
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert in_flight(bulkhead) == 0

    asyncio.run(main())


def test_a_guarded_async_generator_passes_on_errors_and_its_end() -> None:
    one, bulkhead, breaker = chain()
    closed: list[str] = []

    @one
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def main() -> None:
        first: Any = stream()
        await anext(first)
        await first.aclose()
        assert (closed, in_flight(bulkhead), breaker.state.value) == (["closed"], 0, "closed")
        thrown: Any = stream()
        await anext(thrown)
        with pytest.raises(ValueError, match="thrown"):
            await thrown.athrow(ValueError("thrown"))
        assert (len(closed), in_flight(bulkhead), breaker.state.value) == (2, 0, "open")

    asyncio.run(main())


def test_a_stream_that_fails_before_its_first_item_is_tried_again_and_one_that_began_is_not() -> None:
    begun: list[int] = []

    def stream(fails_at: int) -> Iterator[int]:
        begun.append(1)
        for number in range(3):
            if number == fails_at and len(begun) < 3:
                raise ConnectionError
            yield number

    retried = Retry(5, backoff=Fixed(0.0))(stream)
    assert list(retried(0)) == [0, 1, 2]
    assert len(begun) == 3
    begun.clear()
    with pytest.raises(ConnectionError):
        list(retried(1))
    assert len(begun) == 1


def test_a_block_is_guarded_for_its_length_and_what_it_raises_counts() -> None:
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(window=Consecutive(1))
    one = Guard(breaker, bulkhead)
    with one.block():
        assert in_flight(bulkhead) == 1
        with pytest.raises(BulkheadFullError), one.block():
            pytest.fail("the block was entered")
    assert in_flight(bulkhead) == 0
    with pytest.raises(KeyError), one.block():
        raise KeyError("x")
    with pytest.raises(CircuitOpenError), one.block():
        pytest.fail("the block was entered")


def test_a_block_in_an_event_loop_is_guarded_for_its_length() -> None:
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(window=Consecutive(1))
    one = Guard(Deadline(PATIENCE_S), breaker, bulkhead)

    async def main() -> None:
        async with one.block():
            assert in_flight(bulkhead) == 1
        with pytest.raises(KeyError):
            async with one.block():
                raise KeyError("x")
        with pytest.raises(CircuitOpenError):
            async with one.block():
                pytest.fail("the block was entered")

    asyncio.run(main())
    assert in_flight(bulkhead) == 0


def test_one_block_is_entered_once_and_another_one_is_asked_for() -> None:
    bulkhead = Bulkhead(5)
    block = bulkhead.block()
    with block:
        with pytest.raises(RuntimeError, match=r"entered once.*\.block\(\)"):
            block.__enter__()
        assert in_flight(bulkhead) == 1
    with pytest.raises(RuntimeError, match="entered once"):
        asyncio.run(block.__aenter__())
    assert in_flight(bulkhead) == 0


@pytest.mark.parametrize("name", ["Retry", "Fallback", "Cache", "Hedge"])
def test_a_block_that_would_have_to_run_again_is_refused_with_the_reason(name: str) -> None:
    for one in (guard(name), MAKE[name]()):
        with pytest.raises(NotGuardableError, match=f"{name} cannot guard the block of a with statement: "):
            one.block().__enter__()
        with pytest.raises(NotGuardableError, match=f"{name} cannot guard the block of a with statement: "):
            asyncio.run(one.block().__aenter__())


@pytest.mark.parametrize("name", ["Timeout", "AdaptiveTimeout"])
def test_a_block_that_cannot_be_interrupted_is_refused_and_one_in_an_event_loop_is_not(name: str) -> None:
    with pytest.raises(NotGuardableError, match=f"{name} cannot guard a plain with block: .*use `async with`"):
        guard(name).block().__enter__()

    async def main() -> str:
        async with guard(name).block():
            await asyncio.sleep(0)
        return "done"

    assert asyncio.run(main()) == "done"
