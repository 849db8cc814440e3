"""A caller of the control socket: its calls end when it hangs up, and when the lab ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from bascule.lab import protocol as say
from bascule.lab.control import Connection

WAIT = say.line(say.Wait(name="load", timeout_s=600.0))


class Call:
    """One call that is under way, and that would take for ever."""

    def __init__(self) -> None:
        self.theirs, ours = socket.socketpair()
        self.begun = asyncio.Event()
        self.stopped = False
        self.serving = asyncio.ensure_future(Connection(ours, self._act, lambda: None).serve())
        self.theirs.sendall(WAIT)

    async def _act(self, _: say.Requests) -> object:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True
        return None


def test_a_caller_that_hangs_up_stops_what_it_waited_for() -> None:
    async def scenario() -> None:
        call = Call()
        await call.begun.wait()
        call.theirs.close()
        await asyncio.wait_for(call.serving, 10)
        assert call.stopped

    asyncio.run(scenario())


def test_a_lab_that_ends_waits_for_no_call() -> None:
    async def scenario() -> None:
        call = Call()
        await call.begun.wait()
        call.serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(call.serving), 10)
        assert call.serving.cancelled()
        assert call.stopped
        assert call.theirs.recv(1) == b"", "the line is closed"
        call.theirs.close()

    asyncio.run(scenario())
