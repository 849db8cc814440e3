"""One fault, injected by hand: under a journal and a watchdog as in a drill, for as long as somebody wants it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bascule.chaos import injection
from bascule.chaos.faults import AnyFault
from bascule.chaos.injection import Injection, Struck
from bascule.chaos.journal import Journal, PlatformRef
from bascule.drill import watchdog
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError, InputError
from bascule.lab import world
from bascule.lab.client import LabClient

TICK_S = 0.1


class Held(Struct, frozen=True, kw_only=True):
    """A fault that was injected and undone.

    Attributes:
        witnessed: It was seen to act.
        evidence: What was looked at.
        acted_s: From its injection to its undoing.
    """

    witnessed: bool
    evidence: tuple[str, ...]
    acted_s: float


def hold(
    fault: AnyFault,
    lab: Path,
    directory: Path,
    *,
    hold_s: float | None,
    tell: Callable[[Struck], None] = lambda _: None,
) -> Held:
    """Inject a fault into the lab that is up, keep it for `hold_s` or until Ctrl-C, and undo it.

    It is over as well once somebody else has undone it. A fault that is not seen to act is undone at once.

    Args:
        fault: The fault.
        lab: Directory of the lab.
        directory: Made; the journal lies there, for `bascule chaos status` and `recover`.
        hold_s: None: until Ctrl-C.
        tell: Told what was seen as soon as it acts.

    Raises:
        InputError: The directory holds another journal.
        LabError: No lab is up there.
        FaultError: The lab cannot do it, or it could not be undone; the watchdog goes on trying then.
    """
    client = world.attach(lab)
    with contextlib.closing(client):
        if why := injection.missing(fault, client):
            raise FaultError(why)
        directory.mkdir(parents=True, exist_ok=True)
        journal = Journal((directory / "journal.jsonl").absolute())
        if journal.path.exists():
            hint = "choose another: --output"
            raise InputError("the directory holds an earlier run", where=str(directory), hint=hint)
        return _hold(fault, client, journal, hold_s, tell)


def _hold(
    fault: AnyFault, client: LabClient, journal: Journal, hold_s: float | None, tell: Callable[[Struck], None]
) -> Held:
    reference = PlatformRef(kind="lab", directory=str(client.directory.absolute()), identity=client.record.identity)
    watch = watchdog.start(journal.path, client.directory)

    def alive(seconds: float) -> None:
        watch.renew()
        time.sleep(seconds)

    one = Injection(fault, client, journal, reference=reference, number=1, clock=SystemClock(), sleep=alive)
    struck: Struck | None = None
    try:
        try:
            struck = one.strike()
            tell(struck)
            until_s = None if hold_s is None else struck.at_s + hold_s
            while struck.witness.seen and journal.pending() and (until_s is None or time.monotonic() < until_s):
                alive(TICK_S)
        except KeyboardInterrupt:
            if struck is None:
                one.undo()
                raise
        one.undo()
        acted_s = time.monotonic() - struck.at_s
    finally:
        if journal.pending():
            watch.abandon()
        else:
            watch.close()
    return Held(witnessed=struck.witness.seen, evidence=struck.witness.evidence, acted_s=acted_s)
