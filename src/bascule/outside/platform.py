"""Targets outside the lab as a platform: each member is one target, and an agent beside it does the work."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from bascule.chaos.platform import Control, DescriptorView, ProcessView
from bascule.kernel.errors import FaultError
from bascule.outside.address import Address
from bascule.outside.link import Link
from bascule.outside.seen import Seen

LEASE_S = 20.0
"""For how long the far side holds a fault without a word from here: longer than any call of the platform takes."""
RENEW_S = 1.0
_NO_HOSTS = "outside the lab, whole machines are not switched off"
_NO_NETWORK = "outside the lab, no packets are touched"


class OutsidePlatform:
    """Targets of one machine, reached by one link. A link that broke is made anew for the next call.

    Args:
        connect: Starts an agent.
        targets: By the names of the members.
        run: Name of the run; agents of the same run take over from one another.
        boot: As the targets were met first; empty: they are met now.
        starts: Start times of processes, by name; as above.
        lease_s: For how long the agent holds faults without a word from here.

    Raises:
        FaultError: The agent is not reached, or there is no such target.
    """

    def __init__(
        self,
        connect: Callable[[], Link],
        targets: dict[str, Address],
        run: str,
        *,
        boot: str = "",
        starts: dict[str, int] | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self._connect = connect
        self._targets = dict(targets)
        self._run = run
        self._lease_s = lease_s
        self._restarts: dict[str, tuple[str, ...]] = {}
        self._starts = dict(starts or {})
        self._boot = boot
        self.is_gone = False
        self.seen: dict[str, Seen] = {}
        self._link = connect()
        self._ended = weakref.finalize(self, _close, holder := [self._link])
        self._ended.atexit = (
            False  # a command that ends has said goodbye, or is in a hurry: the pipe's end tells enough
        )
        self._links = holder
        try:
            self._hello()
        except BaseException:
            self.close()
            raise

    def _hello(self) -> None:
        told = self._link.ask(
            "hello",
            run=self._run,
            boot=self._boot,
            lease_s=self._lease_s,
            targets={name: self._told(name, one) for name, one in self._targets.items()},
        )
        self.is_gone = bool(told["gone"])
        for name, facts in told["targets"].items():
            seen = msgspec.convert(facts, Seen)
            self.seen[name] = seen
            if not self._boot:
                self._starts[name] = seen.start
        self._boot = self._boot or next((one.boot for one in self.seen.values()), "")

    def _told(self, name: str, one: Address) -> dict[str, object]:
        if one.unit:
            return {"unit": one.unit, "user": one.of_user}
        restart = list(self._restarts.get(name, ()))
        return {"pid": one.pid, "start": self._starts.get(name, 0), "restart": restart}

    def arm(self, restarts: dict[str, tuple[str, ...]]) -> None:
        """Say by which commands killed processes are started again, by the names of the members.

        Raises:
            FaultError: The agent is not reached, or a target is gone.
        """
        self._restarts = dict(restarts)
        self._hello()

    def close(self) -> None:
        """Say goodbye to the agent: what it still holds is undone."""
        self._ended()

    @property
    def link(self) -> Link:
        """The way to the agent, as it is now."""
        return self._link

    def renew(self) -> None:
        """Say that this side lives.

        Raises:
            FaultError: The far side is not reached, or what holds the fault there has ended by itself.
        """
        self._link.ask("renew")

    def _do(self, do: str, member: str, **order: object) -> Any:  # noqa: ANN401 - whatever JSON can say
        """Do something that a fault needs; it is not tried again by itself."""
        if member not in self._targets:
            raise FaultError(f"no target is called {member!r}", hint=f"there is {', '.join(self._targets)}")
        if not self._ended.alive:
            raise FaultError("the link was closed")
        if not self._link.is_open:
            self._link.close()
            self._link = self._connect()
            self._links[:] = [self._link]
            self._hello()
        return self._link.ask(do, target=member, **order)

    def _look(self, do: str, member: str) -> Any:  # noqa: ANN401 - whatever JSON can say
        """Look, or take back: over a new link if the one that there was has just broken."""
        try:
            return self._do(do, member)
        except FaultError:
            if self._link.is_open:
                raise
            return self._do(do, member)

    # -- what there is

    def refusal(self, control: Control) -> str:
        """It has control of processes that may be signalled."""
        if control == "host":
            return _NO_HOSTS
        if control == "network":
            return _NO_NETWORK
        told = (seen.refusal.get(control, "that is not done outside the lab") for seen in self.seen.values())
        return next((why for why in told if why), "")

    def hosts(self, *, zone: str = "", region: str = "") -> tuple[str, ...]:
        """The one machine; it has no zone and no region that is known."""
        return () if zone or region else tuple({seen.host: None for seen in self.seen.values()})

    def members(self, host: str) -> tuple[str, ...]:
        """The targets."""
        return tuple(self._targets) if host in self.hosts() else ()

    def host_of(self, member: str) -> str:
        """The machine.

        Raises:
            FaultError: There is no such target.
        """
        if member not in self.seen:
            raise FaultError(f"no target is called {member!r}")
        return self.seen[member].host

    def processes(self, member: str) -> tuple[ProcessView, ...]:
        """Every live process of a target, main process first."""
        rows = self._look("processes", member)
        return tuple(ProcessView(pid=pid, command=command, state=state) for pid, command, state in rows)

    def descriptors(self, member: str) -> tuple[DescriptorView, ...]:
        """The file descriptors of every process of it."""
        rows = self._look("descriptors", member)
        return tuple(DescriptorView(pid=pid, open=used, free=free) for pid, used, free in rows)

    # -- what can be done to it

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """SIGKILL the whole target, or the topmost process of a command alone."""
        return tuple(self._do("kill", member, command=command))

    def start(self, member: str) -> None:
        """Start it if it is down."""
        self._look("start", member)

    def freeze(self, member: str) -> tuple[int, ...]:
        """SIGSTOP the whole target."""
        return tuple(self._do("freeze", member))

    def thaw(self, member: str) -> None:
        """SIGCONT everything that was stopped."""
        self._look("thaw", member)

    def crash_loop(self, member: str, up_s: float) -> tuple[int, ...]:
        """Kill and start it, for ever."""
        return tuple(self._do("crash-loop", member, up_s=up_s))

    def end_crash_loop(self, member: str) -> None:
        """End the loop, and start it if it is down."""
        self._look("end-crash-loop", member)

    def slow(self, member: str, share: float) -> tuple[int, ...]:
        """Let it run a share of the time."""
        return tuple(self._do("slow", member, share=share))

    def turns(self, member: str) -> int | None:
        """How often the agent saw its main process stop and go on, in turn; None when it is not slowed."""
        count = self._look("turns", member)
        return None if count is None else int(count)

    def hasten(self, member: str) -> None:
        """Let it run all the time again."""
        self._look("hasten", member)

    def limit_descriptors(self, member: str, spare: int) -> tuple[int, ...]:
        """Leave every process of it so many free descriptors."""
        return tuple(self._do("limit-descriptors", member, spare=spare))

    def free_descriptors(self, member: str) -> None:
        """Give every process of it the limit that it had."""
        self._look("free-descriptors", member)

    # -- what is not done here: `refusal` says so before any of these is called

    def heal(self) -> None:
        """Nothing was cut."""

    def __getattr__(self, word: str) -> NoReturn:
        """No fault asks for anything else: it was refused before.

        Raises:
            FaultError: Always.
        """
        if word.startswith("__"):
            raise AttributeError(word)
        raise FaultError(f"outside the lab there is no {word.replace('_', ' ')}")


def _close(links: list[Link]) -> None:
    for link in links:
        with contextlib.suppress(FaultError):  # whatever cannot be said to it, it ends when nobody speaks
            link.close()
