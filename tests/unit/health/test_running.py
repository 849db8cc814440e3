"""One run of a check at a time; a hung one holds up nothing and nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bascule.health import Check, Health
from bascule.health.facts import CheckFailed, CheckRecovered
from bascule.health.running import Waiting
from bascule.kernel.clock import FakeClock
from bascule.kernel.facts import Bus, Fact


def until(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("bascule-health")]


class Gate:
    """A check that hangs until it is let go, and counts its runs."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.runs = 0
        self.together = 0
        self.most_together = 0

    def __call__(self) -> None:
        self.runs += 1
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        self.open.wait(30)
        self.together -= 1


def test_a_hung_check_is_told_as_hung_and_has_one_thread() -> None:
    gate, clock, facts = Gate(), FakeClock(), list[Fact]()
    bus = Bus()
    bus.subscribe(facts.append)
    health = Health(clock=clock, bus=bus)
    health.add("disk", Check(gate, "dependency"), timeout_s=0.05, fresh_s=0)
    health.add("other", Check(lambda: True, "dependency"))
    report = health.ask("ready")
    assert [(each.name, each.status) for each in report.checks] == [("disk", "fail"), ("other", "pass")]
    assert report.checks[0].error.startswith("hung: no answer for 0.1 s")
    for _ in range(5):
        clock.advance(1.0)
        report = health.ask("ready")  # waits for nothing: the time of this run is over
    assert report.checks[0].error == "hung: no answer for 5.0 s (limit 0.05 s)"
    assert (gate.runs, len(workers())) == (1, 1)
    gate.open.set()
    until(lambda: not workers())
    # It came back too late to count; the next run may do better.
    assert health.ask("ready").is_ok
    assert gate.runs == 2
    assert [type(each) for each in facts if isinstance(each, CheckFailed | CheckRecovered)] == [
        CheckFailed,
        CheckRecovered,
    ]


def test_a_hung_check_does_not_block_the_event_loop() -> None:
    gate, turns = Gate(), 0
    health = Health()
    health.add("disk", Check(gate, "dependency"), timeout_s=0.2)

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        turning = asyncio.create_task(turn())
        report = await health.ask_async("ready")
        turning.cancel()
        assert not report.is_ok

    asyncio.run(main())
    assert turns > 10
    gate.open.set()
    until(lambda: not workers())


def test_askers_share_one_running_check() -> None:
    gate = Gate()
    health = Health()
    health.add("database", Check(gate, "dependency"), timeout_s=20, fresh_s=0)

    async def many() -> list[bool]:
        reports = await asyncio.gather(*(health.ask_async("ready") for _ in range(20)))
        return [each.is_ok for each in reports]

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(health.ask, "ready") for _ in range(10)]
        loops = [pool.submit(asyncio.run, many()) for _ in range(2)]
        until(lambda: gate.runs == 1)
        gate.open.set()
        assert all(each.result(20).is_ok for each in asked)
        assert all(all(each.result(20)) for each in loops)
    assert gate.most_together == 1
    until(lambda: not workers())


def test_a_cancelled_asker_disturbs_no_other_one() -> None:
    async def main() -> None:
        go = asyncio.Event()
        ended: list[str] = []

        async def slow() -> None:
            try:
                await go.wait()
                ended.append("answered")
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        health = Health()
        health.add("slow", Check(slow, "dependency"), timeout_s=20)
        first, second = (asyncio.create_task(health.ask_async("ready")) for _ in range(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        go.set()
        assert (await second).is_ok
        assert ended == ["answered"]

    asyncio.run(main())


def test_a_hung_coroutine_is_cancelled_and_told() -> None:
    async def main() -> None:
        cancelled = asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        health = Health()
        health.add("slow", Check(hang, "dependency"), timeout_s=0.05)
        report = await health.ask_async("ready")
        assert report.checks[0].error.startswith("hung: no answer for 0.")
        await asyncio.wait_for(cancelled.wait(), 10)

    asyncio.run(main())


def test_a_coroutine_that_refuses_to_be_cancelled_holds_up_nobody() -> None:
    async def main() -> None:
        free = asyncio.Event()

        async def stubborn() -> None:
            while not free.is_set():
                try:
                    await free.wait()
                except asyncio.CancelledError:
                    stubborn_cancels.append(1)

        stubborn_cancels: list[int] = []
        health = Health()
        health.add("slow", Check(stubborn, "dependency"), timeout_s=0.05, fresh_s=0)
        for _ in range(3):
            assert not (await health.ask_async("ready")).is_ok
        assert len(stubborn_cancels) <= 1
        free.set()

    asyncio.run(main())


def test_a_thread_may_ask_a_coroutine_check() -> None:
    async def fine() -> bool:
        await asyncio.sleep(0)
        return True

    health = Health()
    health.add("fine", Check(fine, "dependency"))
    assert health.ask("ready").is_ok


def test_a_loop_that_ends_takes_its_run_along_and_nothing_else() -> None:
    begun: list[asyncio.Event] = []

    async def check() -> None:
        for each in begun:
            each.set()
            await asyncio.Event().wait()

    facts: list[Fact] = []
    health = Health()
    health.bus.subscribe(facts.append)
    health.add("check", Check(check, "dependency"), timeout_s=20)

    async def ends_early() -> None:
        begun.append(asyncio.Event())
        asking = asyncio.create_task(health.ask_async("ready"))
        await begun[0].wait()
        asking.cancel()
        begun.clear()

    asyncio.run(ends_early())
    assert facts == [], "that a loop ended says nothing about what the check asks"
    assert health.ask("ready").is_ok


def test_a_loop_that_is_closed_before_the_check_began_blocks_no_later_run() -> None:
    async def fine() -> None:
        return None

    health = Health()
    health.add("fine", Check(fine, "dependency"), timeout_s=20)
    loop = asyncio.new_event_loop()
    asking = loop.create_task(health.ask_async("ready"))
    loop.run_until_complete(_one_turn())
    for each in asyncio.all_tasks(loop):
        each.cancel()
    loop.run_until_complete(asyncio.wait({asking}))
    loop.close()
    assert health.ask("ready").is_ok


async def _one_turn() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (True, ""),
        (None, ""),
        (False, "said no"),
        ("yes", "returned str, which is neither None nor a truth value"),
        (0, "returned int, which is neither None nor a truth value"),
    ],
)
def test_only_none_and_true_pass(answer: object, error: str) -> None:
    async def say() -> object:
        return answer

    health = Health()
    health.add("plain", Check(lambda: answer, "process"))  # type: ignore[arg-type] # that is tested
    health.add("awaited", Check(say, "process"))  # type: ignore[arg-type] # that is tested
    report = asyncio.run(health.ask_async("ready"))
    assert [each.error for each in report.checks] == [error, error]


def test_a_coroutine_that_a_plain_function_returns_does_not_pass() -> None:
    async def ping() -> bool:
        return True

    health = Health()
    health.add("lambda", Check(lambda: ping(), "process"))  # noqa: PLW0108 - it hides that it must be awaited
    report = health.ask("ready")
    assert "register a coroutine function" in report.checks[0].error


def test_whatever_a_check_raises_is_its_answer() -> None:
    def leaves() -> None:
        raise SystemExit(1)

    async def own_timeout() -> None:
        raise TimeoutError("mine")

    health = Health()
    health.add("leaves", Check(leaves, "process"))
    health.add("timeout", Check(own_timeout, "process"))
    report = asyncio.run(health.ask_async("ready"))
    assert [each.error for each in report.checks] == ["SystemExit: 1", "TimeoutError: mine"]


def test_a_process_that_gets_no_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    health = Health()
    health.add("check", Check(lambda: True, "process"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert health.ask("ready").checks[0].error == "RuntimeError: can't start new thread"


def test_waiting_is_over_for_who_comes_late() -> None:
    waiting = Waiting()
    assert not waiting.wait(0.0)
    assert not asyncio.run(waiting.wait_async(0.0))
    waiting.done()
    waiting.done()
    assert waiting.wait(0.0)
    assert asyncio.run(waiting.wait_async(0.0))
