"""What `--on` says: which target, and on which machine. Pure.

`pid:1234`, `unit:web.service`, `user-unit:web.service`; on another machine `ssh:user@host:port/` before any of them.
"""

from __future__ import annotations

import re

from msgspec import Struct

from bascule.kernel.errors import InputError

_HINT = "pid:1234, unit:web.service, user-unit:web.service, or ssh:user@host:port/ and one of these"
_PID = re.compile(r"[1-9][0-9]{0,9}")
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]{0,246}\.service")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
_VITAL = re.compile(r"(systemd-.*|dbus(-broker)?|sshd?|user@.*|getty@.*|init)\.service")


class Machine(Struct, frozen=True, kw_only=True):
    """Another machine, as `ssh` is told of it; user 0-length and port 0: whatever its configuration says."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        """As it is written."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"


class Address(Struct, frozen=True, kw_only=True):
    """One target: a process, or a unit of the machine's or the user's service manager.

    Attributes:
        machine: None is this one.
        pid: 0 for a unit.
    """

    machine: Machine | None = None
    pid: int = 0
    unit: str = ""
    of_user: bool = False

    def __str__(self) -> str:
        """As it is written: the target's name."""
        kind = "user-unit" if self.of_user else "unit"
        there = f"ssh:{self.machine}/" if self.machine else ""
        return there + (f"pid:{self.pid}" if self.pid else f"{kind}:{self.unit}")


def parse(text: str) -> Address:
    """Read a target's name.

    Raises:
        InputError: It is none, or what keeps the machine itself running or reachable.
    """
    machine: Machine | None = None
    rest = text
    if text.startswith("ssh:"):
        place, slash, rest = text.removeprefix("ssh:").partition("/")
        if not slash:
            raise InputError(f"{text!r} names a machine, and nothing on it", hint=_HINT)
        machine = _machine(place)
    kind, _, name = rest.partition(":")
    if kind == "pid" and _PID.fullmatch(name):
        if name == "1":
            raise InputError("process 1 keeps the machine itself running", hint="name another")
        return Address(machine=machine, pid=int(name))
    if kind in {"unit", "user-unit"} and _UNIT.fullmatch(name):
        if _VITAL.fullmatch(name):
            raise InputError(f"{name} keeps the machine itself running, or reachable", hint="name another")
        return Address(machine=machine, unit=name, of_user=kind == "user-unit")
    raise InputError(f"{text!r} is no target", hint=_HINT)


def _machine(text: str) -> Machine:
    user, at, place = text.rpartition("@")
    found = re.fullmatch(r"(?P<host>\[[^]]*\]|[^:]*)(:(?P<port>[0-9]{1,5}))?", place)
    port = int(found["port"] or 0) if found else 0
    good = found and _HOST.fullmatch(found["host"]) and (_USER.fullmatch(user) or not at) and port <= 65535
    if not found or not good or (found["port"] and not port):
        raise InputError(
            f"{text!r} is no machine that ssh could reach", hint="user@host:port; [::1] for an IPv6 address"
        )
    return Machine(host=found["host"], user=user, port=port)
