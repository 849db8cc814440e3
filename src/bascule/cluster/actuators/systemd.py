"""A systemd unit that runs where the group is active: started and stopped by systemd, which holds all of its processes.

What a unit starts cannot leave its control group, whatever it does: of all ways to run a service this one leaves least
behind. It must not run for any other reason: one that systemd starts at boot, or that another unit or a socket starts,
is refused. So is one whose `KillMode` lets some of its processes go on.

Source: systemctl(1); org.freedesktop.systemd1(5) for the properties. `show --value` is not used: it prints in an order
of its own.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping

from msgspec import Struct

from bascule.cluster.actuators.hook import check_limit
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.programs.child import Ran, environment, run
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

LOOK_EVERY_S = 0.05
KILL_LEAD_S = 0.1
"""So long before the validity ends a unit that is being stopped is killed: asking systemd takes a moment."""
LAST_WORD_S = 1.0
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]{0,240}\.(service|target|mount|swap|scope|socket|timer|path)")
_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "KillMode", "TasksCurrent")
_STARTERS = ("WantedBy", "RequiredBy", "BoundBy", "UpheldBy", "TriggeredBy")
_LEAVES_SOME = frozenset({"process", "none"})


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="systemd"):
    """Which unit follows the lease.

    Attributes:
        unit: Its whole name: `postgresql@17-main.service`. It must not be enabled, nor wanted by another unit,
            and its `KillMode` is `control-group` or `mixed`.
        user: It is one of the user's own service manager.
        start_within: How long it may take to become active. Less than the agent's `promote_within`.
        stop_within: How long it may take to stop; then it is killed, and sooner if the validity ends.
        timeout: Limit of one question to systemd.
        systemctl: The program.
    """

    unit: str
    user: bool = False
    start_within: Duration = Duration(8.0)
    stop_within: Duration = Duration(8.0)
    timeout: Duration = Duration(2.0)
    systemctl: str = "systemctl"


class UnitState(Struct, frozen=True, kw_only=True):
    """A unit as systemd sees it.

    Attributes:
        load: `loaded`, `not-found`, `masked` and others.
        file: `disabled`, `static`, `enabled` and others.
        active: `active`, `inactive`, `failed`, `activating`, `deactivating` and others.
        sub: More exactly: `running`, `exited`, `auto-restart`.
        result: How its last run ended: `success`, `exit-code`, `timeout`.
        kill_mode: Whom systemd kills: `control-group`, `mixed`, `process`, `none`.
        tasks: How many processes and threads it has; None: systemd does not count them.
        starters: Which units start it, and how.
    """

    load: str
    file: str
    active: str
    sub: str
    result: str
    kill_mode: str
    tasks: int | None
    starters: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """It does not run, and nothing of it does."""
        return self.active in {"inactive", "failed"} and not self.tasks

    @property
    def seen(self) -> Seen:
        """What it is for the group."""
        if self.active in {"active", "reloading", "refreshing"}:
            return "active"
        return "passive" if self.is_over else "unknown"

    def __str__(self) -> str:
        """For errors: `failed (failed), result exit-code`."""
        return f"{self.active} ({self.sub}), result {self.result or 'unknown'}"


def parse(text: str) -> UnitState:
    """A unit's state from what `systemctl show` says.

    Raises:
        ValueError: It is none of its answers.
    """
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    for name in ("LoadState", "ActiveState"):
        if not said.get(name):
            message = f"no {name}"
            raise ValueError(message)
    tasks = said.get("TasksCurrent", "")
    known = tasks.isascii() and tasks.isdigit() and len(tasks) < 12  # 2^64-1 is how it says that it does not count
    return UnitState(
        load=said["LoadState"],
        file=said.get("UnitFileState", ""),
        active=said["ActiveState"],
        sub=said.get("SubState", ""),
        result=said.get("Result", ""),
        kill_mode=said.get("KillMode", ""),
        tasks=int(tasks) if known else None,
        starters=tuple(f"{name}={said[name]}" for name in _STARTERS if said.get(name)),
    )


def make(options: Options) -> SystemdUnit:
    """The actuator; nothing is asked yet.

    Raises:
        InputError: An option is impossible.
    """
    if not _UNIT.fullmatch(options.unit):
        hint = "its whole name, like web.service"
        raise InputError(f"{options.unit[:80]!r} is no unit", where="unit", hint=hint)
    for limit in ("start_within", "stop_within", "timeout"):
        check_limit(getattr(options, limit), where=limit)
    if not options.systemctl or "\0" in options.systemctl:
        raise InputError("systemctl has no name", where="systemctl")
    return SystemdUnit(options, BootClock())


class SystemdUnit:
    """One unit, ordered and asked through `systemctl`.

    Args:
        options: Checked by `make`.
        clock: `CLOCK_BOOTTIME`.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        self.name = f"systemd {options.unit}"
        self._options = options
        self._clock = clock
        self._until_s = math.inf
        self._before = [options.systemctl, *(["--user"] if options.user else []), "--no-ask-password", "--no-pager"]

    async def promote(self, term: Term) -> None:
        """The unit is active; it is not started once the validity has ended.

        Raises:
            ActuatorError: It is not, or it may start by itself; nothing of it is being started any more.
        """
        if self._clock.monotonic_s() >= term.until_s:
            raise ActuatorError("the validity has ended", where=self.name, hint="the next term will be tried")
        self._until_s = term.until_s
        state = await self._state()
        self._refuse(state)
        if state.seen == "active":
            return
        try:
            await self._start(state)
        except BaseException:
            await self._last_word("stop", "--no-block")
            raise

    async def _start(self, state: UnitState) -> None:
        if state.active == "failed":
            await self._order("reset-failed")  # else its limit of starts may be reached by the terms before
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.start_within.seconds
        await self._order("start", limit_s=self._options.start_within.seconds)
        while (state := await self._state()).seen != "active":
            # A unit that has come and gone (`Type=oneshot`) is not there for anybody.
            if state.is_over or loop.time() >= until_s:
                hint = f"journalctl {'--user ' if self._options.user else ''}-u {self._options.unit}"
                raise ActuatorError(f"it was started, and is {state}", where=self.name, hint=hint)
            await asyncio.sleep(LOOK_EVERY_S)

    def _refuse(self, state: UnitState) -> None:
        unit = self._options.unit
        if state.load != "loaded":
            raise ActuatorError(
                f"systemd has no such unit: {state.load}", where=self.name, hint=f"systemctl cat {unit}"
            )
        if state.file.startswith("enabled"):
            what = f"it is {state.file}: it would start by itself at boot, with no lease"
            raise ActuatorError(what, where=self.name, hint=f"systemctl disable {unit}")
        if state.kill_mode in _LEAVES_SOME:
            what = f"with KillMode={state.kill_mode} what it started goes on when it has stopped"
            raise ActuatorError(what, where=self.name, hint=f"systemctl edit {unit}: KillMode=mixed")
        if state.starters:
            what = f"another unit may start it, with no lease: {'; '.join(state.starters)[:200]}"
            raise ActuatorError(what, where=self.name, hint=f"systemctl list-dependencies --reverse {unit}; disable it")

    def extend(self, term: Term) -> None:
        """It may take longer to stop; nothing else."""
        self._until_s = term.until_s

    async def demote(self) -> None:
        """The unit does not run, nor does any process of it; it was killed if it did not stop in time.

        Raises:
            ActuatorError: It may still run.
        """
        try:
            await self._stop()
        except BaseException:
            await self._last_word("kill", "--kill-whom=all", "--signal=SIGKILL")
            raise
        self._until_s = math.inf

    async def _stop(self) -> None:
        state = await self._state()
        if state.load == "not-found" and state.is_over:
            return
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.stop_within.seconds
        is_killed = False
        await self._order("stop", "--no-block")
        while not (state := await self._state()).is_over:
            late = loop.time() >= until_s or self._clock.monotonic_s() >= self._until_s - KILL_LEAD_S
            if late and is_killed and loop.time() >= until_s + LAST_WORD_S:
                what = f"it was stopped and killed, and is {state}, with {state.tasks or 'an unknown number of'} tasks"
                raise ActuatorError(what, where=self.name, hint="does it hang in the kernel? systemd-cgls")
            if late or state.active in {"inactive", "failed"}:  # it has stopped, and something of it is left
                # Nobody to kill is an answer as well; the state says what became of it.
                await self._ask("kill", "--kill-whom=all", "--signal=SIGKILL")
                is_killed = True
                until_s = min(until_s, loop.time())
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> Seen:
        """What systemd says; neither active nor passive while it starts or stops."""
        try:
            return (await self._state()).seen
        except ActuatorError:
            return "unknown"

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _state(self) -> UnitState:
        ran = await self._ask("show", f"--property={','.join((*_PROPERTIES, *_STARTERS))}")
        if ran.code != 0:
            raise self._refused("systemd does not say how it is", ran)
        try:
            return parse(ran.output)
        except ValueError as error:
            raise self._refused(f"systemd does not say how it is ({error})", ran) from None

    async def _order(self, verb: str, *arguments: str, limit_s: float | None = None) -> None:
        ran = await self._ask(verb, *arguments, limit_s=limit_s)
        if ran.code != 0:
            raise self._refused(f"systemd did not {verb} it", ran)

    def _refused(self, what: str, ran: Ran) -> ActuatorError:
        denied = "ccess denied" in ran.errors or "authentication required" in ran.errors
        hint = "a rule of polkit lets the agent's user manage this unit" if denied else "is systemd running here?"
        if "failed" in ran.errors:
            hint = f"journalctl -u {self._options.unit}"
        return ActuatorError(f"{what}: {ran.why}", where=self.name, hint=hint)

    async def _ask(self, verb: str, *arguments: str, limit_s: float | None = None) -> Ran:
        argv = [*self._before, verb, *arguments, "--", self._options.unit]
        told: Mapping[str, str] = environment(SYSTEMD_COLORS="0", LC_ALL="C.UTF-8")
        try:
            return await run(argv, told, limit_s=limit_s or self._options.timeout.seconds, grace_s=0.1)
        except OSError as error:
            what = f"systemctl cannot be run: {error.strerror or error}"
            raise ActuatorError(what, where=self.name, hint=self._options.systemctl) from error

    async def _last_word(self, verb: str, *arguments: str) -> None:
        """Say it to systemd although the caller is being cancelled: what it was asked for, it would go on to do."""
        task = asyncio.create_task(self._ask(verb, *arguments, limit_s=LAST_WORD_S))
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
