"""A leadership that is entered from a thread: its event loop, and what becomes of it when the program ends.

Each has a thread of its own, and none is shared: a listener or a store that hangs holds up one leadership and not all
of them, and after the block nothing is left. A program that ends within the block gives the lease back if it is sure
that nobody is in the block any more; where a daemon thread may be, the lease runs out by itself.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from concurrent.futures import Future

from bascule.cluster.standing import Plan, Standing
from bascule.cluster.term import Term

JOIN_LIMIT_S = 30.0


class LeadingThread:
    """Stands for a group on a daemon thread, from now until `leave`.

    Attributes:
        is_forked: This is a child of the process that leads: it has no part in that, and nothing to give back.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._gained: Future[Term] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._left = threading.Event()
        self._pid = os.getpid()
        self._entered_by = threading.current_thread()
        self._thread = threading.Thread(target=self._run, name=f"leadership {plan.group}", daemon=True)
        self._thread.start()
        _LEADING.add(self)

    @property
    def is_forked(self) -> bool:
        """This is a child of the process that leads."""
        return os.getpid() != self._pid

    def term(self) -> Term:
        """The term, once this process leads; raises what kept it from that."""
        return self._gained.result()

    def leave(self) -> None:
        """The block has ended: give the lease back."""
        self._left.set()
        loop, serving = self._loop, self._serving
        if loop is not None and serving is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(serving.cancel)
        self._thread.join(JOIN_LIMIT_S)

    def end_with_program(self) -> None:
        """The program ends: leave, if nobody can be in the block."""
        if self.is_forked or not self._thread.is_alive():
            return
        if self._gained.done() and self._gained.exception() is None:
            self._gained.result().lost.set("the program ends")
        if self._entered_by is threading.main_thread() or not self._entered_by.is_alive():
            self.leave()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the term must hear of it
            if not self._gained.done():
                self._gained.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._serving = asyncio.get_running_loop(), asyncio.current_task()
        if self._left.is_set():
            return  # whoever wanted it has left already
        standing = Standing(self._plan)
        with contextlib.suppress(asyncio.CancelledError):
            term = await standing.enter(cancels=False)
            try:
                self._gained.set_result(term)
                if not self._left.is_set():
                    await asyncio.Event().wait()
            finally:
                standing.end_body(None)
                await standing.leave()


_LEADING: weakref.WeakSet[LeadingThread] = weakref.WeakSet()


def _end_all() -> None:
    for leading in tuple(_LEADING):
        leading.end_with_program()


atexit.register(_end_all)
