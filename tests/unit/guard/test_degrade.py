"""Service levels are entered and left in their declared order, and calls that serve what is given up are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bascule.guard import (
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Degrade,
    DegradedError,
    Fallback,
    Guard,
    Level,
    ServiceLevels,
    State,
    Stream,
    World,
    circuit_is_open,
)
from bascule.guard.facts import CallRefused, LevelConditionFailed, LevelEntered, LevelLeft
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

PATIENCE_S = 30.0


class Flag:
    """A condition that a test sets."""

    def __init__(self) -> None:
        self.holds = False
        self.error: Exception | None = None
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.holds


class Service:
    """Two levels, their conditions, and what was told."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(100.0)
        self.world = World.fake(self.clock, LoadedDice([]))
        self.facts = Stream()
        self.told: list[Fact] = []
        self.facts.subscribe(self.told.append)
        self.mild, self.severe = Flag(), Flag()
        mild = {"enter_after_s": 0.0, "leave_after_s": 0.0} | options.pop("mild", {})
        severe = {"enter_after_s": 0.0, "leave_after_s": 0.0} | options.pop("severe", {})
        self.levels = ServiceLevels(
            Level("plain", ("recommendations", "pictures"), self.mild, **mild),
            Level("read-only", ("orders",), self.severe, **severe),
            world=self.world,
            facts=self.facts,
            **{"every_s": 0.0, **options},
        )

    def moves(self) -> list[str]:
        """What was told of levels, in order."""
        assert self.facts.flush(PATIENCE_S)
        return [
            ("+" if isinstance(fact, LevelEntered) else "-") + fact.level
            for fact in self.told
            if isinstance(fact, LevelEntered | LevelLeft)
        ]

    def at(self, after_s: float) -> str:
        """The level after so many more seconds."""
        self.clock.advance(after_s)
        return self.levels.current


def true() -> bool:
    return True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "Level.name: '' must be printable and not empty"),
        ({"name": "a\n"}, "Level.name: .* must be printable"),
        ({"name": 5}, "Level.name: 5 must be printable"),
        ({"without": ()}, r"Level.without: \(\) must be a tuple of one or more names"),
        ({"without": "orders"}, "Level.without: 'orders' must be a tuple"),
        ({"without": ("a", 1)}, "Level.without: .* must be a tuple"),
        ({"enter": None}, "Level.enter: None must be a function"),
        ({"enter": True}, "Level.enter: True must be a function"),
        ({"leave": 1}, "Level.leave: 1 must be a function or None"),
        ({"enter_after_s": -1}, "Level.enter_after_s: -1 must be"),
        ({"leave_after_s": float("inf")}, "Level.leave_after_s: inf must be"),
    ],
)
def test_an_impossible_level_is_refused_with_field_value_and_rule(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Level(**{"name": "low", "without": ("a",), "enter": true, **options})


def test_impossible_levels_are_refused_together() -> None:
    low = Level("low", ("a",), true)
    tries: list[tuple[str, Callable[[], object]]] = [
        ("there must be at least one Level", ServiceLevels),
        ("the level 'low' is there twice", lambda: ServiceLevels(low, Level("low", ("b",), true))),
        ("the level 'full' is there twice", lambda: ServiceLevels(Level("full", ("b",), true))),
        ("the level 'low' is there twice", lambda: ServiceLevels(low, full="low")),
        ("the feature 'a' is there twice", lambda: ServiceLevels(low, Level("lower", ("a",), true))),
        ("ServiceLevels.every_s: -1 must be", lambda: ServiceLevels(low, every_s=-1)),
        ("'low' is no Level", lambda: ServiceLevels("low")),  # type: ignore[arg-type] # which is what is tried
    ]
    for words, make in tries:
        with pytest.raises(InputError, match=words):
            make()


def test_an_impossible_policy_is_refused() -> None:
    levels = ServiceLevels(Level("low", ("a", "b"), true))
    with pytest.raises(InputError, match=r"Degrade.feature: 'c' must be one of a, b"):
        Degrade(levels, "c")
    with pytest.raises(InputError, match=r"Degrade.levels: .* must be a ServiceLevels"):
        Degrade("levels", "a")  # type: ignore[arg-type] # which is what is tried


def test_at_full_service_everything_is_there() -> None:
    service = Service()
    assert service.levels.current == "full"
    assert service.levels.depth() == 0
    assert all(service.levels.allows(one) for one in ("recommendations", "pictures", "orders", "anything else"))
    assert service.levels.features == {"recommendations", "pictures", "orders"}


def test_a_level_gives_up_what_milder_ones_give_up() -> None:
    service = Service()
    service.severe.holds = True
    assert service.levels.current == "read-only"
    assert [service.levels.allows(one) for one in ("pictures", "orders", "anything else")] == [False, False, True]
    assert service.moves() == ["+plain", "+read-only"]
    assert service.levels.snapshot() == {
        "level": "read-only", "depth": 2, "forced": False, "without": ["recommendations", "pictures", "orders"],
    }  # fmt: skip


def test_levels_are_left_in_the_opposite_order() -> None:
    service = Service()
    service.mild.holds = service.severe.holds = True
    seen = [service.at(1)]
    service.severe.holds = False
    seen.append(service.at(1))
    service.mild.holds = False
    seen.append(service.at(1))
    assert seen == ["read-only", "plain", "full"]
    assert service.moves() == ["+plain", "+read-only", "-read-only", "-plain"]


def test_both_left_at_once_the_severe_one_is_told_first() -> None:
    service = Service()
    service.severe.holds = True
    service.at(1)
    service.severe.holds = False
    assert service.at(1) == "full"
    assert service.moves() == ["+plain", "+read-only", "-read-only", "-plain"]


def test_the_reason_must_have_held_for_so_long() -> None:
    service = Service(mild={"enter_after_s": 10.0, "leave_after_s": 20.0})
    service.mild.holds = True
    assert [service.at(0), service.at(9.9), service.at(0.1)] == ["full", "full", "plain"]
    service.mild.holds = False
    assert [service.at(0), service.at(19.9), service.at(0.1)] == ["plain", "plain", "full"]


def test_a_reason_that_went_away_meanwhile_begins_anew() -> None:
    service = Service(mild={"enter_after_s": 10.0, "leave_after_s": 10.0})
    seen = []
    for holds in (True, False, True, True):
        service.mild.holds = holds
        seen.append(service.at(6.0))
    assert seen == ["full"] * 4
    assert service.at(5.0) == "plain"
    for holds in (False, True, False, False):
        service.mild.holds = holds
        seen.append(service.at(6.0))
    assert seen[4:] == ["plain"] * 4
    assert service.at(5.0) == "full"


def test_a_level_with_a_leave_condition_stays_until_that_holds() -> None:
    leave = Flag()
    service = Service(mild={"leave": leave})
    service.mild.holds = True
    seen = [service.at(1)]
    service.mild.holds = False
    seen.append(service.at(1000))
    leave.holds = True
    seen.append(service.at(1))
    assert seen == ["plain", "plain", "full"]


def test_conditions_are_looked_at_no_more_often_than_said() -> None:
    service = Service(every_s=0.5)
    for _ in range(10):
        service.at(0.1)
    assert service.mild.asked == 2
    for _ in range(1000):
        service.levels.allows("orders")
    assert service.mild.asked == 2


def test_a_condition_that_raises_changes_nothing_and_is_told() -> None:
    service = Service()
    service.mild.holds = True
    service.at(1)
    service.mild.error = ValueError("secret")
    assert service.at(1) == "plain"
    assert service.facts.flush(PATIENCE_S)
    assert service.told[-1] == LevelConditionFailed(at_s=102.0, guard="service", level="plain", error="ValueError")
    service.mild.error, service.severe.holds = None, True
    assert service.at(1) == "read-only", "the others are looked at all the same"


def test_a_failing_leave_condition_keeps_the_level() -> None:
    leave = Flag()
    leave.error = KeyError("x")
    service = Service(mild={"leave": leave})
    service.mild.holds = True
    service.at(1)
    service.mild.holds = False
    assert service.at(1000) == "plain"


def test_an_operator_decides_until_the_conditions_do_again() -> None:
    service = Service()
    service.levels.force("read-only")
    seen = [service.at(1)]
    forced = service.levels.snapshot()["forced"]
    service.levels.force("full")
    service.mild.holds = True
    seen.append(service.at(1))
    service.levels.resume()
    seen.append(service.at(0))
    service.mild.holds = False
    seen.append(service.at(1))
    assert (seen, forced) == (["read-only", "full", "plain", "full"], True)
    assert service.moves() == ["+plain", "+read-only", "-read-only", "-plain", "+plain", "-plain"]
    with pytest.raises(InputError, match=r"no level 'gone' \(there are: full, plain, read-only\)"):
        service.levels.force("gone")


def test_what_serves_a_feature_that_is_given_up_is_refused_and_told() -> None:
    service = Service()
    degrade = Degrade(service.levels, "pictures")
    guard = Guard(degrade, name="shop", world=service.world, facts=service.facts)

    @guard
    def picture() -> str:
        return "picture"

    @guard
    async def picture_async() -> str:
        return "picture"

    seen = [picture(), asyncio.run(picture_async())]
    service.mild.holds = True
    with pytest.raises(DegradedError, match="guard 'shop': this feature is switched off"):
        picture()
    with pytest.raises(DegradedError):
        asyncio.run(picture_async())
    with pytest.raises(DegradedError), guard.block():
        pytest.fail("the block was entered")
    service.mild.holds = False
    seen.append(picture())
    assert seen == ["picture"] * 3
    assert degrade.snapshot()["refused"] == 3
    assert service.facts.flush(PATIENCE_S)
    refused = [fact for fact in service.told if isinstance(fact, CallRefused)]
    assert refused == [CallRefused(at_s=100.0, guard="shop", policy="Degrade")] * 3


def test_a_fallback_gives_something_simpler() -> None:
    service = Service()
    guard = Guard(Fallback(value="none"), Degrade(service.levels, "orders"), world=service.world, facts=service.facts)
    service.severe.holds = True
    assert guard.call(lambda: "orders") == "none"


def test_the_feature_can_change_while_calls_run() -> None:
    service = Service()
    degrade = Degrade(service.levels, "pictures")
    service.mild.holds = True
    degrade.reconfigure(feature="orders")
    assert degrade.call(lambda: 1) == 1
    with pytest.raises(InputError):
        degrade.reconfigure(feature="unknown")
    assert degrade.feature == "orders"


def broken() -> None:
    raise ConnectionError


def breaker_in(service: Service) -> CircuitBreaker:
    breaker = CircuitBreaker(window=Consecutive(1), open_s=30.0, half_open_probes=1)
    Guard(breaker, world=service.world, facts=service.facts)
    return breaker


def test_a_circuit_counts_as_open_while_it_refuses_calls() -> None:
    service = Service()
    breaker = breaker_in(service)
    is_open = circuit_is_open(breaker)
    seen = [is_open()]
    with pytest.raises(ConnectionError):
        breaker.call(broken)
    seen.append(is_open())
    breaker.isolate()
    seen.append(is_open())
    service.clock.advance(1000.0)
    seen.append(is_open())
    breaker.force_close()
    seen.append(is_open())
    assert seen == [False, True, True, True, False]


def test_of_keys_the_circuit_of_that_key_counts() -> None:
    breaker = CircuitBreaker(key=lambda host: host)
    breaker.force_open("a")
    assert circuit_is_open(breaker, "a")()
    assert not circuit_is_open(breaker, "b")()


def test_a_level_whose_own_calls_would_close_the_circuit_is_left_so_that_they_can() -> None:
    service = Service()
    breaker = breaker_in(service)
    levels = ServiceLevels(
        Level("plain", ("pictures",), circuit_is_open(breaker), leave_after_s=5.0), world=service.world, every_s=0.0
    )
    guard = Guard(Degrade(levels, "pictures"), breaker, world=service.world, facts=service.facts)
    with pytest.raises(ConnectionError):
        guard.call(broken)
    seen: list[str] = []
    for _ in range(4):
        try:
            seen.append(guard.call(lambda: "picture"))
        except (DegradedError, CircuitOpenError) as error:
            seen.append(type(error).__name__)
        service.clock.advance(29.9 if len(seen) == 1 else 3.0)
    assert seen == ["DegradedError", "DegradedError", "DegradedError", "DegradedError"]
    service.clock.advance(3.0)
    assert guard.call(lambda: "picture") == "picture"
    assert breaker.state is State.CLOSED


class Hanging:
    """A condition that hangs until it is let go."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.goes_on = threading.Event()

    def __call__(self) -> bool:
        self.hangs.set()
        assert self.goes_on.wait(PATIENCE_S)
        return True


def test_a_condition_that_hangs_holds_up_neither_the_other_calls_nor_an_operator() -> None:
    clock, condition = FakeClock(), Hanging()
    levels = ServiceLevels(
        Level("low", ("a",), condition), every_s=1.0, world=World.fake(clock, LoadedDice([])), facts=Stream()
    )
    looks = threading.Thread(target=levels.depth)
    looks.start()
    assert condition.hangs.wait(PATIENCE_S)
    clock.advance(10.0)
    others: list[object] = []

    def other() -> None:
        others.append(levels.allows("a"))
        levels.force("low")
        others.append(levels.allows("a"))
        levels.force("full")

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(5.0)
    went_on = not thread.is_alive()
    condition.goes_on.set()
    looks.join(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert went_on
    assert others == [True, False]
    assert levels.current == "full", "what was found meanwhile does not undo what the operator said"
    levels.resume()
    assert levels.current == "low"


def test_a_condition_may_ask_for_the_level_itself() -> None:
    asked: list[str] = []

    def condition() -> bool:
        asked.append(levels.current)
        return True

    levels = ServiceLevels(Level("low", ("a",), condition), every_s=0.0)
    assert levels.current == "low"
    assert asked == ["full"]


def test_an_operator_may_be_a_condition() -> None:
    def condition() -> bool:
        levels.force("lower")
        return False

    levels = ServiceLevels(Level("low", ("a",), condition), Level("lower", ("b",), lambda: False), every_s=0.0)
    assert levels.current == "lower"
    assert levels.current == "lower"


def test_threads_that_look_at_once_enter_a_level_once() -> None:
    service, start = Service(), threading.Barrier(8)
    service.mild.holds = True

    def look() -> None:
        start.wait(PATIENCE_S)
        for _ in range(100):
            service.levels.depth()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert service.levels.current == "plain"
    assert service.moves() == ["+plain"]
