"""Everything that a verdict may stand on, and what follows from it before anything is judged. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from bascule.measure.checkers import (
    EpochFindings,
    HolderFindings,
    Holding,
    SetFindings,
    check_epochs,
    check_holders,
    check_set,
)
from bascule.measure.instants import Outage, Parts, Stability, new_epoch_s, outages, parts
from bascule.measure.records import Record
from bascule.measure.schedule import lag_bound_s
from bascule.measure.verdict import Instants

OUTSIDE = "outside"


class Stall(Struct, frozen=True, kw_only=True):
    """A time in which the disk under all hosts, this machine's own, kept a small write waiting."""

    start_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        """When it answered again."""
        return self.start_s + self.length_s


class Evidence(Struct, frozen=True, kw_only=True):
    """What one trial left behind. All times are seconds of CLOCK_MONOTONIC of this machine.

    Attributes:
        rate_per_s: Operations per second that the client `outside` offered.
        deadline_s: The deadline D of an operation.
        records: Every record of every client. Only `outside` counts for availability; all count for correctness.
        present: For each client, how many copies of each of its numbers are stored at the end; None: could not be read.
        started_s: Begin of the observation, after the warm-up.
        ended_s: End of the observation: no operation that is due later is looked at.
        injected_s: When the injection began; None in a control trial.
        t0_s: When the fault was witnessed to act; None if it never was.
        t2_s: When the system noticed, from its engines' events.
        t5_s: When its full redundancy was restored.
        healed_s: When the fault was undone.
        lag_max_s: How far the sender of `outside` fell behind its schedule at worst.
        control_clean: Whether the control trial before this one was clean; None if none was run.
        hold_s: How long the fault was meant to act; None: until the clients were served again.
        cut_off: Clients that the fault killed.
        broken: Clients whose records are not to be trusted, and why.
        aborted: Why the trial was stopped before its end; empty if it was not.
        idempotent: The system and its clients claim that no write is stored twice.
        stability: When the system counts as recovered.
        stalls: When this machine's disk stalled under all hosts at once; they excuse nothing, and explain much.
        holdings: Who had the entry's address, each time it was looked at; None where no address moves.
    """

    rate_per_s: float
    deadline_s: float
    records: Mapping[str, Sequence[Record]]
    present: Mapping[str, Mapping[int, int] | None]
    started_s: float
    ended_s: float
    injected_s: float | None = None
    t0_s: float | None = None
    t2_s: float | None = None
    t5_s: float | None = None
    healed_s: float | None = None
    lag_max_s: float = 0.0
    control_clean: bool | None = True
    hold_s: float | None = None
    cut_off: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    aborted: str = ""
    idempotent: bool = True
    stability: Stability = field(default_factory=Stability)
    stalls: tuple[Stall, ...] = ()
    holdings: tuple[Holding, ...] | None = None

    @property
    def resolution_s(self) -> float:
        """Smallest difference that a time taken at the client can show: 1/rate + D."""
        return 1 / self.rate_per_s + self.deadline_s

    @property
    def lag_bound_s(self) -> float:
        """How far the sender may fall behind."""
        return lag_bound_s(self.rate_per_s, self.deadline_s)

    @property
    def fault_s(self) -> float | None:
        """When the fault began to matter: its injection, or else its witness."""
        return self.t0_s if self.injected_s is None else self.injected_s


class Findings(Struct, frozen=True, kw_only=True):
    """What follows from the evidence.

    Attributes:
        observed: Operations of `outside` that were due in the observation, in due order.
        steady: Those of them whose fate was known before the fault.
        first: The outage that the fault made; None when no operation was bad before the fault was undone. It has no end
            where the drill itself ended it, by undoing a fault that was meant to act until clients were served again.
        later: All other outages: those of the heal, relapses, and those that were over when the clock started.
        sets: What became of each client's writes; clients whose numbers could not be read are missing.
        unread: Clients whose numbers could not be read.
        holders: Whether the entry's address ever had two; None where no address moves.
    """

    observed: tuple[Record, ...]
    steady: tuple[Record, ...]
    first: Outage | None
    later: tuple[Outage, ...]
    parts: Parts | None
    instants: Instants | None
    sets: Mapping[str, SetFindings]
    unread: tuple[str, ...]
    epochs: EpochFindings
    holders: HolderFindings | None = None


def find(evidence: Evidence) -> Findings:
    """Everything that can be known from this evidence; what cannot is None or missing, never guessed."""
    outside = sorted(evidence.records.get(OUTSIDE, ()), key=lambda record: record.due_s)
    observed = tuple(record for record in outside if evidence.started_s <= record.due_s < evidence.ended_s)
    fault_s = evidence.fault_s
    steady = observed if fault_s is None else tuple(record for record in observed if record.done_s < fault_s)
    first, later = _outages(evidence, observed)
    everybody = [record for records in evidence.records.values() for record in records]
    t3_s = None if fault_s is None else new_epoch_s(everybody, fault_s)
    found = None
    if evidence.t0_s is not None and fault_s is not None:
        found = parts(
            first,
            t0_s=evidence.t0_s,
            injected_s=fault_s,
            t2_s=evidence.t2_s,
            t3_s=t3_s,
            slack_s=evidence.resolution_s,
        )
    sets: dict[str, SetFindings] = {}
    unread: list[str] = []
    for client, records in evidence.records.items():
        present = evidence.present.get(client)
        if present is None:
            unread.append(client)
        else:
            sets[client] = check_set(records, present, evidence.t0_s, cut_off=client in evidence.cut_off)
    return Findings(
        observed=observed,
        steady=steady,
        first=first,
        later=later,
        parts=found,
        instants=_instants(evidence, first, t3_s),
        sets=sets,
        unread=tuple(unread),
        epochs=check_epochs(everybody),
        holders=None if evidence.holdings is None else check_holders(evidence.holdings),
    )


def _outages(evidence: Evidence, observed: tuple[Record, ...]) -> tuple[Outage | None, tuple[Outage, ...]]:
    from_s = evidence.fault_s
    if from_s is None:
        return None, outages(observed, -math.inf, evidence.ended_s, evidence.stability)
    found = outages(observed, from_s, evidence.ended_s, evidence.stability)
    healed_s = math.inf if evidence.healed_s is None else evidence.healed_s
    acting = [place for place, one in enumerate(found) if one.start_s < healed_s]
    if not acting:
        return None, found
    # Where the clock starts at a later fault, an outage that was over by then is not the one that it counts.
    place = next((place for place in acting if _lasts_beyond(found[place], evidence.t0_s)), acting[0])
    first, others = found[place], (*found[:place], *found[place + 1 :])
    if evidence.hold_s is None and (first.end_s is None or first.end_s > healed_s):
        first = Outage(start_s=first.start_s, end_s=None)
    return first, others


def _lasts_beyond(outage: Outage, t0_s: float | None) -> bool:
    return t0_s is None or outage.end_s is None or outage.end_s > t0_s


def _instants(evidence: Evidence, first: Outage | None, t3_s: float | None) -> Instants | None:
    if evidence.t0_s is None:
        return None
    return Instants(
        t0_s=evidence.t0_s,
        t1_s=first.start_s if first else None,
        t2_s=evidence.t2_s,
        t3_s=t3_s,
        t4_s=first.end_s if first else None,
        t5_s=evidence.t5_s,
        healed_s=evidence.healed_s,
    )
