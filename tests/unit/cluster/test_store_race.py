"""Several servers, one answer: nobody's silence holds it up, and no doubt is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bascule.cluster.stores.race import DoubtError, Race, RefusedError, Servers
from bascule.kernel.errors import StoreError

Ask = Callable[[int], Awaitable[int | None]]
REFUSED, DOUBT, SILENT, OUTRUN = "refused", "doubt", "silent", "outrun"


class Scripted:
    """Servers that do what was said of them; a silent one does so until it is told to go on."""

    def __init__(self, *parts: str | int) -> None:
        self.parts = list(parts)
        self.asked: list[int] = []
        self.goes_on = asyncio.Event()
        self.two_were_asked = asyncio.Event()

    async def __call__(self, number: int) -> int | None:
        self.asked.append(number)
        if len(self.asked) == 2:
            self.two_were_asked.set()
        part = self.parts[number]
        if isinstance(part, str) and part.startswith(SILENT):
            await self.goes_on.wait()
            part = part.removeprefix(SILENT).strip()
        if part == REFUSED:
            raise RefusedError(f"{number} refused")
        if part == DOUBT:
            raise DoubtError(f"{number} is in doubt")
        return None if part == OUTRUN else int(part)


def run(servers: Scripted, *, may_repeat: bool, pause_s: float = 0.01) -> tuple[int, int | None]:
    async def body() -> tuple[int, int | None]:
        race = Race(servers, range(len(servers.parts)), pause_s=pause_s, may_repeat=may_repeat)
        return await asyncio.wait_for(race.run(), 5)

    return asyncio.run(body())


@pytest.mark.parametrize("may_repeat", [False, True])
def test_the_first_that_answers_is_the_only_one_asked(*, may_repeat: bool) -> None:
    servers = Scripted(7, 8, 9)
    assert run(servers, may_repeat=may_repeat) == (0, 7)
    assert servers.asked == [0]


@pytest.mark.parametrize("may_repeat", [False, True])
def test_a_refusal_leads_on(*, may_repeat: bool) -> None:
    servers = Scripted(REFUSED, REFUSED, 9)
    assert run(servers, may_repeat=may_repeat) == (2, 9)


def test_all_refusals_are_told() -> None:
    with pytest.raises(RefusedError, match="0 refused; 1 refused"):
        run(Scripted(REFUSED, REFUSED), may_repeat=True)


def test_doubt_leads_on_only_where_the_question_may_be_repeated() -> None:
    assert run(Scripted(DOUBT, 8), may_repeat=True) == (1, 8)
    servers = Scripted(DOUBT, 8)
    with pytest.raises(DoubtError):
        run(servers, may_repeat=False)
    assert servers.asked == [0]


def test_somebody_who_was_faster_may_be_our_own_first_try() -> None:
    with pytest.raises(DoubtError):
        run(Scripted(DOUBT, OUTRUN), may_repeat=True)


def test_somebody_who_was_faster_is_told_where_nothing_is_in_doubt() -> None:
    assert run(Scripted(REFUSED, OUTRUN, 9), may_repeat=True) == (1, None)


def test_a_silent_server_is_not_waited_for_alone() -> None:
    assert run(Scripted(SILENT, 8), may_repeat=True) == (1, 8)


def test_a_silent_server_is_waited_for_alone_by_what_may_not_be_repeated() -> None:
    servers = Scripted(SILENT, 8)
    with pytest.raises(TimeoutError):
        asyncio.run(
            asyncio.wait_for(Race(servers, range(2), pause_s=0.001, may_repeat=False).run(), 0.1),
        )
    assert servers.asked == [0]


@pytest.mark.parametrize(
    ("late", "comes_to"),
    [("5", (0, 5)), (OUTRUN, (0, None)), (REFUSED, (1, None)), (DOUBT, None)],
)
def test_the_silent_one_has_the_last_word_on_who_was_faster(late: str, comes_to: tuple[int, int | None] | None) -> None:
    async def body() -> tuple[int, int | None]:
        servers = Scripted(f"{SILENT} {late}", OUTRUN, 9)
        racing = asyncio.ensure_future(Race(servers, range(3), pause_s=0.01, may_repeat=True).run())
        await asyncio.wait_for(servers.two_were_asked.wait(), 5)
        await asyncio.wait({racing}, timeout=0.05)
        assert not racing.done()
        servers.goes_on.set()
        try:
            return await asyncio.wait_for(racing, 5)
        finally:
            assert servers.asked == [0, 1], "after one that answered nobody else is asked"

    if comes_to is None:
        with pytest.raises(DoubtError):
            asyncio.run(body())
    else:
        assert asyncio.run(body()) == comes_to


def test_what_is_no_matter_of_one_server_ends_the_race() -> None:
    async def ask(_: int) -> int | None:
        raise StoreError("wrong password")

    with pytest.raises(StoreError, match="wrong password"):
        asyncio.run(Race(ask, range(3), pause_s=1, may_repeat=True).run())


def test_a_cancelled_race_cancels_its_tries() -> None:
    begun, ended = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def ask(_: int) -> int | None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()
        return None

    async def body() -> None:
        racing = asyncio.ensure_future(Race(ask, range(3), pause_s=0.001, may_repeat=True).run())
        for _ in range(3):
            await begun.acquire()
        racing.cancel()
        await asyncio.wait({racing})
        for _ in range(3):
            await ended.acquire()

    asyncio.run(asyncio.wait_for(body(), 5))


def test_who_answered_last_is_asked_first_and_who_failed_is_not() -> None:
    async def body() -> None:
        servers = Servers("test", 3, timeout_s=0.2, secrets=[])
        answers = Scripted(REFUSED, 8, 9)
        assert await servers.ask(answers, may_repeat=True) == 8
        assert servers.order() == [1, 2, 0]
        with pytest.raises(StoreError, match="no answer within"):
            await servers.ask(Scripted(SILENT, SILENT, SILENT), may_repeat=True)
        assert servers.order() == [2, 0, 1]

    asyncio.run(body())


def test_an_error_shows_no_secret() -> None:
    async def ask(_: int) -> int | None:
        raise RefusedError("login as sesame failed\nwith more\n")

    async def body() -> None:
        await Servers("test", 1, timeout_s=1, secrets=["", "sesame"]).ask(ask, may_repeat=True)

    with pytest.raises(StoreError) as told:
        asyncio.run(body())
    assert str(told.value) == "test: login as *** failed with more"
