"""One fault, injected by hand: under a journal and a watchdog as in a drill, for as long as somebody wants it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from msgspec import Struct

from bascule.chaos.faults import AnyFault
from bascule.chaos.injection import Struck
from bascule.chaos.journal import PlatformRef
from bascule.chaos.platform import Platform
from bascule.chaos.proxy import platform as proxied
from bascule.drill.grip import Grip
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
    with contextlib.closing(client), Grip.on_lab(client, directory) as grip:
        return _hold(grip, fault, hold_s=hold_s, tell=tell)


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
    told_s = 0.0

    def renew() -> None:
        nonlocal told_s
        if time.monotonic() - told_s > RENEW_S:
            platform.renew()
            told_s = time.monotonic()

    with Grip(cast("Platform", platform), reference, directory, renew=renew) as grip:
        return _hold(grip, fault, hold_s=hold_s, tell=tell)


def hold_on_proxy(
    fault: AnyFault,
    socket: Path,
    directory: Path,
    *,
    hold_s: float | None,
    tell: Callable[[Struck], None] = lambda _: None,
) -> Held:
    """The same at a proxy of the proxy process whose control socket is named.

    Raises:
        InputError: The directory holds another journal.
        FaultError: No proxy process answers, it cannot do it, or it could not be undone; the watchdog goes on trying
            then.
    """
    platform, reference = proxied.join(socket)
    with Grip(platform, reference, directory) as grip:
        return _hold(grip, fault, hold_s=hold_s, tell=tell)


def _hold(grip: Grip, fault: AnyFault, *, hold_s: float | None, tell: Callable[[Struck], None]) -> Held:
    number, struck = grip.strike(fault)
    until_s = None if hold_s is None else struck.at_s + hold_s
    with contextlib.suppress(KeyboardInterrupt):  # the end by hand, and no error, also while it is told that it acts
        tell(struck)
        while grip.is_held(number) and (until_s is None or time.monotonic() < until_s):
            grip.renew()
            time.sleep(TICK_S)
    grip.undo(number)
    acted_s = time.monotonic() - struck.at_s
    return Held(witnessed=struck.witness.seen, evidence=struck.witness.evidence, acted_s=acted_s)
