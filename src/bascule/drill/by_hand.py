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
from bascule.chaos.platform import Platform
from bascule.chaos.watchdog_process import Watchdog
from bascule.drill import watchdog
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError, InputError
from bascule.lab import world
from bascule.outside.platform import RENEW_S, OutsidePlatform

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
        reference = PlatformRef(kind="lab", directory=str(client.directory.absolute()), identity=client.record.identity)
        journal = _journal(fault, client, directory)
        watch = watchdog.start(journal.path, client.directory)
        return _hold(fault, client, reference, journal, watch, hold_s=hold_s, tell=tell)


def hold_outside(
    fault: AnyFault,
    platform: OutsidePlatform,
    reference: PlatformRef,
    directory: Path,
    *,
    hold_s: float | None,
    tell: Callable[[Struck], None] = lambda _: None,
) -> Held:
    """The same for a target outside the lab, which the caller has met, and whose breaking was allowed and confirmed.

    Raises:
        InputError: The directory holds another journal.
        FaultError: The target cannot do it, is not reached any more, or it could not be undone; its agent, and the
            watchdog, go on trying then.
    """
    journal = _journal(fault, platform, directory)
    watch = watchdog.start(journal.path)
    told_s = 0.0

    def renew() -> None:
        nonlocal told_s
        if time.monotonic() - told_s > RENEW_S:
            platform.renew()
            told_s = time.monotonic()

    return _hold(fault, platform, reference, journal, watch, hold_s=hold_s, tell=tell, renew=renew)


def _journal(fault: AnyFault, platform: Platform, directory: Path) -> Journal:
    if why := injection.missing(fault, platform):
        raise FaultError(why)
    directory.mkdir(parents=True, exist_ok=True)
    journal = Journal((directory / "journal.jsonl").absolute())
    if journal.path.exists():
        hint = "choose another: --output"
        raise InputError("the directory holds an earlier run", where=str(directory), hint=hint)
    return journal


def _hold(
    fault: AnyFault,
    platform: Platform,
    reference: PlatformRef,
    journal: Journal,
    watch: Watchdog,
    *,
    hold_s: float | None,
    tell: Callable[[Struck], None],
    renew: Callable[[], None] = lambda: None,
) -> Held:
    def alive(seconds: float) -> None:
        watch.renew()
        time.sleep(seconds)

    one = Injection(fault, platform, journal, reference=reference, number=1, clock=SystemClock(), sleep=alive)
    struck: Struck | None = None
    try:
        try:
            struck = one.strike()
            tell(struck)
            until_s = None if hold_s is None else struck.at_s + hold_s
            while struck.witness.seen and journal.pending() and (until_s is None or time.monotonic() < until_s):
                renew()
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
