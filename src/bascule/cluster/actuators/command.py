"""Commands that run where a group becomes active and where it no longer is; or a program that lives there.

What is not caught: a child that a hook leaves behind outside of its session (`setsid`) when the hook hangs and is
killed. Undoing what a hook left in the background is the demote hook's work; a program that must be ended whatever it
does is run as `run`, or, better still, as a systemd unit (kind `systemd`), whose control group nothing can leave.
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

from bascule.cluster.actuators.command_run import RunningProgram
from bascule.cluster.actuators.hook import Hook, check_argv, check_limit, variables
from bascule.cluster.actuators.port import Actuator, Seen, Term
from bascule.cluster.programs.processes import everything, kill_all
from bascule.cluster.programs.record import Record, RecordFile
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
KILL_WITHIN_S = 2.0


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="command"):
    """Which commands follow the lease: `promote` and `demote`, or `run`.

    No shell is between: write `["sh", "-c", "..."]` where one is wanted. Each is told, in its environment:
    BASCULE_CLUSTER, BASCULE_GROUP, BASCULE_AGENT, BASCULE_TOKEN (the fencing token: grows with each term) and
    BASCULE_UNTIL (the end of the validity as it was at the promotion, in seconds of `CLOCK_BOOTTIME`; renewals move it
    on). A demote command is told of the term that it ends, and of none when there
    was none: it also runs at the agent's start. It may run twice at once, when a frozen agent thaws.

    Attributes:
        name: What is started, in a word: the same on all agents, and only once on this machine.
        promote: Makes it so; returns when it is. What it leaves in the background should write to a file of its own:
            its output is read no longer than the hook lives.
        demote: Makes it no longer so; also when it never was.
        check: Says how it is by its exit code: 0 active; 1, 3 or 7 passive; anything else: not known.
        run: A program that does not go to the background. It is started at promote, is ready when `check` passes,
            is asked to end at demote, by SIGTERM to its process group, and after `stop_within` all that is left of it
            is killed, with whatever it started. The kernel kills it when the agent dies (unless it is set-user-ID, or
            changes its user: the guardian does it then). Its output is the agent's.
        promote_within: How long the promote command may take. Less than the agent's `promote_within`.
        demote_within: How long the demote command may take.
        check_within: How long one check may take.
        ready_within: How long it may take, after the start or the promote command, until the check passes.
        stop_within: How long after SIGTERM the program is killed; sooner if the validity ends.
        state_directory: Where is kept what was started, for the guardian, and for the agent after a crash.
    """

    name: str
    promote: tuple[str, ...] = ()
    demote: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    promote_within: Duration = Duration(5.0)
    demote_within: Duration = Duration(5.0)
    check_within: Duration = Duration(1.0)
    ready_within: Duration = Duration(5.0)
    stop_within: Duration = Duration(5.0)
    state_directory: str = "/run/bascule"


def make(options: Options) -> Actuator:
    """The actuator; nothing runs yet.

    Raises:
        InputError: An option is impossible.
    """
    if not _NAME.fullmatch(options.name):
        hint = "letters, digits and _.-, at most 63"
        raise InputError(f"{options.name[:80]!r} is no name", where="name", hint=hint)
    if not options.state_directory.startswith("/") or "\0" in options.state_directory:
        raise InputError(f"{options.state_directory[:80]!r} is no absolute path", where="state_directory")
    for limit in ("promote_within", "demote_within", "check_within", "ready_within", "stop_within"):
        check_limit(getattr(options, limit), where=limit)
    needed = ("run", "check") if options.run else ("promote", "demote")
    for argv in needed:
        check_argv(getattr(options, argv), where=argv)
    if options.run and (options.promote or options.demote):
        raise InputError("there is `run` as well as `promote` or `demote`", where="run", hint="make it two actuators")
    record = RecordFile(options.state_directory, options.name)
    name = f"command {options.name}"
    if options.check:
        check_argv(options.check, where="check")
    check = Hook("check", options.check, options.check_within.seconds, name)
    if options.run:
        return RunningProgram(
            name,
            options.run,
            check,
            record,
            ready_s=options.ready_within.seconds,
            stop_s=options.stop_within.seconds,
            clock=BootClock(),
        )
    return Hooks(
        name,
        Hook("promote", options.promote, options.promote_within.seconds, name),
        Hook("demote", options.demote, options.demote_within.seconds, name),
        check if options.check else None,
        record,
        ready_s=options.ready_within.seconds,
        clock=BootClock(),
    )


class Hooks:
    """Two commands, and one that looks.

    A promote command that still runs when it is to be demoted is killed first, with its session, also one that another
    process started.

    Args:
        name: For people.
        promote, demote: The commands.
        check: Says how it is; None: nobody can say.
        record: Where is kept what was started.
        ready_s: How long it may take, after a command, until the check agrees.
        clock: `CLOCK_BOOTTIME`.
    """

    def __init__(
        self,
        name: str,
        promote: Hook,
        demote: Hook,
        check: Hook | None,
        record: RecordFile,
        *,
        ready_s: float,
        clock: Clock,
    ) -> None:
        self.name = name
        self._promote = promote
        self._demote = demote
        self._check = check
        self._record = record
        self._ready_s = ready_s
        self._clock = clock
        self._until_s = -math.inf
        self._told: dict[str, str] = {}
        self._done_token: int | None = None

    async def promote(self, term: Term) -> None:
        """Run the promote command, and see the check pass; neither is begun after the validity's end.

        Raises:
            ActuatorError: A command failed, or did not end in time; what it did may be half done.
        """
        if self._clock.monotonic_s() >= term.until_s:
            raise ActuatorError("the validity has ended", where=self.name, hint="the next term will be tried")
        self._told, self._until_s = variables(term), term.until_s
        if self._done_token == term.token and self._check and (await self._check.look(self._told))[0] == "active":
            return
        self._done_token = None
        self._record.prepare()
        await self._end_unfinished(self._record.read())
        argv = self._record.bound(self._promote.argv, until_s=self._until_s, dies=False)
        await self._promote.do(self._told, argv)
        if self._check:
            await self._check.becomes("active", self._told, self._ready_s)
        self._done_token = term.token

    def extend(self, term: Term) -> None:
        """A command that is begun later may still be begun; nothing else."""
        self._until_s = term.until_s

    async def demote(self) -> None:
        """Run the demote command, and see the check fail.

        Raises:
            ActuatorError: A command failed, or did not end in time, or the check still passes, or says nothing of use.
        """
        self._done_token = None
        started = self._record.read()
        await self._end_unfinished(started)
        told = self._told or (started.term if started else {})
        await self._demote.do(told)
        if self._check:
            await self._check.becomes("passive", told, self._ready_s)
        self._record.remove()
        self._told = {}

    async def look(self) -> Seen:
        """What the check says; unknown without one."""
        return (await self._check.look(self._told))[0] if self._check else "unknown"

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _end_unfinished(self, started: Record | None) -> None:
        """Kill a promote command that still runs; it was started by an agent that is frozen, or was killed."""
        if started is None or started.process is None:
            return  # one that has ended may have left something on purpose: the demote command knows
        session = started.pid
        left = await kill_all(
            lambda: [one for one in everything().values() if one.session == session and not one.is_dead], KILL_WITHIN_S
        )
        if left:
            what = f"an earlier promote command cannot be ended: process {left[0].pid}"
            raise ActuatorError(what, where=self.name, hint="does it hang in the kernel, or is it another user's?")
