"""Whether the addresses of a lab on loopback are free: in network namespaces of our own they always are."""

from __future__ import annotations

import errno
import socket

from bascule.engines.protocols import Engine
from bascule.kernel.errors import MachineError
from bascule.lab.plan import LabPlan
from bascule.system.model import System


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
