"""The one of many: a block of code that runs in one process at a time, whichever it is, on whatever machine."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Literal

from bascule.cluster.decisions.lease import Timing, check
from bascule.cluster.leading_thread import LeadingThread
from bascule.cluster.records import is_name
from bascule.cluster.standing import Plan, Standing
from bascule.cluster.stores.port import Store
from bascule.cluster.term import Term
from bascule.guard.stream import FACTS
from bascule.kernel.errors import InputError, LeadershipLostError
from bascule.kernel.facts import Bus, Fact, Listener


class Leadership:
    """Runs its block in one process at a time: `async with Leadership(...) as term:`, or `with` in a thread.

    Entering waits until this process leads. Leaving gives the lease back, so that another process goes on within
    milliseconds. A process that dies is followed once its lease has run out: at most `ttl_s` and a little more.

    When the lease is lost meanwhile, since the store was away for too long or the process was frozen, `term.lost` is
    set before anyone else leads. With `on_lost="cancel"` a block of a task is cancelled too, and `LeadershipLostError`
    is raised where it ends. Threads cannot be cancelled: look at `term.lost`, or call `term.check()`, before each step.
    What was already on its way can be late all the same: give writes `term.token`, see `guarded`.

    It may be entered again after it was left. One object leads once at a time.

    Args:
        group: What is led: a name of letters, digits and `_.-`. All processes with the same group and store compete.
        store: Where leases live: a `Store`, the path of a SQLite file, or a text (`leadership_store.open_store`).
        cluster: Sets groups of the same name apart.
        ttl_s: How long others wait after the last sign of life, in seconds: 0.1 to 3600.
        drift: By how much the speed of any clock may differ from true time.
        name: This process' name in the cluster; by default the host's, with the first free number.
        priority: The higher, the sooner this process is chosen.
        wait_s: How long to wait at the entrance; None: for ever.
        on_lost: What becomes of a task's block when the lease is lost.
        listen: Hears facts, in the event loop of the lease: it must not block. By default `bascule.guard.FACTS` does,
            and so telemetry.

    Raises:
        InputError: A name or a time is impossible.
    """

    def __init__(
        self,
        group: str,
        *,
        store: Store | str | Path,
        cluster: str = "default",
        ttl_s: float = 10.0,
        drift: float = 0.02,
        name: str = "",
        priority: int = 100,
        wait_s: float | None = None,
        on_lost: Literal["cancel", "signal"] = "cancel",
        listen: Listener | None = None,
    ) -> None:
        for what, text in (("group", group), ("cluster", cluster), ("name", name or "host")):
            if not is_name(text):
                raise InputError(f"{text[:60]!r} is no name", where=what, hint="letters, digits and _.-, at most 63")
        if not isinstance(store, str | Path) and not hasattr(store, "swap"):
            raise InputError(f"{type(store).__name__} is no store", where="store", hint="a Store, a Path or a text")
        if on_lost not in {"cancel", "signal"}:
            raise InputError(f"{on_lost!r} is not known", where="on_lost", hint='"cancel" or "signal"')
        bus = Bus()  # a listener that raises breaks no lease
        bus.subscribe(listen or _tell)
        self.group = group
        self._on_lost = on_lost
        self._standing: Standing | None = None
        self._thread: LeadingThread | None = None
        self._plan = Plan(
            group=group,
            where=store,
            cluster=cluster,
            timing=check(Timing(ttl_s=ttl_s, drift=drift, stop_s=ttl_s / 10)),
            name=name,
            priority=priority,
            wait_s=wait_s,
            tell=bus.publish,
        )

    def _check_free(self) -> None:
        standing, thread = self._standing, self._thread
        if (standing is None or standing.is_forked) and (thread is None or thread.is_forked):
            return
        raise InputError(f"this leadership of {self.group} is entered already", hint="make another one")

    async def __aenter__(self) -> Term:
        """Wait until this process leads.

        Raises:
            LeadershipNotGainedError: It did not come to lead within `wait_s`.
        """
        self._check_free()
        standing = self._standing = Standing(self._plan)
        try:
            return await standing.enter(cancels=self._on_lost == "cancel")
        except BaseException:
            self._standing = None
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back.

        Raises:
            LeadershipLostError: The lease was lost, and the block was cancelled for that.
        """
        standing, self._standing = self._standing, None
        if standing is None or standing.is_forked:
            return  # a child has no part in its parent's lease, and nothing to give back
        lost = standing.end_body(kind)
        await standing.leave()
        if lost:
            raise LeadershipLostError(f"the lease on {self.group} was lost", hint=standing.why) from error

    def __enter__(self) -> Term:
        """Wait until this process leads; as `async with`, in a thread.

        Raises:
            LeadershipNotGainedError: It did not come to lead within `wait_s`.
            InputError: The store is an object, which belongs to one event loop: give its path or its text.
        """
        if not isinstance(self._plan.where, str | Path):
            raise InputError("a store belongs to one event loop", hint="give `with` the store's path or its text")
        self._check_free()
        thread = self._thread = LeadingThread(self._plan)
        try:
            return thread.term()
        except BaseException:
            self._thread = None
            thread.leave()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back."""
        thread, self._thread = self._thread, None
        if thread is not None and not thread.is_forked:
            thread.leave()


def _tell(fact: Fact) -> None:
    if FACTS.is_heard:  # otherwise nobody need carry it
        FACTS.tell(fact)
