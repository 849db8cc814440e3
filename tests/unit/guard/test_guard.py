"""A guard is several policies as one: checked when it is made, with one home for all of them."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import tracemalloc
from typing import Any

import pytest

import bascule.guard as room
from bascule.guard import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    Degrade,
    Guard,
    Level,
    Retry,
    ServiceLevels,
    Stream,
    Timeout,
    World,
)
from bascule.guard.facts import AttemptFailed, CircuitOpened, GuardFact
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

PATIENCE_S = 30.0


def five() -> int:
    return 5


def fails() -> None:
    raise ConnectionError("text that may hold what was sent")


def fake_world(now_s: float = 0.0) -> World:
    return World.fake(FakeClock(now_s), LoadedDice([0.5] * 100))


def test_a_guard_without_policies_is_refused() -> None:
    with pytest.raises(InputError, match=r"a guard needs a policy \(for example"):
        Guard()


@pytest.mark.parametrize("name", ["", "a" * 101, "two\nlines", "\x00", 5, None])
def test_a_name_that_cannot_be_read_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match=r"Guard\.name: .* must be 1 to 100 printable characters"):
        Guard(Retry(), name=name)


@pytest.mark.parametrize("policy", [Retry, five, None, "retry", Guard(Retry())])
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    with pytest.raises(InputError, match=r"is no policy .*give Retry"):
        Guard(policy)


def test_a_policy_that_stands_twice_in_a_chain_is_refused() -> None:
    bulkhead = Bulkhead(1)
    with pytest.raises(InputError, match="the same Bulkhead stands in this guard twice"):
        Guard(bulkhead, Retry(), bulkhead)


def test_the_name_is_told_in_facts_and_errors() -> None:
    facts, told = Stream(), list[Fact]()
    facts.subscribe(told.append)
    breaker = CircuitBreaker()
    guard = Guard(Retry(2), breaker, name="payments", world=fake_world(5.0), facts=facts)
    with pytest.raises(ConnectionError):
        guard.call(fails)
    breaker.isolate()
    with pytest.raises(CircuitOpenError, match="guard 'payments'"):
        guard.call(five)
    assert facts.flush(PATIENCE_S)
    assert {fact.guard for fact in told if isinstance(fact, GuardFact)} == {"payments"}
    assert [type(fact) for fact in told][::2][0] is AttemptFailed
    assert any(isinstance(fact, CircuitOpened) for fact in told)
    assert "what was sent" not in repr(told)


def test_a_policy_alone_is_called_by_its_own_name_until_a_guard_has_it() -> None:
    breaker = CircuitBreaker()
    names = [breaker.home.name]
    for name in ("first", "second"):
        Guard(breaker, name=name)
        names.append(breaker.home.name)
    assert names == ["CircuitBreaker", "first", "first"]


def test_a_policy_in_two_guards_is_shared_by_both() -> None:
    breaker = CircuitBreaker()
    first, second = Guard(Retry(1), breaker), Guard(breaker)
    breaker.isolate()
    for guard in (first, second):
        with pytest.raises(CircuitOpenError):
            guard.call(five)


def test_a_policy_of_another_world_or_stream_is_refused_and_nothing_moves() -> None:
    settled = CircuitBreaker()
    world, facts = fake_world(), Stream()
    Guard(settled, world=world, facts=facts)
    for other in ({"world": fake_world(), "facts": facts}, {"world": world, "facts": Stream()}):
        fresh = Retry()
        with pytest.raises(InputError, match=r"was used in 'guard' with another world or stream .*make a policy"):
            Guard(fresh, settled, **other)  # type: ignore[arg-type] # one of each
        assert Guard(fresh, name="later", world=world, facts=facts).call(five) == 5
        assert fresh.home.name == "later"


def test_a_guard_that_is_refused_leaves_its_policies_as_they_were() -> None:
    timeout = Timeout(5.0)
    with pytest.raises(InputError):
        Guard(Deadline(1.0), timeout, name="wrong")
    assert timeout.home.name == "Timeout"


def test_the_chain_is_read_outermost_first() -> None:
    guard = Guard(Deadline(5.0), Retry(3), Bulkhead(2), name="db")
    assert repr(guard) == "<Guard 'db': Deadline > Retry > Bulkhead>"
    assert [type(policy).__name__ for policy in guard.chain()] == ["Deadline", "Retry", "Bulkhead"]


def test_a_snapshot_is_plain_numbers_and_words_for_each_policy_in_order() -> None:
    levels = ServiceLevels(Level("low", ("x",), lambda: False))
    guard = Guard(Degrade(levels, "x"), Retry(3), Bulkhead(2), Bulkhead(5), Timeout(1.0))
    shown = guard.snapshot()
    assert list(shown) == ["Degrade", "Retry", "Bulkhead 3", "Bulkhead 4", "Timeout"]

    def is_plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and is_plain(one) for key, one in value.items())
        if isinstance(value, list):
            return all(is_plain(one) for one in value)
        return value is None or isinstance(value, str | int | float)

    assert is_plain(shown)


def test_every_public_name_is_there() -> None:
    assert sorted(room.__all__) == sorted(set(room.__all__))
    assert all(hasattr(room, name) for name in room.__all__)
    assert set(room.__all__) >= {
        "AdaptiveLimit", "AdaptiveTimeout", "Bulkhead", "Cache", "CircuitBreaker", "Deadline", "Degrade", "Fallback",
        "Guard", "Guards", "Hedge", "Policy", "RateLimit", "Retry", "RetryBudget", "ServiceLevels", "Stream",
        "Timeout", "World",
    }  # fmt: skip


IMPORT = """
import sys
import bascule.guard
from bascule.guard import *
guard = Guard(Deadline(5.0), Retry(3), CircuitBreaker(), Bulkhead(5))
assert guard(lambda: 5)() == 5
heavy = {
    "asyncio", "tomllib", "httpx", "httpcore", "redis", "starlette", "msgspec", "logging", "ssl", "socket", "email",
    "urllib.request", "http", "concurrent", "multiprocessing", "subprocess", "prometheus_client", "opentelemetry",
    "selectors",
}
print(sorted(heavy & set(sys.modules)))
"""


def test_importing_and_guarding_plain_functions_brings_nothing_heavy() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def memory_of_guards(count: int) -> int:
    """Bytes for each of so many guards with a function, in a program that has one already."""

    def make() -> tuple[object, object]:
        guard = Guard(Deadline(5.0), Retry(3), CircuitBreaker(), Bulkhead(10))
        return guard, guard(five)

    kept = [make()]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept += [make() for _ in range(count)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == count + 1
    return (after - before) // count


def test_a_guard_takes_no_more_than_ten_kilobytes() -> None:
    assert memory_of_guards(50) <= 10_000


def test_guards_that_are_made_and_dropped_leave_nothing_behind() -> None:
    def make() -> None:
        for _ in range(500):
            assert Guard(Retry(3), CircuitBreaker(), Bulkhead(10))(five)() == 5

    held: list[int] = []
    tracemalloc.start()
    for _ in range(5):
        make()
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    growth = min(later - earlier for earlier, later in itertools.pairwise(held))
    assert growth < 500 * 100, "bytes for 500 guards, of which each takes thousands while it is held"


def test_threads_that_guard_at_once_all_get_a_guarded_function() -> None:
    guard, start = Guard(Retry(2), Bulkhead(10)), threading.Barrier(8)
    seen: list[int] = []

    def work() -> None:
        start.wait(PATIENCE_S)
        seen.append(guard(five)())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert seen == [5] * 8
