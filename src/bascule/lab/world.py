"""Makes, joins and ends labs: the directory checked, the supervisor started, and waited for within a limit."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path

from bascule.kernel.errors import LabError, MachineError
from bascule.lab import disk_mount, faketime, loopback, mark, resolvers
from bascule.lab import isolation as apart
from bascule.lab import protocol as say
from bascule.lab.abilities import NONE, Abilities
from bascule.lab.channel import receive
from bascule.lab.client import LabClient
from bascule.lab.names import CONTROL_SOCKET, DIRECTORIES, IDENTITY, LOGS, MARK, RECORD, SUPERVISOR_LOG, TEMPORARY
from bascule.lab.plan import NAMESPACE_PREFIX, LabPlan

FREE_BYTES = 300 * 2**20
READY_LIMIT_S = 20.0
_HIGH = 100
_OWNER, _LOCK = 3, 4
_LOG_TAIL = 600


def isolation_available() -> str:
    """Empty when hosts can be network namespaces here; otherwise why not."""
    return apart.available()


def choose_prefix(isolation: str) -> str:
    """The first two numbers of the addresses for a new lab, for `plan.layout`.

    Raises:
        MachineError: `namespaces` is asked for and forbidden here, or no loopback range is free.
        LabError: No such isolation.
    """
    if isolation not in {"auto", "namespaces", "loopback"}:
        raise LabError(f"{isolation!r} is not an isolation", hint="use auto, namespaces or loopback")
    if isolation == "loopback" or (isolation == "auto" and apart.available()):
        return loopback.free_prefix()
    if why := apart.available():
        raise MachineError(why, hint=apart.FORBIDDEN_HINT)
    return NAMESPACE_PREFIX


def create(
    directory: Path,
    plan: LabPlan,
    *,
    isolation: str = "auto",
    wanted: Abilities = NONE,
) -> LabClient:
    """Make the plan's hosts and return the client that owns them: they die with this process, unless it says `keep`.

    Args:
        directory: The lab's; made if needed. A dead lab's remains in it are removed.
        plan: Laid out with the prefix that `choose_prefix` chose.
        isolation: `auto` follows the plan's addresses.
        wanted: What it is given beside its hosts; where this machine cannot, the client's `refusal` says why.

    Raises:
        MachineError: This machine cannot hold it: no namespaces, no room, no right to write, addresses in use.
        LabError: A lab lives here already, or the directory holds something else.
    """
    directory = directory.absolute()
    kind = _kind(plan, isolation)
    lock = _take_directory(directory)
    try:
        _check_room(directory)
        _clean(directory)
        for name in (LOGS, TEMPORARY):
            (directory / name).mkdir(mode=0o700)
        refusal = disk_mount.refusal(wanted.disks, kind)
        faked, without = faketime.chosen(wanted.clocks, kind)
        setting = say.Setting(
            identity=secrets.token_hex(16),
            plan=plan,
            disk_refusal=refusal,
            faketime=faked,
            clock_refusal=without,
            names_refusal=resolvers.refusal(wanted.names, kind),
        )
        return _start(directory, kind, lock, setting)
    except OSError as error:
        raise MachineError(f"the lab's directory cannot be used: {error}", where=str(directory)) from error
    finally:
        os.close(lock)


def _kind(plan: LabPlan, isolation: str) -> say.Isolation:
    on_loopback = loopback.prefix_of(plan).startswith("127.")
    if isolation == "auto":
        isolation = "loopback" if on_loopback else "namespaces"
    if (isolation == "loopback") != on_loopback:
        raise LabError(
            f"the plan's addresses {loopback.prefix_of(plan)}.x.y do not fit isolation {isolation!r}",
            hint="lay the system out with the prefix that choose_prefix(isolation) gives",
        )
    return "loopback" if on_loopback else "namespaces"


def _take_directory(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (directory / MARK).exists() and any(directory.iterdir()):
            raise LabError(
                "the directory is not empty and holds no lab", where=str(directory), hint="choose another with --dir"
            )
        directory.chmod(0o700)
        lock = mark.take(directory)
    except OSError as error:
        hint = "choose a directory that you may write with --dir"
        raise MachineError(f"the lab's directory cannot be used: {error}", where=str(directory), hint=hint) from error
    if lock is None:
        raise LabError("a lab is up here already", where=str(directory), hint=f"bascule lab down --dir {directory}")
    return lock


def _check_room(directory: Path) -> None:
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < FREE_BYTES:
        raise MachineError(
            f"only {free_bytes // 2**20} MiB are free, a lab needs {FREE_BYTES // 2**20}",
            where=str(directory),
            hint="free some space, or choose another directory with --dir",
        )


def _clean(directory: Path) -> None:
    """Remove what an earlier lab left. Called with the lock held, so that lab is dead."""
    with contextlib.suppress(LabError):  # a record that cannot be read names nothing that could be swept
        before = mark.record(directory)
        if before is not None:
            mark.sweep(before.identity)
    for name in (CONTROL_SOCKET, RECORD, SUPERVISOR_LOG, IDENTITY):
        (directory / name).unlink(missing_ok=True)
    for name in DIRECTORIES:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(directory / name)


def _start(directory: Path, kind: say.Isolation, lock: int, setting: say.Setting) -> LabClient:
    ours, theirs = socket.socketpair()
    with theirs:
        keeper = _spawn(directory, kind, theirs.fileno(), lock)
    try:
        ours.settimeout(READY_LIMIT_S)
        ours.sendall(say.line(setting))
        reply, _ = receive(ours)
    except OSError as error:
        _abandon(ours, keeper)
        raise LabError(f"the lab did not come up: {_tail(directory) or error}", where=str(directory)) from error
    except BaseException:
        _abandon(ours, keeper)
        raise
    record = mark.record(directory)
    if reply.failure is not None or record is None:
        _abandon(ours, keeper)
        raise reply.failure.error() if reply.failure else LabError("the lab ended at once", where=str(directory))
    return LabClient(directory, record, ours, keeper)


def _abandon(owner: socket.socket, keeper: int) -> None:
    """End a lab that did not come up, and wait until it is gone."""
    owner.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(keeper, signal.SIGTERM)
    os.waitpid(keeper, 0)


def _spawn(directory: Path, kind: str, owner: int, lock: int) -> int:
    """Start the supervisor, in a session of its own: a Ctrl-C at the terminal is the owner's to handle."""
    log = os.open(directory / SUPERVISOR_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH) for descriptor in (log, owner, lock)]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, high[0], 1),
        (os.POSIX_SPAWN_DUP2, high[0], 2),
        (os.POSIX_SPAWN_DUP2, high[1], _OWNER),
        (os.POSIX_SPAWN_DUP2, high[2], _LOCK),
    ]
    argv = [sys.executable, "-m", "bascule.lab.supervisor", str(directory), kind, str(_OWNER), str(_LOCK)]
    try:
        return os.posix_spawn(sys.executable, argv, os.environ, file_actions=actions, setsid=True)
    finally:
        for descriptor in (log, *high):
            os.close(descriptor)


def _tail(directory: Path) -> str:
    try:
        return (directory / SUPERVISOR_LOG).read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
    except OSError:
        return ""


def attach(directory: Path) -> LabClient:
    """Join the lab that is up in this directory; it does not end with this process.

    Raises:
        LabError: No lab is up there.
    """
    directory = directory.absolute()
    try:
        record = mark.record(directory)
        alive = record is not None and mark.is_held(directory)
    except OSError as error:
        raise LabError(f"this lab cannot be joined: {error}", where=str(directory)) from error
    if record is None or not alive:
        raise LabError("no lab is up here", where=str(directory), hint="bascule lab up FILE")
    return LabClient(directory, record)


def destroy(directory: Path) -> None:
    """End the lab in this directory, whatever is left of it; logs and data stay. No lab there is no error.

    Raises:
        LabError: It does not end, or it is only just being made.
    """
    directory = directory.absolute()
    if not (directory / MARK).exists():
        return
    record = mark.record(directory)
    if mark.is_held(directory):
        if record is None:
            raise LabError("a lab is being made or is just ending here", where=str(directory), hint="try again")
        LabClient(directory, record).down()
    if record is not None:
        mark.sweep(record.identity)
    for name in (CONTROL_SOCKET, RECORD):
        (directory / name).unlink(missing_ok=True)


def purge(directory: Path) -> bool:
    """End the lab in this directory and remove all that labs made there; True if the directory itself could go too.

    What somebody else put there stays, and the directory with it.

    Raises:
        LabError: There is no lab, and so nothing is removed; or it does not end.
    """
    directory = directory.absolute()
    if not (directory / MARK).exists():
        raise LabError("there is no lab here, nothing is removed", where=str(directory), hint="name another with --dir")
    destroy(directory)
    lock = mark.take(directory)
    if lock is None:
        raise LabError("a lab has just come up here", where=str(directory), hint="try again")
    try:
        _clean(directory)
        (directory / MARK).unlink()
    finally:
        os.close(lock)
    if any(directory.iterdir()):
        return False
    directory.rmdir()
    return True
