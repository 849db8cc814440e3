"""A prediction as JSON, by a documented schema; infinite is a word, for JSON has no number for it. Pure."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

import msgspec

from bascule.availability.assumptions import Assumption
from bascule.availability.prediction import (
    Change,
    CutSet,
    CutSets,
    Measurement,
    Money,
    Part,
    Prediction,
    Recovery,
    RegionUptime,
    Survival,
    Uptime,
    Weight,
)
from bascule.availability.simulation.months import Histogram, Months, Outages, Quantile
from bascule.availability.strategies import Choice, Strategy

Json = dict[str, Any]
SCHEMA_VERSION = 1
SCHEMA_ID = "urn:bascule:prediction:1"
NEVER, INFINITE = "never", "infinite"
_DESCRIBED: tuple[type, ...] = (
    Prediction, Uptime, RegionUptime, Weight, CutSet, CutSets, Survival, Part, Recovery, Change, Money, Measurement,
    Assumption, Choice, Strategy, Months, Histogram, Outages, Quantile,
)  # fmt: skip
_MAY_BE_INFINITE = {
    "Uptime": ("nines",),
    "Weight": ("raw", "rrw"),
    "Change": ("gain_per_cost",),
    "Part": ("seconds",),
    "Recovery": ("rto_s", "lost_s"),
}
_ATTRIBUTE = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {8,}.*)*)", re.MULTILINE)


def to_json(prediction: Prediction) -> bytes:
    """The prediction as one line of JSON that `schema` describes.

    What is infinite becomes the word `never` where it is a time, `infinite` elsewhere; not a number becomes null. The
    single months are left out.
    """
    document: Json = msgspec.to_builtins(prediction, str_keys=True, enc_hook=_left_out)
    if document["months"] is not None:
        document["months"] = {name: one for name, one in document["months"].items() if not name.startswith("_")}
    told = {name: _told(one, name) for name, one in document.items()}
    return msgspec.json.encode({"schema_version": SCHEMA_VERSION, **told}) + b"\n"


def schema() -> Json:
    """JSON Schema 2020-12 of `to_json`'s answer, each field described by the struct that it comes from."""
    document = msgspec.json.schema(Prediction, schema_hook=_left_out_of_schema)
    definitions = document["$defs"]
    for definition in definitions.values():
        _without_private(definition)
    for described in _DESCRIBED:
        _describe(definitions[described.__name__], described)
    for name, fields in _MAY_BE_INFINITE.items():
        for field in fields:
            _allow_infinite(definitions[name]["properties"][field], word_for(field))
    whole = definitions["Prediction"]
    whole["properties"] = {"schema_version": {"const": SCHEMA_VERSION}, **whole["properties"]}
    whole["required"] = ["schema_version", *whole["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Prediction of bascule",
        **document,
    }


def schema_text() -> str:
    """The schema as it stands in `docs/prediction.schema.json`."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def word_for(field: str) -> str:
    """The word that stands for infinite in this field."""
    return NEVER if field == "seconds" or field.endswith("_s") else INFINITE


def _told(value: object, field: str) -> object:
    """The value with words for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _told(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_told(one, field) for one in value]
    return word_for(field) if isinstance(value, float) and value == math.inf else value


def _left_out(_: object) -> None:
    """Stands for what has no plain form: the array of single months, which is private."""


def _left_out_of_schema(_: type) -> Json:
    return {"type": "null"}


def _without_private(definition: Json) -> None:
    properties = definition.get("properties", {})
    for name in [name for name in properties if name.startswith("_")]:
        del properties[name]
        definition["required"] = [other for other in definition["required"] if other != name]


def _allow_infinite(place: Json, word: str) -> None:
    kinds = place.pop("anyOf", None) or [{"type": place.pop("type")}]
    place["anyOf"] = [*kinds, {"const": word, "description": "infinite, for which JSON has no number"}]


def _describe(definition: Json, described: type) -> None:
    text = inspect.cleandoc(described.__doc__ or "")
    head, _, attributes = text.partition("\n\nAttributes:\n")
    definition["description"] = " ".join(head.split())
    for found in _ATTRIBUTE.finditer(attributes):
        for name in found["names"].split(", "):
            if name in definition["properties"]:
                definition["properties"][name]["description"] = " ".join(found["text"].split())
