"""Puts a file system of our own over a directory, in the lab's own mount namespace: nobody outside sees it.

It needs the kernel's door for such file systems, /dev/fuse, to be open to the lab's user; no library and no setuid
program.
"""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

from bascule.lab import isolation, syscalls

DOOR = "/dev/fuse"
HINT = (
    f"disks that can fail need {DOOR} open to this user: load the module `fuse`, and `chmod 0666 {DOOR}` as root, "
    "which is how most distributions have it"
)
_PROBE_LIMIT_S = 10.0
_SOMEWHERE = "/dev"


def mount(directory: str) -> int:
    """Cover a directory; returns the kernel's side. Until somebody answers there, whoever looks into it waits.

    Raises:
        OSError: The machine forbids it; see `reason`.
    """
    kernel = os.open(DOOR, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={kernel},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()},default_permissions"
    try:
        syscalls.mount("bascule-disk", directory, "fuse", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
    except BaseException:
        os.close(kernel)
        raise
    return kernel


def reason(error: OSError) -> str:
    """What the kernel's refusal means, in words."""
    known = {
        errno.EACCES: f"{DOOR} is closed to this user",
        errno.ENOENT: f"there is no {DOOR} here",
        errno.ENODEV: "this kernel has no file systems in user space (FUSE)",
        errno.EPERM: "this machine forbids file systems in user space (FUSE) in a user namespace",
    }
    told = known.get(error.errno or 0, "file systems in user space (FUSE) cannot be mounted here")
    return f"{told} ({error.strerror or error})"


@functools.lru_cache(maxsize=1)
def available() -> str:
    """Empty when disks can be put under members here; otherwise why not. Tried for real, in a child."""
    command = [sys.executable, "-m", "bascule.lab.disk_mount"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"mounting a file system in user space took longer than {_PROBE_LIMIT_S:.0f} s"
    if tried.returncode == 0:
        return ""
    return tried.stdout.strip() or tried.stderr.strip()[-300:] or f"the attempt ended with {tried.returncode}"


def refusal(wanted: bool, kind: Literal["namespaces", "loopback"]) -> str:
    """Why a lab has no disks that can fail; empty when it has."""
    if not wanted:
        return "it was brought up without them: bascule lab up --disks"
    if kind != "namespaces":
        return "on loopback members use this machine's own files"
    return available()


def _try() -> int:
    try:
        isolation.enter()
    except OSError as error:
        sys.stdout.write(isolation.reason(error))
        return 1
    child = os.fork()
    if child == 0:
        _try_inside()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _try_inside() -> None:
    code = 1
    try:
        isolation.furnish(Path("/"))
        os.close(mount(_SOMEWHERE))
        code = 0
    except OSError as error:
        os.write(1, reason(error).encode())
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(_try())
