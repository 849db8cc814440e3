"""A process that wants into a block that one process may be in. Run by `leaders.Leaders`.

    leader_process.py NAME DIRECTORY STORE TTL_S [HABIT ...]

It writes a diary, one line for each step: NAME WHAT TOKEN SECONDS, by the clock that all processes of the machine
share, read *before* the lease is looked at: who was frozen between the look and the line did the step in time.

Habits: `task` (an asyncio task and not a thread), `crashes` (the block raises), `abandons` (the program ends within
the block), `daemon` (as that, with the block in a daemon thread), `forks` (a child goes on), `fenced` and `unfenced`
(writes rows into a database, with the token checked or not), `careless` (never looks at its lease: a mutant).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

from bascule.cluster import Leadership, Term, guarded
from bascule.kernel.errors import LeadershipLostError

NAME, DIRECTORY, STORE, TTL_S, *HABITS = sys.argv[1:]
PAUSE_S = 0.01
DIARY = os.open(Path(DIRECTORY) / "diary.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
leaving = threading.Event()


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def note(what: str, term: Term, at_s: float) -> None:
    os.write(DIARY, f"{NAME} {what} {term.token} {at_s:.6f}\n".encode())


def step(term: Term, connection: sqlite3.Connection) -> None:
    at_s = now_s()
    if "careless" not in HABITS:
        term.check()
    note("works", term, at_s)
    row = ("INSERT INTO work (who, token) VALUES (?, ?)", (NAME, term.token))
    if "fenced" in HABITS:
        with guarded(term, connection):
            connection.execute(*row)
    elif "unfenced" in HABITS:
        connection.execute(*row)
        connection.commit()


def go_on_in_a_child(term: Term) -> None:
    """A child that never ends by itself, and works whenever it is told that it leads."""
    parent = os.getpid()
    if os.fork() == 0:
        note("child-begins", term, now_s())
        while os.getppid() == parent:
            if not term.lost.is_set():
                note("child-works", term, now_s())
            time.sleep(PAUSE_S)
        os._exit(0)


def open_work() -> sqlite3.Connection:
    connection = sqlite3.connect(Path(DIRECTORY) / "work.db", timeout=20)
    connection.execute("PRAGMA synchronous = OFF")  # who is frozen is seldom within a transaction then
    return connection


def work(term: Term) -> None:
    note("begins", term, now_s())
    if "crashes" in HABITS:
        raise SystemExit(3)
    if "forks" in HABITS:
        go_on_in_a_child(term)
    with contextlib.closing(open_work()) as connection:
        while not leaving.is_set():
            step(term, connection)
            time.sleep(PAUSE_S)


async def work_as_a_task(term: Term) -> None:
    note("begins", term, now_s())
    if "crashes" in HABITS:
        raise SystemExit(3)
    with contextlib.closing(open_work()) as connection:
        while not leaving.is_set():
            step(term, connection)
            await asyncio.sleep(PAUSE_S)


def leadership() -> Leadership:
    return Leadership("job", store=STORE, ttl_s=float(TTL_S))


async def lead_as_a_task() -> None:
    while not leaving.is_set():
        token = 0
        try:
            async with leadership() as term:
                token = term.token
                await work_as_a_task(term)
        except LeadershipLostError:
            os.write(DIARY, f"{NAME} lost {token} {now_s():.6f}\n".encode())


def lead() -> None:
    while not leaving.is_set():
        token = 0
        try:
            with leadership() as term:
                token = term.token
                work(term)
        except LeadershipLostError:
            os.write(DIARY, f"{NAME} lost {token} {now_s():.6f}\n".encode())


def enter_and_never_leave() -> None:
    term = leadership().__enter__()
    note("begins", term, now_s())
    step(term, sqlite3.connect(":memory:"))


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    if "abandons" in HABITS:
        enter_and_never_leave()
    elif "daemon" in HABITS:
        threading.Thread(target=lead, daemon=True).start()
        while not leaving.is_set():
            time.sleep(PAUSE_S)
    elif "task" in HABITS:
        asyncio.run(lead_as_a_task())
    else:
        lead()


if __name__ == "__main__":
    main()
