"""What a trial does to the system: a fault under journal and watchdog, or a planned switchover."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from bascule.chaos import injection
from bascule.chaos.faults import AnyFault, MainProcessKill, Partition, PowerLoss, ProcessFreeze, ProcessKill
from bascule.chaos.faults.catalogue import named
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.drill import watchdog
from bascule.drill.course import Act
from bascule.drill.experiments import Experiment
from bascule.drill.plan import Run
from bascule.drill.scenarios import performance
from bascule.drill.scenarios.performance import Performance
from bascule.drill.stage import Stage
from bascule.drill.targets import Target, choose
from bascule.drill.trial import Blow, Landed
from bascule.engines.protocols import Member, Promotable, Roled
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError, LabError
from bascule.kernel.facts import Bus
from bascule.lab.lab import Lab

SWITCHOVER_LIMIT_S = 20.0


class Blows:
    """Makes blows, each under the journal; the watchdog runs as long as the `with` block.

    Args:
        lab: Where they act.
        directory: Of the drill; the journal lies there.
        bus: Hears what happens to the faults.
    """

    def __init__(self, lab: Lab, directory: Path, bus: Bus) -> None:
        self._lab = lab
        self._journal = Journal(directory / "journal.jsonl")
        self._bus = bus
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="watchdog")
        self._number = len(self._journal.entries())

    def __enter__(self) -> Self:
        """Start the watchdog; it comes up meanwhile, and is waited for before the first fault."""
        self._starting = self._pool.submit(watchdog.start, self._journal.path.absolute(), self._lab.directory)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the watchdog go: its goodbye if all is undone, else its work."""
        self._pool.shutdown()
        if self._starting.exception() is not None:
            return  # it never came up, and so nothing was injected
        if self._journal.pending():
            self._starting.result().abandon()
        else:
            self._starting.result().close()

    def _sleep(self, seconds: float) -> None:
        """Wait while a fault is looked for; the drill is alive meanwhile."""
        self.renew()
        time.sleep(seconds)

    def renew(self) -> None:
        """Say that the drill lives; while the watchdog still comes up, there is nothing to say."""
        if self._starting.done() and self._starting.exception() is None:
            self._starting.result().renew()

    def refusal(self, run: Run) -> str:
        """Why this platform cannot do the experiment of this run; empty when it can."""
        experiment = run.experiment
        if experiment.kind == "switchover":
            return ""
        if run.strikes:
            reasons = (injection.missing(named(strike.fault), self._lab.world) for strike in run.strikes)
            return next(filter(None, reasons), "")
        member = self._lab.plan.members[0]
        return injection.missing(fault(experiment, choose(experiment, member, self._lab.plan), ""), self._lab.world)

    def make(self, stage: Stage, run: Run, target: Target) -> Blow:
        """The blow that the experiment deals to its target."""
        if run.experiment.kind == "switchover":
            return EntryMove(stage, target) if stage.aim.is_entry else Switchover(stage, target)
        self._starting.result()  # no fault before the watchdog is on watch
        if run.experiment.scenario is not None:
            return Performance(stage, run, run.experiment.scenario, self._injection)
        engine = self._lab.engines[target.member.component]
        command = engine.main_command if isinstance(engine, Roled) else ""
        return Harm(stage, target, self._injection(fault(run.experiment, target, command)))

    def _injection(self, wanted: AnyFault) -> Injection:
        """The injection of a fault, under the journal of this drill."""
        self._number += 1
        return Injection(
            wanted,
            self._lab.world,
            self._journal,
            reference=PlatformRef(
                kind="lab",
                directory=str(self._lab.directory.absolute()),
                identity=self._lab.world.record.identity,
            ),
            number=self._number,
            clock=SystemClock(),
            sleep=self._sleep,
            publish=self._bus.publish,
        )


def aimed(stage: Stage, run: Run, member: Member) -> Target:
    """What a run hits if this member is in charge."""
    if run.experiment.scenario is not None:
        return performance.target(run, member, stage)
    return choose(run.experiment, member, stage.lab.plan)


def fault(experiment: Experiment, target: Target, command: str) -> AnyFault:
    """The fault of an experiment, aimed.

    Args:
        experiment: Any but the switchover.
        target: What it hits.
        command: Kernel name of the target's main process.
    """
    match experiment.kind:
        case "kill":
            return ProcessKill(member=target.member.name)
        case "kill-main":
            return MainProcessKill(member=target.member.name, command=command)
        case "freeze":
            return ProcessFreeze(member=target.member.name)
        case "partition":
            return Partition(hosts=target.hosts)
        case _:
            return PowerLoss(hosts=target.hosts)


class Harm:
    """A fault that is aimed at whoever is in charge; it counts as witnessed only if it acts, and hit that one."""

    def __init__(self, stage: Stage, target: Target, injected: Injection) -> None:
        self._stage = stage
        self._target = target
        self._injected = injected

    def strike(self) -> Landed:
        """Inject, and witness."""
        in_charge = self._stage.in_charge()
        try:
            struck = self._injected.strike()
        except LabError as error:
            return Landed(t0_s=None, evidence=(f"it could not be injected: {error}",))
        evidence = struck.witness.evidence
        name, aim = self._target.member.name, self._stage.aim
        right = in_charge == name or (not aim.has_holder and self._target.member.component == aim.component)
        if not right:
            what = "at the entry's address" if aim.is_entry else "the primary"
            evidence = (*evidence, f"{name} was not {what}: {in_charge or 'nobody'} was")
        seen = struck.witness.seen and right
        return Landed(t0_s=struck.at_s if seen else None, evidence=evidence)

    def undo(self) -> None:
        """Undo it, and see that it is undone."""
        self._injected.undo()

    def acts(self) -> tuple[Act, ...]:
        """Nothing besides itself."""
        return ()

    def after(self) -> str:
        """Nothing: it has no probe of its own."""
        return ""


class Switchover:
    """A planned handover of the primary role; there is nothing to undo."""

    def __init__(self, stage: Stage, target: Target) -> None:
        self._stage = stage
        self._old = target.member

    def strike(self) -> Landed:
        """Ask the primary to hand over to a standby; witnessed when the engine says that it did.

        Raises:
            FaultError: The engine cannot, refused, or no standby is there.
        """
        lab, component = self._stage.lab, self._stage.aim.component
        engine = lab.engines[component]
        standbys = [name for name, seen in self._stage.snapshot().seen[component].items() if seen.role == "replica"]
        if not isinstance(engine, Promotable) or not standbys:
            raise FaultError("nobody can take over", hint="a switchover needs an engine that can, and a standby")
        at_s = time.monotonic()
        engine.switchover(lab.dial(self._old), primary=self._old.name, target=standbys[0], timeout_s=SWITCHOVER_LIMIT_S)
        return Landed(t0_s=at_s, evidence=(f"{self._old.name} handed over to {standbys[0]}",), lasting=False)

    def undo(self) -> None:
        """Nothing: the new primary stays."""

    def acts(self) -> tuple[Act, ...]:
        """Nothing besides itself."""
        return ()

    def after(self) -> str:
        """Nothing: it has no probe of its own."""
        return ""


class EntryMove:
    """A planned move of the entry's address; there is nothing to undo."""

    def __init__(self, stage: Stage, target: Target) -> None:
        self._stage = stage
        self._old = target.member

    def strike(self) -> Landed:
        """Ask whoever moves the address to do it; witnessed when another host has it, and the old one does not.

        Raises:
            FaultError: It refused, or no other member of the entry is up.
            LabError: No host has the address.
        """
        lab, component = self._stage.lab, self._stage.aim.component
        seen = self._stage.snapshot().seen[component]
        others = [name for name, one in seen.items() if one.up and one.role == "replica" and name != self._old.name]
        if not others:
            raise FaultError("nobody can take over", hint="a switchover needs another member of the entry that is up")
        at_s = time.monotonic()
        lab.move_entry(others[0])
        moved = self._stage.wait("waiting until the address has moved", self._has_moved, SWITCHOVER_LIMIT_S)
        holders = ", ".join(each.host for each in lab.world.holding() if each.holds) or "nobody"
        evidence = (f"{self._old.name} was asked to hand over; {holders} has the entry's address now",)
        return Landed(t0_s=at_s if moved else None, evidence=evidence, lasting=False)

    def _has_moved(self) -> bool:
        holders = [each.host for each in self._stage.lab.world.holding() if each.holds]
        return bool(holders) and self._old.name not in holders

    def undo(self) -> None:
        """Nothing: the new holder stays."""

    def acts(self) -> tuple[Act, ...]:
        """Nothing besides itself."""
        return ()

    def after(self) -> str:
        """Nothing: it has no probe of its own."""
        return ""
