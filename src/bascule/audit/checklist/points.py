"""The points of the checklist, in its own order. Pure."""

from __future__ import annotations

from bascule.audit.checklist import application, architecture, data, operations
from bascule.audit.checklist.words import Point

POINTS: tuple[Point, ...] = (
    Point("A1", "architecture", "no single point of failure", architecture.HOW_PREDICTED, architecture.single_points),
    Point("A2", "architecture", "redundancy of N+1 at least", architecture.HOW_PREDICTED, architecture.redundancy),
    Point("A3", "architecture", "several availability zones", architecture.HOW_PREDICTED, architecture.zones),
    Point(
        "A4", "architecture", "several regions for critical services", architecture.HOW_PREDICTED, architecture.regions
    ),
    Point(
        "A5",
        "architecture",
        "load balancing with health checks",
        "give the HAProxy configuration, or the Kubernetes manifests",
        architecture.balancing,
    ),
    Point("D1", "data", "replication synchronous or asynchronous as the RPO demands", data.HOW_FILE, data.replication),
    Point("D2", "data", "automatic backups at least daily", data.HOW_BACKUP, data.daily),
    Point("D3", "data", "backups restored regularly", data.HOW_BACKUP, data.restored),
    Point("D4", "data", "backups on several sites (3-2-1)", data.HOW_BACKUP, data.sites),
    Point("D5", "data", "documented disaster-recovery plan", "a plan that the last exercise followed step by step"),
    Point("N1", "network", "redundant links", "pull one of two links under load: no request may fail, on either"),
    Point("N2", "network", "several providers (multi-homing)", "announce a prefix by one provider only, for a minute"),
    Point(
        "N3",
        "network",
        "failover of names or routes configured (DNS, BGP)",
        "run a drill that loses a region, with clients outside, and give its report",
        operations.names,
    ),
    Point("N4", "network", "protection against denial of service", "the provider's test, or a load test from outside"),
    Point("P1", "application", "circuit breakers", "inject errors into a dependency and watch the calls stop", None),
    Point(
        "P2",
        "application",
        "retries with exponential backoff",
        "drill the story retry-storm's fault on it; `bascule.guard` retries have a budget and jitter",
        application.retries,
    ),
    Point("P3", "application", "timeouts everywhere", application.HOW_TIMEOUTS, application.timeouts),
    Point("P4", "application", "graceful shutdown with drain", application.HOW_MANIFESTS, application.shutdown),
    Point("P5", "application", "health endpoints, live and ready", application.HOW_MANIFESTS, application.probes),
    Point(
        "P6",
        "application",
        "sessions outside of the process",
        "drill a process-kill under load: no client may have to sign in again",
        application.sessions,
    ),
    Point(
        "M1", "monitoring", "metrics of availability", "give the Prometheus configuration and rules", operations.metrics
    ),
    Point("M2", "monitoring", "alerting without fatigue", "give the Prometheus rules", operations.alerting),
    Point("M3", "monitoring", "SLO defined and measured", operations.HOW_DRILL, operations.objective),
    Point(
        "M4",
        "monitoring",
        "MTBF and MTTR tracked",
        "run drills that break each engine alone, and give their reports: --report bascule-runs/*/report.json",
        operations.tracked,
    ),
    Point("M5", "monitoring", "real-time dashboards", "look at them during a drill: do they show it?"),
    Point("O1", "operations", "runbooks", "give Prometheus rules whose alerts name a runbook", operations.runbooks),
    Point("O2", "operations", "on-call rotation", "page whoever is on call, and measure the time to answer"),
    Point("O3", "operations", "post-mortems", "the last incident's, with its actions done"),
    Point("O4", "operations", "chaos engineering practised", operations.HOW_DRILL, operations.chaos),
    Point("O5", "operations", "failover tested monthly", operations.HOW_DRILL, operations.monthly),
    Point("O6", "operations", "yearly disaster-recovery exercise", operations.HOW_DRILL, operations.yearly),
    Point("S1", "security", "automatic rotation of secrets", "rotate one under load, and drill that"),
    Point("S2", "security", "encrypted backups", data.HOW_BACKUP, data.encrypted),
    Point("S3", "security", "bastion access", "an attempt to sign in that goes past it"),
    Point("S4", "security", "central audit log", "find one's own last sign-in there"),
)
