"""The watchdog as a process of its own: it outlives a drill that is killed, and undoes what the drill left injected."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path

from bascule.chaos.journal import Journal
from bascule.chaos.recovery import Attach, recover
from bascule.chaos.watchdog import Effect, Event, Lease, step
from bascule.kernel.errors import FaultError

TTL_S = 10.0
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
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True
            )

    def renew(self) -> None:
        """Say that the drill lives.

        Raises:
            FaultError: The watchdog is gone; nothing may be injected any more.
        """
        self._say(RENEWAL)

    def _say(self, word: bytes) -> None:
        pipe = self._process.stdin
        try:
            if pipe is None or self._process.poll() is not None:
                raise BrokenPipeError
            os.write(pipe.fileno(), word)
        except BrokenPipeError as error:
            raise FaultError(
                "the watchdog is gone", hint="run again; bascule chaos recover undoes what is left"
            ) from error

    def abandon(self) -> None:
        """Leave what is still injected to it: it undoes that now, and ends by itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(UNDO_LIMIT_S)
        except subprocess.TimeoutExpired:
            return

    def close(self) -> None:
        """Say goodbye: everything is undone. It ends by itself; if it does not, it is ended."""
        try:
            self._say(GOODBYE)
        except FaultError:
            return
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(journal: Journal, attach: Attach, lease_descriptor: int, ttl_s: float = TTL_S) -> int:
    """The watchdog's end: watch the lease, undo when it is over, and return the exit code: 0 if nothing is left.

    It ignores Ctrl-C and hang-ups: those are meant for the drill.
    """
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
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


def _undo(journal: Journal, attach: Attach, lease: Lease) -> int:
    while True:
        results = recover(journal, attach)
        for one in results:
            print(f"{one.entry.fault}: {one.how} {one.error}".rstrip(), flush=True)  # noqa: T201 - its log
        failed = any(one.error for one in results)
        lease, effect = step(lease, "failed" if failed else "repaired", time.monotonic())
        if effect == "end":
            return 1 if failed else 0
        time.sleep(RETRY_S)
