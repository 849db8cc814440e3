"""Rules about alerts: whether somebody hears of an outage, and soon enough. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.prometheus.documents import RuleFile, Server, alerts
from bascule.audit.prometheus.promql import (
    fires_always,
    jobs_that_are_absent,
    jobs_that_are_down,
    longest_range_s,
    rate_windows,
    seconds,
)
from bascule.audit.rule import rule
from bascule.audit.tree import Mapping, entries, items, text

_SCRAPE_S = 60.0  # Prometheus's own, where nothing is said
_LOOKS_BACK_S = 120.0
_BURN = ("14.4", "burn")


@rule(
    "BSC-PRO-001",
    "alert-without-for",
    severity="low",
    technology="prometheus",
    breaks=("availability",),
    why="One missed scrape fires the alert: people learn not to trust it, and look away when it is real.",
    fix="Add `for: 2m`, or as long as it takes to be sure.",
    source="Prometheus documentation, Alerting rules, for (default: 0)",
)
def alert_without_for(estate: Estate) -> Iterator[Found]:
    """Alerts about one moment, that fire at once."""
    for one in alerts(estate):
        waits_s = seconds(text(one.rule, "for") or "0")
        if waits_s == 0 and not fires_always(one.expression) and longest_range_s(one.expression) < _LOOKS_BACK_S:
            what = f"{one.name} fires after a single evaluation: it has no for"
            yield Found(place=one.at("for"), what=what, subject=one.subject)


@rule(
    "BSC-PRO-002",
    "alert-without-severity",
    severity="low",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="Routing by severity does not match it: it goes wherever the default leads, and may wake nobody.",
    fix="Add `labels: {severity: critical}`, or what your routes know.",
    source="Prometheus documentation, Alerting rules, labels; Alertmanager documentation, route",
)
def alert_without_severity(estate: Estate) -> Iterator[Found]:
    """Alerts that do not say how bad it is."""
    for one in alerts(estate):
        if not text(one.rule, "labels", "severity") and not fires_always(one.expression):
            yield Found(place=one.at("labels"), what=f"{one.name} has no severity", subject=one.subject)


@rule(
    "BSC-PRO-003",
    "gone-targets-are-silent",
    severity="medium",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="A target that is gone from the service discovery has no `up` at all: it is neither 0, nor does anything fire.",
    fix='Add an alert on `absent(up{job="..."})`.',
    source="Prometheus documentation, Querying, Functions, absent; Jobs and instances, up",
)
def gone_targets_are_silent(estate: Estate) -> Iterator[Found]:
    """Alerts on targets that are down, without one on targets that are gone."""
    watched = {job for one in alerts(estate) for job in jobs_that_are_absent(one.expression)}
    for one in alerts(estate):
        missing = [job for job in jobs_that_are_down(one.expression) if job not in watched and (job or not watched)]
        if missing:
            job = f"job {missing[0]}" if missing[0] else "a job"
            what = f"{one.name} fires when a target of {job} is down, and nothing does when all of them are gone"
            yield Found(place=one.at("expr"), what=what, subject=one.subject)


@rule(
    "BSC-PRO-004",
    "rate-over-too-few-samples",
    severity="medium",
    technology="prometheus",
    breaks=("availability",),
    why="A rate needs two samples in its window: one missed scrape leaves it empty, and an alert on it silent.",
    fix="Make the window four scrape intervals or longer.",
    source="Prometheus documentation, Querying, Functions, rate: it needs two samples",
)
def rate_over_too_few(estate: Estate) -> Iterator[Found]:
    """Alerts on rates whose window is too short for the scrape interval; without it, for any usual one."""
    intervals = [found for one in estate.of(Server) if (found := _shortest_scrape_s(one)) is not None]
    least_s = 4 * min(intervals) if intervals else 60.0
    why = f"the shortest scrape interval is {min(intervals):g} s" if intervals else "a usual scrape interval is 15 s"
    for one in alerts(estate):
        short = [each for each in rate_windows(one.expression) if each[2] < least_s]
        if short:
            what = f"{short[0][0]} over {short[0][1]} has room for few samples: {why}"
            yield Found(place=one.at("expr"), what=what, subject=one.subject)


def _shortest_scrape_s(server: Server) -> float | None:
    """The shortest interval of all its jobs; None where one is no duration."""
    usual = seconds(text(server.root, "global", "scrape_interval") or "1m")
    jobs = items(server.root, "scrape_configs")
    found = [seconds(text(job, "scrape_interval") or "") if text(job, "scrape_interval") else usual for job in jobs]
    known = [each for each in found if each]
    return min(known, default=usual) if len(known) == len(found) else None


@rule(
    "BSC-PRO-005",
    "no-dead-mans-switch",
    severity="medium",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="When Prometheus or Alertmanager is down, no alert fires, and that looks the same as when all is well.",
    fix="Add an alert `Watchdog` with `expr: vector(1)`, sent to a service that calls when it stops coming.",
    source="Prometheus documentation, Practices, Alerting, Metamonitoring",
)
def no_dead_mans_switch(estate: Estate) -> Iterator[Found]:
    """Alerts, and none that always fires."""
    files = [one for one in estate.of(RuleFile) if one.alerts]
    if files and not any(fires_always(one.expression) for one in alerts(estate)):
        what = "no alert fires at all times, so silence may mean that alerting is broken"
        yield Found(place=files[0].groups_place, what=what, subject="alerts")


@rule(
    "BSC-PRO-006",
    "alert-without-words",
    severity="low",
    technology="prometheus",
    breaks=("rto",),
    why="Whoever is woken has a name and labels, and must find out first what is wrong and what to do.",
    fix="Add annotations: `summary`, and `runbook_url` with what to do.",
    source="Prometheus documentation, Alerting rules, annotations; Practices, Alerting",
)
def alert_without_words(estate: Estate) -> Iterator[Found]:
    """Alerts that tell nobody what to do."""
    for one in alerts(estate):
        told = entries(one.rule, "annotations")
        if fires_always(one.expression) or ({"summary", "description", "message"} & set(told) and _has_runbook(told)):
            continue
        missing = "runbook_url" if {"summary", "description", "message"} & set(told) else "summary"
        yield Found(place=one.at("annotations"), what=f"{one.name} has no {missing}", subject=one.subject)


def _has_runbook(told: Iterable[str]) -> bool:
    return any("runbook" in key or "playbook" in key for key in told)


@rule(
    "BSC-PRO-007",
    "alerts-go-nowhere",
    severity="high",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="Alerts are evaluated and fire, and nobody is told: there is no Alertmanager to send them to.",
    fix="Add `alerting.alertmanagers` with two Alertmanagers.",
    source="Prometheus documentation, Configuration, alerting",
)
def alerts_go_nowhere(estate: Estate) -> Iterator[Found]:
    """Servers with rules and nobody to tell."""
    for one in estate.of(Server):
        if items(one.root, "rule_files") and not items(one.root, "alerting", "alertmanagers"):
            place = one.root.keys["rule_files"]
            what = "rules are evaluated, and no Alertmanager is told of their alerts"
            yield Found(place=place, what=what, subject="Prometheus")


@rule(
    "BSC-PRO-008",
    "single-alertmanager",
    severity="medium",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="While that one Alertmanager is down, no alert reaches anybody; it fails together with what it should tell of.",
    fix="Run two or three as a cluster, and list all of them.",
    source="Alertmanager documentation, High Availability",
)
def single_alertmanager(estate: Estate) -> Iterator[Found]:
    """Servers that tell one Alertmanager, listed by its address."""
    for one in estate.of(Server):
        listed = items(one.root, "alerting", "alertmanagers")
        static = [group for each in listed for group in items(each, "static_configs")]
        targets = [target for group in static for target in items(group, "targets")]
        if len(listed) == 1 and len(targets) == 1 and _is_static(listed[0]):
            what = f"{text(targets[0]) or 'one address'} is the only Alertmanager"
            yield Found(place=targets[0].place, what=what, subject="Prometheus")


def _is_static(manager: object) -> bool:
    # With any service discovery there may be more of them.
    return isinstance(manager, Mapping) and not any(key.endswith("_sd_configs") for key in manager.entries)


@rule(
    "BSC-PRO-009",
    "no-rules",
    severity="medium",
    technology="prometheus",
    breaks=("availability", "rto"),
    why="Nothing is ever evaluated: Alertmanagers are listed, and no alert can fire.",
    fix="Add `rule_files` with your alerts.",
    source="Prometheus documentation, Configuration, rule_files",
)
def no_rules(estate: Estate) -> Iterator[Found]:
    """Servers with somebody to tell and nothing to say."""
    for one in estate.of(Server):
        if items(one.root, "alerting", "alertmanagers") and not items(one.root, "rule_files"):
            place = one.root.keys["alerting"]
            what = "Alertmanagers are listed, but no rule_files: no alert can fire"
            yield Found(place=place, what=what, subject="Prometheus")


@rule(
    "BSC-PRO-010",
    "no-burn-rate-alert",
    severity="low",
    technology="prometheus",
    breaks=("availability",),
    why="An availability was promised, and nothing tells while the error budget is being used up.",
    fix="Add alerts on burn rates over two windows each: 14.4 over 1h and 5m, 6 over 6h and 30m.",
    source="Google, The Site Reliability Workbook, chapter 5, Alerting on SLOs",
)
def no_burn_rate_alert(estate: Estate) -> Iterator[Found]:
    """Promises of availability that no alert looks after."""
    given = alerts(estate)
    if estate.system is None or not given:
        return
    if any(word in one.expression or word in one.name.lower() for one in given for word in _BURN):
        return
    file = next(one for one in estate.of(RuleFile) if one.alerts)
    promised = estate.place("objectives.availability.target")
    what = f"no alert looks at the error budget of the promised {estate.system.objectives.availability.target}"
    yield Found(place=file.groups_place, what=what, subject="alerts", related=((promised, "what was promised"),))


RULES = (
    alert_without_for, alert_without_severity, gone_targets_are_silent, rate_over_too_few, no_dead_mans_switch,
    alert_without_words, alerts_go_nowhere, single_alertmanager, no_rules, no_burn_rate_alert,
)  # fmt: skip
