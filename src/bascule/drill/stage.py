"""What all trials of one drill share: the lab, its observer, the heartbeat, and waiting with open eyes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bascule.drill.chronicle import Chronicle
from bascule.drill.disk import DiskWatch
from bascule.drill.live import LiveMember, LiveState
from bascule.drill.observer import Observer, Snapshot
from bascule.drill.plan import Timing
from bascule.drill.targets import Aim
from bascule.kernel.errors import AbortedError, LabError
from bascule.kernel.facts import Bus
from bascule.lab.lab import Lab

TICK_S = 0.1
LEAST_FREE_BYTES = 100 * 2**20
CALM_LIMIT_S = 10.0


class Stage:
    """Where trials take place. `wait` keeps the watchdog's lease, the live view and the limits while time passes.

    Args:
        lab: A lab that is whole.
        observer: Watching it.
        disk: Watching the disk under it.
        aim: The component that is aimed at; each trial sets its own.
        heartbeat: Called about ten times a second; renews the watchdog's lease.
        show: Told the state for the live view.
        bus: Hears what happens.
        chronicle: Its last facts are part of the live view.
    """

    def __init__(
        self,
        *,
        lab: Lab,
        observer: Observer,
        disk: DiskWatch,
        aim: Aim,
        directory: Path,
        timing: Timing,
        heartbeat: Callable[[], None],
        show: Callable[[LiveState], None],
        bus: Bus,
        chronicle: Chronicle,
    ) -> None:
        self.lab = lab
        self.observer = observer
        self.disk = disk
        self.aim = aim
        self.directory = directory
        self.timing = timing
        self.title = ""
        self.position = (0, 0)
        self.rates: Callable[[], Sequence[tuple[int, int]]] = tuple
        self.must_stop: Callable[[], str] = str
        self._heartbeat = heartbeat
        self._show = show
        self.bus = bus
        self._chronicle = chronicle
        self._started_s = time.monotonic()

    def wait(self, phase: str, until: Callable[[], bool], limit_s: float) -> bool:
        """Wait for a condition; False when it did not come within `limit_s`.

        Raises:
            AbortedError: A safety limit was hit: the disk is nearly full, or a condition of the experiment's own.
            LabError: The lab is gone.
        """
        deadline_s = time.monotonic() + limit_s
        while not until():
            if time.monotonic() >= deadline_s:
                return False
            self._tick(phase, max(0.0, deadline_s - time.monotonic()))
            time.sleep(TICK_S)
        return True

    def pass_time(self, phase: str, seconds: float) -> None:
        """Let so many seconds pass."""
        self.wait(phase, lambda: False, seconds)

    def look(self, phase: str) -> None:
        """Do what `wait` does while it waits, once, and let no time pass.

        Raises:
            AbortedError, LabError: As `wait`.
        """
        self._tick(phase, 0.0)

    def snapshot(self) -> Snapshot:
        """How every member is now."""
        return self.observer.fresh(time.monotonic())

    def wait_serving(self) -> Snapshot:
        """The first snapshot in which every member is up and the system serves; load alone needs no more.

        Raises:
            LabError: That did not come in time.
        """
        return self._wait_snapshot("waiting until the system serves", self.observer.serves)

    def wait_whole(self) -> Snapshot:
        """The first snapshot in which every member is whole: before that, a fault would find redundancy missing.

        Raises:
            LabError: That did not come in time.
        """
        return self._wait_snapshot("waiting until all members are whole", self.observer.is_whole)

    def wait_calm(self) -> None:
        """Wait until the disk under all hosts is calm; not for ever: what a busy one does, the verdict tells."""
        self.wait("waiting for this machine's disk to be calm", self.disk.is_calm, CALM_LIMIT_S)

    def _wait_snapshot(self, phase: str, good: Callable[[Snapshot], bool]) -> Snapshot:
        found: list[Snapshot] = []

        def look() -> bool:
            latest = self.observer.latest()
            found[:] = [latest] if good(latest) else []
            return bool(found)

        if not self.wait(phase, look, self.timing.patience_s):
            raise LabError(f"in vain: {phase}", hint=f"see the logs in {self.lab.directory / 'logs'}")
        return found[0]

    def in_charge(self) -> str:
        """Who would be hit now: whoever says that it is in charge of what is aimed at."""
        return self.observer.latest().in_charge(self.aim)

    def _tick(self, phase: str, left_s: float) -> None:
        self._heartbeat()
        if shutil.disk_usage(self.directory).free < LEAST_FREE_BYTES:
            raise AbortedError(
                f"less than {LEAST_FREE_BYTES >> 20} MiB are free on the disk of {self.directory}",
                hint="free some space, or choose another place with --output",
            )
        if why := self.must_stop():
            raise AbortedError(f"a stop condition was met: {why}", hint="everything was undone")
        self._show(self._state(phase, left_s))

    def _state(self, phase: str, left_s: float) -> LiveState:
        latest = self.observer.latest()
        members = tuple(
            LiveMember(name=name, role=seen.role, up=seen.up, detail=seen.detail)
            for group in latest.seen.values()
            for name, seen in group.items()
        )
        rates = self.rates()
        return LiveState(
            phase=phase,
            progress=f"at most {left_s:.0f} s more",
            elapsed_s=time.monotonic() - self._started_s,
            trial=self.title,
            trial_number=self.position[0],
            trials=self.position[1],
            members=members,
            primary=latest.in_charge(self.aim),
            good_per_s=tuple(float(good) for good, _ in rates),
            bad_per_s=tuple(float(bad) for _, bad in rates),
            events=self._chronicle.last(),
        )
