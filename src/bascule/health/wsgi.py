"""The probes as a WSGI application (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bascule.health.answer import METHODS, Answer, answer_of, check_prefix, probe_of, refusal

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from bascule.health.health import Health


class WsgiProbes:
    """Answers `GET` and `HEAD` of the three probes; everything else is 404 or 405.

    Args:
        health: Whom to ask.
        prefix: The path before the probe's name, when no mount point stands for it.
    """

    def __init__(self, health: Health, prefix: str = "/health") -> None:
        check_prefix(prefix)
        self._health = health
        self._prefix = prefix

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        answer = self._answer(method, environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", ""))
        start_response(answer.line, list(answer.headers))
        return [b"" if method == "HEAD" else answer.body]

    def _answer(self, method: str, path: str, mounted_at: str) -> Answer:
        probe = probe_of(path, mounted_at, self._prefix)
        if probe is None:
            return refusal(404)
        if method not in METHODS:
            return refusal(405)
        return answer_of(self._health.ask(probe), errors=self._health.errors)
