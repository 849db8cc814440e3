"""Undoes what a journal says is not undone: after the drill's death, by the watchdog or by hand. Idempotent."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from bascule.chaos.journal import Entry, Journal, PlatformRef
from bascule.chaos.platform import Platform
from bascule.chaos.undoing import Patience
from bascule.kernel.clock import Clock, SystemClock
from bascule.kernel.errors import BasculeError

Attach = Callable[[PlatformRef], Platform | None]
"""Joins the platform that a journal names; None when it is gone, and what was injected with it."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What became of one pending fault: `error` is empty when nothing of it is left."""

    entry: Entry
    how: str
    error: str = ""


def recover(
    journal: Journal,
    attach: Attach,
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Recovered, ...]:
    """Undo everything that is pending, the latest first; what fails is reported and stays pending.

    Raises:
        InputError: The journal cannot be read.
    """
    clock = clock or SystemClock()
    patience = Patience(clock, sleep)
    return tuple(_recover_one(journal, entry, attach, patience, clock) for entry in journal.pending())


def _recover_one(journal: Journal, entry: Entry, attach: Attach, patience: Patience, clock: Clock) -> Recovered:
    try:
        platform = attach(entry.platform)
        if platform is None:
            how = "the platform is gone, and the fault with it"
        else:
            patience.undo(entry.fault, platform)
            how = "undone"
        journal.write(
            Entry(id=entry.id, state="undone", fault=entry.fault, platform=entry.platform, at_s=clock.monotonic_s())
        )
    except (BasculeError, OSError) as error:
        return Recovered(entry=entry, how="still there", error=str(error))
    return Recovered(entry=entry, how=how)
