"""Rules about files: whether they can be read, keys that are there twice, suppressions, and faults of our own. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found, Severity
from bascule.audit.place import Place
from bascule.audit.rule import Rule, rule
from bascule.audit.suppression import suppressions
from bascule.audit.tree import Mapping, walk

_REFUSED: dict[str, str] = {"compose": "Docker Compose", "prometheus": "Prometheus"}
"""What does not start with a key that is there twice, so that somebody notices."""


@rule(
    "BSC-FILE-001",
    "file-cannot-be-read",
    severity="high",
    technology="files",
    breaks=("availability",),
    why="What cannot be parsed was not audited, and what deploys it refuses it too, or takes half of it.",
    fix="Mend the syntax; if it is no configuration, leave it out of the paths that are audited.",
    source="YAML 1.2.2, chapter 3 (yaml.org/spec/1.2.2)",
)
def unreadable(estate: Estate) -> Iterator[Found]:
    """Every file, or part of one, that could not be parsed."""
    for one in estate.unreadable:
        if not one.template:
            yield Found(place=one.place, what=one.what)


@rule(
    "BSC-FILE-002",
    "duplicate-key",
    severity="medium",
    technology="files",
    breaks=("availability",),
    why="Of a key that is there twice most parsers take the last one without a word, so that a setting that people "
    "read in the file is not the one that runs.",
    fix="Keep the one that is meant, and remove the others.",
    source="YAML 1.2.2, section 3.2.1.3: the keys of a mapping are unique",
)
def duplicate_keys(estate: Estate) -> Iterator[Found]:
    """Keys that are there twice: worse where the last one silently wins than where the file is refused."""
    for document in estate.documents:
        technology = estate.claims.get((document.file.name, document.number), "")
        severity: Severity = "high" if technology and technology not in _REFUSED else "medium"
        seen: set[Place] = set()
        for node in walk(document.root):
            if not isinstance(node, Mapping):
                continue
            for key, place in node.duplicates:
                if place not in seen:
                    seen.add(place)
                    refused = _REFUSED.get(technology)
                    result = f": {refused} refuses the file" if refused else ": the last one counts, silently"
                    what = f"the key {key!a} is there a second time{result}"
                    yield Found(place=place, what=what, severity=severity, subject=f"key {key}")


@rule(
    "BSC-FILE-003",
    "suppression-without-reason",
    severity="medium",
    technology="files",
    breaks=(),
    why="Nobody can tell later whether the risk was accepted or only the message silenced, so it suppresses nothing.",
    fix="Say why behind a dash: `# bascule: ignore BSC-K8S-007 - one replica is enough for this batch job`.",
    source="docs/audit.md, Suppressions",
)
def without_reason(estate: Estate) -> Iterator[Found]:
    """Comments and annotations that name rules, and no reason."""
    for file in estate.index(suppressions).values():
        for one in file:
            if not one.reason:
                yield Found(place=one.place, what=f"{', '.join(one.ids)} would be suppressed, but no reason is given")


def _told_by_the_audit(_: Estate) -> Iterator[Found]:
    """Only the audit knows what its rules did: it tells these itself."""
    return iter(())


UNUSED_SUPPRESSION = rule(
    "BSC-FILE-004",
    "unused-suppression",
    severity="low",
    technology="files",
    breaks=(),
    why="It suppresses nothing today, and would hide a new finding tomorrow.",
    fix="Remove it.",
    source="docs/audit.md, Suppressions",
)(_told_by_the_audit)


@rule(
    "BSC-FILE-005",
    "template-not-rendered",
    severity="high",
    technology="files",
    breaks=(),
    why="What a template becomes depends on its values, so nothing in it was audited.",
    fix="Audit what is deployed: helm template ... | bascule audit -",
    source="helm.sh/docs/helm/helm_template",
)
def templates(estate: Estate) -> Iterator[Found]:
    """Files with template actions in places where a parser cannot take them, each once."""
    seen: set[str] = set()
    for one in estate.unreadable:
        if one.template and one.place.file not in seen:
            seen.add(one.place.file)
            yield Found(place=one.place, what=one.what)


@rule(
    "BSC-FILE-006",
    "file-of-no-known-technology",
    severity="high",
    technology="files",
    breaks=(),
    why="Somebody asked for this file to be audited, and no rule looked at it: that nothing was found means nothing.",
    fix="Name files of a technology that is known, whole; a chart is audited as `helm template . | bascule audit -`.",
    source="docs/audit.md, What it reads",
)
def unclaimed(estate: Estate) -> Iterator[Found]:
    """Files that were named, and standard input, of which no technology has a part; those of directories are not."""
    for name in estate.unclaimed:
        yield Found(place=Place(name), what="nothing in this file is of a technology that is known: it was not audited")


@rule(
    "BSC-AUDIT-001",
    "fault-of-bascule",
    severity="high",
    technology="files",
    breaks=(),
    why="A part of bascule failed on this input, so what it would have found is not known.",
    fix="Leave the rule out with --skip, and report what is said here.",
    source="docs/audit.md, Exit codes",
)
def faults(estate: Estate) -> Iterator[Found]:
    """Readers that failed; rules that fail are told by the audit."""
    for one in estate.faults:
        yield Found(place=one.place, what=one.what)


RULE_FAILED = faults
RULES: tuple[Rule, ...] = (faults, unreadable, duplicate_keys, without_reason, UNUSED_SUPPRESSION, templates, unclaimed)
