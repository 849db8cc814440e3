"""What every check is: one question, answered within its time."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Health(Struct, frozen=True, kw_only=True):
    """How a service is.

    Attributes:
        ok: It works.
        why: Why it does not, in a few words.
        lag_bytes: How far its data is behind; None where that is unknown or has no meaning.
    """

    ok: bool
    why: str = ""
    lag_bytes: int | None = None


class Check(Protocol):
    """One question to a service."""

    async def check(self) -> Health:
        """How it is now; never raises, and answers within its own limit of time."""
        ...
