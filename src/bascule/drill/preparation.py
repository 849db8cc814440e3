"""From the experiments that were chosen to the trials of a drill: checked against the system, and timed."""

from __future__ import annotations

from bascule.drill import plan as planning
from bascule.drill import targets
from bascule.drill.experiments import Experiment
from bascule.drill.plan import Run, Timing
from bascule.drill.scenarios import catalogue, rules
from bascule.kernel.dice import SeededDice
from bascule.system.model import System


def prepare(
    system: System, chosen: tuple[Experiment, ...], *, trials: int, seed: int, hold_s: float | None = None
) -> tuple[tuple[Run, ...], Timing]:
    """Every trial in its order, and the phases of each; the same for the same seed.

    Raises:
        InputError: The system cannot have one of these experiments, or so many trials cannot be run.
    """
    targets.check(chosen, system)
    catalogue.check(chosen, system)
    timing = planning.timing(system, cycle_s=targets.cycle_s(system, chosen), hold_s=hold_s)
    return planning.runs(chosen, trials, timing, SeededDice(seed), rules.counter(system)), timing
