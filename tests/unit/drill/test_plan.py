"""What a drill will do is decided, and said, before it does anything."""

import pytest

from bascule.drill import plan
from bascule.drill.experiments import CATALOGUE
from bascule.kernel.dice import LoadedDice, SeededDice
from bascule.kernel.errors import InputError


def test_the_default_experiment_kills_the_primary() -> None:
    assert [one.name for one in plan.choose((), everything=False)] == ["primary-kill"]


def test_all_means_every_experiment_of_the_catalogue() -> None:
    assert plan.choose((), everything=True) == tuple(CATALOGUE.values())


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
