"""Does to targets what faults ask for, and takes all of it back: each process is noted before it is touched."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from bascule.outside.agent import descriptors
from bascule.outside.agent.notes import Note, Touched
from bascule.outside.agent.refused import RefusedError
from bascule.outside.agent.table import Key, Row, above, is_alive, row, send, table, topmost
from bascule.outside.agent.targets import Target

KILL_LIMIT_S = 5.0
FREEZE_LIMIT_S = 3.0
PERIOD_S = 0.1
_LOOK_S = 0.05
_POLL_S = 0.002
_STOP_LIMIT_S = 1.0
_JOIN_S = 14.0
_INFINITY = -1


class Holding:
    """Everything that is held down in one run.

    Args:
        note: Where it is written down first.
        targets: By name.
    """

    def __init__(self, note: Note, targets: dict[str, Target]) -> None:
        self._note = note
        self._targets = targets
        self._strains: dict[tuple[str, str], _Strain] = {}
        self._counts: dict[str, int] = {}
        self._kin = {os.getpid(), 1, *above(table(), os.getpid())}

    def target(self, name: str) -> Target:
        """The target of this name.

        Raises:
            RefusedError: There is none.
        """
        if name not in self._targets:
            raise RefusedError(f"no target is called {name!r}")
        return self._targets[name]

    def rows(self, name: str) -> list[Row]:
        """The target's live processes, main process first."""
        return self.target(name).rows()

    def _mine(self, name: str) -> list[Row]:
        """The same, about to be touched."""
        rows = self.rows(name)
        for one in rows:
            if one.pid in self._kin or one.is_kernel:
                raise RefusedError(f"process {one.pid} ({one.command}) is bascule itself, or the kernel's")
        return rows

    # -- stopped

    def freeze(self, name: str) -> list[int]:
        """Stop it until every thread of every process of it is stopped; the pids that were hit."""
        hit: dict[int, None] = {}
        for tree in _rounds(FREEZE_LIMIT_S, "stopped", lambda: [one for one in self._mine(name) if one.state != "T"]):
            self._stop(name, tree)
            hit.update(dict.fromkeys(one.pid for one in tree))
        return list(hit)

    def _stop(self, name: str, tree: list[Row]) -> None:
        touched = self._note.of(name)
        fresh = {one.key for one in tree} - touched.stopped
        if fresh:
            touched.stopped = {key for key in touched.stopped if is_alive(key)} | fresh
            self._note.save()
        for one in tree:
            send(one.key, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let everything of it that was stopped go on, also what has left it since."""
        self.target(name)
        touched = self._note.of(name)

        def stopped() -> list[Row]:
            rows = (row(key[0]) for key in touched.stopped)
            return [one for one in rows if one is not None and one.key in touched.stopped and one.state == "T"]

        for key in touched.stopped:
            send(key, signal.SIGCONT)
        for tree in _rounds(FREEZE_LIMIT_S, "thawed", stopped):
            for one in tree:
                send(one.key, signal.SIGCONT)
        if touched.stopped:
            touched.stopped.clear()
            self._note.save()

    def slow(self, name: str, share: float) -> list[int]:
        """Let it run a share of the time; the processes that it has."""
        self._end("slow", name)
        hit = [one.pid for one in self._mine(name)]
        self._counts[name] = 0
        self._begin("slow", name, lambda wait: self._turns(name, share, wait))
        return hit

    def _turns(self, name: str, share: float, wait: Callable[[float], bool]) -> None:
        over, patient_until_s = False, time.monotonic() + _STOP_LIMIT_S
        while not over:
            mine = self._mine(name)
            tree = [one for one in mine if one.state != "T"]
            main = mine[:1]
            try:
                self._stop(name, tree)
                over = wait(PERIOD_S * (1 - share))
                stood = any(_stood(one, patient_until_s, wait) for one in main)
            finally:
                for one in tree:
                    send(one.key, signal.SIGCONT)
            self._counts[name] += stood and _state(main[0]) not in {"T", ""}
            over = over or wait(PERIOD_S * share)

    def turns(self, name: str) -> int | None:
        """How often its main process was seen stopped, and going on right after; None when it is not slow."""
        self.target(name)
        strain = self._strains.get(("slow", name))
        return self._counts[name] if strain is not None and strain.is_alive() else None

    def hasten(self, name: str) -> None:
        """Let it run all the time again."""
        self._end("slow", name)
        self.thaw(name)

    # -- killed

    def kill(self, name: str, command: str) -> list[int]:
        """SIGKILL to all of it, which stays down; or to the topmost process of a command alone. The pids."""
        if why := self.target(name).can_start():
            raise RefusedError(why)
        if command:
            return self._kill_topmost(name, command)
        hit = self._kill(name)
        if hit:
            self.target(name).stay_down()
        return hit

    def _kill(self, name: str) -> list[int]:
        hit: dict[int, None] = {}
        for tree in _rounds(KILL_LIMIT_S, "killed", lambda: self._mine(name)):
            self._mark_down(name)
            for one in tree:
                send(one.key, signal.SIGKILL)
                hit[one.pid] = None
        return list(hit)

    def _kill_topmost(self, name: str, command: str) -> list[int]:
        tree = self._mine(name)
        chosen = topmost(table(), tree, command)
        if chosen is None:
            seen = ", ".join(sorted({one.command for one in tree})) or "no process at all"
            raise RefusedError(f"{name} has no process called {command!r}", f"it has {seen}")
        self._mark_down(name)
        send(chosen.key, signal.SIGKILL)
        for _ in _rounds(KILL_LIMIT_S, "killed", lambda: [chosen] if is_alive(chosen.key) else []):
            continue
        return [chosen.pid]

    def _mark_down(self, name: str) -> None:
        if not self._note.of(name).down:
            self._note.of(name).down = True
            self._note.save()

    def start(self, name: str) -> None:
        """Start it if it is down."""
        self.target(name).start()
        self._note.of(name).down = False
        self._note.save()

    def crash_loop(self, name: str, up_s: float) -> list[int]:
        """Crash it twice, and go on with that; the main processes that died."""
        if why := self.target(name).can_start():
            raise RefusedError(why)
        self._end("crash", name)
        first = self._main(name)
        self._kill(name)
        self.target(name).start()
        time.sleep(up_s)
        second = self._main(name)
        self._kill(name)
        self._begin("crash", name, lambda wait: self._crash_on(name, up_s, wait))
        return [pid for pid in (first, second) if pid]

    def _main(self, name: str) -> int:
        return next((one.pid for one in self.rows(name)), 0)

    def _crash_on(self, name: str, up_s: float, wait: Callable[[float], bool]) -> None:
        over = False
        while not over:
            self.target(name).start()
            over = wait(up_s)
            if not over:
                self._kill(name)

    def end_crash_loop(self, name: str) -> None:
        """End the loop, and start it if it is down."""
        self._end("crash", name)
        self.start(name)

    # -- no more files

    def descriptors(self, name: str) -> list[tuple[int, int, int]]:
        """Pid, open and free descriptors of each process, main process first."""
        seen = ((one.pid, descriptors.view(one.pid)) for one in self.rows(name))
        return [(pid, *both) for pid, both in seen if both is not None]

    def limit_descriptors(self, name: str, spare: int) -> list[int]:
        """Lower the limit of every process, and go on: what it closes, and what a child brings along, is no room."""
        self._end("descriptors", name)
        kept: dict[Key, set[int]] = {}
        hit = self._tighten(name, spare, kept)
        self._begin("descriptors", name, lambda wait: self._tighten_on(name, spare, kept, wait))
        return hit

    def _tighten(self, name: str, spare: int, kept: dict[Key, set[int]]) -> list[int]:
        """Lower the limit of each process to what it had open at every look."""
        touched = self._note.of(name)
        is_first = not touched.limits
        hit: list[int] = []
        for one in self._mine(name):
            now = descriptors.numbers(one.pid)
            kept[one.key] = kept.get(one.key, now) & now
            had = descriptors.limits(one.key)
            if had is None:
                continue
            if one.key not in touched.limits:
                touched.limits[one.key] = had if is_first else _born_with(touched, had)
                self._note.save()
            wanted = descriptors.least(kept[one.key], spare)
            if had[0] == _INFINITY or wanted < had[0]:
                descriptors.put(one.key, (wanted, had[1]))
            hit.append(one.pid)
        return hit

    def _tighten_on(self, name: str, spare: int, kept: dict[Key, set[int]], wait: Callable[[float], bool]) -> None:
        while not wait(_LOOK_S):
            self._tighten(name, spare, kept)

    def free_descriptors(self, name: str) -> None:
        """Give every process the limit that it had; one that was born meanwhile gets the highest that any had."""
        self._end("descriptors", name)
        touched = self._note.of(name)
        if not touched.limits:
            return
        with contextlib.suppress(RefusedError):  # a unit that was removed has only what was noted
            for one in self.rows(name):
                had = descriptors.limits(one.key)
                if had is not None:
                    touched.limits.setdefault(one.key, _born_with(touched, had))
        for key, before in touched.limits.items():
            descriptors.put(key, before)
        touched.limits.clear()
        self._note.save()

    # -- all of it

    def troubles(self) -> list[str]:
        """Strains that ended by themselves, and why."""
        return [f"{name}: {one.error}" for (_, name), one in self._strains.items() if one.error]

    def undo(self, name: str) -> None:
        """Take back whatever is done to a target.

        Raises:
            RefusedError: Something is left.
        """
        for kind in ("slow", "descriptors", "crash"):
            self._end(kind, name)
        self.free_descriptors(name)
        self.thaw(name)
        if self._note.of(name).down:
            self.start(name)

    def undo_all(self) -> list[str]:
        """Take back everything; what is left, in words."""
        left: list[str] = []
        for name in self._targets:
            try:
                self.undo(name)
            except Exception as error:  # noqa: BLE001 - whatever ails this target, the others are undone all the same
                left.append(f"{name}: {error}")
        return left

    def _begin(self, kind: str, name: str, work: Callable[[Callable[[float], bool]], None]) -> None:
        strain = _Strain(work)
        self._strains[kind, name] = strain
        strain.start()

    def _end(self, kind: str, name: str) -> None:
        self.target(name)
        strain = self._strains.pop((kind, name), None)
        if strain is not None:
            strain.end()


class _Strain(threading.Thread):
    """Work that goes on until it is told to end."""

    def __init__(self, work: Callable[[Callable[[float], bool]], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._over = threading.Event()
        self.error = ""

    def run(self) -> None:
        try:
            self._work(self._over.wait)
        except Exception as error:  # noqa: BLE001 - it is told at the next renewal
            self.error = str(error) or type(error).__name__

    def end(self) -> None:
        """It has ended when this returns.

        Raises:
            RefusedError: It does not.
        """
        self._over.set()
        self.join(_JOIN_S)
        if self.is_alive():
            raise RefusedError("what holds the fault does not end", "it is tried again")


def _stood(main: Row, patient_until_s: float, wait: Callable[[float], bool]) -> bool:
    """Whether the main process is stopped. At first that is waited for: to stop, it needs the processor."""
    while (state := _state(main)) not in {"T", ""} and time.monotonic() < patient_until_s and not wait(_POLL_S):
        continue
    return state == "T"


def _state(one: Row) -> str:
    found = row(one.pid)
    return found.state if found is not None and found.key == one.key and found.lives else ""


def _born_with(touched: Touched, had: tuple[int, int]) -> tuple[int, int]:
    """What a process would have had, had its parent's limit not been lowered: the highest that any had."""
    unlimited = any(soft == _INFINITY for soft, _ in touched.limits.values())
    highest = _INFINITY if unlimited else max(soft for soft, _ in touched.limits.values())
    most = had[1]
    if highest == _INFINITY or (most != _INFINITY and highest > most):
        return (most, most)
    return (max(highest, had[0]) if had[0] != _INFINITY else had[0], most)


def _rounds(limit_s: float, done: str, remaining: Callable[[], list[Row]]) -> Iterator[list[Row]]:
    """What remains, round after round, until nothing does.

    Raises:
        RefusedError: Something still remains after the limit.
    """
    deadline_s = time.monotonic() + limit_s
    while tree := remaining():
        if time.monotonic() > deadline_s:
            stuck = ", ".join(f"{one.pid} {one.command} ({one.state})" for one in tree)
            raise RefusedError(f"not {done} within {limit_s:.0f} s: {stuck}")
        yield tree
        time.sleep(_POLL_S)


def answer(holding: Holding, order: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever JSON can say
    """What becomes of one order of a client.

    Raises:
        RefusedError: It cannot be done, or there is no such order.
        OSError: The same, in the system's words.
    """
    name = str(order.get("target", ""))
    simple: dict[str, Callable[[str], Any]] = {
        "freeze": holding.freeze,
        "thaw": holding.thaw,
        "turns": holding.turns,
        "hasten": holding.hasten,
        "start": holding.start,
        "end-crash-loop": holding.end_crash_loop,
        "descriptors": holding.descriptors,
        "free-descriptors": holding.free_descriptors,
    }
    what = order["do"]
    if what in simple:
        return simple[what](name)
    if what == "processes":
        return [(one.pid, one.command, "frozen" if one.state == "T" else "running") for one in holding.rows(name)]
    if what == "kill":
        return holding.kill(name, str(order["command"]))
    if what == "crash-loop":
        return holding.crash_loop(name, float(order["up_s"]))
    if what == "slow":
        return holding.slow(name, float(order["share"]))
    if what == "limit-descriptors":
        return holding.limit_descriptors(name, int(order["spare"]))
    raise RefusedError(f"the agent knows no {what!r}")
