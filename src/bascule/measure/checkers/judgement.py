"""What a whole history shows, object by object, and whether that is enough for a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure.checkers.appends import AppendFindings, check_appends
from bascule.measure.checkers.elements import ElementFindings, check_elements
from bascule.measure.checkers.operations import Operation
from bascule.measure.checkers.queues import QueueFindings, check_queue
from bascule.measure.checkers.registers import RegisterFindings, check_register
from bascule.measure.checkers.staleness import StaleFindings, check_staleness

ObjectType = Literal["register", "set", "list", "queue"]
Findings = RegisterFindings | StaleFindings | ElementFindings | AppendFindings | QueueFindings
Outcome = Literal["PASS", "FAIL", "INVALID"]

TYPES: Mapping[str, ObjectType] = {
    "write": "register",
    "read": "register",
    "add": "set",
    "members": "set",
    "append": "list",
    "list": "list",
    "enqueue": "queue",
    "dequeue": "queue",
    "effect": "queue",
    "drained": "queue",
}
LOOKS = frozenset({"read", "members", "list", "dequeue", "effect"})
"""Operations that show what became of the others; without one, nothing is shown."""


class ObjectFindings(Struct, frozen=True, kw_only=True):
    """What one object's operations show.

    Attributes:
        key: Which object.
        type: What it is.
        operations: How many operations it had.
        looks: How many of them show what became of the others.
        findings: What was found; the violations among it break the verdict.
    """

    key: str
    type: ObjectType
    operations: int
    looks: int
    findings: Findings

    @property
    def violations(self) -> int:
        """All that must not happen."""
        return self.findings.violations

    def broken(self) -> dict[str, int]:
        """How often each thing happened that must not happen, and what is told beside it; zeros are left out."""
        counts: dict[str, int] = {}
        for name in self.findings.__struct_fields__:
            found = getattr(self.findings, name)
            count = len(found) if isinstance(found, frozenset) else found if isinstance(found, int) else 0
            if count and name != "reads":
                counts[name] = count
        return counts


class Judgement(Struct, frozen=True, kw_only=True):
    """The verdict on a history: PASS, FAIL, or INVALID when it shows nothing; and why."""

    outcome: Outcome
    reasons: tuple[str, ...]
    objects: tuple[ObjectFindings, ...]


def judge(operations: Iterable[Operation], *, max_staleness_s: float | None = None) -> Judgement:
    """Judge every object of a history: registers by linearizability, or by the age of their reads if a bound is given.

    Objects are independent of each other: a history is linearizable if each object's is (Herlihy and Wing 1990,
    theorem 1).

    Raises:
        InputError: The history contradicts itself: a value written twice, an object of two types, an answer before
            its question.
    """
    objects: dict[str, list[Operation]] = {}
    types: dict[str, ObjectType] = {}
    for one in operations:
        kind = TYPES[one.kind]
        if types.setdefault(one.key, kind) != kind:
            raise InputError(f"{one.key!r} is a {types[one.key]} and has a {one.kind}", hint="name each object once")
        if one.fate == "ok" and one.returned_s < one.invoked_s:
            raise InputError(f"{one} was answered before it was sent", where=one.key, hint="use one clock for all")
        objects.setdefault(one.key, []).append(one)
    found = tuple(_judge_one(key, types[key], its, max_staleness_s) for key, its in objects.items())
    blind = [each.key for each in found if not each.looks]
    if broken := [each for each in found if each.violations]:
        return Judgement(outcome="FAIL", reasons=tuple(_reason(each) for each in broken[:10]), objects=found)
    if not found:
        return Judgement(outcome="INVALID", reasons=("the history is empty",), objects=())
    if blind:
        told = ", ".join(map(repr, blind[:5]))
        return Judgement(outcome="INVALID", reasons=(f"nobody read {told}: nothing is shown",), objects=found)
    return Judgement(outcome="PASS", reasons=(), objects=found)


def _judge_one(
    key: str, kind: ObjectType, operations: list[Operation], max_staleness_s: float | None
) -> ObjectFindings:
    findings: Findings
    match kind:
        case "register" if max_staleness_s is not None:
            findings = check_staleness(operations, bound_s=max_staleness_s)
        case "register":
            findings = check_register(operations)
        case "set":
            findings = check_elements(operations)
        case "list":
            findings = check_appends(operations)
        case "queue":
            findings = check_queue(operations)
    looks = sum(1 for one in operations if one.kind in LOOKS and one.fate == "ok")
    looks += kind == "queue" and any(one.kind == "drained" and one.fate == "ok" for one in operations)
    return ObjectFindings(key=key, type=kind, operations=len(operations), looks=looks, findings=findings)


def _reason(each: ObjectFindings) -> str:
    name = each.key or f"the {each.type}"
    examples = getattr(each.findings, "examples", ())
    told = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in each.broken().items())
    return f"{name}: {told}{f' ({examples[0]})' if examples else ''}"


def plain(judgement: Judgement) -> object:
    """The judgement as JSON has it; sets of elements as sorted lists."""
    return msgspec.to_builtins(judgement, order="deterministic")
