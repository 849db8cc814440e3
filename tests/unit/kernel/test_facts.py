"""The bus carries each fact to every listener; no listener can break it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest

from bascule.kernel.facts import Bus, Fact, ListenerFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElected(Fact):
    leader: str


FACT = LeaderElected(at_s=1.5, leader="paris")


def test_every_listener_hears_every_fact_in_order_of_subscription() -> None:
    bus, heard = Bus(), []
    bus.subscribe(lambda fact: heard.append(("first", fact)))
    bus.subscribe(lambda fact: heard.append(("second", fact)))
    bus.publish(FACT)
    assert heard == [("first", FACT), ("second", FACT)]


def test_who_unsubscribes_hears_no_more_and_may_do_so_twice() -> None:
    bus = Bus()
    heard: list[Fact] = []
    leave = bus.subscribe(heard.append)
    leave()
    leave()
    bus.publish(FACT)
    assert heard == []


def test_a_listener_may_leave_while_it_listens() -> None:
    bus = Bus()
    heard: list[Fact] = []
    leave = bus.subscribe(lambda _: leave())
    bus.subscribe(heard.append)
    bus.publish(FACT)
    bus.publish(FACT)
    assert heard == [FACT, FACT]


def test_a_failing_listener_becomes_a_fact_that_the_others_hear() -> None:
    def broken(_: Fact) -> None:
        raise RuntimeError("disk full")

    bus = Bus()
    heard: list[Fact] = []
    bus.subscribe(broken)
    bus.subscribe(heard.append)
    bus.publish(FACT)
    failed, fact = heard
    assert fact == FACT
    assert isinstance(failed, ListenerFailed)
    assert (failed.at_s, failed.heard, failed.error) == (1.5, "LeaderElected", "disk full")
    assert "broken" in failed.listener


def test_listeners_that_all_fail_start_no_chain() -> None:
    def broken(_: Fact) -> None:
        raise RuntimeError("no")

    def broken_too(_: Fact) -> None:
        raise RuntimeError("no")

    bus = Bus()
    bus.subscribe(broken)
    bus.subscribe(broken_too)
    bus.publish(FACT)
    bus.publish(ListenerFailed(at_s=0.0, listener="x", heard="y", error="z"))


def test_a_fact_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FACT.leader = "lyon"  # type: ignore[misc]  # it is frozen
