"""Tells the service manager how the agent is; nothing that goes wrong with that disturbs the agent.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5) (`Type=notify`, `Type=notify-reload`, `WatchdogSec=`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

MUST_BE_SENT_S = 0.2
"""How long a message waits for room in the manager's queue, if no later one says the same."""
STATUS_LIMIT = 1000
_PATH_LIMIT = 107  # unix(7): what fits into sun_path


class ServiceManager:
    """The one that started this process, or nobody: then nothing is sent.

    Each message returns whether it was taken.

    Args:
        environment: `NOTIFY_SOCKET` says where it listens; `WATCHDOG_USEC` and `WATCHDOG_PID`, whether it wants to hear
            from this process again and again.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        self._address = _address(known.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(known)

    @property
    def is_there(self) -> bool:
        """Somebody listens."""
        return self._address is not None

    @property
    def alive_every_s(self) -> float | None:
        """How often `alive` must be said: in half of the time after which the manager steps in; None: never."""
        return None if self.watchdog_s is None else self.watchdog_s / 2

    def ready(self, status: str = "") -> bool:
        """The agent takes part; or does so again after `reloading`."""
        return self._send(["READY=1", *_status(status)], waits=True)

    def reloading(self) -> bool:
        """The agent reads its file again; `ready` follows."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send(["RELOADING=1", f"MONOTONIC_USEC={now_us}"], waits=True)

    def stopping(self, status: str = "") -> bool:
        """The agent gives everything back, and ends."""
        return self._send(["STOPPING=1", *_status(status)], waits=True)

    def status(self, text: str) -> bool:
        """What people read in `systemctl status`: one line."""
        return self._send(_status(text) or ["STATUS="], waits=False)

    def alive(self) -> bool:
        """The agent does its work: only to be said by what would stand still with it."""
        return self.watchdog_s is not None and self._send(["WATCHDOG=1"], waits=False)

    def extend(self, by_s: float) -> bool:
        """Starting or stopping takes longer: so much from now on."""
        return self._send([f"EXTEND_TIMEOUT_USEC={int(by_s * 1e6)}"], waits=True)

    def _send(self, lines: list[str], *, waits: bool) -> bool:
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
                sending.settimeout(MUST_BE_SENT_S if waits else 0.0)
                sending.connect(self._address)
                sending.sendall("\n".join(lines).encode())
        except OSError:
            return False
        return True


def _status(text: str) -> list[str]:
    """A line of the protocol: whatever ends a line would begin another message."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return [f"STATUS={shown[:STATUS_LIMIT]}"] if shown else []


def _address(text: str) -> str | bytes | None:
    """A path, or, with `@` before it, a name of the abstract namespace; other kinds (`vsock:`) are not spoken."""
    if text[:1] not in {"/", "@"} or len(text) < 2 or len(os.fsencode(text)) > _PATH_LIMIT or "\0" in text:
        return None
    return b"\0" + os.fsencode(text[1:]) if text.startswith("@") else text


def _watchdog_s(known: Mapping[str, str]) -> float | None:
    usec, pid = known.get("WATCHDOG_USEC", ""), known.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdigit() and 0 < len(usec) < 19 and int(usec) > 0):
        return None
    if pid and pid != str(os.getpid()):
        return None  # it is a child of the process that is meant
    return int(usec) / 1e6
