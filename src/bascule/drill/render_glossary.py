"""How each number is measured, in a sentence each: what a reader of a report needs at hand. Pure."""

from __future__ import annotations

LOAD = (
    "All times are taken at the clients that offer the load; what the engines' logs say only explains them. "
    "The load is open loop: each operation has a moment at which it is due; its latency runs from there, sent or not."
)
GLOSSARY = {
    "good, late": "acknowledged within the deadline; acknowledged after it",
    "failed, unknown": "refused; timed out or cut off, so that nobody knows whether it happened",
    "t0": "the fault is witnessed active; a fault that nobody witnessed makes the trial INVALID, never PASS",
    "t1": "the first operation that was not good was due",
    "t2": "the system noticed: a lease ran out, a health check failed",
    "t3": "first acknowledgement under the new epoch (PostgreSQL: the new timeline)",
    "t4": "start of the first stretch of good operations long enough to be called stable",
    "t5": "full redundancy is restored: every replica is back and the quorum is whole",
    "RTO": "t4 - t0; 0 when no operation was bad; never when the system did not recover before the end",
    "detection, failover, client": "t2 - t0, t3 - t2, t4 - t3: together the RTO",
    "later outage": "bad operations after the recovery, as when the fault is undone: as long as the longest of them",
    "lost writes (RPO)": "acknowledged writes that are not there at the end",
    "duplicated, phantom": "writes that are there more than once; that are there though nobody sent them",
    "recovered unknown": "writes that timed out and are there: allowed, and told",
    "lost time (RPO)": "t0 less the moment at which the oldest lost write was acknowledged",
    "availability": "good operations / offered operations; the worst window is the worst stretch of that length",
    "goodput": "good operations per second that were not lost later",
    "p99 in the incident": "99 % of operations then took at most so long; a timeout counts as the deadline or more",
    "error budget": "the share of the window's allowed bad operations that this incident spent",
    "split brain": "acknowledgements under an old epoch that were asked for after a newer epoch had acknowledged",
    "± resolution": "the smallest difference that the measurement can show",
    "PASS, FAIL": "every promise was kept, nothing lost, nothing split; or not",
    "INVALID": "the evidence does not allow a verdict: fault not witnessed, control not clean, load fell behind",
    "ABORTED": "stopped before the end, or a safety limit was hit",
}
