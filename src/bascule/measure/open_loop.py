"""Offers operations on schedule, whatever becomes of them, and says how far it fell behind."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from bascule.measure.ledger import Ledger
from bascule.measure.metronome import Metronome
from bascule.measure.plan import Plan
from bascule.measure.schedule import due_by, due_s

FLUSH_S = 0.1
STATUS_S = 0.25
_LEAD_S = 0.02


class Load(Protocol):
    """What carries operations out."""

    async def ready(self) -> None:
        """Return once the system answers."""
        ...

    def offer(self, index: int, due_s: float) -> None:
        """Start operation `index`, without waiting; its record goes to the ledger."""
        ...

    async def close(self) -> None:
        """Give up what is left in flight, and every connection."""
        ...


class OpenLoop:
    """Drives a load by the schedule of its plan until it is told to stop or has offered all."""

    def __init__(self, plan: Plan, load: Load, ledger: Ledger) -> None:
        self._plan = plan
        self._load = load
        self._ledger = ledger
        self._next = 0
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Offer nothing more."""
        self._stopped.set()

    async def run(self) -> None:
        """Offer until stopped, then wait for what is in flight, each operation to its own deadline."""
        ledger = self._ledger
        ledger.tell()
        if not await self._ready():
            return
        ledger.started_s = self._plan.start_s or time.monotonic() + _LEAD_S
        ledger.phase = "running"
        metronome = Metronome(ledger.started_s, 1 / self._plan.rate_per_s, self._beat)
        try:
            await self._keep_books(self._stopped)
        finally:
            metronome.stop()
        ledger.phase = "stopping"
        await self._drain()

    async def _ready(self) -> bool:
        ready = asyncio.ensure_future(self._load.ready())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                return False
            await ready
        finally:
            for task in (ready, stopped):
                task.cancel()
            await asyncio.gather(ready, stopped, return_exceptions=True)
        return True

    def _beat(self) -> None:
        ledger = self._ledger
        start_s, rate = ledger.started_s, self._plan.rate_per_s
        due = due_by(start_s, rate, time.monotonic())
        if self._plan.count:
            due = min(due, self._plan.count)
        while self._next < due:
            at_s = due_s(start_s, rate, self._next)
            ledger.lag_max_s = max(ledger.lag_max_s, time.monotonic() - at_s)
            self._load.offer(self._next, at_s)
            self._next += 1
            ledger.offered = self._next
            ledger.last_number = self._plan.number_base + self._next - 1
        if self._plan.count and self._next >= self._plan.count:
            self._stopped.set()

    async def _keep_books(self, until: asyncio.Event) -> None:
        told_s = 0.0
        while not until.is_set():
            self._ledger.flush()
            if time.monotonic() - told_s >= STATUS_S:
                self._ledger.tell()
                told_s = time.monotonic()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await until.wait()
            except TimeoutError:
                continue

    async def _drain(self) -> None:
        self._ledger.tell()
        until_s = time.monotonic() + self._plan.deadline_s + 0.5
        while self._ledger.in_flight > 0 and time.monotonic() < until_s:
            self._ledger.flush()
            await asyncio.sleep(0.01)
