"""Reads at the end what is stored of a client's writes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import psycopg
from msgspec import Struct
from psycopg import sql

from bascule.kernel.errors import InputError, MachineError, NotReadyError
from bascule.measure.http_wire import Wires
from bascule.measure.load_postgresql import connect
from bascule.measure.plan import Plan, Target
from bascule.measure.request import Request, copies_of
from bascule.measure.sign_in import SignIn, ask
from bascule.system.model import Operation

_ATTEMPT_S = 5.0
_PAUSE_S = 0.2
T = TypeVar("T")


class Audit(Struct, frozen=True, kw_only=True):
    """What is stored of one client's numbers at the end: how many copies of each."""

    client: str
    copies: dict[int, int]


async def audit(plan: Plan) -> Audit:
    """Every number of the plan's client and run that is stored, as the primary knows it.

    Raises:
        NotReadyError: It could not be read within the plan's limit.
    """
    read = _numbers_by_sql if plan.protocol == "postgresql" else _numbers_by_http
    return Audit(client=plan.client, copies=await _insist(plan, "audit", read))


async def _insist(plan: Plan, what: str, attempt: Callable[[Plan, Target], Awaitable[T]]) -> T:
    until_s = time.monotonic() + plan.ready_limit_s
    error = "no target tried"
    while time.monotonic() < until_s:
        for target in plan.targets:
            try:
                async with asyncio.timeout(_ATTEMPT_S):
                    return await attempt(plan, target)
            except (OSError, psycopg.Error, NotReadyError, msgspec.DecodeError) as failure:
                error = f"{target}: {str(failure) or 'no answer'}"
        await asyncio.sleep(_PAUSE_S)
    raise NotReadyError(f"{what} for client {plan.client}: not within {plan.ready_limit_s:g} s; last: {error}")


async def _numbers_by_sql(plan: Plan, target: Target) -> dict[int, int]:
    connection = await connect(plan, target)
    try:
        recovering = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
        if recovering is None or recovering[0]:
            raise NotReadyError("it is a replica, which may lag behind")
        cursor = await connection.execute(
            sql.SQL("SELECT number, count(*) FROM {} WHERE client = %s AND number >= %s GROUP BY number").format(
                sql.Identifier(plan.table)
            ),
            (plan.client, plan.number_base),
        )
        return {int(number): int(count) for number, count in await cursor.fetchall()}
    finally:
        await connection.close()


async def _numbers_by_http(plan: Plan, target: Target) -> dict[int, int]:
    if not plan.audit:
        raise NotReadyError("the workload names no audit path")
    wires = Wires(0, target.address, target.port)
    host = f"{target.address}:{target.port}"
    values = {"client": plan.client, "number": plan.number_base}
    request = Request(Operation(name="audit", method="GET", path=plan.audit))
    answer = await ask(wires, request.text(host, values))
    if answer.status == 401 and plan.session is not None:
        session = SignIn(plan)
        await session.renew(wires, host)
        answer = await ask(wires, request.text(host, values, session.token))
    if answer.status != 200:
        raise NotReadyError(f"HTTP {answer.status}")
    return copies_of(answer.body, plan.client, plan.number_base)


def write_audit(found: Audit, path: Path) -> None:
    """Write the audit durably, as a whole or not at all.

    Raises:
        MachineError: The file cannot be written.
    """
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(found))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise MachineError(f"cannot write: {error.strerror}", where=str(path)) from error


def read_audit(path: Path) -> dict[int, int]:
    """How many copies of each number an audit found.

    Raises:
        InputError: The file is not there, or holds no audit.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Audit).copies
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"not an audit: {error}", where=str(path)) from error
