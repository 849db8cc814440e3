"""A report as JSON and back, by a documented schema; infinite is the word `never`, for JSON has none. Pure."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from bascule.drill.report import SCHEMA_VERSION, Claimed, Machine, Mark, Node, Report, Statistic, Trial
from bascule.kernel.errors import InputError
from bascule.measure.bins import Bin
from bascule.measure.verdict import Instants, Measure, Verdict

Json = dict[str, Any]
NEVER = "never"
SCHEMA_ID = "urn:bascule:report:1"
_STRUCTS: tuple[type[Struct], ...] = (
    Report, Trial, Verdict, Measure, Instants, Mark, Bin, Node, Statistic, Machine, Claimed,
)  # fmt: skip
_MAY_BE_NEVER = {
    "Measure": ("value",),
    "Statistic": ("rto_min_s", "rto_median_s", "rto_max_s"),
}
_ATTRIBUTE = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {8,}.*)*)", re.MULTILINE)


def to_json(report: Report) -> bytes:
    """The report as one line of JSON that `schema` describes. Infinite becomes `"never"`; not a number becomes null."""
    document: Json = msgspec.to_builtins(report)
    _exchange(document, lambda value: NEVER if isinstance(value, float) and value == math.inf else value)
    return msgspec.json.encode(document) + b"\n"


def from_json(text: bytes) -> Report:
    """The report that `to_json` wrote.

    Raises:
        InputError: It is no report, or one of another schema version.
    """
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
        if document.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise InputError(
                f"not a report of schema version {SCHEMA_VERSION}, but of {document['schema_version']!r:.20}",
                hint="read it with the bascule that wrote it",
            )
        _exchange(document, lambda value: math.inf if value == NEVER else value)
        return msgspec.convert(document, Report)
    except (
        msgspec.DecodeError,
        msgspec.ValidationError,
        TypeError,
        AttributeError,
        LookupError,
        RecursionError,
    ) as error:
        raise InputError(f"not a report: {error}", hint="give the report.json that a drill wrote") from error


def schema() -> Json:
    """JSON Schema 2020-12 of `to_json`'s answer, each field described by the struct that it comes from."""
    document = msgspec.json.schema(Report)
    definitions = document["$defs"]
    for struct in _STRUCTS:
        _describe(definitions[struct.__name__], struct)
    for name, fields in _MAY_BE_NEVER.items():
        for field in fields:
            _allow_never(definitions[name]["properties"][field])
    _allow_never(definitions["Statistic"]["properties"]["quantiles"]["additionalProperties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Report of a bascule drill",
        **document,
    }


def schema_text() -> str:
    """The schema as it stands in `docs/report.schema.json`."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def _exchange(document: Json, change: Callable[[object], object]) -> None:
    for holder, key in _places(document):
        if key in holder:
            holder[key] = change(holder[key])


def _places(document: Json) -> Iterator[tuple[Json, str]]:
    for trial in document.get("trials", ()):
        for measure in trial.get("verdict", {}).get("measures", ()):
            yield from ((measure, field) for field in _MAY_BE_NEVER["Measure"])
    for statistic in document.get("statistics", ()):
        yield from ((statistic, field) for field in _MAY_BE_NEVER["Statistic"])
        quantiles = statistic.get("quantiles", {})
        yield from ((quantiles, name) for name in quantiles)


def _allow_never(place: Json) -> None:
    kinds = place.pop("anyOf", None) or [{"type": place.pop("type")}]
    place["anyOf"] = [*kinds, {"const": NEVER, "description": "it did not come before the end of the trial"}]


def _describe(definition: Json, struct: type[Struct]) -> None:
    text = inspect.cleandoc(struct.__doc__ or "")
    head, _, attributes = text.partition("\n\nAttributes:\n")
    definition["description"] = " ".join(head.split())
    for found in _ATTRIBUTE.finditer(attributes):
        for name in found["names"].split(", "):
            definition["properties"][name]["description"] = " ".join(found["text"].split())
