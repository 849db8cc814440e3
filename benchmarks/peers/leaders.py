"""One process that wants to lead, with ours or with a peer: `leaders.py SUBJECT STORE LEASE_S DIARY`.

The diary gets one line for each 2 ms in which it leads, as its library tells it: the seconds of CLOCK_BOOTTIME, which
all processes of the machine share. It leaves at SIGTERM. Each library is used as its documentation says for a process
that leads for as long as it can: with a heart that beats by itself, and a lock that is waited for.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

EVERY_S = 0.002
GROUP = "job"
Believes = Callable[[], bool]


@contextlib.contextmanager
def bascule(store: str, lease_s: float) -> Iterator[Believes]:
    """Ours, in a thread."""
    from bascule.cluster import Leadership  # noqa: PLC0415 - it is not in the peers' environment

    with Leadership(GROUP, store=store, ttl_s=lease_s) as term:
        yield lambda: not term.lost.is_set()


@contextlib.contextmanager
def tooz(store: str, lease_s: float) -> Iterator[Believes]:
    """tooz: `etcd3+http://HOST:PORT` or `file:///DIRECTORY`."""
    coordination: Any = importlib.import_module("tooz.coordination")  # it is in the peers' environment alone

    limits = f"?lock_timeout={lease_s:.0f}&membership_timeout={lease_s:.0f}" if store.startswith("etcd") else ""
    coordinator = coordination.get_coordinator(store + limits, str(os.getpid()).encode())
    coordinator.start(start_heart=True)
    lock = coordinator.get_lock(GROUP.encode())
    lock.acquire()
    try:
        yield lambda: bool(lock.acquired)
    finally:
        lock.release()
        coordinator.stop()


SUBJECTS: dict[str, Callable[[str, float], AbstractContextManager[Believes]]] = {"bascule": bascule, "tooz": tooz}


def main() -> None:
    """Lead until SIGTERM."""
    subject, store, lease_s, diary = sys.argv[1:]
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    line = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with SUBJECTS[subject](store, float(lease_s)) as believes:
        while not leaving.is_set():
            at_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            if believes():
                os.write(line, f"{at_s:.6f}\n".encode())
            time.sleep(EVERY_S)


if __name__ == "__main__":
    main()
