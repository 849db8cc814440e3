"""Rules about jobs by schedule: backups and clean-ups that run, once, and end. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.rule import rule
from bascule.audit.tree import boolean, text, whole

DOCS = "https://kubernetes.io/docs"
CRON = f"{DOCS}/concepts/workloads/controllers/cron-jobs/"


@rule(
    "BSC-K8S-120",
    "runs-overlap",
    severity="medium",
    technology="kubernetes",
    breaks=("capacity", "availability"),
    why="A run that takes longer than its interval gets company: the runs slow each other down and pile up, on the same"
    " data.",
    fix="Set `concurrencyPolicy: Forbid`, or `Replace`.",
    source=f"{CRON}#concurrency-policy",
)
def runs_overlap(estate: Estate) -> Iterator[Found]:
    """Finds CronJobs that allow several runs at the same time, which is the default."""
    for one in estate.index(cluster).workloads:
        written = text(one.manifest.root, "spec", "concurrencyPolicy")
        if one.kind == "CronJob" and (written or "Allow") == "Allow":
            yield Found(
                place=one.manifest.place("spec", "concurrencyPolicy"),
                subject=one.subject,
                what="a new run starts while the last one still runs" + ("" if written else ", by default"),
            )


@rule(
    "BSC-K8S-121",
    "starting-deadline-too-short",
    severity="high",
    technology="kubernetes",
    breaks=("rpo", "availability"),
    why="The controller looks every ten seconds: with less than that a run may never start, without any error.",
    fix="Set `startingDeadlineSeconds` to minutes.",
    source=f"{CRON}#starting-deadline",
)
def starting_deadline_too_short(estate: Estate) -> Iterator[Found]:
    """Finds CronJobs whose starting deadline is below ten seconds."""
    for manifest in estate.index(cluster).of("CronJob"):
        deadline_s = whole(manifest.root, "spec", "startingDeadlineSeconds")
        if deadline_s is not None and deadline_s < 10:
            yield Found(
                place=manifest.place("spec", "startingDeadlineSeconds"),
                subject=manifest.subject,
                what=f"a run that does not start within {deadline_s} s is left out",
            )


@rule(
    "BSC-K8S-122",
    "hung-run-blocks-all-others",
    severity="medium",
    technology="kubernetes",
    breaks=("rpo", "availability"),
    why="Runs that may not overlap wait for the last one to end: one that hangs stops the schedule for good, and nobody"
    " is told.",
    fix="Set `activeDeadlineSeconds` in the job's spec, above the longest run that is normal.",
    source=f"{DOCS}/concepts/workloads/controllers/job/#job-termination-and-cleanup",
)
def hung_run_blocks_all_others(estate: Estate) -> Iterator[Found]:
    """Finds CronJobs that forbid overlapping runs and do not limit how long one may take."""
    for one in estate.index(cluster).workloads:
        if one.kind != "CronJob" or text(one.manifest.root, "spec", "concurrencyPolicy") != "Forbid":
            continue
        limits = (
            one.manifest.node("spec", "jobTemplate", "spec", "activeDeadlineSeconds"),
            one.manifest.node(*one.pod_path, "activeDeadlineSeconds"),
        )
        if all(limit is None for limit in limits):
            yield Found(
                place=one.manifest.place("spec", "jobTemplate", "spec"),
                subject=one.subject,
                what="a run that hangs keeps all later ones from starting",
            )


@rule(
    "BSC-K8S-123",
    "suspended-schedule",
    severity="medium",
    technology="kubernetes",
    breaks=("rpo",),
    why="No run starts while it is suspended: a backup that was meant to be stopped for an hour is missed when it is"
    " needed.",
    fix="Remove `suspend: true` from the manifest; suspend by hand while it is needed.",
    source=f"{CRON}#schedule-suspension",
)
def suspended_schedule(estate: Estate) -> Iterator[Found]:
    """Finds CronJobs whose manifest suspends them."""
    for manifest in estate.index(cluster).of("CronJob"):
        if boolean(manifest.root, "spec", "suspend") is True:
            yield Found(
                place=manifest.place("spec", "suspend"),
                subject=manifest.subject,
                what="no run starts while it is suspended",
            )


RULES = (runs_overlap, starting_deadline_too_short, hung_run_blocks_all_others, suspended_schedule)
