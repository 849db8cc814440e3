from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

from bascule.cluster.agent.guardian import Ear, Held, Undoing, Watch, guard
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError

CLOCK = BootClock()


def test_what_is_held_is_due_when_its_validity_ends_and_only_once() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0, "b": 12.0}))
    assert watch.next_s() == 10.0
    assert watch.due(9.99) == ()
    assert watch.due(10.0) == ("a",)
    assert watch.due(11.0) == ()
    assert watch.due(12.0) == ("b",)
    assert watch.next_s() is None


def test_a_renewal_moves_the_end() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held(until_s={"a": 20.0}))
    assert watch.due(15.0) == ()
    assert watch.due(20.0) == ("a",)


def test_a_group_that_is_given_back_is_not_due() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held())
    assert watch.due(100.0) == ()
    assert watch.gone() == {}


def test_all_that_is_held_is_due_when_the_agent_is_gone() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0, "b": 12.0}))
    assert watch.gone() == {"a": 10.0, "b": 12.0}
    assert watch.over
    assert watch.due(100.0) == ()


def test_nothing_is_due_after_a_goodbye() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held(goodbye=True))
    assert watch.over
    assert watch.gone() == {}


class Actuators:
    """Writes down what is undone; the first so many tries fail."""

    def __init__(self, failures: int = 0) -> None:
        self.groups: list[str] = []
        self.told: list[str] = []
        self.hangs: set[str] = set()
        self.begun: list[str] = []
        self.any = asyncio.Event()
        self._failures = failures

    async def undo(self, group: str, within_s: float) -> None:
        assert within_s > 0
        self.begun.append(group)
        if group in self.hangs:
            await asyncio.Event().wait()
        if group == "unknown":
            raise KeyError(group)
        if self._failures:
            self._failures -= 1
            raise ActuatorError("it does not stop")
        self.groups.append(group)
        self.any.set()


def guarded(agent: Callable[[int, Actuators], Awaitable[None]], actuators: Actuators | None = None) -> list[str]:
    """What is undone while this agent speaks into the pipe, and after its end of it is closed."""

    async def body() -> list[str]:
        performer, watch = actuators or Actuators(), Watch()
        read, write = os.pipe()
        with os.fdopen(read, "rb") as pipe:
            ear = Ear(read, watch)
            await asyncio.get_running_loop().connect_read_pipe(lambda: ear, pipe)
            undoing = Undoing(cast("Any", performer), CLOCK, "a", undone=performer.told.append)
            guarding = asyncio.create_task(guard(ear, watch, undoing, CLOCK))
            try:
                await agent(write, performer)
            finally:
                os.close(write)
            await asyncio.wait_for(guarding, 30)
            return performer.groups

    return asyncio.run(body())


def say(pipe: int, **held: Any) -> None:
    os.write(pipe, msgspec.json.encode(Held(**held)) + b"\n")


@pytest.mark.parametrize("turns", range(8))
def test_what_was_said_before_the_end_counts_however_late_the_guardian_is(turns: int) -> None:
    """The process was not run while the validity ended: that the lease goes on lies in the pipe by then."""

    async def agent(pipe: int, _: Actuators) -> None:
        ends_s = CLOCK.monotonic_s() + 0.05
        say(pipe, until_s={"a": ends_s})
        for _turn in range(turns):
            await asyncio.sleep(0)  # it is heard, and waited for
        say(pipe, until_s={"a": ends_s + 3600})
        while CLOCK.monotonic_s() < ends_s + 0.01:
            pass  # nobody else runs
        for _turn in range(20):
            await asyncio.sleep(0)
        say(pipe, goodbye=True)

    assert guarded(agent) == []


def test_a_hung_agents_groups_are_undone_when_their_validity_ends() -> None:
    async def agent(pipe: int, undoing: Actuators) -> None:
        say(pipe, until_s={"a": CLOCK.monotonic_s() + 0.01, "b": CLOCK.monotonic_s() + 3600})
        await undoing.any.wait()
        assert undoing.groups == ["a"]
        say(pipe, goodbye=True)

    assert guarded(agent) == ["a"]


def test_a_dead_agents_groups_are_undone_at_once_and_again_until_it_succeeds() -> None:
    async def agent(pipe: int, _: Actuators) -> None:
        say(pipe, until_s={"a": CLOCK.monotonic_s() + 3600})

    assert guarded(agent, Actuators(failures=2)) == ["a"]


@pytest.mark.parametrize("rest", [b"", b"{", b"no words of ours\n"])
def test_a_dead_agents_last_words_may_be_cut_off_or_nonsense(rest: bytes) -> None:
    async def agent(pipe: int, _: Actuators) -> None:
        say(pipe, until_s={"a": CLOCK.monotonic_s() + 3600})
        os.write(pipe, rest)

    assert guarded(agent) == ["a"]


def test_a_long_line_comes_in_pieces() -> None:
    async def agent(pipe: int, _: Actuators) -> None:
        line = msgspec.json.encode(Held(until_s={f"group-{n}": CLOCK.monotonic_s() + 3600 for n in range(2000)}))
        for start in range(0, len(line), 4096):
            os.write(pipe, line[start : start + 4096])
            await asyncio.sleep(0)
        os.write(pipe, b"\n")

    assert len(guarded(agent)) == 2000


def test_a_group_that_hangs_holds_up_no_other_one() -> None:
    actuators = Actuators()
    actuators.hangs = {"a"}

    async def agent(pipe: int, undoing: Actuators) -> None:
        far_s = CLOCK.monotonic_s() + 3600
        say(pipe, until_s={"a": 0.0, "b": 0.0, "c": far_s})
        await undoing.any.wait()
        assert (undoing.begun, undoing.groups, undoing.told) == (["a", "b"], ["b"], ["b"])
        say(pipe, until_s={"c": far_s})  # the agent has undone what hangs here
        for _turn in range(20):
            await asyncio.sleep(0)

    assert guarded(agent, actuators) == ["b", "c"]


def test_a_group_that_the_file_does_not_have_holds_up_no_other_one() -> None:
    async def agent(pipe: int, _: Actuators) -> None:
        say(pipe, until_s={"unknown": CLOCK.monotonic_s() + 3600, "b": CLOCK.monotonic_s() + 3600})

    assert guarded(agent) == ["b"]


def test_what_the_agent_holds_anew_is_left_alone() -> None:
    actuators = Actuators()
    actuators.hangs = {"a"}

    async def agent(pipe: int, undoing: Actuators) -> None:
        say(pipe, until_s={"a": 0.0})
        for _turn in range(20):
            await asyncio.sleep(0)
        assert undoing.begun == ["a"]
        say(pipe, until_s={"a": CLOCK.monotonic_s() + 3600})
        for _turn in range(20):
            await asyncio.sleep(0)
        undoing.hangs = set()
        say(pipe, goodbye=True)

    assert guarded(agent, actuators) == []
