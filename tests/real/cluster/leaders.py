"""Processes that compete for one block, what they wrote down, and who finds two of them in it at once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.real.cluster.daemons import wait_until
from tests.real.cluster.frozen import freeze_outside_of_a_transaction

from bascule.cluster import FENCES_SQL

PROGRAM = Path(__file__).with_name("leader_process.py")


def overlaps(lines: Sequence[str]) -> list[str]:
    """Everybody who worked after somebody with a higher token had begun, by the clock that all of them share."""
    noted = sorted((line.split() for line in lines if line.endswith("\n")), key=lambda words: float(words[3]))
    newest, found = 0, []
    for who, what, token, at in noted:
        if what in {"begins", "works", "child-works"} and int(token) < newest:
            found.append(f"{who} {what} with token {token} after {newest} at {at}")
        newest = max(newest, int(token))
    return found


def out_of_order(rows: Sequence[tuple[str, int]]) -> list[str]:
    """Every row that was written after one with a higher token, in the order of the database."""
    newest, found = 0, []
    for who, token in rows:
        if token < newest:
            found.append(f"{who} wrote with token {token} after {newest}")
        newest = max(newest, token)
    return found


class Leaders:
    """Processes that all want into the block.

    Args:
        directory: For the diary and for the database that they work on.
        store: Where their leases live, as a text.
    """

    def __init__(self, directory: Path, store: str) -> None:
        self.diary = directory / "diary.txt"
        self.store = store
        self._directory = directory
        self._work = directory / "work.db"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        connection = sqlite3.connect(self._work)
        connection.executescript(FENCES_SQL)
        connection.execute("CREATE TABLE work (number INTEGER PRIMARY KEY, who TEXT, token INTEGER)")
        connection.close()

    def start(self, name: str, *habits: str, ttl_s: float = 1.0) -> None:
        argv = [sys.executable, str(PROGRAM), name, str(self._directory), self.store, str(ttl_s), *habits]
        self._running[name] = subprocess.Popen(argv, start_new_session=True)

    def lines(self) -> list[str]:
        return self.diary.read_text().splitlines(keepends=True) if self.diary.exists() else []

    def rows(self) -> list[tuple[str, int]]:
        connection = sqlite3.connect(self._work)
        rows = connection.execute("SELECT who, token FROM work ORDER BY number").fetchall()
        connection.close()
        return [(str(who), int(token)) for who, token in rows]

    def inside(self, besides: str = "") -> str:
        """Who works now, and is not `besides`; waits until somebody does."""
        before = len(self.lines())

        def working() -> list[str]:
            return [line.split()[0] for line in self.lines()[before:] if line.split()[1:2] == ["works"]]

        wait_until(lambda: any(name != besides for name in working()), lambda: "".join(self.lines()[-5:]), 60)
        return next(name for name in working() if name != besides)

    def has_noted(self, name: str, what: str) -> None:
        """Wait until it has."""
        begin = f"{name} {what} "
        wait_until(lambda: any(line.startswith(begin) for line in self.lines()), f"{begin}is not in the diary")

    def send(self, name: str, number: int) -> None:
        self._running[name].send_signal(number)

    def freeze(self, name: str) -> None:
        """Freeze it, while it holds the lock of no file."""

        def send(number: int) -> None:
            if number == signal.SIGSTOP:
                freeze_outside_of_a_transaction(lambda number: self.send(name, number), self._work)
            else:
                self.send(name, number)

        if self.store.startswith("sqlite://"):
            freeze_outside_of_a_transaction(send, Path(self.store.removeprefix("sqlite://")))
        else:
            send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.send(name, signal.SIGCONT)

    def exit_code(self, name: str) -> int:
        return self._running.pop(name).wait(60)

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()
