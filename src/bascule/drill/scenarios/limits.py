"""What ends an experiment at once: a budget that burns too fast, a lost operation, a probe that says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from bascule.kernel.errors import BasculeError
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST
from bascule.system.scenario import Probe, Stop

Rates = Callable[[], Sequence[tuple[int, int]]]
"""Good and bad operations of each of the last whole seconds, oldest first."""


def burning(rates: Sequence[tuple[int, int]], stop: Stop, target: float) -> str:
    """Why the operations of the last seconds end the experiment; empty when they do not.

    Args:
        rates: Good and bad operations of each whole second, oldest first.
        stop: What is allowed.
        target: The promised share of good operations.
    """
    if stop.loss and (lost := sum(bad for _, bad in rates)):
        return f"{lost} operations of clients were lost"
    within = list(rates)[-max(1, round(stop.over.seconds)) :]
    offered = sum(good + bad for good, bad in within)
    if not stop.burn or not offered:
        return ""
    burn = sum(bad for _, bad in within) / offered / (1 - target)
    if burn < stop.burn:
        return ""
    return f"the error budget burnt {burn:.1f} times too fast over {stop.over} (at most {stop.burn:g})"


def asked(probe: Probe, world: LabClient) -> str:
    """What a probe says that is not well; empty when it answers well."""
    try:
        done = world.run(CLIENT_HOST, probe.command, timeout_s=probe.timeout.seconds)
    except BasculeError as error:
        return f"the probe {probe.command[0]} did not answer well: {error}"
    return "" if done.exit_code == 0 else f"the probe {probe.command[0]} ended with exit code {done.exit_code}"


def answer(probe: Probe, world: LabClient, wait: Callable[[Callable[[], bool]], object]) -> str:
    """What a probe says that is not well, as `asked`; it is asked beside, so that the drill is alive meanwhile.

    Args:
        probe: What is asked.
        world: In which it runs.
        wait: Lets time pass until what it is given says so.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="steady-probe")
    try:
        answered = pool.submit(asked, probe, world)
        wait(answered.done)
        return answered.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def since(rates: Sequence[tuple[int, int]], from_s: float, now_s: float) -> Sequence[tuple[int, int]]:
    """Those of the last whole seconds that do not lie before a moment: what was lost before it ends nothing."""
    seconds = max(0, int(now_s) - int(from_s))
    return rates[-seconds:] if seconds else ()


class Limits:
    """Looks again and again whether the experiment must end; its probe is asked beside, so that nothing waits for it.

    Args:
        stop: What ends the experiment.
        target: The promised share of good operations.
        rates: Of the clients.
        world: In which the probe runs.
    """

    def __init__(self, stop: Stop, target: float, rates: Rates, world: LabClient) -> None:
        self._stop = stop
        self._target = target
        self._rates = rates
        self._world = world
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stop-probe")
        self._asked: Future[str] | None = None
        self._next_s = time.monotonic()
        self._from_s = 0.0

    def begin(self, from_s: float) -> None:
        """Look at no operation that was due before this."""
        self._from_s = from_s

    def reason(self) -> str:
        """Why the experiment must end now; empty when it may go on."""
        rates = since(self._rates(), self._from_s, time.monotonic())
        return burning(rates, self._stop, self._target) or self._told()

    def _told(self) -> str:
        probe, now_s = self._stop.probe, time.monotonic()
        if probe is None:
            return ""
        if self._asked is not None and self._asked.done():
            answer, self._asked = self._asked.result(), None
            if answer:
                return answer
        if self._asked is None and now_s >= self._next_s:
            self._next_s = now_s + probe.every.seconds
            self._asked = self._pool.submit(asked, probe, self._world)
        return ""

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
