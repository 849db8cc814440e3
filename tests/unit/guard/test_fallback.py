"""What a fallback promises: something else instead of an error, and of errors alone."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.guard import Fallback, Guard, NotGuardableError, Retry, Stale, Stream, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact


class Source:
    """Answers until it is given an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls = 0

    def ask(self, *args: object, **_named: object) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return f"{args[0] if args else 'answer'} {self.calls}"

    async def ask_async(self, *args: object) -> str:
        return self.ask(*args)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def broken() -> Source:
    return Source(ConnectionError("down"))


def guard(policy: Fallback[Any], clock: FakeClock, facts: Stream | None = None) -> Guard[Any]:
    return Guard(policy, name="it", world=World.fake(clock, LoadedDice([])), facts=facts or Stream())


def fallback(**options: Any) -> Fallback[Any]:
    return Fallback(**options)


# Kinds


@pytest.mark.parametrize("value", [7, None, False, [], ()])
def test_a_value_is_given_instead_of_an_error(broken: Source, source: Source, value: object) -> None:
    assert Fallback(value)(broken.ask)() is value
    assert Fallback(value)(source.ask)() == "answer 1"


def test_a_function_makes_something_of_the_error(broken: Source) -> None:
    assert Fallback(function=lambda error: f"instead of {error}")(broken.ask)() == "instead of down"


def test_a_provider_is_asked_the_same(broken: Source) -> None:
    asked: list[object] = []

    def provide(*args: object, **kwargs: object) -> str:
        asked.append((args, kwargs))
        return "provided"

    assert Fallback(provider=provide)(broken.ask)(1, two=2) == "provided"
    assert asked == [((1,), {"two": 2})]


def test_several_providers_are_asked_one_after_the_other(broken: Source, source: Source) -> None:
    first = Source(ValueError("no"))
    both = Guard(Fallback(provider=source.ask), Fallback(provider=first.ask))
    assert both(broken.ask)("x") == "x 1"
    assert (broken.calls, first.calls) == (1, 1)


def test_coroutines_may_stand_in_for_coroutines(broken: Source, source: Source) -> None:
    async def explain(error: Exception) -> str:
        await asyncio.sleep(0)
        return f"instead of {error}"

    async def main() -> None:
        assert await fallback(provider=source.ask_async)(broken.ask_async)("x") == "x 1"
        assert await fallback(provider=functools.partial(source.ask_async, "y"))(broken.ask_async)() == "y 2"
        assert await fallback(function=explain)(broken.ask_async)() == "instead of down"
        assert await fallback(provider=source.ask)(broken.ask_async)("z") == "z 3"
        assert await Fallback(None)(broken.ask_async)() is None

    asyncio.run(main())


def test_a_coroutine_cannot_stand_in_for_a_plain_function(broken: Source, source: Source) -> None:
    with pytest.raises(NotGuardableError, match=r"Fallback\.provider is a coroutine function"):
        fallback(provider=source.ask_async)(broken.ask)


def test_a_stream_cannot_stand_in_for_a_result(broken: Source) -> None:
    def items(_error: Exception) -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(NotGuardableError, match=r"Fallback\.function is a generator function"):
        fallback(function=items)(broken.ask)
    with pytest.raises(NotGuardableError, match=r"Fallback\.provider is an async generator function"):
        fallback(provider=items_async)(broken.ask_async)


def test_a_class_may_make_the_answer(broken: Source) -> None:
    class Problem:
        def __init__(self, error: Exception) -> None:
            self.error = error

    problem = Fallback(function=Problem)(broken.ask)()
    assert isinstance(problem, Problem)
    assert problem.error is broken.error
    assert Fallback(provider=dict)(broken.ask)(a=1) == {"a": 1}


def test_an_error_of_the_other_way_is_raised_with_the_first_one(broken: Source) -> None:
    second = Source(ValueError("no better"))
    with pytest.raises(ValueError, match="no better") as caught:
        Fallback(provider=second.ask)(broken.ask)()
    assert caught.value.__context__ is broken.error


# Which errors


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_ends_a_task_or_a_program_passes(ending: type[BaseException]) -> None:
    ended = Source(ending())
    hiding = Fallback(7, on=lambda _error: True)
    with pytest.raises(ending):
        hiding(ended.ask)()
    with pytest.raises(ending):
        asyncio.run(Fallback(7)(ended.ask_async)())
    assert hiding.snapshot()["used"] == 0


def test_a_cancellation_passes_at_every_point() -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def wait(*_args: object) -> str:
            inside.set()
            await asyncio.Event().wait()
            return "never"

        broken = Source(ConnectionError())
        for call in (Fallback(7)(wait), fallback(provider=wait)(broken.ask_async), Fallback(stale_s=5.0)(wait)):
            inside.clear()
            task = asyncio.create_task(call())
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


@pytest.mark.parametrize("on", [ValueError, (KeyError, ValueError), lambda error: isinstance(error, ValueError)])
def test_only_errors_that_are_meant_are_replaced(broken: Source, on: Any) -> None:
    call = Fallback(7, on=on)(broken.ask)
    with pytest.raises(ConnectionError):
        call()
    broken.error = ValueError()
    assert call() == 7


# Stale


def test_the_last_result_is_given_while_it_is_not_too_old(clock: FakeClock, source: Source) -> None:
    stale: Fallback[Any] = Fallback(stale_s=10.0)
    call = guard(stale, clock)(source.ask)
    assert call("a") == "a 1"
    clock.advance(4.0)
    assert call("a") == "a 2"
    source.error = ConnectionError("down")
    clock.advance(10.0)
    assert call("a") == "a 2"
    with pytest.raises(ConnectionError, match="down"):  # nothing is known of others
        call("b")
    clock.advance(0.001)
    with pytest.raises(ConnectionError, match="down"):
        call("a")
    assert stale.snapshot() == {"kind": "stale", "used": 1, "kept": 1}


def test_its_age_may_be_marked(clock: FakeClock, source: Source) -> None:
    call = guard(Fallback(stale_s=10.0, mark=Stale), clock)(source.ask)
    call()
    clock.advance(3.0)
    source.error = ConnectionError()
    assert call() == Stale("answer 1", 3.0)


def test_none_may_be_stale_too(clock: FakeClock) -> None:
    answers: list[Any] = [None]

    def ask() -> Any:
        return answers.pop()

    call: Callable[[], Any] = guard(fallback(stale_s=10.0), clock)(ask)
    assert [call(), call()] == [None, None]


def test_those_not_used_for_longest_go(clock: FakeClock, source: Source) -> None:
    stale: Fallback[Any] = Fallback(stale_s=10.0, most=2)
    call = guard(stale, clock)(source.ask)
    for name in "abac":
        call(name)
    source.error = ConnectionError()
    assert call("a") == "a 3"
    assert call("c") == "c 4"
    with pytest.raises(ConnectionError):
        call("b")
    assert stale.snapshot()["kept"] == 2


def test_two_functions_of_one_fallback_never_get_each_others_results(clock: FakeClock, source: Source) -> None:
    both = guard(Fallback(stale_s=10.0), clock)
    name, price = both(source.ask), both(Source(ValueError("no price")).ask)
    assert name(1) == "1 1"
    with pytest.raises(ValueError, match="no price"):
        price(1)


def test_a_key_makes_more_arguments_the_same(clock: FakeClock, source: Source) -> None:
    call = guard(Fallback(stale_s=10.0, key=lambda name, *_rest: name), clock)(source.ask)
    call("a", "token 1")
    source.error = ConnectionError()
    assert call("a", "token 2") == "a 1"


def test_arguments_that_make_no_key_are_refused_before_the_call(clock: FakeClock, source: Source) -> None:
    call = guard(Fallback(stale_s=10.0), clock)(source.ask)
    with pytest.raises(InputError, match="Fallback: the arguments of this call make no key: unhashable type: 'list'"):
        call([1])
    assert source.calls == 0


def test_stale_results_are_given_to_coroutines(clock: FakeClock, source: Source) -> None:
    async def main() -> None:
        call = guard(Fallback(stale_s=10.0), clock)(source.ask_async)
        assert await call("a") == "a 1"
        source.error = TimeoutError()
        assert await call("a") == "a 1"

    asyncio.run(main())


@pytest.mark.parametrize("options", [{"value": 1}, {"stale_s": 1.0}, {"value": 1, "on": OSError}])
def test_an_error_is_gone_once_it_is_dealt_with(options: dict[str, Any], clock: FakeClock) -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []

    def fail() -> None:
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    call = guard(fallback(**options), clock)(fail)

    def run() -> None:
        try:
            call()
        except OwnError:
            return

    gc.collect()
    gc.disable()
    try:
        run()
        assert [one() for one in gone] == [None]
    finally:
        gc.enable()


# Shapes, order, facts


def test_streams_and_blocks_are_refused_with_the_reason() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    for call in (items, items_async, contextmanager(items)):
        with pytest.raises(NotGuardableError, match="what it gave so far cannot be taken back"):
            Fallback(7)(call)
    with pytest.raises(NotGuardableError, match="a block has no result"), Fallback(7).block():
        raise AssertionError("it was entered")


class Service:
    @Fallback("instead")
    def method(self) -> str:
        raise ConnectionError

    @Fallback("instead")
    @classmethod
    def of_class(cls) -> str:
        raise ConnectionError

    @Fallback("instead")
    @staticmethod
    def static() -> str:
        raise ConnectionError


def test_methods_partials_and_callable_objects_have_one(broken: Source) -> None:
    service = Service()
    assert [service.method(), service.of_class(), Service.static()] == ["instead"] * 3
    assert Fallback(7)(functools.partial(broken.ask, 1))() == 7
    assert Fallback(7).call(broken.ask) == 7


def test_a_fallback_that_hides_every_error_stands_outside() -> None:
    with pytest.raises(InputError, match="the fallback hides every error, so the retry never sees one"):
        Guard(Retry(), Fallback(7))
    Guard(Retry(), Fallback(7, on=ValueError))
    Guard(Retry(), Fallback(stale_s=5.0))
    Guard(Fallback(7), Retry())


def test_each_use_is_told(clock: FakeClock, source: Source) -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    call = guard(Fallback(stale_s=10.0), clock, facts)(source.ask)
    call()
    clock.advance(2.0)
    source.error = ConnectionError("secret")
    call()
    with pytest.raises(ConnectionError):
        call("other")
    assert facts.flush()
    (fact,) = heard
    assert repr(fact) == "FallbackUsed(at_s=102.0, guard='it', kind='stale', error='ConnectionError', age_s=2.0)"


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Fallback.value: 'nothing' must be one of value, function, provider, stale_s, and no more"),
        ({"value": 1, "stale_s": 1}, "Fallback.value: 'value, stale_s' must be one of"),
        ({"value": None, "provider": print}, "Fallback.value: 'value, provider' must be one of"),
        ({"function": 5}, "Fallback.function: 5 must be a function or None"),
        ({"provider": 5}, "Fallback.provider: 5 must be a function or None"),
        ({"stale_s": 0}, "Fallback.stale_s: 0 must be a number above 0"),
        ({"stale_s": 1, "mark": 5}, "Fallback.mark: 5 must be a function or None"),
        ({"value": 1, "key": len}, "Fallback.key: <built-in function len> must be left out without stale_s"),
        ({"value": 1, "on": BaseException}, "Fallback.on: <class 'BaseException'> must be an exception type under"),
        ({"value": 1, "most": 0}, "Fallback.most: 0 must be a whole number from 1"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Fallback(**options)
    assert str(caught.value).startswith(message)


def test_options_may_change_and_what_is_kept_stays(clock: FakeClock, source: Source) -> None:
    stale: Fallback[Any] = Fallback(stale_s=10.0)
    call = guard(stale, clock)(source.ask)
    call("a")
    clock.advance(20.0)
    source.error = ConnectionError()
    with pytest.raises(ConnectionError):
        call("a")
    stale.reconfigure(stale_s=30.0)
    assert call("a") == "a 1"
    value = Fallback(1)
    call = guard(value, clock)(source.ask)
    value.reconfigure(value=2)
    assert call() == 2
    with pytest.raises(InputError):
        value.reconfigure(value=2, stale_s=5.0)
