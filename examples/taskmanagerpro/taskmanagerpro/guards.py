"""How the calls of this application survive while its database fails over."""

from __future__ import annotations

from psycopg.rows import DictRow

from bascule.guard import CircuitBreaker, CircuitOpenError, Consecutive, Fallback, Guard, Stale
from taskmanagerpro.database import DatabaseUnavailableError

STALE_S = 3600.0
LISTS = 1000


class Guards:
    """One guard for each kind of read. Writes have none: each tries once, and its client repeats it under the same key.

    While the primary is away, three reads in a row find that out, each within its time. Those after them are refused or
    answered with what was seen last, at once, but for one every fifth of a second, which looks whether it is back.
    """

    def __init__(self) -> None:
        primary = CircuitBreaker(
            window=Consecutive(3), open_s=0.2, half_open_probes=1, half_open_s=1.0, on=DatabaseUnavailableError
        )
        last_seen: Fallback[Stale[list[DictRow]]] = Fallback(
            stale_s=STALE_S, on=(DatabaseUnavailableError, CircuitOpenError), mark=Stale, most=LISTS
        )
        self.lists = Guard(last_seen, primary, name="lists")
        self.tasks = Guard(primary, name="tasks")
