"""What a run has touched here, on the disk before it is touched: whoever comes later can undo it.

A note lies in the state directory of the user, or, where there is no home, in /var/tmp. It names processes by pid and
start time, and the boot that they belong to; it holds no more of them
than the command that starts a killed one again.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

from bascule.outside.agent.refused import RefusedError
from bascule.outside.agent.table import Key, boot

MAX_BYTES = 4 * 2**20


class Touched:
    """What a run did to one target and has not undone.

    Attributes:
        root: The process that it is; it may have been started again.
        stopped: Processes that may be stopped.
        limits: The limit of open files that each process had.
        down: It was killed, and is to be started again.
        moved: It was started again, as another process than the client knows.
        restart: The command that does that, and the directory in which it ran; a unit needs none.
    """

    def __init__(self) -> None:
        self.root: Key | None = None
        self.stopped: set[Key] = set()
        self.limits: dict[Key, tuple[int, int]] = {}
        self.down = False
        self.moved = False
        self.restart: list[str] = []
        self.directory = "/"

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to undo."""
        return not (self.stopped or self.limits or self.down)

    def told(self) -> dict[str, Any]:
        """As JSON knows it."""
        limits = [[*key, *both] for key, both in sorted(self.limits.items())]
        told = {"root": self.root, "stopped": sorted(self.stopped), "limits": limits, "down": self.down}
        return {**told, "moved": self.moved, "restart": self.restart, "directory": self.directory}

    def learn(self, told: dict[str, Any]) -> None:
        """Take over what an earlier agent wrote down."""
        self.root = (int(told["root"][0]), int(told["root"][1])) if told["root"] else None
        self.stopped = {(int(pid), int(start)) for pid, start in told["stopped"]}
        self.limits = {(int(one[0]), int(one[1])): (int(one[2]), int(one[3])) for one in told["limits"]}
        self.down = bool(told["down"])
        self.moved = bool(told["moved"])
        self.restart = [str(word) for word in told["restart"]]
        self.directory = str(told["directory"])


class Note:
    """The note of one run. Several threads may change it; each change is on the disk when `save` returns.

    Args:
        run: Name of the run: letters and digits.
        holder: The process that acts for it now.
    """

    def __init__(self, run: str, holder: Key) -> None:
        self._name = f"{run}.json"
        self._holder = holder
        self._lock = threading.Lock()
        self._directory: Path | None = None
        self.touched: dict[str, Touched] = {}

    def of(self, target: str) -> Touched:
        """What was touched of a target."""
        return self.touched.setdefault(target, Touched())

    def read(self) -> Key | None:
        """Learn what an earlier agent of this run touched in this boot; returns that agent, None if there was none.

        Raises:
            RefusedError: There is a note, and it cannot be read: what it says is not known.
        """
        for directory in _places():
            try:
                text = _read(directory / self._name)
                if text is None:
                    continue
                told = json.loads(text)
                if told["boot"] != boot():
                    (directory / self._name).unlink()
                    return None
                for target, one in told["touched"].items():
                    self.of(target).learn(one)
                return (int(told["holder"][0]), int(told["holder"][1]))
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                raise RefusedError(f"the note {directory / self._name} cannot be read: {error}") from error
        return None

    def save(self) -> None:
        """Put it on the disk.

        Raises:
            OSError: That failed; what it says must not be done.
        """
        with self._lock:
            if self._directory is None:
                self._directory = _own_place()
            touched = {target: one.told() for target, one in self.touched.items()}
            text = json.dumps({"boot": boot(), "holder": self._holder, "touched": touched})
            path = self._directory / self._name
            new = path.with_suffix(".new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(path)
            _sync(self._directory)

    def remove(self) -> None:
        """Nothing is left that it could tell."""
        for directory in _places():
            (directory / self._name).unlink(missing_ok=True)


def _places() -> list[Path]:
    uid = os.getuid()
    home = Path(f"~{_user_name(uid)}").expanduser() if _user_name(uid) else Path("/nonexistent")
    return [home / ".local/state/bascule/faults", Path(f"/var/tmp/bascule-{uid}")]  # noqa: S108 - made and looked at below


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - not everywhere does a user have an entry

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _own_place() -> Path:
    """The first place that is, or can be made, ours alone."""
    told = ""
    for directory in _places():
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
                told = f"{directory} is not this user's alone"
            elif os.access(directory, os.W_OK):
                return directory
        except OSError as error:
            told = str(error)
    raise OSError(f"there is no place for a note of what is touched: {told}")


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    with os.fdopen(descriptor) as stream:
        found = os.fstat(stream.fileno())
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise OSError("it is not this user's alone")
        return stream.read(MAX_BYTES)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
