"""Rules over everything that was read, into findings that are sorted, named and counted. Pure.

A rule that fails is told as a finding about bascule itself, and hides no other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from bascule.audit.aliases import safe_edits
from bascule.audit.breaks import promises
from bascule.audit.estate import Estate
from bascule.audit.files.rules import RULE_FAILED, UNUSED_SUPPRESSION
from bascule.audit.finding import SEVERITIES, Found
from bascule.audit.place import Place
from bascule.audit.result import Audit, Finding
from bascule.audit.rule import Rule
from bascule.audit.suppression import Suppression, suppressions

MOST_OF_ONE_RULE = 10_000
"""Findings of one rule that are kept: more are one finding to whoever mends them."""
_MOST_LINE = 500


def audit(
    estate: Estate,
    rules: Sequence[Rule],
    *,
    every: Collection[str] = (),
    unknown: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Audit:
    """Ask every rule, and leave out what is suppressed.

    Args:
        estate: Everything that was read.
        rules: The rules to ask; those about the system are asked only where there is one.
        every: The ids of all rules there are, so that a suppression of none of them is told.
        unknown: Files that are of no technology that is known; kept in the result.
        notes: What was left out, and why; kept in the result.
    """
    told: list[tuple[Rule, Found]] = []
    asked = [one for one in rules if one.technology != "system" or estate.system is not None]
    for rule in asked:
        told += _ask(rule, estate)
    findings = _numbered([_finding(rule, found, estate) for rule, found in told])
    comments = estate.index(suppressions)
    used: set[Suppression] = set()
    by_rule = _by_rule(comments)
    judged = [_suppressed(one, by_rule, used) for one in findings]
    if any(one.id == UNUSED_SUPPRESSION.id for one in asked):
        unused = _unused(comments, used, asked=frozenset(one.id for one in asked), every=every)
        more = _numbered([_finding(UNUSED_SUPPRESSION, one, estate) for one in unused])
        judged += [_suppressed(one, by_rule, used) for one in more]
    judged.sort(key=_order)
    return Audit(
        findings=tuple(one for one in judged if not one.suppressed),
        suppressed=tuple(one for one in judged if one.suppressed),
        files=len(estate.files),
        technologies=dict(sorted(Counter(estate.claims.values()).items())),
        unknown=tuple(unknown),
        notes=tuple(notes),
        rules=tuple(one.id for one in asked),
        system=estate.system.system if estate.system is not None else "",
    )


def _ask(rule: Rule, estate: Estate) -> list[tuple[Rule, Found]]:
    found: list[tuple[Rule, Found]] = []
    try:
        for one in rule.check(estate):
            found.append((rule, one))
            if len(found) == MOST_OF_ONE_RULE:
                break
    except Exception as error:  # noqa: BLE001 - a rule that fails is told as a finding, and the audit goes on
        what = f"the rule {rule.id} failed: {type(error).__name__}: {error}"
        found.append((RULE_FAILED, Found(place=Place(next(iter(estate.files), "-")), what=what, subject=rule.id)))
    return list(dict.fromkeys(found))


def _finding(rule: Rule, found: Found, estate: Estate) -> Finding:
    line = _line(estate, found.place)
    return Finding(
        rule=rule.id,
        name=rule.name,
        severity=found.severity or rule.severity,
        technology=rule.technology,
        place=found.place,
        what=found.what,
        subject=found.subject,
        line=line[:_MOST_LINE],
        why=rule.why,
        fix=found.fix or rule.fix,
        source=rule.source,
        breaks=promises(estate.system, rule.objectives),
        objectives=rule.objectives,
        related=found.related,
        edits=safe_edits(found.edits, estate),
        fingerprint=fingerprint(rule.id, found.place.file, found.subject, line),
    )


def _line(estate: Estate, place: Place) -> str:
    file = estate.files.get(place.file)
    return file.lines[place.line - 1] if file is not None and 0 < place.line <= len(file.lines) else ""


def fingerprint(rule: str, file: str, subject: str, line: str, occurrence: int = 0) -> str:
    """What tells a finding from all others, without the number of its line.

    Args:
        rule: The rule's id.
        file: As the user named it.
        subject: The object that it is about.
        line: The text of its line; spaces do not count.
        occurrence: How many before it are alike in all of these.
    """
    parts = (rule, file.replace("\\", "/").removeprefix("./"), subject, " ".join(line.split()), str(occurrence))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _numbered(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in the order of their places; those that are alike get fingerprints of their own."""
    seen: Counter[str] = Counter()
    numbered: list[Finding] = []
    for one in sorted(findings, key=_order):
        occurrence = seen[one.fingerprint]
        seen[one.fingerprint] += 1
        own = fingerprint(one.rule, one.place.file, one.subject, one.line, occurrence) if occurrence else ""
        numbered.append(replace(one, fingerprint=own) if own else one)
    return numbered


def _by_rule(comments: dict[str, list[Suppression]]) -> dict[tuple[str, str], list[Suppression]]:
    """Suppressions that have a reason, by file and rule."""
    found: dict[tuple[str, str], list[Suppression]] = {}
    for file, listed in comments.items():
        for comment in listed:
            for rule in comment.ids if comment.reason else ():
                found.setdefault((file, rule), []).append(comment)
    return found


def _suppressed(finding: Finding, by_rule: dict[tuple[str, str], list[Suppression]], used: set[Suppression]) -> Finding:
    for comment in by_rule.get((finding.place.file, finding.rule), ()):
        if comment.first_line <= finding.place.line <= comment.last_line:
            used.add(comment)
            return replace(finding, suppressed=comment.reason)
    return finding


def _unused(
    comments: dict[str, list[Suppression]], used: set[Suppression], *, asked: frozenset[str], every: Collection[str]
) -> list[Found]:
    """Suppressions with a reason that suppress nothing: their rules were asked, or are not there."""
    found: list[Found] = []
    for comment in (one for file in comments.values() for one in file if one.reason and one not in used):
        nowhere = [one for one in comment.ids if every and one not in every]
        if nowhere:
            found.append(Found(place=comment.place, what=f"there is no rule {', '.join(nowhere)} to suppress"))
        elif asked.issuperset(comment.ids) and UNUSED_SUPPRESSION.id not in comment.ids:
            what = f"nothing is suppressed here: no finding of {', '.join(comment.ids)}"
            found.append(Found(place=comment.place, what=what))
    return found


def _order(finding: Finding) -> tuple[str, int, int, int, str]:
    place = finding.place
    return place.file, place.line, place.column, SEVERITIES.index(finding.severity), finding.rule
