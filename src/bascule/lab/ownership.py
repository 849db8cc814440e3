"""Whose process is it? A member's tree, its orphans and its daemons included. Pure.

Marks in the environment alone are not enough: PostgreSQL overwrites the memory in which the kernel reads them. So a
process is its parent's owner's while it has that parent; what was known once stays known; and for the others there are
clues, the strongest first: the mark, the session, the directory, and the host's network, which nobody can leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

Key = tuple[int, int]
"""A process for good: its pid and its start time (pids come again)."""


class Row(Struct, frozen=True):
    """One line of the process table. `state` is the kernel's letter: `T` when every thread of it is stopped."""

    pid: int
    command: str
    state: str
    parent: int
    session: int
    start: int

    @property
    def key(self) -> Key:
        """The process for good."""
        return (self.pid, self.start)

    @property
    def lives(self) -> bool:
        """Whether it is more than a zombie."""
        return self.state not in {"Z", "X"}


class Clue(Struct, frozen=True):
    """What a process itself shows: the mark in its environment, its directory, the host whose network it is in."""

    mark: str = ""
    directory: str = ""
    host: str = ""


class Owner(Struct, frozen=True):
    """A supervised program: where it was started, on which host, and whether it is a member or auxiliary."""

    name: str
    directory: str
    host: str
    member: bool


def owners(
    rows: Mapping[int, Row],
    known: dict[Key, str],
    programs: Mapping[str, Owner],
    look: Callable[[Row], Clue],
) -> dict[int, str]:
    """The owner of each process that has one.

    Args:
        rows: The process table, by pid.
        known: Owners found so far, by process; the empty name is nobody's. Updated; the dead are forgotten.
        programs: Every supervised program, by name.
        look: Reads the clues of one process; asked only about processes that nothing else explains.
    """
    for key in [key for key in known if key[0] not in rows or rows[key[0]].start != key[1]]:
        del known[key]
    for row in _eldest_first(rows):
        if known.get(row.key):
            continue
        parent = rows.get(row.parent)
        owner = known.get(parent.key, "") if parent else ""
        if not owner and row.key not in known:
            owner = _by_clues(row, rows, known, programs, look(row))
        known[row.key] = owner
    return {pid: known[row.key] for pid, row in rows.items() if known[row.key]}


def _eldest_first(rows: Mapping[int, Row]) -> Iterable[Row]:
    return sorted(rows.values(), key=lambda row: (row.start, row.pid))


def _by_clues(
    row: Row, rows: Mapping[int, Row], known: Mapping[Key, str], programs: Mapping[str, Owner], clue: Clue
) -> str:
    if clue.mark in programs:
        return clue.mark
    leader = rows.get(row.session)
    if leader is not None and known.get(leader.key):
        return known[leader.key]
    members = [program for program in programs.values() if program.member]
    for program in members:
        if program.directory and (clue.directory + "/").startswith(program.directory + "/"):
            return program.name
    there = [program.name for program in members if clue.host and program.host == clue.host]
    return there[0] if len(there) == 1 else ""


def topmost(rows: Mapping[int, Row], tree: Iterable[int], command: str) -> int | None:
    """The process of this command that no other of the same command stands above; the eldest, if several."""
    mine = {pid for pid in tree if rows[pid].command == command}
    tops = [pid for pid in mine if not any(ancestor in mine for ancestor in ancestors(rows, pid))]
    return min(tops, key=lambda pid: rows[pid].key[::-1], default=None)


def ancestors(rows: Mapping[int, Row], pid: int) -> Iterable[int]:
    """The parents of a process, nearest first."""
    seen = {pid}
    parent = rows[pid].parent
    while parent in rows and parent not in seen:
        yield parent
        seen.add(parent)
        parent = rows[parent].parent


def below(rows: Mapping[int, Row], ancestor: int) -> dict[int, Row]:
    """The descendants of a process: on a shared machine nobody else's is ever looked at, whatever clues it bears."""
    return {pid: row for pid, row in rows.items() if ancestor in ancestors(rows, pid)}
