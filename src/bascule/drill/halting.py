"""The emergency stop: whatever breaks things now is told to end, and what it injected is undone meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from bascule.chaos.journal import Journal
from bascule.chaos.recovery import recover
from bascule.drill.watchdog import attach
from bascule.kernel.errors import BasculeError

LIMIT_S = 1.5
"""For undoing; with finding the processes before it, everything has ended or is told of within two seconds."""
POLL_S = 0.05
_WATCHDOG = "bascule.drill.watchdog"
_OURS = ("bascule", "bascule.cli.main")


class Running(Struct, frozen=True, kw_only=True):
    """Something that may break things now.

    Attributes:
        journal: Where it writes down what it injects.
        watchdog: Pid of its watchdog.
        pid: Its own pid; 0 when it is dead and its watchdog is undoing already.
        command: How it was called.
    """

    journal: str
    watchdog: int
    pid: int
    command: str


class Halted(Struct, frozen=True, kw_only=True):
    """What became of it.

    Attributes:
        undone: What was injected when it was told to end, and is not any more, whoever undid it.
        left: What is still injected, or runs; its watchdog goes on trying.
    """

    journal: str
    pid: int
    undone: tuple[str, ...]
    left: tuple[str, ...]


def find_running(directories: Iterable[Path] = ()) -> tuple[Running, ...]:
    """Everything of this user that may break things now: each has a watchdog, which is how it is found.

    Args:
        directories: Only what writes its journal in one of these; none means everything.
    """
    wanted = {str((each / "journal.jsonl").absolute()) for each in directories}
    found: list[Running] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        words = _words(entry)
        if _WATCHDOG not in words or len(words) < words.index(_WATCHDOG) + 2:
            continue
        journal = words[words.index(_WATCHDOG) + 1]
        if wanted and journal not in wanted:
            continue
        parent = _parent(entry)
        command = _words(Path("/proc") / str(parent))
        is_ours = any(Path(word).name in _OURS for word in command[:6])
        told = " ".join(command) if is_ours else ""
        pid = parent if is_ours else 0
        found.append(Running(journal=journal, watchdog=int(entry.name), pid=pid, command=told))
    return tuple(sorted(found, key=lambda one: one.journal))


def halt(running: Iterable[Running]) -> tuple[Halted, ...]:
    """Tell each to end, and undo what it injected at once; returns within about 1.5 s.

    It is told by SIGTERM, which its command takes as Ctrl-C: what a script runs in the background ignores SIGINT.
    Idempotent: what is undone twice does no harm.
    """
    todo = tuple(running)
    until_s = time.monotonic() + LIMIT_S
    works = [_Work(one, until_s) for one in todo]
    for work in works:
        work.start()
    return tuple(work.result() for work in works)


class _Work(threading.Thread):
    """Halts one of them; it is given up, not waited for, when the time is over."""

    def __init__(self, running: Running, until_s: float) -> None:
        super().__init__(name=f"halt-{running.pid}", daemon=True)
        self._running = running
        self._until_s = until_s
        self._journal = Journal(Path(running.journal))
        self._before = self._pending()

    def _pending(self) -> tuple[str, ...]:
        """What is injected, in words; or why that cannot be known."""
        try:
            return tuple("; ".join(entry.fault.steps()) for entry in self._journal.pending())
        except (BasculeError, OSError) as error:
            return (str(error),)

    def run(self) -> None:
        _interrupt(self._running)
        while time.monotonic() < self._until_s:
            with contextlib.suppress(BasculeError, OSError):  # what is still there then is told as left
                recover(self._journal, attach)
            if not _is_alive(self._running):
                return
            time.sleep(POLL_S)

    def result(self) -> Halted:
        """What became of it by now, or by the end of the time."""
        self.join(max(0.0, self._until_s - time.monotonic()))
        left = self._pending()
        undone = tuple(each for each in self._before if each not in left)
        if _is_alive(self._running):
            left = (*left, f"process {self._running.pid} has not ended yet")
        return Halted(journal=self._running.journal, pid=self._running.pid, undone=undone, left=left)


def _interrupt(one: Running) -> None:
    """SIGTERM to it, if it is still the process that was found: it is held by a descriptor while that is looked at."""
    if not one.pid:
        return
    try:
        held = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return
    try:
        if _is_alive(one):
            signal.pidfd_send_signal(held, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return  # it ended meanwhile, or is another user's by now
    finally:
        os.close(held)


def _is_alive(one: Running) -> bool:
    return bool(one.pid) and " ".join(_words(Path("/proc") / str(one.pid))) == one.command


def _words(entry: Path) -> list[str]:
    """The command line of a process of this user; empty for any other, and for one that is gone."""
    try:
        if entry.stat().st_uid != os.getuid():
            return []
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
