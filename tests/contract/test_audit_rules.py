"""Every audit rule finds what its failing example shows, nothing in its passing one, and what one small change breaks.

An example is a folder `tests/golden/audit/<ID>/`: `failing.*` and `passing.*` are files, or directories where several
files are needed; `system.yaml`, where there is one, is the system; `mutation.txt` has three lines: the name of a file
of the passing example, `- ` and a text in it, `+ ` and what stands there instead so that the rule finds something.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bascule.audit import fixing, reading, technologies
from bascule.audit.auditing import audit
from bascule.audit.estate import Estate
from bascule.audit.finding import SEVERITIES
from bascule.audit.result import Audit
from bascule.audit.rule import Rule
from bascule.cli.audit_system import take_system

EXAMPLES = Path(__file__).resolve().parents[1] / "golden" / "audit"
RULES = technologies.rules()
WITHOUT_EXAMPLE = {"BSC-AUDIT-001"}  # a fault of ours: no file shows one
SHOWN = [pytest.param(rule, id=rule.id) for rule in RULES if rule.id not in WITHOUT_EXAMPLE]


def audited(example: Path, system: Path) -> tuple[Estate, Audit]:
    paths = [str(system)] if system.exists() else []
    read = reading.read([*paths, str(example)], technologies.readers())
    take_system(read.estate, paths[0] if paths else str(example), required=bool(paths))
    found = audit(read.estate, RULES)
    broken = [one.what for one in found.findings if one.rule == "BSC-AUDIT-001"]
    assert not broken, broken
    return read.estate, found


def example(rule: Rule, kind: str) -> Path:
    found = [*(EXAMPLES / rule.id).glob(f"{kind}.*"), *(EXAMPLES / rule.id).glob(kind)]
    assert len(found) == 1, f"{rule.id} needs one example {EXAMPLES / rule.id}/{kind}.*, or a directory {kind}/"
    return found[0]


def places(rule: Rule, found: Audit) -> list[str]:
    return [f"{one.place}: {one.what}" for one in found.findings if one.rule == rule.id]


@pytest.mark.parametrize("rule", SHOWN)
def test_a_rule_finds_what_its_failing_example_shows_and_points_into_it(rule: Rule) -> None:
    folder = EXAMPLES / rule.id
    estate, found = audited(example(rule, "failing"), folder / "system.yaml")
    told = [one for one in found.findings if one.rule == rule.id]
    assert told, f"{rule.id} finds nothing in its failing example"
    for one in told:
        lines = estate.files[one.place.file].lines
        assert 1 <= one.place.line <= len(lines), one.place
        assert 1 <= one.place.column <= len(lines[one.place.line - 1]) + 1, one.place
        assert one.what
        assert not one.what.endswith("."), "one sentence without a full stop"
        assert "\n" not in one.what


@pytest.mark.parametrize("rule", SHOWN)
def test_a_rule_finds_nothing_in_its_passing_example(rule: Rule) -> None:
    _, found = audited(example(rule, "passing"), EXAMPLES / rule.id / "system.yaml")
    assert places(rule, found) == []


@pytest.mark.parametrize("rule", SHOWN)
def test_one_small_change_of_the_passing_example_is_found(rule: Rule, tmp_path: Path) -> None:
    name, old, new = (EXAMPLES / rule.id / "mutation.txt").read_text(encoding="utf-8").split("\n")[:3]
    assert (old[:2], new[:2]) == ("- ", "+ "), "mutation.txt: a file name, `- old`, `+ new`"
    folder = tmp_path / rule.id
    shutil.copytree(EXAMPLES / rule.id, folder)
    passing = folder / example(rule, "passing").name
    changed = next(path for path in (folder / name, passing / name) if path.is_file())
    text = changed.read_text(encoding="utf-8")
    assert old[2:] in text, f"{name} has no {old[2:]!r}"
    changed.write_text(text.replace(old[2:], new[2:], 1), encoding="utf-8")
    _, found = audited(passing, folder / "system.yaml")
    assert places(rule, found)


@pytest.mark.parametrize("rule", SHOWN)
def test_what_fix_writes_mends_the_finding_and_nothing_else_changes(rule: Rule, tmp_path: Path) -> None:
    folder = tmp_path / rule.id
    shutil.copytree(EXAMPLES / rule.id, folder)
    failing = folder / example(rule, "failing").name
    estate, found = audited(failing, folder / "system.yaml")
    told = [one for one in found.findings if one.rule == rule.id and one.edits]
    if not told:
        return
    readers = technologies.readers()
    plan = fixing.plan(told, estate.files, lambda file: reading.problems(file, readers))
    assert plan.refused == ()
    for mended in plan.files:
        Path(mended.name).write_text(mended.after, encoding="utf-8", newline="")
    _, after = audited(failing, folder / "system.yaml")
    left = {one.fingerprint for one in after.findings if one.rule == rule.id}
    assert left.isdisjoint(one.fingerprint for one in told)
    worse = [one for one in after.findings if one.rule == "BSC-FILE-001"]
    assert not worse


def test_ids_and_names_are_unique_and_of_the_house_form() -> None:
    ids, names = [rule.id for rule in RULES], [rule.name for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"BSC-[A-Z0-9]{2,7}-[0-9]{3}", one) for one in ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one) for one in names)


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
def test_a_rule_says_why_what_to_write_and_where_that_is_documented(rule: Rule) -> None:
    assert rule.severity in SEVERITIES
    assert rule.technology in technologies.names()
    for words in (rule.why, rule.fix, rule.source):
        assert len(words.split()) >= 1
        assert words == words.strip()
        assert "\n" not in words
    assert len(rule.why.split()) > 4
    assert rule.fix.endswith((".", "`", "-", ")"))


def test_every_example_is_of_a_rule_that_is_there() -> None:
    known = {rule.id for rule in RULES}
    assert {path.name for path in EXAMPLES.iterdir() if path.name.startswith("BSC-")} <= known
