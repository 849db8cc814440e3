"""The part of SARIF 2.1.0 that we write, as a JSON Schema; each part names the section that it is from."""

from __future__ import annotations

from typing import Any


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_TEXT = {"type": "string"}
_MESSAGE = _object(["text"], text=_TEXT)  # 3.11
_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
_RANK = {"type": "number", "minimum": -1, "maximum": 100}  # 3.27.25
_FROM_1 = {"type": "integer", "minimum": 1}
_REGION = _object(["startLine"], startLine=_FROM_1, startColumn=_FROM_1, endLine=_FROM_1, endColumn=_FROM_1)  # 3.30
_ARTIFACT = _object(["uri"], uri={"type": "string", "format": "uri-reference", "pattern": r"^[\x21-\x7e]*$"})  # 3.4
_PHYSICAL = _object(["artifactLocation"], artifactLocation=_ARTIFACT, region=_REGION)  # 3.29
_LOCATION = _object([], id={"type": "integer", "minimum": -1}, physicalLocation=_PHYSICAL, message=_MESSAGE)  # 3.28
_PROPERTIES = {
    "type": "object",
    "properties": {"tags": {"type": "array", "uniqueItems": True, "items": _TEXT}},
}  # 3.8
_RULE = _object(  # 3.49
    ["id"],
    id=_TEXT,
    name=_TEXT,
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    helpUri={"type": "string", "pattern": r"^https://[\x21-\x7e]+$"},
    defaultConfiguration=_object([], level=_LEVEL, rank=_RANK),  # 3.50
    properties=_PROPERTIES,
)
_REPLACEMENT = _object(["deletedRegion"], deletedRegion=_REGION, insertedContent=_object([], text=_TEXT))  # 3.57
_CHANGE = _object(  # 3.56
    ["artifactLocation", "replacements"],
    artifactLocation=_ARTIFACT,
    replacements={"type": "array", "minItems": 1, "items": _REPLACEMENT},
)
_FIX = _object(  # 3.55
    ["artifactChanges"],
    description=_MESSAGE,
    artifactChanges={"type": "array", "minItems": 1, "uniqueItems": True, "items": _CHANGE},
)
_SUPPRESSION = _object(["kind"], kind={"enum": ["inSource", "external"]}, justification=_TEXT)  # 3.35
_RESULT = _object(  # 3.27
    ["message"],
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=_LEVEL,
    rank=_RANK,
    message=_MESSAGE,
    locations={"type": "array", "items": _LOCATION},
    relatedLocations={"type": "array", "uniqueItems": True, "items": _LOCATION},
    partialFingerprints={"type": "object", "additionalProperties": _TEXT},
    suppressions={"type": "array", "uniqueItems": True, "items": _SUPPRESSION},
    fixes={"type": "array", "uniqueItems": True, "items": _FIX},
    properties=_PROPERTIES,
)
_NOTIFICATION = _object(["message"], level=_LEVEL, message=_MESSAGE)  # 3.58
_INVOCATION = _object(  # 3.20
    ["executionSuccessful"],
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications={"type": "array", "items": _NOTIFICATION},
)
_DRIVER = _object(  # 3.19
    ["name"],
    name=_TEXT,
    version=_TEXT,
    semanticVersion=_TEXT,
    rules={"type": "array", "uniqueItems": True, "items": _RULE},
)
_RUN = _object(  # 3.14
    ["tool"],
    tool=_object(["driver"], driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations={"type": "array", "items": _INVOCATION},
    results={"type": "array", "items": _RESULT},
)
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(  # 3.13
        ["version", "runs"],
        **{"$schema": _TEXT},
        version={"const": "2.1.0"},
        runs={"type": "array", "items": _RUN},
    ),
}
