"""Runs the check of each group in its rhythm, and tells the decisions what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bascule.cluster.agent.configuration import CheckTimes
from bascule.cluster.checks.port import Check
from bascule.cluster.decisions.events import Checked, Event


class Hysteresis:
    """A verdict that changes only after several equal answers in a row.

    Args:
        fall: Failed ones that make it fail; at least 1.
        rise: Good ones that make it well again; at least 1. The first answer counts at once.
    """

    def __init__(self, fall: int, rise: int) -> None:
        self._needed = {False: fall, True: rise}
        self._row = 0
        self.ok: bool | None = None

    def hear(self, answer: bool) -> bool:
        """Take in an answer; returns the verdict."""
        if self.ok is None:
            self.ok = answer
        elif answer == self.ok:
            self._row = 0
        else:
            self._row += 1
            if self._row >= self._needed[answer]:
                self.ok, self._row = answer, 0
        return self.ok


async def keep_checking(group: str, checking: Check, times: CheckTimes, hear: Callable[[Event], None]) -> None:
    """Check for ever; every answer is told, with what the row of answers came to."""
    verdict = Hysteresis(times.fall, times.rise)
    while True:
        health = await checking.check()
        ok = verdict.hear(health.ok)
        hear(Checked(group=group, ok=ok, why="" if ok else health.why, lag_bytes=health.lag_bytes))
        await asyncio.sleep(times.every.seconds)
