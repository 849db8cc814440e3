"""An audit as JUnit XML: a suite per file, a case per finding; what is below the gate passes with a word. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from bascule.audit.finding import SEVERITIES, Severity
from bascule.audit.result import Audit, Finding
from bascule.audit.visible import visible

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(audit: Audit, *, gate: Severity | None) -> bytes:
    """The document: a finding at the gate or above it is a failure; one that is suppressed or known is skipped.

    Args:
        audit: The result.
        gate: From which severity on a finding fails; None for never.
    """
    by_file: dict[str, list[Finding]] = {}
    for one in (*audit.findings, *audit.known, *audit.suppressed):
        by_file.setdefault(one.place.file, []).append(one)
    failing = SEVERITIES[: SEVERITIES.index(gate) + 1] if gate is not None else ()
    root = ET.Element("testsuites", name="bascule audit")
    suites = [_suite(root, file, findings, failing) for file, findings in by_file.items()]
    if not suites:
        suite = ET.SubElement(root, "testsuite", name="bascule audit", tests="1", failures="0", errors="0", skipped="0")
        ET.SubElement(suite, "testcase", classname="bascule audit", name=f"{audit.files} files, no findings", time="0")
    for name in ("tests", "failures", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("errors", "0")
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _suite(root: ET.Element, file: str, findings: Sequence[Finding], failing: Sequence[Severity]) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=_xml(file))
    endings = [_case(suite, file, one, failing) for one in findings]
    suite.set("tests", str(len(endings)))
    suite.set("failures", str(endings.count("failure")))
    suite.set("errors", "0")
    suite.set("skipped", str(endings.count("skipped")))
    return suite


def _case(suite: ET.Element, file: str, one: Finding, failing: Sequence[Severity]) -> str:
    """Write one case; its ending, empty when it passed."""
    place = f"{one.place.line}:{one.place.column}"
    case = ET.SubElement(suite, "testcase", classname=_xml(file), name=f"{one.rule} {one.name} {place}", time="0")
    about = _xml(f"{one.subject}: {one.what}" if one.subject else one.what)
    if one.suppressed or one.known:
        ET.SubElement(case, "skipped", message=_xml(one.suppressed or "in the baseline"))
        return "skipped"
    lines = (str(one.place), about, one.line, f"why: {one.why}", f"fix: {one.fix}", f"source: {one.source}")
    text = "\n".join(_xml(line) for line in lines)
    if one.severity in failing:
        ET.SubElement(case, "failure", message=about, type=one.severity).text = text
        return "failure"
    ET.SubElement(case, "system-out").text = f"{one.severity}: {text}"
    return ""


def _xml(text: str) -> str:
    return _NOT_XML.sub("", visible(text))
