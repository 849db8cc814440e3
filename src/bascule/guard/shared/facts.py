"""What shared state tells besides that its store was lost and found (`bascule.guard.facts`)."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.guard.facts import GuardFact


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedValueIgnored(GuardFact):
    """The store holds something under `key` that none of us can have written. Told once, until it is gone."""

    key: str
