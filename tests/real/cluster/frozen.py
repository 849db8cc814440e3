"""Freezes a process that keeps leases in a SQLite file, but not while it holds the file's lock."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path


def freeze_outside_of_a_transaction(send: Callable[[int], None], store: Path) -> None:
    """Freeze it by SIGSTOP; one that holds the lock meanwhile keeps everybody out, as the docs say, and goes on."""
    connection = sqlite3.connect(store, timeout=0.2, isolation_level=None)
    try:
        for _ in range(100):
            send(signal.SIGSTOP)
            try:
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                send(signal.SIGCONT)
            else:
                return
    finally:
        connection.close()
    raise AssertionError("it always holds the lock")
