"""Watches every member of a lab several times a second, out of band, so that partitions do not blind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from bascule.drill.facts import MemberChanged
from bascule.drill.report import Node
from bascule.drill.targets import Aim
from bascule.engines.protocols import Observation
from bascule.kernel.facts import Bus
from bascule.lab import startup
from bascule.lab.lab import Lab
from bascule.measure.checkers import Holding

PERIOD_S = 0.2


class Snapshot(Struct, frozen=True, kw_only=True):
    """What every member, asked at `at_s`, had said of itself by `answered_s`: component -> member -> observation."""

    at_s: float
    answered_s: float
    seen: Mapping[str, Mapping[str, Observation]]

    def primary(self, component: str) -> str:
        """The member that says it is primary, or an empty string. Among several, the one with the highest epoch."""
        claims = [(o.epoch, name) for name, o in self.seen.get(component, {}).items() if o.up and o.role == "primary"]
        return max(claims)[1] if claims else ""

    def first(self, component: str) -> str:
        """The first member that is up, or an empty string."""
        return next((name for name, seen in self.seen.get(component, {}).items() if seen.up), "")

    def in_charge(self, aim: Aim) -> str:
        """Who is to be hit: the member that is in charge; where nobody is, the first one that is up."""
        return self.primary(aim.component) if aim.has_holder else self.first(aim.component)


class Observer:
    """Takes a `Snapshot` every 0.2 s in a thread of its own, from `start` until the end of its `with` block."""

    def __init__(self, lab: Lab, bus: Bus) -> None:
        self._bus = bus
        self._lab = lab
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)
        self._lock = threading.Condition()
        self._latest = Snapshot(at_s=0.0, answered_s=0.0, seen={})
        self._holdings: list[Holding] = []
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        while not self._stop.is_set():
            asked_s = time.monotonic()
            try:
                seen = self._lab.observe()
            except Exception as error:  # noqa: BLE001 - kept, and raised where the drill waits
                self.failure = error
                with self._lock:
                    self._lock.notify_all()
                return
            self._tell_changes(asked_s, seen)
            self._note_holders(asked_s, seen)
            with self._lock:
                self._latest = Snapshot(at_s=asked_s, answered_s=time.monotonic(), seen=seen)
                self._lock.notify_all()
            self._stop.wait(max(0.0, PERIOD_S - (time.monotonic() - asked_s)))

    def _note_holders(self, at_s: float, seen: Mapping[str, Mapping[str, Observation]]) -> None:
        """Keep who had the entry's address, be the member there up or not."""
        if self._lab.plan.vip is not None:
            among = seen.get(self._lab.system.workload.through, {})
            hosts = tuple(name for name, one in among.items() if one.role == "primary")
            self._holdings.append(Holding(at_s=at_s, hosts=hosts))

    def holdings(self, since_s: float, until_s: float) -> tuple[Holding, ...] | None:
        """Who had the entry's address, each time it was looked at between two moments; None where none moves."""
        if self._lab.plan.vip is None:
            return None
        return tuple(one for one in self._holdings if since_s <= one.at_s <= until_s)

    def _tell_changes(self, at_s: float, seen: Mapping[str, Mapping[str, Observation]]) -> None:
        for component, members in self._latest.seen.items():
            for name, before in members.items():
                now = seen[component][name]
                if (now.up, now.role) != (before.up, before.role):
                    self._bus.publish(MemberChanged(at_s=at_s, member=name, up=now.up, role=now.role))

    def latest(self) -> Snapshot:
        """The last snapshot.

        Raises:
            Exception: Whatever ended the watching.
        """
        if self.failure is not None:
            raise self.failure
        return self._latest

    def fresh(self, after_s: float, timeout_s: float = 10.0) -> Snapshot:
        """The first snapshot that was asked for after `after_s`; the last one, should none come in time."""
        with self._lock:
            self._lock.wait_for(lambda: self._latest.at_s > after_s or self.failure is not None, timeout_s)
        return self.latest()

    def serves(self, snapshot: Snapshot) -> bool:
        """Whether every member was up, and every component served."""
        return startup.serves(
            self._lab.system, {name: tuple(members.values()) for name, members in snapshot.seen.items()}
        )

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Whether every member of every component was up and fully part of it."""
        flat = {name: tuple(members.values()) for name, members in snapshot.seen.items()}
        return startup.whole(self._lab.system, flat)


def nodes(lab: Lab, snapshot: Snapshot, hit: frozenset[str] = frozenset()) -> tuple[Node, ...]:
    """A picture of the topology: every member as it was in the snapshot, with those that the fault hit marked."""
    pictured = []
    for member in lab.plan.members:
        seen = snapshot.seen.get(member.component, {}).get(member.name, Observation(up=False))
        pictured.append(
            Node(
                name=member.name,
                component=member.component,
                engine=lab.system.components[member.component].engine,
                zone=member.zone,
                region=member.region,
                up=seen.up,
                role=seen.role,
                detail=seen.detail,
                hit=member.name in hit,
            )
        )
    return tuple(pictured)
