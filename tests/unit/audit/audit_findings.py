"""Findings for tests."""

from __future__ import annotations

from typing import Any

from bascule.audit.place import Place
from bascule.audit.result import Finding


def finding(fingerprint: str, **more: Any) -> Finding:
    given: dict[str, Any] = {
        "rule": "BSC-K8S-001",
        "name": "a-name",
        "severity": "high",
        "technology": "kubernetes",
        "place": Place("a.yaml", 2, 3),
        "what": "it is so",
        "subject": "Deployment web",
        "line": "x: 1",
        "why": "Because.",
        "fix": "Do.",
        "source": "a manual",
        "breaks": ("availability",),
        "objectives": ("availability",),
        "related": (),
        "edits": (),
        "fingerprint": fingerprint,
    }
    return Finding(**{**given, **more})
