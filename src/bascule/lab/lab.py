"""A running system: its members started in the order of their needs, watched, and taken down again."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from msgspec import structs

from bascule.engines import binaries, entry, registry
from bascule.engines.protocols import Dial, Engine, Member, Observation, Program, Site
from bascule.kernel.errors import BasculeError, InputError, LabError, NotReadyError
from bascule.lab import files, machine_checks, startup, world
from bascule.lab.abilities import NONE, Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import LabPlan, layout
from bascule.lab.protocol import EntryHost
from bascule.system.model import System

Progress = Callable[[str], None]
START_LIMIT_S = 90.0
OBSERVE_LEAST_S = 0.5
HANDOVER_LIMIT_S = 30.0
POLL_S = 0.1


class Lab:
    """A system that runs in a lab, made by `up` or `attach`; it dies with its owner unless `world.keep()` was said."""

    def __init__(self, system: System, directory: Path, client: LabClient, plan: LabPlan, source: Path) -> None:
        self.system = system
        self.directory = directory.absolute()
        self.world = client
        self.plan = plan
        self.source = source
        self.engines: dict[str, Engine] = {
            name: registry.engine(component.engine) for name, component in system.components.items()
        }
        self.secrets: Mapping[str, str] = {}
        self.programs: Mapping[str, Program] = {}
        # A member may have to ask its leader on the far side of the slowest link before it answers.
        slowest_s = max((link.delay.seconds + link.jitter.seconds for link in system.links), default=0.0)
        self._observe_limit_s = OBSERVE_LEAST_S + 4 * slowest_s
        self._pool = ThreadPoolExecutor(max_workers=max(4, len(plan.members)), thread_name_prefix="observe")

    @classmethod
    def up(
        cls,
        system: System,
        directory: Path,
        *,
        source: Path,
        isolation: str = "auto",
        progress: Progress = lambda _: None,
        until: Literal["whole", "serving"] = "whole",
        wanted: Abilities = NONE,
    ) -> Self:
        """Make the hosts, start every member in the order of its needs, and return once all of them are whole.

        Args:
            system: A checked system.
            directory: The lab's own directory; made, and emptied of an earlier lab's remains.
            source: The system file; relative paths of its services start from its folder.
            isolation: `auto`, `namespaces` or `loopback`.
            progress: Told, in a few words, what happens.
            until: Return when all members are `whole`, or once all are up and the system is `serving`: a standby may
                then still have to be made synchronous, which takes Patroni seconds.
            wanted: What it is given beside its hosts. Where this machine cannot, the client's `refusal("disk")` and its
                like say why, and the lab comes up without; `abilities.demand` refuses instead.

        Raises:
            MissingProgramError: A program is neither on PATH nor in its wheel.
            MachineError: This machine cannot hold the lab.
            NotReadyError: Not whole in time; the message names the members that are not, and their logs.
        """
        programs = _programs(system)
        plan = layout(system, world.choose_prefix(isolation))
        machine_checks.check_entry(plan)
        client = world.create(directory, plan, isolation=isolation, wanted=wanted)
        try:
            lab = cls(system, directory, client, plan, source)
            lab.programs = programs
            if client.refusal("network"):
                machine_checks.check_user(programs)
                machine_checks.check_free(system, plan, lab.engines)
            lab._write_identity()
            lab._start(progress, startup.whole_components if until == "whole" else startup.serving_components)
            if not client.refusal("disk"):
                client.settle_disks()
        except BaseException:
            client.down()
            raise
        return lab

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """Join a lab that is up.

        Raises:
            LabError: No lab is up there.
        """
        client = world.attach(directory)
        identity = files.read_identity(directory)
        plan = layout(identity.system, identity.prefix)
        lab = cls(identity.system, directory, client, plan, Path(identity.source))
        lab.secrets = identity.secrets
        lab.programs = _programs(identity.system)
        return lab

    def adopt(self, system: System) -> None:
        """Take the objectives, the workload and the experiments of this system instead of those of the lab's start.

        Raises:
            InputError: It differs in more than that.
        """
        same = structs.replace(
            self.system,
            objectives=system.objectives,
            workload=system.workload,
            experiments=system.experiments,
        )
        moved = (self.system.vip or system.vip) and (
            (self.system.vip, self.system.workload.through) != (system.vip, system.workload.through)
        )
        if same != system or moved:
            raise InputError(
                f"the lab in {self.directory} runs another system than this file describes",
                hint="only objectives, experiments and workload (no address that moves) may differ: lab down, then up",
            )
        self.system = system

    def _write_identity(self) -> None:
        names = {key for name, engine in self.engines.items() for key in engine.secrets(name)}
        self.secrets = {name: secrets.token_urlsafe(24) for name in sorted(names)}
        prefix = self.plan.zones[0].subnet.rsplit(".", 1)[0]
        files.write_identity(
            self.directory,
            files.Identity(system=self.system, source=str(self.source), prefix=prefix, secrets=dict(self.secrets)),
        )

    def site(self, member: Member) -> Site:
        """Everything that the member's engine may use to render it."""
        return Site(
            system=self.system,
            component=self.system.components[member.component],
            member=member,
            directory=self.directory / "members" / member.name,
            members=self.plan.members,
            secrets=self.secrets,
            programs=self.programs,
            source_directory=self.source.parent.absolute(),
            vip=self.plan.vip.address if self.plan.vip and member.name in self.plan.vip.hosts else "",
        )

    def _start(self, progress: Progress, ready_components: startup.Ready) -> None:
        started: set[str] = set()
        ready: frozenset[str] = frozenset()
        deadline_s = time.monotonic() + START_LIMIT_S
        seen: dict[str, dict[str, Observation]] = {}
        while True:
            for component in startup.startable(self.system, started, _by_component(seen)):
                progress(f"starting {component}")
                self._launch(component)
                started.add(component)
            # Who is ready is left in peace: asking costs processor time that the others need in order to start.
            seen |= self.observe(started - ready)
            now_ready = ready_components(self.system, _by_component(seen))
            for component in sorted(now_ready - ready):
                progress(f"{component} is ready")
            ready = now_ready
            if len(ready) == len(self.system.components):
                seen = self.observe()
                ready = ready_components(self.system, _by_component(seen))
                if len(ready) == len(self.system.components):
                    progress("all members are ready")
                    return
            self._check_start(seen, deadline_s)
            time.sleep(POLL_S)

    def _check_start(self, seen: Mapping[str, Mapping[str, Observation]], deadline_s: float) -> None:
        stopped = [member.name for member in self.world.status().members if not member.pid]
        down = [name for name in stopped if not self.world.processes(name)]
        late = time.monotonic() > deadline_s
        if down or late:
            lines = "; ".join(startup.missing(self.system, seen))
            what = f"{', '.join(down)} ended while it started" if down else f"not whole after {START_LIMIT_S:.0f} s"
            raise NotReadyError(f"{what} [{lines}]", hint=f"see the logs in {self.directory / 'logs'}")

    def _launch(self, component: str) -> None:
        begun_s = time.monotonic()
        for member in self.members(component):
            site = self.site(member)
            rendering = entry.render(site, self.engines[component])
            files.write_rendering(site.directory, rendering.files)
            time.sleep(max(0.0, begun_s + rendering.launch.after_s - time.monotonic()))
            self.world.launch(member.name, member.name, rendering.launch, site.directory)
            for beside in rendering.companions:
                directory = site.directory.with_name(beside.name)
                files.write_rendering(directory, beside.files)
                self.world.launch(member.name, beside.name, beside.launch, directory)

    def members(self, component: str = "") -> tuple[Member, ...]:
        """The members of a component, or all."""
        return tuple(member for member in self.plan.members if component in {"", member.component})

    def member(self, name: str) -> Member:
        """The member of this name.

        Raises:
            LabError: There is none.
        """
        for member in self.plan.members:
            if member.name == name:
                return member
        raise LabError(
            f"no member is called {name!r}", hint=f"there are {', '.join(m.name for m in self.plan.members)}"
        )

    def move_entry(self, target: str) -> None:
        """Ask for an orderly move of the entry's address, from the host that has it to that of the member `target`.

        Raises:
            LabError: Nobody has it.
            FaultError: Whoever moves it refused.
        """
        provider = entry.provider_of(self.system)
        holders = [each.host for each in self.world.holding() if each.holds]
        if provider is None or not holders:
            raise LabError("no host has the entry's address", hint="see the logs in " + str(self.directory / "logs"))
        site = entry.companion_site(self.site(self.member(holders[0])), provider)
        if not provider.hand_over(site, target, HANDOVER_LIMIT_S):
            self.world.stop(site.directory.name)
            self.world.start(site.directory.name)

    def dial(self, member: Member) -> Dial:
        """How to reach the member's ports from inside its own host, whatever the network does."""

        def connect(port: int) -> socket.socket:
            return self.world.dial(member.name, port, timeout_s=self._observe_limit_s)

        return connect

    def observe(self, components: set[str] | None = None) -> dict[str, dict[str, Observation]]:
        """Ask every member about itself, all at once: component -> member -> observation."""
        chosen = [m for m in self.plan.members if components is None or m.component in components]
        answers = self._pool.map(self._observe_one, chosen)
        at_entry = self._at_entry(chosen)
        seen: dict[str, dict[str, Observation]] = {}
        for member, answer in zip(chosen, answers, strict=True):
            told = _as_entry(answer, at_entry[member.name]) if member.name in at_entry else answer
            seen.setdefault(member.component, {})[member.name] = told
        return seen

    def _at_entry(self, chosen: list[Member]) -> dict[str, EntryHost]:
        """How those of the chosen stand among whose hosts the entry's address moves; nobody where it does not."""
        provider = entry.provider_of(self.system)
        among = [member for member in chosen if self.plan.vip and member.name in self.plan.vip.hosts]
        if provider is None or not among:
            return {}
        sites = [entry.companion_site(self.site(member), provider) for member in among]
        ready = self._pool.map(lambda site: provider.is_ready(site, self._observe_limit_s), sites)
        told = {each.host: each for each in self.world.holding()}
        return {
            member.name: structs.replace(told[member.name], whole=told[member.name].whole and is_ready)
            for member, is_ready in zip(among, ready, strict=True)
        }

    def _observe_one(self, member: Member) -> Observation:
        component = self.system.components[member.component]
        try:
            return self.engines[member.component].observe(self.dial(member), self._observe_limit_s, component)
        except BasculeError:
            raise
        except Exception as error:  # noqa: BLE001 - nothing that a member says may end the watching of all
            return Observation(up=False, detail=f"an answer that nobody understands: {type(error).__name__}")

    def is_whole(self) -> bool:
        """Whether every member is up and fully part of its component now."""
        return startup.whole(self.system, _by_component(self.observe()))

    def down(self) -> None:
        """End everything that runs in the lab; its directory, with logs and data, stays."""
        self.close()
        self.world.down()

    def close(self) -> None:
        """Let go of the lab without ending it."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _as_entry(seen: Observation, at_entry: EntryHost) -> Observation:
    """A member of the entry is primary when its host has the address; whole only with all that stands beside it."""
    words = ["has the entry's address"] if at_entry.holds else []
    if seen.up and not at_entry.whole:
        words.append("what moves the address is not ready")
    return structs.replace(
        seen,
        role="primary" if at_entry.holds else "replica",
        whole=seen.whole and at_entry.whole,
        detail="; ".join((*words, seen.detail)),
    )


def _by_component(seen: Mapping[str, Mapping[str, Observation]]) -> dict[str, tuple[Observation, ...]]:
    return {name: tuple(members.values()) for name, members in seen.items()}


def _programs(system: System) -> dict[str, Program]:
    names = {
        program for component in system.components.values() for program in registry.engine(component.engine).programs()
    }
    provider = entry.provider_of(system)
    names |= set(provider.programs()) if provider is not None else set()
    return {name: binaries.find(name) for name in sorted(names)}


@contextmanager
def running(system: System, directory: Path, *, source: Path, isolation: str = "auto") -> Iterator[Lab]:
    """A lab for the length of a `with` block; nothing of it runs afterwards."""
    lab = Lab.up(system, directory, source=source, isolation=isolation)
    try:
        yield lab
    finally:
        lab.down()
