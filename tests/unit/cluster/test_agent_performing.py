from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from bascule.cluster import facts
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.agent.performing import Performer
from bascule.cluster.decisions import events
from bascule.cluster.decisions.events import Event
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError, ConflictError, FenceError
from bascule.kernel.facts import Fact

FAR_S = 1e9


class Spy:
    """An actuator that writes down what it was asked, and does what a test says."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary
        self.promoting: Exception | None = None
        self.demoting: Exception | None = None
        self.hangs = False
        self.seen: Seen = "active"
        self.until_s: list[float] = []
        self.cancelled = asyncio.Event()
        self.began = asyncio.Event()
        self.began_demotion = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def promote(self, term: Term) -> None:
        self.diary.append(f"{self.name} promote {term.token}")
        self.began.set()
        if self.hangs:
            await self._hang()
        if self.promoting is not None:
            raise self.promoting
        self.seen = "active"

    async def _hang(self) -> None:
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def extend(self, term: Term) -> None:
        self.until_s.append(term.until_s)
        if self.seen == "passive":
            raise ActuatorError("it is no longer here", where=self.name)

    async def demote(self) -> None:
        self.diary.append(f"{self.name} demote")
        self.began_demotion.set()
        if self.hangs:
            await self._hang()
        if self.demoting is not None:
            raise self.demoting

    async def look(self) -> Seen:
        return self.seen

    async def close(self) -> None:
        self.diary.append(f"{self.name} close")

    def announce(self) -> None:
        self.diary.append(f"{self.name} announce")


class Scene:
    """A performer with two spies on one group."""

    def __init__(self, *, promote_s: float = 5.0, demote_s: float = 5.0, verify_s: float = 60.0) -> None:
        self.diary: list[str] = []
        self.first, self.second = Spy("first", self.diary), Spy("second", self.diary)
        self.heard: asyncio.Queue[Event] = asyncio.Queue()
        self.facts: asyncio.Queue[Fact] = asyncio.Queue()
        self.held: list[Mapping[str, float]] = []
        self.fenced: list[str] = []
        self.performer = Performer(
            "c",
            "a",
            {"g": [self.first, self.second]},
            clock=BootClock(),
            publish=self.facts.put_nowait,
            fence=self._fence,
            on_hold=self.held.append,
            promote_s=promote_s,
            demote_s=demote_s,
            verify_s=verify_s,
        )

    async def _fence(self, peer: str, group: str) -> None:
        self.fenced.append(f"{peer} {group}")
        if peer == "stubborn":
            raise FenceError("no answer")

    def hear(self, event: Event) -> None:
        self.heard.put_nowait(event)

    async def next(self) -> Event:
        async with asyncio.timeout(10):
            return await self.heard.get()

    async def fact(self) -> Fact:
        async with asyncio.timeout(10):
            return await self.facts.get()

    def promote(self, until_s: float = FAR_S) -> None:
        self.performer.promote("g", 7, until_s, self.hear)

    def demote(self, until_s: float = float("inf")) -> None:
        self.performer.demote("g", 7, until_s, "why", self.hear)


def test_actuators_are_promoted_in_order_and_undone_in_reverse() -> None:
    async def play() -> None:
        scene = Scene()
        scene.promote()
        assert await scene.next() == events.Promoted(group="g")
        assert scene.performer.is_active("g")
        scene.demote()
        assert await scene.next() == events.Demoted(group="g")
        assert scene.diary == ["first promote 7", "second promote 7", "second demote", "first demote"]
        assert scene.held == [{"g": FAR_S}, {}]
        await scene.performer.close()

    asyncio.run(play())


@pytest.mark.parametrize(("error", "conflict"), [(ConflictError("a stranger"), True), (ActuatorError("no"), False)])
def test_a_promotion_that_fails_says_why(error: Exception, conflict: bool) -> None:
    async def play() -> None:
        scene = Scene()
        scene.second.promoting = error
        scene.promote()
        told = await scene.next()
        assert told == events.PromotingFailed(group="g", why=f"second: {error}", conflict=conflict)
        await scene.performer.close()

    asyncio.run(play())


def test_a_promotion_that_hangs_is_broken_off() -> None:
    async def play() -> None:
        scene = Scene(promote_s=0.05)
        scene.first.hangs = True
        scene.promote()
        told = await scene.next()
        assert isinstance(told, events.PromotingFailed)
        assert "longer than 0.05 s" in told.why
        assert scene.first.cancelled.is_set()
        await scene.performer.close()

    asyncio.run(play())


def test_a_demotion_ends_a_promotion_that_is_still_going_on() -> None:
    async def play() -> None:
        scene = Scene()
        scene.second.hangs = True
        scene.promote()
        async with asyncio.timeout(10):
            await scene.second.began.wait()
        scene.second.hangs = False
        scene.demote()
        assert await scene.next() == events.Demoted(group="g")
        assert scene.second.cancelled.is_set()
        await scene.performer.close()

    asyncio.run(play())


def test_every_actuator_is_undone_although_another_one_cannot_be() -> None:
    async def play() -> None:
        scene = Scene()
        scene.promote()
        await scene.next()
        scene.second.demoting = ActuatorError("stuck")
        scene.demote()
        assert await scene.next() == events.DemotingFailed(group="g", why="second: stuck")
        assert scene.diary[-1] == "first demote"
        assert scene.performer.is_active("g")
        await scene.performer.close()

    asyncio.run(play())


def test_a_demotion_at_the_end_of_a_lease_has_no_more_time_than_that() -> None:
    async def play() -> None:
        scene = Scene(demote_s=3600)
        scene.promote()
        await scene.next()
        scene.second.hangs = True
        scene.demote(until_s=BootClock().monotonic_s() + 0.05)
        told = await scene.next()
        assert isinstance(told, events.DemotingFailed)
        assert "second: it took longer" in told.why
        await scene.performer.close()

    asyncio.run(play())


def test_a_renewal_reaches_the_actuators_of_active_groups_and_never_goes_back() -> None:
    async def play() -> None:
        scene = Scene()
        scene.performer.extend(5.0)
        scene.promote(until_s=10.0)
        await scene.next()
        scene.performer.extend(20.0)
        scene.performer.extend(15.0)
        assert scene.first.until_s == [20.0]
        assert scene.held[-1] == {"g": 20.0}
        scene.performer.announce()
        assert scene.diary[-2:] == ["first announce", "second announce"]
        await scene.performer.close()

    asyncio.run(play())


def test_what_somebody_undid_is_done_again_and_told() -> None:
    async def play() -> None:
        scene = Scene(verify_s=0.001)
        scene.promote()
        await scene.next()
        scene.first.seen = "passive"
        assert isinstance(await scene.fact(), facts.ActuatorMended)
        scene.first.promoting = ActuatorError("no more")
        scene.first.seen = "passive"
        assert await scene.next() == events.ActingFailed(group="g", why="first: no more")
        await scene.performer.close()

    asyncio.run(play())


def test_a_fence_is_confirmed_or_not() -> None:
    async def play() -> None:
        scene = Scene()
        scene.performer.fence("b", "s1", "g", scene.hear)
        assert await scene.next() == events.Fenced(peer="b", session="s1", confirmed=True)
        scene.performer.fence("stubborn", "s2", "g", scene.hear)
        assert await scene.next() == events.Fenced(peer="stubborn", session="s2", confirmed=False, why="no answer")
        await scene.performer.close()

    asyncio.run(play())


def test_what_an_earlier_process_left_is_undone_first() -> None:
    async def play() -> None:
        scene = Scene()
        await scene.performer.undo_leftovers()
        assert scene.diary == ["second demote", "first demote"]
        await scene.performer.give_up()
        assert scene.diary[-2:] == ["first close", "second close"]

    asyncio.run(play())


def test_what_cannot_be_extended_is_done_once_more() -> None:
    async def body() -> None:
        scene = Scene()
        scene.promote()
        assert isinstance(await scene.next(), events.Promoted)
        scene.first.seen = "passive"
        scene.performer.extend(FAR_S + 1)
        scene.performer.extend(FAR_S + 2)
        mended = await scene.fact()
        assert isinstance(mended, facts.ActuatorMended)
        assert mended.actuator == "first"
        assert scene.diary.count("first promote 7") == 2
        assert scene.heard.empty()
        await scene.performer.close()

    asyncio.run(body())


def test_what_can_neither_be_extended_nor_done_again_is_heard_of_once() -> None:
    async def body() -> None:
        scene = Scene()
        scene.promote()
        assert isinstance(await scene.next(), events.Promoted)
        scene.first.seen, scene.first.promoting = "passive", ActuatorError("the interface is gone")
        scene.performer.extend(FAR_S + 1)
        failed = await scene.next()
        assert failed == events.ActingFailed(
            group="g", why="first: it is no longer here; once more: first: the interface is gone"
        )
        await scene.performer.close()

    asyncio.run(body())


def test_a_demotion_breaks_off_what_is_being_mended() -> None:
    async def body() -> None:
        scene = Scene()
        scene.promote()
        assert isinstance(await scene.next(), events.Promoted)
        scene.first.seen, scene.first.hangs = "passive", True
        scene.first.began.clear()
        scene.performer.extend(FAR_S + 1)
        await scene.first.began.wait()
        scene.first.hangs = False
        scene.performer.demote("g", 7, FAR_S, "told", scene.hear)
        assert isinstance(await scene.next(), events.Demoted)
        assert scene.first.cancelled.is_set()
        assert scene.facts.empty()
        await scene.performer.close()

    asyncio.run(body())


def test_leftovers_that_cannot_be_undone_are_told_in_the_actuators_words() -> None:
    async def body() -> None:
        scene = Scene()
        scene.first.demoting = ActuatorError("not permitted", where="first", hint="give the agent CAP_NET_ADMIN")
        with pytest.raises(ActuatorError, match="first: not permitted") as told:
            await scene.performer.undo_leftovers()
        assert "CAP_NET_ADMIN" in str(told.value)
        await scene.performer.close()

    asyncio.run(body())


def test_a_demotion_that_begins_after_the_validity_is_given_its_whole_time() -> None:
    async def body() -> None:
        scene = Scene(demote_s=30.0)
        scene.promote()
        assert isinstance(await scene.next(), events.Promoted)
        scene.second.hangs = True
        scene.second.began_demotion.clear()
        scene.demote(until_s=BootClock().monotonic_s() - 1)
        await scene.second.began_demotion.wait()
        await asyncio.wait([asyncio.ensure_future(scene.second.cancelled.wait())], timeout=0.3)
        assert not scene.second.cancelled.is_set(), "it is not broken off after a moment"
        scene.second.goes_on.set()
        assert isinstance(await scene.next(), events.Demoted)
        await scene.performer.close()

    asyncio.run(body())


def test_what_the_guardian_undid_is_made_active_again_while_the_term_holds() -> None:
    async def body() -> None:
        scene = Scene()
        scene.promote()
        assert isinstance(await scene.next(), events.Promoted)
        scene.performer.restore("g", "the guardian undid it")
        assert {type(await scene.fact()) for _ in range(2)} == {facts.ActuatorMended}
        assert scene.diary.count("second promote 7") == 2
        await scene.performer.close()

    asyncio.run(body())


def test_nothing_is_made_active_again_after_the_term_or_while_it_is_being_given_up() -> None:
    async def body() -> None:
        scene = Scene()
        scene.promote(until_s=BootClock().monotonic_s() - 1)
        assert isinstance(await scene.next(), events.Promoted)
        scene.performer.restore("g", "the guardian undid it")
        scene.performer.restore("unknown", "the guardian undid it")
        scene.performer.extend(FAR_S)
        scene.first.demoting = ActuatorError("it goes on")
        scene.demote()
        assert isinstance(await scene.next(), events.DemotingFailed)
        scene.performer.restore("g", "the guardian undid it")
        assert scene.diary.count("first promote 7") == 1
        await scene.performer.close()

    asyncio.run(body())
