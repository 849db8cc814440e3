"""The forms of an audit: complete, valid, and safe whatever the files said."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from msgspec.structs import replace
from rich.console import Console
from tests.unit.audit.audit_findings import finding
from tests.unit.audit.audit_sarif_schema import SCHEMA

from bascule.audit import render_json, render_junit, render_markdown, render_sarif, render_terminal, technologies
from bascule.audit.finding import Edit
from bascule.audit.place import Place
from bascule.audit.result import Audit, Gone
from bascule.audit.visible import address, markdown, visible

RULES = technologies.rules()
HOSTILE = (
    "\x1b[31m\x07\x00\u202eevil\u2028\x9b0m </failure>]]> <script>alert(1)</script>"
    " [click](http://x) @team `a` **b** |\n"
)
PLAIN = finding("1", rule="BSC-FILE-002", place=Place("a.yaml", 2, 3, 2, 4), line="  x: 1", subject="key x")
NASTY = finding(
    "2",
    rule="BSC-FILE-001",
    place=Place(f"a{HOSTILE}.yaml", 1, 5),
    what=HOSTILE,
    line=HOSTILE,
    subject=HOSTILE,
    fix=HOSTILE,
    related=((Place(HOSTILE), HOSTILE),),
    edits=(Edit(place=Place(HOSTILE, 1, 1, 1, 2), text=HOSTILE),),
    severity="critical",
)
AUDIT = Audit(
    findings=(PLAIN, NASTY, finding("5", severity="low")),
    suppressed=(replace(finding("3"), suppressed=HOSTILE),),
    known=(replace(finding("4"), known=True),),
    gone=(Gone(rule="BSC-FILE-002", file=HOSTILE, subject=HOSTILE, fingerprint="6"),),
    files=3,
    technologies={"kubernetes": 2},
    unknown=(HOSTILE,),
    notes=(HOSTILE,),
    rules=("BSC-FILE-001", "BSC-FILE-002"),
)


def shown(audit: Audit, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False).print(render_terminal.report(audit))
    return stream.getvalue()


def everything() -> dict[str, str]:
    return {
        "text": shown(AUDIT),
        "json": render_json.render(render_json.document(AUDIT, version="1")),
        "sarif": render_sarif.sarif(AUDIT, RULES, version="1"),
        "junit": render_junit.junit(AUDIT, gate="high").decode(),
        "markdown": render_markdown.page(AUDIT),
    }


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "markdown"])
def test_nothing_hostile_gets_through(form: str) -> None:
    text = everything()[form]
    raw = {letter for letter in text if letter != "\n" and not letter.isprintable()}
    assert raw == set()
    assert "evil" in text, "it is told, only harmless"


def test_a_finding_is_shown_with_its_line_a_caret_and_what_to_do() -> None:
    lines = [line.rstrip() for line in shown(Audit(findings=(PLAIN,), files=1)).splitlines()]
    assert lines[0] == "a.yaml"
    assert lines[1] == "  2:3   high  BSC-FILE-002 key x: it is so"
    assert lines[2:4] == ["    2 │   x: 1", "      │   ^"]
    told = "\n".join(lines)
    for words in ("why    Because.", "fix    Do.", "breaks availability", "source a manual", "1 file: 1 high"):
        assert words in told


def test_the_terminal_is_80_columns_wide() -> None:
    long = replace(PLAIN, line="x" * 300, place=Place("a.yaml", 2, 250, 2, 260), what="word " * 60, why="word " * 90)
    told = shown(replace(AUDIT, findings=(*AUDIT.findings, long)))
    assert max(len(line) for line in told.splitlines()) <= 80
    assert "^^^^^^^^^^" in told


def test_a_rule_explains_itself_once() -> None:
    told = shown(Audit(findings=(PLAIN, replace(PLAIN, place=Place("a.yaml", 9)))))
    assert told.count("why") == 1
    assert told.count("fix  ") == 2


def test_tabs_and_wide_letters_keep_the_caret_below_its_place() -> None:
    told = shown(Audit(findings=(replace(PLAIN, line="日本\tx: 1", place=Place("a.yaml", 2, 4, 2, 5)),))).splitlines()
    assert told[2].endswith("日本 x: 1")
    assert told[3].index("^") == told[2].index("x") + 2, "two letters are two cells wide"


def test_too_many_findings_are_counted() -> None:
    many = tuple(replace(PLAIN, place=Place("a.yaml", line)) for line in range(1, 301))
    assert "and 100 more findings" in shown(Audit(findings=many))
    assert "And 200 more findings" in render_markdown.page(Audit(findings=many))


def test_the_summary_counts_everything() -> None:
    assert render_terminal.summary(AUDIT).plain == (
        "3 files (2 kubernetes), 1 of no known technology: 1 critical, 1 high, 1 low; 1 suppressed; 1 in the baseline"
    )
    assert render_terminal.summary(Audit(findings=(), files=1)).plain == "1 file: no findings"


def test_json_has_everything() -> None:
    told = json.loads(everything()["json"])
    assert told["counts"] == {"critical": 1, "high": 1, "medium": 0, "low": 1, "suppressed": 1, "known": 1}
    first = told["findings"][0]
    assert first["place"] == {"file": "a.yaml", "line": 2, "column": 3, "end_line": 2, "end_column": 4}
    assert not first["fixable"]
    assert told["findings"][1]["what"] == HOSTILE, "machines get it as it is"
    assert told["findings"][1]["related"] == [{"place": told["gone"] and _place(HOSTILE), "what": HOSTILE}]


def _place(file: str) -> dict[str, Any]:
    return {"file": file, "line": 1, "column": 1, "end_line": 0, "end_column": 0}


def run_of(audit: Audit) -> dict[str, Any]:
    told = json.loads(render_sarif.sarif(audit, RULES, version="1.2.3"))
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    errors = [f"{list(one.path)}: {one.message}" for one in validator.iter_errors(told)]
    assert errors == []
    run: dict[str, Any] = told["runs"][0]
    return run


def test_sarif_is_valid_and_has_everything() -> None:
    run = run_of(AUDIT)
    first, nasty, *_ = run["results"]
    assert [one["level"] for one in run["results"]] == ["error", "error", "note", "error", "error"]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "BSC-FILE-002"
    region = first["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 4}
    assert first["partialFingerprints"] == {"basculeAudit/v1": "1"}
    assert "](" not in nasty["message"]["text"]
    assert nasty["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"] == HOSTILE
    kinds = [one["suppressions"][0]["kind"] for one in run["results"] if "suppressions" in one]
    assert sorted(kinds) == ["external", "inSource"]


def test_every_rule_can_be_told_in_sarif() -> None:
    run = run_of(Audit(findings=(), rules=tuple(one.id for one in RULES)))
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == [one.id for one in RULES]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("./deploy/web app.yaml", "deploy/web%20app.yaml"),
        ("/srv/x.yaml", "file:///srv/x.yaml"),
        ("-", "-"),
        ("é%.yaml", "%C3%A9%25.yaml"),
    ],
)
def test_files_are_addresses_in_sarif(file: str, uri: str) -> None:
    run = run_of(Audit(findings=(replace(PLAIN, place=Place(file)),)))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_junit_fails_what_is_at_the_gate_and_skips_what_is_meant_to_be() -> None:
    root = ET.fromstring(render_junit.junit(AUDIT, gate="high"))  # noqa: S314 - our own document
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "2",
        "errors": "0",
        "skipped": "2",
    }
    failing = [one for one in root.iter("testcase") if one.find("failure") is not None]
    assert failing[0].get("name") == "BSC-FILE-002 a-name 2:3"
    assert ET.fromstring(render_junit.junit(AUDIT, gate=None)).get("failures") == "0"  # noqa: S314 - our own document
    assert ET.fromstring(render_junit.junit(AUDIT, gate="critical")).get("failures") == "1"  # noqa: S314 - our own


def test_junit_of_nothing_is_one_case_that_passed() -> None:
    root = ET.fromstring(render_junit.junit(Audit(findings=(), files=4), gate="high"))  # noqa: S314 - our own document
    assert [one.get("name") for one in root.iter("testcase")] == ["4 files, no findings"]
    assert root.get("tests") == "1"


def test_markdown_shows_what_was_read_and_lets_none_of_it_act() -> None:
    page = render_markdown.page(AUDIT)
    prose = "\n".join(line for line in page.splitlines() if not line.startswith("  \\x1b"))
    assert "<script>" not in prose.replace("\\<script\\>", "")
    assert "](http://x)" not in prose
    assert " @team" not in prose
    assert "## Audit: 1 critical, 1 high, 1 low" in page
    assert "3 files read; 1 suppressed; 1 in the baseline." in page


def test_a_fence_is_longer_than_what_is_in_it() -> None:
    page = render_markdown.page(Audit(findings=(replace(PLAIN, line="x: ````"),)))
    assert "  `````text\n  x: ````\n  `````\n" in page


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\x1b\u202e\n\u200b") == "a\\x1b\\u202e\\n\\u200b"
    assert visible("é日") == "é日"
    assert visible("x" * 5000) == "x" * 2000 + "..."
    assert markdown("a_b") == "a\\_b"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("kubernetes.io/docs/tasks/run-application/configure-pdb", True),
        ("HAProxy manual 3.0, section 5.2 (https://docs.haproxy.org/3.0/configuration.html)", True),
        ("YAML 1.2.2, section 3.2", False),
        ("patroni.readthedocs.io/en/latest/", True),
    ],
)
def test_addresses_are_found_in_sources(source: str, *, found: bool) -> None:
    assert address(source).startswith("https://") is found
