"""A system that runs, as a test sees it: who is in charge, where to reach it, and what can be broken in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Self

import msgspec

from bascule.chaos import injection
from bascule.chaos.faults import AnyFault
from bascule.chaos.faults.catalogue import named
from bascule.chaos.injection import Struck
from bascule.drill.grip import Grip
from bascule.engines.protocols import Member, Observation
from bascule.kernel.errors import FaultError, InputError, NotReadyError
from bascule.lab import mark, startup
from bascule.lab.lab import Lab
from bascule.lab.plan import CLIENT_HOST
from bascule.lab.protocol import Completed
from bascule.system.problems import did_you_mean
from bascule.testing import asking
from bascule.testing.doors import Doors

WHOLE_LIMIT_S = 60.0
LEAST_ANSWER_S = 1.0
POLL_S = 0.1


class BreakableLab:
    """A lab that is up, with faults that never outlive it, this object, or this process.

    Args:
        lab: The lab; it is let go, not ended, by `close`.
        directory: Where the journal of its faults goes.

    Attributes:
        refused: Told why a fault cannot be done here, instead of the error.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        self._grip = Grip.on_lab(lab.world, directory)
        self._doors = Doors(lab.world)
        self.refused: Callable[[str], NoReturn] | None = None

    @classmethod
    def attach(cls, lab: Path, directory: Path) -> Self:
        """Join a lab that is up.

        Raises:
            LabError: No lab is up there.
        """
        return cls(Lab.attach(lab), directory)

    @property
    def directory(self) -> Path:
        """The lab's own directory: `logs/MEMBER.log` and `members/MEMBER` lie there."""
        return self._lab.directory

    @property
    def journal(self) -> Path:
        """The file that says what was injected, and what became of it."""
        return self._grip.journal.path

    @property
    def secrets(self) -> Mapping[str, str]:
        """The passwords that were made for this lab, by name."""
        return self._lab.secrets

    @property
    def is_up(self) -> bool:
        """Whether this lab lives: not a later one in the same directory."""
        present = mark.record(self.directory) if mark.is_held(self.directory) else None
        return present is not None and present.identity == self._lab.world.record.identity

    def members(self, component: str = "") -> tuple[str, ...]:
        """Names of the members of a component, or of all.

        Raises:
            InputError: There is no such component.
        """
        return tuple(member.name for member in self._lab.members(self._component(component)))

    def primary(self, component: str = "") -> str:
        """The member that says it is primary, or an empty string. Among several, the one with the highest epoch.

        Args:
            component: Default: the first one in which anybody is primary.

        Raises:
            InputError: There is no such component.
        """
        wanted = self._component(component)
        for seen in self._lab.observe({wanted} if wanted else None).values():
            claims = [(one.epoch, name) for name, one in seen.items() if one.up and one.role == "primary"]
            if claims:
                return max(claims)[1]
        return ""

    def is_served(self) -> bool:
        """Whether a client is answered now, at any of the places that clients know, within the workload's deadline.

        Each place is asked once: one that answers is enough, since a client goes on to the next one.
        """
        workload = self._lab.system.workload
        limit_s = max(LEAST_ANSWER_S, workload.deadline.seconds)
        through = self._lab.members(workload.through)
        port = self._port(through[0], workload.port)
        vip = self._lab.plan.vip
        known = [vip.address] if vip is not None else [member.address for member in through]
        return any(asking.answers(self._doors.open(address, port), workload, limit_s) for address in known)

    def is_whole(self) -> bool:
        """Whether every member is up and fully part of its component now."""
        return self._lab.is_whole()

    def wait_whole(self, limit_s: float = WHOLE_LIMIT_S) -> None:
        """Return once every member is whole.

        Raises:
            NotReadyError: That did not come in time; the message names the members that are not.
        """
        until_s = time.monotonic() + limit_s
        while not self.is_whole():
            if time.monotonic() > until_s:
                told = "; ".join(startup.missing(self._lab.system, self._lab.observe()))
                logs = f"see the logs in {self.directory / 'logs'}"
                raise NotReadyError(f"not whole after {limit_s:g} s [{told}]", hint=logs)
            time.sleep(POLL_S)

    def observe(self) -> dict[str, Observation]:
        """What every member says of itself now, by its name."""
        return {name: seen for members in self._lab.observe().values() for name, seen in members.items()}

    def address(self, name: str, port: str | int = "") -> tuple[str, int]:
        """A place on 127.0.0.1 whose connections go on, from the lab's client, to a port of the member.

        They travel through the lab's network, so they meet every fault on the way, as a client of the lab does.

        Args:
            name: A member; or a component: its first member.
            port: The port, or its name as the engine calls it; by default the only one that it has.

        Raises:
            InputError: There is no such member or port, or it has several and none was named.
        """
        member = self._member(name)
        return self._doors.open(member.address, self._port(member, port))

    def run(self, *command: str, host: str = CLIENT_HOST, timeout_s: float = 60.0) -> Completed:
        """Run a command on a host of the lab to its end: by default where the clients are.

        Raises:
            LabError: It cannot be started, or did not end in time.
        """
        return self._lab.world.run(host, command, timeout_s=timeout_s)

    @contextmanager
    def fault(self, kind: str, **parameters: object) -> Iterator[Struck]:
        """Break something for the length of a `with` block: it is seen to act at its start, and to be gone at its end.

        Args:
            kind: As in `bascule fault list`.
            parameters: As in `bascule fault show KIND`.

        Raises:
            InputError: There is no such fault or parameter.
            FaultError: It cannot be done here, was not seen to act, or could not be undone.
        """
        number, struck = self.inject(kind, parameters)
        try:
            yield struck
        finally:
            self.undo(number)

    def inject(self, kind: str, parameters: Mapping[str, object]) -> tuple[int, Struck]:
        """Break something until `undo` of the number that is returned, or the end.

        Raises:
            InputError: There is no such fault or parameter.
            FaultError: It cannot be done here, or was not seen to act; nothing of it is left.
        """
        fault = described(kind, parameters)
        if self.refused is not None and (why := injection.missing(fault, self._lab.world)):
            self.refused(why)
        number, struck = self._grip.strike(fault)
        if not struck.witness.seen:
            raise FaultError(f"{kind} was not seen to act: {'; '.join(struck.witness.evidence)}")
        return number, struck

    def undo(self, number: int) -> None:
        """Undo one fault and see that it is gone; once more does no harm."""
        self._grip.undo(number)

    def undo_all(self) -> tuple[str, ...]:
        """Undo everything that was broken. Returns what was, a sentence each.

        Raises:
            FaultError: Something is left.
        """
        return self._grip.undo_all()

    def is_acting(self, number: int) -> bool:
        """Whether this fault is injected still."""
        return self._grip.is_held(number)

    def close(self) -> None:
        """Undo everything and let go of the lab, which stays up.

        Raises:
            FaultError: Something is left; the watchdog goes on trying.
        """
        try:
            self._grip.close()
        finally:
            self._doors.close()
            self._lab.close()

    def down(self) -> None:
        """Undo everything, and end the lab."""
        try:
            self._grip.close()
        finally:
            self._doors.close()
            self._lab.down()

    def _component(self, name: str) -> str:
        if name and name not in self._lab.system.components:
            raise InputError(f"no component is called {name!r}", hint=did_you_mean(name, self._lab.system.components))
        return name

    def _member(self, name: str) -> Member:
        for member in self._lab.plan.members:
            if name in {member.name, member.component}:
                return member
        known = [member.name for member in self._lab.plan.members]
        raise InputError(f"no member or component is called {name!r}", hint=f"there are {', '.join(known)}")

    def _port(self, member: Member, port: str | int) -> int:
        if isinstance(port, int):
            return port
        component = self._lab.system.components[member.component]
        known = self._lab.engines[member.component].ports(component)
        if not port and len(known) == 1:
            return next(iter(known.values()))
        if port not in known:
            what = f"{member.component} has no port {port!r}" if port else f"{member.component} has several ports"
            raise InputError(what, hint=f"there are {', '.join(known)}")
        return known[port]


def described(kind: str, parameters: Mapping[str, object]) -> AnyFault:
    """The fault of this name with these parameters.

    Raises:
        InputError: There is no such fault or parameter, one is missing, or a value is out of its range.
    """
    named(kind)
    try:
        fault: AnyFault = msgspec.convert({**parameters, "fault": kind}, AnyFault, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{kind}: {error}", hint=f"bascule fault show {kind}") from error
    return fault
