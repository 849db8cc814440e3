"""Faults that this process holds: journalled, witnessed, kept alive, and undone, whatever becomes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bascule.chaos import injection
from bascule.chaos.faults import AnyFault
from bascule.chaos.injection import Injection, Struck
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.platform import Platform
from bascule.chaos.recovery import recover
from bascule.chaos.watchdog_process import Watchdog
from bascule.drill import watchdog
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError, InputError
from bascule.lab.client import LabClient

RENEWAL_S = 1.0


class Grip:
    """Holds any number of faults at once; none of them outlives the `with` block, `close`, or this process.

    A thread tells the watchdog that this process lives; however that dies, the watchdog undoes what is left then.
    Calls may come from any thread.

    Args:
        platform: Where they act; it stays open when the grip ends.
        reference: How another process finds it.
        directory: Made when the first fault is injected; the journal lies there, for `bascule chaos status`.
        lab: Directory of the lab in which that is; None outside.
        renew: What else wants to be told that this process lives.
    """

    def __init__(
        self,
        platform: Platform,
        reference: PlatformRef,
        directory: Path,
        *,
        lab: Path | None = None,
        renew: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal = Journal((directory / "journal.jsonl").absolute())
        self._platform = platform
        self._reference = reference
        self._lab = lab
        self._renew_more = renew
        self._lock = threading.Lock()
        self._held: dict[int, Injection] = {}
        self._number = 0
        self._watch: Watchdog | None = None
        self._ended = threading.Event()

    @classmethod
    def on_lab(cls, lab: LabClient, directory: Path) -> Self:
        """A grip on a lab that is joined; it stays open when the grip ends."""
        reference = PlatformRef(kind="lab", directory=str(lab.directory.absolute()), identity=lab.record.identity)
        return cls(lab, reference, directory, lab=lab.directory)

    def __enter__(self) -> Self:
        """Nothing happens before the first fault."""
        return self

    def __exit__(self, *_: object) -> None:
        """Undo all."""
        self.close()

    def strike(self, fault: AnyFault) -> tuple[int, Struck]:
        """Inject a fault and look for its effect; what is not seen to act is undone at once. Returns its number.

        Raises:
            InputError: The directory holds another journal.
            FaultError: The lab cannot do it, or the watchdog is gone; or it was not seen to act and cannot be undone.
            LabError: The lab failed at it; what it may have done is undone.
        """
        if why := injection.missing(fault, self._platform):
            raise FaultError(why)
        with self._lock:
            self._on_watch().renew()
            self._number += 1
            number = self._number
            one = self._held[number] = Injection(
                fault,
                self._platform,
                self.journal,
                reference=self._reference,
                number=number,
                clock=SystemClock(),
                sleep=time.sleep,
            )
        seen = False
        try:
            struck = one.strike()
            seen = struck.witness.seen
            return number, struck
        finally:
            if not seen:
                one.undo()
                self._held.pop(number, None)

    def renew(self) -> None:
        """See that the watchdog lives, while something is held.

        Raises:
            FaultError: It is gone, or the far side is: nothing may stay injected.
        """
        if self._watch is not None:
            self._watch.renew()
        self._renew_more()

    def is_held(self, number: int) -> bool:
        """Whether this fault is injected still: anybody may have undone it, `bascule chaos halt` for one."""
        return number in self._held and any(entry.id == number for entry in self.journal.pending())

    def undo(self, number: int) -> None:
        """Undo one fault, and see that nothing of it is left; once more does no harm.

        Raises:
            FaultError: It could not be undone; it stays held, and `close` tries again.
            LabError: The lab failed at it; the same.
        """
        if self.is_held(number):
            self._held[number].undo()
        self._held.pop(number, None)

    def undo_all(self) -> tuple[str, ...]:
        """Undo everything, the latest first. Returns what was undone, a sentence each.

        Raises:
            FaultError: Something is left; the watchdog goes on trying once this process ends.
        """
        results = recover(self.journal, watchdog.attach)
        failed = [one.error for one in results if one.error]
        if failed:
            where = str(self.journal.path.parent)
            raise FaultError(
                f"not everything is undone: {'; '.join(failed)}", where=where, hint="bascule chaos recover"
            )
        self._held.clear()
        return tuple("; ".join(one.fault.steps()) for one in results if one.fault is not None)

    def close(self) -> None:
        """Undo everything and let the watchdog go; what cannot be undone is left to it. Once more does nothing.

        Raises:
            FaultError: Something is left.
        """
        watch, self._watch = self._watch, None
        if watch is None:
            return
        self._ended.set()
        try:
            self.undo_all()
        except BaseException:
            watch.abandon()
            raise
        watch.close()

    def _on_watch(self) -> Watchdog:
        """The watchdog, started before the first fault."""
        if self._watch is None:
            directory = self.journal.path.parent
            directory.mkdir(parents=True, exist_ok=True)
            if self.journal.path.exists():
                hint = "choose another: --output"
                raise InputError("the directory holds an earlier run", where=str(directory), hint=hint)
            self._ended.clear()
            watch = self._watch = watchdog.start(self.journal.path, self._lab)
            threading.Thread(target=self._renew, args=(watch,), name="grip", daemon=True).start()
        return self._watch

    def _renew(self, watch: Watchdog) -> None:
        while not self._ended.wait(RENEWAL_S):
            try:
                watch.renew()
            except FaultError:
                return  # the next fault is refused for that reason
