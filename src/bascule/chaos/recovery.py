"""Undoes what a journal says is not undone: after the drill's death, by the watchdog or by hand. Idempotent."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from bascule.chaos.faults import AnyFault
from bascule.chaos.injection import Sleep, undo
from bascule.chaos.journal import Entry, Journal, PlatformRef, pending
from bascule.chaos.platform import Platform
from bascule.kernel.clock import Clock, SystemClock

Attach = Callable[[PlatformRef], Platform | None]
"""Joins the platform that a journal names; None when it is surely gone, and what was injected with it."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What became of one line of the journal.

    Attributes:
        fault: None for a line that could not be read: what it announced is not known.
        how: In words.
        error: Empty when nothing of it is left.
    """

    fault: AnyFault | None
    how: str
    error: str = ""


def recover(
    journal: Journal, attach: Attach, *, clock: Clock | None = None, sleep: Sleep = time.sleep
) -> tuple[Recovered, ...]:
    """Undo everything that is pending, the latest first; what fails is reported and stays pending.

    What one fault hinders (a host without power starts nothing) is tried again once another is undone. A line that
    cannot be read is reported as such, and keeps nothing else from being undone.

    Raises:
        InputError: The journal is too large to be one.
        OSError: The journal cannot be read.
    """
    contents = journal.read()
    clock = clock or SystemClock()
    left = pending(contents.entries)
    done: list[Recovered] = []
    while left:
        results = {entry: _recover_one(journal, entry, attach, clock, sleep) for entry in left}
        done += [one for one in results.values() if not one.error]
        still = tuple(entry for entry, one in results.items() if one.error)
        if len(still) == len(left):
            done += results.values()
            break
        left = still
    lost = [Recovered(fault=None, how="not readable", error=str(problem)) for problem in contents.problems]
    return (*done, *lost)


def _recover_one(journal: Journal, entry: Entry, attach: Attach, clock: Clock, sleep: Sleep) -> Recovered:
    try:
        platform = attach(entry.platform)
        if platform is None:
            how = "the platform is gone, and the fault with it"
        else:
            undo(entry.fault, platform, clock=clock, sleep=sleep)
            how = "undone"
        at_s = clock.monotonic_s()
        journal.write(Entry(id=entry.id, state="undone", fault=entry.fault, platform=entry.platform, at_s=at_s))
    except Exception as error:  # noqa: BLE001 - whatever ails this fault, the others are undone all the same
        return Recovered(fault=entry.fault, how="still there", error=str(error) or type(error).__name__)
    return Recovered(fault=entry.fault, how=how)
