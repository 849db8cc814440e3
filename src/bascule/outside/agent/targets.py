"""One target: which processes it is now, whether it may be touched, and how it is started again."""

from __future__ import annotations

import os
import pwd
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from bascule.outside.agent.notes import Touched
from bascule.outside.agent.refused import RefusedError
from bascule.outside.agent.systemctl import Manager, Unit, pids_of
from bascule.outside.agent.table import Key, Row, above, below, boot, is_alive, program_of, row, send, table, words_of

START_LIMIT_S = 10.0
MOST_WORDS = 64
_STAYS_S = 0.3
_SHOWN_S = 0.2


class Target(Protocol):
    """What can be asked of a target, whatever it is."""

    def rows(self) -> list[Row]:
        """Its live processes, main process first."""
        ...

    def can_start(self) -> str:
        """Why it cannot be started again once it was killed; empty when it can."""
        ...

    def start(self) -> None:
        """Start it if it is down, and see that it runs."""
        ...

    def stay_down(self) -> None:
        """It was killed: keep everybody else from starting it."""
        ...

    def is_up(self) -> bool:
        """Whether its main process lives."""
        ...


class ProcessTarget:
    """A process that was there before, with everything below it. Orphans that it left stay its own.

    Args:
        touched: Says which process it is; changed when it is started again.
    """

    def __init__(self, name: str, touched: Touched) -> None:
        self._name = name
        self._touched = touched
        self._known: set[Key] = set()
        self._lock = threading.Lock()

    def rows(self) -> list[Row]:
        """The process, what is below it, and what was."""
        root = self._touched.root
        with self._lock:
            tops = self._known | self._touched.stopped | set(self._touched.limits) | ({root} if root else set())
            found = below(table(), tops)
            self._known = {one.key for one in found}
        return sorted(found, key=lambda one: (one.key != root, one.start, one.pid))

    def is_up(self) -> bool:
        """Whether the process itself lives."""
        return self._touched.root is not None and is_alive(self._touched.root)

    def can_start(self) -> str:
        """It needs a command."""
        return (
            ""
            if self._touched.restart
            else "nobody knows how to start a bare process again: the allow-list names no restart command"
        )

    def stay_down(self) -> None:
        """Nobody is known who would start it."""

    def start(self) -> None:
        """Run its command, which must stay: the process that it becomes is the target from then on.

        Raises:
            RefusedError: It has none, or it ended at once.
        """
        if self.is_up():
            return
        if why := self.can_start():
            raise RefusedError(f"{self._name}: {why}")
        argv = self._touched.restart
        try:
            child = subprocess.Popen(
                argv,
                cwd=self._touched.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise RefusedError(f"{self._name} could not be started again by {argv[0]}: {error}") from error
        found = row(child.pid)
        try:
            code = child.wait(_STAYS_S)
        except subprocess.TimeoutExpired:
            self._touched.root = found.key if found else None
            self._touched.moved = True
            return
        hint = "the restart command must stay in the foreground"
        raise RefusedError(f"{self._name} could not be started again: {argv[0]} ended with {code}", hint)


class UnitTarget:
    """A unit of the service manager: the processes of its control group."""

    def __init__(self, name: str, unit: str, *, user: bool) -> None:
        self._name = name
        self._unit = unit
        self._user = user
        self._manager = Manager(user=user)
        self._lock = threading.Lock()
        self._shown: Unit | None = None
        self._shown_at_s = 0.0

    def shown(self, *, fresh: bool = True) -> Unit:
        """How the unit fares; a moment ago, if that is enough.

        Raises:
            RefusedError: There is none of this name, or it is another's second name.
        """
        with self._lock:
            now_s = time.monotonic()
            if fresh or self._shown is None or now_s - self._shown_at_s > _SHOWN_S:
                self._shown = self._manager.show(self._unit)
                self._shown_at_s = now_s
            unit = self._shown
        if not unit.loaded:
            raise RefusedError(f"{self._unit} is no unit that is loaded here")
        if unit.name != self._unit:
            raise RefusedError(f"{self._unit} is another name of {unit.name}", "name that")
        return unit

    def rows(self) -> list[Row]:
        """What is in its control group; where that is not to be seen, its main process and all below it."""
        unit = self.shown(fresh=False)
        pids = pids_of(unit.group)
        main = row(unit.main_pid) if unit.main_pid else None
        if pids is None:
            found = below(table(), [main.key]) if main else []
        else:
            found = [one for one in map(row, pids) if one is not None and one.lives]
        return sorted(found, key=lambda one: (one.pid != unit.main_pid, one.start, one.pid))

    def is_up(self) -> bool:
        """Whether it is active."""
        return self.shown().state == "active"

    def can_start(self) -> str:
        """The manager must let it, and hear us."""
        if not self._user and os.geteuid():
            return "only root starts and stops units of the machine"
        return "" if self.shown().can_start else f"systemd does not start {self._unit} by hand (RefuseManualStart)"

    def stay_down(self) -> None:
        """Else `Restart=` would start it."""
        self._manager.stop(self._unit)

    def start(self) -> None:
        """`systemctl start`.

        Raises:
            RefusedError: It did not become active.
        """
        if self.is_up():
            return
        self._manager.start(self._unit)
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self.is_up():
            if time.monotonic() > deadline_s:
                raise RefusedError(f"{self._unit} is {self.shown().state} {START_LIMIT_S:.0f} s after its start")
            time.sleep(0.05)


def resolve(name: str, told: dict[str, Any], touched: Touched, *, fresh: bool) -> Target:
    """The target that a client means.

    Args:
        name: What the client calls it.
        told: `unit` and `user`, or `pid`, and `start` where it was resolved before; `restart`, a command or
            nothing.
        touched: What an earlier agent wrote down about it; what is not in there is taken from the client.
        fresh: It is met for the first time: whoever has the pid now is meant.

    Raises:
        RefusedError: It is not there.
    """
    if "unit" in told:
        unit = UnitTarget(name, str(told["unit"]), user=bool(told["user"]))
        unit.shown()
        return unit
    if touched.root is None:
        pid = int(told["pid"])
        if fresh:
            found = row(pid)
            if found is None or not found.lives:
                raise RefusedError(f"no process has the pid {pid}")
            touched.root = found.key
        else:
            touched.root = (pid, int(told["start"]))
        touched.restart = [str(word) for word in told["restart"]]
        touched.directory = _directory_of(pid)
    return ProcessTarget(name, touched)


def _directory_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:  # not ours to read, or gone: what is started again begins at the root
        return "/"


def refusal(target: Target) -> str:
    """Why its processes must not, or cannot, be touched; empty when they can."""
    rows = table()
    kin = {os.getpid(), 1, *above(rows, os.getpid())}
    tree = target.rows()
    if not tree:
        return "it has no process that lives"
    for one in tree:
        if one.pid in kin:
            return f"process {one.pid} ({one.command}) is bascule itself, or keeps it running"
        if one.is_kernel:
            return f"process {one.pid} ({one.command}) belongs to the kernel"
        if _undoes(words_of(one.pid)):
            return f"process {one.pid} is there to undo a fault"
        try:
            send(one.key, 0)
        except PermissionError:
            user = _user_name(os.geteuid())
            return f"process {one.pid} ({one.command}) is {_owner(one.pid)}'s, and {user} may not signal it"
    return ""


def _undoes(words: list[str]) -> bool:
    """Whether it is a command line of what holds or undoes faults, at this end of a line or at the other."""
    if any("bascule-agent" in word or word == "bascule.drill.watchdog" for word in words):
        return True
    is_bascule = any(Path(word).name == "bascule" for word in words[:4])
    return is_bascule and not {"chaos", "drill"}.isdisjoint(words)


def facts(target: Target) -> dict[str, Any]:
    """What an allow-list may want to know of it, and what a person must know before it is broken."""
    tree = target.rows()
    main = tree[0] if tree else None
    return {
        "pid": main.pid if main else 0,
        "start": main.start if main else 0,
        "command": main.command if main else "",
        "program": program_of(main.pid) if main else "",
        "words": words_of(main.pid)[:MOST_WORDS] if main else [],
        "user": _owner(main.pid) if main else "",
        "processes": len(tree),
        "boot": boot(),
        "host": os.uname().nodename,
        "refusal": {"process": refusal(target), "restart": target.can_start()},
    }


def _owner(pid: int) -> str:
    try:
        return _user_name(Path(f"/proc/{pid}").stat().st_uid)
    except OSError:  # gone
        return ""


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
