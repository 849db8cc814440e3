"""Traps of retries, budgets, deadlines and hedges."""

from __future__ import annotations

import asyncio
import time

from benchmarks.peers.lab import Dependency, Hold, Lab, NotOfferedError, cancel, need, outcome, until
from benchmarks.peers.subject import Wanted

CALLS = 1000
HEDGED = 60


def never_swallowed(lab: Lab) -> str:
    """An interrupt, an exit and a cancellation end a retry at once, even where everything shall be retried."""
    for kind in (KeyboardInterrupt, SystemExit):
        dependency = Dependency(kind())
        call = lab.decorator("retry", Wanted(everything=True))(lab.function(dependency))
        try:
            asyncio.run(call()) if lab.flavour == "async" else call()
        except BaseException as error:  # noqa: BLE001 - which one comes out is what is asked
            need(isinstance(error, kind), f"{kind.__name__} became {type(error).__name__}")
        else:
            need(holds=False, seen=f"{kind.__name__} was swallowed, and the call made again")
        need(dependency.entered == 1, f"after {kind.__name__} the call was made again")
    if lab.flavour == "async":
        hold = Hold()
        dependency = Dependency(hold)
        call = lab.guard("retry", dependency, Wanted(everything=True))
        future = lab.start(call)
        need(hold.came(), "the call was not made")
        cancel(future)
        hold.release()
        until(lambda: dependency.entered > 1, 0.1)
        need(dependency.entered == 1, "after CancelledError the call was made again")
    return "each ended it at once"


def budget(lab: Lab) -> str:
    """A total outage brings at most 1.2 times the load."""
    dependency = Dependency(otherwise=ConnectionError("down"))
    call = lab.guard("budget", dependency, Wanted(attempts=3, ratio=0.1))
    if lab.flavour == "async":

        async def all_of_them() -> None:
            for _ in range(CALLS):
                await asyncio.gather(call(), return_exceptions=True)

        outcome(lab.start(all_of_them), 8.0)
    else:

        def all_blocking() -> None:
            for _ in range(CALLS):
                try:
                    call()
                except ConnectionError:
                    continue

        outcome(lab.start(all_blocking), 8.0)
    factor = dependency.entered / CALLS
    need(factor <= 1.2, f"{dependency.entered} attempts for {CALLS} calls")
    return f"{dependency.entered} attempts for {CALLS} calls"


def hedging(lab: Lab) -> str:
    """When every answer is slow, hedges stay within a budget, and none runs on when its call has ended."""
    running = entered = 0

    async def slow() -> str:
        nonlocal running, entered
        entered += 1
        running += 1
        try:
            await asyncio.sleep(0.03)
        finally:
            running -= 1
        return "done"

    if lab.flavour == "sync":
        raise NotOfferedError
    call = lab.apply(lambda: lab.decorator("hedge", Wanted(hedge_after_s=0.005, ratio=0.1))(slow))
    left = 0

    async def all_of_them() -> None:
        nonlocal left
        for _ in range(HEDGED):
            await call()
            await asyncio.sleep(0)
            left += running

    error = outcome(lab.start(all_of_them), 8.0)
    need(error is None, f"a hedged call failed: {error!r}")
    need(left == 0, f"{left} attempts ran on after their calls had ended")
    need(entered <= HEDGED * 1.2 + 10, f"{entered} attempts for {HEDGED} calls: there is no budget")
    return f"{entered} attempts for {HEDGED} calls, none left running"


def deadline(lab: Lab) -> str:
    """A wait that would end after the deadline is not begun, and no attempt is made after it."""
    limit_s, wait_s, slack_s = 0.5, 0.4, 0.2
    dependency = Dependency(otherwise=ConnectionError("down"))
    call = lab.guard("deadline", dependency, Wanted(attempts=10, deadline_s=limit_s, wait_s=wait_s))
    begun_s = time.monotonic()
    outcome(lab.start(call), 6.0)
    took_s = time.monotonic() - begun_s
    need(took_s <= limit_s + slack_s, f"it ended after {took_s:.1f} s, the deadline was {limit_s} s")
    until(lambda: time.monotonic() > begun_s + 2 * wait_s + slack_s, 2.0)
    late = [at_s - begun_s for at_s in dependency.entered_at_s if at_s - begun_s > limit_s]
    need(not late, f"its caller was told in time, but the next attempt was made after {late[0] if late else 0:.1f} s")
    return f"it gave up after {took_s:.1f} s, the deadline was {limit_s} s"


class BusyError(ConnectionError):
    """An answer with a Retry-After."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


def retry_after(lab: Lab) -> str:
    """What a server asks to wait for is waited for, but never longer than a cap."""
    dependency = Dependency(BusyError(0.3))
    call = lab.guard("retry after", dependency, Wanted(cap_s=0.5))
    error = lab.call(call, 3.0)
    need(error is None and dependency.entered == 2, f"there was no second attempt: {error!r}")
    first_s, second_s = dependency.entered_at_s
    need(second_s - first_s >= 0.3, f"asked to wait 0.3 s, it waited {second_s - first_s:.2f} s")
    dependency = Dependency(BusyError(3600.0))
    call = lab.guard("retry after", dependency, Wanted(cap_s=0.5))
    lab.start(call)
    need(
        until(lambda: dependency.entered == 2, 2.0),
        "asked to wait an hour, it waits an hour: its hook has no cap but what the user writes into it",
    )
    return "0.3 s were waited for; of an hour only the cap"
