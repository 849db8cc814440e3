"""The one error of the agent: what it was asked for cannot be done. It crosses the wire as words."""

from __future__ import annotations


class RefusedError(Exception):
    """It cannot be done, or it was tried and failed.

    Args:
        what: One sentence, without a trailing full stop.
        hint: The next step for the user; empty if there is none.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(what)
