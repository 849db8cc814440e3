"""One operation on its way, whatever protocol carries it."""

from __future__ import annotations

import asyncio

from bascule.measure.ledger import Ledger
from bascule.measure.records import Outcome, Record

BACKOFF_S = 0.05


class Flight:
    """An operation from when it is due to when its fate is known; `land` is called once.

    Attributes:
        sent_s: When it was first sent; 0.0 before.
        resends: How often it may still be sent again.
        undecided: An attempt was sent and left without an answer that decides it.
        timer: What ends the current attempt.
    """

    __slots__ = (
        "attempts",
        "deadline_s",
        "due_s",
        "error",
        "number",
        "operation",
        "over",
        "place",
        "resends",
        "sent_s",
        "timer",
        "undecided",
        "writes",
    )

    def __init__(
        self, *, number: int, operation: str, writes: bool, due_s: float, deadline_s: float, resends: int
    ) -> None:
        self.number = number
        self.operation = operation
        self.writes = writes
        self.due_s = due_s
        self.deadline_s = deadline_s
        self.resends = resends
        self.sent_s = 0.0
        self.attempts = 0
        self.undecided = False
        self.over = False
        self.error = ""
        self.place = 0
        self.timer: asyncio.TimerHandle | None = None

    def patience_s(self, now_s: float) -> float:
        """How long the attempt that begins now may take: an equal share of what is left to the deadline."""
        return (self.deadline_s - now_s) / (self.resends + 1)

    def sent(self, now_s: float) -> None:
        """Note that an attempt is being sent."""
        self.attempts += 1
        self.sent_s = self.sent_s or now_s

    def stop_timer(self) -> None:
        """Let the current attempt run without a limit."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def failed_attempt(self, error: str, *, undecided: bool) -> None:
        """Note why an attempt brought no acknowledgement. A read is never undecided by a lost answer."""
        self.error = error
        self.undecided = self.undecided or undecided

    def acknowledge(self, ledger: Ledger, now_s: float, target: str, *, epoch: int = 0, server: str = "") -> None:
        """Land it with the system's yes."""
        outcome: Outcome = "good" if now_s <= self.deadline_s else "late"
        self.error = ""
        self._land(ledger, now_s, target, outcome, epoch=epoch, server=server)

    def give_up(self, ledger: Ledger, now_s: float, target: str) -> None:
        """Land it without one."""
        self._land(ledger, now_s, target, "unknown" if self.undecided else "failed")

    def _land(
        self, ledger: Ledger, now_s: float, target: str, outcome: Outcome, *, epoch: int = 0, server: str = ""
    ) -> None:
        assert not self.over, f"operation {self.number} landed twice"  # noqa: S101 - an invariant of the evidence
        self.over = True
        self.stop_timer()
        ledger.in_flight -= 1
        ledger.add(
            Record(
                number=self.number,
                operation=self.operation,
                due_s=self.due_s,
                sent_s=self.sent_s,
                done_s=now_s,
                outcome=outcome,
                writes=self.writes,
                epoch=epoch,
                server=server,
                target=target,
                attempts=self.attempts,
                error=self.error,
            )
        )


def refuse_at_the_limit(
    ledger: Ledger, *, number: int, operation: str, writes: bool, due_s: float, now_s: float
) -> None:
    """Record an operation that the client itself did not send, since too many were in flight already."""
    ledger.add(
        Record(
            number=number,
            operation=operation,
            due_s=due_s,
            sent_s=0.0,
            done_s=now_s,
            outcome="failed",
            writes=writes,
            attempts=0,
            error="client limit",
        )
    )
