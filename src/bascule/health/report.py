"""From the outcomes of checks to the answer of a probe. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bascule.health.check import Outcome, Probe, Registration

Status = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a probe tells about one check.

    Attributes:
        name: The check.
        status: `pass`, `warn` (it fails and is not critical) or `fail`.
        critical: Whether the probe turns red with it.
        age_s: How old the answer is.
        took_s: How long the check took.
        error: Why it failed; empty when it passed.
    """

    name: str
    status: Status
    critical: bool
    age_s: float
    took_s: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer of a probe: `pass`, `warn` (degraded, and still yes) or `fail`, and why."""

    probe: Probe
    status: Status
    reason: str = ""
    checks: tuple[CheckReport, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether the answer is yes."""
        return self.status != "fail"

    def as_dict(self, *, errors: bool = True) -> dict[str, Any]:
        """The report as JSON says it; without `errors`, the texts of errors stay in the process."""
        told: dict[str, Any] = {"probe": self.probe, "status": self.status}
        if self.reason:
            told["reason"] = self.reason
        told["checks"] = {check.name: _check_dict(check, errors=errors) for check in self.checks}
        return told


def _check_dict(check: CheckReport, *, errors: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "status": check.status,
        "critical": check.critical,
        "age_s": round(check.age_s, 3),
        "took_s": round(check.took_s, 3),
    }
    if errors and check.error:
        told["error"] = check.error
    return told


def asked_by(probe: Probe, registrations: Iterable[Registration], *, started: bool) -> list[Registration]:
    """The checks that this probe asks.

    Startup means "has been ready for work once": it asks what readiness asks, and its own checks. Until it has passed,
    readiness asks those as well, so a process with no startup probe is not ready too early.
    """
    if probe == "live":
        return [each for each in registrations if "live" in each.probes]
    if started:
        return [each for each in registrations if probe == "ready" and "ready" in each.probes]
    return [each for each in registrations if "ready" in each.probes or "startup" in each.probes]


def judge(probe: Probe, outcomes: Sequence[tuple[Registration, Outcome]], now_s: float) -> Report:
    """Red when a critical check fails, `warn` when another one does."""
    checks = tuple(_check_report(registration, outcome, now_s) for registration, outcome in outcomes)
    red = [check.name for check in checks if check.status == "fail"]
    amber = [check.name for check in checks if check.status == "warn"]
    status: Status = "fail" if red else "warn" if amber else "pass"
    reason = f"failing: {', '.join(red or amber)}" if red or amber else ""
    return Report(probe=probe, status=status, reason=reason, checks=checks)


def _check_report(registration: Registration, outcome: Outcome, now_s: float) -> CheckReport:
    failed: Status = "fail" if registration.critical else "warn"
    return CheckReport(
        name=registration.name,
        status="pass" if outcome.is_passed else failed,
        critical=registration.critical,
        age_s=max(0.0, now_s - outcome.at_s),
        took_s=outcome.took_s,
        error=outcome.error,
    )
