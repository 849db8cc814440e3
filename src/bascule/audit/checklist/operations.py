"""Points about the network, monitoring and operations: mostly what drills have shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.audit.checklist.counted import judged_alerts, unsure
from bascule.audit.checklist.words import DAY_S, Drilled, Evidence, Says
from bascule.audit.prometheus.documents import Alert
from bascule.audit.prometheus.promql import jobs_that_are_absent

HOW_DRILL = "run `bascule drill` and give its report: --report bascule-runs/*/report.json"
MONTH_S = 31 * DAY_S
QUARTER_S = 92 * DAY_S
YEAR_S = 366 * DAY_S


def names(evidence: Evidence) -> Says | None:
    """Whether clients found the other region when one was lost."""
    if evidence.system is not None and "region" not in evidence.system.objectives.disruptions:
        return Says("not applicable", "nothing is promised for the loss of a region")
    return _passed(evidence, YEAR_S, "region", told="clients found the other region")


def _passed(evidence: Evidence, most_age_s: float, *scopes: str, told: str) -> Says | None:
    return _judged(evidence.drilled(most_age_s, *scopes), told)


def _judged(drilled: Sequence[Drilled], told: str) -> Says | None:
    if not drilled:
        return None
    failed = [one.experiment for one in drilled if one.outcome == "FAIL"]
    if failed:
        return Says("failed", f"a drill failed: {', '.join(dict.fromkeys(failed))}")
    return Says("proved", f"{told}: {len(drilled)} drills, all passed")


def metrics(evidence: Evidence) -> Says | None:
    """Whether something watches, and notices when what it watches is gone."""
    broken = evidence.broken("gone-targets-are-silent", "no-rules")
    if broken:
        return Says("failed", f"found by {broken}")
    found = [one for one in judged_alerts(evidence) if jobs_that_are_absent(one.expression)]
    return _watched(evidence, found, "alerts fire when what they watch is gone")


def alerting(evidence: Evidence) -> Says | None:
    """Whether alerts wait, say how bad it is, and would be missed when they stop."""
    broken = evidence.broken("alert-without-for", "alert-without-severity", "no-dead-mans-switch", "alerts-go-nowhere")
    if broken:
        return Says("failed", f"found by {broken}")
    return _watched(evidence, judged_alerts(evidence), "alerts wait, and say how bad it is")


def _watched(evidence: Evidence, found: list[Alert], told: str) -> Says | None:
    """Proved by these alerts; None where there are none."""
    if not found:
        return None
    doubt = unsure(evidence, "prometheus")
    return Says("unknown", doubt) if doubt else Says("proved", f"{len(found)} {told}")


def objective(evidence: Evidence) -> Says | None:
    """Whether an objective is defined, and something has measured it."""
    if evidence.system is None:
        return None
    drilled = evidence.drilled(QUARTER_S)
    if drilled:
        return Says("proved", f"the system file defines it, and {len(drilled)} trials measured it")
    return Says("unknown", "the system file defines it, and nothing has measured it")


def tracked(evidence: Evidence) -> Says | None:
    """Whether predictions take measured figures."""
    if evidence.prediction is not None and any(one.used for one in evidence.prediction.measured):
        return Says("proved", "predictions take failover times that drills measured")
    return None


def runbooks(evidence: Evidence) -> Says | None:
    """Whether each alert names its runbook."""
    broken = evidence.broken("alert-without-words")
    if broken:
        return Says("failed", f"found by {broken}")
    return _watched(evidence, judged_alerts(evidence), "alerts say what to do about it")


def chaos(evidence: Evidence) -> Says | None:
    """Whether something was broken on purpose within a quarter, whatever came of it."""
    drilled = evidence.drilled(QUARTER_S)
    return Says("proved", f"{len(drilled)} trials within the last three months") if drilled else None


def monthly(evidence: Evidence) -> Says | None:
    """Whether a failover was tested within a month; what broke nobody who was in charge is no failover."""
    return _judged([one for one in evidence.drilled(MONTH_S) if one.is_failover], "failovers within the last month")


def yearly(evidence: Evidence) -> Says | None:
    """Whether the loss of a region was rehearsed within a year."""
    if evidence.system is not None and "region" not in evidence.system.objectives.disruptions:
        return _passed(evidence, YEAR_S, "zone", told="the largest loss that has a promise, within the last year")
    return _passed(evidence, YEAR_S, "region", told="the loss of a region, within the last year")
