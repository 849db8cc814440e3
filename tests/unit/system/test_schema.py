"""The JSON Schema accepts what the reader accepts, and tells an editor what each key means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from ruamel.yaml import YAML

from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system import schema as module
from bascule.system.schema import schema
from bascule.system.starter import STARTER

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))
SCHEMA: Any = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def errors(text: str) -> list[str]:
    document = YAML(typ="safe", pure=True).load(text)
    return [error.json_path for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_json_schema_of_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_starter_meets_it() -> None:
    assert errors(STARTER) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_meet_it(path: Path) -> None:
    assert errors(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("was", "becomes", "at"),
    [
        ("target: 99.9%", "target: 99.9", "$.objectives.availability.target"),
        ("rate: 50/s", "rate: 50", "$.workload.rate"),
        ("deadline: 1s", "deadline: 1", "$.workload.deadline"),
        ("needs: {consensus: hard}", "needs: {consensus: herd}", "$.components.database.needs.consensus"),
        ("engine: haproxy", "engin: haproxy", "$.components.proxy"),
        ("paris: {zones", "Paris: {zones", "$.regions"),
        ("[paris, lyon]", "[paris]", "$.links[0].between"),
        ("percentile: 99", "percentile: 100", "$.objectives.latency.percentile"),
        ("lyon-a: 1, witness-a: 1", "lyon-a: 100, witness-a: 1", "$.components.consensus.replicas['lyon-a']"),
    ],
)
def test_what_the_reader_refuses_by_itself_it_refuses_too(was: str, becomes: str, at: str) -> None:
    assert was in STARTER
    assert at in errors(STARTER.replace(was, becomes, 1))


def test_every_group_and_key_is_described() -> None:
    for name, definition in SCHEMA["$defs"].items():
        assert definition["description"], name
        for group in (definition, *definition.get("anyOf", ())):
            for key, shown in group.get("properties", {}).items():
                assert shown.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("kind", [Duration, Rate, Share, Size])
def test_the_examples_of_a_quantity_can_be_read(kind: Any) -> None:
    shown: Any = module._QUANTITIES[kind]
    validator = jsonschema.Draft202012Validator(shown)
    for example in shown["examples"]:
        assert validator.is_valid(example)
        kind.parse(str(example))
