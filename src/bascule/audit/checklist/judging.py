"""The checklist, judged by evidence: what is unknown never counts as proved. Pure."""

from __future__ import annotations

from bascule.audit.checklist.points import POINTS
from bascule.audit.checklist.words import Checklist, Evidence, Judged, Level, Point

NOTE = (
    f"Published lists announce 34 points over a list of {len(POINTS)}: here {len(POINTS)} are counted, each once "
    "(architecture 5, data 5, network 4, application 6, monitoring 5, operations 6, security 4)."
)
NOTHING = "nothing that was given says anything about it"


def judge(evidence: Evidence) -> Checklist:
    """Every point as proved, failed, not applicable or unknown, with the score over those that apply."""
    points = tuple(_judged(point, evidence) for point in POINTS)
    counts = {state: sum(one.state == state for one in points) for state in ("proved", "failed", "unknown")}
    applicable = sum(counts.values())
    return Checklist(
        points=points,
        proved=counts["proved"],
        failed=counts["failed"],
        unknown=counts["unknown"],
        applicable=applicable,
        level=level(counts["proved"], applicable),
        note=NOTE,
    )


def level(proved: int, applicable: int) -> Level:
    """The level for this share of points; low where none applies."""
    share = proved / applicable if applicable else 0.0
    if share < 0.6:
        return "low"
    if share < 0.8:
        return "good"
    return "high" if share < 0.95 else "ultra-high"


def _judged(point: Point, evidence: Evidence) -> Judged:
    says = point.says(evidence) if point.says is not None else None
    return Judged(
        id=point.id,
        group=point.group,
        title=point.title,
        state=says.state if says is not None else "unknown",
        because=says.because if says is not None else NOTHING,
        how=point.how,
    )
