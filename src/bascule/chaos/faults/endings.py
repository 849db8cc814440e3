"""Faults of how a process ends: the kernel's OOM killer takes it, or a stop goes wrong. Pure."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.endings import SignalAim, SignalName
from bascule.chaos.faults.port import Fault, Witness, runs
from bascule.chaos.platform import Platform


class OutOfMemory(Fault, frozen=True, kw_only=True, tag="process-out-of-memory"):
    """The kernel's OOM killer strikes one process of a member, as when its memory is used up; its keeper may start it.

    It is the topmost process of the command that is named, or else the one that the kernel itself would choose.
    """

    NEEDS: ClassVar = frozenset({"process", "memory"})
    DOES: ClassVar = "shuts one process of the member into a control group whose memory is used up"
    SEEN_BY: ClassVar = "the kernel counts an OOM kill in that group, and the process that lived is gone"
    UNDONE_BY: ClassVar = "removing the group; if the member is down, starting it"

    member: str
    command: str = ""

    def steps(self) -> tuple[str, ...]:
        """One strike."""
        aim = f"the topmost {self.command}" if self.command else "the process that the kernel would choose"
        return (f"use up the memory of {aim} of {self.member} until the OOM killer strikes it",)

    def ready(self, platform: Platform) -> Witness:
        """The member has such a process, and no group of an earlier strike is there."""
        commands = {process.command for process in platform.processes(self.member)}
        aimed = self.command in commands if self.command else bool(commands)
        kills = platform.memory_kills(self.member)
        told = f"{self.member} runs {', '.join(sorted(commands)) or 'nothing'}"
        return Witness(seen=aimed and kills is None, evidence=(told, _group(kills)))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Let it strike."""
        return platform.run_out_of_memory(self.member, command=self.command)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """The kernel counted it, and the process is gone."""
        kills = platform.memory_kills(self.member)
        alive = {process.pid for process in platform.processes(self.member)}
        left = [pid for pid in hit if pid in alive]
        told = f"process {', '.join(map(str, hit)) or '-'} of {self.member} was struck; {len(left)} of them live"
        return Witness(seen=bool(hit) and not left and bool(kills), evidence=(told, _group(kills)))

    def undo(self, platform: Platform) -> None:
        """Remove the group, and start the member if it is down."""
        platform.relieve_memory(self.member)
        platform.start(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs, and no group is there."""
        kills = platform.memory_kills(self.member)
        up = runs(platform, self.member)
        return Witness(seen=up.seen and kills is None, evidence=(*up.evidence, _group(kills)))


class ProcessSignals(Fault, frozen=True, kw_only=True, tag="process-signals"):
    """A stop that goes wrong: these signals, in this order, with a pause that may be too short.

    SIGKILL before the grace of SIGTERM is over; SIGTERM to the children but not to their keeper; SIGTERM, SIGINT and
    SIGQUIT, which to PostgreSQL mean three ways of going down. Each must reach somebody who lives.
    """

    NEEDS: ClassVar = frozenset({"process", "restart", "signals"})
    DOES: ClassVar = "sends signals to the member's processes, one after the other, with a pause between two"
    SEEN_BY: ClassVar = "each signal reached a process that lived when it was sent"
    UNDONE_BY: ClassVar = "starting the member, once what goes down is down"

    member: str
    signals: Annotated[tuple[SignalName, ...], Meta(min_length=1, max_length=6)]
    pause_s: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.5
    to: SignalAim = "main-first"

    def steps(self) -> tuple[str, ...]:
        """One a signal."""
        whom = {
            "main": "the main process",
            "children": "every process but the main one",
            "main-first": "every process, parents first,",
            "leaves-first": "every process, children first,",
        }[self.to]
        pause = f", {self.pause_s:g} s after the one before"
        return tuple(f"{name} to {whom} of {self.member}{pause if n else ''}" for n, name in enumerate(self.signals))

    def ready(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Send them all."""
        return platform.send_signals(self.member, self.signals, pause_s=self.pause_s, to=self.to)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Each reached somebody; and what became of them, which is the member's own affair."""
        sent = platform.delivered(self.member)
        alive = {process.pid for process in platform.processes(self.member)}
        live = len(alive.intersection(hit))
        reached = {pid for each in sent for pid in each.pids}
        return Witness(
            seen=bool(hit)
            and tuple(each.signal for each in sent) == self.signals
            and all(each.pids for each in sent)
            and reached == set(hit),
            evidence=(
                *(f"{each.signal} reached {len(each.pids)} processes of {self.member}" for each in sent),
                f"{live} of these {len(hit)} processes live, and {len(alive) - live} others",
            ),
        )

    def undo(self, platform: Platform) -> None:
        """Have the member up, for good."""
        platform.end_signals(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)


def _group(kills: int | None) -> str:
    return "no control group is there" if kills is None else f"the kernel counts {kills} OOM kills in its control group"
