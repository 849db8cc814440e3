from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from msgspec.structs import replace
from prediction_sample import HOSTILE, hostile, large, minimal, prediction, weight

from bascule.availability.prediction import Part, Prediction
from bascule.availability.render.as_json import schema, schema_text, to_json

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "prediction.schema.json"
REGENERATE = (
    "python -c 'from bascule.availability.render.as_json import schema_text as s; print(s(), end=\"\")'"
    " > docs/prediction.schema.json"
)


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize(
    "said", [prediction(), minimal(), minimal(0.0), minimal(0.012, 0.008, meets=None), large(), hostile()]
)
def test_a_prediction_satisfies_its_schema(said: Prediction) -> None:
    written = to_json(said)
    assert written.endswith(b"}\n")
    assert written.count(b"\n") == 1
    validator().validate(json.loads(written, parse_constant=pytest.fail))


def test_what_is_infinite_is_a_word() -> None:
    endless = replace(
        prediction().recovery[0], rto_s=math.inf, parts=(Part(name="a person must come", seconds=math.inf),)
    )
    free = replace(prediction().changes[0], cost_per_year=0.0, gain_per_cost=math.inf)
    said = replace(
        minimal(0.0), weights=(weight("web", "component", 1.0, raw=math.inf),), recovery=(endless,), changes=(free,)
    )
    document = json.loads(to_json(said), parse_constant=pytest.fail)
    assert document["uptime"]["nines"] == "infinite"
    assert document["weights"][0]["rrw"] == "infinite"
    assert document["weights"][0]["raw"] == "infinite"
    assert document["recovery"][0]["rto_s"] == "never"
    assert document["recovery"][0]["parts"][0]["seconds"] == "never"
    assert document["changes"][0]["gain_per_cost"] == "infinite"
    validator().validate(document)


def test_every_figure_is_there_under_its_name() -> None:
    document = json.loads(to_json(prediction()))
    assert document["schema_version"] == 1
    assert document["uptime"]["per_year_s"] == pytest.approx(22_080)
    assert document["meets"] is False
    assert document["cut_sets"]["by_order"] == {"1": 5, "2": 18, "3": 14}
    assert document["survival"][0]["margins"]["edge"] == [1, 1]
    assert document["strategies"][0]["strategy"]["name"] == "hot standby"
    assert document["months"]["months"] == 10_000
    assert sum(document["months"]["histogram"]["counts"]) + document["months"]["histogram"]["zero"] == 10_000
    assert document["window_probability"] == [0.792, 0.784, 0.8]


def test_the_single_months_are_not_written() -> None:
    document = json.loads(to_json(prediction()))
    assert [name for name in document["months"] if name.startswith("_")] == []
    assert [name for name in schema()["$defs"]["Months"]["properties"] if name.startswith("_")] == []
    assert len(to_json(prediction())) < 40_000


def test_names_are_kept_as_they_are() -> None:
    assert json.loads(to_json(hostile()))["system"] == HOSTILE


def test_the_schema_refuses_what_a_prediction_never_says() -> None:
    document = json.loads(to_json(prediction()))
    for change in ({"meets": "maybe"}, {"schema_version": 2}, {"target": "never"}):
        with pytest.raises(jsonschema.ValidationError):
            validator().validate({**document, **change})


def test_every_struct_and_every_documented_field_is_described() -> None:
    definitions = schema()["$defs"]
    assert all(definition["description"] for definition in definitions.values())
    assert definitions["Uptime"]["properties"]["lower"]["description"].startswith("The lower bound")
    assert definitions["Months"]["properties"]["quantiles"]["description"].startswith("Of a month's downtime")


def test_the_documented_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), f"run: {REGENERATE}"
