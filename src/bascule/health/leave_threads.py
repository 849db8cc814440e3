"""Leaving, driven by a thread: for WSGI servers and workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from inspect import iscoroutinefunction
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from bascule.health.check import refuse
from bascule.health.leaving import Do, Heard, Leaving, Wait
from bascule.health.running import Waiting
from bascule.health.wording import told


class Leave(Leaving):
    """Within this context, SIGTERM makes the process leave without dropping work.

    ::

        leave = Leave(health, stop=server.shutdown)
        leave.closer("database", pool.close)
        with leave:
            server.serve_forever()

    The body must end when it is told to stop (`stop`, or `is_stopping`). Its end closes what was registered, also when
    no signal came. Leaving the context takes at most the limits together.
    """

    _heard: SimpleQueue[Heard]
    _leader: threading.Thread

    def __enter__(self) -> Self:
        """Hear the signals, where Python hears them: in the main thread."""
        # Its `put` may interrupt itself, as one from a signal handler does.
        self._heard = SimpleQueue()
        self.enter()
        self._leader = threading.Thread(target=self._drive, name="bascule-leave", daemon=True)
        self._leader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until what is in flight is done and everything is closed."""
        try:
            self.post(Heard("ended"))
            self._leader.join()
        finally:
            self.give_signals_back()

    def closer(self, name: str, call: Callable[[], Any], *, within_s: float = 2.0) -> None:
        """Call this at the end, in a thread; what was registered last is closed first.

        Raises:
            InputError: A value is impossible, the name is taken, or it is a coroutine function.
        """
        if iscoroutinefunction(call):
            raise refuse("Leave.closer.call", call, "be a plain function", "AsyncLeave takes coroutine functions")
        super().closer(name, call, within_s=within_s)

    def post(self, heard: Heard) -> None:
        """Let the driver hear of an event; called from any thread, and from signal handlers."""
        self._heard.put(heard)

    def _drive(self) -> None:
        lead = self.lead()
        command = next(lead, None)
        while command is not None:
            answer = self._next(command) if isinstance(command, Wait) else self._do(command)
            try:
                command = lead.send(answer)
            except StopIteration:
                return

    def _next(self, command: Wait) -> Heard:
        try:
            return self._heard.get(timeout=min(max(0.0, command.within_s), threading.TIMEOUT_MAX))
        except Empty:
            return Heard("tick")

    def _do(self, command: Do) -> str:
        call = in_thread(command)
        return call.error if call.waiting.wait(command.within_s) else hung(command)


class Call:
    """A call under way in a thread of its own, and how it went."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.error = ""


def in_thread(command: Do) -> Call:
    """Begin a call in a daemon thread: one that hangs is left behind."""
    call = Call()

    def work() -> None:
        try:
            command.call()
        except Exception as error:  # noqa: BLE001 - told in the fact; the other closers have their turn
            call.error = told(error)
        finally:
            call.waiting.done()

    try:
        threading.Thread(target=work, name=f"bascule-leave-{command.name}", daemon=True).start()
    except RuntimeError as error:
        call.error = told(error)
        call.waiting.done()
    return call


def hung(command: Do) -> str:
    """What is said of a call that takes too long."""
    return f"hung: not done within {command.within_s:g} s"
