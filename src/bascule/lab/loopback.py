"""Loopback addresses for labs that have no network of their own: one `127.N` for each, surely not another's."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from bascule.kernel.errors import MachineError
from bascule.lab.plan import LabPlan

_FIRST, _LAST = 88, 250
_PORT = 61127
_APART = 61
"""So far from each other two processes begin that were started one after the other; it has no divisor of the count."""


def prefix_of(plan: LabPlan) -> str:
    """The first two numbers of the plan's addresses."""
    return plan.zones[0].subnet.rsplit(".", 1)[0]


def reserve(prefix: str) -> socket.socket:
    """Take `127.N` for as long as the returned socket is open.

    Raises:
        MachineError: Another lab has it, or other programs listen there.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        taken.bind((f"{prefix}.255.254", _PORT))
    except OSError as error:
        taken.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise _busy(prefix) from error
    if prefix in _listening():
        taken.close()
        raise _busy(prefix)
    return taken


def free_prefix() -> str:
    """A `127.N` that nobody uses now. Where the search begins depends on the process, so that two seldom meet.

    Raises:
        MachineError: All are in use.
    """
    count = _LAST - _FIRST
    used = _listening()
    for step in range(count):
        prefix = f"127.{_FIRST + (os.getpid() * _APART + step) % count}"
        if prefix in used:
            continue
        try:
            reserve(prefix).close()
        except MachineError:
            continue
        return prefix
    raise MachineError("every loopback range from 127.88 on is in use", hint="end other labs: bascule lab down")


def _busy(prefix: str) -> MachineError:
    return MachineError(f"the loopback addresses {prefix}.x.y are in use", hint="try again, or end the other lab")


def _listening() -> set[str]:
    """The `127.N` on which some program has a TCP socket bound, as the kernel lists them."""
    found: set[str] = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A":
            number = bytes.fromhex(address.partition(":")[0])[::-1]
            if number[0] == 127 and (number[1], number[2]) != (0, 0):
                found.add(f"127.{number[1]}")
    return found
