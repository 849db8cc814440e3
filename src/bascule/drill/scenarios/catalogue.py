"""The experiments of a system: those of its file and those that ship, by name, as a drill runs them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from bascule.drill.experiments import CATALOGUE, Aims, Experiment
from bascule.drill.scenarios import rules
from bascule.kernel.errors import InputError
from bascule.system import parse_experiments
from bascule.system.model import System
from bascule.system.scenario import Scenario


@cache
def library() -> Mapping[str, Scenario]:
    """The experiments that ship and fit many systems, in the order of their names."""
    found: dict[str, Scenario] = {}
    for file in resources.files("bascule.drill.scenarios").joinpath("library").iterdir():
        if file.name.endswith(".yaml"):
            found.update(parse_experiments(file.read_text(encoding="utf-8"), file.name, lambda _: ()))
    return dict(sorted(found.items()))


def experiments(system: System) -> dict[str, Experiment]:
    """Every experiment by name: those of one fault, those that ship, and the system's own, which win."""
    both = {**library(), **system.experiments}
    return {**CATALOGUE, **{name: _experiment(name, each, system) for name, each in both.items()}}


def shipped() -> dict[str, Experiment]:
    """Those that ship, for no system in particular."""
    return {name: _named(name, each, "primary") for name, each in library().items()}


def own(system: System) -> tuple[Experiment, ...]:
    """Those of the system's file alone."""
    return tuple(_experiment(name, each, system) for name, each in system.experiments.items())


def refusal(experiment: Experiment, system: System) -> str:
    """Why this system cannot have an experiment with a timeline; empty when it can, or for one without."""
    return "" if experiment.scenario is None else rules.refusal(system, experiment.scenario)


def check(chosen: tuple[Experiment, ...], system: System) -> None:
    """See that the system can have each of these experiments.

    Raises:
        InputError: It cannot have one that ships; the message says why. Those of its own file are checked with it.
    """
    for each in chosen:
        if why := refusal(each, system):
            raise InputError(f"{each.name} does not fit {system.system}: {why}", hint="bascule drill --list FILE")


def _experiment(name: str, scenario: Scenario, system: System) -> Experiment:
    return _named(name, scenario, _aims(scenario, system))


def _named(name: str, scenario: Scenario, aims: Aims) -> Experiment:
    return Experiment(
        name=name,
        title=scenario.title or name.replace("-", " ").capitalize(),
        scope=scenario.scope,
        kind="scenario",
        action="ran its timeline against {target}",
        about=scenario.about or f"a timeline of {len(scenario.timeline)} steps",
        aims=aims,
        scenario=scenario,
    )


def _aims(scenario: Scenario, system: System) -> Aims:
    """At what its clients look: at the entry, if all that it hits is the entry or nobody is primary."""
    hit = {one.who for step in scenario.timeline for one in (step.on, *(each.on for each in step.one_of))}
    return "entry" if hit == {"entry"} or not rules.roled_component(system) else "primary"
