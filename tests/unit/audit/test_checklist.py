"""The field's checklist: only evidence proves a point, and what is unknown never counts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bascule.audit import technologies
from bascule.audit.checklist import POINTS, judge
from bascule.audit.checklist.judging import level
from bascule.audit.checklist.render import headline, markdown
from bascule.audit.checklist.words import DAY_S, Checklist, Drilled, Evidence, Judged
from bascule.audit.estate import Estate
from bascule.cli.audit_system import predicted
from bascule.system import parse

FOLDER = Path(judge.__code__.co_filename).parent
ROOT = Path(__file__).resolve().parents[3]
SYSTEM = (ROOT / "examples" / "taskmanagerpro" / "bascule.yaml").read_text(encoding="utf-8")


def estate(text: str = SYSTEM, *claims: str) -> Estate:
    system = parse(text, "system.yaml")
    made = Estate(system=system, prediction=predicted(system))
    made.claims.update({(f"file{number}", 1): claim for number, claim in enumerate(claims)})
    return made


def judged(*found: str, of: Estate | None = None, drills: tuple[Drilled, ...] = ()) -> dict[str, Judged]:
    checklist = judge(Evidence(estate=Estate() if of is None else of, found=found, drills=drills))
    return {one.id: one for one in checklist.points}


def drill(
    *, experiment: str = "primary-kill", scope: str = "process", outcome: str = "PASS", days: float = 1
) -> Drilled:
    return Drilled(experiment=experiment, scope=scope, outcome=outcome, age_s=days * DAY_S)


def test_the_groups_have_as_many_points_as_the_field_counts() -> None:
    groups: dict[str, int] = {}
    for point in POINTS:
        groups[point.group] = groups.get(point.group, 0) + 1
    assert groups == {
        "architecture": 5,
        "data": 5,
        "network": 4,
        "application": 6,
        "monitoring": 5,
        "operations": 6,
        "security": 4,
    }
    assert len({point.id for point in POINTS}) == len(POINTS)


def test_without_evidence_everything_is_unknown_and_nothing_counts() -> None:
    checklist = judge(Evidence(estate=Estate(), found=()))
    assert (checklist.proved, checklist.failed, checklist.unknown) == (0, 0, len(POINTS))
    assert checklist.level == "low"
    assert "34" in checklist.note
    assert str(len(POINTS)) in checklist.note


def test_every_rule_that_a_point_asks_for_exists() -> None:
    names = {rule.name for rule in technologies.rules()}
    asked = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and name in {"broken", "_manifests"}:
                asked |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    assert len(asked) > 15
    assert asked <= names


def test_a_good_system_proves_its_architecture() -> None:
    told = judged(of=estate())
    assert {told[one].state for one in ("A1", "A2", "A3", "A4", "A5", "D1")} == {"proved"}


def test_a_single_replica_fails_what_it_breaks() -> None:
    head, entry = SYSTEM.split("  edge:\n")
    alone = f"{head}  edge:\n{entry.replace('{paris-a: 1, lyon-a: 1}', '{paris-a: 1}', 1)}"
    assert alone != SYSTEM
    told = judged("single-point-of-failure", of=estate(alone))
    assert told["A1"].state == "failed"
    assert "edge-paris-a-1" in told["A1"].because
    assert told["A2"].state == "failed"
    assert told["A3"].state == "failed"


def test_what_was_not_promised_does_not_apply() -> None:
    local = "\n".join(line for line in SYSTEM.splitlines() if "region: {rto" not in line)
    told = judged(of=estate(local))
    assert told["A4"].state == "not applicable"
    assert told["N3"].state == "not applicable"


def test_a_file_can_fail_a_backup_but_not_prove_one() -> None:
    kept = "    engine: postgresql\n    backup: {{every: {every}, off_site: {there}, encrypted: true}}\n"
    daily = estate(SYSTEM.replace("    engine: postgresql\n", kept.format(every="1h", there="true")))
    rare = estate(SYSTEM.replace("    engine: postgresql\n", kept.format(every="7d", there="false")))
    states = [judged(of=daily)[one].state for one in ("D2", "D3", "D4", "S2")]
    assert states == ["unknown", "failed", "unknown", "unknown"]
    assert [judged(of=rare)[one].state for one in ("D2", "D4")] == ["failed", "failed"]


@pytest.mark.parametrize(
    ("drills", "states"),
    [
        ((drill(),), ("proved", "proved", "unknown", "proved")),
        ((drill(days=40),), ("proved", "unknown", "unknown", "proved")),
        ((drill(days=100),), ("unknown", "unknown", "unknown", "unknown")),
        ((drill(outcome="FAIL"),), ("proved", "failed", "unknown", "proved")),
        ((drill(outcome="INVALID"),), ("unknown", "unknown", "unknown", "unknown")),
        ((drill(experiment="region-loss", scope="region", days=300),), ("unknown", "unknown", "proved", "unknown")),
    ],
)
def test_drills_prove_operations_for_as_long_as_they_are_recent(
    drills: tuple[Drilled, ...], states: tuple[str, ...]
) -> None:
    told = judged(of=estate(), drills=drills)
    assert tuple(told[one].state for one in ("O4", "O5", "O6", "M3")) == states


def test_a_drill_of_a_cut_link_proves_redundant_links() -> None:
    assert judged(drills=(drill(experiment="partition"),))["N1"].state == "proved"
    assert judged(drills=(drill(experiment="partition", outcome="FAIL"),))["N1"].state == "failed"
    assert judged(drills=(drill(),))["N1"].state == "unknown"


@pytest.mark.parametrize(
    ("point", "claim", "rule"),
    [
        ("A5", "haproxy", "server-without-check"),
        ("P4", "kubernetes", "no-grace-at-all"),
        ("P5", "kubernetes", "no-readiness-probe"),
        ("M1", "prometheus", "gone-targets-are-silent"),
        ("M2", "prometheus", "no-dead-mans-switch"),
        ("O1", "prometheus", "alert-without-words"),
    ],
)
def test_configuration_proves_a_point_unless_a_rule_finds_something(point: str, claim: str, rule: str) -> None:
    read = Estate()
    read.claims["some file", 1] = claim
    assert judged(of=read)[point].state == "proved"
    assert judged(rule, of=read)[point].state == "failed"
    assert judged()[point].state == "unknown"


def test_timeouts_are_proved_only_when_each_call_has_one() -> None:
    timed = SYSTEM.replace("needs: {consensus: hard}", "needs: {consensus: {kind: hard, timeout: 1s}}")
    assert judged(of=estate(timed))["P3"].state == "unknown"
    assert "pgproxy -> database" in judged(of=estate(timed))["P3"].because
    assert judged("missing-timeout", of=estate(timed))["P3"].state == "failed"


@pytest.mark.parametrize(
    ("proved", "named"),
    [(0, "low"), (59, "low"), (60, "good"), (79, "good"), (80, "high"), (94, "high"), (95, "ultra-high")],
)
def test_levels_are_those_of_the_field(proved: int, named: str) -> None:
    assert level(proved, 100) == named


def test_the_page_is_safe_and_whole() -> None:
    point = Judged(id="A1", group="architecture", title="t", state="failed", because="a|b <i>\x1b[31m", how="h")
    page = markdown(Checklist(points=(point,), proved=0, failed=1, unknown=0, applicable=1, level="low", note="n"))
    assert "\x1b" not in page
    assert "<i>" not in page
    assert headline(judge(Evidence(estate=Estate(), found=()))).startswith("0 of 35 points proved")
