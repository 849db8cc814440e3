"""An audit as SARIF 2.1.0, for code scanning: rules, results, fixes, and what was suppressed and by what. Pure.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from bascule.audit.finding import Edit, Severity
from bascule.audit.place import Place
from bascule.audit.render_json import render as as_json
from bascule.audit.result import Audit, Finding
from bascule.audit.rule import Rule
from bascule.audit.visible import address, visible

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_RANKS: dict[Severity, float] = {"critical": 95.0, "high": 75.0, "medium": 50.0, "low": 20.0}


def sarif(audit: Audit, rules: Sequence[Rule], *, version: str) -> str:
    """The document.

    Args:
        audit: The result.
        rules: Those that were asked.
        version: Of bascule.
    """
    every = (*audit.findings, *audit.known, *audit.suppressed)
    told = {one.rule for one in every}
    described = [one for one in rules if one.id in told or one.id in audit.rules]
    index = {one.id: number for number, one in enumerate(described)}
    run = {
        "tool": {
            "driver": {
                "name": "bascule audit",
                "version": version,
                "semanticVersion": version,
                "rules": [_rule(one) for one in described],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(audit)],
        "results": [_result(one, index) for one in every],
    }
    return as_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n\n{rule.fix}\n\nSource: {rule.source}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "rank": _RANKS[rule.severity]},
        "properties": {"tags": [rule.technology, *rule.objectives], "severity": rule.severity},
    }
    known = address(rule.source)
    return {**found, "helpUri": known} if known else found


def _invocation(audit: Audit) -> dict[str, Any]:
    notes = [{"level": "warning", "message": {"text": _message(one)}} for one in audit.notes]
    return {"executionSuccessful": True, "toolExecutionNotifications": notes}


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    subject = f"{finding.subject}: " if finding.subject else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "rank": _RANKS[finding.severity],
        "message": {"text": _message(f"{subject}{finding.what}. {finding.fix}")},
        "locations": [{"physicalLocation": _location(finding.place)}],
        "partialFingerprints": {"basculeAudit/v1": finding.fingerprint},
        "properties": {"severity": finding.severity, "breaks": list(finding.breaks)},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _location(place), "message": {"text": _message(what)}}
            for number, (place, what) in enumerate(finding.related, 1)
        ]
    if finding.suppressed or finding.known:
        why = visible(finding.suppressed) if finding.suppressed else "in the baseline"
        result["suppressions"] = [{"kind": "inSource" if finding.suppressed else "external", "justification": why}]
    if finding.edits:
        result["fixes"] = [_fix(finding)]
    return result


def _message(text: str) -> str:
    """A message in which nothing is a link or a placeholder. Source: SARIF 2.1.0, sections 3.11.5 and 3.11.6."""
    return visible(text).replace("](", "]\\(")


def _location(place: Place) -> dict[str, Any]:
    return {"artifactLocation": {"uri": _uri(place.file)}, "region": _region(place)}


def _uri(file: str) -> str:
    """The file as a relative reference, or as an address when its path is absolute."""
    path = quote(file.replace("\\", "/").removeprefix("./").encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{path}" if path.startswith("/") else path


def _region(place: Place) -> dict[str, int]:
    start = {"startLine": max(place.line, 1), "startColumn": max(place.column, 1)}
    if place.end_line < place.line or place.end_column < 1:
        return start
    return {**start, "endLine": place.end_line, "endColumn": place.end_column}


def _fix(finding: Finding) -> dict[str, Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in finding.edits:
        by_file.setdefault(edit.place.file, []).append(edit)
    changes = [
        {"artifactLocation": {"uri": _uri(file)}, "replacements": _replacements(by_file[file])} for file in by_file
    ]
    return {"description": {"text": _message(finding.fix)}, "artifactChanges": changes}


def _replacements(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    return [{"deletedRegion": _region(edit.place), "insertedContent": {"text": edit.text}} for edit in edits]
