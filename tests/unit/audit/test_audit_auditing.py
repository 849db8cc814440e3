"""Rules over an estate: sorted findings with their promises, suppressions that count, and rules that fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from bascule.audit import technologies
from bascule.audit.auditing import MOST_OF_ONE_RULE, audit, fingerprint
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found, Severity
from bascule.audit.place import Place
from bascule.audit.rule import Rule, rule
from bascule.audit.yaml_reader import lines_of, read
from bascule.kernel.errors import InputError
from bascule.system import parse_located
from bascule.system.starter import STARTER


def made(id_: str, *found: Found, severity: Severity = "high", technology: str = "kubernetes") -> Rule:
    def check(_: Estate) -> Iterable[Found]:
        return found

    return rule(
        id_,
        f"name-{id_.lower()}",
        severity=severity,
        technology=technology,  # type: ignore[arg-type]  # a technology by name
        breaks=("availability", "rto", "rpo", "latency", "capacity", "security"),
        why="Because it does.",
        fix="Do the other.",
        source="a manual",
    )(check)


def estate(**texts: str) -> Estate:
    found = Estate()
    for name, content in texts.items():
        file = SourceFile(name, content, lines_of(content))
        found.files[name] = file
        documents, unreadable = read(file)
        found.documents += documents
        found.unreadable += unreadable
    return found


def at(line: int, column: int = 1, file: str = "a", subject: str = "") -> Found:
    return Found(place=Place(file, line, column), what="it is so", subject=subject)


def test_findings_are_sorted_and_complete() -> None:
    rules = [made("BSC-K8S-002", at(2), at(1, file="b")), made("BSC-K8S-001", at(2), at(1), severity="low")]
    found = audit(estate(a="x: 1\ny: 2\n", b="z: 3\n"), rules)
    assert [(str(one.place), one.rule) for one in found.findings] == [
        ("a:1:1", "BSC-K8S-001"),
        ("a:2:1", "BSC-K8S-002"),
        ("a:2:1", "BSC-K8S-001"),
        ("b:1:1", "BSC-K8S-002"),
    ]
    first = found.findings[0]
    assert (first.line, first.why, first.fix, first.severity) == ("x: 1", "Because it does.", "Do the other.", "low")
    assert first.breaks == ("availability", "rto", "rpo", "latency", "capacity", "security")
    assert found.counts() == {"critical": 0, "high": 2, "medium": 0, "low": 2}
    assert found.reaches("high")
    assert not found.reaches("critical")


def test_a_finding_may_know_its_fix_and_severity_better() -> None:
    better = Found(place=Place("a"), what="it is so", fix="write 3", severity="critical")
    (one,) = audit(estate(a="x: 1\n"), [made("BSC-K8S-001", better)]).findings
    assert (one.fix, one.severity) == ("write 3", "critical")


def test_with_a_system_its_promises_are_named() -> None:
    read_here = estate(a="x: 1\n")
    read_here.system, read_here.positions = parse_located(STARTER, "bascule.yaml")
    (one,) = audit(read_here, [made("BSC-K8S-001", at(1))]).findings
    promised = read_here.system.objectives
    assert one.breaks[0] == f"availability {promised.availability.target} over {promised.availability.window}"
    assert one.breaks[1].startswith("rto ")
    assert "for the loss of one" in one.breaks[1]
    assert one.breaks[5] == "security"


def test_rules_about_the_system_are_asked_only_where_there_is_one() -> None:
    about = made("BSC-SYS-001", at(1), technology="system")
    without = estate(a="x: 1\n")
    assert audit(without, [about]).findings == ()
    assert audit(without, [about]).rules == ()
    without.system, without.positions = parse_located(STARTER, "bascule.yaml")
    assert len(audit(without, [about]).findings) == 1


def test_a_rule_that_fails_is_told_and_hides_nothing() -> None:
    def fails(_: Estate) -> Iterator[Found]:
        yield at(1)
        raise KeyError("replicas")

    broken = Rule("BSC-K8S-009", "broken", "low", "kubernetes", (), "why", "fix", "source", fails)
    found = audit(estate(a="x: 1\n"), [broken, made("BSC-K8S-001", at(1))])
    assert [one.rule for one in found.findings] == ["BSC-AUDIT-001", "BSC-K8S-001", "BSC-K8S-009"]
    assert found.findings[0].what == "the rule BSC-K8S-009 failed: KeyError: 'replicas'"


def test_a_rule_that_never_ends_is_stopped() -> None:
    def endless(_: Estate) -> Iterator[Found]:
        line = 0
        while True:
            line += 1
            yield at(line)

    flood = Rule("BSC-K8S-009", "flood", "low", "kubernetes", (), "why", "fix", "source", endless)
    assert len(audit(estate(a="x: 1\n"), [flood]).findings) == MOST_OF_ONE_RULE


def test_the_same_finding_twice_is_told_once() -> None:
    assert len(audit(estate(a="x: 1\n"), [made("BSC-K8S-001", at(1), at(1))]).findings) == 1


@pytest.mark.parametrize(
    ("text", "suppressed"),
    [
        ("x: 1\ny: 2  # bascule: ignore BSC-K8S-001 - a batch job\n", True),
        ("# bascule: ignore BSC-K8S-001 - a batch job\ny: 2\n", True),
        ("# bascule: ignore BSC-K8S-001 - a batch job\n# more words\n\ny: 2\n", True),
        ("x: 1\ny: 2  # bascule: ignore BSC-K8S-007, BSC-K8S-001: a batch job\n", True),
        ("y: 2\n# bascule: ignore-file BSC-K8S-001 - a batch job\n", True),
        ("x: 1  # bascule: ignore BSC-K8S-001 - a batch job\ny: 2\n", False),
        ("y: 2  # bascule: ignore BSC-K8S-001\n", False),
        ("y: 2  # bascule: ignore BSC-K8S-001 -\n", False),
        ("y: 2  # bascule: ignore BSC-K8S-002 - another rule\n", False),
        ("y: 2\n# bascule: ignore BSC-K8S-001 - too late\n", False),
        ("metadata:\n  annotations:\n    bascule.io/ignore: 'BSC-K8S-001: a batch job'\nspec:\n  y: 2\n", True),
        ("metadata:\n  annotations:\n    bascule.io/ignore: 'BSC-K8S-001'\nspec:\n  y: 2\n", False),
        ("metadata: {annotations: {bascule.io/ignore: 'BSC-K8S-001: a job'}}\n---\ny: 2\n", False),
        ("items:\n- metadata: {annotations: {bascule.io/ignore: 'BSC-K8S-002: a; BSC-K8S-001: b'}}\n  y: 2\n", True),
    ],
)
def test_what_is_meant_to_be_is_suppressed_with_a_reason(text: str, suppressed: bool) -> None:
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "y: 2" in one)
    found = audit(estate(a=text), [made("BSC-K8S-001", at(line))])
    assert (len(found.findings), len(found.suppressed)) == ((0, 1) if suppressed else (1, 0))
    if suppressed:
        assert found.suppressed[0].suppressed.split()[0] in {"a", "b"}


def test_a_suppression_that_suppresses_nothing_is_told_when_its_rule_was_asked() -> None:
    text = "x: 1  # bascule: ignore BSC-K8S-001 - long gone\n"
    ours = technologies.technology("files").RULES
    assert [one.rule for one in audit(estate(a=text), [*ours, made("BSC-K8S-001")]).findings] == ["BSC-FILE-004"]
    assert audit(estate(a=text), ours).findings == ()
    used = audit(estate(a=text), [*ours, made("BSC-K8S-001", at(1))])
    assert used.findings == ()
    (nowhere,) = audit(estate(a=text), ours, every={"BSC-K8S-002"}).findings
    assert nowhere.what == "there is no rule BSC-K8S-001 to suppress"
    assert audit(estate(a=text), ours, every={"BSC-K8S-001"}).findings == ()


def test_fingerprints_survive_lines_that_move_and_tell_findings_apart() -> None:
    def prints(text: str, *lines: int) -> list[str]:
        found = audit(estate(a=text), [made("BSC-K8S-001", *(at(line, subject="web") for line in lines))])
        return [one.fingerprint for one in found.findings]

    first = prints("x: 1\ny: 2\n", 2)
    assert prints("# new\n\nx: 1\n  y:   2\n", 4) == first
    assert prints("x: 1\ny: 3\n", 2) != first
    twice = prints("y: 2\ny: 2\n", 1, 2)
    assert twice[0] == first[0]
    assert twice[1] != twice[0]
    assert fingerprint("R", "./a/b", "s", "x") == fingerprint("R", "a\\b", "s", " x ")


def test_duplicate_keys_weigh_by_technology() -> None:
    rules = [one for one in technologies.rules() if one.id == "BSC-FILE-002"]
    read_here = estate(a="x: 1\nx: 2\n", b="x: 1\nx: 2\n", c="x: &x {k: 1, k: 2}\ny: *x\n")
    read_here.claims = {("a", 1): "kubernetes", ("b", 1): "compose"}
    found = {str(one.place): (one.severity, one.what) for one in audit(read_here, rules).findings}
    assert found == {
        "a:2:1": ("high", "the key 'x' is there a second time: the last one counts, silently"),
        "b:2:1": ("medium", "the key 'x' is there a second time: Docker Compose refuses the file"),
        "c:1:14": ("medium", "the key 'k' is there a second time: the last one counts, silently"),
    }


def test_a_template_is_told_once_for_each_file() -> None:
    found = audit(estate(a="x: {{ a }}\n---\nx: {{ b }}\n"), technologies.technology("files").RULES)
    assert [(one.rule, one.severity) for one in found.findings] == [("BSC-FILE-005", "high")]


def test_rules_are_chosen_by_their_ids_and_unknown_ones_are_refused() -> None:
    assert [one.id for one in technologies.chosen(only=["bsc-file-002"])] == ["BSC-FILE-002"]
    assert "BSC-FILE-002" not in {one.id for one in technologies.chosen(skipped=["BSC-FILE-002"])}
    assert technologies.chosen(["BSC-FILE-001"], ["BSC-FILE-001"]) == ()
    with pytest.raises(InputError, match="no rule 'BSC-FILE-999'"):
        technologies.chosen(only=["BSC-FILE-999"])


def test_every_technology_that_is_there_has_a_reader_of_its_name() -> None:
    assert technologies.names()[0] == "files"
    assert [one.technology for one in technologies.readers()] == list(technologies.names())
    ids = [one.id for one in technologies.rules()]
    assert ids == sorted(ids)


def test_suppressions_without_end_hold_for_nothing_behind_the_first_thousand() -> None:
    comments = "# bascule: ignore BSC-K8S-001 - a\n"
    few, many = estate(a=comments * 900 + "y: 2\n"), estate(a="x: 1\n" + f"{comments}x: 1\n" * 1001 + "y: 2\n")
    assert len(audit(few, [made("BSC-K8S-001", at(901))]).suppressed) == 1
    assert len(audit(many, [made("BSC-K8S-001", at(3), at(2003))]).suppressed) == 1
