"""How a lab is set apart from the machine: namespaces of its own, without root and without any external program."""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
from pathlib import Path

from bascule.lab import syscalls

FORBIDDEN_HINT = (
    "user namespaces are closed here: as root `sysctl user.max_user_namespaces=10000` and, on Debian or Ubuntu, "
    "`sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`; "
    "or use --isolation loopback, which cannot cut a network"
)
_ROOT = 0
_NOBODY = 65534
_INNER_ID = 1000
_PROBE_LIMIT_S = 10.0
_ALL = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
)


def inner_id(outer: int) -> int:
    """The id inside for an id outside: an ordinary user stays itself; root becomes 1000, or PostgreSQL would not start.

    So does 65534, which inside a user namespace also stands for everybody who is not mapped.
    """
    return _INNER_ID if outer in {_ROOT, _NOBODY} else outer


def enter() -> None:
    """Move this process into new user, mount, network, IPC and (for its children) pid namespaces, fully capable.

    Raises:
        OSError: The machine forbids it; see `reason`.
    """
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(_ALL)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{inner_id(uid)} {uid} 1")
    (own / "gid_map").write_text(f"{inner_id(gid)} {gid} 1")


def furnish(directory: Path) -> None:
    """Give the new world, entered as its first process, its own /proc, /run and /dev/shm; no mount is seen outside.

    A killed PostgreSQL leaves its shared memory in /dev/shm: here it goes with the world.

    Args:
        directory: The lab's own; when it lies below /run, that stays as it is.

    Raises:
        OSError: The machine forbids it.
    """
    syscalls.mount("none", "/", "none", syscalls.MS_REC | syscalls.MS_PRIVATE)
    plain = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("proc", "/proc", "proc", plain | syscalls.MS_NOEXEC)
    if Path("/dev/shm").is_dir():  # noqa: S108 - the kernel's name for shared memory, not a temporary file
        syscalls.mount("tmpfs", "/dev/shm", "tmpfs", plain, "mode=1777")  # noqa: S108 - as above
    needed = (directory.resolve(), Path(sys.prefix).resolve())
    if not any(path.is_relative_to("/run") for path in needed):
        syscalls.mount("tmpfs", "/run", "tmpfs", plain, "mode=0755,size=16m")


def reason(error: OSError) -> str:
    """What the kernel's refusal means, in words."""
    known = {
        errno.EPERM: "this machine forbids user namespaces to this user",
        errno.ENOSPC: "no user namespace is left for this user, or none is allowed",
        errno.EINVAL: "this kernel lacks a kind of namespace",
        errno.EUSERS: "user namespaces are nested too deeply here",
    }
    return f"{known.get(error.errno or 0, 'namespaces cannot be made here')} ({error.strerror or error})"


@functools.lru_cache(maxsize=1)
def available() -> str:
    """Empty when namespaces can be made here; otherwise why not. Tried for real, once per process, in a child."""
    command = [sys.executable, "-m", "bascule.lab.isolation"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"making a namespace took longer than {_PROBE_LIMIT_S:.0f} s"
    if tried.returncode == 0:
        return ""
    return tried.stdout.strip() or tried.stderr.strip()[-300:] or f"the attempt ended with {tried.returncode}"


def _try() -> int:
    try:
        enter()
        child = os.fork()
        if child == 0:
            _try_inside()
        status = os.waitpid(child, 0)[1]
    except OSError as error:
        sys.stdout.write(reason(error))
        return 1
    return os.waitstatus_to_exitcode(status)


def _try_inside() -> None:
    code = 1
    try:
        furnish(Path("/"))
        code = 0
    except OSError as error:
        os.write(1, reason(error).encode())
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(_try())
