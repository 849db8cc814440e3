"""The names of facts and of what they tell are public: who listens relies on them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bascule.guard
from bascule.guard import facts
from bascule.guard.facts import GuardFact
from bascule.kernel.facts import Fact

NAMES = {
    "AttemptFailed": ["attempt", "wait_s", "error"],
    "CallRefused": ["policy"],
    "CallTimedOut": ["limit_s", "abandoned"],
    "CircuitClosed": ["key", "reason"],
    "CircuitHalfOpened": ["key"],
    "CircuitOpened": ["key", "reason", "open_s"],
    "DeadlinePassed": [],
    "ExperimentRefused": ["experiment", "reason"],
    "ExperimentSwitchedOff": ["experiment", "reason", "injected"],
    "ExperimentSwitchedOn": ["experiment", "for_s"],
    "FactsDropped": ["count"],
    "FaultInjectedInCall": ["policy", "experiment"],
    "FallbackUsed": ["kind", "error", "age_s"],
    "HedgeStarted": ["attempt", "after_s"],
    "HedgeWon": ["attempt"],
    "LevelConditionFailed": ["level", "error"],
    "LevelEntered": ["level"],
    "LevelLeft": ["level"],
    "LimitChanged": ["limit"],
    "RetriesGivenUp": ["attempts", "reason", "error"],
    "SharedStateFound": [],
    "SharedStateLost": ["error"],
}


def kinds() -> dict[str, type[GuardFact]]:
    return {
        name: value
        for name, value in vars(facts).items()
        if inspect.isclass(value) and issubclass(value, GuardFact) and value is not GuardFact
    }


def test_no_name_is_gone_and_none_was_changed() -> None:
    told = {name: [one.name for one in dataclasses.fields(kind)][2:] for name, kind in kinds().items()}
    assert {name: told.get(name) for name in NAMES} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_is_a_frozen_struct_that_says_when_and_which_guard(name: str) -> None:
    kind = kinds()[name]
    assert issubclass(kind, Fact)
    assert [one.name for one in dataclasses.fields(kind)][:2] == ["at_s", "guard"]
    values: dict[str, Any] = dict.fromkeys(NAMES[name], 1)
    fact = kind(at_s=1.0, guard="db", **values)
    assert not hasattr(fact, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.guard = "other"  # type: ignore[misc] # which is what is tried
    with pytest.raises(TypeError):
        kind(1.0, "db")  # type: ignore[call-arg] # which is what is tried
    assert pickle.loads(pickle.dumps(fact)) == fact  # noqa: S301 - what was pickled is our own
    assert kind.__doc__


def told_by_name() -> Iterator[tuple[str, str, list[str]]]:
    """Every fact that the room tells by its name: where, which, and with what."""
    for path in sorted(Path(bascule.guard.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "tell":
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                said = [one.arg or "**" for one in node.keywords]
                yield f"{path.name}:{node.lineno}", str(node.args[0].value), said


@pytest.mark.parametrize(("where", "name", "said"), list(told_by_name()), ids=str)
def test_what_is_told_by_name_is_there_and_says_all(where: str, name: str, said: list[str]) -> None:
    assert name in NAMES, where
    assert sorted(said) == sorted(NAMES[name]), where


def test_nearly_every_fact_is_told_by_name() -> None:
    assert {name for _, name, _ in told_by_name()} >= set(NAMES) - {
        "FactsDropped",
        "SharedStateFound",
        "SharedStateLost",
    }
