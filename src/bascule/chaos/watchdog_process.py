"""The watchdog as a process of its own: it outlives a drill that is killed, and undoes what the drill left injected."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from bascule.chaos.journal import Journal
from bascule.chaos.recovery import Attach, Recovered, recover
from bascule.chaos.watchdog import Event, Lease, step
from bascule.kernel.errors import BasculeError, FaultError

TTL_S = 45.0
"""Longer than a living drill can be silent: one call of the platform (15 s) and one undoing (20 s).

Death is noticed at once, by the pipe; the lease is for a drill that is frozen.
"""
TICK_S = 0.5
RETRY_S = 1.0
END_LIMIT_S = 10.0
UNDO_LIMIT_S = 60.0
RENEWAL, GOODBYE = b"r", b"g"


class Watchdog:
    """The drill's end: start it before the first fault, `renew` it several times a TTL, `close` it when all is undone.

    Args:
        argv: The command that serves the journal; its standard input is the lease.
        log: What it does is written there.
    """

    def __init__(self, argv: tuple[str, ...], log: Path) -> None:
        self._log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True
            )
        assert self._process.stdin is not None, "it was asked for"
        self._pipe = self._process.stdin
        os.set_blocking(self._pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def renew(self) -> None:
        """Say that the drill lives.

        Raises:
            FaultError: The watchdog is gone or does not listen; nothing may be injected any more.
        """
        self._say(RENEWAL)

    def _say(self, word: bytes) -> None:
        try:
            if self._pipe.closed or self._process.poll() is not None:
                raise BrokenPipeError
            os.write(self._pipe.fileno(), word)
        except (BrokenPipeError, BlockingIOError) as error:
            raise FaultError(
                "the watchdog is gone or does not listen",
                where=str(self._log),
                hint="bascule chaos recover undoes what is left",
            ) from error

    def abandon(self) -> None:
        """Leave what is still injected to it: it undoes that now, and ends by itself."""
        self._pipe.close()
        try:
            self._process.wait(UNDO_LIMIT_S)
        except subprocess.TimeoutExpired:
            return  # it goes on, and its log says how

    def close(self) -> None:
        """Say goodbye: everything is undone. It ends by itself; if it does not, it is ended."""
        try:
            self._say(GOODBYE)
        except FaultError:
            return  # it has ended already; there is nothing left for it to do
        finally:
            self._pipe.close()
            self._end()

    def _end(self) -> None:
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(journal: Journal, attach: Attach, lease_descriptor: int, ttl_s: float = TTL_S) -> int:
    """The watchdog's end: watch the lease, undo when it is over, and return the exit code: 0 if nothing is left.

    It ignores Ctrl-C, hang-ups and polite requests to end: those are meant for the drill. What it does, it prints.
    """
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    lease = Lease(until_s=time.monotonic() + ttl_s, ttl_s=ttl_s)
    while True:
        lease, effect = step(lease, _hear(lease_descriptor), time.monotonic())
        while effect == "undo":
            lease, effect, failed = _undo(journal, attach, lease)
            if effect == "undo":
                time.sleep(RETRY_S)
            elif failed:
                return 1
        if effect == "end":
            return 0


def _hear(descriptor: int) -> Event:
    ready, _, _ = select.select([descriptor], [], [], TICK_S)
    if not ready:
        return "tick"
    words = os.read(descriptor, 4096)
    if not words:
        return "silence"
    return "goodbye" if GOODBYE in words else "renewed"


def _undo(journal: Journal, attach: Attach, lease: Lease) -> tuple[Lease, str | None, bool]:
    event: Event = "failed"
    try:
        results = recover(journal, attach)
        for one in results:
            _print(one)
        if not any(one.error for one in results):
            event = "repaired" if results else "nothing"
    except BasculeError as error:
        print(error, flush=True)  # noqa: T201 - its log
    lease, effect = step(lease, event, time.monotonic())
    return lease, effect, event == "failed"


def _print(one: Recovered) -> None:
    told = "; ".join(one.entry.fault.steps())
    print(f"{time.strftime('%H:%M:%S')} {told}: {one.how} {one.error}".rstrip(), flush=True)  # noqa: T201 - its log
