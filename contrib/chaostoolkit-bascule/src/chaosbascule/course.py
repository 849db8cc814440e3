"""What the experiment that runs in this process did so far: labs that it joined, faults that it holds, its drills."""

import atexit
import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from bascule.chaos.injection import Struck
from bascule.drill.report import Report
from bascule.kernel.errors import BasculeError
from bascule.testing.breakable import BreakableLab, described

RUNS = Path("bascule-runs")


@dataclass
class Attempt:
    """A fault that was to be injected.

    Attributes:
        number: What the lab calls it; 0 if it was never seen to act.
    """

    lab: Path
    kind: str
    number: int = 0


@dataclass
class Course:
    """One experiment's course. Calls may come from any thread: activities may run in the background.

    Attributes:
        outcome: Of the last drill: NOT RUN, RUNNING, or what its verdict is; ABORTED if it left none.
        report: Of the last drill; None as long as there is none.
        own: Labs that were made for this experiment alone.
    """

    labs: dict[Path, BreakableLab] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    outcome: str = "NOT RUN"
    report: Report | None = None
    own: set[Path] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def lab(self, directory: str) -> BreakableLab:
        """The lab that is up in this directory; the same object as long as the same lab is up.

        Raises:
            LabError: No lab is up there.
        """
        path = Path(directory).absolute()
        with self.lock:
            known = self.labs.get(path)
            if known is not None and not known.is_up:
                del self.labs[path]
                _let_go(known)
                known = None
            if known is None:
                known = self.labs[path] = BreakableLab.attach(path, run_directory("chaostoolkit"))
            return known

    def take(self, directory: Path, lab: BreakableLab) -> None:
        """Keep a lab that was made for this experiment: it ends with it."""
        with self.lock:
            self.labs[directory.absolute()] = lab
            self.own.add(directory.absolute())

    def inject(self, directory: str, kind: str, parameters: dict[str, object]) -> tuple[int, Struck]:
        """Inject a fault that this experiment holds.

        Raises:
            BasculeError: It cannot be injected, or was not seen to act; `all_witnessed` is false from then on.
        """
        attempt = Attempt(lab=Path(directory).absolute(), kind=kind)
        with self.lock:
            self.attempts.append(attempt)
        described(kind, parameters)
        attempt.number, struck = self.lab(directory).inject(kind, parameters)
        return attempt.number, struck

    def all_witnessed(self) -> bool:
        """Whether every fault that was to be injected was seen to act; true where none was asked for."""
        return all(attempt.number for attempt in self.attempts)

    def undo(self, directory: str, kind: str = "") -> list[str]:
        """Undo what this experiment holds in a lab, all of it or one kind; a lab that is down holds nothing.

        Raises:
            FaultError: Something is left; the watchdog goes on trying when this process ends.
        """
        path = Path(directory).absolute()
        lab = self.labs.get(path)
        if lab is None:
            return []
        if not kind:
            return list(lab.undo_all())
        mine = [one for one in self.attempts if (one.lab, one.kind) == (path, kind) and one.number]
        acting = [one for one in reversed(mine) if lab.is_acting(one.number)]
        for one in acting:
            lab.undo(one.number)
        return [one.kind for one in acting]

    def end(self) -> list[str]:
        """Undo everything and let go of every lab; end those that were made for the experiment. Returns what failed."""
        failed: list[str] = []
        with self.lock:
            for path, lab in list(self.labs.items()):
                try:
                    lab.down() if path in self.own else lab.close()
                except (BasculeError, OSError) as error:
                    failed.append(f"{path}: {error}")
            self.labs.clear()
            self.own.clear()
        return failed


def run_directory(name: str) -> Path:
    """A directory below `bascule-runs/` that nobody has yet."""
    stamp = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    number = 0
    while (RUNS / f"{stamp}-{number}").exists() or (RUNS / f"{stamp}-{number}").absolute() in _TAKEN:
        number += 1
    found = (RUNS / f"{stamp}-{number}").absolute()
    _TAKEN.add(found)
    return found


def _let_go(lab: BreakableLab) -> None:
    with contextlib.suppress(BasculeError, OSError):  # it is down: nothing of a fault is left in it
        lab.close()


_TAKEN: set[Path] = set()
_present = Course()


def present() -> Course:
    """The course of the experiment that runs now."""
    return _present


def begin() -> Course:
    """Start a new course; what an earlier one still held is undone."""
    global _present  # noqa: PLW0603 - Chaos Toolkit calls plain functions, and runs one experiment in a process
    _present.end()
    _present = Course()
    return _present


@atexit.register
def _at_exit() -> None:
    """Nothing outlives the process; should it be killed, each lab's watchdog does the same."""
    _present.end()
