"""The watchdog as a process of its own: it outlives a drill that is killed, and undoes what the drill left injected."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from bascule.chaos.journal import Journal
from bascule.chaos.recovery import Attach, recover
from bascule.chaos.watchdog import Effect, Event, Lease, step
from bascule.kernel.errors import BasculeError, FaultError

TTL_S = 45.0
"""Longer than a living drill can be silent: a call of the platform (15 s), then an undoing (20 s).

A drill that died is noticed at once, by its end of the pipe; the lease is for one that hangs.
"""
TICK_S = 0.5
RETRY_S = 1.0
END_LIMIT_S = 10.0
UNDO_LIMIT_S = 60.0
READY_LIMIT_S = 20.0
RENEWAL, GOODBYE, READY = b"r", b"g", b"ready\n"


class Watchdog:
    """The drill's end: start it before the first fault, `renew` it several times a TTL, `close` it when all is undone.

    It is on watch when the constructor returns.

    Args:
        argv: The command that serves the journal: its standard input is the lease, its standard output says `READY`.
        log: What it does is written there.

    Raises:
        FaultError: It did not come up in time; nothing may be injected.
    """

    def __init__(self, argv: tuple[str, ...], log: Path) -> None:
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, start_new_session=True
            )
        try:
            self._await_ready(log)
        except BaseException:
            self._process.kill()
            self._hang_up()
            self._process.wait()
            raise

    def _await_ready(self, log: Path) -> None:
        word = self._process.stdout
        ready = word is not None and select.select([word], [], [], READY_LIMIT_S)[0]
        if word is None or not ready or word.read() != READY:
            raise FaultError("the watchdog did not start", where=str(log), hint="its log says why")
        word.close()

    def _hang_up(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def renew(self) -> None:
        """Say that the drill lives.

        Raises:
            FaultError: The watchdog is gone; nothing may be injected any more.
        """
        self._say(RENEWAL)

    def _say(self, word: bytes) -> None:
        pipe = self._process.stdin
        gone = FaultError("the watchdog is gone", hint="run again; bascule chaos recover RUN_DIR undoes what is left")
        if pipe is None or pipe.closed or self._process.poll() is not None:
            raise gone
        try:
            os.write(pipe.fileno(), word)
        except BrokenPipeError as error:
            raise gone from error

    def abandon(self) -> None:
        """Leave what is still injected to it: it undoes that now, and ends by itself."""
        self._hang_up()
        try:
            self._process.wait(UNDO_LIMIT_S)
        except subprocess.TimeoutExpired:
            return

    def close(self) -> None:
        """Say goodbye: everything is undone. It ends by itself; if it does not, it is ended."""
        with contextlib.suppress(FaultError):  # already gone: there is nothing left to watch over
            self._say(GOODBYE)
        self._hang_up()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(journal: Journal, attach: Attach, lease_descriptor: int, ttl_s: float = TTL_S) -> int:
    """The watchdog's end: watch the lease, undo when it is over, and return the exit code: 0 if nothing is left.

    A line of the journal that cannot be read does not count: its log, on standard error, says so. It ignores Ctrl-C and
    hang-ups: those are meant for the drill.
    """
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    _say_ready()
    lease = Lease(until_s=time.monotonic() + ttl_s, ttl_s=ttl_s)
    while True:
        lease, effect = _heed(lease, _hear(lease_descriptor))
        if effect == "undo":
            return _undo(journal, attach, lease)
        if effect == "end":
            return 0


def _hear(descriptor: int) -> tuple[Event, ...]:
    ready, _, _ = select.select([descriptor], [], [], TICK_S)
    if not ready:
        return ("tick",)
    words = os.read(descriptor, 4096)
    if not words:
        return ("silence",)
    return ("goodbye",) if GOODBYE in words else ("renewed",)


def _heed(lease: Lease, events: tuple[Event, ...]) -> tuple[Lease, Effect | None]:
    effect: Effect | None = None
    for event in events:
        lease, effect = step(lease, event, time.monotonic())
    return lease, effect


def _say_ready() -> None:
    """Tell the drill that the watch has begun, and close the way on which that was said."""
    os.write(1, READY)
    os.dup2(2, 1)


def _undo(journal: Journal, attach: Attach, lease: Lease) -> int:
    while True:
        failed = _recover(journal, attach)
        lease, effect = step(lease, "failed" if failed else "repaired", time.monotonic())
        if effect == "end":
            return 1 if failed else 0
        time.sleep(RETRY_S)


def _recover(journal: Journal, attach: Attach) -> bool:
    """Undo what is pending, and write down what became of it; True if something is left."""
    try:
        results = recover(journal, attach)
    except (BasculeError, OSError) as error:
        _log(f"the journal cannot be read: {error}")
        return True
    for one in results:
        _log(f"{one.fault or 'a line'}: {one.how} {one.error}".rstrip())
    return any(one.error and one.fault is not None for one in results)


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
