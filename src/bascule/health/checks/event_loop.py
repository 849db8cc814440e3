"""The event loop: does it come round in time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bascule.health.check import Check, check_seconds, refuse

if TYPE_CHECKING:
    import asyncio


def event_loop(*, limit_s: float = 0.5, loop: asyncio.AbstractEventLoop | None = None) -> Check:
    """Whether a callback that another thread hands to the event loop is called within `limit_s`.

    Asked by a probe that the same loop serves, it tells of a loop that is slow; one that stands still cannot answer a
    probe at all. To be told of that by name, serve the probes from a thread (`health.wsgi()`) beside it. Register it
    with a `timeout_s` above the limit.

    Args:
        limit_s: The longest lag that passes.
        loop: The loop; the running one if it is not given.

    Raises:
        InputError: No loop is running here, and none is given.
    """
    check_seconds("event_loop.limit_s", limit_s)
    watched = loop if loop is not None else _running()

    def ask() -> None:
        came_round = threading.Event()
        watched.call_soon_threadsafe(came_round.set)
        if not came_round.wait(limit_s):
            raise TimeoutError(f"the event loop has not come round within {limit_s:g} s")

    return Check(ask, "process")


def _running() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - who has no event loop does not pay for it

    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        hint = "call event_loop() where the loop runs, such as the application's lifespan, or give loop="
        raise refuse("event_loop.loop", None, "be a running event loop", hint) from error
