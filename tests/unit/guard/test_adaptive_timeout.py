"""What an adaptive timeout promises: a limit that follows the latencies it saw, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bascule.guard import AdaptiveTimeout, CallTimeoutError, Deadline, DeadlineExceededError, Guard, Stream, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError

SOON_S = 0.02


class Service:
    """Takes as long as it is told, on a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self.world = World.fake(self.clock, LoadedDice([]))

    async def take(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def take_plain(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def fail(self) -> None:
        self.clock.advance(5.0)
        raise ConnectionError

    def guard(self, timeout: AdaptiveTimeout) -> Guard[Any]:
        return Guard(timeout, world=self.world, facts=Stream())


@pytest.fixture
def service() -> Service:
    return Service()


async def forever() -> None:
    await asyncio.Event().wait()


def test_it_stands_at_its_most_until_enough_is_known(service: Service) -> None:
    timeout = AdaptiveTimeout(50.0, factor=2.0, minimum_calls=3, most_s=60.0)
    call = service.guard(timeout)(service.take)

    async def main() -> None:
        limits = [timeout.limit()]
        for seconds in (1.0, 2.0, 3.0):
            await call(seconds)
            limits.append(timeout.limit())
        assert limits == [60.0, 60.0, 60.0, 4.0]

    asyncio.run(main())
    assert timeout.snapshot() == {"limit_s": 4.0, "timeouts": 0, "abandoned": 0, "known": 3}


def test_plain_functions_teach_it_too(service: Service) -> None:
    timeout = AdaptiveTimeout(100.0, factor=3.0, minimum_calls=1)
    service.guard(timeout).call(service.take_plain, 1.0)
    assert timeout.limit() == 3.0


@pytest.mark.parametrize(("took_s", "limit_s"), [(0.001, 0.5), (100.0, 8.0), (1.0, 2.0)])
def test_it_keeps_within_its_bounds(service: Service, took_s: float, limit_s: float) -> None:
    timeout = AdaptiveTimeout(minimum_calls=1, least_s=0.5, most_s=8.0)
    service.guard(timeout).call(service.take_plain, took_s)
    assert timeout.limit() == limit_s


def test_errors_and_cancellations_teach_it_nothing(service: Service) -> None:
    timeout = AdaptiveTimeout(minimum_calls=1)
    guard = service.guard(timeout)

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await guard(service.fail)()
        task = asyncio.create_task(guard(forever)())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert timeout.snapshot()["known"] == 0


def test_a_call_that_ran_out_of_time_counts_as_having_taken_its_limit() -> None:
    timeout = AdaptiveTimeout(100.0, factor=2.0, minimum_calls=1, least_s=SOON_S, most_s=SOON_S)

    async def main() -> None:
        with pytest.raises(CallTimeoutError) as caught:
            await timeout(forever)()
        assert caught.value.limit_s == SOON_S

    asyncio.run(main())
    timeout.reconfigure(most_s=10.0)
    assert timeout.limit() == 2 * SOON_S
    assert timeout.snapshot()["timeouts"] == 1


def test_a_deadline_that_comes_first_teaches_it_nothing() -> None:
    timeout = AdaptiveTimeout(minimum_calls=1, most_s=SOON_S, least_s=SOON_S)

    async def main() -> None:
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S), timeout)(forever)()

    asyncio.run(main())
    assert timeout.snapshot()["known"] == 0


def test_the_latest_latencies_decide(service: Service) -> None:
    timeout = AdaptiveTimeout(100.0, factor=1.0, window=4, minimum_calls=4, most_s=60.0)
    call = service.guard(timeout)(service.take_plain)
    for seconds in (9.0, 1.0, 1.0, 1.0):
        call(seconds)
    assert timeout.limit() == 9.0
    call(1.0)
    assert timeout.limit() == 1.0


def test_options_change_and_what_was_learned_stays(service: Service) -> None:
    timeout = AdaptiveTimeout(100.0, factor=1.0, minimum_calls=1, most_s=60.0)
    service.guard(timeout).call(service.take_plain, 2.0)
    timeout.reconfigure(factor=3.0)
    assert timeout.limit() == 6.0
    timeout.reconfigure(most_s=5.0)
    assert timeout.limit() == 5.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percentile": 0}, r"AdaptiveTimeout\.percentile: 0 must be a number above 0 and at most 100"),
        ({"percentile": 101}, r"AdaptiveTimeout\.percentile: 101 "),
        ({"factor": 0.5}, r"AdaptiveTimeout\.factor: 0\.5 must be a number of at least 1"),
        ({"least_s": 0}, r"AdaptiveTimeout\.least_s: 0 "),
        ({"least_s": 20.0}, r"AdaptiveTimeout\.least_s: 20\.0 must be at most most_s, which is 10\.0"),
        ({"most_s": float("inf")}, r"AdaptiveTimeout\.most_s: inf "),
        ({"window": 0}, r"AdaptiveTimeout\.window: 0 "),
        (
            {"window": 10, "minimum_calls": 11},
            r"AdaptiveTimeout\.minimum_calls: 11 must be .* from 1 to 10",
        ),
        ({"workers": 0}, r"AdaptiveTimeout\.workers: 0 "),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AdaptiveTimeout(**options)
