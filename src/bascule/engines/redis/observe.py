"""Asks one Redis server whether it serves."""

from __future__ import annotations

from bascule.engines.protocols import Dial, Observation
from bascule.engines.redis.render import PORT


def observe(dial: Dial, timeout_s: float) -> Observation:
    """Up when it answers PING. An answer that asks for the password counts: only a server that serves gives it."""
    try:
        with dial(PORT) as sock:
            sock.settimeout(timeout_s)
            sock.sendall(b"PING\r\n")
            answer = sock.recv(256)
    except OSError as error:
        return Observation(up=False, detail=f"no answer: {error}")
    up = answer.startswith((b"+PONG", b"-NOAUTH"))
    word = answer.split(b"\r\n", 1)[0].decode("ascii", "replace")
    return Observation(up=up, role="peer", whole=up, detail="serving" if up else f"answers {word!r}")
