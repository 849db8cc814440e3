"""The page of all audit rules is as the rules are."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from bascule.audit import technologies

SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "make_audit_rules.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_audit_rules", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    written = (SCRIPT.parent / "audit-rules.md").read_text(encoding="utf-8")
    assert written == script().page(), "python docs/make_audit_rules.py writes it"


def test_every_rule_is_on_the_page() -> None:
    page = script().page()
    assert all(f"\n### {rule.id}\n" in page for rule in technologies.rules())


def test_there_are_as_many_rules_as_the_project_says() -> None:
    assert len(technologies.rules()) >= 65
