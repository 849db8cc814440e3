"""What two drills say beside each other: what counts, what may be said, and what must not."""

from __future__ import annotations

import math
from typing import Literal

import pytest

from bascule.drill.comparison import compare, experiments_of, obstacles, value_of
from bascule.drill.render_comparison import answer_text
from bascule.drill.report import Machine, Report, Trial
from bascule.measure.verdict import Measure, Verdict

Outcome = Literal["PASS", "FAIL", "INVALID", "ABORTED"]


def trial(outcome: Outcome = "PASS", *, experiment: str = "primary-kill", **measures: float | None) -> Trial:
    found = tuple(Measure(name=name, title=name, value=value, unit="s") for name, value in measures.items())
    return Trial(
        experiment=experiment,
        title="",
        scope="process",
        verdict=Verdict(outcome=outcome, reasons=(), measures=found),
    )


def drill(*trials: Trial, kernel: str = "6.1") -> Report:
    machine = Machine(kernel=kernel, processors=2, memory_mib=1, python="3.11", platform="namespaces")
    return Report(system="shop", outcome="PASS", machine=machine, objectives=(), trials=trials)


def said(first: Report, second: Report) -> dict[str, str]:
    return {change.measure: change.said for change in compare(first, second).changes}


def rtos(*values: float, outcome: Outcome = "PASS") -> Report:
    return drill(*(trial(outcome, rto=value) for value in values))


def test_a_longer_recovery_is_worse_and_a_shorter_one_better() -> None:
    short, long = rtos(*range(1, 9)), rtos(*range(21, 29))
    assert said(short, long)["rto"] == "worse"
    assert said(long, short)["rto"] == "better"
    assert compare(short, long).exit_code == 1
    assert compare(long, short).exit_code == 0


def test_a_higher_availability_is_better() -> None:
    low = drill(*(trial(availability_requests=0.9 + n / 1000) for n in range(8)))
    high = drill(*(trial(availability_requests=0.99 + n / 1000) for n in range(8)))
    assert said(low, high)["availability_requests"] == "better"
    assert said(high, low)["availability_requests"] == "worse"


def test_never_recovered_is_longer_than_every_recovery_and_has_no_shift() -> None:
    short, never = rtos(*range(1, 9)), rtos(*[math.inf] * 8, outcome="FAIL")
    (change,) = [each for each in compare(short, never).changes if each.measure == "rto"]
    assert change.said == "worse"
    assert change.shift is None
    assert said(short, never)["met"] == "worse"


@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (2, 5)])
def test_so_few_trials_that_they_can_never_tell_are_said_to_be_too_few(sizes: tuple[int, int]) -> None:
    first, second = rtos(*range(sizes[0])), rtos(*range(100, 100 + sizes[1]))
    found = compare(first, second)
    assert {change.said for change in found.changes} == {"too few trials"}
    assert found.exit_code == 2
    assert "no difference" not in answer_text(found)
    needed = max(change.needed or 0 for change in found.changes)
    enough = compare(rtos(*range(needed)), rtos(*range(100, 100 + needed)))
    assert enough.exit_code == 1, "so many are indeed enough"


def test_alike_drills_differ_in_nothing() -> None:
    same, again = (rtos(5.0, 6.0, 7.0, 8.0, 9.0, 10.0) for _ in range(2))
    assert set(said(same, again).values()) == {"no difference shown"}
    assert compare(same, again).exit_code == 0


def test_trials_without_a_verdict_do_not_count_and_are_told() -> None:
    first = drill(trial(rto=1.0), trial("INVALID", rto=99.0), trial("ABORTED"), trial(experiment="control"))
    found = compare(first, rtos(1.0))
    (change,) = [each for each in found.changes if each.measure == "rto"]
    assert change.first.trials == 1
    assert any("2 of 3 trials of the first drill" in note for note in found.notes)
    assert experiments_of(first) == ("primary-kill",)


def test_an_experiment_that_one_drill_lacks_is_told_and_not_compared() -> None:
    found = compare(drill(trial(rto=1.0), trial(rto=1.0, experiment="partition")), rtos(1.0))
    assert {change.experiment for change in found.changes} == {"primary-kill"}
    assert "only the first drill has partition" in found.notes


def test_another_kernel_is_told() -> None:
    assert "kernel: 6.1 and then 6.2" in compare(rtos(1.0), drill(trial(rto=1.0), kernel="6.2")).notes


def test_of_a_recovery_that_never_came_the_first_missing_part_lasts_for_ever() -> None:
    stuck = trial("FAIL", rto=math.inf, detection=2.0, failover=None, client_recovery=None)
    assert value_of(stuck, "detection") == 2.0
    assert value_of(stuck, "failover") == math.inf
    assert value_of(stuck, "client_recovery") is None
    assert value_of(trial(rto=3.0, detection=None), "detection") is None


def test_another_load_is_an_obstacle() -> None:
    one, other = drill(trial(resolution=0.1)), drill(trial(resolution=0.2))
    assert obstacles(one, one) == ()
    assert obstacles(one, other) == ("the loads differ: times are resolved to 0.1 s and to 0.2 s",)
