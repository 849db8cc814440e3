"""An actuator that does what it is told, line by line: `{"do": "promote", "for_s": 0.5}`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from bascule.cluster.actuators import nftables, vip
from bascule.cluster.actuators.addresses import Link
from bascule.cluster.actuators.door import Door
from bascule.cluster.actuators.placement import Placement
from bascule.cluster.actuators.port import Term
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError, BasculeError
from bascule.kernel.quantities import Duration


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LateClock(BootClock):
    """The clock of a process that is frozen for that long after it has read it."""

    frozen_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() - self.frozen_s

    def wall_s(self) -> float:
        return super().wall_s() - self.frozen_s


def never_closes(self: Door, until_s: float) -> bool:
    return honest_open(self, until_s + 3600)


def closes_between(self: Door, until_s: float) -> bool:
    self.close()
    return honest_open(self, until_s)


def without_limit(_: int) -> bytes:
    return honest_limit(1 << 62)


def no_nftables(_: Door) -> None:
    raise ActuatorError("no nf_tables here")


def stopped_around(self: Placement, link: Link, lifetime_s: int) -> None:
    """Frozen before the address is added, and after it was."""
    os.kill(os.getpid(), signal.SIGSTOP)
    honest_put(self, link, lifetime_s)
    os.kill(os.getpid(), signal.SIGSTOP)


def unclaimed(_: Door) -> bool:
    return True


DURATIONS = ("probe", "announce_interval", "announce_every")
honest_open = Door.open
honest_limit = nftables.not_before
honest_put = Placement.put
MUTANTS: dict[str, tuple[object, str, object]] = {
    "stopped-around": (Placement, "put", stopped_around),
    "unclaimed": (Door, "claim", unclaimed),
    "never-closes": (Door, "open", never_closes),
    "closes-between": (Door, "open", closes_between),
    "without-limit": (nftables, "not_before", without_limit),
    "no-nftables": (Door, "build", no_nftables),
    "brief": (vip, "_LINGER_S", 0),
}


class Holder:
    def __init__(self, options: vip.Options, untils: str) -> None:
        self.vip = vip.make(options)
        self.clock = LateClock()
        self.vip._clock = self.vip._door._clock = self.clock
        self.untils = os.open(untils, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.holding: asyncio.Task[None] | None = None
        self.promoting: asyncio.Future[None]
        self.spent_s: list[float] = []

    def term(self, for_s: float) -> Term:
        """The next term, told to the test before it is told to the actuator."""
        until_s = boot_s() + for_s
        os.write(self.untils, f"{until_s!r}\n".encode())
        return Term(cluster="c", group="g", agent="a", token=1, until_s=until_s)

    async def hold(self, for_s: float, every_s: float) -> None:
        while True:
            term = self.term(for_s)
            begun_s = time.perf_counter()
            self.vip.extend(term)
            self.spent_s.append(time.perf_counter() - begun_s)
            await asyncio.sleep(every_s)

    async def demote(self) -> None:
        if self.holding:
            self.holding.cancel()
        await self.vip.demote()

    async def cancel(self) -> str:
        self.promoting.cancel()
        return repr((await asyncio.gather(self.promoting, return_exceptions=True))[0])

    async def do(self, order: dict[str, Any]) -> dict[str, Any]:
        for_s = order.get("for_s", 0.0)
        begun_s = time.perf_counter()
        found: str | None = None
        match order["do"]:
            case "promote":
                await self.vip.promote(self.term(for_s))
            case "begin":
                self.promoting = asyncio.ensure_future(self.vip.promote(self.term(for_s)))
            case "wait":
                await self.promoting
            case "cancel":
                found = await self.cancel()
            case "demote":
                await self.demote()
            case "look":
                found = await self.vip.look()
            case _:
                self.do_at_once(order["do"], for_s, order.get("every_s", 0.0))
        return {
            "seen": found,
            "spent_s": time.perf_counter() - begun_s,
            "extend_s": sorted(self.spent_s)[len(self.spent_s) // 2] if self.spent_s else 0.0,
            "name": self.vip.name,
            "door": self.vip.closes_by_itself,
        }

    def do_at_once(self, kind: str, for_s: float, every_s: float) -> None:
        match kind:
            case "extend":
                self.vip.extend(self.term(for_s))
            case "hold":
                self.holding = asyncio.ensure_future(self.hold(for_s, every_s))
            case "freeze":
                self.clock.frozen_s = for_s
            case "announce":
                self.vip.announce()


async def lines() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


async def main() -> None:
    given = json.loads(sys.argv[1])
    durations = {name: Duration.parse(given[name]) for name in DURATIONS if name in given}
    options = vip.Options(**{**given, **durations})
    for name in sys.argv[3].split():
        setattr(*MUTANTS[name])
    holder = Holder(options, sys.argv[2])
    async for line in lines():
        try:
            answer = await holder.do(json.loads(line))
        except BasculeError as error:
            answer = {"error": type(error).__name__, "text": str(error), "name": holder.vip.name}
        os.write(1, json.dumps(answer).encode() + b"\n")
    if holder.holding:
        holder.holding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await holder.holding


asyncio.run(main())
