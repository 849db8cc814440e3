"""Guards that are described by name change while calls run: all or nothing, and nothing is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.guard import (
    AdaptiveLimit,
    Bulkhead,
    BulkheadFullError,
    CallRefusedError,
    CircuitBreaker,
    CircuitOpenError,
    Guard,
    Guards,
    RateLimit,
    RateLimitedError,
    Retry,
    State,
    Stream,
    Timeout,
    World,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError

PATIENCE_S = 30.0
TOLD = """
[payments]
[payments.retry]
attempts = 4
[payments.circuit_breaker]
open_s = 30.0
[search]
[search.timeout]
limit_s = 0.25
"""


def five() -> int:
    return 5


def fails() -> None:
    raise ConnectionError


def policy(guards: Guards, name: str, kind: type[Any]) -> Any:
    (found,) = (one for one in guards[name].policies if type(one) is kind)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.toml"


@pytest.fixture
def guards(path: Path) -> Guards:
    path.write_text(TOLD)
    return Guards.load(path, facts=Stream())


class Running:
    """Guards that run, in a world of their own, and have learned and counted something."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self.told: dict[str, Any] = {
            "db": {
                "retry": {"attempts": 1, "budget": {"ratio": 0.1, "reserve": 5}},
                "circuit_breaker": {"window": {"kind": "consecutive", "failures": 2}, "open_s": 30.0},
            },
            "pool": {"bulkhead": {"limit": 1}},
            "rate": {"rate_limit": {"limit": 5, "per_s": 10.0}},
            "learned": {"adaptive_limit": {"algorithm": {"kind": "aimd", "initial": 10, "window": 1}}},
        }
        world = World.fake(self.clock, LoadedDice([0.5] * 100))
        self.guards = Guards(self.told, world=world, facts=Stream())
        breaker = policy(self.guards, "db", CircuitBreaker)
        self.calls = {name: guard(five) for name, guard in self.guards.items()}
        for _ in range(2):
            with pytest.raises(ConnectionError):
                self.guards["db"].call(fails)
        assert breaker.state is State.OPEN
        policy(self.guards, "db", Retry).budget.withdraw()
        for _ in range(3):
            self.calls["rate"]()
        policy(self.guards, "learned", AdaptiveLimit).learn(0.1, 10, dropped=True)
        for _ in range(9):
            policy(self.guards, "learned", AdaptiveLimit).learn(0.1, 10, dropped=True)

    def state(self) -> dict[str, object]:
        return {
            "circuit": policy(self.guards, "db", CircuitBreaker).state,
            "tokens": policy(self.guards, "db", Retry).budget.tokens,
            "available": policy(self.guards, "rate", RateLimit).snapshot()["available"],
            "learned": policy(self.guards, "learned", AdaptiveLimit).limit,
        }


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    with policy(made.guards, "pool", Bulkhead).block():
        yield made


def test_changed_options_hold_at_once_for_functions_that_are_guarded_already(running: Running) -> None:
    before = running.state()
    running.told["db"]["retry"] |= {"attempts": 7, "budget": {"ratio": 0.2, "reserve": 8}}
    running.told["db"]["circuit_breaker"]["open_s"] = 60.0
    running.told["pool"]["bulkhead"]["limit"] = 2
    changes = running.guards.update(running.told)
    assert changes == [
        "db.retry.attempts: 1 -> 7",
        "db.retry.budget: RetryBudget(ratio=0.1, reserve=5) -> RetryBudget(ratio=0.2, reserve=8)",
        "db.circuit_breaker.open_s: 30.0 -> 60.0",
        "pool.bulkhead.limit: 1 -> 2",
    ]
    assert running.state() == before
    assert running.calls["pool"]() == 5
    with pytest.raises(CircuitOpenError):
        running.calls["db"]()
    assert policy(running.guards, "db", Retry).budget.reserve == 8


def test_slots_permits_and_what_was_learned_stay(running: Running) -> None:
    running.told["pool"]["bulkhead"]["queue"] = 0
    running.told["rate"]["rate_limit"]["limit"] = 4
    running.told["learned"]["adaptive_limit"] = {"algorithm": {"kind": "aimd", "initial": 50, "window": 1}}
    running.guards.update(running.told)
    assert running.state()["learned"] == 9
    with pytest.raises(BulkheadFullError):
        running.calls["pool"]()
    assert running.calls["rate"]() == 5
    with pytest.raises(RateLimitedError):
        running.calls["rate"]()


def test_what_did_not_change_is_not_said_to_have_changed(running: Running) -> None:
    before = running.state()
    assert running.guards.update(running.told) == []
    assert running.state() == before


def wrong_type(told: dict[str, Any]) -> None:
    told["rate"]["rate_limit"]["limit"] = "5"


def gone(told: dict[str, Any]) -> None:
    del told["rate"]


def policy_more(told: dict[str, Any]) -> None:
    told["rate"]["timeout"] = {"limit_s": 1.0}


def policy_less(told: dict[str, Any]) -> None:
    del told["db"]["retry"]


def reordered(told: dict[str, Any]) -> None:
    told["db"]["order"] = ["circuit_breaker", "retry"]


def switched(told: dict[str, Any]) -> None:
    told["db"]["retry"]["budget"] = False


def new_and_wrong(told: dict[str, Any]) -> None:
    told["new"] = {"retry": {"attempts": 0}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (wrong_type, r"rate\.rate_limit: RateLimit\.limit: '5' must be"),
        (gone, "rate: this guard is gone from the description, but functions are guarded by it"),
        (policy_more, "rate: its policies cannot be added, removed or reordered while calls run"),
        (policy_less, "db: its policies cannot be added, removed or reordered"),
        (reordered, "db: its policies cannot be added, removed or reordered"),
        (switched, r"Retry\.budget cannot be switched on or off while calls run"),
        (new_and_wrong, r"new\.retry: Retry\.attempts: 0"),
    ],
)
def test_all_changes_are_taken_over_or_none(
    running: Running, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    before = running.state()
    options = {name: [one.options() for one in guard.policies] for name, guard in running.guards.items()}
    running.told["pool"]["bulkhead"]["limit"] = 9
    running.told["another"] = {"retry": {}}
    change(running.told)
    with pytest.raises(InputError, match=words):
        running.guards.update(running.told)
    assert running.state() == before
    assert {name: [one.options() for one in guard.policies] for name, guard in running.guards.items()} == options


def test_guards_may_be_added_while_others_are_looked_through(running: Running) -> None:
    names = iter(running.guards)
    seen = [next(names)]
    running.told["new"] = {"retry": {}}
    assert running.guards.update(running.told) == []
    seen += names
    assert seen == ["db", "pool", "rate", "learned"]
    assert running.guards["new"].call(five) == 5
    assert isinstance(running.guards["new"], Guard)


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(guards: Guards, path: Path) -> None:
    breaker = policy(guards, "payments", CircuitBreaker)
    breaker.isolate()
    path.write_text(TOLD.replace("attempts = 4", "attempts = 6"))
    assert guards.reload() == ["payments.retry.attempts: 4 -> 6"]
    for broken in ("attempts = 0", "attempts = ", "atempts = 5", "attempts = true"):
        path.write_text(TOLD.replace("attempts = 4", broken).replace("limit_s = 0.25", "limit_s = 9.0"))
        with pytest.raises(InputError):
            guards.reload()
    path.unlink()
    with pytest.raises(InputError, match="it cannot be read"):
        guards.reload()
    assert policy(guards, "payments", Retry).attempts == 6
    assert policy(guards, "search", Timeout).limit_s == 0.25
    with pytest.raises(CallRefusedError):
        guards["payments"].call(five)


def test_guards_that_came_from_no_file_cannot_be_read_again() -> None:
    with pytest.raises(InputError, match=r"not loaded from a file .*use update\(mapping\)"):
        Guards({}).reload()


def test_one_update_waits_for_the_other(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    applies, goes_on, done = threading.Event(), threading.Event(), threading.Event()
    bulkhead = policy(running.guards, "pool", Bulkhead)
    reconfigured = bulkhead.reconfigured

    def held() -> None:
        applies.set()
        assert goes_on.wait(PATIENCE_S)
        reconfigured()

    monkeypatch.setattr(bulkhead, "reconfigured", held)

    def told(limit: int) -> dict[str, Any]:
        return {**running.told, "pool": {"bulkhead": {"limit": limit}}}

    def second() -> None:
        running.guards.update(told(3))
        done.set()

    threads = [threading.Thread(target=running.guards.update, args=(told(2),)), threading.Thread(target=second)]
    threads[0].start()
    assert applies.wait(PATIENCE_S)
    threads[1].start()
    early = done.wait(0.05)
    goes_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not early
    assert bulkhead.limit == 3
