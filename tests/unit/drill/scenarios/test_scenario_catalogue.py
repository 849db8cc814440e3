"""The experiments that ship, beside those of a system's own file, as a drill runs them."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from paper import scenario, shop

from bascule.drill import plan
from bascule.drill.experiments import CATALOGUE
from bascule.drill.scenarios import catalogue, rules
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Rate
from bascule.system import load

EXAMPLE = Path(__file__).parents[4] / "examples" / "taskmanagerpro" / "bascule.yaml"


@pytest.mark.parametrize("name", catalogue.library())
def test_every_experiment_that_ships_fits_the_example_and_can_be_described(name: str) -> None:
    system = load(EXAMPLE)
    chosen = plan.choose((name,), everything=False, known=catalogue.experiments(system))
    catalogue.check(chosen, system)
    timing = plan.timing(system, cycle_s=1.0)
    steps = plan.describe(system, plan.runs(chosen, 1, timing, SeededDice(1), rules.counter(system)), timing)
    assert any(name in step for step in steps)
    assert len(steps) > 4


def test_no_experiment_that_ships_hides_one_of_a_single_fault() -> None:
    assert catalogue.library().keys().isdisjoint(CATALOGUE)


def test_a_systems_own_experiment_wins_over_one_that_ships() -> None:
    own = scenario("timeline: [{fault: process-kill}]\ntitle: Mine")
    system = replace(shop(), experiments={"rolling-restart": own})
    assert catalogue.experiments(system)["rolling-restart"].title == "Mine"
    assert [one.name for one in catalogue.own(system)] == ["rolling-restart"]


def test_one_that_does_not_fit_is_refused_with_the_reason() -> None:
    lonely = replace(shop(), components={name: one for name, one in shop().components.items() if name != "cache"})
    edge = replace(lonely.components["edge"], needs={})
    lonely = replace(lonely, components={**lonely.components, "edge": edge})
    chosen = plan.choose(("dependency-brown-out",), everything=False, known=catalogue.experiments(lonely))
    with pytest.raises(InputError, match="does not fit shop: nobody is dependencies"):
        catalogue.check(chosen, lonely)


def test_each_grade_is_a_run_of_its_own_named_after_it() -> None:
    own = scenario("timeline: [{fault: process-kill, on: {component: quorum}}]\ngrades: [1%, 50%]")
    system = replace(shop(), experiments={"it": own})
    chosen = plan.choose(("it",), everything=False, known=catalogue.experiments(system))
    runs = plan.runs(chosen, 2, plan.Timing(), SeededDice(1), rules.counter(system))
    assert [(run.experiment.name, run.number, run.graded) for run in runs] == [
        ("it@1%", 1, "it"), ("it@1%", 2, "it"), ("it@50%", 1, "it"), ("it@50%", 2, "it"),
    ]  # fmt: skip
    assert [run.strikes[0].on.share.fraction for run in runs] == [0.01, 0.01, 0.5, 0.5]


def test_an_experiment_changes_the_load_and_what_counts_as_served() -> None:
    own = scenario("timeline: [{fault: process-kill}]\nload: {rate: 2/s, retries: 3}\nsteady: {for: 7s}")
    system = replace(shop(), experiments={"it": own})
    (run,) = plan.runs(
        plan.choose(("it",), everything=False, known=catalogue.experiments(system)), 1, plan.Timing(), SeededDice(1)
    )
    fitted = plan.fitted(plan.Timing(hold_s=3.0), run, system.workload)
    assert (fitted.steady_s, fitted.hold_s, fitted.stable_s) == (7.0, None, 10.0)  # twenty operations at two a second
    assert fitted.after_s == 10.0
    load = plan.loaded(system.workload, own.load)
    assert (load.rate, load.retries, load.deadline) == (Rate(2.0), 3, system.workload.deadline)
    twice = plan.loaded(system.workload, scenario("timeline: [{fault: x}]\nload: {times: 2}").load)
    assert twice.rate == Rate(100.0)


def test_a_recovery_time_of_its_own_is_waited_for() -> None:
    own = scenario("timeline: [{fault: process-kill}]\nobjectives: {rto: 10m}\nload: {deadline: 3s}")
    (run,) = plan.runs((replace(CATALOGUE["primary-kill"], scenario=own),), 1, plan.Timing(), SeededDice(1))
    fitted = plan.fitted(plan.Timing(patience_s=90.0, stable_s=2.0), run, shop().workload)
    assert fitted.patience_s == 600.0 * 1.25 + 2.0 + 2 * 3.0
    short = replace(run, experiment=replace(run.experiment, scenario=scenario("timeline: [{fault: process-kill}]")))
    assert plan.fitted(plan.Timing(patience_s=90.0, stable_s=2.0), short, shop().workload).patience_s == 90.0
