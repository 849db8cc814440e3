"""What a lab on loopback needs of the machine and may not find: free ports, and a user who is not root."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping

from bascule.engines.protocols import Engine, Program
from bascule.kernel.errors import MachineError
from bascule.lab.plan import LabPlan
from bascule.system.model import System


def check_user(programs: Mapping[str, Program]) -> None:
    """See that no program is to be started that refuses to run as root.

    Raises:
        MachineError: PostgreSQL would, and root is asking.
    """
    if os.geteuid() == 0 and "postgres" in programs:
        raise MachineError(
            "PostgreSQL refuses to run as root, and on loopback there is no user namespace that hides it",
            hint="run as an ordinary user, or use --isolation namespaces",
        )


def check_entry(plan: LabPlan) -> None:
    """See that an address which moves has networks in which it can.

    Raises:
        MachineError: On loopback there are none: every host is this machine.
    """
    if plan.vip is not None and plan.vip.address.startswith("127."):
        raise MachineError(
            "the entry is one address that moves, and on loopback no host has a network of its own to which it could",
            hint="use --isolation namespaces, or let clients know all members: entry: {kind: members}",
        )


def check_free(system: System, plan: LabPlan, engines: dict[str, Engine]) -> None:
    """See that every port of every member can be bound.

    Raises:
        MachineError: Another program of this machine holds one of them.
    """
    for member in plan.members:
        for port in engines[member.component].ports(system.components[member.component]).values():
            _check(member.name, member.address, port)


def _check(member: str, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
            raise MachineError(
                f"port {port} of {address} is taken by another program, and {member} needs it",
                hint="end that program, or use --isolation namespaces, where each lab has a network of its own",
            ) from error
