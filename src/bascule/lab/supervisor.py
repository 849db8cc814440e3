"""The supervisor of one lab: `python -m bascule.lab.supervisor DIRECTORY ISOLATION OWNER LOCK`.

It makes the hosts, starts and reaps everything on them, and answers its clients; in namespaces it is the first process
of a pid namespace, so whatever happens to it, nothing that it started outlives it. OWNER is a descriptor of the socket
to the process that made the lab: when that closes before anyone said `keep`, the lab ends. LOCK is a descriptor of the
locked mark in the directory: as long as it is held, the lab lives.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from bascule.lab import isolation, keeper, memory_group, syscalls

_RECEIVE_BYTES = 65536


def _hear_setting(owner: socket.socket) -> bytes:
    """The first line that the owner says; it says nothing else before it was answered."""
    data = b""
    while not data.endswith(b"\n"):
        part = owner.recv(_RECEIVE_BYTES)
        if not part:
            sys.exit("the owner ended before it said what to make")
        data += part
    return data


def _own_start() -> int:
    return int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])


def main() -> int:
    """Split into keeper and supervisor, and be both."""
    directory, kind = Path(sys.argv[1]), sys.argv[2]
    owner = socket.socket(fileno=int(sys.argv[3]))
    os.set_inheritable(owner.fileno(), False)  # noqa: FBT003 - the argument has no name - the call's only form
    os.set_inheritable(int(sys.argv[4]), False)  # noqa: FBT003 - the argument has no name
    os.chdir(directory)
    setting = _hear_setting(owner)
    pid, start = os.getpid(), _own_start()
    in_namespaces = kind == "namespaces"
    groups = tuple(memory_group.hierarchies())
    try:
        if in_namespaces:
            isolation.enter()
        else:
            syscalls.adopt_orphans()
    except OSError as error:
        _refuse(owner, error)
        return 1
    child = os.fork()
    if child:
        owner.close()
        return keeper.keep(child, directory, "namespaces" if in_namespaces else "loopback", groups)
    syscalls.die_with_parent(signal.SIGKILL if in_namespaces else signal.SIGTERM)
    try:
        if in_namespaces:
            isolation.furnish(directory)
        else:
            syscalls.adopt_orphans()
    except OSError as error:
        _refuse(owner, error)
        return 1
    # Only now: the keeper, which stays for as long as the lab lives, needs none of this in its memory.
    from bascule.lab.supervision import supervise  # noqa: PLC0415 - loaded only where it is needed

    return supervise(directory, "namespaces" if in_namespaces else "loopback", owner, setting, (pid, start))


def _refuse(owner: socket.socket, error: OSError) -> None:
    from bascule.lab.protocol import Failure, Reply, line  # noqa: PLC0415 - loaded only where it is needed - see main

    failure = Failure(kind="MachineError", what=isolation.reason(error), hint=isolation.FORBIDDEN_HINT)
    owner.sendall(line(Reply(failure=failure)))


if __name__ == "__main__":
    sys.exit(main())
