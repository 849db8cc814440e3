"""What a drill will do is decided, and said, before it does anything."""

from pathlib import Path

import msgspec
import pytest

from bascule.drill import plan
from bascule.drill.experiments import CATALOGUE
from bascule.kernel.dice import LoadedDice, SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate
from bascule.system import load
from bascule.system.model import Disruption, System

EXAMPLE = Path(__file__).parents[3] / "examples" / "taskmanagerpro" / "bascule.yaml"


@pytest.fixture(scope="module")
def example() -> System:
    return load(EXAMPLE)


def test_the_default_experiment_kills_the_primary() -> None:
    assert [one.name for one in plan.choose((), everything=False)] == ["primary-kill"]


def test_all_means_every_experiment_of_the_catalogue() -> None:
    assert plan.choose((), everything=True) == tuple(CATALOGUE.values())


def test_an_experiment_that_is_named_twice_is_run_once() -> None:
    """More often is what `--trials` is for; each run's records have a directory by the name and number of its trial."""
    assert len(plan.choose(("zone-loss", "partition", "zone-loss"), everything=False)) == 2


def test_an_unknown_experiment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'host-loss'"):
        plan.choose(("host-los",), everything=False)


def test_each_trial_has_a_phase_of_its_own() -> None:
    runs = plan.runs(plan.choose((), everything=False), 3, plan.Timing(phase_s=2.0), LoadedDice([0.0, 0.5, 0.9]))
    assert [run.phase_s for run in runs] == [0.0, 1.0, 1.8]
    assert [run.number for run in runs] == [1, 2, 3]


def test_a_seed_repeats_the_phases() -> None:
    chosen = plan.choose((), everything=True)
    assert plan.runs(chosen, 2, plan.Timing(), SeededDice(5)) == plan.runs(chosen, 2, plan.Timing(), SeededDice(5))


@pytest.mark.parametrize("trials", [0, -1, 1001])
def test_a_senseless_number_of_trials_is_refused(trials: int) -> None:
    with pytest.raises(InputError, match="cannot be run"):
        plan.runs(plan.choose((), everything=False), trials, plan.Timing(), SeededDice(1))


def test_the_random_phase_covers_whole_cycles_of_the_lease(example: System) -> None:
    assert plan.timing(example, cycle_s=1.0).phase_s == 2.0
    assert plan.timing(example, cycle_s=10.0).phase_s == 10.0


def test_a_slow_load_is_watched_for_as_long_as_a_stable_window_takes(example: System) -> None:
    slow = msgspec.structs.replace(example, workload=msgspec.structs.replace(example.workload, rate=Rate(1.0)))
    timing = plan.timing(slow, cycle_s=1.0)
    assert timing.stable_s == timing.after_s == 20.0
    assert plan.timing(example, cycle_s=1.0).stable_s == 2.0


def test_a_promise_is_waited_for_longer_than_it_lasts(example: System) -> None:
    promise = Disruption(rto=Duration(300.0), rpo=Duration(0.0))
    objectives = msgspec.structs.replace(example.objectives, disruptions={"zone": promise})
    patient = plan.timing(msgspec.structs.replace(example, objectives=objectives), cycle_s=1.0)
    assert patient.patience_s > 375.0
    assert plan.timing(example, cycle_s=1.0).patience_s == 90.0
