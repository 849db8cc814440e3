"""The supervised programs: started, reaped, followed through every fork, stopped, frozen and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from bascule.chaos.platform import ProcessState, ProcessView
from bascule.engines.protocols import Capability
from bascule.kernel.errors import LabError
from bascule.lab import processes, shared_memory, spawning
from bascule.lab.logs import LogCopier
from bascule.lab.names import LOGS, TEMPORARY
from bascule.lab.ownership import Clue, Key, Owner, Row, below, owners, topmost
from bascule.lab.protocol import MemberStatus
from bascule.lab.spawning import Order

KILL_LIMIT_S = 5.0
FREEZE_LIMIT_S = 3.0
_POLL_S = 0.002

Namespaces = Callable[[str], int]


class Program:
    """One supervised program and how it fares."""

    def __init__(
        self,
        owner: Owner,
        argv: tuple[str, ...],
        environment: dict[str, str],
        stop_signal: int,
        capabilities: tuple[Capability, ...] = (),
    ) -> None:
        self.owner = owner
        self.argv = argv
        self.environment = environment
        self.stop_signal = stop_signal
        self.capabilities = capabilities
        self.pid = 0
        self.starts = 0
        self.exit_code: int | None = None
        self.since_s = 0.0
        self.output = ""
        self.ended = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether its main process lives."""
        return self.pid != 0


class Members:
    """Every supervised program of the lab, by name; members and auxiliary processes share the names.

    Args:
        directory: The lab's.
        identity: The lab's mark.
        namespace: The network namespace of each host; None where hosts have none. Then there is no pid namespace
            either: programs must be told to die with the supervisor, and only its descendants are looked at.
    """

    def __init__(self, directory: Path, identity: str, namespace: Namespaces | None) -> None:
        self._directory = directory
        self._identity = identity
        self._namespace = namespace
        self._programs: dict[str, Program] = {}
        self._by_pid: dict[int, Program] = {}
        self._known: dict[Key, str] = {}
        self._host_numbers: dict[int, str] = {}
        self._copiers: set[LogCopier] = set()
        self._since_wall_s = time.time()
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.on_exit: Callable[[str], None] = lambda _: None
        self.prepare: Callable[[Owner], None] = lambda _: None

    @property
    def identity(self) -> str:
        """The lab's mark."""
        return self._identity

    # -- registering and starting

    def name_hosts(self, hosts: Iterable[str]) -> None:
        """Learn by which number the kernel knows each host's network: the clue that a process cannot shed."""
        if self._namespace is not None:
            self._host_numbers = {os.fstat(self._namespace(host)).st_ino: host for host in hosts}

    def register(self, program: Program) -> None:
        """Add a program, in place of one of the same name that is down.

        Raises:
            LabError: One of this name is up, its directory is missing, or it wants rights over this machine's network.
        """
        name = program.owner.name
        before = self._programs.get(name)
        if before is not None and before.is_up:
            raise LabError(f"{name} is up already", hint="stop it first, or choose another name")
        if program.capabilities and self._namespace is None:
            hint = "only in namespaces have hosts a network of their own: --isolation namespaces"
            raise LabError(f"{name} would change the network of this machine", hint=hint)
        if not Path(program.owner.directory).is_dir():
            raise LabError(f"the directory in which {name} shall start does not exist", where=program.owner.directory)
        self._programs[name] = program

    def start(
        self, name: str, *, stdin: int | None = None, outputs: tuple[int, int] | None = None, keep: tuple[int, ...] = ()
    ) -> int:
        """Start a registered program if it is down; returns its pid.

        Args:
            name: The program.
            stdin: What it reads; by default nothing.
            outputs: Where its output and its errors go; by default into its file or log.
            keep: Further descriptors that it gets.

        Raises:
            LabError: It cannot be started.
        """
        program = self.program(name)
        if program.is_up:
            return program.pid
        self.prepare(program.owner)
        opened = None if outputs else self._open_output(program)
        stdout, stderr = outputs or (opened or 0, opened or 0)
        try:
            program.pid = spawning.start(
                Order(
                    argv=program.argv,
                    environment=spawning.environment(
                        name, self._identity, self._directory / TEMPORARY, program.environment
                    ),
                    directory=program.owner.directory,
                    namespace=self._namespace(program.owner.host) if self._namespace else None,
                    mortal=self._namespace is None,
                    stdin=self._null if stdin is None else stdin,
                    stdout=stdout,
                    stderr=stderr,
                    keep=keep,
                    capabilities=program.capabilities,
                )
            )
        finally:
            if opened is not None:
                os.close(opened)
        self._adopt(program)
        return program.pid

    def _adopt(self, program: Program) -> None:
        row = processes.row(program.pid)
        if row is not None:
            self._known[row.key] = program.owner.name
        self._by_pid[program.pid] = program
        program.starts += 1
        program.since_s = time.monotonic()
        program.ended.clear()

    def _open_output(self, program: Program) -> int:
        if program.output:
            return os.open(program.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        reading, writing = os.pipe()
        path = self._directory / LOGS / f"{program.owner.name}.log"
        copier = LogCopier(asyncio.get_running_loop(), reading, path, self._copiers.discard)
        self._copiers.add(copier)
        return writing

    # -- watching

    def program(self, name: str) -> Program:
        """The program of this name.

        Raises:
            LabError: There is none.
        """
        if name not in self._programs:
            raise LabError(f"nothing called {name!r} was started in this lab")
        return self._programs[name]

    def forget(self, name: str) -> None:
        """Drop a program that has ended."""
        self._programs.pop(name, None)

    def on_host(self, host: str, *, auxiliary: bool = False) -> list[str]:
        """The members of a host, in the order in which they were launched; with auxiliary processes if asked."""
        return [
            name
            for name, program in self._programs.items()
            if program.owner.host == host and (program.owner.member or auxiliary)
        ]

    def on_hosts(self, hosts: Iterable[str]) -> list[str]:
        """The members of these hosts, in the order in which they were launched, whatever that of the hosts is."""
        chosen = set(hosts)
        return [name for name, each in self._programs.items() if each.owner.member and each.owner.host in chosen]

    def reap(self) -> None:
        """Take note of every child that ended; adopted orphans are let go, so that none stays a zombie."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            program = self._by_pid.pop(pid, None)
            if program is not None and program.pid == pid:
                program.pid = 0
                program.exit_code = os.waitstatus_to_exitcode(status)
                program.since_s = time.monotonic()
                program.ended.set()
                self.on_exit(program.owner.name)

    def _scan(self) -> tuple[dict[int, Row], dict[int, str]]:
        rows = processes.table()
        if self._namespace is None:
            rows = below(rows, os.getpid())
        programs = {name: program.owner for name, program in self._programs.items()}
        return rows, owners(rows, self._known, programs, self._look)

    def _look(self, row: Row) -> Clue:
        return processes.look(row.pid, self._host_numbers)

    def trees(self, names: Iterable[str]) -> dict[int, Row]:
        """The live processes of these programs, by pid."""
        chosen = set(names)
        rows, owned = self._scan()
        return {pid: rows[pid] for pid, name in owned.items() if name in chosen and rows[pid].lives}

    def views(self, name: str) -> tuple[ProcessView, ...]:
        """The live processes of a program, main process first."""
        main = self.program(name).pid
        rows = sorted(self.trees([name]).values(), key=lambda row: (row.pid != main, row.start, row.pid))
        return tuple(ProcessView(pid=row.pid, command=row.command, state=_state(row)) for row in rows)

    def statuses(self) -> tuple[MemberStatus, ...]:
        """How every member fares."""
        rows, owned = self._scan()
        found: list[MemberStatus] = []
        for name, program in self._programs.items():
            if not program.owner.member:
                continue
            tree = [rows[pid] for pid, owner in owned.items() if owner == name and rows[pid].lives]
            state: ProcessState = "running" if program.is_up else "exited" if program.starts else "absent"
            if program.is_up and tree and all(row.state == "T" for row in tree):
                state = "frozen"
            found.append(
                MemberStatus(
                    name=name,
                    host=program.owner.host,
                    state=state,
                    pid=program.pid,
                    restarts=max(0, program.starts - 1),
                    exit_code=program.exit_code,
                    since_s=program.since_s,
                )
            )
        return tuple(found)

    def memory_bytes(self) -> int:
        """Memory of every process of the lab, the supervisor's own included."""
        owned = self._scan()[1]
        return processes.proportional_bytes({*owned, os.getpid()})

    # -- acting on a tree

    async def kill(self, names: Iterable[str]) -> tuple[int, ...]:
        """SIGKILL whole trees, all of them at one go, until nothing of them lives; returns every pid that was hit."""
        chosen = tuple(names)
        hit: dict[int, None] = {}
        async for tree in _rounds(KILL_LIMIT_S, "could not be killed", lambda: self.trees(chosen)):
            for pid in tree:
                _send(pid, signal.SIGKILL)
                hit[pid] = None
        await self._main_ended(chosen)
        return tuple(hit)

    async def kill_topmost(self, name: str, command: str) -> tuple[int, ...]:
        """SIGKILL the topmost process of `command` in the program's tree, it alone.

        Raises:
            LabError: It has no such process.
        """
        self.program(name)
        rows, owned = self._scan()
        tree = [pid for pid, owner in owned.items() if owner == name and rows[pid].lives]
        pid = topmost(rows, tree, command)
        if pid is None:
            seen = ", ".join(sorted({rows[each].command for each in tree})) or "no process at all"
            raise LabError(f"{name} has no process called {command!r}", hint=f"it has {seen}")
        _send(pid, signal.SIGKILL)
        key = rows[pid].key
        async for _ in _rounds(KILL_LIMIT_S, "could not be killed", lambda: _alive(key)):
            pass
        await self.note_end(name, pid)
        return (pid,)

    async def note_end(self, name: str, pid: int) -> None:
        """A process of a program has died: if it was the main one, that is noted, and a start now is one."""
        if self.program(name).pid == pid:
            await self._main_ended([name])

    async def freeze(self, name: str) -> tuple[int, ...]:
        """SIGSTOP the tree until every thread of every process of it is stopped; returns every pid that was hit."""
        self.program(name)
        hit: dict[int, None] = {}

        def moving() -> dict[int, Row]:
            return {pid: row for pid, row in self.trees([name]).items() if row.state != "T"}

        async for tree in _rounds(FREEZE_LIMIT_S, "could not be frozen", moving):
            for pid in tree:
                _send(pid, signal.SIGSTOP)
                hit[pid] = None
        return tuple(hit)

    async def thaw(self, name: str) -> None:
        """SIGCONT the tree until nothing of it is stopped."""
        self.program(name)

        def stopped() -> dict[int, Row]:
            return {pid: row for pid, row in self.trees([name]).items() if row.state == "T"}

        async for tree in _rounds(FREEZE_LIMIT_S, "could not be thawed", stopped):
            for pid in tree:
                _send(pid, signal.SIGCONT)

    async def stop(self, name: str, timeout_s: float) -> None:
        """End a program by its stop signal, or, after the timeout, by SIGKILL; nothing of its tree is left."""
        program = self.program(name)
        if program.is_up:
            _send(program.pid, program.stop_signal)
            await self.wait(name, timeout_s)
        await self.kill([name])

    async def wait(self, name: str, timeout_s: float) -> int | None:
        """The exit code of a program once its main process has ended; None when that takes longer than `timeout_s`."""
        program = self.program(name)
        if program.is_up:
            try:
                async with asyncio.timeout(timeout_s):
                    await program.ended.wait()
            except TimeoutError:
                return None
        return program.exit_code

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a program's main process; one that is down gets none."""
        program = self.program(name)
        if program.is_up:
            _send(program.pid, number)

    async def kill_all(self) -> None:
        """SIGKILL every program and all that came of it, and remove the shared memory that this orphans."""
        shared_memory.sweep(await self.kill(tuple(self._programs)), self._since_wall_s)

    async def _main_ended(self, names: Iterable[str]) -> None:
        for name in names:
            program = self.program(name)
            if program.is_up:
                try:
                    await asyncio.wait_for(program.ended.wait(), KILL_LIMIT_S)
                except TimeoutError as error:
                    raise LabError(f"the end of {name} was not noted within {KILL_LIMIT_S:.0f} s") from error


async def _rounds(
    limit_s: float, complaint: str, remaining: Callable[[], dict[int, Row]]
) -> AsyncIterator[dict[int, Row]]:
    """What remains, round after round, until nothing does.

    Raises:
        LabError: Something still remains after `limit_s`.
    """
    deadline_s = time.monotonic() + limit_s
    while tree := remaining():
        if time.monotonic() > deadline_s:
            stuck = ", ".join(f"{row.pid} {row.command} ({row.state})" for row in tree.values())
            raise LabError(f"processes {complaint} within {limit_s:.0f} s: {stuck}")
        yield tree
        await asyncio.sleep(_POLL_S)


def _alive(key: Key) -> dict[int, Row]:
    row = processes.row(key[0])
    return {row.pid: row} if row is not None and row.start == key[1] and row.lives else {}


def _state(row: Row) -> ProcessState:
    return "frozen" if row.state == "T" else "running"


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself
