"""Whether a trial came as expected: a weakness that is known shall be seen, and seen where it was expected. Pure."""

from __future__ import annotations

from bascule.drill.plan import Run
from bascule.measure.verdict import Outcome, Verdict


def expected(run: Run) -> Outcome:
    """What was expected of the system in this run."""
    return run.experiment.scenario.expect.outcome if run.experiment.scenario else "PASS"


def surprise(run: Run, verdict: Verdict) -> str:
    """In what a verdict comes otherwise than expected; empty when it does not, or when there is no verdict."""
    scenario = run.experiment.scenario
    if scenario is None or verdict.outcome not in {"PASS", "FAIL"}:
        return ""
    if verdict.outcome != scenario.expect.outcome:
        return f"it was expected to {scenario.expect.outcome}"
    missed = {measure.name for measure in verdict.measures if measure.met is False}
    unseen = [name for name in scenario.expect.misses if name not in missed]
    return f"it was expected to miss {', '.join(unseen)}, and did not" if unseen else ""
