"""The field's checklist of high availability, each point with the evidence that proves it, or how to get some."""

from bascule.audit.checklist.judging import judge
from bascule.audit.checklist.points import POINTS

__all__ = ["POINTS", "judge"]
