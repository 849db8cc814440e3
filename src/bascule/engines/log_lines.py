"""Turns the lines of a program's log into events, by a table of patterns. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bascule.engines.protocols import EngineEvent, EventKind

Pattern = tuple[EventKind, str, str]
"""What a line means: the kind of event, the pattern that is searched for, and words that take its groups: `{0}`."""


class LogLines:
    """A program's table of patterns, compiled once. The first that is found in a line decides.

    Args:
        patterns: In the order in which they are tried.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple((kind, re.compile(pattern), text) for kind, pattern, text in patterns)

    def event(self, line: str) -> EngineEvent | None:
        """What the line explains, or None."""
        for kind, pattern, text in self._patterns:
            match = pattern.search(line)
            if match:
                return EngineEvent(kind=kind, text=text.format(*match.groups()))
        return None
