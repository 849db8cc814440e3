"""What a load client is told to do, and what it tells while it does it. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.system.model import Operation, Session

Phase = Literal["connecting", "running", "stopping", "done"]
TABLE = "bascule_writes"


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address that receives the load."""

    address: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        """`name` if it has one, else `address:port`."""
        return self.name or f"{self.address}:{self.port}"


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that one load client needs; it reads nothing else.

    Attributes:
        client: Its name, as it stands beside each number that it writes.
        targets: Where the load goes, the preferred address first; a target that does not answer is left for the next.
        rate_per_s: Operations per second, open loop.
        deadline_s: From the due time of an operation.
        retries: How often an operation is sent again; each attempt gets an equal share of the time that is left.
        session, operations, audit: As in the workload; HTTP only.
        records, status: Paths of the files that it writes.
        start_s: CLOCK_MONOTONIC time of operation 0; 0 means as soon as it is ready.
        count: How many operations it offers; 0 means until SIGTERM.
        number_base: Number of operation 0. Each run on the same system needs a base above all numbers of earlier runs.
        seed: Of the mix.
        ready_limit_s: How long it may take to sign in or to connect, to set up, or to read the final audit.
        user, database, passfile, table, connections: PostgreSQL only; connections per target, opened ahead.
        pinned: It has one target and never leaves it.
    """

    client: str
    protocol: Literal["http", "postgresql"]
    targets: tuple[Target, ...]
    rate_per_s: float
    deadline_s: float
    records: str
    status: str
    retries: int = 0
    session: Session | None = None
    operations: tuple[Operation, ...] = ()
    audit: str = ""
    start_s: float = 0.0
    count: int = 0
    number_base: int = 1
    seed: int = 0
    ready_limit_s: float = 30.0
    user: str = ""
    database: str = ""
    passfile: str = ""
    table: str = TABLE
    connections: int = 16
    pinned: bool = False


class Status(Struct, frozen=True, kw_only=True):
    """How far a load client is; rewritten about four times a second.

    Attributes:
        sent: Operations that were due so far.
        acked, late, failed, unknown: What became of them; `acked` were in time.
        lag_max_s: How far the client itself fell behind its schedule at worst.
        in_flight: Operations whose fate is open.
        last_number: Number of the latest operation.
        started_s: Time of operation 0; 0 before it is known.
        error: Why it is not running, or stopped before its end.
    """

    client: str
    phase: Phase
    sent: int = 0
    acked: int = 0
    late: int = 0
    failed: int = 0
    unknown: int = 0
    lag_max_s: float = 0.0
    in_flight: int = 0
    last_number: int = 0
    started_s: float = 0.0
    error: str = ""


def decode(text: bytes, where: str) -> Plan:
    """The plan in this JSON, checked.

    Raises:
        InputError: It is no plan, or one that cannot be carried out; `where` names its file.
    """
    try:
        plan = msgspec.json.decode(text, type=Plan)
    except msgspec.DecodeError as error:
        raise InputError(f"not a load plan: {error}", where=where) from error
    wrong = fault_of(plan)
    if wrong:
        raise InputError(wrong, where=where)
    return plan


def fault_of(plan: Plan) -> str:
    """Why this plan cannot be carried out; empty if it can."""
    if not plan.targets:
        return "the plan has no target"
    if plan.pinned and len(plan.targets) != 1:
        return f"a pinned client has one target, not {len(plan.targets)}"
    if plan.rate_per_s <= 0 or plan.deadline_s <= 0:
        return "rate and deadline must be above 0"
    if plan.protocol == "http" and not plan.operations:
        return "the plan has no operations"
    if plan.protocol == "postgresql" and not plan.table.replace("_", "a").isalnum():
        return f"{plan.table!r} is not a plain table name"
    return ""
