"""The three questions: what each answers when something fails, and which facts tell of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bascule.health import Check, Health, Report
from bascule.health.check import Probe
from bascule.health.facts import (
    BecameNotReady,
    BecameReady,
    CheckFailed,
    CheckRecovered,
    LivenessLost,
    LivenessRegained,
    StartupPassed,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.facts import Bus, Fact


class World:
    """A health with a fake clock, and switches for what its checks say."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self.facts: list[Fact] = []
        bus = Bus()
        bus.subscribe(self.facts.append)
        self.health = Health(clock=self.clock, bus=bus)
        self.broken: set[str] = set()
        self.asked: list[str] = []

    def check(self, name: str, *probes: Probe, critical: bool = True, live: bool = False, fresh_s: float = 0.0) -> None:
        def ask() -> None:
            self.asked.append(name)
            if name in self.broken:
                raise ConnectionError(f"{name} is away")

        check = Check(ask, "process" if live or "live" in probes else "dependency")
        self.health.add(name, check, probes=probes or ("ready",), critical=critical, fresh_s=fresh_s)

    def ask(self, probe: Probe) -> Report:
        return self.health.ask(probe)

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failing_dependency_makes_it_not_ready_and_never_not_alive(*, is_async: bool) -> None:
    world = World()
    world.check("database", "ready", "startup")
    world.check("loop", "live", "ready")

    def ask(probe: Probe) -> Report:
        return asyncio.run(world.health.ask_async(probe)) if is_async else world.ask(probe)

    assert (ask("ready").status, ask("live").status, ask("startup").status) == ("pass", "pass", "pass")
    world.broken.add("database")
    ready = ask("ready")
    assert (ready.status, ready.is_ok, ready.reason) == ("fail", False, "failing: database")
    assert {each.name: each.status for each in ready.checks} == {"database": "fail", "loop": "pass"}
    assert ready.checks[0].error == "ConnectionError: database is away"
    live = ask("live")
    assert (live.status, [each.name for each in live.checks]) == ("pass", ["loop"])
    assert ask("startup").is_ok


def test_a_check_that_is_not_critical_degrades_and_keeps_ready() -> None:
    world = World()
    world.check("database")
    world.check("cache", critical=False)
    world.broken.add("cache")
    report = world.ask("ready")
    assert (report.status, report.is_ok, report.reason) == ("warn", True, "failing: cache")
    assert [each.status for each in report.checks] == ["pass", "warn"]
    world.broken.add("database")
    report = world.ask("ready")
    assert (report.status, report.reason) == ("fail", "failing: database")


def test_without_checks_everything_is_well() -> None:
    health = Health()
    assert [health.ask(probe).status for probe in ("live", "startup", "ready")] == ["pass"] * 3


def test_started_means_has_been_ready_once_and_stays() -> None:
    world = World()
    world.check("schema", "startup")
    world.check("database", "ready")
    world.broken |= {"schema", "database"}
    assert not world.ask("startup").is_ok
    world.broken.remove("schema")
    assert world.ask("startup").reason == "failing: database"
    assert not world.health.is_started
    world.broken.clear()
    assert world.ask("startup").is_ok
    world.broken |= {"schema", "database"}
    world.asked.clear()
    assert world.ask("startup").is_ok
    assert world.asked == [], "what has passed is not asked again"
    assert [each.name for each in world.ask("ready").checks] == ["database"]


def test_readiness_waits_for_the_start_even_when_nobody_probes_it() -> None:
    world = World()
    world.check("schema", "startup")
    world.check("database", "ready")
    world.broken.add("schema")
    assert world.ask("ready").reason == "failing: schema"
    world.broken.clear()
    assert world.ask("ready").is_ok
    assert world.health.is_started


def test_a_fresh_answer_is_told_again_with_its_age() -> None:
    world = World()
    world.check("database", fresh_s=2.0)
    assert world.ask("ready").checks[0].age_s == 0.0
    world.broken.add("database")
    world.clock.advance(1.5)
    report = world.ask("ready")
    assert (report.is_ok, report.checks[0].age_s) == (True, 1.5)
    assert world.asked == ["database"]
    world.clock.advance(0.5)
    assert not world.ask("ready").is_ok
    assert world.asked == ["database"] * 2
    # A failure is told again just as long.
    world.broken.clear()
    world.clock.advance(1.9)
    assert not world.ask("ready").is_ok
    world.clock.advance(0.1)
    assert world.ask("ready").is_ok


def test_probes_share_the_answer_of_a_check() -> None:
    world = World()
    world.check("loop", "live", "ready", fresh_s=1.0)
    assert (world.ask("live").is_ok, world.ask("ready").is_ok, world.asked) == (True, True, ["loop"])


def test_leaving_is_not_ready_for_good_and_alive_and_started() -> None:
    world = World()
    world.check("database", "ready")
    world.check("loop", "live")
    assert world.ask("ready").is_ok
    world.health.begin_leaving("SIGTERM")
    world.health.begin_leaving("again")
    world.asked.clear()
    report = world.ask("ready")
    assert (report.is_ok, report.reason, world.asked) == (False, "leaving: SIGTERM", [])
    assert (world.ask("live").is_ok, world.ask("startup").is_ok) == (True, True)
    assert world.facts[-1] == BecameNotReady(at_s=100.0, reason="leaving: SIGTERM")


def test_a_leave_that_begins_while_checks_run_wins() -> None:
    health = Health()
    health.add("late", Check(lambda: health.begin_leaving("SIGTERM"), "process"))
    report = health.ask("ready")
    assert (report.is_ok, report.reason) == (False, "leaving: SIGTERM")
    assert not health.is_started


def test_facts_tell_what_changed_and_only_that() -> None:
    world = World()
    world.check("database", "ready")
    world.check("loop", "live")
    for _ in range(2):
        world.ask("live")
        world.ask("ready")
    assert world.facts == [StartupPassed(at_s=100.0), BecameReady(at_s=100.0)]
    world.facts.clear()
    world.broken |= {"database", "loop"}
    for _ in range(2):
        world.ask("live")
        world.ask("ready")
        world.clock.advance(3.0)
    error = "ConnectionError: database is away"
    assert world.facts == [
        CheckFailed(at_s=100.0, check="loop", critical=True, error="ConnectionError: loop is away"),
        LivenessLost(at_s=100.0, reason="failing: loop"),
        CheckFailed(at_s=100.0, check="database", critical=True, error=error),
        BecameNotReady(at_s=100.0, reason="failing: database"),
    ]
    world.facts.clear()
    world.broken.clear()
    world.ask("live")
    world.ask("ready")
    assert world.facts == [
        CheckRecovered(at_s=106.0, check="loop", failed_for_s=6.0),
        LivenessRegained(at_s=106.0),
        CheckRecovered(at_s=106.0, check="database", failed_for_s=6.0),
        BecameReady(at_s=106.0),
    ]


def test_a_listener_may_ask_the_probes_and_may_fail() -> None:
    world = World()
    world.check("database")
    seen: list[bool] = []
    world.health.bus.subscribe(lambda _: seen.append(world.health.ask("ready").is_ok))
    world.health.bus.subscribe(lambda _: 1 / 0)  # type: ignore[arg-type] # it raises
    assert world.ask("ready").is_ok
    assert seen
    assert all(seen)


def test_the_snapshot_asks_nothing() -> None:
    world = World()
    world.check("database")
    nothing = {"alive": True, "ready": False, "started": False, "leaving": False, "checks": {"database": None}}
    assert world.health.snapshot() == nothing
    world.ask("ready")
    world.asked.clear()
    assert world.health.snapshot() == {**nothing, "ready": True, "started": True, "checks": {"database": True}}
    assert world.asked == []


def test_the_decorator_registers_and_returns_the_function() -> None:
    health = Health()

    @health.check("queue", looks_at="process", probes=("live",), critical=False, timeout_s=2, fresh_s=0)
    def queue_moves() -> bool:
        return False

    assert queue_moves() is False
    report = health.ask("live")
    assert (report.status, report.checks[0].error) == ("warn", "said no")


def test_checks_leave_no_thread_behind() -> None:
    before = set(threading.enumerate())
    world = World()
    for number in range(5):
        world.check(f"check {number}")
    world.ask("ready")
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before
