"""Graduated runs: the same experiment a little worse each time, from a few members to a whole region. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from bascule.kernel.quantities import Share
from bascule.system.scenario import Choice, Scenario, Whom


def graded(scenario: Scenario) -> tuple[tuple[str, Scenario], ...]:
    """Each grade with the experiment as it is then, in the file's order; one without a name where there are none."""
    if not scenario.grades:
        return (("", scenario),)
    return tuple((grade, _at(grade, scenario)) for grade in scenario.grades)


def _at(grade: str, scenario: Scenario) -> Scenario:
    timeline = tuple(
        replace(step, on=_whom(grade, step.on), one_of=tuple(_choice(grade, one) for one in step.one_of))
        for step in scenario.timeline
    )
    return replace(scenario, timeline=timeline)


def _choice(grade: str, choice: Choice) -> Choice:
    return replace(choice, on=_whom(grade, choice.on))


def _whom(grade: str, whom: Whom) -> Whom:
    match grade:
        case "zone":
            return replace(whom, whole="zone")
        case "region":
            return replace(whom, whole="region")
        case _:
            return replace(whom, share=Share.parse(grade), count=0, whole="member")
