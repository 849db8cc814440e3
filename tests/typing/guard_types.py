"""The types of guarded callables, as the type checkers see them. Checked, and never run."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, assert_type

from bascule.guard import (
    DISTURBANCES,
    Cache,
    CircuitBreaker,
    Deadline,
    Fallback,
    Guard,
    InjectError,
    InjectResult,
    Retry,
    Stale,
    Timeout,
)

guard = Guard(Deadline(2.0), Retry(3), CircuitBreaker(), Timeout(0.5), name="typed")


@guard
def plain(a: int, *, b: str = "") -> float:
    """A function."""
    return a + len(b)


@guard
async def coroutine(a: int) -> float:
    """A coroutine function."""
    return a


@Retry(3)
def stream(n: int) -> Iterator[int]:
    """A generator function."""
    yield from range(n)


@Retry(3)
async def async_stream(n: int) -> AsyncIterator[int]:
    """An async generator function."""
    for one in range(n):
        yield one


class Service:
    """Methods of every kind."""

    @guard
    def method(self, a: int) -> str:
        """A method."""
        return str(a)

    @guard
    async def async_method(self, a: int) -> str:
        """A coroutine method."""
        return str(a)

    @classmethod
    @guard
    def made(cls, a: int) -> Service:
        """A class method."""
        del a
        return cls()

    @staticmethod
    @guard
    def counted(a: int) -> int:
        """A static method."""
        return a


@Fallback(None)
def maybe(a: int) -> float:
    """A fallback adds its value to what comes back."""
    return a


@Guard(Fallback("none"), Retry(2))
async def maybe_later(a: int) -> float:
    """In a guard too."""
    return a


@Cache(10.0)
def cached(a: str) -> list[str]:
    """A cache changes no type."""
    return [a]


@CircuitBreaker()
@contextlib.contextmanager
def opened(path: str) -> Iterator[bytes]:
    """A context manager."""
    yield path.encode()


assert_type(plain(1, b="x"), float)
checked: Callable[[int], Coroutine[Any, Any, float]] = coroutine
assert_type(stream(3), Iterator[int])
assert_type(async_stream(3), AsyncIterator[int])
assert_type(Service().method(1), str)
assert_type(Service.made(1), Service)
assert_type(Service.counted(1), int)
assert_type(maybe(1), float | None)
assert_type(cached("a"), list[str])
assert_type(guard.call(plain, 1, b="x"), float)
with opened("x") as content:
    assert_type(content, bytes)
stale: Fallback[Stale[float]] = Fallback(stale_s=60.0, mark=Stale)


async def in_a_coroutine() -> None:
    """What is awaited."""
    assert_type(await coroutine(1), float)
    assert_type(await Service().async_method(1), str)
    assert_type(await maybe_later(1), float | str)
    assert_type(await guard.call(coroutine, 1), float)
    async for one in async_stream(3):
        assert_type(one, int)


plain("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - wrong arguments are seen
plain(1, c=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - so are unknown ones
Retry(attempts="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - and wrong options


async def elsewhere(a: int) -> float:
    """Another provider."""
    return a


async def made(error: Exception) -> str:
    """What is made of an error."""
    return str(error)


assert_type(Fallback(provider=elsewhere), Fallback[float])
assert_type(Fallback(function=made), Fallback[str])
assert_type(Fallback(function=str), Fallback[str])
assert_type(Fallback(stale_s=60.0)(cached)("a"), list[str])
Fallback(stale_s=60.0, function=str)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - one of them


@Guard(Fallback(None), InjectResult(0.1, "wrong"), InjectError(0.1, ConnectionError))
def disturbed(a: int) -> float:
    """What is injected changes no type: callers are written as if there were no faults."""
    return a


assert_type(disturbed(1), float | None)
with DISTURBANCES.on("guard", for_s=1.0, keys=["ada"]) as experiment:
    assert_type(experiment.injected, dict[str, int])
InjectError(0.1, KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it ends programs
