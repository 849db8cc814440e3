"""The field's checklist: only evidence proves a point, and what is unknown never counts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from msgspec import structs

from bascule.audit import reading, technologies
from bascule.audit.auditing import audit
from bascule.audit.checklist import POINTS, judge
from bascule.audit.checklist.judging import level
from bascule.audit.checklist.render import headline, markdown
from bascule.audit.checklist.words import DAY_S, Checklist, Drilled, Evidence, Judged
from bascule.audit.estate import Estate, Unreadable
from bascule.audit.place import Place
from bascule.cli.audit_system import predicted
from bascule.kernel.quantities import Duration
from bascule.system import parse
from bascule.system.model import System

FOLDER = Path(judge.__code__.co_filename).parent
ROOT = Path(__file__).resolve().parents[3]
SYSTEM = (ROOT / "examples" / "taskmanagerpro" / "bascule.yaml").read_text(encoding="utf-8")


def estate(text: str = SYSTEM, *claims: str) -> Estate:
    system = parse(text, "system.yaml")
    made = Estate(system=system, prediction=predicted(system))
    made.claims.update({(f"file{number}", 1): claim for number, claim in enumerate(claims)})
    return made


WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: shop/web:1.2
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
          livenessProbe: {httpGet: {path: /live, port: 8080}}
          lifecycle: {preStop: {sleep: {seconds: 10}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
PROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend web
  bind :80
  default_backend app
backend app
  option httpchk GET /ready
  server app1 10.0.0.1:80 check
  server app2 10.0.0.2:80 check
"""
ALERTS = """\
groups:
  - name: shop
    rules:
      - alert: Gone
        expr: absent(up{job="shop"})
        for: 2m
        labels: {severity: critical}
        annotations: {summary: gone, runbook_url: "https://shop.example/gone"}
      - alert: Watchdog
        expr: vector(1)
"""
NAMES = {"haproxy": "haproxy.cfg", "kubernetes": "web.yaml", "prometheus": "rules.yaml"}
GOOD = {"haproxy": PROXY, "kubernetes": WEB, "prometheus": ALERTS}


def read(folder: Path, **texts: str) -> Evidence:
    """What all rules and readers say about these configurations."""
    for technology, text in texts.items():
        (folder / NAMES[technology]).write_text(text, encoding="utf-8")
    done = reading.read([str(folder / NAMES[technology]) for technology in texts], technologies.readers())
    found = audit(done.estate, technologies.rules())
    return Evidence(estate=done.estate, found={one.name for one in found.findings})


def states(evidence: Evidence) -> dict[str, str]:
    return {one.id: one.state for one in judge(evidence).points}


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
            if isinstance(node, ast.Call) and name == "broken":
                asked |= {one.value for one in node.args if isinstance(one, ast.Constant)}
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "rules":
                asked |= set(ast.literal_eval(node.value))
    assert len(asked) > 15
    assert asked <= names


def test_a_good_system_proves_its_architecture() -> None:
    told = judged(of=estate())
    assert {told[one].state for one in ("A1", "A2", "A3", "A4", "D1")} == {"proved"}


def test_a_rule_that_failed_proves_no_redundancy() -> None:
    assert judged("fault-of-bascule", of=estate())["A2"].state == "unknown"


def test_what_bascule_renders_needs_a_drill_that_passed() -> None:
    made = estate()
    assert judged(of=made)["A5"].state == "unknown"
    assert judged(of=made, drills=(drill(outcome="FAIL"),))["A5"].state == "unknown"
    assert judged(of=made, drills=(drill(experiment="full-disk"),))["A5"].state == "unknown"
    assert judged(of=made, drills=(drill(),))["A5"].state == "proved"


def test_replication_does_not_apply_where_nothing_keeps_data() -> None:
    web = parse(SYSTEM, "system.yaml")
    kept = {name: one for name, one in web.components.items() if one.engine == "haproxy"}
    made = estate()
    made.system = structs.replace(web, components=kept)
    assert judged(of=made)["D1"].state == "not applicable"


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
        ((drill(experiment="full-disk"),), ("proved", "unknown", "unknown", "proved")),
        ((drill(experiment="certificate-expiry"),), ("proved", "unknown", "unknown", "proved")),
        ((drill(experiment="entry-switchover@half"),), ("proved", "proved", "unknown", "proved")),
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


def test_a_drill_of_a_cut_link_shows_no_second_link() -> None:
    told = judged(drills=(drill(experiment="partition"),))["N1"]
    assert told.state == "unknown"
    assert "pull one of two links" in told.how


@pytest.mark.parametrize(
    ("point", "technology", "old", "new", "rule"),
    [
        ("A5", "haproxy", "80 check", "80", "server-without-check"),
        ("P4", "kubernetes", "    spec:\n", "    spec:\n      terminationGracePeriodSeconds: 0\n", "no-grace-at-all"),
        ("P5", "kubernetes", "readinessProbe", "nothing", "no-readiness-probe"),
        ("A5", "kubernetes", "readinessProbe", "nothing", "no-readiness-probe"),
        ("M1", "prometheus", 'absent(up{job="shop"})', "up == 0", "gone-targets-are-silent"),
        ("M2", "prometheus", "        for: 2m\n", "", "alert-without-for"),
        ("O1", "prometheus", "runbook_url", "nothing", "alert-without-words"),
    ],
)
def test_configuration_proves_a_point_unless_a_rule_finds_something(  # noqa: PLR0917 - one row of a table
    tmp_path: Path, point: str, technology: str, old: str, new: str, rule: str
) -> None:
    assert states(read(tmp_path, **{technology: GOOD[technology]}))[point] == "proved"
    changed = read(tmp_path, **{technology: GOOD[technology].replace(old, new)})
    assert rule in changed.found
    assert states(changed)[point] == "failed"
    assert judged()[point].state == "unknown"


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
RECORDING = "groups:\n  - name: r\n    rules:\n      - {record: a, expr: sum(up)}\n"
WATCHDOG = "groups:\n  - name: r\n    rules:\n      - {alert: Watchdog, expr: vector(1)}\n"
ALONE = WEB.partition("---\n")[0]
WITHOUT_LIVENESS = WEB.replace("livenessProbe", "nothing")
ONE_UNCHECKED = PROXY.replace("  server app2 10.0.0.2:80 check\n", "").replace("80 check", "80")
ONE_CHECKED = PROXY.replace("  server app2 10.0.0.2:80 check\n", "")


@pytest.mark.parametrize(
    ("technology", "text", "points"),
    [
        ("kubernetes", CONFIG_MAP, "A5 P4 P5"),
        ("kubernetes", ALONE, "A5 P4 P5"),
        ("kubernetes", WITHOUT_LIVENESS, "P5"),
        ("prometheus", RECORDING, "M1 M2 O1"),
        ("prometheus", WATCHDOG, "M1 M2 O1"),
        ("prometheus", ALERTS.replace('absent(up{job="shop"})', "errors > 5"), "M1"),
        ("haproxy", ONE_UNCHECKED, "A5"),
        ("haproxy", ONE_CHECKED, "A5"),
    ],
)
def test_silence_of_rules_that_had_nothing_to_judge_proves_nothing(
    tmp_path: Path, technology: str, text: str, points: str
) -> None:
    told = states(read(tmp_path, **{technology: text}))
    assert {told[one] for one in points.split()} == {"unknown"}


def test_a_container_that_no_service_sends_to_needs_no_probe(tmp_path: Path) -> None:
    second = '      containers:\n        - {name: logs, image: "shop/logs:1", ports: [{containerPort: 9000}]}\n'
    told = states(read(tmp_path, kubernetes=WEB.replace("      containers:\n", second)))
    assert (told["P4"], told["P5"]) == ("proved", "proved")


def test_a_stateful_set_without_a_hook_is_not_known_to_drain(tmp_path: Path) -> None:
    told = states(read(tmp_path, kubernetes=WEB.replace("Deployment", "StatefulSet").replace("lifecycle", "nothing")))
    assert told["P4"] == "unknown"


@pytest.mark.parametrize("technology", ["haproxy", "kubernetes", "prometheus"])
@pytest.mark.parametrize("spoilt", ["template", "fault", "rule", "unclaimed"])
def test_what_was_not_judged_proves_nothing(tmp_path: Path, technology: str, spoilt: str) -> None:
    evidence = read(tmp_path, **{technology: GOOD[technology]})
    points = {"haproxy": ("A5",), "kubernetes": ("A5", "P4", "P5"), "prometheus": ("M1", "M2", "O1")}[technology]
    assert {states(evidence)[one] for one in points} == {"proved"}
    estate = evidence.estate
    if spoilt == "template":
        estate.unreadable.append(Unreadable(Place("b.yaml"), "braces", template=True))
    elif spoilt == "fault":
        estate.faults.append(Unreadable(Place("b.yaml"), "it failed"))
    elif spoilt == "unclaimed":
        estate.unclaimed.append("b.txt")
    else:
        evidence = Evidence(estate=estate, found={"fault-of-bascule"})
    assert {states(evidence)[one] for one in points} == {"unknown"}


def test_what_another_technology_could_not_read_spoils_nothing(tmp_path: Path) -> None:
    evidence = read(tmp_path, kubernetes=WEB)
    evidence.estate.claims["b.properties", 0] = "kafka"
    evidence.estate.unreadable.append(Unreadable(Place("b.properties"), "no text"))
    assert states(evidence)["P5"] == "proved"


def test_a_checked_proxy_does_not_hide_pods_that_nobody_asks(tmp_path: Path) -> None:
    assert states(read(tmp_path, haproxy=PROXY, kubernetes=WEB))["A5"] == "proved"
    assert states(read(tmp_path, haproxy=ONE_UNCHECKED, kubernetes=WEB))["A5"] == "unknown"


def test_timeouts_are_proved_by_a_configuration_and_each_call_together(tmp_path: Path) -> None:
    timed = SYSTEM.replace("needs: {consensus: hard}", "needs: {consensus: {kind: hard, timeout: 1s}}")
    assert judged(of=estate(timed))["P3"].state == "unknown"
    assert "pgproxy -> database" in judged(of=estate(timed))["P3"].because
    assert judged("missing-timeout", of=estate(timed))["P3"].state == "failed"
    system = every_call_timed(parse(SYSTEM, "system.yaml"))
    assert judged(of=Estate(system=system))["P3"].state == "unknown"
    evidence = read(tmp_path, haproxy=PROXY)
    evidence.estate.system = system
    assert states(evidence)["P3"] == "proved"
    piece = read(tmp_path, haproxy=PROXY.partition("frontend")[2].partition("backend app")[2].join(("backend app", "")))
    piece.estate.system = system
    assert states(piece)["P3"] == "unknown"


def every_call_timed(system: System) -> System:
    second = Duration(1.0)
    components = {
        name: structs.replace(
            one, needs={other: structs.replace(need, timeout=second) for other, need in one.needs.items()}
        )
        for name, one in system.components.items()
    }
    return structs.replace(system, components=components)


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
