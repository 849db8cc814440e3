"""A timeline is carried out strike by strike: looked at between them, within its radius then, and undone whole."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paper import plan, scenario, shop

from bascule.chaos.faults import AnyFault, Witness
from bascule.chaos.injection import Injection, Struck
from bascule.drill.experiments import CATALOGUE
from bascule.drill.plan import Run
from bascule.drill.scenarios import performance, schedule
from bascule.drill.scenarios.performance import Performance
from bascule.drill.stage import Stage
from bascule.engines.protocols import Observation
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import AbortedError, FaultError, LabError

STORE = ("store-north-a-1", "store-north-b-1", "store-south-a-1")


class Snapshot:
    """Every member, but for those that are down; the first of the store is its primary."""

    def __init__(self, down: tuple[str, ...] = ()) -> None:
        members = plan().members
        self.seen: dict[str, dict[str, Observation]] = {one.component: {} for one in members}
        for one in members:
            self.seen[one.component][one.name] = Observation(up=one.name not in down)

    def primary(self, _: str) -> str:
        return STORE[0]

    def first(self, component: str) -> str:
        return next(iter(self.seen[component]))


class Theatre:
    """A stage on which no time passes, and what happened on it."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.must_stop: Callable[[], str] = str
        self.last, self.now = Snapshot(), Snapshot()
        self.stubborn: set[str] = set()
        self.failure: Exception = FaultError("it could not be undone")
        self.rates = tuple
        self.observer = SimpleNamespace(latest=lambda: self.last)
        self.lab = SimpleNamespace(system=shop(), plan=plan(), engines={"store": None}, world=self)

    def look(self, _: str) -> None:
        self.happened.append("look")
        if why := self.must_stop():
            raise AbortedError(why)

    def pass_time(self, phase: str, seconds: float) -> None:
        """None does."""

    def wait(self, phase: str, until: Callable[[], bool], limit_s: float) -> bool:
        self.happened.append(phase)
        assert limit_s > 5.0, "longer than the probe's own time"
        assert until() in {True, False}
        return True

    def snapshot(self) -> Snapshot:
        self.happened.append("snapshot")
        return self.now

    def run(self, host: str, argv: tuple[str, ...], *, timeout_s: float) -> Any:
        self.happened.append(f"{argv[0]} on {host} within {timeout_s:g} s")
        return SimpleNamespace(exit_code=1)

    def injection(self, fault: AnyFault) -> Injection:
        return cast("Injection", Blow(self, getattr(fault, "member", "hosts")))


class Blow:
    """An injection that tells its theatre."""

    def __init__(self, theatre: Theatre, member: str) -> None:
        self.theatre, self.member = theatre, member

    def strike(self) -> Struck:
        self.theatre.happened.append(f"strike {self.member}")
        return Struck(at_s=1.0, witness=Witness(seen=True, evidence=("seen",)))

    def undo(self) -> None:
        self.theatre.happened.append(f"undo {self.member}")
        if self.member in self.theatre.stubborn:
            raise self.theatre.failure


@pytest.fixture(autouse=True)
def known_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "_roled", lambda _: "store")


def perform(theatre: Theatre, text: str) -> Performance:
    own = scenario(text)
    planned = schedule.strikes(own, lambda _: 3, SeededDice(1))
    run = Run(experiment=CATALOGUE["primary-kill"], number=1, phase_s=0.0, strikes=planned)
    return Performance(cast("Stage", theatre), run, own, theatre.injection)


def only(theatre: Theatre, word: str) -> list[str]:
    return [one for one in theatre.happened if one.startswith(word)]


def test_a_stop_condition_is_looked_at_before_each_strike_although_its_time_has_come_already() -> None:
    theatre = Theatre()
    it = perform(theatre, "timeline: [{fault: process-kill, on: standbys}, {fault: process-freeze}]")
    it._limits.reason = lambda: "lost" if only(theatre, "strike") else ""  # type: ignore[method-assign]  # the limits of this test
    with pytest.raises(AbortedError, match="lost"):
        it.strike()
    assert len(only(theatre, "strike")) == 1, "the others of the same strike are not made either"
    it.undo()
    assert set(only(theatre, "undo")) == {f"undo {name}" for name in STORE[1:]}
    assert theatre.must_stop() == "", "what is undone is not stopped"


@pytest.mark.parametrize("failure", [FaultError("stuck"), LabError("gone"), OSError("full")])
def test_one_that_cannot_be_undone_keeps_no_other_from_it(failure: Exception) -> None:
    theatre = Theatre()
    timeline = "[{fault: process-kill, on: {component: cache}}, {fault: process-kill, on: standbys}]"
    it = perform(theatre, f"timeline: {timeline}\nblast: {{last: true}}")
    it.strike()
    theatre.stubborn, theatre.failure = {STORE[2]}, failure
    with pytest.raises(type(failure)):
        it.undo()
    assert only(theatre, "undo") == [f"undo {STORE[2]}", f"undo {STORE[1]}", "undo cache-north-a-1"]


def test_what_was_hit_a_moment_ago_is_looked_at_again_before_the_last_healthy_one_could_be_hit() -> None:
    theatre = Theatre()
    it = perform(
        theatre,
        "timeline: [{fault: process-kill, on: standbys, for: 1s}, {at: 1s, fault: process-kill, on: primary, for: 1s}]",
    )
    theatre.now = Snapshot(down=STORE[1:])  # undone, and not back yet; the last snapshot knows nothing of it
    landed = it.strike()
    assert "no healthy member of store would be left" in landed.missed
    assert landed.t0_s is None
    assert len(only(theatre, "strike")) == 2


def test_what_was_done_is_known_although_it_was_stopped_in_the_middle_and_with_all_that_was_undone_at_the_end() -> None:
    theatre = Theatre()
    it = perform(theatre, "timeline: [{fault: process-kill, on: primary, for: 60s}]")
    it._limits.reason = lambda: "lost" if only(theatre, "strike") else ""  # type: ignore[method-assign]  # the limits of this test
    with pytest.raises(AbortedError):
        it.strike()
    it.undo()
    assert [(act.kind, act.text) for act in it.acts()] == [
        ("fault", f"process-kill on {STORE[0]}"),
        ("heal", f"process-kill on {STORE[0]} was undone"),
    ]


def test_the_steady_state_probe_is_awaited_with_open_eyes_and_nothing_is_struck_when_it_is_not_well() -> None:
    theatre = Theatre()
    it = perform(theatre, "timeline: [{fault: process-kill}]\nsteady: {probe: {command: [ask]}}")
    landed = it.strike()
    assert landed.missed == "before any fault, the probe ask ended with exit code 1"
    assert "the steady state before any fault" in theatre.happened
    assert only(theatre, "strike") == []
    assert it.after() == "after the last repair, the probe ask ended with exit code 1"


def test_the_clock_starts_at_the_strike_that_says_so() -> None:
    theatre = Theatre()
    it = perform(theatre, "timeline: [{fault: process-freeze, on: {component: cache}, for: 1s}]\nblast: {last: true}")
    landed = it.strike()
    assert (landed.t0_s, landed.lets_act, landed.hold_s) == (1.0, False, 1.0)
    assert theatre.happened[-1] == "undo cache-north-a-1"
