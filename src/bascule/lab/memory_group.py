"""Control groups of memory, of either version, named after the lab's mark: made for one strike, and surely removed.

With version 1 the group is made below that of the process; with version 2 below the nearest group above it that gives
its children control of memory, since one that holds processes gives none. Loads next to nothing: the keeper needs it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bascule.kernel.errors import LabError

ROOM_BYTES = 32 * 2**20
"""So much is used up in a group: more than a presser needs for itself, which counts for it."""
SPARE_BYTES = 8 * ROOM_BYTES
"""So much must be free above it, lest anybody else be struck."""
MEMINFO = Path("/proc/meminfo")
_PANIC = Path("/proc/sys/vm/panic_on_oom")
_ALWAYS = "2"
_HINT = "run as root, or where your user owns a control group of memory (systemd: Delegate=yes)"
_LIMIT_S = 2.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where control groups of memory are seen: the mount, which group is its top, and the version."""

    mount: Path
    top: str
    version: int


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """One group, and the one from which its processes come."""

    path: Path
    home: Path
    version: int

    def limit(self, size_bytes: int) -> None:
        """Let its processes use so much, none of it swapped out, and let the OOM killer strike beyond that."""
        if self.version == 1:
            _write(self.path / "memory.limit_in_bytes", size_bytes)
            _write(self.path / "memory.swappiness", 0)
            _write(self.path / "memory.oom_control", 0)  # a parent may have switched the OOM killer off
            return
        _write(self.path / "memory.max", size_bytes)
        if (self.path / "memory.swap.max").exists():
            _write(self.path / "memory.swap.max", 0)

    def add(self, pid: int) -> None:
        """Move a process into it."""
        _write(self.path / "cgroup.procs", pid)

    def kills(self) -> int | None:
        """How often the OOM killer struck in it, as the kernel counts; None when it is gone."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        try:
            lines = (self.path / name).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, OSError):
            return None
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)

    def empty(self) -> None:
        """Move what is in it back to where it came from, children born meanwhile included."""
        for _ in _rounds():
            pids = _pids(self.path)
            if not pids:
                return
            for pid in pids:
                _return(pid, self.home)

    def remove(self) -> None:
        """Empty it and remove it. One that is gone is no error.

        Raises:
            LabError: It cannot be removed.
        """
        self.empty()
        _remove(self.path)


def make(pid: int, name: str) -> MemoryGroup:
    """Make an empty group for a process; nothing is moved into it yet.

    Raises:
        LabError: None can be made here; the message says why.
    """
    seen = list(hierarchies())
    if not seen:
        raise LabError("this machine shows no control groups of memory", hint="mount them, or use another fault")
    if _PANIC.exists() and _PANIC.read_text(encoding="utf-8").strip() == _ALWAYS:
        hint = "sysctl vm.panic_on_oom=0"
        raise LabError("this kernel panics when a control group runs out of memory (vm.panic_on_oom=2)", hint=hint)
    hierarchy = seen[0]
    home = _group_of(pid, hierarchy)
    parent = home if hierarchy.version == 1 else _giving(home, hierarchy)
    _check_room(parent, hierarchy)
    group = MemoryGroup(path=parent / name, home=home, version=hierarchy.version)
    try:
        group.path.mkdir()
    except OSError as error:
        raise LabError(f"no control group can be made: {error.strerror}", where=str(parent), hint=_HINT) from error
    if group.kills() is None:
        _remove(group.path)
        raise LabError("this kernel does not count OOM kills by control group", hint="it needs Linux 4.13 or newer")
    return group


def refusal(name: str) -> str:
    """Why no group can be made here; empty when it can: one is made and removed."""
    try:
        make(os.getpid(), name).remove()
    except LabError as error:
        return f"{error.what} ({error.where})" if error.where else error.what
    return ""


def sweep(identity: str, seen: Sequence[Hierarchy] | None = None) -> None:
    """Remove every group of a lab that is dead; what is still in one is that lab's, and is killed.

    Raises:
        LabError: One cannot be removed.
    """
    if not identity:
        return
    for hierarchy in hierarchies() if seen is None else seen:
        for folder, names, _ in os.walk(hierarchy.mount):
            for name in [each for each in names if each.startswith(prefix(identity))]:
                for pid in _pids(Path(folder, name)):
                    _kill(pid)
                _remove(Path(folder, name))


def prefix(identity: str) -> str:
    """How the names of all groups of a lab begin."""
    return f"bascule-{identity}-"


def hierarchies(mountinfo: str = "/proc/self/mountinfo") -> Iterator[Hierarchy]:
    """Where memory is controlled here, as `proc_pid_mountinfo(5)` tells it."""
    for line in Path(mountinfo).read_text(encoding="utf-8", errors="replace").splitlines():
        own, _, rest = line.partition(" - ")
        top, mount = (_plain(word) for word in own.split()[3:5])
        kind, _, options = rest.split()[:3]
        if kind == "cgroup" and "memory" in options.split(","):
            yield Hierarchy(mount=Path(mount), top=top, version=1)
        if kind == "cgroup2" and "memory" in _words(Path(mount, "cgroup.controllers")):
            yield Hierarchy(mount=Path(mount), top=top, version=2)


def _plain(word: str) -> str:
    return word.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _group_of(pid: int, hierarchy: Hierarchy) -> Path:
    """The group of a process, as far as the mount shows it."""
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        here = number == "0" if hierarchy.version == 2 else "memory" in controllers.split(",")
        if here:
            below = path.removeprefix("" if hierarchy.top == "/" else hierarchy.top).strip("/")
            found = hierarchy.mount / below
            return found if ".." not in below and found.is_dir() else hierarchy.mount
    return hierarchy.mount


def _giving(home: Path, hierarchy: Hierarchy) -> Path:
    """The nearest group, upwards, that gives its children control of memory."""
    for folder in (home, *home.parents):
        if "memory" in _words(folder / "cgroup.subtree_control"):
            return folder
        if folder == hierarchy.mount:
            break
    raise LabError("no control group above gives its children control of memory", where=str(home), hint=_HINT)


def _check_room(parent: Path, hierarchy: Hierarchy) -> None:
    """See that memory runs out in our group, and not in one above it or in the machine, where others would be struck.

    Raises:
        LabError: There is too little room for that.
    """
    told = [line.split() for line in MEMINFO.read_text(encoding="utf-8").splitlines()]
    free_bytes = next((int(words[1]) * 1024 for words in told if words[0] == "MemAvailable:"), 0)
    least, where = free_bytes, "this machine"
    for folder in (parent, *parent.parents):
        room_bytes = _room_bytes(folder, hierarchy.version)
        if room_bytes is not None and room_bytes < least:
            least, where = room_bytes, str(folder)
        if folder == hierarchy.mount:
            break
    if least < SPARE_BYTES:
        told_room = f"only {least // 2**20} MiB of memory are free, {SPARE_BYTES // 2**20} are needed"
        raise LabError(f"{told_room}: the OOM killer might strike others", where=where, hint="free some memory first")


def _room_bytes(group: Path, version: int) -> int | None:
    """What a group may still use, with what it could give up for that; None when nothing bounds it."""
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if version == 1 else ("memory.max", "memory.current")
    limit, usage = (_words(group / name) for name in names)
    if not limit or not usage or not limit[0].isdigit():
        return None
    stat = _words(group / "memory.stat")
    prefix_of = "total_" if version == 1 else ""
    files = {f"{prefix_of}active_file", f"{prefix_of}inactive_file"}
    cached = sum(int(value) for key, value in zip(stat[::2], stat[1::2], strict=False) if key in files)
    return int(limit[0]) - int(usage[0]) + cached


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _pids(group: Path) -> list[int]:
    """The processes in a group; one of another pid namespace is seen as 0, and left out."""
    return [int(word) for word in _words(group / "cgroup.procs") if word != "0"]


def _return(pid: int, home: Path) -> None:
    try:
        _write(home / "cgroup.procs", pid)
    except ProcessLookupError:
        return  # it ended meanwhile


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended meanwhile


def _remove(group: Path) -> None:
    failure: OSError | None = None
    for _ in _rounds():
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            failure = error  # busy: what was killed in it is not gone yet
        else:
            return
    raise LabError(f"a control group cannot be removed: {failure}", where=str(group), hint=f"rmdir {group}")


def _rounds() -> Iterator[None]:
    deadline_s = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline_s:
        yield
        time.sleep(_POLL_S)


def _write(path: Path, value: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(str(value))
