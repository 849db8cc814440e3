"""What an audit found: a rule, a place, a sentence, and where it is safe the edit that mends it. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.audit.place import Place

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
Objective = Literal["availability", "latency", "rto", "rpo", "capacity", "security"]


class Edit(Struct, frozen=True, kw_only=True):
    """A change of one stretch of text that keeps everything else as it is.

    Attributes:
        place: What is replaced: with its end; where end and start are the same, the text is inserted there.
        text: What stands there afterwards.
    """

    place: Place
    text: str


class Found(Struct, frozen=True, kw_only=True):
    """What one rule says about one place.

    Attributes:
        place: Where it stands.
        what: What is wrong here, with the values that make it so; one sentence without a full stop.
        subject: The object that it is about, for people: `Deployment shop/web`, `backend db`, `component database`.
        fix: What to write instead, where the rule knows better than its general advice; else empty.
        related: Other places that it was concluded from, each with a word about it.
        edits: What mends it, where that is safe: it changes nothing that works. All of them together, or none.
        severity: How bad it is here, where that is not as the rule says; else None.
    """

    place: Place
    what: str
    subject: str = ""
    fix: str = ""
    related: tuple[tuple[Place, str], ...] = ()
    edits: tuple[Edit, ...] = ()
    severity: Severity | None = None
