"""Starts one program: on its host's network, in a session of its own, with no capability but those it is given."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bascule.engines.protocols import Capability
from bascule.kernel.errors import LabError
from bascule.lab import syscalls

INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TERM",
)
MEMBER_MARK = "BASCULE_MEMBER"
LAB_MARK = "BASCULE_LAB"
_EXEC_FAILED = 127
_NUMBERS: Mapping[Capability, int] = {"net_admin": 12, "net_raw": 13}


class Order(Struct, frozen=True, kw_only=True):
    """What to start, and where.

    Attributes:
        namespace: Descriptor of the host's network namespace; None: the network that we are in.
        mortal: Die when the supervisor dies. In a pid namespace the kernel sees to it.
        stdin, stdout, stderr: Descriptors; they stay open here.
        keep: Further descriptors that the program gets under the same numbers.
        capabilities: The only ones that it keeps.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    namespace: int | None
    mortal: bool
    stdin: int
    stdout: int
    stderr: int
    keep: tuple[int, ...] = ()
    capabilities: tuple[Capability, ...] = ()


def environment(name: str, lab: str, temporary: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The few variables that every program gets, what it asked for, and the marks by which it is found again."""
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    return {**inherited, "TMPDIR": str(temporary), **extra, MEMBER_MARK: name, LAB_MARK: lab}


def start(order: Order) -> int:
    """Start the program and return its pid once it runs.

    Raises:
        LabError: It cannot be started; the message says why.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(order, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        failure = stream.read()
    if failure:
        raise LabError(f"cannot start {order.argv[0]}: {failure.decode(errors='replace')}", where=order.directory)
    return pid


def _become(order: Order, failure: int) -> None:
    try:
        _prepare(order)
        os.execvpe(order.argv[0], order.argv, order.environment)  # noqa: S606 - an argument list, no shell
    except OSError as error:
        os.write(failure, str(error).encode())
    except BaseException as error:  # noqa: BLE001 - a forked child must end here, whatever happens
        os.write(failure, repr(error).encode())
    finally:
        os._exit(_EXEC_FAILED)


def _prepare(order: Order) -> None:
    os.setsid()
    if order.mortal:
        syscalls.die_with_parent(signal.SIGKILL)
    if order.namespace is not None:
        syscalls.setns(order.namespace)
    for target, source in enumerate((order.stdin, order.stdout, order.stderr)):
        os.dup2(source, target)  # every source is above 2: the supervisor has its own 0, 1 and 2
    for descriptor in order.keep:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the call's only form
    os.chdir(order.directory)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    syscalls.drop_capabilities(_NUMBERS[name] for name in order.capabilities)
