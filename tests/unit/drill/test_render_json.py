from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from msgspec.structs import replace

from bascule.drill.render_json import from_json, schema, schema_text, to_json
from bascule.drill.report import Report
from bascule.kernel.errors import InputError
from bascule.measure.verdict import Measure, Verdict

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "report.schema.json"
REGENERATE = (
    "python -c 'from bascule.drill.render_json import schema_text as s; print(s(), end=\"\")' > docs/report.schema.json"
)


def never_recovered(report: Report) -> Report:
    rto = Measure(name="rto", title="RTO", value=math.inf, unit="s", objective=30, met=False)
    trial = replace(report.trials[1], verdict=Verdict(outcome="FAIL", reasons=("never",), measures=(rto,)))
    statistic = replace(report.statistics[0], rto_max_s=math.inf, quantiles={"P90": math.inf})
    return replace(report, trials=(trial,), statistics=(statistic,))


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_a_report_satisfies_its_schema(sample_report: Report) -> None:
    validator().validate(json.loads(to_json(sample_report)))


def test_what_never_came_is_the_word_never(sample_report: Report) -> None:
    document = json.loads(to_json(never_recovered(sample_report)), parse_constant=pytest.fail)
    assert document["trials"][0]["verdict"]["measures"][0]["value"] == "never"
    assert document["statistics"][0]["rto_max_s"] == "never"
    assert document["statistics"][0]["quantiles"] == {"P90": "never"}
    assert document["trials"][0]["verdict"]["reasons"] == ["never"]
    validator().validate(document)


def test_a_report_comes_back_as_it_went(sample_report: Report) -> None:
    assert from_json(to_json(sample_report)) == sample_report
    assert from_json(to_json(never_recovered(sample_report))) == never_recovered(sample_report)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"trials": 3}', b'{"trials": [7]}', b"\xff"])
def test_what_is_no_report_is_refused(text: bytes) -> None:
    with pytest.raises(InputError, match="not a report"):
        from_json(text)


def test_the_schema_refuses_what_a_report_never_says(sample_report: Report) -> None:
    document = json.loads(to_json(sample_report))
    document["outcome"] = "MAYBE"
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(document)


def test_every_struct_and_every_documented_field_is_described() -> None:
    definitions = schema()["$defs"]
    assert all(definition["description"] for definition in definitions.values())
    assert definitions["Measure"]["properties"]["value"]["description"].startswith("None when it could not be measured")
    assert "Latency" in definitions["Bin"]["properties"]["p99_ms"]["description"]


def test_the_documented_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), f"run: {REGENERATE}"
