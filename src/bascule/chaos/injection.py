"""Injects a fault: journalled before it acts, witnessed when it acts, undone and seen to be undone.

t0 is the moment at which the injecting call returned: a platform's call returns once it has seen its effect itself. The
witness looks afterwards, and only says whether t0 stands: how long it takes to look must not make an outage shorter.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bascule.chaos.facts import FaultInjected, FaultNotWitnessed, FaultUndone, FaultWitnessed
from bascule.chaos.faults import AnyFault, Fault, Witness
from bascule.chaos.journal import Entry, Journal, PlatformRef, State
from bascule.chaos.platform import Platform
from bascule.kernel.clock import Clock
from bascule.kernel.errors import FaultError
from bascule.kernel.facts import Listener

WITNESS_LIMIT_S = 3.0
UNDO_LIMIT_S = 20.0
POLL_S = 0.02

Sleep = Callable[[float], None]
"""Waits so many seconds; between two looks at the platform."""


class Struck(Struct, frozen=True, kw_only=True):
    """A fault that was injected.

    Attributes:
        at_s: When the platform had done it; CLOCK_MONOTONIC seconds. It is t0 if `witness` saw it act.
        witness: What was seen of it; not seen if it was not injected, because nothing could have been told from it.
    """

    at_s: float
    witness: Witness


def missing(fault: Fault | type[Fault], platform: Platform) -> str:
    """Why this platform cannot do the fault; empty when it can."""
    lacking = {control: platform.refusal(control) for control in sorted(fault.NEEDS)}
    told = [f"{control} ({why})" for control, why in lacking.items() if why]
    return f"this platform has no control of {', '.join(told)}, which the fault needs" if told else ""


class Injection:
    """One fault on its way: `strike`, then `undo`. Both are idempotent.

    Args:
        journal: On the disk before anything acts.
        reference: How another process finds the platform.
        number: Of this fault in the journal.
        sleep: Between two looks at the platform.
    """

    def __init__(
        self,
        fault: AnyFault,
        platform: Platform,
        journal: Journal,
        *,
        reference: PlatformRef,
        number: int,
        clock: Clock,
        sleep: Sleep,
        publish: Listener = lambda _: None,
    ) -> None:
        self.fault = fault
        self._publish = publish
        self._platform = platform
        self._journal = journal
        self._reference = reference
        self._number = number
        self._clock = clock
        self._sleep = sleep
        self._written: State | None = None
        self._struck: Struck | None = None

    def _write(self, state: State) -> None:
        now_s = self._clock.monotonic_s()
        self._journal.write(Entry(id=self._number, state=state, fault=self.fault, platform=self._reference, at_s=now_s))
        self._written = state

    def strike(self) -> Struck:
        """Journal the fault, inject it, and look for its effect until it is seen or 3 s have passed.

        Where its effect could not be told from the state before (the member is down already), nothing is injected. A
        second call changes nothing and returns what the first one did.

        Raises:
            FaultError: The platform cannot do it. Nothing was injected.
            BasculeError: The platform failed at it; it may have been injected, and `undo` undoes that.
            OSError: The journal cannot be written; what is not journalled was not injected.
        """
        if self._struck is not None:
            return self._struck
        reason = missing(self.fault, self._platform)
        if reason:
            raise FaultError(reason)
        before = self._look(lambda: self.fault.ready(self._platform))
        kind = self.fault.kind()
        if not before.seen:
            evidence = ("it was not injected: there is nothing that it could change", *before.evidence)
            self._publish(FaultNotWitnessed(at_s=self._clock.monotonic_s(), kind=kind, evidence=evidence))
            return Struck(at_s=self._clock.monotonic_s(), witness=Witness(seen=False, evidence=evidence))
        self._write("planned")
        hit = self.fault.inject(self._platform)
        at_s = self._clock.monotonic_s()
        self._publish(FaultInjected(at_s=at_s, kind=kind, steps=self.fault.steps()))
        witness = self._look(lambda: self.fault.witness(self._platform, hit))
        seen = FaultWitnessed if witness.seen else FaultNotWitnessed
        self._publish(seen(at_s=self._clock.monotonic_s(), kind=kind, evidence=witness.evidence))
        self._write("active")
        self._struck = Struck(at_s=at_s, witness=witness)
        return self._struck

    def undo(self) -> None:
        """Undo the fault, see that it is undone, and journal it. Nothing happens if nothing was journalled.

        Raises:
            FaultError: It is still not undone after 20 s; the journal keeps it pending.
        """
        if self._written in {None, "undone"}:
            return
        undo(self.fault, self._platform, clock=self._clock, sleep=self._sleep)
        self._write("undone")
        self._publish(FaultUndone(at_s=self._clock.monotonic_s(), kind=self.fault.kind()))

    def _look(self, look: Callable[[], Witness]) -> Witness:
        return seen_within(WITNESS_LIMIT_S, look, clock=self._clock, sleep=self._sleep)


def undo(fault: AnyFault, platform: Platform, *, clock: Clock, sleep: Sleep) -> None:
    """Undo a fault and see that nothing of it is left.

    Raises:
        FaultError: Something is left after 20 s.
    """
    fault.undo(platform)
    witness = seen_within(UNDO_LIMIT_S, lambda: fault.undone(platform), clock=clock, sleep=sleep)
    if not witness.seen:
        what = f"the fault could not be undone: {'; '.join(witness.evidence)}"
        raise FaultError(what, hint="bascule chaos recover RUN_DIR tries again")


def seen_within(limit_s: float, look: Callable[[], Witness], *, clock: Clock, sleep: Sleep) -> Witness:
    """The first look that saw it; or, once the limit is over, the last look. At least one look is taken."""
    deadline_s = clock.monotonic_s() + limit_s
    while True:
        witness = look()
        if witness.seen or clock.monotonic_s() >= deadline_s:
            return witness
        sleep(POLL_S)
