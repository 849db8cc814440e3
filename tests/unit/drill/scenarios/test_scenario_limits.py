"""An experiment ends at once when its budget burns too fast, or when an operation is lost."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bascule.drill.scenarios.limits import Limits, asked, burning, since
from bascule.kernel.errors import LabError
from bascule.kernel.quantities import Duration
from bascule.lab.client import LabClient
from bascule.system.scenario import Probe, Stop

CALM = [(50, 0)] * 10


def test_a_calm_load_ends_nothing() -> None:
    assert burning(CALM, Stop(burn=1.0, loss=True), 0.999) == ""


def test_the_first_lost_operation_ends_it() -> None:
    assert burning([*CALM, (49, 1)], Stop(loss=True), 0.999) == "1 operations of clients were lost"
    assert burning([(49, 1), *CALM], Stop(loss=True), 0.999) == "1 operations of clients were lost"
    assert burning([*CALM, (49, 1)], Stop(), 0.999) == ""


def test_a_burn_rate_is_the_bad_share_over_the_allowed_one_within_its_window() -> None:
    rates = [(0, 50), *CALM, (45, 5)]  # 5 of 100 in the last two seconds: 50 times the 0.1 % that are allowed
    two = Duration(2.0)
    assert burning(rates, Stop(burn=49.9, over=two), 0.999).startswith(
        "the error budget burnt 50.0 times too fast over 2s"
    )
    assert burning(rates, Stop(burn=50.1, over=two), 0.999) == ""
    assert burning([(1, 1)], Stop(burn=1.0), 0.5), "so fast as that is too fast"


def test_without_any_operation_nothing_is_known() -> None:
    assert burning([], Stop(burn=0.1, loss=True), 0.999) == ""
    assert burning([(0, 0)] * 20, Stop(burn=0.1), 0.999) == ""


@pytest.mark.parametrize(("from_s", "seen"), [(9.9, 1), (8.0, 2), (10.2, 0), (11.0, 0), (0.0, 3)])
def test_what_was_lost_before_the_first_fault_ends_nothing(from_s: float, seen: int) -> None:
    rates = [(1, 7), (1, 8), (1, 9)]  # of the seconds 7, 8 and 9
    assert list(since(rates, from_s, 10.5)) == rates[len(rates) - seen :]


PROBE = Probe(command=("ask", "me"), every=Duration(1.0))


class World:
    """A world in which a probe ends as it is told, or does not."""

    def __init__(self, code: int = 0, failure: Exception | None = None) -> None:
        self.code, self.failure, self.calls = code, failure, 0

    def run(self, host: str, argv: tuple[str, ...], *, timeout_s: float) -> Any:
        self.calls += 1
        assert (host, argv, timeout_s) == ("client", ("ask", "me"), 5.0)
        if self.failure is not None:
            raise self.failure
        return SimpleNamespace(exit_code=self.code)


@pytest.mark.parametrize("code", [1, 2, 127, -9])
def test_a_probe_is_well_if_it_ends_with_nought_alone(code: int) -> None:
    assert asked(PROBE, cast("LabClient", World(0))) == ""
    assert asked(PROBE, cast("LabClient", World(code))) == f"the probe ask ended with exit code {code}"


def test_a_probe_that_hangs_or_cannot_be_started_is_not_well() -> None:
    told = asked(PROBE, cast("LabClient", World(failure=LabError("ask did not end within 5 s"))))
    assert told == "the probe ask did not answer well: ask did not end within 5 s"


def limits(stop: Stop, world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Limits, list[float]]:
    """Limits with a clock that is set by hand, and a pool that does its work at once."""
    clock = [100.0]
    monkeypatch.setattr("bascule.drill.scenarios.limits.time", SimpleNamespace(monotonic=lambda: clock[0]))
    made = Limits(stop, 0.999, lambda: [(50, 0), (49, 1)], cast("LabClient", world))
    pool = made._pool

    def at_once(*work: Any) -> Any:
        done = pool.submit(*work)
        done.result()
        return done

    monkeypatch.setattr(made, "_pool", SimpleNamespace(submit=at_once))
    return made, clock


def test_a_probe_is_asked_in_its_own_rhythm_and_ends_the_experiment_when_it_is_not_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    it, clock = limits(Stop(probe=PROBE), world, monkeypatch)
    assert [it.reason() for _ in range(4)] == [""] * 4
    assert world.calls == 1
    clock[0], world.code = 101.0, 3
    assert it.reason() == ""
    assert it.reason() == "the probe ask ended with exit code 3"
    assert world.calls == 2


def test_what_was_lost_counts_from_the_begin_of_the_timeline(monkeypatch: pytest.MonkeyPatch) -> None:
    it, _ = limits(Stop(loss=True), World(), monkeypatch)
    it.begin(100.0)
    assert it.reason() == ""
    it.begin(99.0)
    assert it.reason() == "1 operations of clients were lost"
