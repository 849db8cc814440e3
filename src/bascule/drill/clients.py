"""The load clients of a trial, processes on hosts of the lab: one outside, one pinned to the old primary's side."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from bascule.drill import targets
from bascule.drill.load_processes import process_name
from bascule.drill.targets import Aim
from bascule.engines.protocols import Member, Site
from bascule.kernel.errors import BasculeError, LabError
from bascule.lab.files import write_atomically, write_rendered
from bascule.lab.lab import Lab
from bascule.lab.plan import CLIENT_HOST, probe_host
from bascule.measure.evidence import OUTSIDE
from bascule.measure.final_audit import Audit
from bascule.measure.plan import Plan, Status, Target
from bascule.measure.records import Record
from bascule.measure.tail import RecordTail
from bascule.system.model import Workload

PINNED = "pinned"
PINNED_RATE_PER_S = 20.0
READY_LIMIT_S = 30.0
AUDIT_LIMIT_S = 40.0


class Client:
    """One load client: its plan, its process, and the records that it leaves.

    Args:
        lab: Where it runs.
        host: On which host.
        plan: What it is told.
        directory: Where its plan, records and status are.

    Attributes:
        records: What was read of its records so far.
        host: Where it runs.
        killed: Somebody killed it, the fault as a rule; known once it was stopped.
        broken: Why its records are not to be trusted, once it was stopped; empty if they are.
    """

    def __init__(self, lab: Lab, host: str, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.records: list[Record] = []
        self.host = host
        self.killed = False
        self.broken = ""
        self._lab = lab
        self._directory = directory.absolute()  # the client starts elsewhere: a relative path would mean another place
        self._path = self._directory / f"{plan.client}.plan.json"
        self._process = process_name(plan)
        self._tail = RecordTail(Path(plan.records))
        write_atomically(self._path, msgspec.json.encode(plan))

    def _argv(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "bascule.measure.client", *words)

    def start(self) -> None:
        """Start offering load."""
        self._lab.world.spawn(
            self.host,
            self._process,
            self._argv(str(self._path)),
            environment={},
            directory=self._directory,
            output=self._directory / f"{self.plan.client}.log",
        )

    def status(self) -> Status:
        """What it says of itself; `connecting` while it has said nothing yet."""
        try:
            return msgspec.json.decode(Path(self.plan.status).read_bytes(), type=Status)
        except FileNotFoundError:
            return Status(client=self.plan.client, phase="connecting")

    def poll(self) -> list[Record]:
        """The records since the last call, which are also kept in `records`."""
        fresh = self._tail.new()
        self.records.extend(fresh)
        return fresh

    def stop(self) -> None:
        """Stop offering, and wait until every operation's fate is known; one that the fault killed is gone already.

        Raises:
            LabError: It did not end in time.
        """
        limit_s = self.plan.deadline_s + 10.0
        self._lab.world.signal(self._process, signal.SIGTERM)
        exit_code = self._lab.world.wait(self._process, limit_s)
        if exit_code is None:
            raise LabError(f"client {self.plan.client} did not end", where=str(self._directory))
        self.poll()
        self.killed = exit_code == -signal.SIGKILL
        error = self.status().error
        if not self.killed and (exit_code != 0 or error):
            self.broken = error or f"it ended with exit code {exit_code}"

    def audit(self, targets: tuple[Target, ...] = ()) -> dict[int, int] | None:
        """How many copies of each of its numbers are stored now; None when that could not be read.

        Args:
            targets: Where to read, if not where it wrote.
        """
        if targets:
            plan = msgspec.structs.replace(self.plan, targets=targets, pinned=False)
            write_atomically(self._path, msgspec.json.encode(plan))
        answer = self._directory / f"{self.plan.client}.present.json"
        try:
            self._lab.world.run(CLIENT_HOST, self._argv("audit", str(self._path), str(answer)), timeout_s=AUDIT_LIMIT_S)
            text = answer.read_bytes()
        except (LabError, FileNotFoundError):
            return None  # it says so by leaving no answer
        return msgspec.json.decode(text, type=Audit).copies


class Access(Struct, frozen=True, kw_only=True):
    """With what a client signs in to PostgreSQL; empty for those that do not."""

    user: str = ""
    database: str = ""
    passfile: str = ""


class Clients:
    """The clients of one trial. `outside` measures what users see; `pinned` stays on the side of who is aimed at.

    It writes to the old primary directly; or, where the entry is aimed at, does what users do, from a host beside it,
    by the entry's address or else by that member's own.

    Args:
        lab: A lab that is whole.
        directory: Of the trial.
        aim: The component that is aimed at.
        in_charge: Its member that is in charge now.
        number_base: First unique number; above all numbers of earlier trials.
        seed: Of the mix.
        workload: What they offer, if not what the system file says.
    """

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        aim: Aim,
        in_charge: Member,
        *,
        number_base: int,
        seed: int,
        workload: Workload | None = None,
    ) -> None:
        self.workload = lab.system.workload if workload is None else workload
        self._lab = lab
        self._directory = directory
        self._aim = aim
        directory.mkdir(parents=True, exist_ok=True)
        self.outside = Client(lab, CLIENT_HOST, self._users_plan(OUTSIDE, number_base, seed), directory)
        pinned = self._entry_plan if aim.is_entry else self._primary_plan
        self.pinned = Client(lab, probe_host(in_charge.zone), pinned(in_charge, number_base, seed), directory)
        self.all = (self.outside, self.pinned)

    def _targets(self) -> tuple[Target, ...]:
        workload = self.workload
        component = self._lab.system.components[workload.through]
        ports = self._lab.engines[workload.through].ports(component)
        port = ports[workload.port] if workload.port else next(iter(ports.values()))
        if self._lab.plan.vip is not None:
            return (Target(address=self._lab.plan.vip.address, port=port, name="the entry's address"),)
        return tuple(Target(address=m.address, port=port, name=m.name) for m in self._lab.members(workload.through))

    def _access(self, client: str) -> Access:
        """User, database and password file for the component with the data, written below the trial's directory."""
        component = targets.aim(None, self._lab.system).component
        host = self._lab.plan.host(CLIENT_HOST)
        member = Member(
            component=component, name=client, address=host.address, zone=host.zone, region=host.region, index=0
        )
        site = self._lab.site(member)
        site = Site(
            system=site.system,
            component=site.component,
            member=member,
            directory=(self._directory / client).absolute(),
            members=site.members,
            secrets=site.secrets,
            programs=site.programs,
        )
        engine = self._lab.engines[component]
        exports = engine.exports(site, component)
        for file in engine.credentials(site, component):
            write_rendered(site.directory, file)
        return Access(user=exports["user"], database=exports["database"], passfile=exports["passfile"])

    def _users_plan(self, client: str, number_base: int, seed: int) -> Plan:
        """What users do, by the way that they know."""
        workload = self.workload
        access = self._access(client) if workload.protocol == "postgresql" else Access()
        return Plan(
            client=client,
            protocol=workload.protocol,
            targets=self._targets(),
            rate_per_s=workload.rate.per_s,
            deadline_s=workload.deadline.seconds,
            retries=workload.retries,
            session=workload.session,
            operations=workload.operations,
            audit=workload.audit,
            records=str((self._directory / f"{client}.jsonl").absolute()),
            status=str((self._directory / f"{client}.status.json").absolute()),
            number_base=number_base,
            seed=seed,
            user=access.user,
            database=access.database,
            passfile=access.passfile,
        )

    def _entry_plan(self, in_charge: Member, number_base: int, seed: int) -> Plan:
        """What users do who stand beside the member at which clients arrive."""
        plan = self._users_plan(PINNED, number_base, seed)
        by_name = {target.name: target for target in plan.targets}
        return msgspec.structs.replace(
            plan,
            targets=(by_name.get(in_charge.name, plan.targets[0]),),
            rate_per_s=min(PINNED_RATE_PER_S, plan.rate_per_s),
            retries=0,
            connections=4,
            pinned=True,
        )

    def _primary_plan(self, primary: Member, number_base: int, seed: int) -> Plan:
        engine = self._lab.engines[self._aim.component]
        access = self._access(PINNED)
        port = next(iter(engine.ports(self._lab.system.components[self._aim.component]).values()))
        return Plan(
            client=PINNED,
            protocol="postgresql",
            targets=(Target(address=primary.address, port=port, name=primary.name),),
            rate_per_s=PINNED_RATE_PER_S,
            deadline_s=self.workload.deadline.seconds,
            records=str((self._directory / "pinned.jsonl").absolute()),
            status=str((self._directory / "pinned.status.json").absolute()),
            number_base=number_base,
            seed=seed,
            connections=4,
            pinned=True,
            user=access.user,
            database=access.database,
            passfile=access.passfile,
        )

    def __enter__(self) -> Self:
        """Start both, and wait until they offer load.

        Raises:
            LabError: One of them does not come to offer load; the message says why.
        """
        started: list[Client] = []
        try:
            for client in self.all:
                client.start()
                started.append(client)
            self._wait_until_they_offer()
        except BaseException:
            for client in started:
                with contextlib.suppress(LabError):  # what went wrong first is what is told
                    client.stop()
            raise
        return self

    def _wait_until_they_offer(self) -> None:
        deadline_s = time.monotonic() + READY_LIMIT_S
        while any((status := client.status()).phase != "running" for client in self.all):
            if status.phase == "done" or status.error or time.monotonic() > deadline_s:
                raise LabError(f"client {status.client} offers no load: {status.error or 'not ready in time'}")
            time.sleep(0.02)

    def forget(self) -> None:
        """Remove the passwords that the clients used."""
        for client in self.all:
            shutil.rmtree(self._directory / client.plan.client, ignore_errors=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop both, whatever happened."""
        failures: list[BasculeError] = []
        for client in self.all:
            try:
                client.stop()
            except BasculeError as error:
                failures.append(error)
        if failures and kind is None:
            raise failures[0]

    def present(self, in_charge: Member | None) -> dict[str, dict[int, int] | None]:
        """What is stored at the end, by client, read from the primary or as users do; None if nobody is in charge."""
        if in_charge is None:
            return {OUTSIDE: None, PINNED: None}
        old = self.pinned.plan.targets[0]
        now = (Target(address=in_charge.address, port=old.port, name=in_charge.name),)
        with ThreadPoolExecutor() as pool:
            outside = pool.submit(self.outside.audit)
            pinned = pool.submit(self.pinned.audit, self.outside.plan.targets if self._aim.is_entry else now)
            return {OUTSIDE: outside.result(), PINNED: pinned.result()}
