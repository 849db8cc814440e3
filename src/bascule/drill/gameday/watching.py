"""Stays, and looks for game days that are due, until it is stopped."""

from __future__ import annotations

from collections.abc import Callable

from bascule.drill.gameday.calendar import Date
from bascule.kernel.clock import Clock
from bascule.kernel.errors import AbortedError, BasculeError

LONGEST_WAIT_S = 30.0
"""So often the wall clock is looked at: it may have jumped, or the machine have slept."""


def watch(
    look: Callable[[], Date | None], clock: Clock, wait: Callable[[float], object], tell: Callable[[str], None]
) -> None:
    """Look at once, and then each time that a date has come; never ends by itself.

    A game day that could not take place is told, once for each reason, and the next one is waited for.

    Args:
        look: Holds a game day if one is due; the date that comes next, or None.
        clock: Its wall clock says when it has come.
        wait: Waits so many seconds.
        tell: Takes one line each.

    Raises:
        AbortedError: A game day was stopped by hand.
    """
    said = ""
    while True:
        try:
            coming = look()
        except AbortedError:
            raise
        except BasculeError as error:
            if str(error) != said:
                said = str(error)
                tell(said)
            # What could not be done now is tried again soon, for as long as the date is not missed.
            wait(LONGEST_WAIT_S)
            continue
        said, looked_s = "", clock.wall_s()
        tell(f"waiting for {coming.wall:%A %Y-%m-%d %H:%M %Z}" if coming else "no date comes within ten years")
        while True:
            now_s = clock.wall_s()
            if now_s < looked_s - LONGEST_WAIT_S or (coming is not None and now_s >= coming.at_s):
                break
            looked_s = max(looked_s, now_s)
            left_s = coming.at_s - now_s if coming is not None else LONGEST_WAIT_S
            wait(min(LONGEST_WAIT_S, left_s))
