"""The course of a trial: what it was, what it left behind, and the evidence and the report that follow from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bascule.drill.clients import Client, Clients
from bascule.drill.events import TimedEvent, noticed_s
from bascule.drill.explain import explain
from bascule.drill.observer import Snapshot, nodes
from bascule.drill.picture import marks
from bascule.drill.plan import Run
from bascule.drill.report import Mark, Trial
from bascule.drill.scenarios.expectation import expected, surprise
from bascule.drill.targets import Aim, Target
from bascule.lab.lab import Lab
from bascule.measure.bins import bins
from bascule.measure.checkers import Holding
from bascule.measure.evidence import Evidence, Stall
from bascule.measure.promises import claims_idempotence, stability
from bascule.measure.verdict import Verdict

BIN_S = 0.25


class Act(Struct, frozen=True, kw_only=True):
    """One thing that a timeline did: a fault, or its end (`heal`)."""

    at_s: float
    kind: str
    text: str


class Times(Struct, kw_only=True):
    """The moments of a trial as they come, in CLOCK_MONOTONIC seconds; `afterwards`: what was not well at the end."""

    started_s: float
    injected_s: float | None = None
    t0_s: float | None = None
    evidence: tuple[str, ...] = ()
    undone_s: float | None = None
    healed_s: float | None = None
    t5_s: float | None = None
    ended_s: float = 0.0
    acts: tuple[Act, ...] = ()
    afterwards: str = ""
    missed: str = ""


class Course(Struct, kw_only=True):
    """Everything that one trial was and left behind.

    Attributes:
        aim: The component that is aimed at.
        started_wall_s: Seconds since the Unix epoch.
        present: What was stored at the end, by client.
        aborted: Why it was stopped before its end.
        stalls: Of this machine's disk, under all hosts.
        powered_off: The hosts that lost their power, with the clients on them.
        hold_s: How long the fault was meant to act; None: until clients were served again.
        holdings: Who had the entry's address, each time it was looked at; None where no address moves.
    """

    lab: Lab
    aim: Aim
    clients: Clients
    moments: Times
    before: Snapshot
    after: Snapshot
    started_wall_s: float
    events: tuple[TimedEvent, ...] = ()
    present: Mapping[str, dict[int, int] | None] = {}
    control_clean: bool | None = None
    aborted: str = ""
    stalls: tuple[Stall, ...] = ()
    powered_off: tuple[str, ...] = ()
    hold_s: float | None = None
    holdings: tuple[Holding, ...] | None = None

    def evidence(self) -> Evidence:
        """What a verdict may stand on."""
        workload = self.clients.workload
        moments = self.moments
        injected_s = moments.injected_s
        return Evidence(
            rate_per_s=workload.rate.per_s,
            deadline_s=workload.deadline.seconds,
            records={client.plan.client: client.records for client in self.clients.all},
            present=self.present,
            started_s=moments.started_s,
            ended_s=moments.ended_s,
            injected_s=injected_s,
            t0_s=moments.t0_s,
            t2_s=None if injected_s is None else noticed_s(self._telling(), self.aim.component, injected_s),
            t5_s=moments.t5_s,
            healed_s=moments.healed_s,
            lag_max_s=self.clients.outside.status().lag_max_s,
            control_clean=self.control_clean,
            hold_s=self.hold_s,
            cut_off=tuple(client.plan.client for client in self.clients.all if self._was_cut_off(client)),
            broken={client.plan.client: why for client in self.clients.all if (why := self._broken(client))},
            stability=stability(self.lab.system),
            aborted=self.aborted,
            idempotent=claims_idempotence(workload),
            stalls=self.stalls,
            holdings=self.holdings,
        )

    def _telling(self) -> tuple[TimedEvent, ...]:
        """The events that tell of what was aimed at: an edge that misses what is behind it tells nothing of itself."""
        return tuple(one for one in self.events if not (self.aim.is_entry and one.event.kind == "server_down"))

    def _was_cut_off(self, client: Client) -> bool:
        return client.killed and client.host in self.powered_off

    def _broken(self, client: Client) -> str:
        if client.killed and not self._was_cut_off(client):
            return "it was killed, and not by the fault"
        return client.broken

    def control_report(self, verdict: Verdict) -> Trial:
        """The report of a trial without a fault."""
        return Trial(
            experiment="control",
            title="No fault",
            scope="",
            verdict=verdict,
            marks=marks(None, (), self.stalls, self.moments.started_s, ""),
            before=nodes(self.lab, self.before),
            **self._drawn(),
        )

    def report(self, run: Run, target: Target, verdict: Verdict) -> Trial:
        """The report of a trial with a fault."""
        action = run.experiment.action.format(target=target.name)
        return Trial(
            experiment=run.experiment.name,
            title=run.experiment.title,
            scope=run.experiment.scope,
            verdict=verdict,
            target=target.name,
            explanation=self._told(verdict, action),
            marks=marks(verdict.instants, self.events, self.stalls, self.moments.started_s, action, acts=self._acted()),
            expected=expected(run),
            surprise=surprise(run, verdict),
            before=nodes(self.lab, self.before, target.members),
            **self._drawn(),
        )

    def _acted(self) -> tuple[Mark, ...]:
        """What a timeline did, after the fault that starts its clock."""
        started_s = self.moments.started_s
        return tuple(Mark(at_s=one.at_s - started_s, kind=one.kind, text=one.text) for one in self.moments.acts)

    def _told(self, verdict: Verdict, action: str) -> tuple[str, ...]:
        seen = "; ".join(self.moments.evidence)
        if verdict.instants is None:
            return (f"The witness saw: {seen}.",) if seen else ()
        return explain(
            self._telling(),
            verdict.instants,
            component=self.aim.component,
            old_primary=self.before.in_charge(self.aim),
            new_primary=self.after.in_charge(self.aim) if self.aim.has_holder else "",
            shared=not self.aim.has_holder,
            action=f"{action} (the witness saw: {seen})",
        )

    def _drawn(self) -> dict[str, Any]:
        """What the picture of every trial needs, as fields of `Trial`."""
        moments = self.moments
        ended_s = max(moments.ended_s, moments.started_s)
        return {
            "started_wall_s": self.started_wall_s,
            "started_s": moments.started_s,
            "duration_s": ended_s - moments.started_s,
            "bin_s": BIN_S,
            "bins": bins(self.clients.outside.records, moments.started_s, ended_s, BIN_S),
            "after": nodes(self.lab, self.after),
            "offered": {client.plan.client: len(client.records) for client in self.clients.all},
        }
