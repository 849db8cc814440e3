"""What a cache promises of what it keeps: for how long, how much, and under which key."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from calling import Caller, Source, turns, until

from bascule.guard import Cache, Guard, NotGuardableError, Stream, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError

SOON_S = 0.02
FACTS = Stream()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def source() -> Source:
    return Source()


def guarded(cache: Cache, clock: FakeClock, call: Callable[..., Any]) -> Callable[..., Any]:
    world = cache._home.world if cache._home is not None else World.fake(clock, LoadedDice([]))
    return Guard(cache, world=world, facts=FACTS)(call)


# Keeping


def test_a_result_is_kept_for_its_time_and_not_longer(clock: FakeClock, source: Source) -> None:
    call = guarded(Cache(10.0), clock, source.fetch)
    assert [call("a"), call("a")] == ["a 1", "a 1"]
    clock.advance(9.999)
    assert call("a") == "a 1"
    clock.advance(0.001)
    assert call("a") == "a 2"


def test_arguments_are_told_apart_by_place_and_by_name(clock: FakeClock) -> None:
    calls: list[object] = []

    def fetch(*args: int, **kwargs: int) -> int:
        calls.append((args, kwargs))
        return len(calls)

    call = guarded(Cache(10.0), clock, fetch)
    assert [call(), call(1), call(1, 2), call(x=1), call(1, x=1), call(x=1, y=2), call(y=2, x=1)] == [
        1, 2, 3, 4, 5, 6, 6,
    ]  # fmt: skip


def test_two_functions_of_one_cache_never_get_each_others_results(clock: FakeClock) -> None:
    both = Guard(Cache(10.0), world=World.fake(clock, LoadedDice([])), facts=Stream())

    @both
    def name(number: int) -> str:
        return f"name {number}"

    @both
    def price(number: int) -> str:
        return f"price {number}"

    assert [name(1), price(1), name(1)] == ["name 1", "price 1", "name 1"]
    assert both.call(name, 1) == "name 1"


def test_two_functions_with_a_key_of_their_own_are_told_apart_too(clock: FakeClock) -> None:
    cache = Cache(10.0, key=lambda number: number % 2)
    even, odd = guarded(cache, clock, lambda number: ("a", number)), guarded(cache, clock, lambda number: ("b", number))
    assert [even(2), odd(2), even(4)] == [("a", 2), ("b", 2), ("a", 2)]


def test_a_callable_object_that_cannot_be_hashed_is_one_of_its_own(clock: FakeClock) -> None:
    class Fetch:
        __hash__ = None  # type: ignore[assignment]  # that is the point

        def __init__(self, name: str) -> None:
            self.name = name
            self.calls = 0

        def __eq__(self, other: object) -> bool:
            return True

        def __call__(self) -> str:
            self.calls += 1
            return self.name

    one, two = Fetch("one"), Fetch("two")
    cache = Cache(10.0)
    first, second = guarded(cache, clock, one), guarded(cache, clock, two)
    assert [first(), second(), first(), second()] == ["one", "two", "one", "two"]
    assert (one.calls, two.calls) == (1, 1)


def test_none_is_a_result_like_another(clock: FakeClock) -> None:
    calls: list[None] = []
    call = guarded(Cache(10.0), clock, lambda: calls.append(None))
    assert [call(), call()] == [None, None]
    assert len(calls) == 1


def test_those_not_used_for_longest_go(clock: FakeClock, source: Source) -> None:
    cache = Cache(10.0, most=2)
    call = guarded(cache, clock, source.fetch)
    call("a")
    call("b")
    call("a")
    call("c")
    assert cache.snapshot()["kept"] == 2
    assert call("a") == "a 1"
    assert call("b") == "b 4"


def test_calls_under_way_push_no_result_out_and_the_bound_holds_after_them(clock: FakeClock) -> None:
    async def main() -> None:
        cache = Cache(10.0, most=2)
        gates = {key: asyncio.Event() for key in "abcdef"}

        async def fetch(key: str) -> str:
            await gates[key].wait()
            return key

        call = guarded(cache, clock, fetch)
        tasks = {key: asyncio.create_task(call(key)) for key in gates}
        await turns()
        for key in "fedcba":  # the one that began first comes last, and must not keep the others from being trimmed
            gates[key].set()
            await tasks[key]
            assert int(str(cache.snapshot()["kept"])) <= 2
        assert cache.snapshot() == {"kept": 2, "hits": 0, "misses": 6, "shared": 0}

    asyncio.run(main())


def test_a_call_that_hangs_does_not_let_the_cache_grow(clock: FakeClock) -> None:
    async def main() -> None:
        cache = Cache(10.0, most=3)

        async def fetch(key: int) -> int:
            if key == 0:
                await asyncio.Event().wait()
            return key

        call = guarded(cache, clock, fetch)
        hanging = asyncio.create_task(call(0))
        await turns()
        for key in range(1, 50):
            await call(key)
        assert cache.snapshot()["kept"] == 3
        assert await call(49) == 49
        assert cache.snapshot()["hits"] == 1
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

    asyncio.run(main())


def test_it_can_be_told_to_forget(clock: FakeClock, source: Source) -> None:
    cache = Cache(10.0)
    call = guarded(cache, clock, source.fetch)
    call("a")
    cache.clear()
    assert cache.snapshot()["kept"] == 0
    assert call("a") == "a 2"


def test_what_was_being_fetched_when_it_was_told_to_forget_is_not_kept(clock: FakeClock, source: Source) -> None:
    cache = Cache(10.0)
    call = guarded(cache, clock, source.fetch)
    source.gate.clear()
    before = Caller(lambda: call("a"))
    assert source.inside.wait(10)
    follower = Caller(lambda: call("a"))
    until(lambda: cache.snapshot()["shared"] == 1)
    cache.clear()  # what was true before is not any more
    after = Caller(lambda: call("a"))
    until(lambda: len(source.calls) == 2)
    source.gate.set()
    assert before.end() == follower.end() != after.end()
    assert call("a") == after.end()
    assert cache.snapshot()["kept"] == 1


# Shapes and arguments


class Service:
    def __init__(self) -> None:
        self.calls = 0

    @Cache(10.0)
    def method(self, number: int) -> int:
        self.calls += 1
        return number * 10 + self.calls

    @Cache(10.0)
    @classmethod
    def of_class(cls) -> object:
        return object()

    @Cache(10.0)
    @staticmethod
    def static(number: int) -> object:
        return object() if number else None


def test_methods_partials_and_callable_objects_are_cached(clock: FakeClock, source: Source) -> None:
    one, two = Service(), Service()
    assert [one.method(1), one.method(1), two.method(2), two.method(2)] == [11, 11, 21, 21]
    assert one.of_class() is two.of_class()
    assert one.static(1) is Service.static(1)
    call = guarded(Cache(10.0), clock, functools.partial(source.fetch, "a"))
    assert [call(), call()] == ["a 1", "a 1"]


def test_streams_and_blocks_are_refused_with_the_reason() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    for call in (items, items_async, contextmanager(items)):
        with pytest.raises(NotGuardableError, match="a stream is used up by the one who reads it"):
            Cache(1.0)(call)
    with pytest.raises(NotGuardableError, match="a block has no result to keep"), Cache(1.0).block():
        raise AssertionError("it was entered")


def test_arguments_that_make_no_key_are_refused_before_the_call(clock: FakeClock, source: Source) -> None:
    call = guarded(Cache(10.0), clock, source.fetch)
    with pytest.raises(InputError, match=r"Cache: the arguments of this call make no key: unhashable type: 'list'"):
        call([1])
    assert source.calls == []
    keyed = guarded(Cache(10.0, key=tuple), clock, source.fetch)
    assert [keyed([1]), keyed([1])] == ["[1] 1", "[1] 1"]


def test_an_error_of_the_users_own_key_is_raised_and_blocks_nobody(clock: FakeClock, source: Source) -> None:
    call = guarded(Cache(10.0, key=lambda number: 1 // number), clock, source.fetch)
    with pytest.raises(ZeroDivisionError):
        call(0)
    assert call(1) == "1 1"


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl_s": -1}, r"Cache\.ttl_s: -1 must be a number of at least 0 and at most 1e\+09"),
        ({"ttl_s": float("nan")}, r"Cache\.ttl_s: nan "),
        ({"ttl_s": float("inf")}, r"Cache\.ttl_s: inf "),
        ({"ttl_s": "1"}, r"Cache\.ttl_s: '1' "),
        ({"ttl_s": 1, "key": 5}, r"Cache\.key: 5 must be a function or None"),
        ({"ttl_s": 1, "most": 0}, r"Cache\.most: 0 must be a whole number from 1"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cache(**options)


def test_options_may_change_and_results_stay(clock: FakeClock, source: Source) -> None:
    cache = Cache(10.0)
    call = guarded(cache, clock, source.fetch)
    call("a")
    call("b")
    cache.reconfigure(ttl_s=1.0, most=1)
    assert call("b") == "b 2"
    assert cache.snapshot()["kept"] == 1
    cache.reconfigure(most=5)
    call("c")
    clock.advance(1.0)
    assert call("c") == "c 4"


def test_a_call_that_asks_for_its_own_key_is_refused_and_waits_for_nobody() -> None:
    cache = Cache(10.0)

    @cache
    def again(number: int) -> int:
        return again(number)

    with pytest.raises(InputError, match="would wait for itself"):
        again(1)

    @cache
    async def again_later(number: int) -> int:
        return await again_later(number)

    with pytest.raises(InputError, match="would wait for itself"):
        asyncio.run(again_later(1))
