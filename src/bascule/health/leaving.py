"""The leave without its driver: turns the table's effects into facts and commands, and hears signals.

`lead` is a generator that asks for two things alone, to wait and to do; a thread and a task each know how to do that.
"""

from __future__ import annotations

import math
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from bascule.health import leave_facts as facts
from bascule.health.check import MOST_CHARACTERS, check_seconds, refuse
from bascule.health.in_flight import InFlight
from bascule.health.leave import Effect, Event, Leave, Phase, step
from bascule.health.running import Waiting

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from bascule.health.asgi import AsgiApp
    from bascule.health.health import Health
    from bascule.kernel.facts import Fact

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LAST_WORD_S = 0.2


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and who or what caused it."""

    event: Event
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Command: wait for the next event, and no longer than this; then it is a tick."""

    within_s: float


@dataclass(frozen=True, slots=True)
class Do:
    """Command: call this, wait no longer than `within_s`, and say why it failed; empty if it did not.

    Attributes:
        is_quick: It only says something to somebody, so an event loop may call it itself.
    """

    name: str
    call: Callable[[], Any]
    within_s: float
    is_quick: bool = False


Command = Wait | Do
Lead = Generator[Command, Heard | str, None]


class Leaving(ABC):
    """What both drivers share: the options, the closers, the signals, and the way through the table.

    Args:
        health: Whose readiness ends with the leave; its clock and its bus are used.
        drain_s: How long it works on after it has said "not ready", so that proxies notice.
        finish_s: How long requests in flight are given after that.
        stop: Makes the server accept no more, which lets the context's body end. Without it, what handled the signal
            before is called: the server's own handler, if the server had installed one.
        signals: Those that ask it to leave.
        force: What ends the process at a second signal, given its number; the signal's own default unless a test says.

    Raises:
        InputError: A value is impossible.
    """

    def __init__(
        self,
        health: Health,
        *,
        drain_s: float = 5.0,
        finish_s: float = 15.0,
        stop: Callable[[], Any] | None = None,
        signals: tuple[signal.Signals, ...] = SIGNALS,
        force: Callable[[int], None] | None = None,
    ) -> None:
        check_seconds("Leave.drain_s", drain_s, zero=True)
        check_seconds("Leave.finish_s", finish_s, zero=True)
        self.health = health
        self.in_flight = InFlight()
        self.stopping = Waiting()
        self._leave = Leave(drain_s=drain_s, finish_s=finish_s)
        self._stop = stop
        self._at_the_end: Callable[[], None] | None = None
        self._signals = signals
        self._force = force or die_by
        self._closers: dict[str, Do] = {}
        self._before: dict[int, Any] = {}
        self._signals_heard = 0
        self._number: int = signal.SIGTERM
        self._began_s = math.inf
        self._abandoned = 0
        self._stop_error = ""
        self._is_entered = False

    @property
    def phase(self) -> Phase:
        """`working`, `draining`, `finishing`, `closing`, `left` or `forced`."""
        return self._leave.phase

    @property
    def is_leaving(self) -> bool:
        """Whether the leave has begun."""
        return self.phase != "working"

    @property
    def is_stopping(self) -> bool:
        """Whether no new work may be taken: the drain is over."""
        return self.phase not in {"working", "draining"}

    def closer(self, name: str, call: Callable[[], Any], *, within_s: float = 2.0) -> None:
        """Call this at the end, when nothing is in flight any more; what was registered last is closed first.

        Args:
            name: What it is called in facts.
            call: Closes it; one that fails or takes too long keeps nothing else from being closed.
            within_s: How long it is waited for.

        Raises:
            InputError: A value is impossible, or the name is taken.
        """
        if not name or len(name) > MOST_CHARACTERS or name in self._closers:
            raise refuse("Leave.closer.name", name, f"be 1 to {MOST_CHARACTERS} characters that no other closer has")
        check_seconds("Leave.closer.within_s", within_s)
        self._closers[name] = Do(name, call, within_s)

    def ask(self, reason: str = "asked") -> None:
        """Leave, as if the first signal had come; asking again changes nothing. May be called from any thread.

        Raises:
            InputError: The context was not entered yet, so nobody would hear it.
        """
        if not self._is_entered:
            raise refuse("Leave.ask.reason", reason, "be said within the context of the leave")
        self.post(Heard("asked", reason))

    def asgi(self, app: AsgiApp) -> AsgiApp:
        """The same ASGI application, with its requests counted as in flight."""
        return self.in_flight.asgi(app)

    def wsgi(self, app: WSGIApplication) -> WSGIApplication:
        """The same WSGI application, with its requests counted as in flight."""
        return self.in_flight.wsgi(app)

    @abstractmethod
    def post(self, heard: Heard) -> None:
        """Let the driver hear of an event; called from any thread, and from signal handlers."""

    def on_signal(self, sig: int, frame: FrameType | None = None) -> None:  # noqa: ARG002 - a handler's signature
        """The first signal asks to leave; a second one ends the process at once, whatever it is busy with."""
        self._signals_heard += 1
        name = signal.Signals(sig).name
        if self._signals_heard == 1:
            self._number = sig
            self.post(Heard("asked", name))
            return
        _, effects = step(self._leave, "second signal", self._now_s(), self.in_flight.count)
        if "die" in effects:
            # From here on the kernel itself ends the process, if a listener should hang.
            signal.signal(sig, signal.SIG_DFL)
            self._say_last(facts.LeaveForced(at_s=self._now_s(), reason=name, in_flight=self.in_flight.count))
            self.post(Heard("second signal", name))
            self._force(sig)

    def enter(self) -> None:
        """Begin anew: ready as far as the checks say, and hearing the signals, if this is the main thread.

        Elsewhere Python hears none (a test client runs an application's lifespan in another thread): then
        `SignalsNotHeard` tells of it, and `ask` still works.
        """
        self._leave = Leave(drain_s=self._leave.drain_s, finish_s=self._leave.finish_s)
        self.stopping = Waiting()
        self._signals_heard = self._abandoned = 0
        self.in_flight.is_leaving = False
        self.in_flight.when_idle(lambda: self.post(Heard("tick")))
        self.health.begin_serving()
        self._is_entered = True
        if threading.current_thread() is threading.main_thread():
            for each in self._signals:
                self._before[each] = signal.signal(each, self.on_signal)
        elif self._signals:
            self._publish(facts.SignalsNotHeard(at_s=self._now_s(), thread=threading.current_thread().name))

    def give_signals_back(self) -> None:
        """Let those handle the signals who did so before."""
        for each, before in self._before.items():
            if signal.getsignal(each) == self.on_signal and before is not None:
                signal.signal(each, before)
        self._before.clear()

    def lead(self) -> Lead:
        """Go through the table, event by event, to its end."""
        heard = Heard("tick")
        while not self._leave.is_over:
            if self.phase in {"working", "draining", "finishing"}:
                self._leave = replace(self._leave, to_close=tuple(reversed(self._closers)))
            self._leave, effects = step(self._leave, heard.event, self._now_s(), self.in_flight.count)
            stops_now = self.is_stopping and not self.stopping.is_done
            if stops_now:
                self.stopping.done()
            for effect in effects:
                yield from self._carry_out(effect, heard.reason)
            if stops_now:
                count, error = self.in_flight.count, self._stop_error
                self._publish(facts.AcceptingStopped(at_s=self._now_s(), in_flight=count, error=error))
            if effects:
                heard = Heard("closed" if "close the next" in effects else "tick")
                continue
            answer = yield Wait(self._leave.until_s - self._now_s())
            heard = answer if isinstance(answer, Heard) else Heard("tick")

    def _carry_out(self, effect: Effect, reason: str) -> Lead:
        if effect == "turn not ready":
            self._turn_not_ready(reason or "the server ended")
        elif effect == "stop accepting":
            stop = Do("stop", self._stop or self._ask_as_before, self._leave.finish_s, is_quick=True)
            self._stop_error = str((yield stop))
        elif effect == "abandon":
            self._abandon()
        elif effect == "close the next":
            yield from self._close_next()
        elif effect == "end":
            self._end()
        # "die" was carried out where the signal was heard: this code may be what hangs.

    def _turn_not_ready(self, reason: str) -> None:
        self._began_s = self._now_s()
        self.in_flight.is_leaving = True
        self.health.begin_leaving(reason)
        drain_s = self._leave.drain_s if self.phase == "draining" else 0.0
        in_flight = self.in_flight.count
        self._publish(facts.LeaveBegan(at_s=self._began_s, reason=reason, drain_s=drain_s, in_flight=in_flight))

    def _abandon(self) -> None:
        self._abandoned = self.in_flight.abandon()
        self._publish(facts.InFlightAbandoned(at_s=self._now_s(), in_flight=self._abandoned))

    def _close_next(self) -> Lead:
        if not self._leave.to_close:
            return
        closer = self._closers[self._leave.to_close[0]]
        begun_s = self._now_s()
        error = yield closer
        took_s = self._now_s() - begun_s
        self._publish(facts.CloserEnded(at_s=self._now_s(), closer=closer.name, took_s=took_s, error=str(error)))

    def _end(self) -> None:
        if self._at_the_end is not None:
            self._at_the_end()
        now_s = self._now_s()
        self._publish(facts.Left(at_s=now_s, took_s=now_s - self._began_s, abandoned=self._abandoned))

    def _ask_as_before(self) -> None:
        """Call what handled the signal before: a server that had installed its handler stops by it."""
        before = self._before.get(self._number)
        if callable(before) and before is not signal.default_int_handler:
            before(self._number, None)

    def _say_last(self, fact: facts.LeaveForced) -> None:
        """Publish from another thread: the interrupted code may hold a lock that a listener wants."""
        saying = threading.Thread(target=self._publish, args=(fact,), name="bascule-leave-forced", daemon=True)
        saying.start()
        saying.join(LAST_WORD_S)

    def _publish(self, fact: Fact) -> None:
        self.health.bus.publish(fact)

    def _now_s(self) -> float:
        return self.health.clock.monotonic_s()


def die_by(number: int) -> None:
    """End this process as the signal by default would, even where the kernel shields it (process 1 of a container)."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)
