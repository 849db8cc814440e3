"""The few system calls that Python lacks. Each raises `OSError` with the kernel's own reason, never fails silently."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18

_IPC_RMID = 0
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_TIMERSLACK = 29
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_HIGHEST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces (`CLONE_NEW*`).

    Raises:
        OSError: Forbidden (EPERM), none left (ENOSPC), or unknown to this kernel (EINVAL).
    """
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int) -> None:
    """Move this thread into the network namespace that `descriptor` names."""
    _check(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system, or change how a mount propagates."""
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode())
    _check(result, f"mount {kind} on {target}")


def unmount(target: str) -> None:
    """Take a mount away at once, whoever still uses it; what is open on it goes on until it is closed."""
    _check(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def sync_filesystem(descriptor: int) -> None:
    """Have everything that was written to, and removed from, the file system of `descriptor` done on its disk."""
    _check(_libc.syncfs(descriptor), "syncfs")


def remove_shared_memory(number: int) -> None:
    """Remove a System V shared memory segment by its `shmid`.

    Raises:
        OSError: It is gone (EINVAL), or somebody else's (EPERM).
    """
    _check(_libc.shmctl(number, _IPC_RMID, None), "shmctl(IPC_RMID)")


def die_with_parent(signal_number: int) -> None:
    """Be sent this signal when the parent ends, however it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PDEATHSIG)")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(SUBREAPER)")


def precise_timers() -> None:
    """Let this thread's sleeps end on time: to the microsecond instead of 50 µs late."""
    _check(_libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0), "prctl(TIMERSLACK)")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities(keep: Iterable[int] = ()) -> None:
    """Give up every capability but `keep` for good: those held, those inherited, and those that an exec could add."""
    kept = frozenset(keep)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl(CAP_AMBIENT)")
    for capability in range(_HIGHEST_CAPABILITY + 1):
        if capability not in kept and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            if ctypes.get_errno() in {errno.EINVAL, errno.EPERM}:
                break  # the kernel knows no higher one; or we have none, and no-new-privileges keeps it so
            _check(-1, "prctl(CAPBSET_DROP)")
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    mask = sum(1 << capability for capability in kept)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask)  # effective, permitted, inheritable; all of ours are below 32
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
    for capability in kept:
        # Only an ambient one outlives the exec of an ordinary user's program.
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(CAP_AMBIENT_RAISE)")
