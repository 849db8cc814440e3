"""What the facts that an agent tells in its log mean. Pure."""

from __future__ import annotations

import json

from bascule.engines.protocols import EngineEvent, EventKind

FACTS: dict[str, tuple[EventKind, str]] = {
    "BecameIneligible": ("noticed", "it may not have {group} any more: {why}"),
    "SessionLost": ("noticed", "its session is over: {why}"),
    "PeerEnded": ("noticed", "it ended the session of {peer}: {why}"),
    "StoreLost": ("noticed", "the store does not answer: {why}"),
    "HandoverStarted": ("noticed", "{group} is being handed over: {why}"),
    "LeaderElected": ("lease", "{holder} holds the lease of {group}, token {token}"),
    "BecameActive": ("promoted", "it acts for {group} with token {token}"),
    "StoppedActing": ("demoted", "it acts for {group} no more: {why}"),
    "BecameEligible": ("ready", "it may have {group}"),
    "SessionStarted": ("rejoined", "it has a session"),
}
"""By the fact's name: the kind of event, and words that take the fact's fields."""
_LONGEST = 10_000


def event(line: str) -> EngineEvent | None:
    """What the line explains: JSON with `fact` and its fields; anything else explains nothing."""
    start = line.find("{")
    if start < 0 or len(line) > _LONGEST:
        return None
    try:
        told = json.loads(line[start:])
    except (ValueError, RecursionError):
        return None
    known = FACTS.get(str(told.get("fact"))) if isinstance(told, dict) else None
    if known is None:
        return None
    kind, words = known
    try:
        return EngineEvent(kind=kind, text=words.format_map({key: str(value) for key, value in told.items()}))
    except KeyError:
        return None
