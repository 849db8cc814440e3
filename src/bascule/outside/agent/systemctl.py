"""Asks the service manager for a unit, and has it started and killed: `systemctl` with argument lists.

Source: systemctl(1), systemd.exec(5); org.freedesktop.systemd1(5) for the properties.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import NamedTuple

from bascule.outside.agent.refused import RefusedError

LIMIT_S = 12.0
_PROPERTIES = "Id,LoadState,ActiveState,SubState,MainPID,ControlGroup,CanStart,CanStop"


class Unit(NamedTuple):
    """How a unit fares. `group` is its control group's path; empty when it has none."""

    name: str
    loaded: bool
    state: str
    main_pid: int
    group: str
    can_start: bool


class Manager:
    """The machine's service manager, or the user's own.

    Args:
        program: `systemctl`, found on PATH.
        user: The user's own.
    """

    def __init__(self, *, user: bool, program: str = "systemctl") -> None:
        self._argv = [program, "--no-ask-password", "--no-pager", *(["--user"] if user else [])]

    def _run(self, *words: str) -> str:
        argv = [*self._argv, *words]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except FileNotFoundError as error:
            raise RefusedError("systemctl is not there: units need systemd") from error
        except subprocess.TimeoutExpired as error:
            raise RefusedError(f"systemctl {words[0]} took longer than {LIMIT_S:.0f} s") from error
        if done.returncode:
            told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise RefusedError(f"systemctl {words[0]}: {told[0]}")
        return done.stdout

    def show(self, name: str) -> Unit:
        """How a unit fares now.

        Raises:
            RefusedError: The service manager does not answer.
        """
        text = self._run("show", f"--property={_PROPERTIES}", "--", name)
        told = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        main = told.get("MainPID", "0")
        return Unit(
            name=told.get("Id", ""),
            loaded=told.get("LoadState") == "loaded",
            state=told.get("ActiveState", ""),
            main_pid=int(main) if main.isdigit() else 0,
            group=told.get("ControlGroup", ""),
            can_start=told.get("CanStart") != "no",
        )

    def start(self, name: str) -> None:
        """Start it, however often it was started lately.

        Raises:
            RefusedError: It does not start.
        """
        # Or its start limit would count what a fault did. Of a unit that is down for good there is nothing to forget.
        with contextlib.suppress(RefusedError):
            self._run("reset-failed", "--", name)
        self._run("start", "--", name)

    def stop(self, name: str) -> None:
        """Have it stay down: what the manager would start again by itself, it does not."""
        self._run("stop", "--", name)


def pids_of(group: str) -> list[int] | None:
    """The processes of a control group and of those below it; None when the group is not to be seen."""
    for place in _hierarchies():
        directory = Path(place + group)
        if group not in {"", "/"} and directory.is_dir():
            return [int(word) for one in dict.fromkeys(_lists(directory)) for word in _text(one).split()]
    return None


def _lists(directory: Path) -> list[Path]:
    """Where the processes of a control group and of those below it are listed, as far as they are there still."""
    found = [directory / "cgroup.procs"]
    with contextlib.suppress(FileNotFoundError):  # it goes while it is looked at, when its last process has ended
        found.extend(directory.glob("**/cgroup.procs"))
    return found


def _hierarchies() -> list[str]:
    """Where control groups of the service manager may be mounted: version 2 first, then its own of version 1."""
    mounts = [line.split() for line in _text(Path("/proc/self/mounts")).splitlines()]
    second = [one[1] for one in mounts if one[2] == "cgroup2"]
    first = [one[1] for one in mounts if one[2] == "cgroup" and "name=systemd" in one[3].split(",")]
    return second + first


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it went away meanwhile, or has no processes of its own
        return ""
