"""From a request to a probe, and from a report to an HTTP answer; the same for ASGI, WSGI and Flask. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bascule.health.check import PROBES, Probe, refuse

if TYPE_CHECKING:
    from bascule.health.report import Report

METHODS = ("GET", "HEAD")
PHRASES = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def line(self) -> str:
        """The status as WSGI wants it: `200 OK`."""
        return f"{self.status} {PHRASES[self.status]}"


def check_prefix(prefix: str) -> None:
    """Refuse what is no path to mount at.

    Raises:
        InputError: It does not begin with a slash, or ends with one.
    """
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise refuse("prefix", prefix, "be empty, or a path like '/health' without a slash at its end")


def probe_of(path: str, mounted_at: str, prefix: str) -> Probe | None:
    """The probe that a path names.

    Args:
        path: What is left of the path below the mount point.
        mounted_at: Where another application mounted this one; empty when it is the server's own.
        prefix: What stands before the probe's name, unless the mount point has taken its place.
    """
    for probe in PROBES:
        if path == f"{prefix}/{probe}" or (mounted_at and path == f"/{probe}"):
            return probe
    return None


def refusal(status: int) -> Answer:
    """404 or 405."""
    more = (("Allow", ", ".join(METHODS)),) if status == 405 else ()
    return _json(status, {"error": PHRASES[status].lower()}, more)


def answer_of(report: Report, *, errors: bool) -> Answer:
    """200 or 503, with every check's status and age."""
    return _json(200 if report.is_ok else 503, report.as_dict(errors=errors), ())


def _json(status: int, value: object, more: tuple[tuple[str, str], ...]) -> Answer:
    body = json.dumps(value).encode() + b"\n"
    headers = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *more,
    )
    return Answer(status=status, headers=headers, body=body)
