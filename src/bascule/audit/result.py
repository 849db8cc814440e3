"""What an audit says: findings with all that people and machines must know about each. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.audit.finding import SEVERITIES, Edit, Objective, Severity
from bascule.audit.place import Place


class Finding(Struct, frozen=True, kw_only=True):
    """What a rule found, complete: nobody has to look up the rule.

    Attributes:
        rule: The rule's id.
        name: The rule's name.
        line: The text of the line, for people; empty where there is none.
        breaks: The promises that it breaks, with their figures where the system has them.
        objectives: The same as bare names.
        fingerprint: The same in every run for the same thing, also when lines above it change.
        suppressed: The reason why it is not told; empty when it is.
        known: It is in the baseline.
    """

    rule: str
    name: str
    severity: Severity
    technology: str
    place: Place
    what: str
    subject: str
    line: str
    why: str
    fix: str
    source: str
    breaks: tuple[str, ...]
    objectives: tuple[Objective, ...]
    related: tuple[tuple[Place, str], ...]
    edits: tuple[Edit, ...]
    fingerprint: str
    suppressed: str = ""
    known: bool = False


class Gone(Struct, frozen=True, kw_only=True):
    """An entry of the baseline that nothing matches any more."""

    rule: str
    file: str
    subject: str
    fingerprint: str


class Audit(Struct, frozen=True, kw_only=True):
    """The whole result.

    Attributes:
        findings: What is to be mended, by file and line.
        suppressed: What was found and is meant to be.
        known: What was found and is in the baseline.
        gone: What the baseline has and nothing matches.
        files: How many files were read.
        technologies: How many files or documents each technology has.
        unknown: Files that are of no technology that is known.
        notes: What was left out, and why.
        rules: The ids of the rules that were asked.
        system: The system's name; empty without one.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    gone: tuple[Gone, ...] = ()
    files: int = 0
    technologies: dict[str, int] = {}
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    system: str = ""

    def counts(self) -> dict[Severity, int]:
        """How many findings of each severity there are, the worst first."""
        return {severity: sum(one.severity == severity for one in self.findings) for severity in SEVERITIES}

    def reaches(self, gate: Severity) -> bool:
        """Whether a finding is at least this bad."""
        bad_enough = SEVERITIES[: SEVERITIES.index(gate) + 1]
        return any(one.severity in bad_enough for one in self.findings)
