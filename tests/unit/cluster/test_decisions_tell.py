from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from bascule.cluster import decisions, facts

FILES = sorted(Path(next(iter(decisions.__path__))).glob("*.py"))
FILLED_IN = {"at_s", "agent"}


def told(path: Path) -> list[ast.Call]:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "tell"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_fact_is_told_with_all_of_its_fields_and_no_others(path: Path) -> None:
    for call in told(path):
        kind = call.args[0]
        assert isinstance(kind, ast.Attribute), ast.unparse(call)
        fields = {field.name for field in dataclasses.fields(getattr(facts, kind.attr))} - FILLED_IN
        assert {word.arg for word in call.keywords} == fields, ast.unparse(call)


def test_there_are_facts_to_look_at() -> None:
    assert sum(len(told(path)) for path in FILES) > 20
