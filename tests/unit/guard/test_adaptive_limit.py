"""A learned limit admits what the dependency can take: it learns from what it should, and from nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bascule.guard import (
    AdaptiveLimit,
    Aimd,
    BulkheadFullError,
    CallTimeoutError,
    Deadline,
    Gradient2,
    Guard,
    LimitReachedError,
    Stream,
    Timeout,
    Vegas,
    World,
)
from bascule.guard.facts import CallRefused, LimitChanged
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

PATIENCE_S = 30.0


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.001)


class Learning:
    """A limit in a world of its own, around a call that takes as long and fails as it is told."""

    def __init__(self, limit: AdaptiveLimit, **around: Any) -> None:
        self.clock = FakeClock(50.0)
        self.limit = limit
        self.told: list[Fact] = []
        self.facts = Stream()
        self.facts.subscribe(self.told.append)
        world = World.fake(self.clock, LoadedDice([0.5] * 100))
        self.guard = Guard(limit, name="api", world=world, facts=self.facts, **around)
        self.takes_s = 0.1
        self.error: BaseException | None = None
        self.call = self.guard(self._call)

    def _call(self) -> str:
        self.clock.advance(self.takes_s)
        if self.error is not None:
            raise self.error
        return "answer"

    def calls(self, count: int) -> None:
        for _ in range(count):
            try:
                self.call()
            except BaseException as error:
                if error is not self.error:
                    raise

    def limits(self) -> list[int]:
        assert self.facts.flush(PATIENCE_S)
        return [fact.limit for fact in self.told if isinstance(fact, LimitChanged)]


def aimd(**options: Any) -> Aimd:
    return Aimd(**{"initial": 10, "window": 1, "minimum": 1, "maximum": 100, **options})


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "vegas"}, r"AdaptiveLimit\.algorithm: 'vegas' must be Aimd\(...\), Vegas\(...\) or Gradient2"),
        ({"algorithm": None}, r"AdaptiveLimit\.algorithm: None must be"),
        ({"algorithm": Aimd}, r"AdaptiveLimit\.algorithm: .* must be"),
        ({"queue": -1}, r"AdaptiveLimit\.queue: -1 must be a whole number from 0"),
        ({"wait_s": -1}, r"AdaptiveLimit\.wait_s: -1 must be"),
        ({"overload": BaseException}, r"AdaptiveLimit\.overload: .* must be an exception type under Exception"),
        ({"overload": (ValueError, KeyboardInterrupt)}, r"AdaptiveLimit\.overload: .* must be an exception type"),
        ({"overload": "error"}, r"AdaptiveLimit\.overload: 'error' must be an exception type, a tuple"),
    ],
)
def test_impossible_options_are_refused_with_field_value_and_rule(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        AdaptiveLimit(**options)


@pytest.mark.parametrize("algorithm", [Aimd(initial=7), Vegas(initial=7), Gradient2(initial=7)])
def test_it_begins_where_it_is_told(algorithm: Any) -> None:
    limit = AdaptiveLimit(algorithm)
    assert limit.limit == 7
    assert limit.snapshot() == {"limit": 7, "in_flight": 0, "waiting": 0, "refused": 0}


def test_calls_that_are_dropped_lower_the_limit_and_that_is_told() -> None:
    learning = Learning(AdaptiveLimit(aimd()))
    learning.error = TimeoutError()
    learning.calls(10)
    assert learning.limit.limit == 9
    learning.calls(9)
    assert learning.limit.limit == 8
    assert learning.limits() == [9, 8]
    (first, _) = learning.told
    assert isinstance(first, LimitChanged)
    assert first.guard == "api"
    assert first.at_s == pytest.approx(51.0)


def test_calls_that_take_too_long_lower_the_limit() -> None:
    learning = Learning(AdaptiveLimit(aimd(timeout_s=1.0)))
    learning.takes_s = 1.1
    learning.calls(10)
    assert learning.limits() == [9]


def test_good_calls_that_use_the_limit_raise_it(pool: ThreadPoolExecutor) -> None:
    limit, together = AdaptiveLimit(aimd(initial=4, maximum=5)), threading.Barrier(4)
    guarded = limit(lambda: together.wait(PATIENCE_S))
    for _ in range(2):
        for call in [pool.submit(guarded) for _ in range(4)]:
            call.result(PATIENCE_S)
    assert limit.limit == 5
    assert limit.snapshot()["in_flight"] == 0


def test_a_limit_that_nobody_comes_near_stays() -> None:
    learning = Learning(AdaptiveLimit(aimd()))
    learning.calls(100)
    assert learning.limit.limit == 10


@pytest.mark.parametrize("error", [ValueError(), BulkheadFullError("inner"), KeyboardInterrupt(), GeneratorExit()])
def test_other_errors_teach_nothing(error: BaseException) -> None:
    learning = Learning(AdaptiveLimit(aimd(timeout_s=0.01)))
    learning.error = error
    learning.calls(50)
    assert learning.limit.limit == 10
    assert learning.limit.snapshot()["in_flight"] == 0


def test_a_cancelled_call_teaches_nothing_and_gives_its_slot_back() -> None:
    limit = AdaptiveLimit(aimd(initial=1, timeout_s=1e-6))

    async def main() -> None:
        never = asyncio.Event()
        for _ in range(5):
            task = asyncio.ensure_future(limit(never.wait)())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    assert limit.snapshot() == {"limit": 1, "in_flight": 0, "waiting": 0, "refused": 0}


def test_what_says_that_it_has_too_much_to_do_can_be_named() -> None:
    by_type = Learning(AdaptiveLimit(aimd(), overload=ConnectionError))
    by_type.error = ConnectionResetError()
    by_type.calls(10)
    by_function = Learning(AdaptiveLimit(aimd(), overload=lambda error: "busy" in str(error)))
    by_function.error = ValueError("busy")
    by_function.calls(10)
    by_function.error = ValueError("wrong")
    by_function.calls(50)
    assert (by_type.limits(), by_function.limits()) == ([9], [9])


def test_a_function_that_fails_to_say_it_leaves_no_slot_taken() -> None:
    learning = Learning(AdaptiveLimit(aimd(initial=1), overload=lambda error: bool(error.args[5])))
    learning.error = ValueError()
    for _ in range(3):
        with pytest.raises(IndexError):
            learning.call()
    assert learning.limit.snapshot()["in_flight"] == 0


@pytest.mark.parametrize("policy", [Timeout(0.001), Deadline(0.001)])
def test_calls_that_ran_out_of_time_teach_that_it_was_too_much(policy: Any) -> None:
    limit = AdaptiveLimit(aimd())
    guard = Guard(*((policy, limit) if isinstance(policy, Deadline) else (limit, policy)))

    async def main() -> None:
        never = asyncio.Event()
        guarded = guard(never.wait)
        ended = await asyncio.gather(*(guarded() for _ in range(10)), return_exceptions=True)
        assert all(isinstance(error, TimeoutError) for error in ended)

    asyncio.run(main())
    assert limit.limit == 9
    assert limit.snapshot()["in_flight"] == 0


def test_a_plain_call_that_ran_out_of_time_teaches_too() -> None:
    limit, goes_on = AdaptiveLimit(aimd()), threading.Event()
    guard = Guard(limit, Timeout(0.001, workers=20))
    for _ in range(10):
        with pytest.raises(CallTimeoutError):
            guard.call(lambda: goes_on.wait(PATIENCE_S))
    goes_on.set()
    assert limit.limit == 9


def test_beyond_the_limit_calls_wait_in_a_bounded_queue_or_are_refused(pool: ThreadPoolExecutor) -> None:
    facts, told, goes_on = Stream(), list[Fact](), threading.Event()
    facts.subscribe(told.append)
    limit = AdaptiveLimit(aimd(initial=1, maximum=1), queue=1, wait_s=PATIENCE_S)
    guard = Guard(limit, name="api", facts=facts)
    guarded = guard(lambda: goes_on.wait(PATIENCE_S))
    first = pool.submit(guarded)
    until(lambda: limit.snapshot()["in_flight"] == 1)
    second = pool.submit(guarded)
    until(lambda: limit.snapshot()["waiting"] == 1)
    with pytest.raises(LimitReachedError, match="guard 'api': the concurrency limit is reached"):
        guarded()
    goes_on.set()
    assert first.result(PATIENCE_S)
    assert second.result(PATIENCE_S)
    assert limit.snapshot() == {"limit": 1, "in_flight": 0, "waiting": 0, "refused": 1}
    assert facts.flush(PATIENCE_S)
    assert [fact.policy for fact in told if isinstance(fact, CallRefused)] == ["AdaptiveLimit"]


def test_those_who_wait_are_admitted_when_the_limit_grows(pool: ThreadPoolExecutor) -> None:
    goes_on = threading.Event()
    limit = AdaptiveLimit(aimd(initial=1), queue=5, wait_s=PATIENCE_S)
    guarded = limit(lambda: goes_on.wait(PATIENCE_S))
    calls = [pool.submit(guarded) for _ in range(3)]
    until(lambda: limit.snapshot()["waiting"] == 2)
    limit.reconfigure(algorithm=aimd(initial=3, minimum=3))
    until(lambda: limit.snapshot()["in_flight"] == 3)
    goes_on.set()
    assert all(call.result(PATIENCE_S) for call in calls)


def test_what_was_learned_stays_when_options_change() -> None:
    learning = Learning(AdaptiveLimit(aimd()))
    learning.error = TimeoutError()
    learning.calls(19)
    learned = learning.limit.limit
    learning.limit.reconfigure(queue=5)
    after_queue = learning.limit.limit
    learning.limit.reconfigure(algorithm=aimd(initial=50))
    after_initial = learning.limit.limit
    learning.limit.reconfigure(algorithm=Vegas(initial=50))
    after_other = learning.limit.limit
    learning.limit.reconfigure(algorithm=Gradient2(initial=20, minimum=20))
    assert (learned, after_queue, after_initial, after_other, learning.limit.limit) == (8, 8, 8, 8, 20)


def test_an_impossible_change_changes_nothing() -> None:
    limit = AdaptiveLimit(aimd())
    with pytest.raises(InputError):
        limit.reconfigure(algorithm=Vegas(), queue=-1)
    assert (limit.queue, limit.algorithm) == (0, aimd())


def test_a_learned_limit_that_is_lower_than_what_runs_ends_nobody(pool: ThreadPoolExecutor) -> None:
    goes_on = threading.Event()
    limit = AdaptiveLimit(aimd(initial=4))
    guarded = limit(lambda: goes_on.wait(PATIENCE_S))
    calls = [pool.submit(guarded) for _ in range(4)]
    until(lambda: limit.snapshot()["in_flight"] == 4)
    limit.reconfigure(algorithm=aimd(initial=2, maximum=2))
    with pytest.raises(LimitReachedError):
        guarded()
    assert limit.snapshot()["in_flight"] == 4
    goes_on.set()
    assert all(call.result(PATIENCE_S) for call in calls)
    assert limit.snapshot()["in_flight"] == 0


def test_under_stress_no_slot_is_lost_and_none_is_doubled() -> None:
    limit = AdaptiveLimit(aimd(initial=3, minimum=2, maximum=4, timeout_s=10.0), queue=20, wait_s=PATIENCE_S)
    lock, held, most = threading.Lock(), [0], [0]

    @limit
    def work(turn: int) -> None:
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])
        with lock:
            held[0] -= 1
        if turn % 7 == 0:
            raise TimeoutError

    def caller() -> None:
        for turn in range(200):
            try:
                work(turn)
            except TimeoutError:
                continue

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert most[0] <= 4
    assert limit.snapshot()["in_flight"] == 0
    assert limit.snapshot()["waiting"] == 0
    assert limit.limit in {2, 3, 4}
