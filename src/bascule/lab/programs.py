"""What can be done to programs: members launched and broken, auxiliary processes, and single commands."""

from __future__ import annotations

import os
import signal

from bascule.chaos.platform import ProcessView
from bascule.kernel.errors import LabError
from bascule.lab import protocol as say
from bascule.lab.clocks import Clocks
from bascule.lab.hosts import Hosts
from bascule.lab.members import Members, Program
from bascule.lab.ownership import Owner
from bascule.lab.pipes import Collector


class Programs:
    """Everything that is started on the hosts of a lab."""

    def __init__(self, members: Members, hosts: Hosts, clocks: Clocks) -> None:
        self._members = members
        self._hosts = hosts
        self._clocks = clocks
        self._runs = 0

    async def launch(self, request: say.LaunchMember) -> None:
        """Register a member and start it."""
        self._hosts.powered(request.host)
        owner = Owner(request.member, request.directory, request.host, member=True)
        number = _signal_number(request.launch.stop_signal)
        launch = request.launch
        environment = {**self._clocks.environment(request.member), **launch.environment}
        self._members.register(Program(owner, launch.argv, environment, number, launch.capabilities))
        self._members.start(request.member)

    async def start(self, request: say.StartMember) -> None:
        """Start a member again if it is down."""
        program = self._members.program(request.member)
        if not program.owner.member:
            raise LabError(f"{request.member} is not a member of the system")
        self._hosts.powered(program.owner.host)
        self._members.start(request.member)

    async def stop(self, request: say.StopMember) -> None:
        """End a member gracefully, or else by SIGKILL."""
        await self._members.stop(request.member, request.timeout_s)

    async def kill(self, request: say.Kill) -> tuple[int, ...]:
        """SIGKILL a member's tree, or the topmost process of one command."""
        self._members.program(request.member)
        if request.command:
            return await self._members.kill_topmost(request.member, request.command)
        return await self._members.kill([request.member])

    async def freeze(self, request: say.Freeze) -> tuple[int, ...]:
        """SIGSTOP a member's tree."""
        return await self._members.freeze(request.member)

    async def thaw(self, request: say.Thaw) -> None:
        """SIGCONT a member's tree."""
        await self._members.thaw(request.member)

    async def processes(self, request: say.Processes) -> tuple[ProcessView, ...]:
        """List a member's tree."""
        return self._members.views(request.member)

    async def spawn(self, request: say.Spawn) -> int:
        """Start an auxiliary process."""
        self._hosts.powered(request.host)
        owner = Owner(request.name, request.directory, request.host, member=False)
        program = Program(owner, request.argv, request.environment, signal.SIGTERM, request.capabilities)
        program.output = request.output
        self._members.register(program)
        return self._members.start(request.name)

    async def signal(self, request: say.Signal) -> None:
        """Send a signal to a program's main process."""
        self._members.signal(request.name, request.number)

    async def wait(self, request: say.Wait) -> int | None:
        """Wait for a program's end."""
        return await self._members.wait(request.name, request.timeout_s)

    async def run(self, request: say.Run) -> say.Completed:
        """Run a command to its end; nothing that it started outlives it."""
        self._hosts.powered(request.host)
        self._runs += 1
        name = f"run-{self._runs}"
        owner = Owner(name, request.directory, request.host, member=False)
        program = Program(owner, request.argv, request.environment, signal.SIGTERM, request.capabilities)
        self._members.register(program)
        try:
            return await self._run_to_end(name, request)
        finally:
            await self._members.kill([name])
            self._members.forget(name)

    async def _run_to_end(self, name: str, request: say.Run) -> say.Completed:
        with Collector(say.OUTPUT_LIMIT_BYTES) as stdout, Collector(say.OUTPUT_LIMIT_BYTES) as stderr:
            entry = os.memfd_create(name, os.MFD_CLOEXEC)
            try:
                os.write(entry, request.input)
                os.lseek(entry, 0, os.SEEK_SET)
                self._members.start(name, stdin=entry, outputs=(stdout.writing, stderr.writing))
            finally:
                os.close(entry)
            stdout.release()
            stderr.release()
            code = await self._members.wait(name, request.timeout_s)
            if code is None:
                raise LabError(f"{request.argv[0]} did not end within {request.timeout_s:g} s", hint="it was killed")
            return say.Completed(exit_code=code, stdout=await stdout.all(), stderr=await stderr.all())


def _signal_number(name: str) -> int:
    try:
        return signal.Signals[name]
    except KeyError:
        raise LabError(f"{name!r} is not a signal", hint="write it like SIGTERM") from None
