"""An audit as one JSON document, all ASCII: nothing that was read reaches a terminal as it was. Pure."""

from __future__ import annotations

import json
from typing import Any

from msgspec import to_builtins

from bascule.audit.result import Audit, Finding
from bascule.audit.rule import Rule

VERSION = 1


def document(audit: Audit, *, version: str) -> dict[str, Any]:
    """The audit as plain data.

    Args:
        audit: The result.
        version: Of bascule.
    """
    return {
        "bascule_audit": VERSION,
        "version": version,
        "system": audit.system,
        "files": audit.files,
        "technologies": audit.technologies,
        "rules": list(audit.rules),
        "counts": {**audit.counts(), "suppressed": len(audit.suppressed), "known": len(audit.known)},
        "findings": [_finding(one) for one in audit.findings],
        "suppressed": [_finding(one) for one in audit.suppressed],
        "known": [_finding(one) for one in audit.known],
        "gone": to_builtins(audit.gone),
        "unknown": list(audit.unknown),
        "notes": list(audit.notes),
    }


def render(value: object) -> str:
    """One JSON document in ASCII, with a line end."""
    text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f") + "\n"


def listed(rule: Rule) -> dict[str, Any]:
    """A rule without its code."""
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity,
        "technology": rule.technology,
        "breaks": list(rule.objectives),
        "why": rule.why,
        "fix": rule.fix,
        "source": rule.source,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    related = [{"place": to_builtins(place), "what": what} for place, what in finding.related]
    return {**to_builtins(finding), "related": related, "fixable": bool(finding.edits)}
