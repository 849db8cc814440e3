"""Faults of processes: killed, killed again and again, frozen, slowed down. Pure."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.faults.port import Fault, Witness, runs
from bascule.chaos.platform import Platform
from bascule.kernel.errors import FaultError


class ProcessKill(Fault, frozen=True, kw_only=True, tag="process-kill"):
    """SIGKILL to every process of a member; it stays down until the undo."""

    NEEDS: ClassVar = frozenset({"process", "restart"})
    DOES: ClassVar = "SIGKILL to every process of the member"
    SEEN_BY: ClassVar = "processes were hit, and none of the member's lives"
    UNDONE_BY: ClassVar = "starting the member again"

    member: str

    def steps(self) -> tuple[str, ...]:
        """One kill."""
        return (f"kill -9 every process of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Kill the whole tree."""
        return platform.kill(self.member)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Something was hit, and nothing lives."""
        alive = platform.processes(self.member)
        return Witness(
            seen=bool(hit) and not alive,
            evidence=(f"{len(hit)} processes of {self.member} were hit", f"{len(alive)} of them live"),
        )

    def undo(self, platform: Platform) -> None:
        """Start the member again."""
        platform.start(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)


class MainProcessKill(Fault, frozen=True, kw_only=True, tag="process-kill-main"):
    """SIGKILL to the process that does the work, alone; its keeper, if it has one, may start it again."""

    NEEDS: ClassVar = frozenset({"process", "restart"})
    DOES: ClassVar = "SIGKILL to the member's main process alone"
    SEEN_BY: ClassVar = "the process was hit, and is gone"
    UNDONE_BY: ClassVar = "its keeper; if the whole member is down, starting it again"

    member: str
    command: str

    def steps(self) -> tuple[str, ...]:
        """One kill."""
        return (f"kill -9 the topmost {self.command} of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member has a process of that command."""
        commands = {process.command for process in platform.processes(self.member)}
        told = f"{self.member} runs {', '.join(sorted(commands)) or 'nothing'}"
        return Witness(seen=self.command in commands, evidence=(f"{told}; {self.command!r} is aimed at",))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Kill the topmost process of that command.

        Raises:
            FaultError: No command is named; to a platform that means the whole tree.
        """
        if not self.command:
            raise FaultError(f"{self.member} has no main process that is known by name", hint="kill it whole instead")
        return platform.kill(self.member, command=self.command)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """It was hit, and its pid is gone."""
        alive = {process.pid for process in platform.processes(self.member)}
        left = [pid for pid in hit if pid in alive]
        return Witness(
            seen=bool(hit) and not left,
            evidence=(f"{len(hit)} processes {self.command} of {self.member} were hit", f"{len(left)} of them live"),
        )

    def undo(self, platform: Platform) -> None:
        """Start the member if its keeper is down too."""
        platform.start(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)


class ProcessFreeze(Fault, frozen=True, kw_only=True, tag="process-freeze"):
    """SIGSTOP to every process of a member: connections stay open, nobody answers."""

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "SIGSTOP to every process of the member"
    SEEN_BY: ClassVar = "every thread of every process of the member is stopped"
    UNDONE_BY: ClassVar = "SIGCONT"

    member: str

    def steps(self) -> tuple[str, ...]:
        """One freeze."""
        return (f"stop every process of {self.member}",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs, and nothing of it is frozen."""
        states = [process.state for process in platform.processes(self.member)]
        told = f"{states.count('frozen')} of {len(states)} processes of {self.member} are frozen"
        return Witness(seen=bool(states) and "frozen" not in states, evidence=(told,))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Stop the whole tree."""
        return platform.freeze(self.member)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """All are frozen."""
        states = [process.state for process in platform.processes(self.member)]
        frozen = states.count("frozen")
        return Witness(
            seen=bool(hit) and bool(states) and frozen == len(states),
            evidence=(f"{frozen} of {len(states)} processes of {self.member} are frozen",),
        )

    def undo(self, platform: Platform) -> None:
        """Let them go on."""
        platform.thaw(self.member)

    def undone(self, platform: Platform) -> Witness:
        """None is frozen."""
        frozen = [process.pid for process in platform.processes(self.member) if process.state == "frozen"]
        return Witness(seen=not frozen, evidence=(f"{len(frozen)} processes of {self.member} are frozen",))


class CrashLoop(Fault, frozen=True, kw_only=True, tag="process-crash-loop"):
    """The member crashes again and again, each time a moment after it was started."""

    NEEDS: ClassVar = frozenset({"process", "restart"})
    DOES: ClassVar = "SIGKILL to every process of the member, and a start, again and again"
    SEEN_BY: ClassVar = "the main processes of at least two of its lives were hit, and none of them lives"
    UNDONE_BY: ClassVar = "ending the loop, and starting the member"

    member: str
    up_s: Annotated[float, Meta(ge=0.05, le=5.0)] = 0.5

    def steps(self) -> tuple[str, ...]:
        """One loop."""
        return (f"kill -9 every process of {self.member} {self.up_s:g} s after each start, again and again",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Begin the loop."""
        return platform.crash_loop(self.member, self.up_s)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """Two lives ended."""
        alive = {process.pid for process in platform.processes(self.member)}
        left = [pid for pid in hit if pid in alive]
        told = f"{len(hit)} main processes of {self.member} were hit, one after the other; {len(left)} of them live"
        return Witness(seen=len(hit) > 1 and not left, evidence=(told,))

    def undo(self, platform: Platform) -> None:
        """End the loop; the member is up."""
        platform.end_crash_loop(self.member)

    def undone(self, platform: Platform) -> Witness:
        """The member runs."""
        return runs(platform, self.member)


class ProcessSlow(Fault, frozen=True, kw_only=True, tag="process-slow"):
    """Every process of a member runs for a share of the time only, as on a processor that others use up.

    It is stopped and continued ten times a second, so it is late with everything, and never silent for longer than a
    tenth of a second.
    """

    NEEDS: ClassVar = frozenset({"process"})
    DOES: ClassVar = "SIGSTOP and SIGCONT in turns, ten times a second, to every process of the member"
    SEEN_BY: ClassVar = "what sends the signals sees the main process stop, and go on, and counts it"
    UNDONE_BY: ClassVar = "ending the turns, and SIGCONT"

    member: str
    share: Annotated[float, Meta(ge=0.05, le=0.8)] = 0.2

    def steps(self) -> tuple[str, ...]:
        """One strain."""
        return (f"let every process of {self.member} run {self.share:.0%} of the time only",)

    def ready(self, platform: Platform) -> Witness:
        """The member runs, and nothing stops it."""
        turns, state = platform.turns(self.member), _main_state(platform, self.member)
        return Witness(seen=turns is None and state == "running", evidence=_paced(self.member, turns, state))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Begin the turns."""
        return platform.slow(self.member, self.share)

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:
        """It stopped, and went on: counted, since between two looks from here any number of turns may pass."""
        turns, state = platform.turns(self.member), _main_state(platform, self.member)
        return Witness(seen=bool(hit) and bool(turns), evidence=_paced(self.member, turns, state))

    def undo(self, platform: Platform) -> None:
        """Let it run all the time."""
        platform.hasten(self.member)

    def undone(self, platform: Platform) -> Witness:
        """Nothing stops it any more; a member that is down has nothing left of it."""
        turns, state = platform.turns(self.member), _main_state(platform, self.member)
        return Witness(seen=turns is None and state != "frozen", evidence=_paced(self.member, turns, state))


def _main_state(platform: Platform, member: str) -> str:
    return next((process.state for process in platform.processes(member)), "down")


def _paced(member: str, turns: int | None, state: str) -> tuple[str, str]:
    slowed = "nothing slows it" if turns is None else f"it was seen to stop, and to go on, {turns} times"
    return (slowed, f"the main process of {member} is {state}")
