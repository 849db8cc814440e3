"""Asks one member of a service whether it may take traffic."""

from __future__ import annotations

from bascule.engines import http_over
from bascule.engines.protocols import Dial, Observation


def observe(dial: Dial, port: int, path: str, timeout_s: float) -> Observation:
    """Up when it answers; whole when it answers 200."""
    try:
        answer = http_over.ask(dial, port, path, timeout_s=timeout_s)
    except http_over.NoAnswerError as error:
        return Observation(up=False, detail=f"no answer: {error}")
    ready = answer.status == 200
    return Observation(
        up=ready, role="peer", whole=ready, detail="ready" if ready else f"{path} answers {answer.status}"
    )
